"""`archloom pareto`: what accuracy costs in FLOPs and parameters, as numbers."""

from __future__ import annotations

from pathlib import Path

import click

from archloom.cli import options, output
from archloom.cli.paths import RunPath
from archloom.cli.show import RUN, Moved, moved_options, read_reports


@click.command()
@RUN
@click.option("--against", multiple=True, metavar="METRIC",
              help="The cost; repeatable. Default: the second objective, or the FLOPs and parameters that RUN "
                   "knows.")  # fmt: skip
@click.option("--evaluation", default=None, metavar="METRIC",
              help="The accuracy after the search, for the rank correlation. Default: a test metric that RUN "
                   "reports.")  # fmt: skip
@click.option(
    "--evaluated",
    "other",
    type=RunPath(),
    default=None,
    metavar="RUN",
    help="Runs that trained the same architectures alone: theirs is the accuracy after the search.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@moved_options
@options.trust_option
def pareto(
    run: Path, against: tuple[str, ...], evaluation: str | None, other: Path | None, as_json: bool, trust: bool,
    moved: Moved,
) -> int:  # fmt: skip
    """Show what accuracy costs: Pareto sets with the steps at which they were sampled, hypervolumes with intervals over
    seeds, how well the search ranked what was evaluated afterwards, and the accuracy that a GFLOP or a million
    parameters buys.

    archloom plot RUN --kind pareto draws the Pareto sets.
    """
    from archloom.analysis.trade_off import trade_off
    from archloom.analysis.trade_off_report import format_trade_off

    reports = read_reports(run, moved=moved, trust=trust)
    elsewhere = None if other is None else read_reports(other, trust=trust)
    found = trade_off(reports, against, evaluation, elsewhere)
    if as_json:
        output.print_json(found.to_json())
    else:
        output.say(format_trade_off(found, reports))
    return 0
