"""The evaluator for tables: an evaluation is a look-up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from archloom.data.tables import Table
from archloom.errors import InputError
from archloom.evaluators.base import shortest
from archloom.spaces.base import SearchSpace
from archloom.types import Goal, Proposal, Resource, Result, Weights, resolve_fidelity


class TableEvaluator:
    """Looks metrics up in a table: `scores` for selection, `report` for people.

    The row that answers is that of the space's canonical architecture. A missing row or a value that was not measured
    (NaN) is a failed trial. A fidelity is one of those that all scores are measured at; scores that name one
    themselves ("valid_200") have no other. What is reported and was not measured at a fidelity is absent there.
    `cost_s` is what the table says of the training time (`Table.seconds`), else 0.
    """

    looks_up = True

    def __init__(self, table: Table, space: SearchSpace, scores: Sequence[str], report: Sequence[str] = ()) -> None:
        self._table = table
        self._space = space
        self._report = tuple(report)
        for name in (*scores, *report):
            table.metric(name)  # TableError here rather than in the middle of a search
        self.goals: dict[str, Goal] = {name: table.all_goals[name] for name in scores}
        self.resource = resource_of_scores(table, scores)

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        fidelity = resolve_fidelity(self.resource, proposal.fidelity)
        arch = self._space.canonical(proposal.arch)
        row = self._table.row(tuple(int(gene) for gene in arch.genes))
        if row is None:
            return Result.failed(f"{self._space.format(arch)} is not in {self._table.name}"), None
        scores = {name: self._value(name, fidelity, row) for name in self.goals}
        missing = [name for name, value in scores.items() if math.isnan(value)]
        if missing:
            return Result.failed(f"{missing[0]} of {self._space.format(arch)} is not measured"), None
        report = {name: self._value(name, fidelity, row) for name in self._report if self._has(name, fidelity)}
        return Result(scores, report, self._seconds(fidelity, row)), None

    def _has(self, metric: str, fidelity: int) -> bool:
        levels = self._table.fidelities.levels(metric)
        return not levels or not fidelity or fidelity in levels

    def _value(self, metric: str, fidelity: int, row: int) -> float:
        return shortest(self._table.metric(metric, fidelity or None)[row])

    def _seconds(self, fidelity: int, row: int) -> float:
        metric = self._table.seconds
        if metric is None or not self._has(metric, fidelity):
            return 0.0
        seconds = self._value(metric, fidelity, row)
        return 0.0 if math.isnan(seconds) else seconds


def resource_of_scores(table: Table, scores: Sequence[str]) -> Resource | None:
    """The fidelities that all of some metrics are measured at; None if none of them depends on the fidelity.

    InputError if they have none in common. A metric that is measured at one fidelity, by its name ("valid_12"), counts
    as known from there on: together with "valid_200" the fidelity is 200, together with "valid" it is 12 or 200.
    """
    known, unit = table.fidelities, table.fidelities.unit
    named = [level for name in scores if (level := known.level_of(name)) is not None]
    levels = {name: found for name in scores if (found := known.levels(name))}
    known_from = max(named, default=0)
    shared = set.intersection(*map(set, levels.values())) if levels else {known_from} - {0}
    shared = {level for level in shared if level >= known_from}
    if shared:
        return Resource.at(unit, shared, cost_from_start=True)
    if not levels:
        return None
    told = "; ".join(f"{name} after {', '.join(map(str, found))}" for name, found in levels.items())
    wanted = f" and {max(named)} that another metric names" if named else ""
    raise InputError(f"{table.name} measures {told} {unit}{wanted}: no fidelity has all of them; omit one metric")
