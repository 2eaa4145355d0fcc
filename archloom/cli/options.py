"""Options that several commands share, and how they become a request."""

from __future__ import annotations

import errno
import functools
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archloom.cli.config import config_option
from archloom.cli.paths import NewFolder, RunPath
from archloom.errors import InputError
from archloom.utils.files import from_home, store_error

if TYPE_CHECKING:
    from archloom.agents.layout import Layout
    from archloom.executors.backends import Backend
    from archloom.executors.ray import RayCluster
    from archloom.problems import ProblemSpec

DEFAULT_ON = "nb201"
MAX_SEEDS = 10_000


def problem_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--on and everything else that defines what is searched, for how long and where."""
    decorators: list[Callable[..., Any]] = [
        click.option("--on", default=None, metavar="NAME",
                     help="What to search: nb201, nbgraph:cora, fitted:mnasnet, images:digits, supernet:digits, "
                     f"proxy:synflow, table, my.py; archloom list shows all. Default: {DEFAULT_ON}."),
        click.option("--table", type=click.Path(), default=None, metavar="FILE",
                     help="A table, or a supernet's file, to use instead."),
        click.option("--objective", "objectives", multiple=True, metavar="METRIC",
                     help="Metric to optimise; repeat it for a Pareto set. Default: the first validation metric."),
        click.option("--report", "reports", multiple=True, metavar="METRIC",
                     help="Metric for people, never used for selection. Default: the objective's test twin."),
        click.option("--constraint", "constraints", multiple=True, metavar="METRIC<=NUMBER",
                     help="Hard constraint; repeatable."),
        click.option("--space", "space_name", default=None, metavar="NAME",
                     help="The space to search, if networks are built (images, supernets, proxies). Default: the "
                     "task's own."),
        click.option("--workers", type=int, default=1, show_default=True, help="Processes; results do not change."),
        click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
                     help="An option of the strategy, the space or the task: space.canonical=true, task.epochs=9."),
        click.option("--out", type=NewFolder(), default=None, metavar="DIR",
                     help="Run folder. Default: a new one under runs/."),
    ]  # fmt: skip
    decorators += [loop_options, limit_options, config_option]
    return functools.reduce(lambda f, decorate: decorate(f), reversed(decorators), function)


class _NoLimit:
    """What `none` means: a limit is taken away."""


NO_LIMIT = _NoLimit()


def _or_none(convert: Callable[..., Any]) -> Any:
    """The method `convert` of a type, taking none as well."""

    def converted(self: Any, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return NO_LIMIT if value == "none" else convert(self, value, param, ctx)

    return converted


class WholeNumberOrNone(click.types.IntParamType):
    """A whole number, or none."""

    convert = _or_none(click.types.IntParamType.convert)


class NumberOrNone(click.types.FloatParamType):
    """A number, or none."""

    convert = _or_none(click.types.FloatParamType.convert)


class DurationOrNone(click.types.StringParamType):
    """A duration in seconds, or none."""

    @_or_none
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from archloom.runs.budgets import parse_duration

        return parse_duration(value) if isinstance(value, str) else value


def limit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--queries, --resource, --time, --target, --max-failures, --give-up and --trial-timeout, as the one argument
    `limits`: `runs.budgets.Changes`.

    `none` takes a limit away.
    """

    @click.option("--queries", type=WholeNumberOrNone(), default=None,
                  help="Unique architectures to ask for. Default: what the strategy plans; 500 if no resource or time "
                       "is given either.")  # fmt: skip
    @click.option("--resource", type=WholeNumberOrNone(), default=None, metavar="N",
                  help="Units of training to use in all (epochs, as a rule), all trials together.")  # fmt: skip
    @click.option("--time", "seconds", type=DurationOrNone(), default=None, metavar="DURATION",
                  help="How long to search: 90s, 10m, 1h30m. What is in flight then is finished.")  # fmt: skip
    @click.option("--target", type=NumberOrNone(), default=None, metavar="VALUE",
                  help="End when the best architecture has reached this value of the first objective.")  # fmt: skip
    @click.option("--max-failures", type=WholeNumberOrNone(), default=None, metavar="N",
                  help="End when so many trials have failed.")  # fmt: skip
    @click.option("--give-up", type=WholeNumberOrNone(), default=None, metavar="N",
                  help="End when the first N trials have all failed for the same reason. Default: 10.")  # fmt: skip
    @click.option("--trial-timeout", type=DurationOrNone(), default=None, metavar="DURATION",
                  help="A trial that takes longer is ended, with all processes that it has started, and has failed. "
                       "All these limits may be none, too.")  # fmt: skip
    @functools.wraps(function)
    def taking(*arguments: Any, limits: Mapping[str, Any] | None = None, **named: Any) -> Any:
        names = ("queries", "resource", "seconds", "target", "max_failures", "give_up", "trial_timeout")
        typed = {name: value for name in names if (value := named.pop(name)) is not None}
        given = {name: None if value is NO_LIMIT else value for name, value in typed.items()}
        return function(*arguments, **named, limits={**given, **(limits or {})})

    return taking


