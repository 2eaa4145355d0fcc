"""A study: runs of strategies on the same problem, and what every output must say about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from archloom.analysis.published import is_test_metric, references
from archloom.analysis.published_rows import Published, Role
from archloom.constraints import Criteria, Objective
from archloom.data.tables import Table
from archloom.errors import InputError
from archloom.evaluators.fitted.evaluator import SUFFIX
from archloom.registry import STRATEGIES
from archloom.runs.budgets import Ending
from archloom.runs.history import Axis
from archloom.runs.report import RunReport
from archloom.strategies.population.note import MemberNote
from archloom.utils.text import MOST, one_line

Reports = Mapping[str, Sequence[RunReport]]
"""A strategy's label -> its runs, one per seed."""

MOST_OF_A_NAME = 40
"""How many characters of a metric's name are shown beside numbers and axes."""

BEYOND = 1.05
"""How far beyond the longest run published results count as those of as many queries."""

_EQUAL = 1.1
"""Budgets are called equal up to this ratio: a limit cuts a strategy that trains in chunks earlier than another."""

_UNITS: Mapping[str, str] = MappingProxyType(
    {"ms": "ms", "s": "s", "seconds": "s", "mj": "mJ", "m": "millions", "mb": "MB", "ips": "images/s"}
)
"""The last part of a metric's name -> its unit, as in the names of tables' metrics."""


