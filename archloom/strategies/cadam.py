"""CADAM: a DDPG agent whose actions are architecture parameters (thesis "ddas-cadam", chapter 4).

An action alpha has shape (E, O), decisions by options, and stands for the architecture that the space discretises it
to. The state is the mean of the K best architectures so far; the critic, trained with a check loss, predicts a high
quantile of the reward from the action alone; the actor climbs the critic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.learners.mlp import Float32
from archloom.learners.quantile import QuantileDdpg
from archloom.spaces.base import SearchSpace, is_valid
from archloom.strategies.alpha import ActionNote, AlphaStrategy, Decimals, Float64, rounded
from archloom.strategies.base import Plan, pack_trials, unpack_trials
from archloom.types import Arch, Proposal, Trial
from archloom.utils.options import NonNegativeFloat, NonNegativeInt, Options, PositiveFloat, PositiveInt, UnitInterval

Decay = Annotated[float, msgspec.Meta(ge=0, lt=1)]


@dataclass(frozen=True)
class CadamOptions(Options):
    """Defaults work on NAS-Bench-201. "Printed": the thesis's value there, in brackets that for supernets if different.

    top_k: architectures that the state averages. Printed 64 (500).
    tau: quantile level of the critic's check loss. Printed 0.9 (0.95).
    batch_size: experiences in a training batch. Printed 8 (64).
    max_cycles: C_max, most training cycles a step. Printed 10 (1).
    noise: xi; the actor's output gets noise from U(-xi, xi). Printed 1e-4 (5e-5).
    hidden: widths of the hidden layers of both networks. Printed 128,256,128 (256,256,256).
    actor_lr: Adam's rate for the actor. Printed 1e-8, at which the actor does not move.
    critic_lr: Adam's rate for the critic. Printed 1e-4, which works too, later.
    beta1, beta2: Adam's decay rates. Printed 0.9, 0.99.
    reward_base: the reward is reward_base ** accuracy. Printed 100.
    capacity: experiences kept, the latest; 0 keeps all. Printed: not given (5000).
    warmup: how many actions, the first ones, are random; 0 explores by epsilon instead. Printed 0 (3000).
    epsilon_start, epsilon_end, epsilon_steps: the probability of a random action falls from start to end within
        `epsilon_steps` steps, as a cosine. Printed 1.0, 0.05, 175.
    widen_tries, growth: when the actor's action stands for an architecture that was asked before, its noise is drawn
        again, each time `growth` times wider, at most `widen_tries` times. Printed: not given; 0 proposes the repeat.
    random_tries: after that, and when a random action repeats, at most this many random actions are drawn. Printed: not
        given; 0 proposes the repeat.
    distinct_top: an architecture is in the top K once. Printed: not given.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"batch": "batch_size"}

    top_k: PositiveInt = 64
    tau: UnitInterval = 0.9
    batch_size: PositiveInt = 8
    max_cycles: PositiveInt = 10
    noise: NonNegativeFloat = 1e-4
    hidden: Annotated[tuple[PositiveInt, ...], msgspec.Meta(min_length=1)] = (128, 256, 128)
    actor_lr: PositiveFloat = 1e-5
    critic_lr: PositiveFloat = 1e-3
    beta1: Decay = 0.9
    beta2: Decay = 0.99
    reward_base: PositiveFloat = 100.0
    capacity: NonNegativeInt = 0
    warmup: NonNegativeInt = 0
    epsilon_start: UnitInterval = 1.0
    epsilon_end: UnitInterval = 0.05
    epsilon_steps: PositiveInt = 175
    widen_tries: NonNegativeInt = 32
    growth: PositiveFloat = 1.5
    random_tries: NonNegativeInt = 32
    distinct_top: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.capacity and self.capacity < self.batch_size:
            raise InputError(f"capacity={self.capacity}: expected 0 (all) or at least a batch of {self.batch_size}")


