"""Tables as problems, and the benchmarks that `--on` opens by their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom import registry
from archloom.constraints import Constraint, Criteria, Objective
from archloom.data import catalog
from archloom.data.benchmarks import Benchmark
from archloom.data.tables import Table, load_table
from archloom.data.tables.fidelities import NO_FIDELITIES, Fidelities
from archloom.errors import InputError
from archloom.evaluators.base import Evaluator
from archloom.evaluators.table import TableEvaluator, resource_of_scores
from archloom.problems.base import DataIdentity, Problem
from archloom.problems.spec import ONLY_TRAINED, ProblemSource, ProblemSpec
from archloom.spaces.base import HasSize, TabularSpace
from archloom.types import Resource
from archloom.utils import options
from archloom.utils.options import Option

SECONDS = "train_seconds"
"""The metric of a table that says how long its trainings took, if the table does not name another."""


class TabularProblem(Problem):
    """What problems with the metrics of a table have in common."""

    isolate = False

    def default_objectives(self, in_part: bool = False) -> tuple[str, ...]:
        """The table's first metric with "valid" in its name; if there is none, its first metric."""
        names = list(self._offered(in_part))
        return (next((name for name in names if "valid" in name), names[0]),)

    def _offered(self, in_part: bool) -> Iterable[str]:
        """What the default is chosen among."""
        return self.goals

    def default_report(self, objectives: Sequence[str]) -> tuple[str, ...]:
        """The "test" twin of each "valid" objective."""
        twins = [name.replace("valid", "test") for name in objectives if "valid" in name]
        return tuple(name for name in twins if name in self.goals)

    def for_people(self, metric: str) -> bool:
        """The test twin of a validation metric is, unless it is what is optimised."""
        return "test" in metric and metric.replace("test", "valid") in self.goals

    def reportable(self) -> Sequence[str]:
        return tuple(self.goals)


