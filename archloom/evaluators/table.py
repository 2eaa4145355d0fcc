"""Tabular benchmarks: an evaluation is a look-up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from archloom.data.tables import Table
from archloom.evaluators.base import shortest
from archloom.spaces.base import SearchSpace
from archloom.types import Goal, Proposal, Result, Weights


class TableEvaluator:
    """Looks metrics up in a table: `scores` for selection, `report` for people.

    The row that answers is that of the space's canonical architecture. A missing row or a value that was not measured
    (NaN) is a failed trial. `cost_s` is 0: nothing is trained.
    """

    shared_state = False

    def __init__(self, table: Table, space: SearchSpace, scores: Sequence[str], report: Sequence[str] = ()) -> None:
        self._table = table
        self._space = space
        self._scores = {name: table.metric(name) for name in scores}
        self.goals: dict[str, Goal] = {name: table.goals[name] for name in scores}
        self._report = {name: table.metric(name) for name in report}

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        arch = self._space.canonical(proposal.arch)
        row = self._table.row(tuple(int(gene) for gene in arch.genes))
        if row is None:
            return Result.failed(f"{self._space.format(arch)} is not in {self._table.name}"), None
        scores = {name: shortest(values[row]) for name, values in self._scores.items()}
        missing = [name for name, value in scores.items() if math.isnan(value)]
        if missing:
            return Result.failed(f"{missing[0]} of {self._space.format(arch)} is not measured"), None
        report = {name: shortest(values[row]) for name, values in self._report.items()}
        return Result(scores, report), None
