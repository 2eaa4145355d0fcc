"""What a run's record says: its best trials, its curve, its Pareto set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from archloom.constraints import Criteria, Winner
from archloom.errors import unknown
from archloom.evaluators.base import units_used
from archloom.runs.record import TrialRecord
from archloom.types import Resource

Axis = Literal["queries", "resource", "seconds"]
"""The axis of a curve: queries; units of the resource; or seconds of evaluation, summed over queries."""


@dataclass(frozen=True)
class History:
    """The queries of a run, in the order of their numbers, judged by its criteria.

    Which results are compared is said by the criteria (`constraints.Winner`): by default those at one fidelity, the
    highest that any feasible result has reached.
    """

    criteria: Criteria
    lines: tuple[TrialRecord, ...]
    resource: Resource | None = None
    repeats: tuple[TrialRecord, ...] = ()
    """The other trials: they count nowhere, but a query may continue the training that one of them stands for."""

    @classmethod
    def of(cls, lines: Sequence[TrialRecord], criteria: Criteria, resource: Resource | None = None) -> History:
        """From all trials of a run."""
        queries = sorted((line for line in lines if line.query is not None), key=lambda line: line.query or 0)
        repeats = tuple(line for line in lines if line.query is None)
        return cls(criteria, tuple(queries), resource, repeats)

    @property
    def queries(self) -> int:
        """The number of unique architectures that were asked for and answered; each fidelity counts."""
        return len(self.lines)

    @property
    def failed(self) -> list[TrialRecord]:
        return [line for line in self.lines if line.error is not None]

    def feasible(self) -> list[TrialRecord]:
        """Queries that succeeded and satisfy all constraints, at any fidelity."""
        return list(self._feasible)

    def comparable(self) -> list[TrialRecord]:
        """The feasible queries that the best is the best of: as a rule those at the highest fidelity that one of them
        has reached."""
        return list(self._comparable)

    def fidelity(self, line: TrialRecord) -> int:
        """The fidelity of a query, in units of the resource; 0 if there is none."""
        if self.resource is None:
            return line.fidelity
        return line.fidelity or self.resource.maximum

    def best(self) -> TrialRecord | None:
        """The first query with the best value of the first objective among the comparable ones."""
        return self._best

    def best_ever(self) -> TrialRecord | None:
        """The first query with the best value that any has had, where the best is that of the last population; None
        elsewhere."""
        if self.criteria.winner is not Winner.OF_LAST_POPULATION:
            return None
        return max(self._feasible, key=self.utility, default=None)

    def best_values(self) -> dict[str, float]:
        """Objective -> its best value among the comparable queries, each on its own; empty if there are none."""
        comparable = self.comparable()
        if not comparable:
            return {}
        return {
            objective.metric: max((line.scores[objective.metric] for line in comparable), key=objective.utility)
            for objective in self.criteria.objectives
        }

    def utility(self, line: TrialRecord) -> float:
        """The first objective's value, with its sign changed if less is better."""
        objective = self.criteria.objectives[0]
        return objective.utility(line.scores[objective.metric])

    def curve(self, axis: Axis = "queries") -> list[tuple[float, float]]:
        """(amount spent, best value of the first objective so far) for every query from the first feasible one on.

        "So far" means of the results that were compared until then, as a rule those at the highest fidelity reached so
        far, so the curve may fall when a higher one is reached.
        """
        metric = self.criteria.objectives[0].metric
        points: list[tuple[float, float]] = []
        best: TrialRecord | None = None
        for new, spent in zip(self._steps(), self.spent(axis), strict=True):
            for line in new:
                if self.criteria.feasible(line) and (best is None or self._place(line) > self._place(best)):
                    best = line
            if best is not None:
                points.append((spent, best.scores[metric]))
        return points

    def settled(self, axis: Axis = "queries") -> float:
        """How much was spent before the first of the results that are compared in the end."""
        reached = {line.id for line in self.comparable()}
        spent = zip(self.lines, self.spent(axis), strict=True)
        return next((amount for line, amount in spent if line.id in reached), 0.0)

    def used(self, line: TrialRecord) -> int:
        """The units of the resource that a query used: what it added to the training that it continued, if any."""
        if self.resource is None:
            return 0
        base = self._base(line)
        expected = self.resource.used(self.fidelity(line), None if base is None else self.fidelity(base))
        return units_used(line.details, expected)

    @property
    def resource_used(self) -> int:
        """The units of the resource that all queries used; 0 if there is none."""
        return sum(map(self.used, self.lines))

    def seconds(self, line: TrialRecord) -> float:
        """How long a query took, or, if it was looked up, how long its training took when it was measured."""
        base = self._base(line)
        if self.resource is None or not self.resource.cost_from_start or base is None:
            return line.cost_s
        return max(0.0, line.cost_s - base.cost_s)

    def _base(self, line: TrialRecord) -> TrialRecord | None:
        """The trial whose training a query continued, if any; of what is looked up, only one of the same genes."""
        base = self._by_id.get(line.inherit.base) if line.inherit is not None else None
        looked_up = self.resource is not None and self.resource.cost_from_start
        return None if base is None or (looked_up and base.genes != line.genes) else base

    @cached_property
    def _by_id(self) -> dict[int, TrialRecord]:
        return {line.id: line for line in (*self.lines, *self.repeats)}

    # A report asks for these again and again, and a run may have hundreds of thousands of trials.

    @cached_property
    def _feasible(self) -> tuple[TrialRecord, ...]:
        return tuple(line for line in self.lines if self.criteria.feasible(line))

    @cached_property
    def _comparable(self) -> tuple[TrialRecord, ...]:
        waiting = {line.id for line in self.lines[self._counted[-1] :]} if self.lines else ()
        counted = [line for line in self._feasible if line.id not in waiting]
        highest = max(map(self._rank, counted), default=0)
        return tuple(line for line in counted if self._rank(line) == highest)

    @cached_property
    def _counted(self) -> Sequence[int]:
        """How many queries count after each."""
        return self.criteria.winner.counted([self.fidelity(line) for line in self.lines])

    def _steps(self) -> Iterator[Sequence[TrialRecord]]:
        """The queries that count from each query on."""
        return (self.lines[before:now] for before, now in pairwise((0, *self._counted)))

    @cached_property
    def _best(self) -> TrialRecord | None:
        return max(self._comparable, key=self.utility, default=None)

    @cached_property
    def _front(self) -> tuple[TrialRecord, ...]:
        import moocore

        if not self._comparable:
            return ()
        keep = moocore.is_nondominated(self._objective_values(self._comparable), maximise=True, keep_weakly=False)
        front = [line for line, kept in zip(self._comparable, keep, strict=True) if kept]
        return tuple(sorted(front, key=self.utility, reverse=True))

    def _rank(self, line: TrialRecord) -> int:
        return self.criteria.winner.rank(self.fidelity(line))

    def _place(self, line: TrialRecord) -> tuple[int, float]:
        return self._rank(line), self.utility(line)

    def spent(self, axis: Axis) -> Iterator[float]:
        """The amount spent after each query, of all queries until then."""
        amounts = {"queries": lambda _: 1, "resource": self.used, "seconds": self.seconds}
        if axis not in amounts:
            raise unknown("axis", axis, amounts)
        return accumulate(amounts[axis](line) for line in self.lines)

    def pareto(self) -> list[TrialRecord]:
        """Comparable queries that no other dominates, sorted by the first objective, best first."""
        return list(self._front)

    def hypervolume(self, reference: Sequence[float]) -> float:
        """The volume that the Pareto set dominates beyond `reference` (one value per objective, in its own units)."""
        front = self.pareto()
        return self._volume(self._objective_values(front), reference) if front else 0.0

    def _volume(self, utilities: NDArray[np.float64], reference: Sequence[float]) -> float:
        """The hypervolume of points (n, objectives), more is better; infinite if it is beyond the largest float."""
        import moocore

        signs = np.array([objective.sign for objective in self.criteria.objectives])
        volume = float(moocore.hypervolume(utilities, ref=signs * np.array(reference), maximise=True))
        return math.inf if math.isnan(volume) else volume

    def hypervolume_curve(self, reference: Sequence[float], axis: Axis = "queries") -> list[tuple[float, float]]:
        """(amount spent, hypervolume so far beyond `reference`) for every query from the first feasible one on.

        "So far" means the same as in `curve`.
        """
        points: list[tuple[float, float]] = []
        front, volume, highest = np.empty((0, len(self.criteria.objectives))), 0.0, -1
        for new, spent in zip(self._steps(), self.spent(axis), strict=True):
            for line in filter(self.criteria.feasible, new):
                rank = self._rank(line)
                if rank < highest:
                    continue
                if rank > highest:
                    front, highest = front[:0], rank
                (found,) = self._objective_values([line])
                if not (front >= found).all(axis=1).any():
                    front = np.vstack([front[~(front <= found).all(axis=1)], found])
                    volume = self._volume(front, reference)
            if highest >= 0:
                points.append((spent, volume))
        return points

    def _objective_values(self, lines: Sequence[TrialRecord]) -> NDArray[np.float64]:
        """(n, objectives), more is better."""
        return np.array([self.criteria.utilities(line) for line in lines], dtype=np.float64)
