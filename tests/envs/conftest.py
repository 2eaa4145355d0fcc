"""What tests of several neighbourhoods share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def goes_on_exactly() -> Callable[[Callable[[], Any]], None]:
    """Checks that environments which a function makes afresh go on from a state as the one that it was taken from.

    The state is taken after each of the first steps, so that some episodes are over then, with each way to end.
    """
    from gymnasium.vector import AutoresetMode

    def step(env: Any, over: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        """One step of random actions, staying among them; what is over is started again first if nothing else does."""
        if env.autoreset_mode is AutoresetMode.DISABLED and over.any():
            env.reset(options={"reset_mask": over})
        stays = rng.random(env.num_envs) < 0.3
        seen = env.step(np.where(stays, 0, rng.integers(1, env.single_action_space.n, env.num_envs)))
        return seen, seen[2] | seen[3]

    def same(one: Any, other: Any) -> None:
        assert type(one) is type(other)
        if isinstance(one, dict):
            assert one.keys() == other.keys()
            for name in one:
                same(one[name], other[name])
        elif isinstance(one, np.ndarray) and one.dtype == object:
            for pair in zip(one, other, strict=True):
                same(*pair)
        elif isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
        elif isinstance(one, tuple):
            for pair in zip(one, other, strict=True):
                same(*pair)

    def check(make: Callable[[], Any]) -> None:
        for before in range(6):
            env, rng = make(), np.random.default_rng(0)
            last, info = env.reset(seed=before)
            over = np.zeros(env.num_envs, dtype=bool)
            for _ in range(before):
                (last, _, _, _, info), over = step(env, over, rng)
            resumed = make()
            observation, value = resumed.load_state_dict(env.state_dict())
            same(observation, last)
            same(value, {name: info[name] for name in value})
            same(resumed.seen_states(), env.seen_states())
            ours, theirs = (np.random.default_rng(1) for _ in range(2))
            there = over
            for _ in range(8):
                (seen, over), (other, there) = step(env, over, ours), step(resumed, there, theirs)
                same(seen, other)
            same(env.state_dict(), resumed.state_dict())

    return check