class Cadam(AlphaStrategy):
    """Propose the actor's output, explore with probability epsilon, train on every answer.

    A result's accuracy is its utility as a decimal (see `alpha.Decimals`). With several objectives it is their mean,
    each brought to [0, 1].
    """

    Options: ClassVar[type[Any]] = CadamOptions
    options: CadamOptions

    def __init__(
        self, space: SearchSpace, criteria: Criteria, rng: np.random.Generator, options: CadamOptions | None = None
    ) -> None:
        super().__init__(space, criteria, rng, options)
        o = self.options
        self.net = QuantileDdpg(
            self.entries, o.hidden, tau=o.tau, actor_lr=o.actor_lr, critic_lr=o.critic_lr, betas=(o.beta1, o.beta2),
            rng=rng,
        )  # fmt: skip
        self.replay = Replay(self.entries, len(criteria.objectives), o.capacity)
        self.top: list[Trial] = []  # the best K, in no order
        self.top_sum = np.zeros(self.entries, np.float32)  # of their one-hot matrices
        self.asked: dict[str, None] = {}  # keys, as an ordered set
        self.steps = 0  # proposals made

    @classmethod
    def plan(cls, options: CadamOptions) -> Plan:
        return Plan(random=options.warmup)

    # -- acting ---------------------------------------------------------------------------------------------------

    def propose(self) -> Proposal:
        with self.one_thread():
            alpha, arch = self.act()
        self.steps += 1
        self.asked[self.space.key(arch)] = None
        return Proposal(arch, note=ActionNote(alpha.ravel().tolist()).to_note())

    def act(self) -> tuple[Float64, Arch]:
        """The first candidate that is valid and was not asked for before; if there is none, the first that is valid."""
        known: tuple[Float64, Arch] | None = None
        for candidate in self.candidates():
            alpha = rounded(candidate)
            arch = self.space.discretise(alpha)
            if is_valid(self.space, arch):
                if self.space.key(arch) not in self.asked:
                    return alpha, arch
                known = known or (alpha, arch)
        return known or self.any_valid()

    def candidates(self) -> Iterator[Float64]:
        """Actions (E, O) to choose from: mu(s) + Z (eq. 4.2) with ever wider noise, then random ones."""
        o = self.options
        if self.rng.random() >= self.epsilon():
            centre = self.net.action(self.state()).astype(np.float64).reshape(self.shape)
            for n in range(1 + o.widen_tries):
                width = o.noise * o.growth**n
                yield centre + self.rng.uniform(-width, width, self.shape)
        else:
            yield self.rng.random(self.shape)
        for _ in range(o.random_tries):
            yield self.rng.random(self.shape)

    def epsilon(self) -> float:
        """The probability that the next action is random."""
        o = self.options
        if o.warmup:
            return float(self.steps < o.warmup)
        if self.steps >= o.epsilon_steps:
            return o.epsilon_end
        fall = 0.5 * (1.0 + math.cos(math.pi * self.steps / o.epsilon_steps))
        return o.epsilon_end + (o.epsilon_start - o.epsilon_end) * fall

    def state(self) -> Float32:
        """s_t (E*O,): the mean of the best architectures so far, at most K; zeros before the first."""
        mean: Float32 = np.divide(self.top_sum, np.float32(max(len(self.top), 1)))
        return mean

    # -- learning -------------------------------------------------------------------------------------------------

    def learn(self, trial: Trial) -> None:
        """Remember the trial, update the top K, then train: C = min(floor(|R|/|B|), C_max) cycles (eq. 4.6)."""
        ok, o = trial.result.ok, self.options
        utilities = self.criteria.utilities(trial.result) if ok else (math.nan,) * len(self.criteria.objectives)
        violation = self.criteria.violation(trial.result)
        self.replay.add(
            self.state(), np.array(ActionNote.of(trial.proposal.note).action, np.float32), utilities, violation
        )
        if ok:
            self.enter_top(trial)
        cycles = min(len(self.replay) // o.batch_size, o.max_cycles)
        with self.one_thread():
            for rows in self.rng.integers(len(self.replay), size=(cycles, o.batch_size)):
                self.net.update_critic(self.replay.actions[rows], self.replay.rewards(rows, o.reward_base))
                self.net.update_actor(self.replay.states[rows])

    def enter_top(self, trial: Trial) -> None:
        """Let a trial into the top K if it belongs there; the worst leaves, of equals the newest."""
        key = self.space.key(trial.proposal.arch)
        if self.options.distinct_top and any(self.space.key(t.proposal.arch) == key for t in self.top):
            return
        self.top.append(trial)
        self.top_sum += self.space.one_hot(trial.proposal.arch).ravel()
        if len(self.top) > self.options.top_k:
            fitness = self.criteria.fitness([t.result for t in self.top])
            worst = len(fitness) - 1 - int(np.argmin(fitness[::-1]))
            self.top_sum -= self.space.one_hot(self.top.pop(worst).proposal.arch).ravel()

    # -- state ----------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "replay": self.replay.state_dict(),
            "top": pack_trials(self.top),
            "asked": list(self.asked),
            "steps": self.steps,
        }

    def restore(self, own: dict[str, Any]) -> None:
        self.net.load_state_dict(own["net"])
        self.replay.load_state_dict(own["replay"])
        self.top = unpack_trials(own["top"])
        self.top_sum = sum((self.space.one_hot(t.proposal.arch).ravel() for t in self.top), np.zeros_like(self.top_sum))
        self.asked = dict.fromkeys(own["asked"])
        self.steps = own["steps"]


