"""GA-NAS: generative adversarial architecture search with importance sampling (paper "ga-nas", Algorithm 2).

In each iteration the best K of everything evaluated form the truth set, a generator is refitted to it, and the
architectures that it then draws are evaluated. Constraints are hard: once any architectures satisfy them, only those
can be in the truth set.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.learners.arrays import one_thread
from archloom.learners.ppo import Ppo
from archloom.spaces.base import MAX_TRIES, SearchSpace
from archloom.spaces.graphs import HasGrammar
from archloom.strategies.base import BaseStrategy, Plan, pack_trials, unpack_trials
from archloom.strategies.ga_nas.generator_training import REFITS, REWARDS, FitData, Settings
from archloom.strategies.ga_nas.levels import level, risen
from archloom.strategies.ga_nas.note import SetNote
from archloom.strategies.starts import starts_of, texts_in
from archloom.types import Arch, Proposal, Trial
from archloom.utils.options import NonNegativeFloat, NonNegativeInt, Options, PositiveFloat, PositiveInt, UnitInterval


@dataclass(frozen=True)
class GaNasOptions(Options):
    """Sizes are Algorithm 2's. What the paper does not give (most of what follows) is chosen here.

    initial: |X_0|, drawn at random. Published 50 (set-up 1), 100 (set-up 2).
    batch_size, growth: |X_1|, and how much each X_t is larger than the one before. Published 100, 50 (200, 100).
    top_k: K, the size of the truth set. Published 25 (50).
    iterations: T, after which the search ends; 0: when its queries are asked. Published 10.
    alpha: the level at which the search ends (Algorithm 1): when gamma(theta_t, rho_t), the value of the objective that
        the share rho_t of the generator's draws reaches, is as good as this. With delta = 0, rho_t is the truth set's
        share in all that was evaluated before; none: no such end.
    delta: above 0 (in the objective's units): the truth set is not the best K, but all that reach the level of the
        iteration before, with rho_t the largest share, at most K / |X_0|, that raises it by delta: gamma(theta_t,
        rho_t) >= min(alpha, gamma(theta_t-1, rho_t-1) + delta) (Algorithm 1). If no draw is that good, it stays.
    start: architectures to begin with, in X_0, as `archloom best` writes them; several are separated by ";".
    refit: how the generator is refitted: "adversarial"; "accuracy" (no discriminator: the reward is the fitness of the
        latest architectures); "likelihood" (KL in place of JS: the cross-entropy method); "random" (no generator: the
        discriminator chooses among `pool` times as many random architectures).
    standardise: whether "accuracy" standardises the fitness of each set. If not, the critic's loss grows with the
        square of the objective's unit, and drowns the policy's gradient where that is percent.
    redraws, widen: while too few of the architectures drawn are new, draw again, each time at a `widen` times higher
        temperature, at most `redraws` times; after that X_t is smaller.
    width, layers: of the k-GNNs; width also of the GRU and the heads.
    lr, discriminator_lr: Adam's.
    fresh: whether each iteration begins with a new discriminator.
    rounds: how often discriminator and generator take turns in an iteration. As printed: 1.
    pairs, pair_steps: a turn of the discriminator is `pair_steps` batches of `pairs` pairs.
    smoothing: the label of pairs from the truth set.
    updates, episodes: a turn of the generator is `updates` PPO updates, each on `episodes` graphs.
    reward: of the discriminator's D: "minimax" (-log(1-D), the generator's side of the game that minimises the
        Jensen-Shannon divergence), "logit" (log(D/(1-D)): the reverse Kullback-Leibler divergence, which keeps one kind
        of truth), "probability" (D), "log" (log D).
    masked: whether illegal choices have no probability. If they have, each costs `step_penalty` (R_step), and a graph
        with any is not evaluated. Only "adversarial" learns from such graphs.
    penalty: minus R_final, instead of the reward, for each illegal choice and each rule of the space that is broken.
    clip_range, entropy, value_coef, gamma, gae_lambda, epochs, minibatch, max_grad_norm: PPO's (see
        `archloom.learners.ppo.Ppo`).
    expert: weight of the truth set's log-likelihood beside PPO's objective (the expert's gradient of You et al. 2018).
        Above 0 the generator keeps all of a truth set that is of several kinds, where PPO alone keeps the largest.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size", "rate": "lr", "discriminator_rate": "discriminator_lr", "clip": "clip_range",
        "value": "value_coef", "lam": "gae_lambda", "max_norm": "max_grad_norm",
    }  # fmt: skip

    initial: PositiveInt = 50
    batch_size: PositiveInt = 25
    growth: NonNegativeInt = 0
    top_k: PositiveInt = 10
    iterations: NonNegativeInt = 0
    alpha: float | None = None
    delta: NonNegativeFloat = 0.0
    start: str = ""
    refit: Literal["adversarial", "accuracy", "likelihood", "random"] = "adversarial"
    redraws: NonNegativeInt = 20
    widen: Annotated[float, msgspec.Meta(ge=1, le=10)] = 1.15
    width: PositiveInt = 32
    layers: PositiveInt = 3
    lr: PositiveFloat = 1e-3
    discriminator_lr: PositiveFloat = 1e-3
    fresh: bool = True
    rounds: PositiveInt = 2
    pairs: Annotated[int, msgspec.Meta(ge=2)] = 128
    pair_steps: PositiveInt = 30
    smoothing: UnitInterval = 1.0
    updates: PositiveInt = 4
    episodes: PositiveInt = 64
    reward: Literal["minimax", "logit", "probability", "log"] = "minimax"
    masked: bool = True
    step_penalty: NonNegativeFloat = 0.5
    penalty: NonNegativeFloat = 5.0
    pool: PositiveInt = 20
    standardise: bool = True
    clip_range: PositiveFloat = 0.2
    entropy: NonNegativeFloat = 0.02
    value_coef: NonNegativeFloat = 0.5
    gamma: UnitInterval = 1.0
    gae_lambda: UnitInterval = 0.95
    expert: NonNegativeFloat = 1.0
    epochs: PositiveInt = 4
    minibatch: PositiveInt = 64
    max_grad_norm: PositiveFloat = 5.0

    @property
    def starts(self) -> list[str]:
        """The architectures to begin with, as strings."""
        return texts_in(self.start)

    def settings(self) -> Settings:
        """The settings of networks and training."""
        shared = {f.name: getattr(self, f.name) for f in fields(Settings) if f.name not in ("reward", "ppo")}
        ppo = {f.name: getattr(self, f.name) for f in fields(Ppo) if f.name != "batch_size"}
        return Settings(**shared, reward=REWARDS[self.reward], ppo=Ppo(**ppo, batch_size=self.minibatch))


