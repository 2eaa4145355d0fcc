"""A run as a whole: from what was asked to a finished folder.

A request is plain data; a folder knows its own request, so going on with a folder needs nothing else.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from archloom import options, registry, seeds, store
from archloom.budgets import LIMITED, Limits
from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import InputError
from archloom.executors.backends import Backend, Evaluations, Processes
from archloom.executors.base import Executor
from archloom.executors.serial import SerialExecutor
from archloom.history import History
from archloom.problems import (
    ProblemSpec,
    RecordedProblem,
    Scenario,
    TableIdentity,
    TaskProblem,
    is_task,
    open_evaluator,
    open_scenario,
    resolve,
    user_file,
)
from archloom.search import Journal, MemoryJournal, Progress, Search
from archloom.spaces.base import SearchSpace
from archloom.states import NOTHING_SAID, Keeping, Retention, Said, StateFolder, States, StatesInMemory
from archloom.store import Line, RunFolder
from archloom.strategies.base import Plan, Strategy
from archloom.types import Resource

WEIGHTS = "weights"
"""The folder in a run's folder with the states of trainings."""

DEFAULT_QUERIES = 500


@dataclass(frozen=True)
class Request:
    """One run: which strategy on which problem, from which seed, for how long."""

    strategy: str
    problem: ProblemSpec
    seed: int = 0
    limits: Limits = field(default_factory=lambda: Limits(DEFAULT_QUERIES))
    options: Mapping[str, Any] = field(default_factory=dict)


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
    def best(self) -> Line | None:
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
        """The place of the best value among all architectures, 1 for the best; None where that is unknown."""
        best = self.history.best()
        return self.scenario.problem.rank(self.scenario.objectives[0], self.history.gain(best)) if best else None

    @property
    def reference_point(self) -> list[float] | None:
        """What the hypervolume is measured from: each objective's worst value among all architectures, or among the
        feasible queries where those are not all known; None if there is no feasible one."""
        feasible, problem = self.history.feasible(), self.scenario.problem
        if not feasible:
            return None
        known = [problem.worst(metric) for metric in self.scenario.objectives]
        seen = [
            min((line.scores[o.metric] for line in feasible), key=o.gain) for o in self.scenario.criteria.objectives
        ]
        return [s if k is None else k for k, s in zip(known, seen, strict=True)]

    @property
    def hypervolume(self) -> float:
        """The volume that the Pareto set dominates beyond `reference_point`."""
        reference = self.reference_point
        return self.history.hypervolume(reference) if reference is not None else 0.0


def make_strategy(
    name: str,
    space: SearchSpace,
    criteria: Criteria,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    resource: Resource | None = None,
) -> Strategy:
    """A strategy ready to be asked, its options checked and its random stream derived from `seed`."""
    chosen, kind = strategy_options(name, settings or {}), registry.load_strategy(name)
    more = {"resource": resource} if kind.needs_resource else {}
    strategy: Strategy = kind(space, criteria, seeds.stream(seed, "strategy"), chosen, **more)
    return strategy


def limits_for(
    name: str, settings: Mapping[str, Any], queries: int | None, width: int | None, max_repeats: int = 5_000
) -> Limits:
    """The limits of a run: what is None is what the strategy itself plans, else 500 queries, one in flight."""
    plan = plan_of(name, settings)
    return Limits(
        queries if queries is not None else plan.trials or DEFAULT_QUERIES,
        width if width is not None else plan.width,
        max_repeats,
    )


def plan_of(name: str, settings: Mapping[str, Any]) -> Plan:
    """What a run of a strategy with these options comes to."""
    plan: Plan = registry.load_strategy(name).plan(strategy_options(name, settings))
    return plan


def strategy_options(name: str, settings: Mapping[str, Any]) -> Any:
    """The options of a strategy, checked: what its `Options` makes of them."""
    kind = registry.load_strategy(name)
    return kind.Options(**options.convert_all(f"strategy {name}", options.of_dataclass(kind.Options), settings))


def epochs_in_all(request: Request, scenario: Scenario) -> int | None:
    """How many epochs of training a run comes to, all its networks together; None where nothing is trained."""
    if not isinstance(scenario.problem, TaskProblem):
        return None
    plan, queries = plan_of(request.strategy, request.options), request.limits.queries
    if queries is None:
        return request.limits.resource
    if plan.trials is None or plan.epochs is None:
        return queries * scenario.problem.task.epochs
    return round(plan.width * plan.epochs * min(1.0, queries / plan.trials))