def loop_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--width, --async and --max-repeats, which a run keeps; they join the argument of `limit_options`."""

    @click.option("--width", type=int, default=None,
                  help="Proposals in flight at once, whatever the number of workers. Default: a population, or "
                       "1.")  # fmt: skip
    @click.option("--async", "as_completed", is_flag=True,
                  help="Tell results as they come, so that no worker waits for another; the run then depends on the "
                       "number of workers.")  # fmt: skip
    @click.option("--max-repeats", type=int, default=None,
                  help="Consecutive proposals of known architectures before a run counts as stalled. Default: "
                       "5000.")  # fmt: skip
    @functools.wraps(function)
    def taking(*arguments: Any, width: int | None, as_completed: bool, max_repeats: int | None, **named: Any) -> Any:
        given = {"width": width, "as_completed": as_completed or None, "max_repeats": max_repeats}
        return function(*arguments, **named, limits={name: v for name, v in given.items() if v is not None})

    return taking


def plan_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--sets, --starts, --steps, --neighbours, --seed and --free-start of episodes, as the one argument `plan`."""

    @click.option("--starts", type=int, default=10_000, show_default=True, help="Random start architectures in a set.")
    @click.option("--sets", type=int, default=5, show_default=True, help="Sets of starts.")
    @click.option("--steps", type=int, default=32, show_default=True, help="Moves after which an episode ends.")
    @click.option("--neighbours", type=int, default=50, show_default=True, help="Neighbours shown at a step, at most.")
    @click.option("--seed", type=int, default=0, show_default=True)
    @click.option("--free-start", is_flag=True,
                  help="A local search pays for the neighbours that it compares, not for its start.")  # fmt: skip
    @functools.wraps(function)
    def taking(
        *arguments: Any, sets: int, starts: int, steps: int, neighbours: int, seed: int, free_start: bool, **named: Any
    ) -> Any:
        from archloom.envs.episodes import Plan

        return function(*arguments, **named, plan=Plan(sets, starts, steps, neighbours, seed, free_start))

    return taking


def test_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--test, --correct-for, --paired and --ddof, as the one argument `wanted`: `analysis.significance.Wanted`."""

    @click.option("--test", "tests", multiple=True, metavar="BETTER:WORSE",
                  help="Test whether strategy BETTER is better than WORSE; repeatable. Default: every ordered "
                       "pair.")  # fmt: skip
    @click.option("--correct-for", type=int, default=None, metavar="N",
                  help="Correct p for N tests in all, if others are made elsewhere. Default: those made.")  # fmt: skip
    @click.option("--paired/--unpaired", "paired", default=None,
                  help="Wilcoxon's signed-rank test over seeds, or Mann and Whitney's, which pairs none. Default: for "
                       "each pair of strategies whether their runs of a seed begin alike.")  # fmt: skip
    @click.option("--ddof", type=click.IntRange(0, 1), default=1, show_default=True,
                  help="Of standard deviations: 1 divides by n - 1, 0 by n, as some papers do.")  # fmt: skip
    @functools.wraps(function)
    def taking(
        *arguments: Any, tests: Sequence[str], correct_for: int | None, paired: bool | None, ddof: int, **named: Any
    ) -> Any:
        from archloom.analysis.significance import Wanted

        return function(*arguments, **named, wanted=Wanted.parse(tests, correct_for, paired, ddof))

    return taking


warm_start_option = click.option(
    "--warm-start", "earlier", type=RunPath(), multiple=True, metavar="RUN",
    help="An earlier run, or a folder of several, on the same space, whose trials the strategy is to learn from; "
         "repeatable.",
)  # fmt: skip


trust_option = click.option(
    "--trust", is_flag=True,
    help="Run the code that RUN names although it has changed since, and call functions that its options name.",
)  # fmt: skip


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json and --quiet."""
    function = click.option("--quiet", is_flag=True, help="No progress bar.")(function)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")(function)