class GaNas(BaseStrategy):
    """A generator learns to draw graphs like the best so far, set by set: the next when all of one is evaluated.

    This is Algorithm 2 of the paper; see docs/ga-nas.md. Proposals have a `SetNote`.
    """

    Options: ClassVar[type[Any]] = GaNasOptions
    needs = (HasGrammar,)
    options: GaNasOptions

    def __init__(
        self, space: SearchSpace, criteria: Criteria, rng: np.random.Generator, options: GaNasOptions | None = None
    ) -> None:
        super().__init__(space, criteria, rng, options)
        o = self.options
        self.starts = starts_of("ga_nas", o.start, space)
        self.refit = REFITS[o.refit](space, o.settings(), rng)
        self.iteration = -1  # of the last set that was drawn
        self.drawn: deque[Proposal] = deque()  # those of it that were not asked for yet
        self.waiting = 0  # asked for and not told
        self.told: list[Trial] = []
        self.trials: dict[str, int] = {}  # key -> place in `told`
        self.draws: Counter[str] = Counter()  # key -> how often it came up among the first draws of the last set
        self.rho = 1.0  # rho_t of the last set
        self.gamma = -math.inf  # with `delta`, the level that the truth set reaches; more is better
        if not criteria.single and (o.alpha is not None or o.delta):
            raise InputError(
                f"ga_nas: alpha and delta are of one objective, these are {len(criteria.objectives)} "
                f"({', '.join(objective.metric for objective in criteria.objectives)}): omit both or name one"
            )

    @classmethod
    def plan(cls, options: GaNasOptions) -> Plan:
        """A whole set side by side, as nothing is learned in between; with T iterations, as many trials as those."""
        o, t = options, options.iterations
        first = max(o.initial, len(o.starts))
        sets = t * o.batch_size + o.growth * t * (t - 1) // 2
        width = max(first, o.batch_size + o.growth * max(t - 1, 0))
        return Plan(trials=first + sets if t else None, width=width, random=first)

    # -- asking ---------------------------------------------------------------------------------------------------

    def propose(self) -> Proposal | None:
        if not self.drawn and not self.waiting:
            if (self.options.iterations and self.iteration >= self.options.iterations) or self.at_alpha():
                return None
            self.iteration += 1
            with one_thread():
                self.drawn.extend(self.first_set() if not self.iteration else self.next_set())
        if not self.drawn:
            return None
        self.waiting += 1
        return self.drawn.popleft()

    def first_set(self) -> list[Proposal]:
        """X_0: the architectures given to start with, then random ones."""
        unique = {self.space.key(arch): arch for arch in self.starts}
        self._add_random(unique, max(self.options.initial, len(unique)))
        self.draws = Counter(list(unique))
        self.rho = min(1.0, self.options.top_k / len(unique))
        return [Proposal(arch, note=SetNote(0, draws=0).to_note()) for arch in unique.values()]

    def next_set(self) -> list[Proposal]:
        """X_t: refit the generator, and draw architectures from it that were not evaluated before."""
        o = self.options
        if o.delta:
            self.gamma = self.level()
        size = o.batch_size + (self.iteration - 1) * o.growth
        rho: float | None = None
        divergence: float | None = None
        unique: dict[str, Arch] = {}
        counts: Counter[str] = Counter()
        if fit_data := self.fit_data():
            divergence = self.refit.refit(fit_data)
            rho = len(fit_data.truth) / len(self.told)
            self.rho = self.rho if o.delta else rho
            for redraw in range(1 + o.redraws):
                archs = [arch for arch in self.refit.draw(size, o.widen**redraw) if arch is not None]
                keys = [self.space.key(arch) for arch in archs]
                if not redraw:
                    counts.update(keys)
                for key, arch in zip(keys, archs, strict=True):
                    if key not in self.trials and len(unique) < size:
                        unique.setdefault(key, arch)
                if len(unique) >= size:
                    break
        if not unique:  # the generator only repeats itself, or there is no truth to fit it to
            self._add_random(unique, size)
        self.draws = counts
        notes = [SetNote(self.iteration, counts[key]) for key in unique]
        known = {self.told[self.trials[key]].id: n for key, n in counts.items() if key in self.trials}
        notes[:1] = [replace(note, rho=rho, js=divergence, size=len(unique), known=known) for note in notes[:1]]
        return [Proposal(arch, note=note.to_note()) for arch, note in zip(unique.values(), notes, strict=True)]

    def _add_random(self, unique: dict[str, Arch], size: int) -> None:
        """Fill `unique` up to `size` with random architectures that are not evaluated yet, if such are found."""
        for _ in range(max(size * (1 + self.options.redraws), MAX_TRIES)):
            if len(unique) >= size:
                return
            arch = self.sample_valid()
            key = self.space.key(arch)
            if key not in self.trials:
                unique.setdefault(key, arch)

    def fit_data(self) -> FitData | None:
        """The truth set and the latest set.

        The truth set are the best K that satisfy the constraints, or, with `delta`, all that satisfy them and reach the
        level; as long as none satisfies them, those nearest to that.
        """
        good = [trial for trial in self.told if trial.result.ok]
        if not good:
            return None
        results = [trial.result for trial in good]
        fitness = self.criteria.fitness(results)
        order = np.lexsort((-np.arange(len(good)), -fitness)).tolist()  # of equals the newest first
        feasible = [at for at in order if self.criteria.feasible(results[at])]
        keep = (feasible or order)[: self.options.top_k]
        if self.options.delta and feasible:
            # Not by fitness: among constraints it only orders the results.
            keep = [at for at in feasible if self._utility(good[at]) >= self.gamma]
        latest = [at for at, trial in enumerate(good) if iteration_of(trial) == self.iteration - 1]
        return FitData(
            [good[at].proposal.arch for at in keep],
            [good[at].proposal.arch for at in latest or order],
            fitness[latest or order],
        )

    # -- levels: more is better -----------------------------------------------------------------------------------

    def at_alpha(self) -> bool:
        """Whether the last set, which is told, has reached the level that was asked for."""
        alpha = self.options.alpha
        return alpha is not None and self.iteration >= 0 and self.level() >= self.criteria.objectives[0].utility(alpha)

    def level(self) -> float:
        """gamma(theta_t, rho_t) of the last set, which is told; NaN if nothing was drawn."""
        o, objective = self.options, self.criteria.objectives[0]
        utilities = np.array([self._utility(self.told[self.trials[key]]) for key in self.draws])
        times = np.array(list(self.draws.values()), dtype=np.int64)
        if not o.delta or not self.iteration:
            return level(utilities, times, self.rho)
        target = min(math.inf if o.alpha is None else objective.utility(o.alpha), self.gamma + o.delta)
        return risen(utilities, times, self.rho, target, self.gamma)

    def _utility(self, trial: Trial) -> float:
        """Of the one objective; minus infinity for what failed or breaks constraints."""
        feasible = self.criteria.feasible(trial.result)
        return self.criteria.utilities(trial.result)[0] if feasible else -math.inf

    # -- learning -------------------------------------------------------------------------------------------------

    def learn(self, trial: Trial) -> None:
        self.waiting -= 1
        self.trials[self.space.key(trial.proposal.arch)] = len(self.told)
        note = SetNote(iteration_of(trial)).to_note()
        self.told.append(Trial(trial.id, Proposal(trial.proposal.arch, note=note), trial.result))

    # -- state ----------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        return {
            "refit": self.refit.dump(),
            "iteration": self.iteration,
            "drawn": [[list(proposal.arch.genes), dict(proposal.note)] for proposal in self.drawn],
            "waiting": self.waiting,
            "told": pack_trials(self.told),
            "draws": dict(self.draws),
            "rho": self.rho,
            "gamma": self.gamma,
        }

    def restore(self, own: dict[str, Any]) -> None:
        self.refit.restore(own["refit"])
        self.iteration, self.waiting = own["iteration"], own["waiting"]
        self.drawn = deque(Proposal(Arch(tuple(genes)), note=note) for genes, note in own["drawn"])
        self.told = unpack_trials(own["told"])
        self.trials = {self.space.key(trial.proposal.arch): at for at, trial in enumerate(self.told)}
        self.draws, self.rho, self.gamma = Counter(own["draws"]), own["rho"], own["gamma"]


def iteration_of(trial: Trial) -> int:
    """The set to which a trial of GA-NAS belongs."""
    return SetNote.of(trial.proposal.note).iteration
