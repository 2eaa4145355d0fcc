"""`archloom train`: train architectures that are given, as a run like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from archloom.cli import options
from archloom.cli.config import Config
from archloom.cli.search import search
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import InputError
from archloom.utils.options import parse_settings

if TYPE_CHECKING:
    from archloom.problems import ProblemSpec

_STRATEGY = "given"

_SHARED = [parameter for parameter in search.params if parameter.name not in ("strategy", "on", "earlier")]
"""What it takes as a search does."""


@click.command(params=_SHARED)
@click.argument("archs", nargs=-1, metavar="[ARCH]...")
@click.option("--on", default=None, metavar="TASK:DATA",
              help="What to train on: images:digits, gan:cifar10, a task of yours in my.py; archloom list shows "
                   "all.")  # fmt: skip
def train(archs: Sequence[str], on: str | None, settings: Sequence[str], config: Config, **asked: Any) -> int:
    """Train architectures, each ARCH as archloom best writes it, and keep what they come to as a run, which can be
    resumed, evaluated, exported and drawn like that of a search. The file of --config may hold them: archs under
    [set.given].

    Each trains for --set epochs=N, in chunks of --set step=N epochs; after each chunk it is measured and its state is
    kept. By default these fit the data, or are those of your task.

    \b
    archloom train ARCH ARCH --on images:digits --set epochs=50 --out runs/two
    archloom train --config advnas_cifar10 --set task.device=cuda --seeds 5
    """
    from archloom.strategies.population.given import GivenOptions

    if on is None:
        raise InputError("--on: expected what to train on, e.g. --on images:digits, gan:cifar10, or a task in my.py")
    own = {field.name for field in fields(GivenOptions)}
    # What a file says of a search alone (its population) does not matter here.
    filed = {name: value for name, value in config.settings_for(_STRATEGY).items() if "." in name or name in own}
    typed = parse_settings(settings)
    if archs and "archs" in typed:
        raise InputError("ARCH and --set archs: give the architectures in one way")
    known = {**filed, **typed, **({"archs": "; ".join(archs)} if archs else {})}
    given = options.by_owner({name: value for name, value in known.items() if name not in own})
    spec = options.spec_of(on, asked["table"], (), (), (), asked["space_name"], given)
    if not known.get("archs", "").strip(" ;"):
        raise _no_architecture(spec)
    added = {"archs": known["archs"]}
    if "epochs" not in known and (epochs := given.task.get("epochs") or _own_epochs(spec)):
        added["epochs"] = epochs
    assert search.callback is not None  # noqa: S101 - it is a command
    code: int = search.callback(
        strategy=_STRATEGY, on=on, config=replace(config, settings=filed), earlier=(),
        settings=[f"{name}={value}" for name, value in {**typed, **added}.items()], **asked,
    )  # fmt: skip
    return code


def _no_architecture(spec: ProblemSpec) -> InputError:
    """The error for no ARCH, which shows what one looks like."""
    from archloom.runs.prepare import Preparer
    from archloom.spaces.base import sample_valid

    with stdout_guard():
        space = Preparer().scenario(spec).space
    example = space.format(sample_valid(space, np.random.default_rng(0)))
    return InputError(f"no ARCH to train: give one or more architectures of space {space.name!r}, e.g. '{example}'")


def _own_epochs(spec: ProblemSpec) -> str:
    """How many epochs the task trains for by default; "" if that follows from its data, when the run begins.

    InputError if nothing trains there.
    """
    from archloom import registry
    from archloom.problems.task import TaskProblem
    from archloom.runs.prepare import Preparer
    from archloom.tasks.fit import FitsData

    source = spec.source
    if source.trains and source.prefix in registry.TASKS and isinstance(registry.load_task(source.prefix), FitsData):
        return ""
    with stdout_guard():
        problem = Preparer().scenario(spec).problem
    if not isinstance(problem, TaskProblem):
        raise InputError(f"--on {spec.on}: no architecture is trained there by itself; expected e.g. images:digits")
    return str(problem.task.epochs)
