"""The outcome of a run, just made or read again from its folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import InputError
from archloom.problems.base import DataIdentity, RecordedProblem
from archloom.problems.scenario import Scenario
from archloom.runs import record
from archloom.runs.budgets import LIMITED, Changes, Limits, check_countable
from archloom.runs.history import History
from archloom.runs.manifest import RecordedData, ending_of, parsed, read_summary, reopen, request_of
from archloom.runs.places import with_problem
from archloom.runs.prepare import Preparer, Request
from archloom.runs.record import TRIALS, TrialRecord
from archloom.runs.trust import check_code
from archloom.runs.whole import check_scores, check_strings, lost_trials


@dataclass(frozen=True)
class RunReport:
    """The outcome of a run: its scenario and its history, just made or read from a folder."""

    request: Request
    scenario: Scenario = field(repr=False)
    history: History = field(repr=False)  # a page of trials
    trials: int
    ending: str | None
    seconds: float
    path: Path | None = None

    @property
    def ended_early(self) -> bool:
        """Whether the run ended before any of its limits was reached."""
        wanted = self.request.limits.queries
        fewer = wanted is None or self.history.queries < wanted
        return self.ending is not None and fewer and self.ending not in {ending.value for ending in LIMITED}

    @property
    def best(self) -> TrialRecord | None:
        """The best trial: its `arch` as a string, `scores`, `report` and `query`; None if there is no feasible one."""
        return self.history.best()

    @property
    def curve(self) -> list[tuple[float, float]]:
        """(query, best value so far)."""
        return self.history.curve()

    @property
    def value(self) -> float | None:
        """The best value of the first objective; None if there is no feasible one."""
        best = self.history.best()
        return best.scores[self.scenario.objectives[0]] if best else None

    @property
    def rank(self) -> int | None:
        """The rank of the best value among all architectures, at its fidelity; 1 for the best, None if unknown."""
        best = self.history.best()
        if best is None:
            return None
        utility, fidelity = self.history.utility(best), self.history.fidelity(best)
        return self.scenario.problem.rank(self.scenario.objectives[0], utility, fidelity)

    @property
    def fidelity(self) -> int | None:
        """How long the best trial was trained, in units of the resource; None if there is no resource, or no best."""
        best = self.history.best()
        return None if best is None or self.history.resource is None else self.history.fidelity(best)

    @property
    def reference_point(self) -> list[float] | None:
        """Where the hypervolume is measured from: each objective's worst value among all architectures, or among the
        feasible queries if not all values are known; None if there is no feasible one."""
        feasible, problem = self.history.feasible(), self.scenario.problem
        if not feasible:
            return None
        known = [problem.worst(metric) for metric in self.scenario.objectives]
        seen = [
            min((line.scores[o.metric] for line in feasible), key=o.utility) for o in self.scenario.criteria.objectives
        ]
        return [s if k is None else k for k, s in zip(known, seen, strict=True)]

    @property
    def hypervolume(self) -> float:
        """The volume that the Pareto set dominates beyond `reference_point`."""
        reference = self.reference_point
        return self.history.hypervolume(reference) if reference is not None else 0.0


def report_of(
    request: Request, scenario: Scenario, lines: Sequence[TrialRecord], ending: str | None, seconds: float,
    path: Path | None = None, known: History | None = None,
) -> RunReport:  # fmt: skip
    """The report of a run with these trials; `known` is their history, if it is there already."""
    history = History.of(lines, scenario.criteria, scenario.resource) if known is None else known
    return RunReport(request, scenario, history, len(lines), ending, seconds, path)


def read_report(
    path: Path, need_space: bool = False, table: Path | None = None, preparer: Preparer | None = None,
    on: str | None = None, trust: bool = False,
) -> RunReport:  # fmt: skip
    """The report of a run folder as it is now, finished or not, without changing it.

    The problem is opened if its table is available, for ranks, and if `need_space` asks for it; a user's file is not
    run just to read a report. Otherwise everything comes from the record, and ranks are unknown. `table` and `on` are
    where its table or its problem is now (see `places.with_problem`).

    InputError if `need_space` would run code that has changed, or call what options name, unless `trust`.
    """
    manifest = record.read_manifest(path)
    if on is not None:
        manifest = with_problem(path, manifest, on)
    request = request_of(path, manifest)
    scenario: Scenario | None = None
    if need_space or manifest.get("table") is not None:
        preparer = preparer or Preparer()
        try:
            check_code(path, manifest, trust)
            request, problem = reopen(path, manifest, table, True, preparer)
            scenario = preparer.scenario(problem).won_by(parsed(path, manifest).winner)
        except InputError as error:
            if need_space or table is not None:
                raise
            warnings.warn(f"ranks are unknown: {error}", stacklevel=2)
    report = _report(path, request, scenario or _recorded(path, request, manifest))
    if need_space:
        check_strings(path, report.history.lines, report.scenario.space)
    return report


def raised_limits(path: Path, changes: Changes) -> Limits:
    """The limits of a run that is extended; InputError for less than it has asked or used."""
    report = recorded_report(path)
    history = report.history
    spent = {
        "queries": history.queries, "resource": history.resource_used, "seconds": report.seconds,
        "max_failures": len(history.failed),
    }  # fmt: skip
    limits = report.request.limits.raised(changes, spent)
    check_countable(limits, report.scenario.resource)
    return limits


def recorded_scenario(path: Path) -> tuple[Request, Scenario]:
    """A run's request and its scenario, from its manifest alone."""
    manifest = record.read_manifest(path)
    request = request_of(path, manifest)
    return request, _recorded(path, request, manifest)


