"""The incremental search problem as environments: walk from architecture to better architecture.

Cassimon et al., section 3.2. A state is an architecture. An observation shows it and up to N of its neighbours; action
0 stays, which ends the episode, action k moves to the k-th neighbour shown. The reward is f(new) - f(old) with
f = exp(alpha * accuracy), the accuracy between 0 and 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Real
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from archloom.envs.checks import check_counts
from archloom.errors import InputError

Observation = dict[str, NDArray[np.uint8]]
Info = dict[str, Any]

_LARGEST_ALPHA = 700
"""exp(709.8) is the largest number that a float can hold."""


class NeighbourhoodEnv(ABC):
    """Many slots, each holding an architecture, and the neighbourhood of each.

    `bits` is the length of an architecture's encoding, `alpha` the exponent with which the paper shapes rewards on this
    benchmark. The value of an architecture is its accuracy in percent. `slots` are indices (n,), counted from 0.
    """

    bits: int
    alpha: float

    @abstractmethod
    def place(self, slots: NDArray[np.intp], rng: np.random.Generator) -> None:
        """Put random architectures into these slots."""

    @abstractmethod
    def move(self, slots: NDArray[np.intp], choices: NDArray[np.intp]) -> None:
        """Move these slots to the neighbours last shown to them as number `choices` (n,), counted from 1."""

    @abstractmethod
    def values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        """(n,) the accuracy, in percent, of the architectures in these slots."""

    @abstractmethod
    def shown_values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        """(n, N) the accuracy, in percent, of the neighbours last shown to these slots; NaN after the last one."""

    @abstractmethod
    def states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        """(n, k) integers that identify the architectures in these slots: equal if and only if these are the same."""

    @abstractmethod
    def set_state(self, slots: NDArray[np.intp], states: NDArray[np.integer[Any]]) -> None:
        """Put architectures (n, k), as returned by `states` here or in a twin with another metric, into these slots."""

    @abstractmethod
    def show(self, architectures: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the neighbours to show and encode them into `architectures` (n, N + 1, bits) for all n slots.

        A slot's own architecture comes first, zeros follow its last neighbour. Neighbours are drawn uniformly without
        replacement, in random order; returns (n,) how many are shown.
        """


def check_alpha(alpha: object) -> None:
    """InputError for an alpha with which exp(alpha * accuracy) decreases or overflows."""
    if alpha is not None and not (isinstance(alpha, Real) and 0 <= float(alpha) <= _LARGEST_ALPHA):
        raise InputError(
            f"alpha={alpha!r}: expected a number from 0 to {_LARGEST_ALPHA}, or None for the benchmark's own"
        )


