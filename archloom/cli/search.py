"""`archloom search` and `archloom resume`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archloom.agents.training_folder import is_training
from archloom.cli import notes, options, output
from archloom.cli.config import Config, typed_first
from archloom.cli.forecast import Forecast
from archloom.cli.paths import UserPath
from archloom.cli.progress import ProgressView, what_begins
from archloom.cli.stdout_guard import stdout_guard
from archloom.cli.supernet import make_first
from archloom.errors import InputError
from archloom.utils.text import quoted

if TYPE_CHECKING:
    from archloom.checkpoints.retention import Overrides
    from archloom.executors.backends import Backend
    from archloom.runs.budgets import Changes


@click.command()
@click.argument("strategy", required=False)
@options.problem_options
@click.option("--seed", type=int, default=None, help="Run this one seed. Default: 0.")
@click.option("--seeds", type=int, default=None, metavar="K", help="Run seeds 0 to K-1, spread over the workers.")
@options.warm_start_option
@options.backend_options
@options.checkpoint_options
@options.output_options
def search(
    strategy: str | None, on: str | None, table: str | None, objectives: Sequence[str], reports: Sequence[str],
    constraints: Sequence[str], space_name: str | None, settings: Sequence[str], limits: Changes,
    out: Path | None, seed: int | None, seeds: int | None, earlier: Sequence[Path], as_json: bool, quiet: bool,
    config: Config, overrides: Overrides, backend: Backend,
) -> int:  # fmt: skip
    """Search for an architecture with STRATEGY (archloom list shows them; FILE.py:CLASS is your own). The file of
    --config may name it; if none is named, it is graph_bo.

    \b
    archloom search --on nb201
    archloom search evolution --on nbgraph:cora --queries 300 --seeds 5 --workers 2
    archloom search random --on my_problem.py
    archloom search my_strategy.py:Blr --on nb201
    archloom search --config my_search.toml
    """
    from archloom import registry
    from archloom.cli.groups import begin, show_runs
    from archloom.runs import folders, groups, record
    from archloom.runs.earlier import warm_start
    from archloom.runs.prepare import Preparer, Request, fitted

    seed, seeds = typed_first(seed=seed, seeds=seeds)
    if seed is not None and seeds is not None:
        raise InputError("--seed and --seeds: give only one of them (one seed, or seeds 0 to K-1)")
    if seeds is not None:
        options.check_seeds(seeds)
    preparer, named = Preparer(), strategy is not None
    strategy = registry.DEFAULT_STRATEGY if strategy is None else strategy
    with stdout_guard():
        name = preparer.find(strategy).name
        given = options.split_settings(settings).over(options.by_owner(config.settings_for(name)))
        spec = options.spec_of(on, table, objectives, reports, constraints, space_name, given)
        settled = preparer.fitted_options(strategy, given.strategy, spec)
        chosen = preparer.choose(strategy, settled)
        make_first(spec, quiet)
        asked, spec = spec, preparer.suited(fitted(chosen.spec(spec)), [chosen])
        bounds = chosen.limits(limits, backend.workers)
        known = warm_start(earlier, spec, [chosen], preparer)
        requests = [
            Request(strategy, spec, number, bounds, settled, known)
            for number in (range(seeds) if seeds is not None else [seed or 0])
        ]
        first = preparer.check(requests[0], overrides)
    path = out or options.new_folder(f"{name}-{spec.source.stem}")
    record.check_free(path)
    options.make_ready(backend)
    notes.note_fitted({name: (given.strategy, first)}, asked)
    notes.note_idle(backend, bounds.width, len(requests))
    notes.note_defaults(first, limits, named)
    notes.note_plan(first)
    notes.note_warm_start(first)
    if seeds is not None:
        members = {f"seed-{r.seed}": r for r in requests}
        group = groups.Group.create(path, members, first=first, overrides=overrides, preparer=preparer)
        return begin(group, first, backend, as_json, quiet, overrides, preparer)
    output.note_caveats(first.scenario)
    output.announce(path, quiet)
    runs = {path: requests[0]}
    forecast = Forecast(runs, first.scenario.resource, backend, preparer, first.scenario.problem.leaves)
    criteria, begins = first.scenario.criteria, what_begins(first.scenario, runs)
    with output.going_on(path), ProgressView(name, bounds.queries, criteria, quiet, forecast, begins) as view:
        report = folders.run_folder(
            path, requests[0], backend, lambda lines: view(0, lines), overrides=overrides, preparer=preparer
        )
    return show_runs([report], path, as_json)


@click.command()
@click.argument("run", type=UserPath())
@click.option("--workers", type=int, default=1, show_default=True, help="Processes; results do not change.")
@click.option("--table", type=UserPath(), default=None, metavar="FILE",
              help="The path of the run's table, if it was moved.")  # fmt: skip
@click.option("--on", default=None, metavar="FILE",
              help="The path of your problem, or of the folder of images, if it was moved.")  # fmt: skip
@click.option(
    "--changed", is_flag=True, help="Resume although a .py file, or one that an option names, has changed since."
)
@click.option("--trust", is_flag=True, help="Call functions that options of the run name: task.extractor=MODULE:NAME.")
@options.limit_options
@click.option(
    "--seeds", type=int, default=None, metavar="K", help="For a group: run every strategy with seeds 0 to K-1."
)
@click.option("--add", "added", multiple=True, metavar="[LABEL=]STRATEGY",
              help="Of a group: run one more strategy on the same problem and seeds; repeatable.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="An option of the strategy that is added; of several, LABEL.NAME=VALUE.")  # fmt: skip
@options.backend_options
@options.checkpoint_options
@options.output_options
def resume(
    run: Path, table: Path | None, on: str | None, changed: bool, trust: bool, seeds: int | None,
    added: Sequence[str],
    settings: Sequence[str], limits: Changes, as_json: bool, quiet: bool, overrides: Overrides, backend: Backend,
) -> int:  # fmt: skip
    """Continue RUN, a folder of one run or several or the training of an agent, where it was stopped; the outcome is
    that of a run never stopped.

    A run can be extended beyond its first limits; what is in its record stays as it is.

    \b
    archloom resume runs/cadam
    archloom resume runs/cadam --queries 1000
    archloom resume runs/cmp --seeds 20
    archloom resume runs/cmp --add evolution --set population=50
    """
    if is_training(run):
        from archloom.cli.agent import reopen

        _refuse_all_but(
            "run", "settings", "table", "as_json", "quiet",
            why=f"{run} is the training of an agent, which archloom agent resume {quoted(run)} has options for",
        )  # fmt: skip
        return reopen(run, settings, table, as_json, quiet)
    from archloom.cli.groups import go_on, grow, show_runs
    from archloom.runs import folders, groups
    from archloom.runs.prepare import Preparer
    from archloom.runs.record import read_manifest
    from archloom.runs.report import raised_limits, recorded_scenario
    from archloom.runs.trust import check_called

    preparer = Preparer()
    if settings and not added:
        raise InputError(f"--set {settings[0]}: a run keeps its options; it is for a strategy that --add adds")
    if (run / "group.json").exists():
        group = groups.Group.open(run)
        group = group if on is None else group.with_problem(on, changed)
        group = group if table is None else group.on_table(table)
        for member in group.members.values():
            check_called(run, member.problem, trust)
        if table is None:
            make_first(next(iter(group.members.values())).problem, quiet)
        with stdout_guard():
            group = grow(group, preparer, limits, seeds, added, settings, changed)
        options.make_ready(backend)
        return go_on(group, backend, as_json, quiet, overrides, preparer, table, changed)
    read_manifest(run)  # what is no run at all is not a single one
    for option, value in (("--seeds", seeds), *(("--add", each) for each in added)):
        if value is not None:
            raise InputError(f"{option} {value}: {run} is a single run; start a group with search --seeds, or compare")
    if on is not None:
        folders.set_problem(run, on, changed)
    raised = raised_limits(run, limits) if limits else None
    request, scenario = recorded_scenario(run)
    check_called(run, request.problem, trust)
    if table is None:
        make_first(request.problem, quiet)
    options.make_ready(backend)
    request = replace(request, limits=raised or request.limits)
    runs = {run: request}
    forecast = Forecast(runs, scenario.resource, backend, preparer, scenario.problem.leaves)
    shown = request.name, request.limits.queries, scenario.criteria, quiet, forecast, what_begins(scenario, runs)
    with output.going_on(run), ProgressView(*shown) as view:
        report = folders.run_folder(
            run, None, backend, lambda lines: view(0, lines), view.add,
            table=table, changed=changed, overrides=overrides, preparer=preparer, limits=raised,
        )  # fmt: skip
    return show_runs([report], run, as_json)


def _refuse_all_but(*names: str, why: str) -> None:
    """InputError for an option that was typed and is none of these."""
    context = click.get_current_context()
    for parameter in context.command.params:
        typed = context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
        if typed and parameter.name not in names:
            raise InputError(f"{parameter.opts[0]}: {why}")
