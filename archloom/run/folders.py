"""A run as a whole: from what was asked to a finished folder.

A request is plain data; a folder knows its own request, so going on with a folder needs nothing else.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from archloom.checkpoints.retention import NO_OVERRIDES, Overrides, Retention, RetentionPolicy
from archloom.checkpoints.store import CheckpointFolder, CheckpointsInMemory, CheckpointStore
from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import InputError
from archloom.executors.backends import Backend, Evaluations, Processes
from archloom.executors.base import Executor
from archloom.executors.serial import SerialExecutor
from archloom.problems.base import DataIdentity, RecordedProblem
from archloom.problems.scenario import Scenario, absolute, open_evaluator
from archloom.problems.spec import ProblemSpec
from archloom.run import record
from archloom.run.budgets import LIMITED, Changes, Limits, check_countable
from archloom.run.history import History
from archloom.run.prepare import Prepared, Preparer, check_kept, choose_strategy
from archloom.run.prepare import Request as Request
from archloom.run.record import RunFolder, TrialRecord
from archloom.run.search import Journal, MemoryJournal, Progress, Search
from archloom.spaces.base import SearchSpace
from archloom.strategies.base import BaseStrategy, Strategy
from archloom.types import Resource
from archloom.utils.user_files import sha256_of

WEIGHTS = "weights"
"""The folder in a run's folder with the states of trainings."""


@dataclass(frozen=True)
class RunReport:
    """What came out of a run: its scenario and its history, read from a folder or just made."""

    request: Request
    scenario: Scenario
    history: History
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
        """The best trial: its `arch` as text, `scores`, `report` and `query`; None if there is no feasible one."""
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
        """The place of the best value among all architectures at its fidelity, 1 for the best; None if that is
        unknown."""
        best = self.history.best()
        if best is None:
            return None
        utility, fidelity = self.history.utility(best), self.history.fidelity(best)
        return self.scenario.problem.rank(self.scenario.objectives[0], utility, fidelity)

    @property
    def fidelity(self) -> int | None:
        """For how long the best trial was trained, in units of the resource; None if there is none, or no best."""
        best = self.history.best()
        return None if best is None or self.history.resource is None else self.history.fidelity(best)

    @property
    def reference_point(self) -> list[float] | None:
        """What the hypervolume is measured from: each objective's worst value among all architectures, or among the
        feasible queries where those are not all known; None if there is no feasible one."""
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


def make_strategy(
    given: str | type[BaseStrategy],
    space: SearchSpace,
    criteria: Criteria,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    resource: Resource | None = None,
) -> Strategy:
    """A strategy ready to be asked, its options checked and its random stream derived from `seed`.

    `resource` is what fidelities count, for strategies that need several.
    """
    return choose_strategy(given, settings or {}).make(space, criteria, seed, resource)


def limits_for(given: str, settings: Mapping[str, Any], queries: int | None = None, width: int | None = None) -> Limits:
    """The limits of a run of a strategy with these options; what is None is what the strategy plans."""
    said = {name: value for name, value in (("queries", queries), ("width", width)) if value is not None}
    return choose_strategy(given, settings).limits(said)


def run_in_memory(request: Request, preparer: Preparer | None = None, progress: Progress | None = None) -> RunReport:
    """Run without a folder."""
    prepared = (preparer or Preparer()).prepare(request)
    scenario, journal = prepared.scenario, MemoryJournal()
    started = time.monotonic()
    states = CheckpointsInMemory() if scenario.problem.trains else None
    executor = SerialExecutor(scenario.evaluator, states)
    ending = _new_search(prepared, journal, executor, progress, states).run()
    return _report(request, scenario, journal.lines, ending.value, time.monotonic() - started)