def spec_for(name: str, settings: Mapping[str, Any], spec: ProblemSpec) -> ProblemSpec:
    """The problem as a strategy needs it: one that decides how long networks are trained tells the task.

    What a task spreads over all epochs (a falling learning rate) then ends when the training does. InputError where
    the task was told another number.
    """
    epochs = plan_of(name, settings).epochs
    if epochs is None or not is_task(spec.on):
        return spec
    asked = spec.task.get("epochs", epochs)
    if str(asked).strip() != str(epochs):
        raise InputError(
            f"task.epochs={asked}: {name} itself says how long its networks are trained, {epochs} epochs; "
            f"give it --set epochs={asked}, and leave task.epochs out"
        )
    return replace(spec, task={**spec.task, "epochs": str(epochs)})


def check(request: Request, kept: Said = NOTHING_SAID) -> Scenario:
    """Open everything that a request names, so that a mistake shows before anything is written.

    `kept` is what the user says of the states of trainings.
    """
    seeds.check_seed(request.seed)
    scenario = open_scenario(request.problem)
    _strategy(request, scenario)
    _check_kept(kept, scenario)
    return scenario


def _check_kept(kept: Said, scenario: Scenario) -> None:
    """InputError where states are spoken of and there are none."""
    if kept and not scenario.problem.trains:
        raise InputError(
            f"keep and disk_budget are for states of trainings, and nothing is trained on {scenario.spec.on}: "
            "leave them away"
        )


def _strategy(request: Request, scenario: Scenario) -> Strategy:
    """The request's strategy; InputError where it and the problem do not go together."""
    strategy = make_strategy(
        request.strategy, scenario.space, scenario.criteria, request.seed, request.options, scenario.resource
    )
    if plan_of(request.strategy, request.options).needs_training and not scenario.problem.trains:
        raise InputError(
            f"strategy {request.strategy} passes weights on, and nothing is trained on {request.problem.on}: "
            "search where networks are trained, e.g. --on images:digits"
        )
    return strategy


def run_in_memory(request: Request, scenario: Scenario | None = None, progress: Progress | None = None) -> RunReport:
    """Run without a folder; on `scenario`, where the request's problem is open already."""
    scenario = scenario or open_scenario(request.problem)
    journal = MemoryJournal()
    started = time.monotonic()
    states = StatesInMemory() if scenario.problem.trains else None
    executor = SerialExecutor(scenario.evaluator, states)
    ending = _new_search(request, scenario, journal, executor, progress, states).run()
    return _report(request, scenario, journal.lines, ending.value, time.monotonic() - started)


def run_folder(
    path: Path,
    request: Request | None = None,
    workers: int | Backend = 1,
    progress: Progress | None = None,
    on_open: Callable[[RunFolder], None] | None = None,
    scenario: Scenario | None = None,
    table: Path | None = None,
    changed: bool = False,
    isolate: bool = True,
    kept: Said = NOTHING_SAID,
) -> RunReport:
    """Run a request in a folder to its end, from wherever the folder stands; without `request`, its own is read.

    `scenario` is the request's, where it is open already. For a folder that exists, `table` says where its table is
    now, and `changed` goes on although the user's problem file has changed since. `workers` are so many processes, or
    another place to evaluate (`executors.ray.RayCluster`). A user's code is evaluated in processes of its own, even by
    one worker, unless `isolate` is False. `kept` is what the user says of the states of trainings (`states.Keeping`);
    the rest is as it was said before.
    """
    backend = Processes(workers, isolate) if isinstance(workers, int) else workers
    if request is not None and not (path / "run.json").exists():
        request = replace(request, problem=resolve(request.problem))
        scenario = scenario or check(request)
        _strategy(request, scenario)
        _check_kept(kept, scenario)
        # Who is killed right after the run is there must go on with what was said of its states.
        begin = partial(RunFolder.create, path, _manifest(request, scenario), partial(_say, kept))
    else:
        if request is not None and not _same(request, read_request(path)):
            raise InputError(f"{path} holds another run: archloom resume {path}, or give another --out")
        begin, scenario = partial(RunFolder.open, path), None
    with backend.ready(), begin() as folder:
        if scenario is None:
            request, scenario = _reopen(path, folder.manifest, table, changed)
        assert request is not None  # noqa: S101 - given, or just read
        if on_open is not None:
            on_open(folder)
        keeping = _keeping(folder.path, kept, scenario)
        states = keeping.states(folder.path / WEIGHTS, folder.path) if scenario.problem.trains else None
        executor = backend.executor(_evaluations(scenario, states))
        return _go_on(folder, request, scenario, executor, progress, states, keeping)


def _keeping(path: Path, kept: Said, scenario: Scenario) -> Keeping:
    """What holds for the states in this folder: what is said now, and what was said before."""
    _check_kept(kept, scenario)
    return _say(kept, path)