@dataclass(frozen=True)
class Study:
    """Runs that may share a plot: the same problem, table, objectives and constraints. Build with `of`."""

    reports: Reports

    PUBLISHED_OVER: ClassVar[Axis] = "queries"
    """What published results are counted in."""

    @classmethod
    def of(cls, reports: Reports) -> Study:
        """Check that the runs belong together; InputError if they do not."""
        if not reports or not all(reports.values()):
            raise InputError("no runs to show: give at least one finished or running run for each strategy")
        study = cls(reports)
        for label, report in study.runs:
            if report.scenario.criteria != study.criteria:
                raise InputError(
                    f"runs of {label!r} optimise {_aim(report.scenario.criteria)}, others {_aim(study.criteria)}: "
                    "compare runs with the same objectives and constraints"
                )
            if _identity(report) != _identity(study.first):
                raise InputError(
                    f"runs of {label!r} are on {_identity(report)[0]} with another table than those on "
                    f"{_identity(study.first)[0]}: compare runs on the same table"
                )
        return study

    @property
    def runs(self) -> list[tuple[str, RunReport]]:
        """Every run with its strategy's label."""
        return [(label, report) for label, reports in self.reports.items() for report in reports]

    @property
    def first(self) -> RunReport:
        return self.runs[0][1]

    @property
    def criteria(self) -> Criteria:
        return self.first.scenario.criteria

    @property
    def objective(self) -> Objective:
        """The first objective: what `best` means."""
        return self.criteria.objectives[0]

    @property
    def metric(self) -> str:
        return self.objective.metric

    @property
    def benchmark(self) -> str:
        return self.first.request.problem.on

    @property
    def table(self) -> Table | None:
        return self.first.scenario.problem.table

    @property
    def queries(self) -> int:
        """The largest number of queries that a run made."""
        return max(report.history.queries for _, report in self.runs)

    @property
    def query_unit(self) -> str:
        """What a query is in these runs, in the plural."""
        return " or ".join(dict.fromkeys(query_unit(report) for _, report in self.runs))

    def settled(self, axis: Axis) -> float:
        """How much was spent before every run had reached its highest fidelity."""
        return max((report.history.settled(axis) for _, report in self.found), default=0.0)

    @property
    def one_each(self) -> bool:
        """Whether there is nothing to average: no strategy has several runs that found something."""
        return all(len(self.values(label)) < 2 for label in self.reports)

    @property
    def spread(self) -> str:
        """What the lines and bands of curves are."""
        if self.one_each:
            return "Each line is one run."
        return "Lines: mean; bands: its 95 % bootstrap interval."

    def spent_label(self, axis: Axis) -> str:
        """What an axis of curves counts, as its label; InputError if some runs have spent nothing of it."""
        labels: dict[Axis, str] = {
            "queries": f"queries ({self.query_unit})",
            "seconds": "seconds of evaluation, one trial after another",
        }
        if self.first.history.resource is not None:
            labels["resource"] = f"{self.first.history.resource.unit} of training, all trials together"
        if axis not in labels or not all(report.history.curve(axis)[-1][0] > 0 for _, report in self.found):
            raise InputError(f"these runs have no record of the {axis} they used: draw them over queries")
        return labels[axis]

    @property
    def found(self) -> list[tuple[str, RunReport]]:
        """The runs that found anything."""
        return [(label, report) for label, report in self.runs if report.value is not None]

    @property
    def seeds(self) -> str:
        """The number of runs: "10 seeds each", or by strategy if they differ."""
        counts = {label: len(reports) for label, reports in self.reports.items()}
        if len(set(counts.values())) == 1:
            n = next(iter(counts.values()))
            return f"{n} seed{'s' if n > 1 else ''}{' each' if len(counts) > 1 else ''}"
        return "seeds: " + ", ".join(f"{label} {n}" for label, n in counts.items())

    def values(self, label: str) -> list[float]:
        """The best value of each of a strategy's runs, except those that found nothing."""
        return [report.value for report in self.reports[label] if report.value is not None]

    def curves(self, label: str, axis: Axis = "queries") -> list[list[tuple[float, float]]]:
        """The curve of each of a strategy's runs, except those that found nothing."""
        return [curve for report in self.reports[label] if (curve := report.history.curve(axis))]

    def hypervolume_curves(self, label: str, axis: Axis = "queries") -> list[list[tuple[float, float]]]:
        """The hypervolume so far of each of a strategy's runs, except those that found nothing."""
        found = [report.history for report in self.reports[label] if report.value is not None]
        return [history.hypervolume_curve(self.reference_point, axis) for history in found]

    def hypervolume(self, report: RunReport) -> float:
        """The hypervolume of a run's Pareto set, beyond the point of all runs; 0 if it found nothing, infinite if it is
        beyond the largest float."""
        return report.history.hypervolume(self.reference_point) if report.value is not None else 0.0

    def need_best(self) -> None:
        """InputError if no run found anything."""
        if not self.found:
            raise InputError(f"nothing to show: {why_nothing([report for _, report in self.runs])}")

    @property
    def best(self) -> tuple[str, RunReport]:
        """The run with the best value, the first of equals; InputError if no run found anything."""
        self.need_best()
        return max(self.found, key=lambda run: self.objective.utility(run[1].value or 0.0))

    def rank(self, report: RunReport) -> str:
        """The rank of a run's best among all architectures, "rank 3 of 30,001 measured".

        Empty if it is unknown, or under constraints, which ranks ignore.
        """
        among = report.scenario.problem.ranked(self.metric, report.fidelity or 0)
        if report.rank is None or among is None or self.table is None or self.criteria.constraints:
            return ""
        return f"rank {report.rank} of {among:,}{'' if among == len(self.table) else ' measured'}"

    @cached_property
    def optimum(self) -> float | None:
        """The best value in the table among architectures that meet the constraints; None without a table."""
        values = self.first.scenario.problem.attainable(self.criteria)
        if values is None or not len(values):
            return None
        return float(self.objective.sign * (self.objective.sign * values[:, 0]).max())

    @cached_property
    def whole_front(self) -> NDArray[np.float64] | None:
        """(f, objectives) the Pareto set of all architectures in the table that meet the constraints, the best by the
        first objective first; None without a table."""
        values = self.first.scenario.problem.attainable(self.criteria)
        return None if values is None else front_of(values, self.criteria)

    @cached_property
    def reference_point(self) -> list[float]:
        """The reference point of hypervolumes: the worst of the runs' reference points, one value per objective."""
        points = [point for _, report in self.runs if (point := report.reference_point) is not None]
        return [
            min((point[i] for point in points), key=objective.utility)
            for i, objective in enumerate(self.criteria.objectives)
        ]

    @cached_property
    def largest(self) -> float:
        """The largest size of anything that a plot may show: the values of the objectives, and hypervolumes."""
        metrics = [objective.metric for objective in self.criteria.objectives]
        lines = (line for _, report in self.runs for line in report.history.lines)
        sizes = (abs(value) for line in lines for name in metrics if (value := line.scores.get(name)) is not None)
        volumes = () if self.criteria.single else (self.hypervolume(report) for _, report in self.runs)
        return max((*sizes, *volumes), default=0.0)

    @cached_property
    def too_large(self) -> str:
        """A sentence if a run's hypervolume is beyond the largest float, so that there is none to show; else empty."""
        finite = all(math.isfinite(self.hypervolume(report)) for _, report in self.runs)
        return "" if finite else "A hypervolume that exceeds the largest float is shown as -."

    @cached_property
    def published(self) -> list[Published]:
        """Published searches that query the same benchmark for the same metric, the best first; under constraints also
        what others have under these. A method may be there at several numbers of queries."""
        constraints = self.criteria.constraints
        known = references(self.benchmark, self.first.scenario.problem.measured_as(self.metric), constraints)
        roles = {Role.QUERIES} if not constraints else set(Role) - {Role.OPTIMUM}
        return [p for p in known if p.role in roles]

    @cached_property
    def references(self) -> list[Published]:
        """The published searches, each once: at the most queries that these runs have made, too, or else the fewest."""
        by_method: dict[tuple[str, str], list[Published]] = {}
        for published in self.published:
            by_method.setdefault(published.method, []).append(published)
        chosen = [
            max(
                known,
                key=lambda p: p.queries or 0 if (p.queries or 0) <= self.queries * BEYOND else -(p.queries or 0),
            )
            for known in by_method.values()
        ]
        return sorted(chosen, key=lambda p: p.mean, reverse=True)

    @property
    def caveats(self) -> list[str]:
        """What a reader must know to interpret the numbers."""
        notes = self._unfinished or self._unequal
        notes += [f"Warm started with {known}, which are neither queries nor results." for known in self._warm_starts]
        notes += [f"{name}: {remark}." for name, remark in self._remarks]
        notes += [f"Selection used a test metric ({', '.join(tests)})."] if (tests := self._selected_on_test) else []
        if predicted := self._predicted:
            notes.append(f"Values of {', '.join(predicted)} are predictions of a surrogate, not measurements.")
        if fitted := [name for name in self._shown if is_fitted(name)]:
            notes.append(f"Values of {', '.join(fitted)} are predictions of a model fitted to a table, not measured.")
        return notes

    @property
    def _remarks(self) -> list[tuple[str, str]]:
        """What is to be said of numbers of registered strategies, each once, by name."""
        known = {report.request.strategy: STRATEGIES.get(report.request.strategy) for _, report in self.runs}
        return [(name, entry.remark) for name, entry in known.items() if entry is not None and entry.remark]

    @property
    def _warm_starts(self) -> list[str]:
        """What runs were warm started with, each once."""
        known = (report.request.warm_start for _, report in self.runs)
        return list(dict.fromkeys(each.short for each in known if each is not None))

    def unit(self, metric: str) -> str:
        """The unit of a metric, "" if it has none or it is unknown."""
        name, _, last = metric.lower().removesuffix("_surrogate").removesuffix(SUFFIX).rpartition("_")
        if name and last in _UNITS:  # a metric that is called "m" is not one in millions
            return _UNITS[last]
        problem = self.first.scenario.problem
        if metric not in problem.goals:
            return ""
        rises = Objective(metric, problem.goals[metric]).sign > 0
        return "%" if rises and "percent" in problem.units else ""

    def axis_label(self, metric: str) -> str:
        """The metric with its unit, in one line."""
        unit = self.unit(metric)
        return f"{shown_name(metric)} ({unit})" if unit else shown_name(metric)

    @property
    def table_line(self) -> str:
        """Which data answered the queries."""
        data = self.first.scenario.problem.data
        trained_on = self.first.scenario.problem.trained_on
        if data is not None:
            return f"table {named_source(data.name, data.source)}{'' if data.path else ' (changed or missing now)'}"
        if trained_on is not None:
            return f"{trained_on.use} {named_source(trained_on.name, trained_on.source)}"
        return f"own problem {self.benchmark}"

    @property
    def _unfinished(self) -> list[str]:
        """If several runs are shown: how many are still to be continued."""
        going = sum(report.ending is None for _, report in self.runs)
        return [f"{going:,} of {len(self.runs):,} runs are not finished."] if going and len(self.runs) > 1 else []

    @property
    def _unequal(self) -> list[str]:
        """If strategies have used different amounts of what a fidelity counts: how much a run of each."""
        resource = self.first.history.resource
        if resource is None or len(self.reports) < 2:
            return []
        used = {
            label: sum(report.history.resource_used for report in reports) / len(reports)
            for label, reports in self.reports.items()
        }
        if max(used.values()) <= _EQUAL * min(used.values()):
            return []
        listed = ", ".join(f"{shown_name(label)} {amount:,.0f}" for label, amount in used.items())
        return [f"Budgets differ: {listed} {resource.unit} per run; --resource N limits all strategies alike."]

    @property
    def _selected_on_test(self) -> list[str]:
        return [name for name in self.criteria.metrics if is_test_metric(self.benchmark, name)]

    @property
    def _shown(self) -> list[str]:
        return list(dict.fromkeys([*self.criteria.metrics, *self.first.scenario.report]))

    @property
    def _predicted(self) -> list[str]:
        """The metrics shown that a surrogate predicts: those named so, or all if only the table's file is."""
        marked = [name for name in self.table.metrics if is_surrogate(name)] if self.table else []
        if self.table and not marked and is_surrogate(self.table.name):
            return self._shown
        return [name for name in self._shown if is_surrogate(name)]


