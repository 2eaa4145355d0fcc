"""`archloom test`: whether one strategy is better than another, over the runs of one folder or of several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archloom.cli import options, output
from archloom.cli.paths import RunPath, check_different
from archloom.cli.show import read_reports

if TYPE_CHECKING:
    from archloom.analysis.significance import Wanted


@click.command()
@click.argument("runs", type=RunPath(), nargs=-1, required=True, metavar="RUN...")
@options.test_options
@click.option("--metric", "metrics", multiple=True, metavar="METRIC",
              help="Test by this objective; repeatable. Default: all, and the hypervolume of several.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def test(runs: Sequence[Path], wanted: Wanted, metrics: Sequence[str], as_json: bool) -> int:
    """Test whether strategies differ in what their runs have found, without running anything.

    Each RUN is a folder of several runs, finished or not. The runs of several folders, of other data or tasks say, are
    pooled: pairs are of the same folder and seed. Tests are one-sided, p-values Bonferroni-corrected. archloom evaluate
    does the same with what its final settings measure.

    \b
    archloom test runs/cmp --test evolution:random
    archloom test runs/gan runs/gan_hard runs/stl --test pbt_nas:random_population --test pbt_nas:searl --correct-for 4
    """
    from archloom.analysis.pooled import Setting, format_pooled, pool, shared_metrics

    check_different(runs)
    settings = [Setting.of(str(run), read_reports(run)) for run in runs]
    pooled = pool(settings, shared_metrics(settings, metrics), wanted)
    if as_json:
        output.print_json(pooled.to_json())
    else:
        output.say(format_pooled(pooled))
    return 0