def _say(kept: Said, path: Path) -> Keeping:
    """Write down what is said now, if anything; what holds then."""
    keeping = Keeping.read(path).as_said(kept)
    if kept:
        keeping.write(path)
    return keeping


def _evaluations(scenario: Scenario, states: StateFolder | None) -> Evaluations:
    """What executors need of a scenario."""
    make = partial(open_evaluator, resolve(scenario.spec))
    return Evaluations(scenario.evaluator, make, scenario.problem.isolate, states)


def _go_on(
    folder: RunFolder,
    request: Request,
    scenario: Scenario,
    executor: Executor,
    progress: Progress | None,
    states: StateFolder | None,
    keeping: Keeping,
) -> RunReport:
    """Search to the end in an open folder, and sum it up; also what a Ctrl-C leaves."""
    summary = _summary(folder.path)
    lines = list(folder.lines)
    known = len(lines)

    def heard(new: Sequence[Line]) -> None:
        lines.extend(new)
        if progress is not None:
            progress(new)

    search = _new_search(request, scenario, folder, executor, heard, states, keeping)
    started, before = time.monotonic(), float(summary.get("seconds", 0.0))

    def report(ending: str | None) -> RunReport:
        spent = max(search.seconds, before + time.monotonic() - started)
        finished = len(lines) == known and summary.get("ending") is not None
        return _report(request, scenario, lines, ending, before if finished else spent, folder.path)

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
    return _request(path, store.read_manifest(path))


def read_report(path: Path, need_space: bool = False, table: Path | None = None) -> RunReport:
    """What a run folder holds now, finished or not, without touching it.

    The problem is opened where its table is at hand, for ranks, and where `need_space` asks for it; a user's file is
    not run just to look. Otherwise the record says all there is, and ranks are unknown.
    """
    manifest = store.read_manifest(path)
    request = _request(path, manifest)
    scenario: Scenario | None = None
    if need_space or manifest.get("table") is not None:
        try:
            request, scenario = _reopen(path, manifest, table, changed=True)
        except InputError as error:
            if need_space:
                raise
            warnings.warn(f"ranks are unknown: {error}", stacklevel=2)
    summary = _summary(path)
    return _report(
        request, scenario or _recorded(path, request, manifest), store.read_lines(path), summary.get("ending"),
        summary.get("seconds", 0.0), path,
    )  # fmt: skip


def _recorded(path: Path, request: Request, manifest: Mapping[str, Any]) -> Scenario:
    """The scenario as the record alone tells it."""
    try:
        goals, constraints = manifest["criteria"]["objectives"], manifest["criteria"]["constraints"]
        table = manifest.get("table")
        data = TableIdentity(table["name"], table["sha256"], table["source"]) if table else None
        problem = RecordedProblem(manifest["space"], goals, data)
        trained_on = manifest.get("trained_on")
        if trained_on:
            problem.trained_on = TableIdentity(trained_on["name"], trained_on["sha256"], trained_on["source"])
        objectives = tuple(Objective(metric, goal) for metric, goal in goals.items())
        wanted = Criteria(objectives, tuple(Constraint.parse(text) for text in constraints))
        report = tuple(manifest["report"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}/run.json is damaged or not of an archloom run ({error!r})") from None
    resource = manifest.get("resource")
    problem.resource = None if resource is None else msgspec.convert(resource, Resource)
    return Scenario(request.problem, problem, wanted, report, problem.evaluator(tuple(goals), report))


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
    request: Request,
    scenario: Scenario,
    journal: Journal,
    executor: Executor,
    progress: Progress | None,
    states: States | None,
    keeping: Keeping | None = None,
) -> Search:
    strategy = _strategy(request, scenario)
    plan = plan_of(request.strategy, request.options)
    retention = None
    if states is not None:
        members = plan.width if plan.inherits else 1
        retention = Retention(states, scenario.criteria, (keeping or Keeping()).keep, members)
    return Search(
        scenario.space, strategy, executor, journal, request.limits, request.seed, progress, retention, plan,
        scenario.resource, scenario.criteria,
    )  # fmt: skip


def _report(
    request: Request, scenario: Scenario, lines: Sequence[Line], ending: str | None, seconds: float,
    path: Path | None = None,
) -> RunReport:  # fmt: skip
    history = History.of(lines, scenario.criteria, scenario.resource)
    return RunReport(request, scenario, history, len(lines), ending, seconds, path)


