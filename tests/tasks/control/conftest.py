"""What tests of environments have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError


@pytest.fixture(scope="session")
def pixels() -> None:
    """MuJoCo renders here."""
    pytest.importorskip("mujoco", reason="environments need the extra control")
    from archloom.tasks.control import rendering

    try:
        rendering.device()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def point() -> Iterator[str]:
    """An environment that opens in no time: a point that is pushed, with rewards near the middle of its line."""
    gymnasium = pytest.importorskip("gymnasium", reason="environments need the extra control")
    from gymnasium.spaces import Box

    class Point(gymnasium.Env):  # type: ignore[misc, name-defined]
        metadata = {"render_modes": ["rgb_array"], "render_fps": 100}  # noqa: RUF012
        observation_space = Box(-np.inf, np.inf, (3,), np.float32)
        action_space = Box(-0.1, 0.1, (1,), np.float32)

        def __init__(self, render_mode: str | None = None) -> None:
            self.render_mode = render_mode

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
            super().reset(seed=seed)
            self.place, self.speed = self.np_random.uniform(-1, 1, 2)
            return self.observed(), {}

        def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            self.speed += float(action[0])
            self.place += self.speed
            return self.observed(), 1 / (1 + abs(self.place)), False, False, {}

        def observed(self) -> np.ndarray:
            return np.array([self.place, self.speed, 1], np.float32)

        def render(self) -> np.ndarray:
            return np.full((90, 90, 3), 128 + 100 * np.tanh(self.place), np.uint8)

    gymnasium.register("Point-v0", entry_point=Point)
    yield "gym:Point-v0"
    del gymnasium.registry["Point-v0"]
