"""A run as a whole: from a request to a finished folder.

A request is plain data, and a folder knows its own request, so nothing else is needed to resume a folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from archloom.checkpoints.retention import NO_OVERRIDES, Overrides, Retention, RetentionPolicy
from archloom.checkpoints.store import CheckpointFolder, CheckpointsInMemory, CheckpointStore
from archloom.constraints import Criteria
from archloom.errors import ChangedError, InputError, StoreError
from archloom.executors.backends import Backend, Evaluations, Processes
from archloom.executors.base import Executor
from archloom.executors.serial import SerialExecutor
from archloom.problems.begun import Begun, open_evaluator
from archloom.problems.scenario import Scenario, absolute
from archloom.runs.budgets import GIVE_UP, Limits
from archloom.runs.estimate import checkpoints_at_once, files_at_once
from archloom.runs.history import History
from archloom.runs.manifest import identity_of, manifest_of, mark_of, parsed, read_request, read_summary, reopen
from archloom.runs.places import with_problem
from archloom.runs.prepare import Prepared, Preparer, Request, check_overrides, choose_strategy
from archloom.runs.record import EARLIER, TRIALS, WEIGHTS, RunFolder, TrialRecord
from archloom.runs.report import RunReport, report_of, summarise
from archloom.runs.search import Journal, MemoryJournal, Progress, Search
from archloom.runs.warm_start import Earlier
from archloom.runs.whole import check_scores, check_strings, lost_trials
from archloom.spaces.base import SearchSpace
from archloom.strategies.base import BaseStrategy, ReadsFiles, Strategy
from archloom.types import Resource
from archloom.utils.surroundings import Surroundings
from archloom.utils.text import quoted
from archloom.utils.user_files import UserFile


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
    """The limits of a run of a strategy with these options; None means what the strategy plans."""
    given_limits = {name: value for name, value in (("queries", queries), ("width", width)) if value is not None}
    return choose_strategy(given, settings).limits(given_limits)


def run_in_memory(request: Request, preparer: Preparer | None = None, progress: Progress | None = None) -> RunReport:
    """Run without a folder, in this process."""
    if request.limits.trial_timeout is not None:
        raise InputError(
            f"trial_timeout={request.limits.trial_timeout:g}: only a process of its own can be ended, and worker "
            "processes need a run folder; give out=..."
        )
    prepared = (preparer or Preparer()).prepare(request)
    scenario, journal = prepared.scenario, MemoryJournal()
    started = time.monotonic()
    checkpoints = CheckpointsInMemory(alone=not prepared.chosen.plan.inherits) if scenario.problem.trains else None
    executor = SerialExecutor(scenario.evaluator, checkpoints)
    ending = _new_search(prepared, journal, executor, progress, checkpoints).run()
    return report_of(request, scenario, journal.lines, ending.value, time.monotonic() - started)


def run_folder(
    path: Path,
    request: Request | None = None,
    workers: int | Backend = 1,
    progress: Progress | None = None,
    on_open: Callable[[History], None] | None = None,
    table: Path | None = None,
    changed: bool = False,
    isolate: bool = True,
    overrides: Overrides = NO_OVERRIDES,
    preparer: Preparer | None = None,
    limits: Limits | None = None,
    begun: Begun | None = None,
) -> RunReport:
    """Run a request in a folder to its end, from wherever the folder's record ends; without `request`, the folder's
    own.

    For a folder that exists, `table` is the path of its table now, `changed` accepts that one of the user's files has
    changed since, and `limits` apply from now on, if they were raised. `workers` is a number of processes, or another
    place to evaluate (`executors.ray.RayCluster`). A user's code is evaluated in processes of its own, even with one
    worker, unless `isolate` is False and no time limits a trial. `overrides` change the policy for checkpoints
    (`checkpoints.retention.RetentionPolicy`); the rest of it stays as it was. What `preparer` has already opened is
    reused. `begun` is what the group of a new run was begun with.
    """
    backend = Processes(workers, isolate) if isinstance(workers, int) else workers
    preparer = preparer or Preparer()
    fresh = not (path / "run.json").exists()
    strategy = (read_request(path) if request is None else request).strategy
    place = path if UserFile.parse(strategy) is None else path.absolute()  # its code may change the working directory
    begin: Callable[[], AbstractContextManager[RunFolder]] = partial(RunFolder.open, place)
    if request is not None:
        request = preparer.absolute(request)
        if fresh:
            prepared = preparer.check(request, overrides)
            manifest = manifest_of(prepared, preparer.pinned(request))
            earlier = None if request.warm_start is None else preparer.earlier(request.warm_start)
            if begun is not None and (said := begun.change(prepared.scenario)) is not None:
                raise ChangedError(said)
            begin = partial(RunFolder.create, place, manifest, partial(_write_first, overrides, earlier))
        elif not _same(request, preparer.absolute(read_request(path))):
            raise InputError(
                f"{path} holds another run: archloom resume {quoted(path)} continues it; or give another --out"
            )
    further = not fresh and limits is not None and limits != read_request(path).limits
    with backend.ready(), begin() as folder:
        if request is None or not fresh:
            request, problem = reopen(path, folder.manifest, table, changed, preparer)
            _check_whole(folder, request)
            preparer.read_earlier(path, request)
            if further and limits is not None:
                request = replace(request, limits=limits)
        else:
            problem = request.problem
        prepared = preparer.prepare(request, problem, parsed(path, folder.manifest).winner)
        check_scores(path, folder.lines, prepared.scenario.scores)
        check_strings(path, folder.lines, prepared.scenario.space)
        if request.warm_start is not None:
            check_strings(path / EARLIER, preparer.earlier(request.warm_start).lines, prepared.scenario.space)
        if further:
            folder.rewrite_manifest({**folder.manifest, "request": msgspec.to_builtins(request)})
        if changed and not fresh:
            now = identity_of(prepared.scenario, preparer.pinned(replace(request, problem=problem)))
            folder.rewrite_manifest({**folder.manifest, **now})
        policy = _retention_policy(folder.path, overrides, prepared.scenario)
        checkpoints = None
        if prepared.scenario.problem.trains:
            checkpoints = policy.checkpoints(folder.path / WEIGHTS, folder.path, mark_of(folder.manifest))
            live = prepared.request.limits.as_completed and _shares(prepared.strategy)
            checkpoints = replace(checkpoints, alone=not prepared.chosen.plan.inherits, live=live)
        if further or read_summary(folder.path).ending is None:
            prepared.scenario.problem.prepare()
        executor = backend.executor(_evaluations(prepared.scenario, checkpoints, prepared.request.limits))
        return _go_on(folder, prepared, executor, progress, checkpoints, policy, path, on_open)


def holds(path: Path, request: Request, preparer: Preparer) -> bool:
    """Whether the run at `path` is of this request."""
    return _same(preparer.absolute(request), preparer.absolute(read_request(path)))


def _write_first(overrides: Overrides, earlier: Earlier | None, path: Path) -> None:
    """Write what a new run's folder must hold as soon as there is a run to resume."""
    _update_policy(overrides, path)
    if earlier is not None:
        earlier.write(path)