def checkpoint_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--keep and --disk-budget, as the one argument `overrides`."""

    @click.option("--keep", default=None, metavar="K",
                  help="If networks are trained: keep the checkpoints of the K best trials, besides those that are "
                       "needed; all: drop none. Default: 1.")  # fmt: skip
    @click.option("--disk-budget", default=None, metavar="SIZE",
                  help="The most disk space that checkpoints may take, over all runs of a group: "
                       "500MB, 2GB, 1.5GiB; none.")  # fmt: skip
    @functools.wraps(function)
    def taking(*arguments: Any, keep: str | None, disk_budget: str | None, **named: Any) -> Any:
        from archloom.checkpoints.retention import parse_overrides

        return function(*arguments, **named, overrides=parse_overrides(keep, disk_budget))

    return taking


def backend_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--ray, --ray-address and --gpus; with --workers, defined elsewhere, they become the one argument `backend`."""

    @click.option("--ray", is_flag=True,
                  help="Evaluate on Ray: on the cluster that the variable RAY_ADDRESS names, else on one of this "
                       "machine that ends with the command. Several runs go one after another, each on all "
                       "workers.")  # fmt: skip
    @click.option("--ray-address", default=None, metavar="ADDRESS",
                  help="Evaluate on this Ray cluster, which this machine has joined: HOST:PORT or auto.")  # fmt: skip
    @click.option("--gpus", type=float, default=None, metavar="SHARE",
                  help="On Ray: GPUs per worker; with 0.5, two share one. Default: 0.")  # fmt: skip
    @functools.wraps(function)
    def taking(
        *arguments: Any, workers: int, ray: bool, ray_address: str | None, gpus: float | None, **named: Any
    ) -> Any:
        check_workers(workers)
        return function(*arguments, **named, backend=_backend(workers, ray, ray_address, gpus))

    return taking


def _backend(workers: int, ray: bool, address: str | None, gpus: float | None) -> Backend:
    if ray or address is not None:
        return ray_cluster(workers, address, gpus)
    if gpus is not None:
        raise InputError(f"--gpus {gpus:g}: only Ray assigns GPUs; add --ray, or --ray-address ADDRESS")
    from archloom.executors.backends import Processes

    return Processes(workers)


def ray_cluster(workers: int, address: str | None, gpus: float | None) -> RayCluster:
    """The Ray cluster at an address, or as `RayCluster` says."""
    if address == "":
        raise InputError("--ray-address '': expected HOST:PORT or auto (--ray for this machine alone)")
    from archloom.executors.ray import RayCluster

    return RayCluster(workers, address, gpus or 0.0)


def make_ready(backend: Backend | Layout) -> None:
    """Enter the context in which something can be used until the command ends; done before anything is written."""
    click.get_current_context().with_resource(backend.ready())


def spec_of(
    on: str | None, table: str | None, objectives: Sequence[str], reports: Sequence[str], constraints: Sequence[str],
    space_name: str | None, settings: Settings,
) -> ProblemSpec:  # fmt: skip
    """The problem that these options describe. Without --on, a table determines its space."""
    from archloom.problems import ProblemSpec, space_of_table

    table = check_table(table)
    if on is None:
        on = DEFAULT_ON if table is None else space_of_table(Path(table))
    return ProblemSpec(
        on, table, tuple(objectives), tuple(reports), tuple(constraints), settings.space, space_name, settings.task
    )


def check_table(table: str | None) -> str | None:
    """An empty name, as from an unset shell variable, does not mean the default table."""
    if table == "":
        raise InputError("--table '': expected a file (omit --table to use the default one)")
    return table if table is None else from_home(table)


OWNERS = ("space", "task")
"""Prefixes of --set options; options without one are the strategy's."""


