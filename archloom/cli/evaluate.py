"""`archloom evaluate`: measure a trained member of a run as thoroughly as its task can."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archloom.cli import options, output
from archloom.cli.paths import RunPath, UserPath
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import InputError
from archloom.utils.text import quoted

if TYPE_CHECKING:
    from archloom.deploy.final import Member


@click.command()
@click.argument("run", type=RunPath())
@click.option("--trial", type=int, default=None, help="The trial whose network to evaluate. Default: the best.")
@click.option("--set", "settings", multiple=True, metavar="task.NAME=VALUE",
              help="An option of the task that affects the evaluation alone: task.final_samples=10000.")  # fmt: skip
@click.option("--images", "target", type=UserPath(), default=None,
              help="Write some of a generator's images to this .png file.")  # fmt: skip
@options.trust_option
@options.output_options
def evaluate(
    run: Path, trial: int | None, settings: Sequence[str], target: Path | None, trust: bool, as_json: bool, quiet: bool
) -> int:
    """Evaluate the best network of RUN with the final settings of its task, without changing RUN.

    Generators make 50,000 images instead of 5,000, different from those that the search judged them by. Classifiers are
    evaluated on validation and test images. The metrics that the search recorded are shown beside these.
    """
    from archloom.runs import groups
    from archloom.runs.report import read_report

    changes = _of_task(settings)
    if target is not None and (target.suffix != ".png" or not target.parent.is_dir()):
        raise InputError(f"--images {target}: expected FILE.png in an existing folder")
    if (run / "group.json").exists():
        first = next(iter(groups.Group.open(run).paths))
        raise InputError(f"{run} holds several runs: give one of them, e.g. archloom evaluate {quoted(first)}")
    with stdout_guard():
        report = read_report(run)
        from archloom.deploy import final

        member = final.open_member(report, trial, changes, trust)
        pictures = member.images() if target is not None else None
        if not quiet:
            output.say(f"evaluating trial {member.line.id} of {run}: {_listed(member.settings)}", err=True)
        metrics = member.evaluate()
    if target is not None and pictures is not None:
        final.save_grid(pictures, target)
    if as_json:
        output.print_json(_content(run, report.request.problem.on, member, metrics, target))
        return 0
    output.say(f"trial           {member.line.id}, epochs of training: {member.training.epochs}")
    output.say(f"architecture    {member.line.arch}")
    output.say(f"measured with   {_listed(member.settings)}")
    for name, value in metrics.items():
        output.say(f"{name:<24}  {_shown(value):>12}{_before(name, member.in_search)}")
    if target is not None:
        output.say(str(target))
    return 0


def _of_task(settings: Sequence[str]) -> dict[str, str]:
    """The options of the task; InputError for those of the strategy and the space, which can no longer change."""
    split = options.split_settings(settings)
    for name in (*split.strategy, *(f"space.{name}" for name in split.space)):
        raise InputError(f"--set {name}: expected an option of the run's task, e.g. task.final_samples=10000")
    return split.task


def _content(run: Path, on: str, member: Member, metrics: Mapping[str, float], images: Path | None) -> dict[str, Any]:
    return {
        "run": str(run),
        "on": on,
        "trial": member.line.id,
        "epochs": member.training.epochs,
        "arch": member.line.arch,
        "settings": dict(member.settings),
        "metrics": dict(metrics),
        "in_search": member.in_search,
        "images": None if images is None else str(images),
    }


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "the task's own settings"


def _shown(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "not measured"


def _before(name: str, in_search: Mapping[str, float]) -> str:
    return f"  (in the search {in_search[name]:.4f})" if name in in_search else ""
