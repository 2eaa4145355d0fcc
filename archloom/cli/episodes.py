"""`archloom episodes`: the evaluation protocol of the incremental search problem."""

from __future__ import annotations

from collections.abc import Sequence

import click

from archloom.cli import options, output
from archloom.cli.episode_drawing import Drawing, drawing_options
from archloom.cli.progress import CountView
from archloom.cli.stdout_guard import stdout_guard


@click.command()
@click.argument("policies", nargs=-1, required=True, metavar="POLICY...")
@click.option("--on", default="nb101", show_default=True, metavar="NAME", help="Where to walk: nb101, nb301.")
@click.option("--table", type=click.Path(), default=None, metavar="FILE", help="A table or surrogate to use instead.")
@click.option(
    "--objective",
    default=None,
    metavar="METRIC",
    help="Metric to climb. Default: the first validation metric. Its test twin is reported.",
)
@click.option("--starts", type=int, default=10_000, show_default=True, help="Random start architectures in a set.")
@click.option("--sets", type=int, default=5, show_default=True, help="Sets of starts.")
@click.option("--steps", type=int, default=32, show_default=True, help="Moves after which an episode ends.")
@click.option("--neighbours", type=int, default=50, show_default=True, help="Neighbours shown at a step, at most.")
@click.option("--seed", type=int, default=0, show_default=True)
@drawing_options
@options.output_options
def episodes(
    policies: Sequence[str], on: str, table: str | None, objective: str | None, starts: int, sets: int, steps: int,
    neighbours: int, seed: int, drawing: Drawing, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Let policies walk from the same random architectures, and say how much they improve.

    Policies: local_search (the best of the neighbours shown), random_walk, and random (another random architecture).
    An episode is one query; local search pays for every neighbour it evaluates. Nothing is written but the output.

    \b
    archloom episodes local_search random_walk random --on nb101 -o improvement.png
    """
    from archloom.analysis.episodes import format_report, report, setting_of
    from archloom.envs.episodes import Plan, find_policies, open_episode_problem, run_episodes

    plan = Plan(sets, starts, steps, neighbours, seed)
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