def set_problem(path: Path, on: str, changed: bool = False) -> None:
    """Write down where the problem of a run is now (see `places.with_problem`)."""
    with RunFolder.open(path) as folder:
        folder.rewrite_manifest(with_problem(path, folder.manifest, on, changed))


def _check_whole(folder: RunFolder, request: Request) -> None:
    """StoreError for a record from which trials were lost: nothing can be added to it."""
    if (lost := lost_trials(folder.lines, request.limits)) is not None:
        raise StoreError(f"{folder.path}/{TRIALS} {lost}")


def _retention_policy(path: Path, overrides: Overrides, scenario: Scenario) -> RetentionPolicy:
    """The policy for checkpoints in this folder: the earlier one with these overrides."""
    check_overrides(overrides, scenario)
    return _update_policy(overrides, path)


def _update_policy(overrides: Overrides, path: Path) -> RetentionPolicy:
    """Write overrides, if any, to the folder's policy; the policy that results."""
    policy = RetentionPolicy.read(path).overridden(overrides)
    if overrides:
        policy.write(path)
    return policy


def _evaluations(scenario: Scenario, checkpoints: CheckpointFolder | None, limits: Limits) -> Evaluations:
    """What executors need from a scenario."""
    make = partial(open_evaluator, absolute(scenario.spec), scenario.metrics, Begun.of(scenario))
    return Evaluations(lambda: scenario.evaluator, make, scenario.problem.isolate, checkpoints, limits.trial_timeout)