@dataclass(frozen=True)
class Settings:
    """--set options by owner."""

    strategy: dict[str, str]
    space: dict[str, str]
    task: dict[str, str]

    def over(self, others: Settings) -> Settings:
        """These settings on top of `others`."""
        return Settings(
            {**others.strategy, **self.strategy}, {**others.space, **self.space}, {**others.task, **self.task}
        )


def split_settings(settings: Sequence[str]) -> Settings:
    """--set options: NAME=VALUE is the strategy's, space.NAME=VALUE the space's, task.NAME=VALUE the task's."""
    from archloom.utils.options import parse_settings

    return by_owner(parse_settings(settings))


def of_task(settings: Sequence[str]) -> dict[str, str]:
    """The options of a run's task; InputError for those of the strategy and the space, which can no longer change."""
    split = split_settings(settings)
    for name in (*split.strategy, *(f"space.{name}" for name in split.space)):
        raise InputError(f"--set {name}: expected an option of the run's task, e.g. task.final_samples=10000")
    return split.task


def by_owner(parsed: Mapping[str, str]) -> Settings:
    """The same as `split_settings`, from names and values."""
    owned: dict[str, dict[str, str]] = {owner: {} for owner in OWNERS}
    strategy = {}
    for name, value in parsed.items():
        owner, dot, rest = name.partition(".")
        if dot and owner in owned:
            owned[owner][rest] = value
        else:
            strategy[name] = value
    return Settings(strategy, **owned)


_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def check_label(label: str, text: str) -> str:
    """Check the label of runs that `text` gives."""
    if not _LABEL.fullmatch(label):
        raise InputError(
            f"{text}: expected LABEL=STRATEGY, where the label, a folder name, has up to 64 letters, digits, - and _"
        )
    if label in OWNERS:
        raise InputError(f"{text}: --set {label}.NAME is an option of the {label}; choose another label")
    return label


def check_new(path: Path) -> None:
    """InputError if there is something at the path of a file that takes long to make."""
    if os.path.lexists(path):
        raise InputError(f"{path} is there already: remove it, or give another file")


def check_target(target: Path) -> None:
    """InputError if a table cannot be written there; checked before the minutes that making one takes."""
    if target.suffix != ".npz":
        raise InputError(f"-o {target}: expected a file ending in .npz")
    if target.is_dir():
        raise InputError(f"-o {target}: is a folder; expected a file")
    if not target.parent.is_dir():
        raise InputError(f"-o {target}: there is no folder {target.parent}; make it first")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"-o {target}: the folder {target.parent} cannot be written; name another")


def check_workers(workers: int) -> int:
    if workers < 1:
        raise InputError(f"--workers {workers}: expected at least 1 (this machine has {os.cpu_count()} cores)")
    return workers


def check_seeds(seeds: int) -> int:
    if not 1 <= seeds <= MAX_SEEDS:
        raise InputError(f"--seeds {seeds}: expected 1 to {MAX_SEEDS}")
    return seeds


def new_folder(stem: str) -> Path:
    """runs/STEM, or the first of runs/STEM-2, runs/STEM-3 ... that does not exist, made for this command alone.

    It is removed again if nothing is written into it.
    """
    return click.get_current_context().with_resource(claimed_folder(stem))


@contextmanager
def claimed_folder(stem: str) -> Iterator[Path]:
    """`new_folder` as a context."""
    from archloom.runs.record import check_free

    stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in stem)
    parent = Path("runs")
    check_free(parent)
    made = [] if parent.exists() else [parent]
    try:
        made.insert(0, _made_anew(parent, stem))
        yield made[0]
    finally:
        for folder in made:
            with suppress(OSError):  # there is something in it
                folder.rmdir()


def _made_anew(parent: Path, stem: str) -> Path:
    """A folder that nobody else has made."""
    numbers = itertools.count(2)
    path = parent / stem
    while True:
        try:
            parent.mkdir(exist_ok=True)
            path.mkdir()
            return path
        except FileExistsError:
            path = parent / f"{stem}-{next(numbers)}"
        except FileNotFoundError:  # whoever made the parent has removed it again
            continue
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise InputError(f"{path}: {error.strerror}; give another folder with --out") from None
            raise store_error(path, error) from error
