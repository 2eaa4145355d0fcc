"""Metrics of a table that differ only in how long was trained: one metric at several fidelities."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from archloom.types import Goal


@dataclass(frozen=True)
class Fidelities:
    """What fidelities count, and which array holds each metric's values at each of them.

    Attributes:
        unit: what is counted, in the plural: "epochs".
        metrics: a metric -> fidelity -> the name of the array (n,) that holds its values.
        curves: an array (n, e) of values during a training -> the fidelities of its e columns.
    """

    unit: str
    metrics: Mapping[str, Mapping[int, str]]
    curves: Mapping[str, tuple[int, ...]]

    @classmethod
    def from_names(cls, goals: Mapping[str, Goal], pattern: re.Pattern[str], unit: str = "epochs") -> Fidelities:
        """Read the fidelities from the arrays' names: the first group of `pattern` is the number.

        Names that differ only in this number are one metric, named by the rest. A metric needs at least two of them,
        all with the same direction, and a name that no array has.
        """
        found: dict[str, dict[int, str]] = {}
        for name in goals:
            match = pattern.search(name)
            if match is not None and int(match[1]) > 0:
                found.setdefault(name[: match.start()] + name[match.end() :], {})[int(match[1])] = name
        return cls(unit, {name: at for name, at in found.items() if _is_one_metric(name, at, goals)}, {})

    def levels(self, metric: str) -> tuple[int, ...]:
        """The fidelities of a metric, ascending; empty for a metric with a single value."""
        if metric in self.curves:
            return self.curves[metric]
        return tuple(sorted(self.metrics.get(metric, ())))

    def level_of(self, array: str) -> int | None:
        """The fidelity at which an array holds a metric's values; None if it belongs to no metric."""
        levels = (level for at in self.metrics.values() for level, name in at.items() if name == array)
        return next(levels, None)

    def goals(self, goals: Mapping[str, Goal]) -> dict[str, Goal]:
        """Directions of arrays and metrics; each metric comes before the first of its arrays."""
        ordered: dict[str, Goal] = {}
        for array, goal in goals.items():
            for metric, at in self.metrics.items():
                if array in at.values():
                    ordered.setdefault(metric, goal)
            ordered[array] = goal
        return ordered


NO_FIDELITIES = Fidelities("epochs", {}, {})


def _is_one_metric(name: str, at: Mapping[int, str], goals: Mapping[str, Goal]) -> bool:
    directions: Collection[Goal] = {goals[array] for array in at.values()}
    return bool(name) and name not in goals and len(at) > 1 and len(directions) == 1