def _manifest(request: Request, scenario: Scenario) -> dict[str, Any]:
    data, file = scenario.problem.data, user_file(request.problem)
    return {
        "request": msgspec.to_builtins(request),
        "criteria": scenario.criteria.to_json(),
        "resource": None if scenario.resource is None else msgspec.to_builtins(scenario.resource),
        "report": list(scenario.report),
        "space": scenario.space.name,
        "table": None if data is None else {"name": data.name, "path": str(Path(data.path or "").resolve()),
                                            "sha256": data.sha256, "source": data.source},
        "trained_on": _trained_on(scenario),
        "remarks": list(scenario.remarks),
        "file_sha256": _sha256(file) if file else None,
        "versions": store.environment(),
        "created": store.now(),
    }  # fmt: skip


def _reopen(path: Path, manifest: Mapping[str, Any], table: Path | None, changed: bool) -> tuple[Request, Scenario]:
    """The request and scenario of a folder, on the very table or file that it was made with."""
    request, made_with = _request(path, manifest), manifest.get("table")
    if made_with is None:
        if table is not None:
            raise InputError(f"--table {table}: {path} is a run of {request.problem.on}, which takes no table")
        if not changed and _summary(path).get("ending") is None:  # a finished run evaluates nothing more
            _check_unchanged(path, request, manifest)
        scenario = open_scenario(_as_begun(request.problem, manifest))
        if not changed and _trained_on(scenario) != manifest.get("trained_on"):
            raise InputError(
                f"{path} was trained on other data than {request.problem.on} is now; put the old data back, start a "
                f"new run, or go on all the same: archloom resume {path} --changed"
            )
    else:
        scenario = _open_table(path, replace(request, problem=_as_begun(request.problem, manifest)), made_with, table)
    if scenario.criteria.to_json() != manifest.get("criteria"):
        raise InputError(
            f"{path} was made for {manifest.get('criteria')}, and its problem is now {scenario.criteria.to_json()}: "
            "put back what it was, or start a new run"
        )
    return request, scenario


def _as_begun(problem: ProblemSpec, manifest: Mapping[str, Any]) -> ProblemSpec:
    """The problem with the objectives that a run was begun with, also those that were chosen by default then."""
    try:
        objectives = tuple(manifest["criteria"]["objectives"])
    except (KeyError, TypeError):
        return problem
    return replace(problem, objectives=objectives)


def _open_table(path: Path, request: Request, made_with: Mapping[str, Any], table: Path | None) -> Scenario:
    """The scenario on the table given, else where the table was, else where it is found by name; checked by SHA-256."""
    places = [str(table)] if table else [request.problem.table, made_with["path"]]
    place = next((p for p in places if p and Path(p).exists()), None)  # a surrogate may be a folder
    if place is None and (table is not None or request.problem.table):
        raise InputError(
            f"{path} was made with table {made_with['path']}, which is not there; put it back, or say where it is: "
            f"archloom resume {path} --table FILE"
        )
    scenario = open_scenario(replace(request.problem, table=place))
    found = scenario.problem.data
    if found is None or found.sha256 != made_with["sha256"]:
        raise InputError(
            f"{path} was made with table {made_with['name']} (sha256 {made_with['sha256'][:12]}), and "
            f"{place or request.problem.on} is now {found.sha256[:12] if found else 'another'}: put the original file "
            f"back, say where it is (archloom resume {path} --table FILE), or start a new run"
        )
    return scenario


def _check_unchanged(path: Path, request: Request, manifest: Mapping[str, Any]) -> None:
    file, known = user_file(request.problem), manifest.get("file_sha256")
    if file is not None and known is not None and file.is_file() and _sha256(file) != known:
        raise InputError(
            f"{file} has changed since {path} was begun, so new trials would not compare with old ones; put the old "
            f"file back, start a new run, or go on all the same: archloom resume {path} --changed"
        )


def _trained_on(scenario: Scenario) -> dict[str, str] | None:
    """The data that networks are trained on, where they are known by name."""
    data = scenario.problem.trained_on
    return None if data is None else {"name": data.name, "sha256": data.sha256, "source": data.source}


def fingerprint(scenario: Scenario) -> str | None:
    """The SHA-256 of the table or the user's file behind a scenario."""
    if scenario.problem.data is not None:
        return scenario.problem.data.sha256
    file = user_file(scenario.spec)
    return _sha256(file) if file is not None else None


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _request(path: Path, manifest: Mapping[str, Any]) -> Request:
    try:
        return msgspec.convert(manifest["request"], Request)
    except (KeyError, msgspec.ValidationError, InputError) as error:
        raise InputError(f"{path}/run.json is damaged or not of an archloom run ({error})") from None


def _same(asked: Request, recorded: Request) -> bool:
    """Whether two requests are one, as they would be written down."""
    both = (replace(request, problem=resolve(request.problem)) for request in (asked, recorded))
    one, other = (msgspec.json.encode(request) for request in both)
    return one == other


def _summary(path: Path) -> dict[str, Any]:
    try:
        content = json.loads((path / "summary.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