def _go_on(
    folder: RunFolder,
    prepared: Prepared,
    executor: Executor,
    progress: Progress | None,
    checkpoints: CheckpointFolder | None,
    policy: RetentionPolicy,
    path: Path,
    on_open: Callable[[History], None] | None,
) -> RunReport:
    """Search to the end in an open folder and write its summary, also after Ctrl-C; `path` is the folder's as given."""
    summary = read_summary(folder.path)
    lines = list(folder.lines)
    before = History.of(lines, prepared.scenario.criteria, prepared.scenario.resource)
    known = len(lines)
    if on_open is not None:
        on_open(before)

    def on_progress(new: Sequence[TrialRecord]) -> None:
        lines.extend(new)
        if progress is not None:
            progress(new)

    search = _new_search(prepared, folder, executor, on_progress, checkpoints, policy)
    started, earlier = time.monotonic(), summary.seconds

    def report(ending: str | None) -> RunReport:
        spent = max(search.seconds, earlier + time.monotonic() - started)
        nothing_new = len(lines) == known
        seconds = earlier if nothing_new and summary.ending is not None else spent
        history = before if nothing_new else None
        return report_of(prepared.request, prepared.scenario, lines, ending, seconds, path, history)

    try:
        with Surroundings().inside():
            ending = search.run()
    except KeyboardInterrupt:
        folder.write_summary(summarise(report(None)))
        raise
    finally:
        executor.close()
    result = report(ending.value)
    folder.write_summary(summarise(result))
    return result


def _new_search(
    prepared: Prepared,
    journal: Journal,
    executor: Executor,
    progress: Progress | None,
    checkpoints: CheckpointStore | None,
    policy: RetentionPolicy | None = None,
) -> Search:
    request, scenario, plan = prepared.request, prepared.scenario, prepared.chosen.plan
    retention = None
    if checkpoints is not None:
        members, keep = plan.width if plan.inherits else 1, (policy or RetentionPolicy()).keep
        kept, _ = checkpoints_at_once(prepared.chosen.found.kind, plan, request.limits, keep)
        leaves = scenario.problem.leaves
        others = {} if leaves is None else {leaves.kind.name: checkpoints.of(leaves.kind)}
        besides = files_at_once(prepared.chosen.found.kind, plan, prepared.chosen.options, leaves)
        retention = Retention(checkpoints, scenario.criteria, keep, members, others, kept, besides)
    return Search(
        scenario.space, prepared.strategy, executor, journal, request.limits, request.seed, progress, retention, plan,
        scenario.resource, scenario.criteria, leaves=scenario.problem.leaves,
    )  # fmt: skip


def _shares(strategy: Strategy) -> bool:
    """Whether whatever trials leave is for all others."""
    return isinstance(strategy, ReadsFiles) and strategy.shares


def _same(asked: Request, recorded: Request) -> bool:
    """Whether two requests are the same, as they are written down."""
    if recorded.limits.give_up is None and asked.limits.give_up == GIVE_UP:  # version 0.1.0 never gave up
        asked = replace(asked, limits=replace(asked.limits, give_up=None))
    return msgspec.json.encode(asked) == msgspec.json.encode(recorded)
