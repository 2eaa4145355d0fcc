"""`archloom episodes`: the evaluation protocol of the incremental search problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from archloom.cli import options, output
from archloom.cli.episode_drawing import Drawing, drawing_options
from archloom.cli.progress import CountView
from archloom.cli.stdout_guard import stdout_guard

if TYPE_CHECKING:
    from archloom.envs.episodes import Plan


@click.command()
@click.argument("policies", nargs=-1, required=True, metavar="POLICY...")
@click.option("--on", default="nb101", show_default=True, metavar="NAME", help="Where to walk: nb101, nb201, nb301.")
@click.option("--table", type=click.Path(), default=None, metavar="FILE", help="A table or surrogate to use instead.")
@click.option(
    "--objective",
    default=None,
    metavar="METRIC",
    help="Metric to climb. Default: the first validation metric. Its test twin is reported.",
)
@options.plan_options
@drawing_options
@options.output_options
def episodes(
    policies: Sequence[str], on: str, table: str | None, objective: str | None, plan: Plan, drawing: Drawing,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Let policies walk from the same random architectures, and say how much they improve.

    Policies: local_search (the best of the neighbours shown), random_walk, and random (another random architecture).
    An episode is one query; local search pays for every neighbour it evaluates. Nothing is written but the output.

    \b
    archloom episodes local_search random_walk random --on nb101 -o improvement.png
    """
    from archloom.analysis.episodes import format_report, report, setting_of
    from archloom.envs.episodes import find_policies, open_episode_problem, run_episodes

    chosen = find_policies(policies)
    drawing.check()
    with stdout_guard():
        problem = open_episode_problem(on, plan, options.check_table(table), objective, None if quiet else output.note)
    with CountView(plan.episodes * len(chosen), "episodes", quiet) as view:
        by_policy = run_episodes(problem, chosen, plan, view)
    found = report(setting_of(problem, plan), by_policy)
    drawing.save(problem, found, by_policy)
    if as_json:
        output.print_json(found.to_json())
    else:
        output.say(format_report(found))
        if drawing.target is not None:
            output.say(f"picture: {drawing.target}")
    return 0
