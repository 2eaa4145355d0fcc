"""The incremental search problem as environments: walk from architecture to better architecture.

Cassimon et al., section 3.2. A state is an architecture. An observation shows it and up to N of its neighbours; action
0 stays, which ends the episode, action k moves to the k-th neighbour shown. The reward is f(new) - f(old) with
f = exp(alpha * accuracy), the accuracy between 0 and 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Real
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from archloom.envs.checks import check_counts, loaded
from archloom.errors import InputError, unknown
from archloom.utils import seeds

Observation = dict[str, NDArray[Any]]
Info = dict[str, Any]

_LARGEST_ALPHA = 700
"""exp(709.8) is the largest number that a float can hold."""
_NEIGHBOURHOOD = "neighbourhood."
"""Before the names of a neighbourhood's own arrays in an environment's state."""


class NeighbourhoodEnv(ABC):
    """Many slots, each holding an architecture, and the neighbourhood of each.

    `space` is the name of the space, `bits` the length of an architecture's encoding and `encoding` the name of what
    these bits mean: a network that reads them can be used wherever it is equal. A state is `state_width` (k) numbers of
    type `state_dtype`. `alpha` is the exponent with which rewards are shaped on this benchmark. The value of an
    architecture is its accuracy in percent. `slots` are indices (n,), counted from 0.
    """

    space: str
    encoding: str
    bits: int
    state_dtype: np.dtype[Any]
    state_width: int
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
    def shown_states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        """(n, N, k) the states of the neighbours last shown to these slots; zeros after the last one."""

    @abstractmethod
    def set_state(self, slots: NDArray[np.intp], states: NDArray[np.integer[Any]]) -> None:
        """Put architectures (n, k), as returned by `states` here or in a twin with another metric, into these slots.

        InputError for numbers that are no state.
        """

    @abstractmethod
    def encode(self, states: NDArray[np.integer[Any]], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """(m, bits) the encodings of any states (m, k), as `show` gives them; written to `out` if that is given.

        InputError for numbers that are no state, and an `out` that is not uint8 (m, bits) in one piece.
        """

    def genes(self, states: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        """(m, g) the genes, in the benchmark's space, of any states (m, k); InputError if they have none."""
        raise InputError(f"architectures of {self.space!r} have no genes: expected a benchmark with a space")

    @abstractmethod
    def show(
        self, architectures: NDArray[np.uint8], rng: np.random.Generator, slots: NDArray[np.intp] | None = None
    ) -> NDArray[np.int64]:
        """Draw the neighbours to show and encode them into `architectures` (n, N + 1, bits) for all n slots.

        With `slots` (m,) for these only, into `architectures` (m, N + 1, bits); the others keep what they were shown. A
        slot's own architecture comes first, zeros follow its last neighbour. Neighbours are drawn uniformly without
        replacement, in random order; returns (n,) or (m,) how many are shown.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, NDArray[Any]]:
        """A copy of all that later behaviour depends on: where slots are, and what they were last shown."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` of a neighbourhood with as many slots and neighbours returned; else InputError."""

    def _out(self, rows: int, out: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        """`out` if it is an array to encode `rows` states into, or a new one if there is none."""
        shape = (rows, self.bits)
        if out is None:
            return np.empty(shape, dtype=np.uint8)
        if out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous:
            raise InputError(f"out is {out.dtype} {out.shape}: expected uint8 {shape} in one piece")
        return out


def check_alpha(alpha: object) -> None:
    """InputError for an alpha with which exp(alpha * accuracy) decreases or overflows."""
    if alpha is not None and not (isinstance(alpha, Real) and 0 <= float(alpha) <= _LARGEST_ALPHA):
        raise InputError(
            f"alpha={alpha!r}: expected a number from 0 to {_LARGEST_ALPHA}, or None for the benchmark's own"
        )


def mode_of(mode: AutoresetMode | str) -> AutoresetMode:
    """Gymnasium's mode by its name ("NEXT_STEP") or value ("NextStep"); InputError for what is none."""
    known = {name: each for each in AutoresetMode for name in (each.name, each.value)}
    if isinstance(mode, AutoresetMode):
        return mode
    if not isinstance(mode, str) or mode not in known:
        raise unknown("autoreset mode", str(mode), [each.value for each in AutoresetMode])
    return known[mode]


class Actions(MultiDiscrete[np.int64]):
    """One action of each episode; `sample(mask)` takes `info["action_mask"]` as it is, (n, N + 1)."""

    def sample(self, mask: Any = None, probability: Any = None) -> NDArray[np.int64]:
        rows = (tuple(each) if isinstance(each, np.ndarray) else each for each in (mask, probability))
        return super().sample(*rows)


class IncrementalVectorEnv(VectorEnv[Observation, NDArray[np.integer[Any]], NDArray[Any]]):
    """Many episodes at once.

    Observations: `architectures` (n, N + 1, bits) and `mask` (n, N + 1) int8, 1 for the actions there are, which is
    `info["action_mask"]` too. A masked action changes nothing, and the episode continues. After `episode_steps` steps
    an episode is truncated, which a learner should bootstrap through (Pardo et al. 2018); only staying terminates it.
    `info["value"]` (n,) is the accuracy, in percent, of each episode's current architecture.

    `autoreset_mode` says when a finished episode starts again, as in Gymnasium's own vector environments. NEXT_STEP:
    with the next step, whose action is ignored and whose reward is 0. SAME_STEP: in the step that ends it, which
    returns the new episode's observation, and the last of the old one in `info["final_obs"]` and `info["final_info"]`.
    DISABLED: by `reset(options={"reset_mask": mask})`, mask (n,) bool, which in any mode starts just those again.

    `alpha` shapes the reward: None means the benchmark's own, 0 the plain accuracy.
    """

    def __init__(
        self,
        neighbourhood: NeighbourhoodEnv,
        num_envs: int,
        max_neighbours: int,
        episode_steps: int,
        alpha: float | None,
        autoreset: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        check_counts(num_envs=num_envs, max_neighbours=max_neighbours, episode_steps=episode_steps)
        check_alpha(alpha)
        self.autoreset_mode = mode_of(autoreset)
        self.metadata = {"autoreset_mode": self.autoreset_mode}
        self.num_envs = int(num_envs)
        shown = int(max_neighbours) + 1
        self.single_observation_space = Dict(
            {"architectures": Box(0, 1, (shown, neighbourhood.bits), np.uint8), "mask": Box(0, 1, (shown,), np.int8)}
        )
        self.single_action_space = Discrete(shown)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = Actions(np.full(self.num_envs, shown))
        self._neighbourhood = neighbourhood
        self._alpha = neighbourhood.alpha if alpha is None else alpha
        self._episode_steps = episode_steps
        self._everyone = np.arange(self.num_envs)
        self._places = np.arange(shown)
        self._taken = np.zeros(self.num_envs, dtype=np.int64)
        self._shown = np.full(self.num_envs, -1)  # before the first reset
        self._values = np.zeros(self.num_envs)
        self._over = np.zeros(self.num_envs, dtype=bool)
        self._seen: Observation = {}

    @property
    def neighbourhood(self) -> NeighbourhoodEnv:
        """What the episodes walk on."""
        return self._neighbourhood

    @property
    def alpha(self) -> float:
        """The exponent with which rewards are shaped."""
        return float(self._alpha)

    @property
    def shown(self) -> NDArray[np.int64]:
        """(n,) how many neighbours the last observation shows; -1 before the first reset."""
        return self._shown.copy()

    def seen_states(self) -> NDArray[np.integer[Any]]:
        """(n, N + 1, k) what the last observation shows, as states: the own architecture first, then the neighbours.

        Zeros after the last neighbour.
        """
        everyone = self._everyone
        own, around = self._neighbourhood.states(everyone), self._neighbourhood.shown_states(everyone)
        return np.concatenate([own[:, None], around], axis=1)

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that later steps depend on: arrays, and the random generator's state, which JSON can hold.

        InputError before the first reset.
        """
        if self._shown[0] < 0:
            raise InputError("state_dict before the first reset: call reset() once")
        around = {f"{_NEIGHBOURHOOD}{name}": array for name, array in self._neighbourhood.state_dict().items()}
        own = {"taken": self._taken, "shown": self._shown, "values": self._values, "over": self._over}
        return {"generator": self.np_random.bit_generator.state, **{k: v.copy() for k, v in own.items()}, **around}

    def load_state_dict(self, state: Mapping[str, Any]) -> tuple[Observation, Info]:
        """Put back what `state_dict` of an environment like this one returned: steps continue from there, exactly.

        Returns the observation and the info that came last, without what SAME_STEP adds to it. InputError for a state
        that does not fit, and nothing has changed then.
        """
        names = ("taken", "shown", "values", "over")
        taken, shown, values, over = (loaded(state, name, getattr(self, f"_{name}")) for name in names)
        generator = np.random.default_rng()
        try:
            generator.bit_generator.state = state["generator"]
        except (TypeError, ValueError, KeyError):
            raise InputError("state's generator: expected the state of a PCG64 generator") from None
        around = {
            name.removeprefix(_NEIGHBOURHOOD): array for name, array in state.items() if name.startswith(_NEIGHBOURHOOD)
        }
        self._neighbourhood.load_state_dict(around)
        self.np_random = generator
        self._taken, self._shown, self._values, self._over = taken, shown, values, over
        there = self._places <= shown[:, None]
        architectures = np.zeros((*there.shape, self._neighbourhood.bits), dtype=np.uint8)
        architectures[there] = self._neighbourhood.encode(self.seen_states()[there])
        self._seen = {"architectures": architectures, "mask": there.view(np.int8)}
        return dict(self._seen), self._info()

    def reset(self, *, seed: Any = None, options: Mapping[str, Any] | None = None) -> tuple[Observation, Info]:
        """Start every episode again from a random architecture, with the option `reset_mask` (n,) those it is true for.

        The others go on, and their observations stay. InputError for other options, and a mask that is none.
        """
        slots = self._to_reset(options)
        super().reset(seed=None if seed is None else seeds.check_seed(seed))
        self._start(slots)
        return self._observe(slots), self._info()

    def step(
        self, actions: NDArray[np.integer[Any]]
    ) -> tuple[Observation, NDArray[Any], NDArray[Any], NDArray[Any], Info]:
        """One step of every episode; InputError for actions of the wrong shape or out of range.

        If nothing restarts episodes (DISABLED), also for one that is over.
        """
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
        observation, info = self._observe(self._everyone), self._info()
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._over.any():
            observation, info = self._started_again(observation, info)
        return observation, rewards, terminations, truncations, info

    def _started_again(self, last: Observation, info: Info) -> tuple[Observation, Info]:
        """Start what is over, and keep what it ended with."""
        over = self._over
        ends = np.full(self.num_envs, None, dtype=object)
        for slot in np.flatnonzero(over).tolist():
            ends[slot] = {name: values[slot].copy() for name, values in last.items()}
        final = {"value": np.where(over, info["value"], 0.0), "action_mask": info["action_mask"] * over[:, None]}
        final |= {f"_{name}": over.copy() for name in tuple(final)}
        slots = np.flatnonzero(over)
        self._start(slots)
        observation = self._observe(slots)
        ended = {"final_obs": ends, "_final_obs": over, "final_info": final, "_final_info": over.copy()}
        return observation, {**self._info(), **ended}

    def _to_reset(self, options: Mapping[str, Any] | None) -> NDArray[np.intp]:
        """The slots that a reset is for."""
        for name in options or {}:
            if name != "reset_mask":
                raise unknown("reset option", str(name), ["reset_mask"])
        if not options:
            return self._everyone
        mask = options["reset_mask"]
        if not isinstance(mask, np.ndarray) or mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            what = f"an array {mask.shape} of {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise InputError(f"reset_mask is {what}: expected an array ({self.num_envs},) of bool")
        if not mask.any():
            raise InputError("reset_mask is true for no episode: expected at least one to reset")
        if self._shown[0] < 0 and not mask.all():
            raise InputError("reset_mask before the first reset: call reset() of all episodes once")
        return np.flatnonzero(mask)

    def _start(self, slots: NDArray[np.intp]) -> None:
        self._neighbourhood.place(slots, self.np_random)
        self._values[slots] = self._neighbourhood.values(slots)
        self._taken[slots] = 0
        self._over = self._over.copy()
        self._over[slots] = False

    def _observe(self, slots: NDArray[np.intp]) -> Observation:
        """Show these slots other neighbours; the others see what they saw."""
        architectures = np.empty((len(slots), len(self._places), self._neighbourhood.bits), dtype=np.uint8)
        if len(slots) == self.num_envs:
            self._shown = self._neighbourhood.show(architectures, self.np_random)
        else:
            self._shown[slots] = self._neighbourhood.show(architectures, self.np_random, slots)
            shown, architectures = architectures, self._seen["architectures"].copy()
            architectures[slots] = shown
        mask = (self._places <= self._shown[:, None]).view(np.int8)
        self._seen = {"architectures": architectures, "mask": mask}
        return dict(self._seen)

    def _info(self) -> Info:
        everyone = np.ones(self.num_envs, dtype=bool)
        return {
            "value": self._values.copy(),
            "_value": everyone,
            "action_mask": self._seen["mask"].copy(),
            "_action_mask": everyone.copy(),
        }

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
        if self.autoreset_mode is AutoresetMode.DISABLED and self._over.any():
            raise InputError(
                f"episode {int(self._over.argmax())} is over, and nothing starts it again (autoreset mode Disabled): "
                'reset(options={"reset_mask": terminations | truncations}) first'
            )
        return chosen.astype(np.intp)


class IncrementalEnv(gymnasium.Env[Observation, np.integer[Any]]):
    """One episode at a time: a view of a vector environment of one."""

    def __init__(self, vector: IncrementalVectorEnv) -> None:
        if vector.num_envs != 1:
            raise InputError(f"num_envs={vector.num_envs}: expected a vector environment of 1")
        self._vector = vector
        self.observation_space = vector.single_observation_space
        self.action_space = vector.single_action_space

    def reset(self, *, seed: Any = None, options: Mapping[str, Any] | None = None) -> tuple[Observation, Info]:
        """Start again from a random architecture; there are no options, and InputError for any."""
        for name in options or {}:
            raise InputError(f"reset option {str(name)!r}: expected none, this environment has no options")
        seed = None if seed is None else seeds.check_seed(seed)
        super().reset(seed=seed)
        observation, info = self._vector.reset(seed=seed)
        return _first(observation), self._info(info)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, Info]:
        observation, rewards, terminated, truncated, info = self._vector.step(np.array([action]))
        return _first(observation), float(rewards[0]), bool(terminated[0]), bool(truncated[0]), self._info(info)

    @staticmethod
    def _info(info: Info) -> Info:
        return {"value": float(info["value"][0]), "action_mask": info["action_mask"][0]}


def _first(observation: Observation) -> Observation:
    return {name: values[0] for name, values in observation.items()}
