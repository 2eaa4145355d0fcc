"""A model that is fitted to a table, as a problem: `--on fitted:TABLE`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from archloom import registry
from archloom.constraints import Criteria
from archloom.data.tables import Table
from archloom.errors import InputError
from archloom.evaluators.base import Evaluator
from archloom.evaluators.fitted.evaluator import FittedEvaluator, model_of
from archloom.problems.base import DataIdentity, Problem
from archloom.problems.spec import ProblemSource, ProblemSpec
from archloom.problems.tabular import (
    BenchmarkSource,
    TabularProblem,
    choices_of,
    read_table,
    space_of_table,
    space_settings,
)
from archloom.spaces.base import SearchSpace
from archloom.utils.options import Option


class FittedProblem(TabularProblem):
    """A model fitted to a table answers for every architecture of the table's genes, also those it does not hold.

    Predicted metrics have "_fitted" at the end of their names; what can be counted has the table's name for it. A
    metric is fitted when it is first asked for.
    """

    def __init__(self, table: Table, space: SearchSpace) -> None:
        self.space = space
        self.units = table.units
        self._fitted_to = table
        self._model = model_of(table)
        self.goals = dict(self._model.goals)

    @property
    def data(self) -> DataIdentity:
        table = self._fitted_to
        source = f"a model fitted to its {len(table):,} rows: {table.source}"
        return DataIdentity(table.name, table.sha256, source, table.path)

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        return FittedEvaluator(self._model, self.space, scores, report)

    def check(self, wanted: Criteria, report: Sequence[str] = ()) -> None:
        for metric in (*wanted.metrics, *report):
            self._model.check(metric)

    def caveats(self, scores: Sequence[str], report: Sequence[str]) -> Sequence[str]:
        """How accurately the predicted metrics are predicted."""
        quality = {metric: self._model.held_out(metric) for metric in dict.fromkeys([*scores, *report])}
        table = self._fitted_to.name
        return [f"{metric} is predicted, not measured: {how} ({table})" for metric, how in quality.items() if how]


# -- what `--on` names --------------------------------------------------------------------------------------------


class FittedSource(ProblemSource):
    """`fitted:` with the name of a table's benchmark or space, or with the table's file."""

    def open(self, spec: ProblemSpec) -> Problem:
        self.refuse_space(spec)
        if self._file is not None:
            settled = self.absolute(spec)
            return settled.source.open(settled)
        kind, space, path = self._table.found(spec.table)
        if kind != "table":
            name = self.data
            raise InputError(f"--on {spec.on}: {name} is a {kind}, which answers for all of its space: --on {name}")
        table = read_table(spec.changed(on=self.data), space, path, self._table.data)
        opened = registry.load_space(space)
        return FittedProblem(table, opened.for_table(choices_of(table), None, **space_settings(opened, spec)))

    def absolute(self, spec: ProblemSpec) -> ProblemSpec:
        """`fitted:FILE.npz` is the table in this file, on the space that it names."""
        if self._file is None:
            return super().absolute(spec)
        if spec.table:
            raise InputError(f"--table {spec.table}: --on {spec.on} names a table already; omit one of them")
        named = spec.changed(on=f"{self.prefix}:{space_of_table(self._file)}", table=self.data)
        return named.source.absolute(named)

    def space_options(self, spec: ProblemSpec) -> Mapping[str, Option]:
        return self._table.space_options(spec)

    @property
    def _file(self) -> Path | None:
        return Path(self.data) if self.data.endswith(".npz") else None

    @property
    def _table(self) -> BenchmarkSource:
        """The table behind the colon."""
        source = ProblemSpec(self.data).source
        return source if isinstance(source, BenchmarkSource) else BenchmarkSource(self.data)
