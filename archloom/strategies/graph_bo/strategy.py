"""graph_bo: Bayesian optimisation with a Gaussian process on the genes and on statistics of the flow graph."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import msgspec
import numpy as np
from threadpoolctl import ThreadpoolController

from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.spaces.answers import features_of
from archloom.spaces.base import SearchSpace, listed
from archloom.spaces.featured import featured
from archloom.strategies.base import BaseStrategy, EarlierRun, Plan, pack_trials, unpack_trials
from archloom.strategies.graph_bo.beliefs import Beliefs
from archloom.strategies.graph_bo.candidates import Candidates, Numbers, climb
from archloom.strategies.graph_bo.explanation import Explanation
from archloom.strategies.graph_bo.kernel import Float64
from archloom.strategies.graph_bo.knowledge import OWN, Knowledge
from archloom.strategies.graph_bo.options import GraphBoOptions
from archloom.strategies.note import Note
from archloom.strategies.suggestions import best_architectures
from archloom.types import Arch, Inherit, Proposal, Resource, Trial


class GraphBoNote(Note, frozen=True):
    """`log_improvement`: the acquisition function of the proposal when it was made."""

    log_improvement: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an architecture has got: at so many levels of fidelity it was asked for; `trial` answered at the last.

    None if that is not known yet, or has failed.
    """

    level: int
    trial: int | None


NEW = Progress(0, None)

DRAWN = 100
"""So many draws are made for an architecture that is new; a single one when none was found before."""
BEST = 10
"""Climbs start from the neighbours of so many of the best results at most."""
NEIGHBOURS = 320
"""of fewer if these have many: about so many neighbours are looked at first."""
LEAST_BEST = 3
SHOWN_DIGITS = 6
"""Of what notes say of a proposal."""


