"""`archloom proxy`: every architecture of a space scored without training, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from archloom.cli import options, output
from archloom.cli.exit_codes import Interrupted
from archloom.cli.paths import UserPath
from archloom.cli.progress import CountView
from archloom.cli.stdout_guard import stdout_guard
from archloom.utils.text import one_line


@click.command()
@click.argument("space", metavar="SPACE")
@click.option("-o", "--output", "target", type=UserPath(), required=True, help="The table: FILE.npz.")
@click.option("--proxies", default=None, metavar="NAME[,NAME]", help="Which proxies. Default: all of them.")
@click.option("--table", type=click.Path(), default=None, metavar="FILE",
              help="Score the rows of this table, and add the proxies to its metrics.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="An option of the proxies or of the space: data=fashion, space.cells=5; archloom list proxy shows "
                   "them.")  # fmt: skip
@click.option("--workers", type=int, default=1, show_default=True, help="Processes; the table does not change.")
@options.output_options
def proxy(
    space: str, target: Path, proxies: str | None, table: str | None, settings: Sequence[str], workers: int,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Score every architecture of SPACE by zero-cost proxies, into a table that --table takes.

    What is scored is kept in FILE.npz.part until all is. After Ctrl-C or a crash the same command goes on.

    \b
    archloom proxy nb201 -o proxies.npz --proxies synflow,naswot --workers 2
    archloom proxy nb201 -o nb201_proxies.npz --table nb201.npz     # beside the accuracies of a table
    archloom search evolution --on nb201 --table nb201_proxies.npz --objective synflow
    archloom agent train --on nb201 --table proxies.npz --objective synflow
    """
    options.check_target(target)
    options.check_new(target)
    options.check_workers(workers)
    chosen = options.split_settings(settings)
    from archloom import registry
    from archloom.problems import ProblemSpec

    registry.EVALUATORS.load("proxy")  # first: it says which extra is missing
    from archloom.evaluators.proxies import PROXIES
    from archloom.problems.proxy_table import ProxyTable

    names = list(PROXIES) if proxies is None else [name.strip() for name in proxies.split(",")]
    spec = ProblemSpec(
        f"proxy:{'+'.join(names)}", options.check_table(table), space=chosen.space, space_name=space,
        task={**chosen.strategy, **chosen.task},
    )  # fmt: skip
    with stdout_guard():
        making = ProxyTable(spec, target)
    with CountView(len(making), "architectures", quiet) as view:
        try:
            made = making.run(workers, lambda more: view(", ".join(names), more))
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; what was scored is in {making.part}; the same command goes on") from None
    if as_json:
        output.print_json(
            {
                "table": str(target),
                "sha256": made.table.sha256,
                "rows": len(made.table),
                "proxies": names,
                "source": made.table.source,
                "without_score": {name: dict(reasons) for name, reasons in made.failures.items()},
            }
        )
        return 0
    output.say(f"{one_line(str(target))}: {len(made.table):,} architectures by {', '.join(names)}")
    for name, reasons in made.failures.items():
        for reason, count in reasons.items():
            output.say(f"note: {count:,} have no {name}: {reason}")
    return 0