class IncrementalVectorEnv(VectorEnv[Observation, NDArray[np.integer[Any]], NDArray[Any]]):
    """Many episodes at once.

    Observations: `architectures` (n, N + 1, bits) and `mask` (n, N + 1), 1 for the actions there are. A masked
    action changes nothing, and the episode continues. After `episode_steps` steps an episode is truncated, which a
    learner should bootstrap through (Pardo et al. 2018); only staying terminates it. A finished episode starts again
    with the next step, whose action is ignored and whose reward is 0 (Gymnasium's "next step" reset).
    `info["value"]` (n,) is the accuracy, in percent, of each episode's current architecture.

    `alpha` shapes the reward: None means the benchmark's own, 0 the plain accuracy.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 - as the base class has it

    def __init__(
        self,
        neighbourhood: NeighbourhoodEnv,
        num_envs: int,
        max_neighbours: int,
        episode_steps: int,
        alpha: float | None,
    ) -> None:
        check_counts(num_envs=num_envs, max_neighbours=max_neighbours, episode_steps=episode_steps)
        check_alpha(alpha)
        self.num_envs = num_envs
        shown = max_neighbours + 1
        self.single_observation_space = Dict(
            {"architectures": Box(0, 1, (shown, neighbourhood.bits), np.uint8), "mask": Box(0, 1, (shown,), np.uint8)}
        )
        self.single_action_space = Discrete(shown)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._neighbourhood = neighbourhood
        self._alpha = neighbourhood.alpha if alpha is None else alpha
        self._episode_steps = episode_steps
        self._everyone = np.arange(num_envs)
        self._places = np.arange(shown)
        self._taken = np.zeros(num_envs, dtype=np.int64)
        self._shown = np.full(num_envs, -1)  # before the first reset
        self._values = np.zeros(num_envs)
        self._over = np.zeros(num_envs, dtype=bool)

    def reset(self, *, seed: Any = None, options: Info | None = None) -> tuple[Observation, Info]:
        """Start every episode again from a random architecture."""
        super().reset(seed=seed, options=options)
        self._start(self._everyone)
        return self._observe(), self._info()

    def step(
        self, actions: NDArray[np.integer[Any]]
    ) -> tuple[Observation, NDArray[Any], NDArray[Any], NDArray[Any], Info]:
        """One step of every episode; InputError for actions of the wrong shape or out of range."""
        chosen = self._checked(actions)
        restarting = self._over
        terminations = (chosen == 0) & ~restarting
        moves = np.flatnonzero((chosen > 0) & (chosen <= self._shown) & ~restarting)
        rewards = np.zeros(self.num_envs)
        if len(moves):
            self._neighbourhood.move(moves, chosen[moves])
            values = self._neighbourhood.values(moves)
            rewards[moves] = self._shaped(values) - self._shaped(self._values[moves])
            self._values[moves] = values
        self._taken += 1
        truncations = (self._taken >= self._episode_steps) & ~terminations & ~restarting
        if restarting.any():
            self._start(np.flatnonzero(restarting))
        self._over = terminations | truncations
        return self._observe(), rewards, terminations, truncations, self._info()

    def _start(self, slots: NDArray[np.intp]) -> None:
        self._neighbourhood.place(slots, self.np_random)
        self._values[slots] = self._neighbourhood.values(slots)
        self._taken[slots] = 0
        self._over[slots] = False

    def _observe(self) -> Observation:
        architectures = np.empty((self.num_envs, len(self._places), self._neighbourhood.bits), dtype=np.uint8)
        self._shown = self._neighbourhood.show(architectures, self.np_random)
        mask = (self._places <= self._shown[:, None]).view(np.uint8)
        return {"architectures": architectures, "mask": mask}

    def _info(self) -> Info:
        return {"value": self._values.copy(), "_value": np.ones(self.num_envs, dtype=bool)}

    def _shaped(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        accuracy = values / 100.0
        return np.exp(self._alpha * accuracy) if self._alpha else accuracy

    def _checked(self, actions: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
        chosen = np.asarray(actions)
        if chosen.shape != (self.num_envs,) or chosen.dtype.kind not in "iu":
            raise InputError(
                f"actions of shape {chosen.shape} and type {chosen.dtype}: expected {self.num_envs} integers"
            )
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < len(self._places):
            wrong = chosen.min() if chosen.min() < 0 else chosen.max()
            raise InputError(f"action {wrong}: expected 0 (stay) to {len(self._places) - 1}")
        if self._shown[0] < 0:
            raise InputError("step before the first reset: call reset() once")
        return chosen.astype(np.intp)


class IncrementalEnv(gymnasium.Env[Observation, np.integer[Any]]):
    """One episode at a time: a view of a vector environment of one."""

    def __init__(self, vector: IncrementalVectorEnv) -> None:
        if vector.num_envs != 1:
            raise InputError(f"num_envs={vector.num_envs}: expected a vector environment of 1")
        self._vector = vector
        self.observation_space = vector.single_observation_space
        self.action_space = vector.single_action_space

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Observation, Info]:
        super().reset(seed=seed)
        observation, info = self._vector.reset(seed=seed, options=options)
        return _first(observation), {"value": float(info["value"][0])}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, Info]:
        observation, rewards, terminated, truncated, info = self._vector.step(np.array([action]))
        value = float(info["value"][0])
        return _first(observation), float(rewards[0]), bool(terminated[0]), bool(truncated[0]), {"value": value}


def _first(observation: Observation) -> Observation:
    return {name: values[0] for name, values in observation.items()}
