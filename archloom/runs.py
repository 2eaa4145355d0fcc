"""Runs as a whole: from what was asked to a finished folder, one run or many side by side.

A request is plain data; a folder knows its own request, so going on with a folder needs nothing else. A group is a
folder of runs (several seeds, several strategies) with a `group.json` that names them all before the first one starts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from archloom import options, registry, seeds, store
from archloom.constraints import Criteria
from archloom.errors import ArchloomError, InputError, StoreError
from archloom.executors.base import Executor
from archloom.executors.pool import Answer, Send, Work, WorkerPool
from archloom.executors.process import ProcessExecutor
from archloom.executors.serial import SerialExecutor
from archloom.history import History
from archloom.problems import ProblemSpec, Scenario, open_evaluator, open_scenario, resolve
from archloom.search import Ending, Journal, Limits, MemoryJournal, Progress, Search
from archloom.spaces.base import SearchSpace
from archloom.store import Line, RunFolder
from archloom.strategies.base import Strategy

GROUP_FORMAT = 1


@dataclass(frozen=True)
class Request:
    """One run: which strategy on which problem, from which seed, for how long."""

    strategy: str
    problem: ProblemSpec
    seed: int = 0
    limits: Limits = field(default_factory=lambda: Limits(queries=500))
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
    def best(self) -> Line | None:
        """The best trial: its `arch` as text, `scores`, `report` and `query`; None if there is no feasible one."""
        return self.history.best()

    @property
    def curve(self) -> list[tuple[int, float]]:
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


Watch = Callable[[int, Sequence[Line]], None]
"""Called as (number of the run, newly committed trials)."""


def make_strategy(
    name: str, space: SearchSpace, criteria: Criteria, seed: int = 0, settings: Mapping[str, Any] | None = None
) -> Strategy:
    """A strategy ready to be asked, its options checked and its random stream derived from `seed`."""
    kind = registry.load_strategy(name)
    chosen = options.convert_all(f"strategy {name}", options.of_dataclass(kind.Options), settings or {})
    strategy: Strategy = kind(space, criteria, seeds.stream(seed, "strategy"), kind.Options(**chosen))
    return strategy


def check(request: Request) -> Scenario:
    """Open everything that a request names, so that a mistake shows before anything is written."""
    seeds.check_seed(request.seed)
    scenario = open_scenario(request.problem)
    make_strategy(request.strategy, scenario.space, scenario.criteria, request.seed, request.options)
    return scenario


def run_in_memory(request: Request, scenario: Scenario | None = None, progress: Progress | None = None) -> RunReport:
    """Run without a folder; on `scenario`, where the request's problem is open already."""
    scenario = scenario or open_scenario(request.problem)
    journal = MemoryJournal()
    started = time.monotonic()
    ending = _search(request, scenario, journal, SerialExecutor(scenario.evaluator), progress)
    return _report(request, scenario, journal.lines, ending.value, time.monotonic() - started)


def run_folder(
    path: Path,
    request: Request | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    on_open: Callable[[RunFolder], None] | None = None,
) -> RunReport:
    """Run a request in a folder to its end, from wherever the folder stands; without `request`, its own is read."""
    if request is not None and not (path / "run.json").exists():
        request = replace(request, problem=resolve(request.problem))
        scenario = check(request)
        folder = RunFolder.create(path, _manifest(request, scenario))
    else:
        if request is not None and not _same(request, read_request(path)):
            raise InputError(f"{path} holds another run: archloom resume {path}, or give another --out")
        folder = RunFolder.open(path)
    with folder:
        request, scenario = _reopen(folder.path, folder.manifest)
        if on_open is not None:
            on_open(folder)
        executor: Executor = SerialExecutor(scenario.evaluator)
        if workers > 1:
            make = partial(open_evaluator, request.problem)
            executor = ProcessExecutor(make, workers, scenario.evaluator.shared_state)
        started = time.monotonic()
        before = _summary(path).get("seconds", 0.0) if len(folder.lines) else 0.0
        known = list(folder.lines)
        seen: list[Line] = []

        def heard(lines: Sequence[Line]) -> None:
            seen.extend(lines)
            if progress is not None:
                progress(lines)

        try:
            ending = _search(request, scenario, folder, executor, heard)
        finally:
            executor.close()
        report = _report(
            request, scenario, known + seen, ending.value, before + time.monotonic() - started, folder.path
        )
        folder.write_summary(summarise(report))
        return report


def read_request(path: Path) -> Request:
    """What a run folder was asked to do."""
    return _request(path, store.read_manifest(path))


