"""Tasks of the DeepMind Control suite."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dm_control", reason="environments need the extra control")

from archloom.errors import InputError
from archloom.tasks.control.environments import Environment, EnvironmentSettings, open_environment


def opened(name: str, seed: int = 0, **settings: Any) -> Environment:
    return open_environment(name, seed, EnvironmentSettings(**settings))


def test_pictures_as_published(pixels: None) -> None:
    environment = opened("walker_run")
    assert (environment.frame_shape, environment.actions) == ((3, 84, 84), 6)
    first = environment.reset()
    step = environment.step(np.ones(6, np.float32))
    for frame in (first, step.frame):
        assert frame.shape == (3, 84, 84) and frame.dtype == np.uint8 and frame.flags.c_contiguous
        assert frame.max() > 100 and len(np.unique(frame)) > 50
    assert (first != step.frame).any()
    assert 0 <= step.reward <= 2 and step.discount == 1 and not step.last
    environment.close()


def test_cameras_as_published() -> None:
    cameras = [opened(name, pixels=False)._simulation._camera for name in ("quadruped_walk", "walker_run")]  # type: ignore[attr-defined]
    assert cameras == [2, 0]


def test_small_pictures_are_the_mean_of_full_ones(pixels: None) -> None:
    full, small = opened("cartpole_balance", effects=False), opened("cartpole_balance", size=42)
    means = full.reset().reshape(3, 42, 2, 42, 2).mean(axis=(2, 4))
    assert (small.reset() == np.floor(means + 0.5)).all()


def test_what_people_see_changes_nothing_that_agents_see(pixels: None) -> None:
    watched, alone = (opened("cartpole_balance", size=24, effects=False) for _ in range(2))
    for environment in (watched, alone):
        environment.reset()
    shown = []
    for _ in range(2):
        shown.append(watched.render(48).astype(int))
        frames = [environment.step(np.zeros(1, np.float32)).frame for environment in (watched, alone)]
        assert np.array_equal(*frames)
    assert np.abs(shown[1] - shown[0]).mean() < 2, "two moments of a pole that hardly moves"


def test_the_pole_is_seen_whole_at_42_and_by_people_at_any_size(pixels: None) -> None:
    environment = opened("cartpole_balance", size=42)
    red, _, blue = environment.reset().astype(int)
    pole = np.flatnonzero((red - blue).max(axis=1) > 40)  # brown, before blue
    assert len(pole) >= 12 and (np.diff(pole) == 1).all()
    picture = environment.render(100)
    assert picture.shape == (100, 100, 3) and len(np.unique(picture)) > 50
    assert environment.renderer.split(" on ")[0] in ("egl", "osmesa", "glfw")


def test_terrain_needs_no_renderer_of_the_suite() -> None:
    environment = opened("quadruped_escape", pixels=False)
    assert environment.reset().shape == environment.frame_shape == (101,)


EPISODES = """
import hashlib
import numpy as np
from archloom.tasks.control.environments import EnvironmentSettings, open_environment
environment = open_environment("cartpole_swingup", 5, EnvironmentSettings(size=42, episode_frames=4))
digest = hashlib.sha256()
rng = np.random.default_rng(1)
for episode in range(2):
    digest.update(environment.reset().tobytes())
    for _ in range(2):
        step = environment.step(rng.uniform(-1, 1, 1).astype(np.float32))
        digest.update(step.frame.tobytes() + np.float64(step.reward).tobytes())
environment.close()
said = digest.hexdigest()
"""


def test_a_seed_gives_the_same_episodes_in_any_process(pixels: None) -> None:
    here: dict[str, Any] = {}
    exec(EPISODES, here)
    again: dict[str, Any] = {}
    exec(EPISODES, again)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    there = subprocess.run(
        [sys.executable, "-c", f"{EPISODES}\nprint(said)"], env=environ, capture_output=True, text=True, check=True
    )
    assert here["said"] == again["said"] == there.stdout.strip()
    assert here["said"] != hashlib.sha256().hexdigest()


def test_seeds_differ() -> None:
    one, other = (opened("cartpole_balance", seed, pixels=False) for seed in (0, 1))
    assert (one.reset() != other.reset()).any()


def test_vectors_are_the_observations_in_order() -> None:
    environment = opened("walker_run", pixels=False)
    assert environment.frame_shape == (24,)
    frame = environment.reset()
    assert frame.shape == (24,) and frame.dtype == np.float32
    physics = environment._simulation._physics  # type: ignore[attr-defined]
    parts = [physics.orientations(), [physics.torso_height()], physics.velocity()]
    assert (frame == np.concatenate(parts).astype(np.float32)).all()


@pytest.mark.parametrize(("strength", "low", "high"), [(1.0, 980.0, 1000.0), (1e6, 780.0, 800.0)])
def test_the_rewards_of_controllers_that_balance(strength: float, low: float, high: float) -> None:
    """A fifth of the reward is for small actions: whoever always pushes with all the force gets at most 800."""
    environment = opened("cartpole_balance", pixels=False)
    gains = strength * np.array([0.3, 0.0, 6.0, 0.6, 1.2])  # of the position, cosine and sine of the angle, velocities
    frame, rewards, last = environment.reset(), list[float](), False
    while not last:
        step = environment.step(np.clip(gains @ frame, -1.0, 1.0)[None].astype(np.float32))
        rewards.append(step.reward)
        frame, last = step.frame, step.last
    assert len(rewards) == 500
    assert low < sum(rewards) <= high


def test_names_with_more_words() -> None:
    assert opened("ball_in_cup_catch", pixels=False).frame_shape == (8,)
    assert opened("point_mass_easy", pixels=False).actions == 2


def test_what_cannot_be_used_is_told() -> None:
    for name, settings, said in (
        ("walker_ran", {}, "unknown environment 'walker_ran'; did you mean 'walker_run'?"),
        ("lqr_lqr_2_1", {"pixels": False}, "lqr_lqr_2_1 has actions without bounds"),
        ("walker_run", {"camera": 2, "pixels": False}, "camera=2: walker_run has the cameras 0 to 1"),
    ):
        with pytest.raises(InputError) as told:
            opened(name, **settings)  # type: ignore[arg-type]
        assert said in str(told.value)
