"""Environments in which agents act with numbers from -1 to 1: tasks of the DeepMind Control suite, and of Gymnasium.

Pixels, action repeat and sizes as in DrQ-v2 (Yarats et al., 2021), which PBT-NAS searches networks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError, TrainingError
from archloom.tasks.control.frames import Picture
from archloom.tasks.control.simulation import EnvironmentSettings, Simulation

GYMNASIUM = "gym:"
"""Before the id of an environment of Gymnasium."""

LONGEST = 1000
"""Frames of an episode that nothing else ends, as many as the suite's episodes have."""


_LARGEST_REWARD = float(np.finfo(np.float32).max)
"""Rewards are kept as float32."""


@dataclass(frozen=True, eq=False)
class Step:
    """What an action brought: the next frame, the rewards summed, a discount that is 0 only after a true terminal, and
    whether the episode is over."""

    frame: NDArray[Any]
    reward: float
    discount: float
    last: bool


class Environment(Protocol):
    """An environment: two that are opened with the same name, seed and settings give the same episodes, bit for bit."""

    frame_shape: tuple[int, ...]
    """(c, h, w) of pictures as bytes, or (d,) of vectors of float32."""
    actions: int
    """The numbers of an action, each in [-1, 1]."""
    rate: float
    """Steps per second, of the time that is simulated."""

    def reset(self) -> NDArray[Any]:
        """Begin the next episode; its first frame. InputError, the first time, if it cannot be rendered here."""

    def step(self, action: NDArray[Any]) -> Step:
        """Act. TrainingError if the action or the reward is not finite (as float32), or the environment fails."""

    def render(self, size: int) -> Picture:
        """(size, size, 3) for people, of any size."""

    @property
    def renderer(self) -> str:
        """What makes the pictures, in words."""

    def close(self) -> None:
        """Free what it holds; it is not used afterwards."""


def open_environment(name: str, seed: int, settings: EnvironmentSettings) -> Environment:
    """The environment of a name: DOMAIN_TASK of the DeepMind Control suite (walker_run), or gym:ID (gym:Pendulum-v1).

    `seed`, from 0 to 2**63 - 1, is for all its episodes. Nothing is rendered before `reset`. InputError for a name that
    is not known, for settings that do not suit it and for one whose actions are not bounded numbers; MissingExtraError
    without the extra `control`.
    """
    simulation: Simulation
    if name.startswith(GYMNASIUM):
        from archloom.tasks.control import gymnasium_env

        simulation = gymnasium_env.open_simulation(name.removeprefix(GYMNASIUM), seed, settings)
    else:
        from archloom.tasks.control import dm_control

        simulation = dm_control.open_simulation(name, seed, settings)
    return RepeatedActions(name, simulation, settings)


class RepeatedActions:
    """An `Environment` of a simulation: actions are scaled to its bounds and repeated."""

    def __init__(self, name: str, simulation: Simulation, settings: EnvironmentSettings) -> None:
        self.frame_shape = simulation.frame_shape
        self.actions = len(simulation.low)
        self._name = name
        self._simulation = simulation
        self._repeat = settings.repeat
        self.rate = simulation.rate / settings.repeat
        self._limit = settings.episode_frames or (math.inf if simulation.limited else LONGEST)
        self._frames = math.inf  # in this episode so far

    def reset(self) -> NDArray[Any]:
        self._simulation.reset()
        self._frames = 0
        return self._simulation.frame()

    def step(self, action: NDArray[Any]) -> Step:
        if self._frames >= self._limit:
            raise RuntimeError("the episode is over, or none has begun: call reset()")
        scaled = self._scaled(action)
        reward = 0.0
        for _ in range(self._repeat):
            outcome = self._simulation.advance(scaled)
            reward += outcome.reward
            self._frames += 1
            if outcome.last or self._frames >= self._limit:
                break
        if not abs(reward) <= _LARGEST_REWARD:  # nor for NaN
            raise TrainingError(f"{self._name} gave the reward {reward}")
        last = outcome.last or self._frames >= self._limit
        if last:
            self._frames = math.inf
        return Step(self._simulation.frame(), reward, outcome.discount, last)

    def _scaled(self, action: NDArray[Any]) -> NDArray[Any]:
        if action.shape != (self.actions,):
            raise InputError(f"an action of shape {action.shape}: {self._name} has actions of shape ({self.actions},)")
        if not np.isfinite(action).all():
            raise TrainingError(f"the action {action} for {self._name} is not finite")
        low, high = self._simulation.low, self._simulation.high
        scaled: NDArray[np.float64] = np.clip(low + (action.astype(np.float64) + 1) / 2 * (high - low), low, high)
        return scaled

    def render(self, size: int) -> Picture:
        return self._simulation.picture(size)

    @property
    def renderer(self) -> str:
        return self._simulation.renderer

    def close(self) -> None:
        self._simulation.close()