class TableProblem(TabularProblem):
    """A tabular benchmark."""

    table: Table
    space: TabularSpace

    def __init__(self, table: Table, space: TabularSpace) -> None:
        pattern = getattr(space, "epochs_in_names", None)
        self._named_only = table.fidelities == NO_FIDELITIES
        if self._named_only and pattern is not None:
            table = table.with_fidelities(Fidelities.from_names(table.goals, pattern))
        if table.seconds is None and SECONDS in table.all_goals:
            table = table.with_fidelities(table.fidelities, SECONDS)
        self.table = table
        self.space = space
        self.goals = table.all_goals
        self.units = table.units

    def _offered(self, in_part: bool) -> Iterable[str]:
        # A benchmark whose metrics people know by names like "valid_200" says these names, unless they will not do.
        return self.table.goals if self._named_only and not in_part else self.goals

    def measured_as(self, metric: str) -> str:
        return self.table.array_at(metric)

    @property
    def data(self) -> DataIdentity:
        return DataIdentity(self.table.name, self.table.sha256, self.table.source, self.table.path)

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        return TableEvaluator(self.table, self.space, scores, report)

    def resource_of(self, scores: Sequence[str]) -> Resource | None:
        return resource_of_scores(self.table, scores)

    def check(self, wanted: Criteria, report: Sequence[str] = ()) -> None:
        super().check(wanted, report)
        measured = self._measured(wanted)
        if not measured.any():
            names = ", ".join(o.metric for o in wanted.objectives)
            raise InputError(f"objective {names}: no architecture in {self.table.name} has it measured")
        meets = measured.copy()
        for constraint in wanted.constraints:
            meets &= self._meets(constraint)
            if not meets.any():
                values = self.table.metric(constraint.metric)
                seen = values[measured & np.isfinite(values)]
                extent = f"it runs from {seen.min():g} to {seen.max():g}" if len(seen) else "it is measured for none"
                raise InputError(
                    f"constraint {constraint}: no architecture in {self.table.name} meets it"
                    f"{' together with the others' if len(wanted.constraints) > 1 else ''} ({extent})"
                )

    def ranking(self, wanted: Criteria) -> NDArray[np.intp]:
        """(n,) the rows of all architectures that have the objectives measured and meet the constraints, the best by
        the first objective first, of equals the first in the table."""
        rows = np.flatnonzero(self._attainable(wanted))
        objective = wanted.objectives[0]
        return np.asarray(rows[np.argsort(-objective.sign * self.table.metric(objective.metric)[rows], kind="stable")])

    def attainable(self, wanted: Criteria) -> NDArray[np.float64]:
        rows = self._attainable(wanted)
        values = [self.table.metric(objective.metric)[rows] for objective in wanted.objectives]
        return np.stack(values, axis=1).astype(np.float64)

    def _attainable(self, wanted: Criteria) -> NDArray[np.bool_]:
        """(n,) which rows can answer, have every objective measured, and meet the constraints."""
        rows = self._measured(wanted)
        for constraint in wanted.constraints:
            rows &= self._meets(constraint)
        return rows

    def _measured(self, wanted: Criteria) -> NDArray[np.bool_]:
        """(n,) which rows can answer, and have every objective measured."""
        rows = self._answering.copy()
        for objective in wanted.objectives:
            rows &= np.isfinite(self.table.metric(objective.metric))
        return rows

    def _meets(self, constraint: Constraint) -> NDArray[np.bool_]:
        """(n,) which rows meet a constraint; what is not measured meets none."""
        values = self.table.metric(constraint.metric)
        with np.errstate(invalid="ignore"):
            meets: NDArray[np.bool_] = (
                (values <= constraint.bound) if constraint.at_most else (values >= constraint.bound)
            )
        return meets & np.isfinite(values)

    def worst(self, metric: str) -> float | None:
        objective = Objective(metric, self.goals[metric])
        return objective.sign * float(np.nanmin(objective.sign * self.table.metric(metric)[self._answering]))

    def rank(self, metric: str, utility: float, fidelity: int = 0) -> int | None:
        objective = Objective(metric, self.goals[metric])
        # Compared as the table stores them: a value that was written with fewer digits still ties with its own row.
        values = self._values(metric, fidelity)[self._answering]
        return 1 + int((objective.sign * values > np.float32(utility)).sum())

    def ranked(self, metric: str, fidelity: int = 0) -> int:
        return int((self._answering & np.isfinite(self._values(metric, fidelity))).sum())

    def _values(self, metric: str, fidelity: int) -> NDArray[np.float32]:
        """A metric at a fidelity, if it depends on that; 0: at the highest."""
        levels = self.table.fidelities.levels(metric)
        return self.table.metric(metric, fidelity if fidelity in levels else None)

    def caveats(self, scores: Sequence[str], report: Sequence[str]) -> Sequence[str]:
        """If the table lacks architectures of the space, or values that selection needs: such a trial fails."""
        found = self._missing_rows()
        for metric in scores:
            measured = np.isfinite(self.table.metric(metric))
            if not measured.all():
                share = f"{measured.sum():,} of the {len(self.table):,} rows ({100 * measured.mean():.3g} %)"
                found.append(f"{metric} is measured for {share} of {self.table.name}; trials of the others fail")
        return found

    def _missing_rows(self) -> list[str]:
        size = self.space.size if isinstance(self.space, HasSize) else None
        if size is None or len(self.table) >= size:
            return []
        return [
            f"{self.table.name} holds {len(self.table):,} of the {size:,} architectures of space {self.space.name}; "
            "trials of the others fail (--on table --table FILE searches the rows of a table only)"
        ]

    @cached_property
    def _answering(self) -> NDArray[np.bool_]:
        """(n,) which rows can answer: if the space merges architectures, one of each class."""
        mask: NDArray[np.bool_] = self.space.representative_rows(self.table.genes)
        return mask


# -- what `--on` names --------------------------------------------------------------------------------------------

ANY_TABLE = "table"
"""The space that searches any table as plain choices."""


