"""Environments of Gymnasium."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="environments need the extra control")

import gymnasium
from gymnasium.spaces import Box, Dict, Discrete, Sequence

from archloom.errors import InputError, TrainingError
from archloom.tasks.control.environments import Environment, EnvironmentSettings, open_environment

VECTORS = Dict({"place": Box(-9, 9, (1, 2), np.float64), "colour": Discrete(3)})


class Corridor(gymnasium.Env[Any, np.ndarray]):
    """A place moves by the first number of an action; beyond 4 is a terminal. Rewards are the second number."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"]}

    def __init__(self, observed: Any = VECTORS, acted: Any = None, render_mode: str | None = None) -> None:
        self.observation_space = observed
        self.action_space = acted or Box(np.array([[-1, 0]], np.float32), np.array([[1, 10]], np.float32))
        self.render_mode = render_mode
        self.place = 0.0

    def observed(self) -> Any:
        if self.observation_space is VECTORS:
            return {"place": np.array([[self.place, 0.5]]), "colour": np.int64(1)}
        return np.full(self.observation_space.shape, int(self.place) + 100, np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = self.np_random.uniform()
        return self.observed(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action.shape == (1, 2) and action.dtype == np.float32
        self.place += float(action[0, 0])
        return self.observed(), float(action[0, 1]), self.place > 4, False, {}

    def render(self) -> np.ndarray:
        picture = np.zeros((60, 90, 3), np.uint8)
        picture[:30] = 200
        return picture


class Odd(Corridor):
    def observed(self) -> Any:
        return np.zeros((2, 2), np.uint8)


class Blind(Corridor):
    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    ids = {
        "Corridor-v0": {"entry_point": Corridor},
        "Short-v0": {"entry_point": Corridor, "max_episode_steps": 3},
        "Blind-v0": {"entry_point": Blind},
        "Picture-v0": {"entry_point": Corridor, "kwargs": {"observed": Box(0, 255, (60, 90, 3), np.uint8)}},
        "Grey-v0": {"entry_point": Corridor, "kwargs": {"observed": Box(0, 255, (60, 90), np.uint8)}},
        "First-v0": {"entry_point": Corridor, "kwargs": {"observed": Box(0, 255, (3, 60, 90), np.uint8)}},
        "Odd-v0": {"entry_point": Odd, "kwargs": {"observed": Box(0, 255, (60, 90), np.uint8)}},
        "Discrete-v0": {"entry_point": Corridor, "kwargs": {"acted": Discrete(2)}},
        "Whole-v0": {"entry_point": Corridor, "kwargs": {"acted": Box(0, 5, (2,), np.int64)}},
        "Unbounded-v0": {"entry_point": Corridor, "kwargs": {"acted": Box(-np.inf, np.inf, (2,))}},
        "Still-v0": {"entry_point": Corridor, "kwargs": {"acted": Box(0, 1, (0,))}},
        "Empty-v0": {"entry_point": Corridor, "kwargs": {"observed": Box(0, 1, (0,))}},
        "Sequence-v0": {"entry_point": Corridor, "kwargs": {"observed": Sequence(Discrete(2))}},
    }
    for name, how in ids.items():
        gymnasium.register(name, **how)
    yield
    for name in ids:
        del gymnasium.registry[name]


def opened(name: str, seed: int = 0, **settings: Any) -> Environment:
    return open_environment(f"gym:{name}", seed, EnvironmentSettings(**settings))


def test_vectors_actions_and_true_terminals() -> None:
    environment = opened("Corridor-v0", pixels=False)
    assert (environment.frame_shape, environment.actions) == ((5,), 2)
    first = environment.reset()
    assert first.dtype == np.float32
    assert first[:3].tolist() == [0, 1, 0] and first[4] == 0.5  # keys in their order, colours one-hot
    ahead = np.array([1, -0.4], np.float32)  # 1 and 3 in its bounds
    step = environment.step(ahead)
    assert step.frame[3] == pytest.approx(first[3] + 2) and step.reward == pytest.approx(6)
    assert (step.discount, step.last) == (1, False)
    step = environment.step(ahead)  # passes 4 at the second frame
    assert (step.discount, step.last) == (0, True)
    environment.reset()
    environment.step(ahead)
    environment._simulation._environment.unwrapped.place = 3.5  # type: ignore[attr-defined]
    step = environment.step(ahead)  # passes 4 at the first frame
    assert step.reward == pytest.approx(3) and (step.discount, step.last) == (0, True)


def test_what_is_cut_off_by_time_is_no_terminal() -> None:
    environment = opened("Short-v0", pixels=False)
    environment.reset()
    still = np.array([0, -1], np.float32)
    steps = [environment.step(still), environment.step(still)]
    assert [(step.discount, step.last) for step in steps] == [(1, False), (1, True)]


def test_without_a_limit_episodes_have_1000_frames() -> None:
    environment = opened("Corridor-v0", pixels=False, repeat=400)
    environment.reset()
    lasts = [environment.step(np.array([0, 1], np.float32)) for _ in range(3)]
    assert [step.last for step in lasts] == [False, False, True]
    assert sum(step.reward for step in lasts) == 10 * 1000


def test_seeds_are_for_all_episodes() -> None:
    def starts(seed: int) -> list[float]:
        environment = opened("Corridor-v0", seed, pixels=False)
        return [float(environment.reset()[3]) for _ in range(2)]

    assert starts(2**62) == starts(2**62)
    assert len({*starts(1), *starts(2)}) == 4


def test_rendered_pictures() -> None:
    environment = opened("Corridor-v0", size=30)
    assert environment.frame_shape == (3, 30, 30)
    frame = environment.reset()
    assert frame.dtype == np.uint8 and (frame[:, :15] == 200).all() and (frame[:, 15:] == 0).all()
    assert environment.render(70).shape == (70, 70, 3)
    environment.close()


@pytest.mark.parametrize(("name", "channels"), [("Picture-v0", 3), ("First-v0", 3), ("Grey-v0", 1)])
def test_observed_pictures(name: str, channels: int) -> None:
    environment = opened(name, size=42)
    assert environment.frame_shape == (channels, 42, 42)
    frame = environment.reset()
    assert frame.shape == (channels, 42, 42) and (frame == 100).all()
    assert (environment.step(np.array([1, 0], np.float32)).frame == 102).all()


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("Discrete-v0", {}, r"gym:Discrete-v0 has actions Discrete\(2\); expected a Box of real numbers"),
        ("Whole-v0", {}, "expected a Box of real numbers"),
        ("Unbounded-v0", {}, "gym:Unbounded-v0 has actions without bounds"),
        ("Blind-v0", {}, "gym:Blind-v0 makes no pictures .*: use pixels=false"),
        ("Picture-v0", {"pixels": False}, "gym:Picture-v0 shows pictures, no vectors: use pixels=true"),
        ("Picture-v0", {}, "gym:Picture-v0 has pictures of 60 x 90: size=84 is larger"),
        ("Corridor-v0", {"camera": 1}, "camera and effects are for the DeepMind Control suite"),
        ("Sequence-v0", {"pixels": False}, "gym:Sequence-v0: "),
        ("Still-v0", {}, "gym:Still-v0 has actions of no numbers"),
        ("Empty-v0", {"pixels": False}, "gym:Empty-v0 observes no numbers"),
        ("Corridoor-v0", {}, "gym:Corridoor-v0: .*Corridor"),
        ("no_such_module:One-v0", {}, r"gym:no_such_module:One-v0: No module named 'no_such_module'.*PYTHONPATH=\. "),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"^.*{said}") as told:
        opened(name, **settings)
    assert "\n" not in str(told.value)


def fails(*_: object, **__: object) -> Any:
    raise KeyError("no\nplace")


@pytest.mark.parametrize(
    ("method", "answer", "pixels", "said"),
    [
        ("reset", fails, False, r"KeyError: .*no.*place.* \(.*, line \d+, in fails\)"),
        ("step", fails, False, "KeyError: "),
        ("reset", lambda *_, **__: {}, False, "ValueError: not enough values"),
        ("step", lambda *_: (VECTORS.sample(), None, False, False, {}), False, "TypeError: "),
        (
            "observed",
            lambda _: {"place": np.full((1, 2), np.nan), "colour": 1},
            False,
            "observed numbers .* not finite",
        ),
        ("observed", lambda _: {"place": np.zeros(3), "colour": 1}, False, r"observed \(6,\) numbers; .* says \(5,\)"),
        ("observed", lambda _: {"colour": 1}, False, "KeyError: 'place'"),
        ("render", fails, True, "KeyError: "),
        ("render", lambda _: np.ones((60, 90, 3)), True, r"rendered \(60, 90, 3\) float64; expected \(h, w, 3\) uint8"),
        ("render", lambda _: np.ones((60, 90), np.uint8), True, r"rendered \(60, 90\) uint8; expected"),
        ("render", lambda _: None, True, r"rendered \(\) object; expected"),
        ("close", fails, False, "KeyError: "),
    ],
)
def test_an_environment_that_fails_while_it_is_used(
    monkeypatch: pytest.MonkeyPatch, method: str, answer: Any, pixels: bool, said: str
) -> None:
    environment = opened("Corridor-v0", pixels=pixels, size=30)
    monkeypatch.setattr(Corridor, method, answer)
    with pytest.raises(TrainingError, match=f"^gym:Corridor-v0:? {said}") as told:
        environment.reset()
        environment.step(np.zeros(2, np.float32))
        environment.close()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("rate", ["fast", -3, float("nan"), float("inf")])
def test_a_pace_that_there_is_not(monkeypatch: pytest.MonkeyPatch, rate: object) -> None:
    monkeypatch.setitem(Corridor.metadata, "render_fps", rate)
    with pytest.raises(InputError, match=f"gym:Corridor-v0 has the metadata render_fps={rate!r}; expected a finite"):
        opened("Corridor-v0", pixels=False)


def test_an_observation_that_is_not_of_its_space() -> None:
    with pytest.raises(TrainingError, match=r"gym:Odd-v0 observed \(2, 2\) uint8; its space says \(60, 90\) uint8"):
        opened("Odd-v0", size=42).reset()


PUCK = re.compile(r"<!-- file: puck\.py -->\n```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("pixels", [True, False])
def test_the_environment_of_the_page_is_found_in_its_file(
    pixels: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = PUCK.findall((Path(__file__).parents[3] / "docs/control.md").read_text(encoding="utf-8"))
    (tmp_path / "puck.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "puck", raising=False)
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.envs.registration.registry))
    environment = opened("puck:Puck-v0", pixels=pixels)
    first = environment.reset()
    steps = [environment.step(np.array([1.0], np.float32)) for _ in range(100)]
    environment.close()
    assert first.shape == ((3, 84, 84) if pixels else (2,)) and not np.array_equal(first, steps[-1].frame)
    assert [step.last for step in steps] == [False] * 99 + [True] and steps[-1].discount == 1
