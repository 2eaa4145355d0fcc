"""Strategies that give most architectures a short training, and the best of them longer ones: successive halving.

A rung is a fidelity. Of the trials on a rung the best 1 in `eta` are promoted: they go on to the next rung, which costs
the difference if states of trainings are kept, and is another look-up on a table. The strategies do not know which.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left
from collections import deque
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
from archloom.types import Arch, Inherit, Proposal, Resource, Trial
from archloom.utils.options import NonNegativeInt, Options

MAX_KNOWN = 1_000
"""So many architectures in a row drawn that were drawn before: then drawing brings no others any more."""


@dataclass(frozen=True)
class HalvingOptions(Options):
    """`eta`: the best 1 in `eta` of a rung is promoted. `minimum`, `maximum`: the fidelities of the lowest and the
    highest rung (0: those of the problem's resource).
    """

    eta: Annotated[int, msgspec.Meta(ge=2, description="the best 1 in eta is promoted")] = 3
    minimum: NonNegativeInt = 0
    maximum: NonNegativeInt = 0


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
        raise InputError(f"{name}={fidelity}: expected {resource}, or 0 for the {name}") from None


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
        self.rungs = rungs_between(self._divisible(resource), self.options)
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
        return Plan(inherits=True, highest=options.maximum)

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
    highest rung (0: those of the problem's resource). `early_stopping_rate`: this many of the lowest rungs are omitted
    (the paper's s).
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
        self.told: list[Trial] = []  # of this rung
        self.queue: deque[Proposal] = deque()  # of this rung, to be asked
        self.begin(len(self.rungs) - 1)

    def begin(self, bracket: int) -> None:
        """Begin a bracket, by its number s."""
        self.bracket = bracket
        self.rung = len(self.rungs) - 1 - bracket
        self.to_draw = self.expected = self.planned(0)

    def planned(self, step: int) -> int:
        """How many trials this bracket plans on the rung that is so many above its first."""
        eta, s = self.options.eta, self.bracket
        first = -(-len(self.rungs) * eta**s // (s + 1))
        return int(first // eta**step)

    def propose(self) -> Proposal | None:
        if not self.queue and self.to_draw:
            arch = self.fresh()
            if arch is not None:
                self.to_draw -= 1
                return Proposal(arch, self.rungs[self.rung])
            self.expected -= self.to_draw  # the bracket goes on with those it has
            self.to_draw = 0
            if self.expected and len(self.told) == self.expected:
                self.close()
        return self.queue.popleft() if self.queue else None

    def learn(self, trial: Trial) -> None:
        self.told.append(trial)
        if len(self.told) == self.expected:
            self.close()

    def close(self) -> None:
        """All trials of the rung are told: promote the best of them, or begin the next bracket."""
        best, self.told = self.best(), []
        if not best:
            self.begin(self.bracket - 1 if self.bracket else len(self.rungs) - 1)
            return
        self.rung += 1
        self.expected = len(best)
        self.queue.extend(self.promotion(trial, self.rung) for trial in best)

    def best(self) -> list[Trial]:
        """Those of the rung's trials that would be promoted if no more were told."""
        step = self.rung - (len(self.rungs) - 1 - self.bracket)
        return self.ranked(self.told)[: self.planned(step + 1)] if step < self.bracket else []

    def needed(self) -> set[int]:
        # With one objective, whoever is not among the best now will not be when all are told.
        waiting = self.best() if self.criteria.single else self.told
        return {trial.id for trial in waiting} | {p.inherit.base for p in self.queue if p.inherit is not None}

    def dump(self) -> dict[str, Any]:
        return {
            **super().dump(),
            "bracket": self.bracket,
            "rung": self.rung,
            "to_draw": self.to_draw,
            "expected": self.expected,
            "told": pack_trials(self.told),
            "queue": msgspec.to_builtins(list(self.queue)),
        }

    def restore(self, own: dict[str, Any]) -> None:
        super().restore(own)
        self.bracket, self.rung = own["bracket"], own["rung"]
        self.to_draw, self.expected = own["to_draw"], own["expected"]
        self.told = unpack_trials(own["told"])
        self.queue = deque(msgspec.convert(own["queue"], list[Proposal], strict=False))
