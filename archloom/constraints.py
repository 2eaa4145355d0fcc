"""The goals of a search: named objectives with their directions, and hard constraints on metrics."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.types import Goal

_LARGEST = sys.float_info.max
_FAR = _LARGEST / 2

_CONSTRAINT = re.compile(r"\s*(\S|\S.*\S)\s*(<=|>=)\s*([^\s<>=]+)\s*", re.DOTALL)
"""The name of a metric may hold anything, also these signs: the last one counts."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric to be maximised or minimised."""

    metric: str
    goal: Goal = "max"

    @property
    def sign(self) -> float:
        return 1.0 if self.goal == "max" else -1.0

    def utility(self, value: float) -> float:
        """`value`, with its sign changed if less is better."""
        return self.sign * value


@dataclass(frozen=True, slots=True)
class Constraint:
    """`metric <= bound`, or `metric >= bound` if `at_most` is False."""

    metric: str
    bound: float
    at_most: bool = True

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read "metric<=number" or "metric>=number"."""
        match = _CONSTRAINT.fullmatch(text)
        if match is None:
            raise InputError(f'constraint {text!r}: expected METRIC<=NUMBER or METRIC>=NUMBER, e.g. "params_m<=0.5"')
        metric, operator, number = match.groups()
        try:
            bound = float(number)
        except ValueError:
            bound = math.nan
        if not math.isfinite(bound):
            raise InputError(f"constraint {text!r}: {number!r} is not a finite number")
        return cls(metric, bound, at_most=operator == "<=")

    def __str__(self) -> str:
        short = f"{self.bound:g}"
        exact = short if float(short) == self.bound else repr(self.bound)  # `parse` reads back this very bound
        return f"{self.metric}{'<=' if self.at_most else '>='}{exact}"

    def excess(self, value: float) -> float:
        """How far `value` violates the bound, relative to the bound's size (unless that is 0); 0 if it does not.

        Finite, however far: at most the largest float.
        """
        over = value - self.bound if self.at_most else self.bound - value
        return 0.0 if over <= 0.0 else min(over / (abs(self.bound) or 1.0), _LARGEST)


class Winner(Enum):
    """Which trial of a run is its best: of those that count, and of them those of the highest `rank`, the first one
    with the best value.

    In a population every fidelity has one trial of each member, its chunk; all of one are evaluated before the next.
    """

    AT_HIGHEST_FIDELITY = "at highest fidelity"
    """Shorter trainings do not count beside longer ones."""
    EVER = "ever"
    """At whatever fidelity: a member counts as it was after each of its chunks."""
    OF_LAST_POPULATION = "of last population"
    """Of the last chunk that all members of the population have been through: values of earlier ones may have been
    measured against something else."""

    def rank(self, fidelity: int) -> int:
        """Trials of a higher rank come before those of a lower one, whatever their values."""
        return 0 if self is Winner.EVER else fidelity

    def counted(self, fidelities: Sequence[int]) -> Sequence[int]:
        """(n,) how many trials count after each one of a run; they count in their order.

        `fidelities` (n,) of all trials, failed ones included.
        """
        if self is not Winner.OF_LAST_POPULATION:
            return range(1, len(fidelities) + 1)
        members = max(Counter(fidelities).values(), default=0)  # in a first chunk that is not over: those told so far
        seen, counted, number = Counter[int](), [], 0
        for position, fidelity in enumerate(fidelities, 1):
            seen[fidelity] += 1
            number = position if seen[fidelity] == members else number
            counted.append(number)
        return counted


class Scored(Protocol):
    """What is judged: a `Result`, or a line of a record."""

    @property
    def ok(self) -> bool: ...

    @property
    def scores(self) -> Mapping[str, float]: ...


@dataclass(frozen=True)
class Criteria:
    """Objectives and constraints together: the one place that says which of two results is better.

    A failed result is worse than any other; a result that violates a constraint is worse than any that satisfies them
    all, and the worse the larger the violation (Deb 2000, "An efficient constraint handling method for genetic
    algorithms"). Several objectives are compared by Pareto dominance. `winner` says which trial of a run is its best;
    criteria that differ only in it are equal, as they ask for the same.
    """

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    winner: Winner = field(default=Winner.AT_HIGHEST_FIDELITY, compare=False)

    def __post_init__(self) -> None:
        names = [objective.metric for objective in self.objectives]
        if not names:
            raise InputError("no objective: name at least one metric to optimise")
        if len(set(names)) < len(names):
            raise InputError(f"objectives {', '.join(names)}: each metric may be named once")

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that selection needs, each once."""
        return tuple(dict.fromkeys([o.metric for o in self.objectives] + [c.metric for c in self.constraints]))

    @property
    def single(self) -> bool:
        return len(self.objectives) == 1

    def utilities(self, result: Scored) -> tuple[float, ...]:
        """One number per objective, more is better. The result must not have failed."""
        return tuple(o.utility(result.scores[o.metric]) for o in self.objectives)

    def violation(self, result: Scored) -> float:
        """The sum of relative excesses over all constraints; infinity for a failed result, and for one without a value
        (or with a NaN) of an objective or a constraint."""
        if not result.ok:
            return math.inf
        scores = result.scores
        for objective in self.objectives:  # a loop, as this is asked of every trial of every run that is looked at
            if math.isnan(scores.get(objective.metric, math.nan)):
                return math.inf
        if not self.constraints:
            return 0.0
        total = sum(c.excess(scores.get(c.metric, math.nan)) for c in self.constraints)
        return math.inf if math.isnan(total) else min(total, _LARGEST)

    def feasible(self, result: Scored) -> bool:
        return self.violation(result) <= 0.0

    def fitness(self, results: Sequence[Scored]) -> NDArray[np.float64]:
        """(n,) numbers that order `results`: more is better; comparable within this one call only.

        One objective: its utility. Several: minus the index of the Pareto front the result lies on. Results that
            violate constraints are below all others, in the order of their violation; failed ones are minus infinity.
        """
        amounts = [self.violation(r) for r in results]
        if self.single and all(amount <= 0.0 for amount in amounts):  # asked for with every trial of a climb
            objective = self.objectives[0]
            return np.array([objective.utility(r.scores[objective.metric]) for r in results], dtype=np.float64)
        fitness = np.full(len(results), -np.inf)
        violations = np.array(amounts)
        feasible = np.flatnonzero(violations <= 0.0)
        if len(feasible):
            utilities = np.array([self.utilities(results[i]) for i in feasible.tolist()])
            fitness[feasible] = utilities[:, 0] if self.single else -_fronts(utilities)
        breaks = np.flatnonzero((violations > 0.0) & np.isfinite(violations))
        if len(breaks):
            if np.abs(fitness[feasible]).max(initial=0.0) > _FAR:  # so that there is room below the worst
                fitness[feasible] = np.unique(fitness[feasible], return_inverse=True)[1]
            floor = fitness[feasible].min() if len(feasible) else 0.0
            step = max(1.0, 2.0 * np.spacing(abs(floor)))  # so that a large floor does not swallow the difference
            places = np.unique(violations[breaks], return_inverse=True)[1]
            fitness[breaks] = floor - (1.0 + places) * step
        return fitness

    def best(self, results: Sequence[Scored]) -> int:
        """The index of the first result with the highest fitness."""
        return int(np.argmax(self.fitness(results)))

    def to_json(self) -> dict[str, Any]:
        return {
            "objectives": {o.metric: o.goal for o in self.objectives},
            "constraints": [str(c) for c in self.constraints],
        }


def criteria(
    objectives: Sequence[str], goals: Mapping[str, Goal], constraints: Sequence[str | Constraint] = ()
) -> Criteria:
    """Build `Criteria` from names, taking directions from `goals` (metric -> goal)."""
    parsed = tuple(c if isinstance(c, Constraint) else Constraint.parse(c) for c in constraints)
    return Criteria(tuple(Objective(name, goals[name]) for name in objectives), parsed)


def _fronts(utilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) index of the non-dominated front of each row of `utilities` (n, m), 0 for the first; more is better."""
    import moocore

    return np.asarray(moocore.pareto_rank(utilities, maximise=True), dtype=np.float64)
