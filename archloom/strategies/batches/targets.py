"""What models learn from: rows of architectures, and standardised targets, of which less is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archloom.constraints import Criteria
from archloom.strategies.graph_bo.targets import standard, standard_with
from archloom.types import Result

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """`sign` * (target `column` - `bound`) <= 0 keeps a constraint."""

    column: int
    sign: float
    bound: float

    def excess(self, targets: Float64) -> Float64:
        """(...,) by how much targets (..., k) break it; negative if they keep it."""
        found: Float64 = self.sign * (targets[..., self.column] - self.bound)
        return found


@dataclass(frozen=True, eq=False)
class Targets:
    """Results as numbers for models.

    Attributes:
        values: (n, k) in standard deviations from the mean of each column: first the objectives, negative if they are
            maximised, so that less is better; then the metrics that only constraints name.
        objectives: how many columns are objectives.
        bounds: of the constraints, in the units of the columns.
        feasible: (n,) whether a result is one, and keeps the constraints.
    """

    values: Float64
    objectives: int
    bounds: tuple[Bound, ...]
    feasible: NDArray[np.bool_]

    @classmethod
    def of(cls, criteria: Criteria, results: Sequence[Result]) -> Targets:
        """Those of results (n,), of which at least one must have all metrics.

        One that has failed counts as the worst of the others in each objective, and as their median in other metrics.
        """
        violations = np.array([criteria.violation(result) for result in results])
        known = np.isfinite(violations)
        signs = {objective.metric: -objective.sign for objective in criteria.objectives}
        values, bounds = [], []
        for column, metric in enumerate(criteria.metrics):
            sign = signs.get(metric, 1.0)
            raw = sign * np.array([r.scores[metric] for r, ok in zip(results, known, strict=True) if ok])
            filled = np.full(len(results), np.max(raw) if metric in signs else np.sort(raw)[len(raw) // 2])
            filled[known] = raw
            values.append(standard(filled))
            for constraint in criteria.constraints:
                if constraint.metric == metric:
                    bound = standard_with(filled, sign * constraint.bound)[1]
                    bounds.append(Bound(column, sign if constraint.at_most else -sign, bound))
        return cls(np.stack(values, axis=1), len(signs), tuple(bounds), violations <= 0.0)

    def violation(self, values: Float64) -> Float64:
        """(n,) the sum of what predicted targets (n, k) break the bounds by."""
        total = np.zeros(len(values))
        for bound in self.bounds:
            total += np.maximum(bound.excess(values), 0.0)
        return total


def has_result(criteria: Criteria, result: Result) -> bool:
    """Whether a result has all metrics that the criteria name."""
    return math.isfinite(criteria.violation(result))