_ARRAYS = {"states": "states", "actions": "actions", "utilities": "gains", "violations": "violations"}
"""The columns of a replay -> what checkpoints call them, those of 0.1.0 too."""


class Replay:
    """Experiences (s, a, r), the latest `capacity` of them (0: all).

    Rewards are computed from utilities when experiences are sampled. `states` and `actions` are (rows, D), `utilities`
    (rows, objectives); only the first `len(self)` rows are filled.
    """

    def __init__(self, entries: int, objectives: int, capacity: int) -> None:
        rows = capacity or 1024
        self.capacity = capacity
        self.count = 0  # ever added
        self.states = np.zeros((rows, entries), np.float32)
        self.actions = np.zeros((rows, entries), np.float32)
        self.utilities = np.zeros((rows, objectives))
        self.violations = np.zeros(rows)
        self.decimals = Decimals(objectives)

    def __len__(self) -> int:
        return min(self.count, len(self.violations))

    def add(self, state: Float32, action: Float32, utilities: tuple[float, ...], violation: float) -> None:
        """Keep one experience; a failed trial has utilities NaN and violation infinity."""
        if not self.capacity and self.count == len(self.violations):
            for name in _ARRAYS:
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.zeros_like(array)]))
        row = self.count % len(self.violations)
        self.states[row], self.actions[row], self.violations[row] = state, action, violation
        self.utilities[row] = utilities
        self.decimals.saw(utilities)
        self.count += 1

    def rewards(self, rows: NDArray[np.integer[Any]], base: float) -> Float32:
        """(n,) base ** accuracy (eq. 4.1): at least 1 if the accuracy is not negative and all constraints are met.

        A broken constraint gives 1/(1 + violation), which falls with the violation; a failure 0.
        """
        violations = self.violations[rows]
        accuracy = np.where(np.isfinite(violations), self.decimals.of(self.utilities[rows]), 0.0)
        rewards = np.where(violations > 0, 1.0 / (1.0 + violations), base**accuracy)
        return rewards.astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        arrays = {key: getattr(self, name)[: len(self)].copy() for name, key in _ARRAYS.items()}
        return {"count": self.count, **arrays, **self.decimals.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = int(state["count"])
        held = len(state["violations"])
        rows = self.capacity or max(1024, 1 << max(held - 1, 0).bit_length())
        for name, key in _ARRAYS.items():
            filled = np.asarray(state[key])
            array = np.zeros((rows, *filled.shape[1:]), filled.dtype)
            array[:held] = filled
            setattr(self, name, array)
        self.decimals.load_state_dict(state)
