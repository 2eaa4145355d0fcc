"""Environments: repeated, scaled actions and the ends of episodes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dm_control", reason="environments need the extra control")

from archloom.errors import InputError, MissingExtraError, TrainingError
from archloom.tasks.control.dm_control import SuiteSimulation
from archloom.tasks.control.environments import Environment, EnvironmentSettings, open_environment
from archloom.tasks.control.simulation import Outcome


def opened(name: str, **settings: Any) -> Environment:
    return open_environment(name, 0, EnvironmentSettings(pixels=False, **settings))


def test_repeated_actions_sum_rewards() -> None:
    one, two = (opened("cartpole_swingup", repeat=repeat) for repeat in (1, 2))
    assert (one.reset() == two.reset()).all()
    for action in np.array([[-1], [0.5], [1]], np.float32):
        first, second, both = one.step(action), one.step(action), two.step(action)
        assert both.reward == first.reward + second.reward > 0
        assert (both.frame == second.frame).all()


def test_actions_are_scaled_to_the_bounds() -> None:
    environment = opened("cartpole_balance")
    simulation = environment._simulation  # type: ignore[attr-defined]
    simulation.low, simulation.high = np.array([-1.0]), np.array([3.0])
    environment.reset()
    for action, control in ((-1.0, -1.0), (0.0, 1.0), (1.0, 3.0)):
        environment.step(np.array([action], np.float32))
        assert simulation._physics.control() == control


def test_time_is_no_terminal() -> None:
    environment = opened("cartpole_balance", repeat=300)
    environment.reset()
    steps = [environment.step(np.zeros(1, np.float32)) for _ in range(4)]
    assert [(step.discount, step.last) for step in steps] == [(1, False)] * 3 + [(1, True)]
    assert steps[3].reward < steps[0].reward / 2  # 100 frames, not 300
    with pytest.raises(RuntimeError, match="the episode is over"):
        environment.step(np.zeros(1, np.float32))


def test_episodes_can_be_cut() -> None:
    environment = opened("cartpole_balance", episode_frames=3)
    environment.reset()
    first, second = (environment.step(np.zeros(1, np.float32)) for _ in range(2))
    assert (first.last, second.last, second.discount) == (False, True, 1)
    assert first.reward > 1 >= second.reward
    environment.reset()
    assert not environment.step(np.zeros(1, np.float32)).last


def test_actions_that_cannot_be_taken() -> None:
    environment = opened("walker_run")
    environment.reset()
    with pytest.raises(InputError, match=r"shape \(1,\): walker_run has actions of shape \(6,\)"):
        environment.step(np.zeros(1))
    with pytest.raises(TrainingError, match="is not finite"):
        environment.step(np.full(6, np.nan))


@pytest.mark.parametrize("reward", [np.nan, np.inf, -1e300])
def test_rewards_that_cannot_be_kept(monkeypatch: pytest.MonkeyPatch, reward: float) -> None:
    environment = opened("cartpole_balance", repeat=1)
    environment.reset()
    monkeypatch.setattr(SuiteSimulation, "advance", lambda *_: Outcome(reward, 1.0, False))
    with pytest.raises(TrainingError, match=f"cartpole_balance gave the reward {re.escape(str(reward))}"):
        environment.step(np.zeros(1, np.float32))


def test_without_dm_control_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archloom.tasks.control.dm_control.find_spec", lambda name: None)
    monkeypatch.setattr("archloom.tasks.control.gymnasium_env.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"the DeepMind Control suite needs the package mujoco: .*\[control\]"):
        opened("walker_run")
    with pytest.raises(MissingExtraError, match=r"Gymnasium needs the package gymnasium: .*\[control\]"):
        opened("gym:Pendulum-v1")