def read_report(path: Path) -> RunReport:
    """What a run folder holds now, finished or not, without touching it."""
    request, scenario = _reopen(path, store.read_manifest(path))
    summary = _summary(path)
    return _report(request, scenario, store.read_lines(path), summary.get("ending"), summary.get("seconds", 0.0), path)


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
            "report": best.report,
        }
    summary: dict[str, Any] = {
        "seed": report.request.seed,
        "out": str(report.path) if report.path else None,
        "best": found,
        "queries": report.history.queries,
        "trials": report.trials,
        "repeats": report.trials - report.history.queries,
        "failed": len(report.history.failed),
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


# -- groups -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Runs that belong together, each with the folder it runs in."""

    path: Path
    members: Mapping[str, Request]

    @property
    def paths(self) -> list[Path]:
        return [self.path / name for name in self.members]

    @classmethod
    def create(cls, path: Path, members: Mapping[str, Request]) -> Group:
        """Write down what will run before anything runs."""
        store.check_free(path)
        members = {name: replace(r, problem=resolve(r.problem)) for name, r in members.items()}
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; give another folder with --out") from error
        store.write_json(
            path / "group.json",
            {"format": GROUP_FORMAT, "members": {name: msgspec.to_builtins(r) for name, r in members.items()}},
        )
        return cls(path, members)

    @classmethod
    def open(cls, path: Path) -> Group:
        try:
            content = json.loads((path / "group.json").read_bytes())
            if content["format"] > GROUP_FORMAT:
                raise InputError(f"{path} has group format {content['format']}: install a newer archloom")
            return cls(path, {name: msgspec.convert(r, Request) for name, r in content["members"].items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}/group.json is damaged or not of archloom ({error})") from None


def run_group(group: Group, workers: int, watch: Watch | None = None) -> list[RunReport | str]:
    """Run every member to its end, `workers` at a time; a member that cannot go on gives its error's text instead."""
    members = list(zip(group.paths, group.members.values(), strict=True))
    with _group_lock(group.path):
        if workers == 1:
            return [_run_member(i, path, request, watch) for i, (path, request) in enumerate(members)]
        pool = WorkerPool(_member_worker, min(workers, len(members)))
        outcome: list[RunReport | str] = ["not run"] * len(members)
        try:
            for number, (path, request) in enumerate(members):
                pool.submit(number, (path, request))
            while events := pool.wait():
                for event in events:
                    if isinstance(event, Answer):
                        outcome[event.task] = event.error or read_report(members[event.task][0])
                    elif watch is not None:
                        watch(event.task, event.message)
        finally:
            pool.close()
        return outcome


def _run_member(number: int, path: Path, request: Request, watch: Watch | None) -> RunReport | str:
    try:
        return run_folder(path, request, progress=partial(watch, number) if watch else None)
    except ArchloomError as error:
        return str(error)


def _member_worker() -> Work:
    """What a worker process does with members of a group."""

    def work(payload: tuple[Path, Request], send: Send) -> None:
        path, request = payload
        run_folder(path, request, progress=send)

    return work


@contextmanager
def _group_lock(path: Path) -> Iterator[None]:
    lock = store.hold(path)
    try:
        yield
    finally:
        store.release(path, lock)


# -- the pieces ---------------------------------------------------------------------------------------------------


def _search(
    request: Request,
    scenario: Scenario,
    journal: Journal,
    executor: Executor,
    progress: Progress | None,
) -> Ending:
    strategy = make_strategy(request.strategy, scenario.space, scenario.criteria, request.seed, request.options)
    return Search(scenario.space, strategy, executor, journal, request.limits, request.seed, progress).run()


def _report(
    request: Request, scenario: Scenario, lines: Sequence[Line], ending: str | None, seconds: float,
    path: Path | None = None,
) -> RunReport:  # fmt: skip
    history = History.of(lines, scenario.criteria)
    return RunReport(request, scenario, history, len(lines), ending, seconds, path)


def _manifest(request: Request, scenario: Scenario) -> dict[str, Any]:
    table = scenario.problem.table
    return {
        "request": msgspec.to_builtins(request),
        "criteria": scenario.criteria.to_json(),
        "report": list(scenario.report),
        "space": scenario.space.name,
        "table": None if table is None else {"name": table.name, "path": str(table.path), "sha256": table.sha256,
                                             "source": table.source},
        "versions": store.environment(),
        "created": store.now(),
    }  # fmt: skip


def _reopen(path: Path, manifest: Mapping[str, Any]) -> tuple[Request, Scenario]:
    """The request and scenario of a folder, on the very table that it was made with."""
    request, table = _request(path, manifest), manifest.get("table")
    if table is None:
        return request, open_scenario(request.problem)
    used = request.problem.table or table["path"]
    spec = replace(request.problem, table=used if Path(used).is_file() else None)
    scenario = open_scenario(spec)
    found = scenario.problem.table
    if found is None or found.sha256 != table["sha256"]:
        raise InputError(
            f"{path} was made with table {table['name']} (sha256 {table['sha256'][:12]}), and {spec.table or spec.on} "
            f"is now {found.sha256[:12] if found else 'another'}: put the original file back, or start a new run"
        )
    return replace(request, problem=spec), scenario


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
