"""`archloom compare`: several strategies on one problem, over the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archloom.cli import options, output
from archloom.errors import InputError

if TYPE_CHECKING:
    from archloom.runs import RunReport


@click.command()
@click.argument("strategies", nargs=-1, required=True)
@options.problem_options
@click.option("--seeds", type=int, default=10, show_default=True, metavar="K", help="Seeds 0 to K-1 for each.")
@options.output_options
def compare(
    strategies: Sequence[str], on: str | None, table: str | None, objectives: Sequence[str], reports: Sequence[str],
    constraints: Sequence[str], queries: int, width: int, workers: int, settings: Sequence[str], max_repeats: int,
    out: Path | None, seeds: int, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Run STRATEGIES on the same problem and seeds, and test their differences.

    Options of one strategy carry its name: --set evolution.population=50. The tests are paired one-sided Wilcoxon
    signed-rank tests over seeds, p-values Bonferroni-corrected.

    \b
    archloom compare random evolution cadam --on nb201 --queries 300 --seeds 10 --out runs/cmp
    """
    from archloom import runs
    from archloom.cli.search import go_on
    from archloom.search import Limits

    if len(set(strategies)) < len(strategies):
        raise InputError(f"strategies {' '.join(strategies)}: each may be named once")
    options.check_seeds(seeds)
    options.check_workers(workers)
    given, for_space = options.split_settings(settings)
    own = _settings_by_strategy(strategies, given)
    spec = options.spec_of(on, table, objectives, reports, constraints, for_space)
    limits = Limits(queries, width, max_repeats)
    members = {
        f"{name}/seed-{seed}": runs.Request(name, spec, seed, limits, own[name])
        for name in strategies
        for seed in range(seeds)
    }
    for name in strategies:
        runs.check(members[f"{name}/seed-0"])
    path = out or options.free_folder(f"compare-{Path(spec.on).stem}")
    return go_on(runs.Group.create(path, members), workers, as_json, quiet)


def show_comparison(by_strategy: Mapping[str, Sequence[RunReport]], path: Path, as_json: bool) -> int:
    """Print a comparison."""
    from archloom.analysis.report import compare as put_side_by_side
    from archloom.analysis.report import format_comparison

    if as_json:
        tests = [test.to_json() for test in put_side_by_side(by_strategy).tests]
        output.print_json(output.compare_object(by_strategy, tests))
    else:
        click.echo(format_comparison(by_strategy))
        click.echo(output.next_steps(path, False))
    return max(output.exit_code(reports) for reports in by_strategy.values())


def _settings_by_strategy(strategies: Sequence[str], given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    own: dict[str, dict[str, str]] = {name: {} for name in strategies}
    for setting, value in given.items():
        name, dot, option = setting.partition(".")
        if not dot or name not in own:
            expected = ", ".join(f"{strategy}.{option or setting}" for strategy in strategies)
            raise InputError(f"--set {setting}: say whose option it is, e.g. {expected}, or space.{option or setting}")
        own[name][option] = value
    return own