def shown_name(name: str) -> str:
    """The name of a metric or a strategy beside numbers and axes: in one line, and not too long."""
    return one_line(name, MOST_OF_A_NAME)


def named_source(name: str, source: str) -> str:
    """The name of some data, and where they come from if that says more."""
    return name if not source or source == name else f"{name}: {source}"


def front_of(values: NDArray[np.float64], criteria: Criteria) -> NDArray[np.float64]:
    """(f, objectives) the rows of `values` (n, objectives) that no other dominates, the best by the first objective
    first."""
    return values[front_rows(values, criteria)]


def front_rows(values: NDArray[np.float64], criteria: Criteria) -> NDArray[np.intp]:
    """(f,) which rows of `values` (n, objectives) no other dominates, in the order of `front_of`; of equal ones the
    first."""
    import moocore

    signs = np.array([objective.sign for objective in criteria.objectives])
    if not len(values):
        return np.empty(0, dtype=np.intp)
    rows = np.flatnonzero(moocore.is_nondominated(values * signs, maximise=True, keep_weakly=False))
    return np.asarray(rows[np.lexsort(-(values[rows] * signs).T[::-1])])


def why_nothing(reports: Sequence[RunReport]) -> str:
    """Why runs have no best architecture: nothing has finished, everything failed, or nothing met the constraints."""
    histories = [report.history for report in reports]
    failed = [line for history in histories for line in history.failed]
    queries = sum(history.queries for history in histories)
    if not queries and all(report.ending == Ending.RESOURCE.value for report in reports):
        return "the limit of the resource is less than the first evaluation takes"
    if not queries:
        return "no trial has finished" + (" yet" if any(report.ending is None for report in reports) else "")
    if len(failed) == queries:
        all_of = "the only trial" if queries == 1 else f"all {queries:,} trials"
        return f"{all_of} failed{'; the last one' * (queries > 1)}: {one_line(failed[-1].error or '', MOST)}"
    return (
        f"no architecture asked for succeeded and met the constraints ({len(failed):,} of {queries:,} trials failed)"
        if failed
        else "no architecture asked for met the constraints"
    )


def query_unit(report: RunReport, singular: bool = False) -> str:
    """What a query of a run is, in the plural unless `singular`."""
    plural = "" if singular else "s"
    if not continues(report):
        return f"unique architecture{plural}"
    return f"chunk{plural} of training" if report.scenario.problem.trains else f"evaluation{plural}"


def continues(report: RunReport) -> bool:
    """Whether queries continue each other's trainings: those of a population do, also in its first chunk."""
    lines = report.history.lines
    members = bool(lines) and MemberNote.find(lines[0].note) is not None
    return members or any(line.inherit is not None for line in lines)


def is_surrogate(name: str) -> bool:
    """Whether a metric or a table is a prediction, by its name."""
    return "surrogate" in name.lower()


def is_fitted(name: str) -> bool:
    """Whether a metric is a prediction of a model fitted to a table."""
    return name.endswith(SUFFIX)


def _identity(report: RunReport) -> tuple[str, str | None]:
    data = report.scenario.problem.data
    return report.request.problem.on, data.sha256 if data else None


def _aim(criteria: Criteria) -> str:
    parts = [f"{o.metric} ({o.goal})" for o in criteria.objectives] + [str(c) for c in criteria.constraints]
    return ", ".join(parts)
