"""`archloom lineage`: where the layers of a population come from, as data."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archloom.cli import options, output
from archloom.cli.show import RUN, read_reports
from archloom.errors import InputError

if TYPE_CHECKING:
    from archloom.analysis.study import Reports


@click.command()
@RUN
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--csv", "as_csv", is_flag=True,
              help="Print a table: a row for each layer of each member after each chunk.")  # fmt: skip
@options.trust_option
def lineage(run: Path, as_json: bool, as_csv: bool, trust: bool) -> int:
    """Follow every layer of the population that RUN has trained back to the first one.

    archloom plot RUN --kind lineage and --kind family draw it.
    """
    from archloom.analysis.lineage import Lineage, format_lineage

    if as_json and as_csv:
        raise InputError("--json and --csv: give one of them")
    known = Lineage.only(_reports(run, trust))
    if as_json:
        output.print_json(known.to_json())
    elif as_csv:
        table = io.StringIO()
        rows = list(known.rows())
        writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        output.say(table.getvalue(), nl=False)
    else:
        output.say(format_lineage(known))
    return 0


def _reports(run: Path, trust: bool) -> Reports:
    """With the space, which names the choices, if it can be opened."""
    try:
        return read_reports(run, need_space=True, trust=trust)
    except InputError as error:
        reports = read_reports(run)
        output.note(f"choices are shown by number: {error}")
        return reports
