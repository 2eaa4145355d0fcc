"""Strategies that give most architectures a short training, and the best of them longer ones: successive halving.

A rung is a fidelity. Of the trials on a rung the best 1 in `eta` are promoted: they go on to the next rung, which costs
the difference if states of trainings are kept, and is another look-up on a table. The strategies do not know which.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from math import isqrt
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.spaces.base import SearchSpace, listed, size_of
from archloom.strategies.base import BaseStrategy, Plan, pack_trials, unpack_trials
from archloom.strategies.brackets import Bracket
from archloom.types import Arch, Inherit, Proposal, Resource, Trial
from archloom.utils.options import NonNegativeInt, Options, PositiveInt

MAX_KNOWN = 1_000
"""So many architectures in a row drawn that were drawn before: then drawing brings no others any more."""


@dataclass(frozen=True)
class HalvingOptions(Options):
    """`eta`: the best 1 in `eta` of a rung is promoted. `minimum`, `maximum`: the fidelities of the lowest and the
    highest rung (0: those of the problem's resource). `budgets`: the fidelities of all rungs instead, two or more.
    """

    eta: Annotated[int, msgspec.Meta(ge=2, description="the best 1 in eta is promoted")] = 3
    minimum: NonNegativeInt = 0
    maximum: NonNegativeInt = 0
    budgets: tuple[PositiveInt, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.budgets and (self.minimum or self.maximum):
            raise InputError("budgets are all rungs: omit minimum and maximum beside them")
        if self.budgets and len(set(self.budgets)) < 2:
            raise InputError(f"budgets={','.join(map(str, self.budgets))}: expected two or more, e.g. 30,60,120")


def rungs_of(resource: Resource, options: HalvingOptions) -> tuple[int, ...]:
    """The fidelities to stop at, ascending: the `budgets` of the options, or else `rungs_between`."""
    if not options.budgets:
        return rungs_between(resource, options)
    return tuple(sorted({_resolved(resource, "budgets", budget) for budget in options.budgets}))


def rungs_between(resource: Resource, options: HalvingOptions) -> tuple[int, ...]:
    """The fidelities to stop at, ascending: minimum * eta**k, of a resource with levels the nearest level above.

    As many as there are powers of eta between the two, floor(log_eta(maximum / minimum)) + 1, but at least two; the
    last is the maximum itself. Those that fall on one level are one rung. InputError if the resource has not both, or
    only one.
    """
    low = _resolved(resource, "minimum", options.minimum or resource.minimum)
    high = _resolved(resource, "maximum", options.maximum or resource.maximum)
    if low >= high:
        raise InputError(f"from {low} to {high} {resource.unit}: expected a minimum below the maximum")
    rungs, exact = [low], low
    while exact * options.eta**2 <= high:
        exact *= options.eta
        rungs.append(_at_least(resource, exact))
    return tuple(dict.fromkeys([*rungs, high]))


def _resolved(resource: Resource, name: str, fidelity: int) -> int:
    try:
        return resource.resolve(fidelity)
    except InputError:
        default = "" if name == "budgets" else f", or 0 for the {name}"
        raise InputError(f"{name}={fidelity}: expected {resource}{default}") from None


def _at_least(resource: Resource, fidelity: int) -> int:
    levels = resource.levels
    return levels[bisect_left(levels, fidelity)] if levels else fidelity


class HalvingStrategy(BaseStrategy):
    """What strategies with rungs share.

    No architecture is drawn twice, so that each is promoted at most once from a rung, and its state is needed no more
    then. When `MAX_KNOWN` draws in a row bring none that is new, the others are taken from the list of a space that can
    be listed; there are no more otherwise.
    """

    Options: ClassVar[type[Any]] = HalvingOptions
    needs_resource = True

    def __init__(
        self,
        space: SearchSpace,
        criteria: Criteria,
        rng: np.random.Generator,
        options: Any | None = None,
        *,
        resource: Resource | None = None,
    ) -> None:
        super().__init__(space, criteria, rng, options)
        self.resource = self._divisible(resource)
        self.rungs = rungs_of(self.resource, self.options)
        self.drawn: set[str] = set()  # keys
        self.used_up = False  # whether drawing brings no others any more

    def _divisible(self, resource: Resource | None) -> Resource:
        name = type(self).__name__.lower()
        if resource is None:
            raise InputError(
                f"{name} needs a problem that is evaluated in part: a metric that a table has at several fidelities, a "
                'task, or a function that reports on the way, with resource=archloom.Resource("epochs", maximum=27)'
            )
        if resource.minimum == resource.maximum and not resource.open_ended:
            metrics = ", ".join(self.criteria.metrics)
            raise InputError(
                f"{name} needs several fidelities, and {metrics} is available at {resource.maximum} {resource.unit} "
                "only: if its name says so, use the metric without the number"
            )
        return resource

    @classmethod
    def plan(cls, options: Any) -> Plan:
        return Plan(inherits=True, highest=options.maximum or max(options.budgets, default=0))

    @abstractmethod
    def needed(self) -> set[int]:
        """The trials that may still be promoted."""

    def fresh(self) -> Arch | None:
        """An architecture that was not drawn before; None if the space counts as used up."""
        arch = None if self.used_up else self.drawn_anew() or self.left_over()
        if arch is None:
            self.used_up = True
        else:
            self.drawn.add(self.space.key(arch))
        return arch

    def drawn_anew(self) -> Arch | None:
        """One that `MAX_KNOWN` draws bring and that was not drawn before."""
        for _ in range(MAX_KNOWN):
            arch = self.sample_valid()
            if self.space.key(arch) not in self.drawn:
                return arch
            if self.size is not None and len(self.drawn) >= self.size:
                break
        return None

    @cached_property
    def size(self) -> int | None:
        """How many architectures the space has, if that is known."""
        return size_of(self.space)

    def left_over(self) -> Arch | None:
        """One that draws do not bring, of a space whose architectures can be listed."""
        left = [arch for arch in listed(self.space) or () if self.space.key(arch) not in self.drawn]
        return left[int(self.rng.integers(len(left)))] if left else None

    def ranked(self, trials: Iterable[Trial]) -> list[Trial]:
        """Those that succeeded, the best first; of equals the one that was asked first."""
        done = sorted((trial for trial in trials if trial.result.ok), key=lambda trial: trial.id)
        order = np.argsort(-self.criteria.fitness([trial.result for trial in done]), kind="stable")
        return [done[i] for i in order.tolist()]

    def ranked_with(self, ranked: list[Trial], trial: Trial) -> list[Trial]:
        """`ranked` with one more, which succeeded: without looking at all of them if the order of two depends on no
        others, as with one objective.
        """
        if not self.criteria.single:
            return self.ranked([*ranked, trial])

        def stands_below(other: Trial) -> bool:
            theirs, ours = self.criteria.fitness([other.result, trial.result])
            return bool(theirs < ours or (theirs == ours and other.id > trial.id))

        place = bisect_left(ranked, True, key=stands_below)
        return [*ranked[:place], trial, *ranked[place:]]

    def promotion(self, trial: Trial, rung: int) -> Proposal:
        """Go on with a trial up to a rung."""
        return Proposal(trial.proposal.arch, self.rungs[rung], Inherit(trial.id))

    def dump(self) -> dict[str, Any]:
        return {"drawn": sorted(self.drawn), "used_up": self.used_up}

    def restore(self, own: dict[str, Any]) -> None:
        self.drawn = set(own["drawn"])
        self.used_up = own["used_up"]


@dataclass(frozen=True)
class AshaOptions(HalvingOptions):
    """`eta`: the best 1 in `eta` of a rung is promoted. `minimum`, `maximum`: the fidelities of the lowest and the
    highest rung (0: those of the problem's resource). `budgets`: the fidelities of all rungs instead, two or more.
    `early_stopping_rate`: this many of the lowest rungs are omitted (the paper's s).
    """

    early_stopping_rate: NonNegativeInt = 0


@dataclass
class Rung:
    """The trials of one rung: how many were told, and those that may count among the best of it, the best first."""

    told: int = 0
    best: list[Trial] = field(default_factory=list)
    promoted: set[int] = field(default_factory=set)

    def waiting(self) -> list[Trial]:
        """The trials that may still be promoted."""
        return [trial for trial in self.best if trial.id not in self.promoted]


class Asha(HalvingStrategy):
    """Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning",
    Algorithm 2).

    Whenever a proposal is asked for, the highest rung whose best floor(n / eta) trials are not all promoted promotes
    the best of these; if there is none, a new architecture starts at the lowest rung. Failed trials count among the n
    and are never promoted.

    The published algorithm may promote a trial at any later time, so that all states would have to stay. Here a trial
    is out for good as soon as it is not among the best n / eta + 2 sqrt(n) of its rung. Of n architectures drawn at
    random, how many are better than one at the quantile 1 / eta has a standard deviation of at most sqrt(n) / 2, so
    this is four of them away from what is promoted; what is out depends on the trials that were told only, so that a
    state which was dropped is never asked for, also after a crash.
    """

    Options: ClassVar[type[Any]] = AshaOptions
    options: AshaOptions

    def __init__(
        self,
        space: SearchSpace,
        criteria: Criteria,
        rng: np.random.Generator,
        options: AshaOptions | None = None,
        *,
        resource: Resource | None = None,
    ) -> None:
        super().__init__(space, criteria, rng, options, resource=resource)
        omitted = self.options.early_stopping_rate
        if omitted >= len(self.rungs):
            rungs = ", ".join(map(str, self.rungs))
            raise InputError(
                f"early_stopping_rate={omitted}: expected 0 to {len(self.rungs) - 1}, of the rungs {rungs}"
            )
        self.rungs = self.rungs[omitted:]
        self.states = [Rung() for _ in self.rungs]

    def propose(self) -> Proposal | None:
        for number in reversed(range(len(self.rungs) - 1)):
            rung = self.states[number]
            for trial in rung.best[: rung.told // self.options.eta]:
                if trial.id not in rung.promoted:
                    rung.promoted.add(trial.id)
                    return self.promotion(trial, number + 1)
        arch = self.fresh()
        return None if arch is None else Proposal(arch, self.rungs[0])

    def learn(self, trial: Trial) -> None:
        number = self.rungs.index(trial.proposal.fidelity)
        if number == len(self.rungs) - 1:
            return
        rung = self.states[number]
        rung.told += 1
        if trial.result.ok:
            rung.best = self.ranked_with(rung.best, trial)
        del rung.best[rung.told // self.options.eta + isqrt(4 * rung.told) :]
        rung.promoted.intersection_update(best.id for best in rung.best)

    def needed(self) -> set[int]:
        return {trial.id for rung in self.states for trial in rung.waiting()}

    def dump(self) -> dict[str, Any]:
        rungs = [[rung.told, pack_trials(rung.best), sorted(rung.promoted)] for rung in self.states]
        return {**super().dump(), "rungs": rungs}

    def restore(self, own: dict[str, Any]) -> None:
        super().restore(own)
        self.states = [Rung(told, unpack_trials(best), set(promoted)) for told, best, promoted in own["rungs"]]


class Hyperband(HalvingStrategy):
    """Hyperband (Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18,
    Algorithm 1).

    Bracket s, from the number of rungs above the lowest down to 0 and over again, begins with
    ceil((s_max + 1) * eta**s / (s + 1)) new architectures s rungs below the highest. When all trials of a rung are
    told, the best 1 in `eta` of as many as the bracket plans there are promoted; until then it waits. A bracket in
    which nobody is left is over.
    """

    options: HalvingOptions

    def __init__(
        self,
        space: SearchSpace,
        criteria: Criteria,
        rng: np.random.Generator,
        options: HalvingOptions | None = None,
        *,
        resource: Resource | None = None,
    ) -> None:
        super().__init__(space, criteria, rng, options, resource=resource)
        self.bracket = self.begun(len(self.rungs) - 1)

    def begun(self, number: int) -> Bracket:
        """A bracket at its beginning, by its number s."""
        eta = self.options.eta
        first = -(-len(self.rungs) * eta**number // (number + 1))
        return Bracket(self.rungs[-1 - number :], [first // eta**step for step in range(number + 1)])

    def propose(self) -> Proposal | None:
        proposal = self.bracket.ask(self.drawn_proposal)
        if proposal is None and self.bracket.told and self.bracket.complete:  # nothing more could be drawn
            self.close()
            proposal = self.bracket.ask(self.drawn_proposal)
        return proposal

    def drawn_proposal(self, fidelity: int) -> Proposal | None:
        arch = self.fresh()
        return None if arch is None else Proposal(arch, fidelity)

    def learn(self, trial: Trial) -> None:
        self.bracket.tell(trial)
        if self.bracket.complete:
            self.close()

    def close(self) -> None:
        """All trials of the rung are told: promote the best of them, or begin the next bracket."""
        best = self.best()
        if best:
            self.bracket.advance([self.promotion(trial, self.rung + 1) for trial in best])
        else:
            self.bracket = self.begun((self.number - 1) % len(self.rungs))

    @property
    def number(self) -> int:
        """That of the bracket: how many rungs it has above its first."""
        return len(self.bracket.sizes) - 1

    @property
    def rung(self) -> int:
        """The place of the bracket's present rung among all."""
        return len(self.rungs) - 1 - self.number + self.bracket.rung

    def best(self) -> list[Trial]:
        """Those of the rung's trials that would be promoted if no more were told."""
        return self.ranked(self.bracket.told)[: self.bracket.most_promoted]

    def needed(self) -> set[int]:
        # With one objective, whoever is not among the best now will not be when all are told.
        waiting = self.best() if self.criteria.single else self.bracket.told
        queued = {proposal.inherit.base for proposal in self.bracket.queue if proposal.inherit is not None}
        return {trial.id for trial in waiting} | queued

    def dump(self) -> dict[str, Any]:
        return {**super().dump(), **self.bracket.dump(), "bracket": self.number, "rung": self.rung}

    def restore(self, own: dict[str, Any]) -> None:
        super().restore(own)
        first = len(self.rungs) - 1 - own["bracket"]
        self.bracket = self.begun(own["bracket"]).restored({**own, "rung": own["rung"] - first})