class BenchmarkSource(ProblemSource):
    """A benchmark by its name (`nb201`, `nbgraph:cora`) or its space's (`darts`), or a space with a table of it."""

    @property
    def name(self) -> str:
        return catalog.resolve_alias(self.on)

    def open(self, spec: ProblemSpec) -> Problem:
        self.refuse_space(spec)
        kind, space, path = self.found(spec.table)
        opened: Problem = registry.BENCHMARK_KINDS[kind].load()(spec, space, path)
        return opened

    def on_table(self, spec: ProblemSpec, path: Path) -> ProblemSpec:
        # `darts` with a table is a table of that space; what was found by the name is the benchmark's.
        on = self.on if spec.table else self.name
        return super().on_table(spec.changed(on=on), path)

    def found(self, table: str | None) -> tuple[str, str, Path]:
        """The kind of the file that answers, its space, and where it is."""
        named = Path(table) if table else None
        if named is not None and self.on in registry.SPACES:
            return "table", self.on, named
        benchmark = self._benchmark
        return benchmark.kind, benchmark.space, catalog.locate(self.on, table=named, environ=os.environ)

    def hint(self, data: DataIdentity | None) -> str:
        """If the table is used in place of the official one, which may have more metrics: how to get that."""
        benchmark = catalog.BENCHMARKS.get(self.name)
        if data is None or benchmark is None or not benchmark.sources or not catalog.stands_in(benchmark, data.name):
            return ""
        return f"; {data.name} is not the official table: archloom data fetch {benchmark.name} gets that"

    def space_options(self, spec: ProblemSpec) -> Mapping[str, Option]:
        space = self.on if spec.table and self.on in registry.SPACES else self._benchmark.space
        return options.of_space(registry.load_space(space))

    @property
    def _benchmark(self) -> Benchmark:
        """InputError that names the nearest of all that `--on` may be if there is none."""
        return catalog.find(self.on, () if self.name in catalog.BENCHMARKS else registry.forms())


class AnyTable(BenchmarkSource):
    """Any table, as plain choices."""

    def found(self, table: str | None) -> tuple[str, str, Path]:
        if table is None and not self.data:
            raise InputError("--on table needs --table FILE, a table in archloom's format")
        return super().found(table)


def open_table(spec: ProblemSpec, space: str, path: Path) -> Problem:
    """The table at `path` on its space."""
    table = read_table(spec, space, path, spec.source.data)
    kind = registry.load_space(space)
    return TableProblem(table, kind.for_table(choices_of(table), table.genes, **space_settings(kind, spec)))


def read_table(spec: ProblemSpec, space: str, path: Path, dataset: str) -> Table:
    """The table at `path`, which must be of this space, and have metrics of this dataset, if one is named."""
    if spec.task:
        raise InputError(f"--set task.{next(iter(spec.task))}: {ONLY_TRAINED}")
    table = load_table(path)
    if space not in (table.space, ANY_TABLE):
        raise InputError(
            f"{table.path} is a table of space {table.space!r}, --on {spec.on} needs one of {space!r}; "
            "use --on table to search it as plain choices"
        )
    if dataset and not any(name.startswith(f"{dataset}_") for name in table.metrics):
        names = ", ".join(table.metrics)
        raise InputError(f"{table.path} has no metric of {dataset!r} (it has {names}): it is not {spec.on}")
    return table


def choices_of(table: Table) -> dict[str, tuple[str, ...]]:
    """The options of each gene, by its name."""
    return dict(zip(table.gene_names, table.options, strict=True))


def space_settings(kind: Any, spec: ProblemSpec) -> dict[str, Any]:
    """The space's options in a spec, as the space takes them."""
    return options.convert_all("space", options.of_space(kind), spec.space)


def space_of_table(path: Path) -> str:
    """The default space of a table: the one it names, or plain choices if that is unknown."""
    space = load_table(path).space
    return space if space in registry.SPACES else ANY_TABLE