def run_folder(
    path: Path,
    request: Request | None = None,
    workers: int | Backend = 1,
    progress: Progress | None = None,
    on_open: Callable[[RunFolder], None] | None = None,
    table: Path | None = None,
    changed: bool = False,
    isolate: bool = True,
    kept: Overrides = NO_OVERRIDES,
    preparer: Preparer | None = None,
    limits: Limits | None = None,
) -> RunReport:
    """Run a request in a folder to its end, from wherever the folder stands; without `request`, its own is read.

    For a folder that exists, `table` says where its table is now, and `changed` goes on although a file of the user's
    has changed since. `limits` are those that hold from now on, if they were raised. `workers` are so many processes,
    or another place to evaluate (`executors.ray.RayCluster`). A user's code is evaluated in processes of its own,
    even by one worker, unless `isolate` is False. `kept` is what the user says of the states of trainings
    (`checkpoints.retention.RetentionPolicy`); the rest is as it was said before. What `preparer` has opened already is
    used.
    """
    backend = Processes(workers, isolate) if isinstance(workers, int) else workers
    preparer = preparer or Preparer()
    begin: Callable[[], AbstractContextManager[RunFolder]] = partial(RunFolder.open, path)
    fresh = not (path / "run.json").exists()
    if request is not None:
        request = preparer.absolute(request)
        if fresh:
            # Who is killed right after the run is there must go on with what was said of its states.
            manifest = _manifest(preparer.check(request, kept), preparer.pinned(request))
            begin = partial(RunFolder.create, path, manifest, partial(_say, kept))
        elif not _same(request, preparer.absolute(read_request(path))):
            raise InputError(f"{path} holds another run: archloom resume {path}, or give another --out")
    further = not fresh and limits is not None and limits != read_request(path).limits
    with backend.ready(), begin() as folder:
        if request is None or not fresh:
            request, problem = _reopen(path, folder.manifest, table, changed, preparer, further)
            if further and limits is not None:
                request = replace(request, limits=limits)
                folder.rewrite_manifest({**folder.manifest, "request": msgspec.to_builtins(request)})
        else:
            problem = request.problem
        prepared = preparer.prepare(request, problem)
        if on_open is not None:
            on_open(folder)
        keeping = _keeping(folder.path, kept, prepared.scenario)
        states = keeping.states(folder.path / WEIGHTS, folder.path) if prepared.scenario.problem.trains else None
        executor = backend.executor(_evaluations(prepared.scenario, states))
        return _go_on(folder, prepared, executor, progress, states, keeping)


def _keeping(path: Path, kept: Overrides, scenario: Scenario) -> RetentionPolicy:
    """What holds for the states in this folder: what is said now, and what was said before."""
    check_kept(kept, scenario)
    return _say(kept, path)


def _say(kept: Overrides, path: Path) -> RetentionPolicy:
    """Write down what is said now, if anything; what holds then."""
    keeping = RetentionPolicy.read(path).overridden(kept)
    if kept:
        keeping.write(path)
    return keeping


def _evaluations(scenario: Scenario, states: CheckpointFolder | None) -> Evaluations:
    """What executors need of a scenario."""
    make = partial(open_evaluator, absolute(scenario.spec), scenario.metrics)
    return Evaluations(lambda: scenario.evaluator, make, scenario.problem.isolate, states)


def _go_on(
    folder: RunFolder,
    prepared: Prepared,
    executor: Executor,
    progress: Progress | None,
    states: CheckpointFolder | None,
    keeping: RetentionPolicy,
) -> RunReport:
    """Search to the end in an open folder, and sum it up; also what a Ctrl-C leaves."""
    summary = _summary(folder.path)
    lines = list(folder.lines)
    known = len(lines)

    def heard(new: Sequence[TrialRecord]) -> None:
        lines.extend(new)
        if progress is not None:
            progress(new)

    search = _new_search(prepared, folder, executor, heard, states, keeping)
    started, before = time.monotonic(), float(summary.get("seconds", 0.0))

    def report(ending: str | None) -> RunReport:
        spent = max(search.seconds, before + time.monotonic() - started)
        finished = len(lines) == known and summary.get("ending") is not None
        seconds = before if finished else spent
        return _report(prepared.request, prepared.scenario, lines, ending, seconds, folder.path)

    try:
        ending = search.run()
    except KeyboardInterrupt:
        folder.write_summary(summarise(report(None)))
        raise
    finally:
        executor.close()
    result = report(ending.value)
    folder.write_summary(summarise(result))
    return result


def read_request(path: Path) -> Request:
    """What a run folder was asked to do."""
    return _request(path, record.read_manifest(path))


def raised_limits(path: Path, changes: Changes) -> Limits:
    """The limits of a run that goes on further; InputError for less than it has asked or used."""
    report = _recorded_report(path)
    history = report.history
    spent = {
        "queries": history.queries, "resource": history.resource_used, "seconds": report.seconds,
        "max_failures": len(history.failed),
    }  # fmt: skip
    limits = report.request.limits.raised(changes, spent)
    check_countable(limits, report.scenario.resource)
    return limits


def _recorded_report(path: Path) -> RunReport:
    """What the record alone says."""
    manifest = record.read_manifest(path)
    request, summary = _request(path, manifest), _summary(path)
    return _report(
        request, _recorded(path, request, manifest), record.read_lines(path), summary.get("ending"),
        summary.get("seconds", 0.0), path,
    )  # fmt: skip


