"""`archloom networks`: how far the networks of each generator spread, as numbers."""

from __future__ import annotations

from pathlib import Path

import click

from archloom.cli import output
from archloom.cli.show import RUN, read_reports


@click.command()
@RUN
@click.option("--ddof", type=click.IntRange(0, 1), default=1, show_default=True,
              help="Of standard deviations: 1 divides by n - 1, 0 by n, as some papers do.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def networks(run: Path, ddof: int, as_json: bool) -> int:
    """Show the networks of each generator that RUN has trained (archloom train --networks): mean and standard deviation
    of each metric and of the training time, with what is published of the same task.

    archloom plot RUN --kind networks draws them.
    """
    from archloom.analysis.networks import Spread, format_networks

    found = Spread.of(read_reports(run))
    if as_json:
        output.print_json(found.to_json(ddof))
    else:
        output.say(format_networks(found, ddof))
    return 0