def recorded_report(path: Path) -> RunReport:
    """A run's report from its record alone, without opening its problem."""
    return _report(path, *recorded_scenario(path))


def _report(path: Path, request: Request, scenario: Scenario) -> RunReport:
    """The report of a folder's record as it is now; a warning if something is missing from that."""
    lines = record.read_lines(path)
    check_scores(path, lines, scenario.criteria.metrics)
    if (lost := lost_trials(lines, request.limits)) is not None:
        warnings.warn(f"{path}/{TRIALS} {lost}", stacklevel=3)
    summary = read_summary(path)
    if summary.trials is not None and summary.trials > len(lines):
        warnings.warn(
            f"{path}: {summary.trials - len(lines)} of {summary.trials} trials are no longer in its record; archloom "
            "resume runs them again",
            stacklevel=3,
        )
    return report_of(request, scenario, lines, ending_of(path, len(lines)), summary.seconds, path)


def _recorded(path: Path, request: Request, manifest: Mapping[str, Any]) -> Scenario:
    """The scenario from the manifest alone."""
    made = parsed(path, manifest)
    goals = made.criteria.objectives
    try:
        constraints = tuple(Constraint.parse(text) for text in made.criteria.constraints)
    except InputError as error:
        raise InputError(f"{path}/run.json is damaged or not from an archloom run ({error})") from None
    problem = RecordedProblem(made.space, goals, _identity(made.table))
    if made.trained_on is not None:
        problem.trains, problem.trained_on = made.trained_on.trains, _identity(made.trained_on)
    problem.resource = made.resource
    wanted = Criteria(tuple(Objective(metric, goal) for metric, goal in goals.items()), constraints, made.winner)
    return Scenario(request.problem, problem, wanted, made.report)


def _identity(data: RecordedData | None) -> DataIdentity | None:
    return None if data is None else DataIdentity(data.name, data.sha256, data.source, trains=data.trains)


def summarise(report: RunReport) -> dict[str, Any]:
    """A run's outcome as JSON-serialisable data, without its curve."""
    best = report.history.best()
    found = None
    if best is not None:
        found = {
            "arch": best.arch,
            "value": report.value,
            "rank": report.rank,
            "query": best.query,
            "fidelity": report.history.fidelity(best),
            "report": best.report,
        }
    table = report.scenario.problem.data
    ever = report.history.best_ever()
    summary: dict[str, Any] = {
        "strategy": report.request.strategy,
        "on": report.request.problem.on,
        "table": table.name if table else None,
        "table_sha256": table.sha256 if table else None,
        "seed": report.request.seed,
        "out": str(report.path) if report.path else None,
        "best": found,
        "queries": report.history.queries,
        "trials": report.trials,
        "repeats": report.trials - report.history.queries,
        "failed": len(report.history.failed),
        "resource": _resource_used(report),
        "ending": report.ending,
        "seconds": round(report.seconds, 3),
    }
    if ever is not None:
        summary["best_ever"] = {
            "arch": ever.arch,
            "value": ever.scores[report.scenario.objectives[0]],
            "query": ever.query,
            "fidelity": report.history.fidelity(ever),
        }
    if report.request.warm_start is not None:
        summary["warm_start"] = msgspec.to_builtins(report.request.warm_start.sources)
    if not report.scenario.criteria.single:
        summary["pareto"] = [
            {"arch": line.arch, "scores": line.scores, "query": line.query, "report": line.report}
            for line in report.history.pareto()
        ]
        summary["hypervolume"] = report.hypervolume
        summary["reference_point"] = report.reference_point
    return summary


def _resource_used(report: RunReport) -> dict[str, Any] | None:
    """How much of the evaluator's resource the run used."""
    resource = report.history.resource
    return None if resource is None else {"unit": resource.unit, "used": report.history.resource_used}
