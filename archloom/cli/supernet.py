"""`archloom supernet`: make a weight-sharing supernet, to search on later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archloom.cli import options, output
from archloom.cli.exit_codes import Interrupted
from archloom.cli.paths import UserPath
from archloom.cli.progress import TotalView
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import InputError
from archloom.utils.text import quoted

if TYPE_CHECKING:
    from archloom.problems.spec import ProblemSpec


@click.command()
@click.argument("data")
@click.option("--space", "space_name", default=None, metavar="NAME",
              help="The space whose networks share weights: darts, nb201, nb101. Default: darts.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="An option of its making, epochs=50, or of its space, space.channels=16; archloom list supernet "
                   "shows them.")  # fmt: skip
@click.option("--seed", type=int, default=None, help="Of weights, paths and the order of images. Default: 0.")
@click.option("-o", "--out", "path", type=UserPath(), required=True, metavar="FILE",
              help="The file to write: supernet.safetensors.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def supernet(
    data: str, space_name: str | None, settings: Sequence[str], seed: int | None, path: Path, as_json: bool, quiet: bool
) -> int:
    """Train a supernet of all networks of a space on DATA, the name or the path of images as for --on images:DATA.

    If it is stopped, the same command goes on after the last epoch that was kept.

    \b
    archloom supernet fashion --space darts --set space.channels=4 --set space.cells=5 -o supernet.safetensors
    archloom search cadam --on supernet:fashion --table supernet.safetensors
    """
    from archloom.problems.spec import ProblemSpec
    from archloom.problems.supernet import SupernetSource, alone

    given = options.split_settings(settings)
    task = {**given.strategy, **given.task}
    if seed is not None:
        if "seed" in task:
            raise InputError(f"--seed {seed} and --set seed={task['seed']}: give only one of them")
        task["seed"] = str(seed)
    options.check_new(path)
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist")
    spec = ProblemSpec(f"supernet:{data}", space=given.space, space_name=space_name, task=task)
    source = spec.source
    assert isinstance(source, SupernetSource)  # noqa: S101 - by its name
    with stdout_guard():
        making = source.pretraining(spec, path)
    again = f"archloom supernet {quoted(data)} ... -o {quoted(path)}"
    try:
        with alone(path, wait=False), TotalView("supernet", "batches", quiet) as view:
            options.check_new(path)  # another process may have made it by now
            making.run(output.note, view)
    except KeyboardInterrupt:
        kept = "goes on after the last epoch that was kept" if making.partial.exists() else "begins again"
        raise Interrupted(f"interrupted; the same command, {again}, {kept}") from None
    _show(path, as_json)
    return 0


def _show(path: Path, as_json: bool) -> None:
    """Say what was made."""
    from archloom.tasks.supernet.file import load_supernet

    made = load_supernet(path)
    card = made.card
    if as_json:
        output.print_json({"file": str(path), "sha256": made.sha256, **asdict(card)})
        return
    sizes = ", ".join(f"{name} {value}" for name, value in card.space_options.items())
    output.say(f"{path}: a supernet of {card.space} ({sizes}), {card.trained}")
    if card.one_shot is not None:
        output.say(f"all operations at once: {card.one_shot['valid_accuracy']:.2f} % of the validation images")
    output.say(f"search it: archloom search cadam --on supernet:{quoted(card.data)} --table {quoted(path)}")


def make_first(spec: ProblemSpec, quiet: bool) -> None:
    """Make what a problem needs and is not there yet, such as a supernet, and say how long that takes."""
    try:
        with TotalView("supernet", "batches", quiet) as view:
            spec.source.make(spec, output.note, view)
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted while a supernet was trained; the same command goes on after the last epoch that was kept"
        ) from None
