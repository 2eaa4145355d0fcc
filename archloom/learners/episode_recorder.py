"""The episode that an agent is in: what it observes, and, when the episode has ended, all of it for replay."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.checkpoints.experience import Episodes


class EpisodeRecorder:
    """Keeps the frames of one episode, and stacks the last `stack` of them; before its first frame it has that one.

    One episode of the loop:

        observation, last = recorder.begin(environment.reset()), False
        while not last:
            action = ...
            frame, reward, discount, last = ...
            observation = recorder.add(action, reward, discount, frame)
        episode = recorder.episode()
    """

    def __init__(self, stack: int = 3) -> None:
        self.stack = stack
        self._frames: list[NDArray[Any]] = []
        self._actions: list[NDArray[np.float32]] = []
        self._rewards: list[float] = []
        self._discounts: list[float] = []

    def begin(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Begin another episode; its first observation (stack * c, h, w), or (stack * d,) for vectors."""
        self._frames, self._actions, self._rewards, self._discounts = [frame], [], [], []
        return self._observation()

    def add(self, action: NDArray[np.float32], reward: float, discount: float, frame: NDArray[Any]) -> NDArray[Any]:
        """A step: what was done, and what came of it; the observation after it."""
        self._actions.append(action)
        self._rewards.append(reward)
        self._discounts.append(discount)
        self._frames.append(frame)
        return self._observation()

    def episode(self) -> Episodes:
        """The steps since `begin`, of which there must be one."""
        return Episodes(
            np.stack(self._frames),
            np.stack(self._actions),
            np.array(self._rewards, np.float32),
            np.array(self._discounts, np.float32),
            np.array([len(self._rewards)]),
        )

    def _observation(self) -> NDArray[Any]:
        missing = self.stack - len(self._frames)
        return np.concatenate([*self._frames[:1] * missing, *self._frames[-self.stack :]])
