"""Strategies that choose a batch of architectures by models of all results, and wait for it before the next one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from threadpoolctl import ThreadpoolController

from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.spaces.base import SearchSpace, listed
from archloom.spaces.coordinates import check_points
from archloom.strategies.base import BaseStrategy, EarlierRun, Plan, pack_trials, unpack_trials
from archloom.strategies.batches.relaxation import Relaxation
from archloom.strategies.batches.targets import Targets, has_result
from archloom.strategies.suggestions import best_architectures
from archloom.types import Arch, Proposal, Resource, Trial
from archloom.utils.options import NonNegativeInt, Options, PositiveInt

DRAWN = 100
"""So many draws are made for an architecture that is new."""
LEAST = 2
"""Results that a model needs."""

Chosen = tuple[Arch, Mapping[str, Any]]
"""An architecture with the note of its proposal."""


@dataclass(frozen=True)
class BatchOptions(Options):
    """initial: how many architectures are drawn at random first, less those whose results are given (`--warm-start`).
    batch: how many are chosen at once; all are awaited before the next batch, so that neither the width nor the workers
        show in what is found.
    budget: after how many units of the resource (epochs) architectures are evaluated; 0 is the highest there is.

    A subclass repeats this in its own docstring, which is what people see.
    """

    initial: PositiveInt = 16
    batch: PositiveInt = 8
    budget: Annotated[NonNegativeInt, msgspec.Meta(description="0 is the highest fidelity")] = 0


@dataclass(frozen=True, eq=False)
class Known:
    """The results so far: the rows (n, width) of their architectures, and their targets."""

    rows: np.ndarray[Any, np.dtype[np.float64]]
    targets: Targets


class BatchStrategy(BaseStrategy):
    """Propose batches: the first at random, then what `chosen` says by the results so far.

    An architecture is not proposed again that a model would see as one that was, be it by another seed, unless no other
    is left. One that has failed counts as the worst result. A subclass writes `chosen`, and its options extend
    `BatchOptions`.
    """

    Options: ClassVar[type[Any]] = BatchOptions
    takes_resource = True
    options: BatchOptions

    def __init__(
        self,
        space: SearchSpace,
        criteria: Criteria,
        rng: np.random.Generator,
        options: BatchOptions | None = None,
        *,
        resource: Resource | None = None,
    ) -> None:
        super().__init__(space, criteria, rng, options)
        self.relaxation = Relaxation(space)
        self.resource = resource
        self.units = self._resolved(self.options.budget)
        self.told: list[Trial] = []
        self.pending: list[Proposal] = []  # of the batch, asked and not told
        self.queue: list[Chosen] = []  # of the batch, not asked yet
        self.batches = 0  # chosen by models
        self.asked: set[Hashable] = set()  # whatever was proposed, as models see it, and by its key
        self.earlier: list[Trial] = []  # of earlier runs on the same problem
        self.suggested: list[Arch] = []  # the best of earlier runs on other problems, the last first
        self.used_up = False  # whether no new architecture was left
        self.threads = ThreadpoolController()

    @classmethod
    def check_space(cls, space: SearchSpace) -> None:
        check_points(space, cls.__name__)

    @classmethod
    def plan(cls, options: BatchOptions) -> Plan:
        return Plan(width=options.batch, random=options.initial, highest=options.budget)

    def _resolved(self, budget: int) -> int:
        """A fidelity as a number of units; 0 if there are none. InputError for one that there is not."""
        if self.resource is not None:
            return self.resource.resolve(budget)
        if budget:
            raise InputError(f"budget={budget}: this problem is evaluated in full only; expected 0")
        return 0

    def warm_start(self, earlier: Sequence[EarlierRun]) -> None:
        """Learn from earlier runs on the same space before the first proposal.

        Of a run on the same problem that recorded all metrics, results at this run's budget are results of this run,
        and what failed there, at whatever budget, counts as failed; results at other budgets are not used, for values
        after fewer epochs are not those of this budget. The best architectures of any other run are the first that are
        evaluated, as many as half of the initial design.
        """
        for run in earlier:
            if run.answers(self.criteria):
                for trial in run.trials:
                    failed = not has_result(self.criteria, trial.result)
                    if failed or self._resolved(trial.proposal.fidelity) == self.units:
                        self.earlier.append(trial)
                        self._mark(trial.proposal.arch)
            else:
                self.suggested = best_architectures(self.space, run, (self.options.initial + 1) // 2) + self.suggested

    # -- proposing ------------------------------------------------------------------------------------------------

    @abstractmethod
    def chosen(self, known: Known, count: int, rng: np.random.Generator) -> Sequence[Chosen]:
        """At most `count` architectures, new to each other and by `is_open`, by what is known; `rng` is the batch's."""

    def propose(self) -> Proposal | None:
        if not self.queue:
            if self.pending:
                return None
            self.queue = list(self._next_batch())
        if not self.queue:
            return self._repeat()
        arch, note = self.queue.pop(0)
        proposal = Proposal(arch, self.options.budget, note=dict(note))
        self.pending.append(proposal)
        return proposal

    def _next_batch(self) -> Sequence[Chosen]:
        known = [*self.earlier, *self.told]
        results = sum(has_result(self.criteria, trial.result) for trial in known)
        missing = self.options.initial - len(known)
        if self.used_up or missing > 0 or results < LEAST:
            return self._drawn(max(missing, 1) if missing > 0 else self.options.batch)
        self.batches += 1
        rng = np.random.Generator(np.random.PCG64(int(self.rng.integers(1 << 62))))
        trials = [*self.earlier, *sorted(self.told, key=lambda trial: trial.id)]
        rows = self.relaxation.rows([trial.proposal.arch for trial in trials])
        targets = Targets.of(self.criteria, [trial.result for trial in trials])
        with self.one_thread():
            found = list(self.chosen(Known(rows, targets), self.options.batch, rng))
        for arch, _ in found:
            self._mark(arch)
        return [*found, *self._drawn(self.options.batch - len(found))]

    def _drawn(self, count: int) -> list[Chosen]:
        """So many new architectures at random, fewer if there are not so many."""
        found: list[Chosen] = []
        while len(found) < count and (arch := self._drawn_open()) is not None:
            self._mark(arch)
            found.append((arch, {}))
        return found

    def _drawn_open(self) -> Arch | None:
        """A new one at random: a suggestion, if there is one. If no draw brings any, one of a space that can be listed;
        None if there is none either."""
        while self.suggested:
            if self.is_open(arch := self.relaxation.coordinates.reseeded(self.suggested.pop(), self.rng)):
                return arch
        for _ in range(1 if self.used_up else DRAWN):
            if self.is_open(arch := self.sample_valid()):
                return arch
        left = [arch for arch in listed(self.space) or () if self.is_open(arch)]
        return left[int(self.rng.integers(len(left)))] if left else None

    def _repeat(self) -> Proposal | None:
        """If no new one is left, what was asked first, with new seeds if there are any. If there are none a run learns
        from it that it is over, unless earlier runs have asked for others; the strategy learns nothing from it."""
        self.used_up = True
        if not self.told:
            return None
        first = min(self.told, key=lambda trial: trial.id).proposal.arch
        again = self.relaxation.coordinates.reseeded(first, self.rng)
        proposal = Proposal(again, self.options.budget)
        if again != first:
            self.pending.append(proposal)
        elif self.earlier:
            return None
        return proposal

    def is_open(self, arch: Arch) -> bool:
        """Whether an architecture may be proposed: neither it nor one that models see as the same was."""
        return self.asked.isdisjoint(self._names(arch))

    def _mark(self, arch: Arch) -> None:
        self.asked.update(self._names(arch))

    def _names(self, arch: Arch) -> tuple[Hashable, Hashable]:
        return self.space.key(arch), self.relaxation.rows([arch]).tobytes()

    def one_thread(self) -> AbstractContextManager[Any]:
        """Matrix products on one thread: the number of threads must not decide how a sum is rounded."""
        limited: AbstractContextManager[Any] = self.threads.limit(limits=1, user_api="blas")
        return limited

    # -- learning -------------------------------------------------------------------------------------------------

    def learn(self, trial: Trial) -> None:
        if trial.proposal not in self.pending:  # a repeat
            return
        self.pending.remove(trial.proposal)
        self.told.append(trial)

    def dump(self) -> dict[str, Any]:
        return {
            "told": pack_trials(self.told),
            "pending": [msgspec.to_builtins(proposal) for proposal in self.pending],
            "queue": [[list(arch.genes), dict(note)] for arch, note in self.queue],
            "batches": self.batches,
            "suggested": len(self.suggested),
            "used_up": self.used_up,
        }

    def restore(self, own: dict[str, Any]) -> None:
        self.told = unpack_trials(own["told"])
        self.pending = [msgspec.convert(proposal, Proposal, strict=False) for proposal in own["pending"]]
        self.queue = [(Arch(tuple(genes)), note) for genes, note in own["queue"]]
        self.batches, self.used_up = int(own["batches"]), bool(own["used_up"])
        self.suggested = self.suggested[: int(own["suggested"])]
        for arch in self.proposed():
            self._mark(arch)

    def proposed(self) -> list[Arch]:
        """Whatever this run has chosen so far."""
        asked = [trial.proposal.arch for trial in self.told] + [proposal.arch for proposal in self.pending]
        return asked + [arch for arch, _ in self.queue]