class GraphBo(BaseStrategy):
    """Propose the architecture with the largest expected improvement that a climb over neighbours finds.

    The model is a Gaussian process on the genes and on statistics of the flow graph (`space.features`). Its kernel is
    fitted to the results, whose values are warped so that differences among the best count most. Each objective and
    each constraint has a process of its own; several objectives are weighed by their hypervolume. Failed trials are
    left out, but another process learns from them which architectures are likely to fail. Architectures in flight
    enter with their expected results. None is proposed twice at one fidelity unless no other is left.
    """

    Options: ClassVar[type[Any]] = GraphBoOptions
    takes_resource = True
    options: GraphBoOptions

    def __init__(
        self,
        space: SearchSpace,
        criteria: Criteria,
        rng: np.random.Generator,
        options: GraphBoOptions | None = None,
        *,
        resource: Resource | None = None,
    ) -> None:
        super().__init__(space, criteria, rng, options)
        # A mistake in them is to show before anything is evaluated.
        codes, stats = features_of(space, featured(space), [space.sample(np.random.Generator(np.random.PCG64(0)))])
        left = self.options.codes and codes.size, self.options.statistics and stats.size
        if not any(left) and (codes.size or stats.size):
            off, lacking = ("statistics", "codes") if stats.size else ("codes", "statistics")
            raise InputError(f"{off}=false: architectures of space {space.name!r} have no {lacking}; omit this option")
        self.resource = resource
        self.levels = _levels(resource, self.options.fidelities)
        self.seed = int(rng.integers(1 << 62))
        self.drawn = 0  # asked of the initial design
        self.told: list[Trial] = []
        self.pending: list[Proposal] = []
        self.progress: dict[Hashable, Progress] = {}  # by the key of an architecture
        self.knowledge = Knowledge(criteria, resource)
        self.suggested: list[Arch] = []  # the best of earlier runs on other problems, the last first
        self.fits: Mapping[str, Any] = {}  # of the models, as of when they are made
        self.given = 0  # answers of earlier runs on the same problem
        self.settled = False  # whether some of these are not asked again
        self.used_up = False  # whether no other architecture was left
        self.threads = ThreadpoolController()

    @classmethod
    def check_space(cls, space: SearchSpace) -> None:
        try:
            featured(space)
        except InputError as error:
            raise InputError(f"strategy {cls.__name__}: {error}") from None

    @classmethod
    def plan(cls, options: GraphBoOptions) -> Plan:
        return Plan(random=options.initial, inherits=options.fidelities > 1)

    def warm_start(self, earlier: Sequence[EarlierRun]) -> None:
        """Learn from earlier runs on the same space before the first proposal.

        What a run on the same problem has answered at the highest fidelity is not asked again; one on another problem,
        or without a metric of these criteria, says what is likely to be good. InputError if that has another number of
        objectives.
        """
        for run in earlier:
            if run.answers(self.criteria):
                self._learn_same(run)
            else:
                self.knowledge.add_foreign(run)
                self.suggested = best_architectures(self.space, run, (self.options.initial + 1) // 2) + self.suggested

    def _learn_same(self, run: EarlierRun) -> None:
        top = self.knowledge.resolved(0)
        for trial in run.trials:
            found = self.knowledge.add(trial)
            self.given += found
            if not found or self.knowledge.resolved(trial.proposal.fidelity) >= top:
                self.progress[self.space.key(trial.proposal.arch)] = Progress(len(self.levels), None)
                self.settled = True

    # -- proposing ------------------------------------------------------------------------------------------------

    def propose(self) -> Proposal | None:
        with self.one_thread():
            proposal = self._proposal()
        if proposal is None:
            return self._repeat()
        self.pending.append(proposal)
        self._step(proposal.arch)
        return proposal

    def _step(self, arch: Arch) -> None:
        """Note that an architecture has been asked for at its next fidelity."""
        key = self.space.key(arch)
        self.progress[key] = Progress(self.progress.get(key, NEW).level + 1, None)

    def _proposal(self) -> Proposal | None:
        if self.drawn < self._initial() or not self.knowledge.answers:
            self.drawn += 1
            return self._next(self._drawn_open())
        found = None if self.used_up else self._most_promising()
        if found is not None:
            arch, promise = found
            return self._next(arch, GraphBoNote(float(f"{promise:.{SHOWN_DIGITS}g}")).to_note())
        return self._next(self._drawn_open())

    def _initial(self) -> int:
        """How many architectures are still to be drawn before the model is asked, with those that are."""
        return max(0, self.options.initial - self.given)

    def _next(self, arch: Arch | None, note: Mapping[str, Any] | None = None) -> Proposal | None:
        """The proposal that takes an architecture one step further; None for None."""
        if arch is None:
            return None
        before = self.progress.get(self.space.key(arch), NEW)
        inherit = None if before.trial is None else Inherit(before.trial)
        return Proposal(arch, self.levels[before.level], inherit, dict(note or {}))

    def _is_open(self, key: Hashable) -> bool:
        """Whether an architecture may be proposed (again)."""
        before = self.progress.get(key)
        return before is None or (before.trial is not None and before.level < len(self.levels))

    def _drawn_open(self) -> Arch | None:
        """One that may be proposed, drawn at random: a suggestion, if there is one. If no draw brings any, one of a
        space that can be listed; None if there is none either."""
        while self.suggested:
            if self._is_open(self.space.key(arch := self.suggested.pop())):
                return arch
        for _ in range(1 if self.used_up else DRAWN):
            if self._is_open(self.space.key(arch := self.sample_valid())):
                return arch
        left = [arch for arch in listed(self.space) or () if self._is_open(self.space.key(arch))]
        return left[int(self.rng.integers(len(left)))] if left else None

    def _repeat(self) -> Proposal | None:
        """What was asked first, again, from which a run learns that no other is left; nothing is learned from it.

        None if there is something to wait for, and if earlier runs have asked for others, so that it would learn
        nothing.
        """
        if (self.pending and len(self.levels) > 1) or self.settled:
            return None
        self.used_up = True
        first = self.told[0].proposal if self.told else self.pending[0]
        return Proposal(first.arch, first.fidelity)

    def _most_promising(self) -> tuple[Arch, float] | None:
        candidates = self.candidates
        candidates.trim()
        promise = self.beliefs.promise(self.pending, self.rng)
        scores: dict[int, float] = {}

        def score(numbers: Numbers) -> Float64:
            promised, rank = promise.ranked(self.beliefs.inputs(numbers))
            scores.update(zip(numbers.tolist(), promised.tolist(), strict=True))
            return rank

        def is_open(number: int) -> bool:
            return self._is_open(candidates.key(number)) and candidates.valid(number)

        best = climb(candidates, self._start(), score, is_open, self.options.rounds)
        return None if best is None else (candidates.arch(best), scores[best])

    def _start(self) -> Numbers:
        """The candidates that a climb starts from."""
        drawn = self.candidates.some(self.options.random, self.rng)
        own = [answer for answer in self.knowledge.answers if answer.source == OWN]
        order = np.argsort(-self.criteria.fitness([answer.result for answer in own]), kind="stable").tolist()
        numbers = self.candidates.numbers(answer.arch for answer in own)
        parts = [drawn]
        if len(self.levels) > 1:
            parts.append(numbers)
        looked_at = 0
        for place, number in enumerate(dict.fromkeys(numbers[order].tolist())):
            if place == BEST or (place >= LEAST_BEST and looked_at >= NEIGHBOURS):
                break
            parts.append(self.candidates.neighbours(number))
            looked_at += len(parts[-1])
        return np.concatenate(parts[::-1])

    @cached_property
    def candidates(self) -> Candidates:
        """Made when a model is first asked."""
        return Candidates(self.space, self.seed)

    @cached_property
    def beliefs(self) -> Beliefs:
        """The same."""
        return Beliefs(self.candidates, self.knowledge, self.criteria, self.options, self.fits)

    @property
    def _asked_models(self) -> bool:
        return "beliefs" in vars(self)

    def explain(self, trials: Sequence[Trial]) -> Explanation:
        """What the models say once they have learned from the trials of a run; of a strategy that was just made."""
        for trial in trials:
            self.told.append(trial)
            self.knowledge.add(trial)
        with self.one_thread():
            promise = self.beliefs.promise((), self.rng)
        candidates = self.candidates
        return Explanation.of(promise, self.beliefs.targets(), self.knowledge, candidates.layout, candidates.telling)

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
        self._take(trial)

    def _take(self, trial: Trial) -> None:
        if self.knowledge.add(trial):
            key = self.space.key(trial.proposal.arch)
            self.progress[key] = Progress(self.progress[key].level, trial.id)

    def needed(self) -> set[int]:
        """The trials that may go on at a higher fidelity."""
        levels = len(self.levels)
        return {p.trial for p in self.progress.values() if p.trial is not None and p.level < levels}

    def dump(self) -> dict[str, Any]:
        return {
            "told": pack_trials(self.told),
            "pending": [msgspec.to_builtins(proposal) for proposal in self.pending],
            "seed": self.seed,
            "drawn": self.drawn,
            "suggested": len(self.suggested),
            "used_up": self.used_up,
            "fits": self.beliefs.dump() if self._asked_models else self.fits,
        }

    def restore(self, own: dict[str, Any]) -> None:
        self.told = unpack_trials(own["told"])
        self.pending = [msgspec.convert(proposal, Proposal, strict=False) for proposal in own["pending"]]
        self.seed, self.drawn = int(own["seed"]), int(own["drawn"])
        self.suggested, self.used_up = self.suggested[: int(own["suggested"])], bool(own["used_up"])
        self.fits = own["fits"]
        for trial in self.told:
            self._step(trial.proposal.arch)
            self._take(trial)
        for proposal in self.pending:
            self._step(proposal.arch)


def _levels(resource: Resource | None, count: int) -> Sequence[int]:
    """The fidelities at which architectures are evaluated, from the lowest; 0 is the highest there is.

    Those of a resource, if it has certain levels; else each a third of the next. InputError if there are not so many.
    """
    if count == 1:
        return (0,)
    if resource is None:
        raise InputError(
            f"fidelities={count}: this problem is evaluated in full only; expected 1, or a metric that is available at "
            "several fidelities"
        )
    there = resource.levels or [resource.maximum // 3**step for step in range(count)][::-1]
    if len(there) < count or there[-count] < resource.minimum:
        raise InputError(f"fidelities={count}: more than there are, which is {resource}, each a third of the next")
    return (*there[-count:-1], 0)
