"""What a run's record says: its best trials, its curve, its Pareto set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archloom.constraints import Criteria
from archloom.store import Line


@dataclass(frozen=True)
class History:
    """The queries of a run, in the order of their numbers, seen through its criteria."""

    criteria: Criteria
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, lines: Sequence[Line], criteria: Criteria) -> History:
        """Keep the queries; repeats bring nothing new."""
        queries = sorted((line for line in lines if line.query is not None), key=lambda line: line.query or 0)
        return cls(criteria, tuple(queries))

    @property
    def queries(self) -> int:
        """How many unique architectures were asked for and answered."""
        return len(self.lines)

    @property
    def failed(self) -> list[Line]:
        return [line for line in self.lines if line.error is not None]

    def feasible(self) -> list[Line]:
        """Queries that succeeded and keep all constraints."""
        return [line for line in self.lines if self.criteria.feasible(line.trial.result)]

    def best(self) -> Line | None:
        """The first query with the best value of the first objective among the feasible ones."""
        feasible = self.feasible()
        return max(feasible, key=self.gain) if feasible else None

    def gain(self, line: Line) -> float:
        """The first objective's value, turned so that more is better."""
        objective = self.criteria.objectives[0]
        return objective.gain(line.scores[objective.metric])

    def curve(self) -> list[tuple[int, float]]:
        """(query, best value of the first objective so far) for every query from the first feasible one on."""
        metric = self.criteria.objectives[0].metric
        points: list[tuple[int, float]] = []
        best: Line | None = None
        for line in self.lines:
            if self.criteria.feasible(line.trial.result) and (best is None or self.gain(line) > self.gain(best)):
                best = line
            if best is not None and line.query is not None:
                points.append((line.query, best.scores[metric]))
        return points

    def pareto(self) -> list[Line]:
        """Feasible queries that no other dominates, sorted by the first objective, best first."""
        import moocore

        feasible = self.feasible()
        if not feasible:
            return []
        keep = moocore.is_nondominated(self._gains(feasible), maximise=True, keep_weakly=False)
        front = [line for line, kept in zip(feasible, keep, strict=True) if kept]
        return sorted(front, key=self.gain, reverse=True)

    def hypervolume(self, reference: Sequence[float]) -> float:
        """The volume that the Pareto set dominates beyond `reference` (one value per objective, in its own units)."""
        import moocore

        front = self.pareto()
        if not front:
            return 0.0
        signs = np.array([objective.sign for objective in self.criteria.objectives])
        return float(moocore.hypervolume(self._gains(front), ref=signs * np.array(reference), maximise=True))

    def _gains(self, lines: Sequence[Line]) -> NDArray[np.float64]:
        """(n, objectives), more is better."""
        return np.array([self.criteria.gains(line.trial.result) for line in lines], dtype=np.float64)
