"""`archloom train`: train architectures that are given, as a run like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from archloom.cli import options, output
from archloom.cli.config import Config, as_typed
from archloom.cli.paths import RunPath
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
                   "all. Default: with --from, that of the run.")  # fmt: skip
@click.option("--from", "sources", type=RunPath(), multiple=True, metavar="RUN",
              help="Train the best architecture of RUN, of several runs that of each strategy, in the space of RUN; "
                   "repeatable.")  # fmt: skip
@click.option("--networks", type=int, default=None, metavar="N",
              help="Take each architecture as a generator, and train N networks of it, which differ in their "
                   "seeds.")  # fmt: skip
@click.option("--random", type=int, default=None, metavar="N", help="Train N random architectures, too.")
def train(
    archs: Sequence[str], on: str | None, sources: Sequence[Path], networks: int | None, random: int | None,
    settings: Sequence[str], config: Config, **asked: Any,
) -> int:  # fmt: skip
    """Train architectures, each ARCH as archloom best writes it, and keep what they come to as a run, which can be
    resumed, evaluated, exported and drawn like that of a search. The file of --config may hold them: archs under
    [set.given].

    Each trains for --set epochs=N, in chunks of --set step=N epochs; after each chunk it is measured and its state is
    kept. By default these fit the data, or are those of your task.

    \b
    archloom train ARCH ARCH --on images:digits --set epochs=50 --out runs/two
    archloom train --config advnas_cifar10 --set task.device=cuda --seeds 5
    archloom train --from runs/nago --networks 8 --set epochs=600
    """
    from archloom.strategies.population.given import GivenOptions

    found = Source.of(sources) if sources else None
    on = found.on if on is None and found is not None else on
    if on is None:
        raise InputError("--on: expected what to train on, e.g. --on images:digits, gan:cifar10, or a task in my.py")
    own = {field.name for field in fields(GivenOptions)}
    # What a file says of a search alone (its population) does not matter here.
    filed = {name: value for name, value in config.settings_for(_STRATEGY).items() if "." in name or name in own}
    typed = parse_settings(settings)
    typed |= _in_one_way(typed, "--networks", networks=networks) | _in_one_way(typed, "--random", random=random)
    listed = [*archs, *(found.archs if found else ())]
    typed |= _in_one_way(typed, "ARCH" if archs else "--from", archs="; ".join(listed) or None)
    if found is not None and asked["space_name"] in (None, found.space_name):
        asked["space_name"] = found.space_name
        filed = {**found.settings, **filed}
    known = {**filed, **typed}
    given = options.by_owner({name: value for name, value in known.items() if name not in own})
    spec = options.spec_of(on, asked["table"], asked["objectives"], (), (), asked["space_name"], given)
    if not known.get("archs", "").strip(" ;") and known.get("random", "0") == "0":
        raise _no_architecture(spec)
    if "epochs" not in known and (epochs := given.task.get("epochs") or _own_epochs(spec)):
        typed["epochs"] = epochs
    if "networks" in known and not asked["reports"]:
        asked["reports"] = _every_metric(spec)
    assert search.callback is not None  # noqa: S101 - it is a command
    code: int = search.callback(
        strategy=_STRATEGY, on=on, config=replace(config, settings=filed), earlier=(),
        settings=[f"{name}={value}" for name, value in typed.items()], **asked,
    )  # fmt: skip
    return code


def _in_one_way(typed: Mapping[str, str], said: str, **values: Any) -> dict[str, str]:
    """An option of the strategy that has a form of its own; InputError if it was typed as a setting, too."""
    ((name, value),) = values.items()
    if value is None:
        return {}
    if name in typed:
        what = "give the architectures in one way" if name == "archs" else "give only one of them"
        raise InputError(f"{said} and --set {name}: {what}")
    return {name: str(value)}


def _every_metric(spec: ProblemSpec) -> tuple[str, ...]:
    """All metrics that the task measures, for tables of networks: what these cost, too."""
    from archloom.runs.prepare import Preparer

    with stdout_guard():
        scenario = Preparer().scenario(spec)
    return tuple(name for name in scenario.problem.reportable() if name not in scenario.objectives)


@dataclass(frozen=True)
class Source:
    """The best architectures of some runs, as strings, with what they were searched on, and the space with its options
    as settings."""

    archs: tuple[str, ...]
    on: str
    space_name: str | None
    settings: Mapping[str, str]

    @classmethod
    def of(cls, runs: Sequence[Path]) -> Source:
        """InputError if one has found nothing, or if they are on different spaces."""
        from archloom.cli.show import read_reports

        archs: dict[str, None] = {}
        problems: dict[Path, ProblemSpec] = {}
        for run in runs:
            for reports in read_reports(run, record_only=True).values():
                winner = output.best_of(reports)
                if winner.best is None:
                    raise InputError(f"--from {run}: it has no feasible architecture yet; archloom status shows why")
                archs.setdefault(winner.best.arch)
                problems[run] = winner.request.problem
                if not winner.scenario.criteria.single:
                    best = winner.scenario.objectives[0]
                    output.note(f"{run}: of several objectives the first counts: the architecture with the best {best}")
        source, *others = problems
        for other in others:
            if _space(problems[other]) != _space(problems[source]):
                raise InputError(
                    f"--from {source} --from {other}: these runs are on different spaces; train them apart"
                )
        problem = problems[source]
        settings = {f"space.{name}": as_typed(value) for name, value in problem.space.items()}
        return cls(tuple(archs), problem.on, problem.space_name, settings)


def _space(problem: ProblemSpec) -> tuple[str | None, Mapping[str, Any]]:
    return problem.space_name, problem.space


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