def read_report(
    path: Path, need_space: bool = False, table: Path | None = None, preparer: Preparer | None = None
) -> RunReport:
    """What a run folder holds now, finished or not, without touching it.

    The problem is opened if its table is at hand, for ranks, and if `need_space` asks for it; a user's file is not run
    just to look. Otherwise the record says all there is, and ranks are unknown.
    """
    manifest = record.read_manifest(path)
    request = _request(path, manifest)
    scenario: Scenario | None = None
    if need_space or manifest.get("table") is not None:
        preparer = preparer or Preparer()
        try:
            request, problem = _reopen(path, manifest, table, True, preparer)
            scenario = preparer.scenario(problem)
        except InputError as error:
            if need_space:
                raise
            warnings.warn(f"ranks are unknown: {error}", stacklevel=2)
    summary = _summary(path)
    return _report(
        request, scenario or _recorded(path, request, manifest), record.read_lines(path), summary.get("ending"),
        summary.get("seconds", 0.0), path,
    )  # fmt: skip


def _recorded(path: Path, request: Request, manifest: Mapping[str, Any]) -> Scenario:
    """The scenario as the record alone tells it."""
    try:
        goals, constraints = manifest["criteria"]["objectives"], manifest["criteria"]["constraints"]
        table = manifest.get("table")
        data = DataIdentity(table["name"], table["sha256"], table["source"]) if table else None
        problem = RecordedProblem(manifest["space"], goals, data)
        trained_on = manifest.get("trained_on")
        if trained_on:
            problem.trains = True
            problem.trained_on = DataIdentity(trained_on["name"], trained_on["sha256"], trained_on["source"])
        objectives = tuple(Objective(metric, goal) for metric, goal in goals.items())
        wanted = Criteria(objectives, tuple(Constraint.parse(text) for text in constraints))
        report = tuple(manifest["report"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}/run.json is damaged or not of an archloom run ({error!r})") from None
    resource = manifest.get("resource")
    problem.resource = None if resource is None else msgspec.convert(resource, Resource)
    return Scenario(request.problem, problem, wanted, report)


def summarise(report: RunReport) -> dict[str, Any]:
    """A run's outcome as JSON-able data, without its curve."""
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
    if not report.scenario.criteria.single:
        summary["pareto"] = [
            {"arch": line.arch, "scores": line.scores, "query": line.query, "report": line.report}
            for line in report.history.pareto()
        ]
        summary["hypervolume"] = report.hypervolume
        summary["reference_point"] = report.reference_point
    return summary


def _resource_used(report: RunReport) -> dict[str, Any] | None:
    """What the run used of the evaluator's resource."""
    resource = report.history.resource
    return None if resource is None else {"unit": resource.unit, "used": report.history.resource_used}


# -- the pieces ---------------------------------------------------------------------------------------------------


def _new_search(
    prepared: Prepared,
    journal: Journal,
    executor: Executor,
    progress: Progress | None,
    states: CheckpointStore | None,
    keeping: RetentionPolicy | None = None,
) -> Search:
    request, scenario, plan = prepared.request, prepared.scenario, prepared.chosen.plan
    retention = None
    if states is not None:
        members = plan.width if plan.inherits else 1
        retention = Retention(states, scenario.criteria, (keeping or RetentionPolicy()).keep, members)
    return Search(
        scenario.space, prepared.strategy, executor, journal, request.limits, request.seed, progress, retention, plan,
        scenario.resource, scenario.criteria,
    )  # fmt: skip


def _report(
    request: Request, scenario: Scenario, lines: Sequence[TrialRecord], ending: str | None, seconds: float,
    path: Path | None = None,
) -> RunReport:  # fmt: skip
    history = History.of(lines, scenario.criteria, scenario.resource)
    return RunReport(request, scenario, history, len(lines), ending, seconds, path)


def _manifest(prepared: Prepared, files: Mapping[str, str]) -> dict[str, Any]:
    request, scenario = prepared.request, prepared.scenario
    data, file = scenario.problem.data, request.problem.source.file
    return {
        "request": msgspec.to_builtins(request),
        "criteria": scenario.criteria.to_json(),
        "resource": None if scenario.resource is None else msgspec.to_builtins(scenario.resource),
        "report": list(scenario.report),
        "space": scenario.space.name,
        "table": None if data is None else {"name": data.name, "path": str(Path(data.path or "").resolve()),
                                            "sha256": data.sha256, "source": data.source},
        "trained_on": _trained_on(scenario),
        "remarks": list(scenario.caveats),
        "file_sha256": sha256_of(file) if file else None,
        "files": dict(files),
        "versions": record.environment(),
        "created": record.now(),
    }  # fmt: skip


def _reopen(
    path: Path, manifest: Mapping[str, Any], table: Path | None, changed: bool, preparer: Preparer,
    further: bool = False,
) -> tuple[Request, ProblemSpec]:  # fmt: skip
    """A folder's request, and its problem on the very table or file that it was made with, which is then open.

    `further`: it goes on beyond where it ended.
    """
    request, made_with = _request(path, manifest), manifest.get("table")
    # A finished run evaluates nothing more.
    if not changed and (further or _summary(path).get("ending") is None):
        check_files(path, _pinned(request, manifest))
    if made_with is None:
        if table is not None:
            raise InputError(f"--table {table}: {path} is a run of {request.problem.on}, which takes no table")
        problem = _as_begun(request.problem, manifest)
        scenario = preparer.scenario(problem)
        if not changed and _trained_on(scenario) != manifest.get("trained_on"):
            raise InputError(
                f"{path} was trained on other data than {problem.on} is now; put the old data back, start a "
                f"new run, or go on all the same: archloom resume {path} --changed"
            )
    else:
        problem = _on_table(path, _as_begun(request.problem, manifest), made_with, table, preparer)
        scenario = preparer.scenario(problem)
    if scenario.criteria.to_json() != manifest.get("criteria"):
        raise InputError(
            f"{path} was made for {manifest.get('criteria')}, and its problem is now {scenario.criteria.to_json()}: "
            "put back what it was, or start a new run"
        )
    return request, problem


def _as_begun(problem: ProblemSpec, manifest: Mapping[str, Any]) -> ProblemSpec:
    """The problem with the objectives that a run was begun with, also those that were chosen by default then."""
    try:
        return problem.changed(objectives=tuple(manifest["criteria"]["objectives"]))
    except (KeyError, TypeError):
        return problem


def _on_table(
    path: Path, problem: ProblemSpec, made_with: Mapping[str, Any], table: Path | None, preparer: Preparer
) -> ProblemSpec:
    """The problem on the table given, else where it was, else where it is found by name; checked by SHA-256."""
    places = [str(table)] if table else [problem.table, made_with["path"]]
    place = next((p for p in places if p and Path(p).exists()), None)  # a surrogate may be a folder
    if place is None and (table is not None or problem.table):
        raise InputError(
            f"{path} was made with table {made_with['path']}, which is not there; put it back, or say where it is: "
            f"archloom resume {path} --table FILE"
        )
    problem = problem if place is None else problem.source.on_table(problem, Path(place))
    found = preparer.scenario(problem).problem.data
    if found is None or found.sha256 != made_with["sha256"]:
        raise InputError(
            f"{path} was made with table {made_with['name']} (sha256 {made_with['sha256'][:12]}), and "
            f"{place or problem.on} is now {found.sha256[:12] if found else 'another'}: put the original file "
            f"back, say where it is (archloom resume {path} --table FILE), or start a new run"
        )
    return problem


def _pinned(request: Request, manifest: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 that each file of the user's had when a run was begun, by its path."""
    files, file = dict(manifest.get("files") or {}), request.problem.source.file
    known = manifest.get("file_sha256")
    return {str(file): known, **files} if file is not None and known is not None else files


def check_files(path: Path, files: Mapping[str, str]) -> None:
    """InputError for the first file that is not what it was; one that is gone is told when it is opened."""
    for file, known in files.items():
        if Path(file).is_file() and sha256_of(Path(file)) != known:
            raise InputError(
                f"{file} has changed since {path} was begun, so new trials would not compare with old ones; put the "
                f"old file back, start a new run, or go on all the same: archloom resume {path} --changed"
            )


def _trained_on(scenario: Scenario) -> dict[str, str] | None:
    """The data that networks are trained on, if they are known by name."""
    data = scenario.problem.trained_on
    return None if data is None else {"name": data.name, "sha256": data.sha256, "source": data.source}


def fingerprint(scenario: Scenario) -> str | None:
    """The SHA-256 of the table or the user's file behind a scenario."""
    if scenario.problem.data is not None:
        return scenario.problem.data.sha256
    file = scenario.spec.source.file
    return sha256_of(file) if file is not None else None


def _request(path: Path, manifest: Mapping[str, Any]) -> Request:
    try:
        return msgspec.convert(manifest["request"], Request)
    except (KeyError, msgspec.ValidationError, InputError) as error:
        raise InputError(f"{path}/run.json is damaged or not of an archloom run ({error})") from None


def _same(asked: Request, recorded: Request) -> bool:
    """Whether two requests are one, as they are written down."""
    return msgspec.json.encode(asked) == msgspec.json.encode(recorded)


def _summary(path: Path) -> dict[str, Any]:
    try:
        content = json.loads((path / "summary.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
