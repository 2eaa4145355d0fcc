"""Searching from Python: what `import archloom` offers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from archloom.checkpoints.retention import parse_overrides
from archloom.errors import InputError
from archloom.executors.backends import Backend
from archloom.problems.base import Problem
from archloom.problems.scenario import Scenario, open_scenario, select_metrics
from archloom.problems.spec import IN_MEMORY, ProblemSpec
from archloom.registry import DEFAULT_STRATEGY
from archloom.runs import earlier, folders
from archloom.runs.budgets import GIVE_UP, parse_duration
from archloom.runs.prepare import ChosenStrategy, Preparer, Request, fitted
from archloom.runs.report import RunReport
from archloom.runs.search import Progress
from archloom.strategies.base import BaseStrategy, Strategy


def scenario(
    on: str | Problem = "nb201",
    *,
    objective: str | Sequence[str] = (),
    report: str | Sequence[str] = (),
    constraint: str | Sequence[str] = (),
    table: str | PathLike[str] | None = None,
    space: dict[str, Any] | None = None,
    space_name: str | None = None,
    task: dict[str, Any] | None = None,
) -> Scenario:
    """Open a problem, by name or one of your own, and choose what to optimise, like the options of the command line.

    `space` and `task` are options of these, as `--set space.NAME=VALUE` and `--set task.NAME=VALUE` give them;
    `space_name` is the space to search if networks are trained. A supernet that is not in the cache is trained first.
    The scenario has the `space` and the `criteria` that strategies need, and the `evaluator`.
    """
    spec = ProblemSpec(
        on if isinstance(on, str) else IN_MEMORY,
        None if table is None else str(table),
        _names(objective),
        _names(report),
        _names(constraint),
        space or {},
        space_name,
        task or {},
    )
    if isinstance(on, str):
        spec.source.make(spec, lambda line: warnings.warn(line, stacklevel=3), lambda done, total: None)
        return open_scenario(fitted(spec, but=("epochs",)))  # a strategy may say how long networks are trained
    if table is not None or space or space_name or task:
        raise InputError("table, space and task are for what `on` names: a Problem has its own")
    return select_metrics(on, spec)


def strategy(name: str | type[BaseStrategy], on: Scenario, *, seed: int = 0, **options: Any) -> Strategy:
    """A strategy to `ask` and `tell` yourself, e.g. `strategy("evolution", scenario("nb201"), population=50)`."""
    preparer = Preparer()
    preparer.adopt(on)
    settled = preparer.fitted_options(name, options, on.spec)
    return folders.make_strategy(name, on.space, on.criteria, seed, settled, on.resource)


def run(
    strategy: str | type[BaseStrategy] = DEFAULT_STRATEGY,
    on: str | Problem | Scenario = "nb201",
    *,
    queries: int | None = None,
    seed: int = 0,
    width: int | None = None,
    resource: int | None = None,
    time: float | str | None = None,
    target: float | None = None,
    max_failures: int | None = None,
    give_up: int | None = GIVE_UP,
    trial_timeout: float | str | None = None,
    as_completed: bool = False,
    workers: int | Backend = 1,
    out: str | PathLike[str] | None = None,
    progress: Progress | None = None,
    keep: int | str | None = None,
    disk_budget: int | str | None = None,
    warm_start: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    **options: Any,
) -> RunReport:
    """Search, and return the outcome: `best`, `value`, `rank`, `curve`, `history`.

    `strategy` is a name (graph_bo by default), a Python file (`my_strategy.py:Blr`), or a strategy class. `on` is a
    name, a `Problem` or a `scenario(...)`; further keywords are the strategy's options. With `out`, the run is kept in
    that folder and can be resumed from there; an unfinished run of the same request is resumed. `queries` and `width`
    default to what the strategy plans (a population's chunks of training), else 500 and 1. `resource` (units of
    training in total), `time` (seconds, or a string such as "10m"), `target` (a value of the first objective) and
    `max_failures` also end a run, and so do `give_up` first trials that all fail for the same reason. A trial that
    takes longer than `trial_timeout` (like `time`) is ended, with all processes that it has started, and has failed.
    `as_completed` tells results as they come (`runs.budgets.Limits`). `keep` and `disk_budget` (bytes, or a string
    such as "2GB") determine which checkpoints stay in that folder, like --keep and --disk-budget. With `warm_start`,
    the folder of an earlier run on the same space, or several, the strategy learns from their trials first; InputError
    if it cannot.

    With one worker everything happens in this process, unless there is a `trial_timeout`; more are started as
    processes, which a script must do under `if __name__ == "__main__":`; `executors.ray.RayCluster(workers)` evaluates
    on Ray.
    """
    if isinstance(workers, np.integer):
        workers = int(workers)
    scene = on if isinstance(on, Scenario) else scenario(on)
    preparer = Preparer()
    preparer.adopt(scene)
    seconds, each = (parse_duration(t) if isinstance(t, str) else t for t in (time, trial_timeout))
    given_limits = {
        "queries": queries, "width": width, "resource": resource, "seconds": seconds, "target": target,
        "max_failures": max_failures, "trial_timeout": each, "as_completed": as_completed or None,
    }  # fmt: skip
    given_limits = {"give_up": give_up} | {name: value for name, value in given_limits.items() if value is not None}
    given = [warm_start] if isinstance(warm_start, str | PathLike) else warm_start
    known_runs = [Path(each).expanduser() for each in given]

    def requested(chosen: ChosenStrategy, spec: ProblemSpec) -> Request:
        limits = chosen.limits(given_limits, workers if isinstance(workers, int) else workers.workers)
        spec = preparer.suited(spec, [chosen])
        known = earlier.warm_start(known_runs, spec, [chosen], preparer)
        return Request(chosen.found.given, spec, seed, limits, chosen.settings, known)

    chosen = preparer.choose(strategy, preparer.fitted_options(strategy, options, scene.spec))
    request = requested(chosen, fitted(chosen.spec(scene.spec)))
    overrides = parse_overrides(None if keep is None else str(keep), None if disk_budget is None else str(disk_budget))
    if out is None:
        if overrides:
            raise InputError("keep and disk_budget are for checkpoints on disk: give the run a folder with out=...")
        if workers != 1:
            raise InputError(f"workers={workers}: several processes need a run folder; give out=...")
        return folders.run_in_memory(request, preparer, progress)
    if not scene.spec.source.reopens:
        raise InputError(f"out={str(out)!r}: a Problem object cannot be opened again; put it into a file, on='FILE.py'")
    if not chosen.found.reopens:
        raise InputError(
            f"out={str(out)!r}: {chosen.found.kind.__qualname__} of {chosen.found.kind.__module__} cannot be loaded "
            "from there again; put it into a file of its own, strategy='FILE.py:CLASS', or give its package an entry "
            "point in the group archloom.strategies"
        )
    path, isolate = Path(out).expanduser(), workers != 1
    if (path / "run.json").exists() and not folders.holds(path, request, preparer):
        with suppress(InputError):  # early versions did not fit sizes to the data, and recorded what was given alone
            plain = preparer.choose(strategy, options)
            before = requested(plain, plain.spec(ProblemSpec(on) if isinstance(on, str) else scene.spec))
            request = before if folders.holds(path, before, preparer) else request
    return folders.run_folder(path, request, workers, progress, isolate=isolate, overrides=overrides, preparer=preparer)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
