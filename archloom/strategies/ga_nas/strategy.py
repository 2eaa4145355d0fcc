"""GA-NAS: generative adversarial architecture search with importance sampling (paper "ga-nas", Algorithm 2).

In each iteration the best K of everything evaluated form the truth set, a generator is refitted to it, and the
architectures that it then draws are evaluated. Constraints are hard: once any architectures satisfy them, only those
can be in the truth set.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from archloom.constraints import Criteria
from archloom.learners.arrays import one_thread
from archloom.learners.ppo import Ppo
from archloom.spaces.base import MAX_TRIES, SearchSpace
from archloom.spaces.graphs import HasGrammar
from archloom.strategies.base import BaseStrategy, Plan, pack_trials, unpack_trials
from archloom.strategies.ga_nas.generator_training import REFITS, REWARDS, FitData, Settings
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
    start: architectures to begin with, in X_0, as `archloom best` writes them; several are separated by ";".
    refit: how the generator is refitted: "adversarial"; "accuracy" (no discriminator: the reward is the fitness of the
        latest architectures); "likelihood" (KL in place of JS: the cross-entropy method); "random" (no generator: the
        discriminator chooses among `pool` times as many random architectures).
    redraws, widen: while too few of the architectures drawn are new, draw again, each time at a `widen` times higher
        temperature, at most `redraws` times; after that X_t is smaller.
    width, layers: of the k-GNNs; width also of the GRU and the heads.
    lr, discriminator_lr: Adam's.
    fresh: whether each iteration begins with a new discriminator.
    rounds: how often discriminator and generator take turns in an iteration. As printed: 1.
    pairs, pair_steps: a turn of the discriminator is `pair_steps` batches of `pairs` pairs.
    smoothing: the label of pairs from the truth set.
    updates, episodes: a turn of the generator is `updates` PPO updates, each on `episodes` graphs.
    reward: of the discriminator's D: "logit" (log(D/(1-D))), "probability", "log", "minimax" (-log(1-D)).
    masked: whether illegal choices have no probability. If they have, each costs `step_penalty` (R_step).
    penalty: R_final for each rule of the space that a whole architecture breaks.
    clip_range, entropy, value_coef, gamma, gae_lambda, epochs, minibatch, max_grad_norm: PPO's (see
        `archloom.learners.ppo.Ppo`).
    expert: weight of the truth set's log-likelihood beside PPO's objective. Above 0 (4, say) the generator keeps
        all of a truth set that is of several kinds, where PPO alone keeps only the largest; elsewhere it is slower.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size", "rate": "lr", "discriminator_rate": "discriminator_lr", "clip": "clip_range",
        "value": "value_coef", "lam": "gae_lambda", "max_norm": "max_grad_norm",
    }  # fmt: skip

    initial: PositiveInt = 50
    batch_size: PositiveInt = 25
    growth: NonNegativeInt = 0
    top_k: PositiveInt = 25
    iterations: NonNegativeInt = 0
    start: str = ""
    refit: Literal["adversarial", "accuracy", "likelihood", "random"] = "adversarial"
    redraws: NonNegativeInt = 20
    widen: Annotated[float, msgspec.Meta(ge=1, le=10)] = 1.15
    width: PositiveInt = 32
    layers: PositiveInt = 3
    lr: PositiveFloat = 1e-3
    discriminator_lr: PositiveFloat = 1e-3
    fresh: bool = True
    rounds: PositiveInt = 3
    pairs: Annotated[int, msgspec.Meta(ge=2)] = 128
    pair_steps: PositiveInt = 50
    smoothing: UnitInterval = 1.0
    updates: PositiveInt = 5
    episodes: PositiveInt = 64
    reward: Literal["logit", "probability", "log", "minimax"] = "logit"
    masked: bool = True
    step_penalty: NonNegativeFloat = 0.5
    penalty: NonNegativeFloat = 5.0
    pool: PositiveInt = 20
    clip_range: PositiveFloat = 0.2
    entropy: NonNegativeFloat = 0.02
    value_coef: NonNegativeFloat = 0.5
    gamma: UnitInterval = 1.0
    gae_lambda: UnitInterval = 0.95
    expert: NonNegativeFloat = 0.0
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
            if self.options.iterations and self.iteration >= self.options.iterations:
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
        return [Proposal(arch, note=SetNote(0, draws=0).to_note()) for arch in unique.values()]

    def next_set(self) -> list[Proposal]:
        """X_t: refit the generator, and draw architectures from it that were not evaluated before."""
        o = self.options
        size = o.batch_size + (self.iteration - 1) * o.growth
        rho: float | None = None
        divergence: float | None = None
        unique: dict[str, Arch] = {}
        counts: Counter[str] = Counter()
        if fit_data := self.fit_data():
            divergence = self.refit.refit(fit_data)
            rho = len(fit_data.truth) / len(self.told)
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
        """The truth set (the best K that satisfy the constraints, or else those nearest to that) and the latest set."""
        good = [trial for trial in self.told if trial.result.ok]
        if not good:
            return None
        results = [trial.result for trial in good]
        fitness = self.criteria.fitness(results)
        order = np.lexsort((-np.arange(len(good)), -fitness)).tolist()  # of equals the newest first
        keep = [at for at in order if self.criteria.feasible(results[at])] or order
        latest = [at for at, trial in enumerate(good) if iteration_of(trial) == self.iteration - 1]
        return FitData(
            [good[at].proposal.arch for at in keep[: self.options.top_k]],
            [good[at].proposal.arch for at in latest or order],
            fitness[latest or order],
        )

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
        }

    def restore(self, own: dict[str, Any]) -> None:
        self.refit.restore(own["refit"])
        self.iteration, self.waiting = own["iteration"], own["waiting"]
        self.drawn = deque(Proposal(Arch(tuple(genes)), note=note) for genes, note in own["drawn"])
        self.told = unpack_trials(own["told"])
        self.trials = {self.space.key(trial.proposal.arch): at for at, trial in enumerate(self.told)}


def iteration_of(trial: Trial) -> int:
    """The set to which a trial of GA-NAS belongs."""
    return SetNote.of(trial.proposal.note).iteration
