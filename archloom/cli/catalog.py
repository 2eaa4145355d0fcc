"""`archloom list` and `archloom data`: what is available, and where it is."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archloom.cli.exit_codes import Exit
from archloom.cli.options import check_target
from archloom.cli.paths import UserPath
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import InputError, MissingExtraError, unknown
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from archloom.data.catalog import Status

_CLEAR = "\r\x1b[K"
"""Return to the start of the terminal's line and clear it."""
_LIVE_EVERY_S, _LINE_EVERY_S = 0.1, 10.0


_AGENT, _CONFIGS = "agent", "configs"


@click.command("list")
@click.argument("name", required=False)
def list_all(name: str | None) -> int:
    """List strategies, spaces and benchmarks; with NAME, describe one of them: the options of a strategy or space,
    where a benchmark is. NAME may be a strategy of your own, FILE.py:CLASS; `agent` describes the options of an agent's
    training; `configs` lists the configurations that come with archloom, and the name of one prints it."""
    import inspect

    from archloom import registry
    from archloom.cli import config
    from archloom.data import catalog
    from archloom.problems.spec import parse
    from archloom.utils import options
    from archloom.utils.user_files import UserFile

    if name is not None:
        if name in registry.STRATEGIES or UserFile.parse(name) is not None:
            from archloom.runs.found_strategies import find_strategy
            from archloom.strategies.base import SizedByData
            from archloom.types import PopulationSizes

            with stdout_guard():
                found = find_strategy(name)
            kind = found.kind
            _describe(found.name, kind, options.of_dataclass(kind.Options), "", _notes(kind.Options))
            if issubclass(kind, SizedByData):
                sized = ", ".join(kind.fitted({}, PopulationSizes(1, 1, 1)))
                click.echo(f"\nfit the data unless given, if the task says what does (images, gan): {sized}")
        elif name in registry.SPACES:
            kind = registry.load_space(name)
            _describe(name, kind, options.of_space(kind), "space.", "")
            if name in registry.TASKS:
                with suppress(MissingExtraError):  # a space can be looked at without what trains its networks
                    _describe_task(name, above="\n")
        elif (source := parse(name)).trains:
            _describe_task(source.prefix)
        elif (own := source.options_kind) is not None:
            lineage = [kind for kind in reversed(own.__mro__) if issubclass(kind, options.Options)][1:]
            notes = "\n\n".join(inspect.cleandoc(_notes(kind)) for kind in lineage)
            _describe(source.prefix, type(source), options.of_dataclass(own), "task.", notes)
            for key, title in source.names.items():
                click.echo(f"  {key:<18} {title}")
        elif name in catalog.BENCHMARKS:
            _show_benchmark(catalog.status(name, environ=os.environ))
            click.echo(f"  space {catalog.BENCHMARKS[name].space}: archloom list {catalog.BENCHMARKS[name].space}")
        elif name == _AGENT:
            from archloom.cli.agent import training_options

            training = training_options()
            from archloom.learners.q_network import NetworkOptions

            _describe(name, training, options.of_dataclass(training), "", _notes(NetworkOptions))
        elif name == _CONFIGS:
            for key, path in config.shipped().items():
                click.echo(f"  {key:<18} {config.title(path)}")
        elif name in config.shipped():
            click.echo(config.shipped()[name].read_text(encoding="utf-8"), nl=False)
        else:
            known = [*registry.STRATEGIES, *registry.SPACES, *registry.TASKS, *registry.EVALUATORS, *catalog.BENCHMARKS]
            known += [_AGENT, _CONFIGS]
            raise unknown("strategy, space, task or benchmark", name, dict.fromkeys([*known, *config.shipped()]))
        return 0
    click.echo(f"strategies (archloom list NAME shows the options of one; {registry.DEFAULT_STRATEGY} is the default)")
    for key, entry in registry.STRATEGIES.items():
        click.echo(f"  {key:<18} {entry.title}")
    click.echo(f"  {'FILE.py:CLASS':<18} a strategy of your own")
    click.echo("agents (archloom agent train): archloom list agent shows the options of a training")
    click.echo("spaces")
    for key, entry in registry.SPACES.items():
        click.echo(f"  {key:<18} {entry.title}")
    click.echo("benchmarks for --on")
    for status in catalog.installed(environ=os.environ):
        here = status.origin or "not on this machine: archloom data list"
        click.echo(f"  {status.benchmark.name:<18} {status.benchmark.title} [{here}]")
    for key, entry in registry.TASKS.items():
        click.echo(f"  {key + ':DATA':<18} {entry.title}; archloom list {key} shows its options")
    for key, entry in registry.EVALUATORS.items():
        more = "" if parse(key).options_kind is None else f"; archloom list {key} shows its options"
        click.echo(f"  {entry.form or f'{key}:DATA':<18} {entry.title}{more}")
    click.echo(f"  {registry.OWN_FILE.form:<18} {registry.OWN_FILE.title}")
    click.echo(f"configurations for --config: archloom list {_CONFIGS}")
    return 0


@click.group()
def data() -> None:
    """List, fetch, convert and verify benchmark tables."""


@data.command("list")
def data_list() -> int:
    """Say where each benchmark's table is, or how to get it."""
    from archloom.data import cache, catalog
    from archloom.data.download import pretrained

    click.echo(f"cache: {cache.cache_dir(os.environ)}")
    click.echo(f"ARCHLOOM_DATA: {os.environ.get('ARCHLOOM_DATA', 'not set')}")
    for status in catalog.installed(environ=os.environ):
        _show_benchmark(status)
    for weights in pretrained.PRETRAINED.values():
        where = pretrained.place(weights.name, os.environ) or "not here"
        click.echo(f"{weights.name}\n  {weights.title}\n  {where}; licence {weights.licence}; {weights.size}")
    return 0


IMAGES = "images"
"""The prefix of image sets, as opposed to tables."""


@data.command("fetch")
@click.argument("benchmark")
@click.option("--source", default=None, help="Which of its official files; archloom data list names the benchmarks.")
@click.option("--file", "file", type=UserPath(), default=None,
              help="The official file, already downloaded.")  # fmt: skip
@click.option("--sha256", default=None, help="The SHA-256 that the file must have.")
@click.option("--keep", is_flag=True, help="Keep the download after converting it.")
def data_fetch(benchmark: str, source: str | None, file: Path | None, sha256: str | None, keep: bool) -> int:
    """Download the official file of BENCHMARK, check it, and convert it into the cache.

    images:cifar10, images:cifar100 and images:stl10 are sets of images to train on, images:stl10_unlabelled is one to
    train generators on. inception is the network behind FID and the Inception Score.
    """
    from archloom.data import catalog
    from archloom.data.download import pretrained

    kind, _, name = benchmark.partition(":")
    with _Stages() as show:
        if kind == IMAGES:
            from archloom.data.images.unlabelled import fetch_set

            _refuse_options(benchmark, source=source, file=file, sha256=sha256, keep=keep)
            path = fetch_set(name, os.environ, lambda done, total: show("download", done, total), show.say)
        elif benchmark in pretrained.PRETRAINED:
            _refuse_options(benchmark, source=source, sha256=sha256, keep=keep)
            path = _fetch_weights(benchmark, file, show)
        elif file is not None:
            if keep:
                raise InputError(f"--keep: nothing is downloaded, and {file} stays where it is; omit it")
            path = catalog.add(benchmark, file, environ=os.environ, source=source, sha256=sha256, progress=show)
        else:
            path = catalog.fetch(
                benchmark,
                environ=os.environ,
                source=source,
                sha256=sha256,
                progress=show,
                notify=show.say,
                keep=keep,
            )
    click.echo(str(path))
    return 0


def _refuse_options(name: str, **given: object) -> None:
    """InputError for an option that has a value and would be ignored."""
    for option, value in given.items():
        if value is not None and value is not False:
            raise InputError(f"--{option}: for tables of benchmarks; {name} is one file with a known digest; omit it")


def _fetch_weights(name: str, file: Path | None, show: _Stages) -> Path:
    """Put published weights into the cache: from a local file, else from where they are published."""
    from archloom.data.download import pretrained

    if file is not None:
        return pretrained.add(name, file, os.environ)
    show.say(f"fetching {name}: {pretrained.find(name).size}")
    return pretrained.fetch(name, os.environ, lambda done, total: show("download", done, total), show.say)


@data.command("convert")
@click.argument("file", type=UserPath())
@click.option("-o", "--output", "target", type=UserPath(), required=True, help="The table: FILE.npz.")
@click.option("--kind", default=None, help="What the file is, if its name and content do not show it.")
def data_convert(file: Path, target: Path, kind: str | None) -> int:
    """Convert an official benchmark FILE into a table in archloom's format."""
    from archloom.data.convert.official import convert

    check_target(target)
    with _Stages() as show:
        table = convert(file, kind=kind, progress=lambda done, total: show("convert", done, total))
    click.echo(str(table.save(target)))
    return 0


@data.command("verify")
@click.argument("file", type=UserPath())
def data_verify(file: Path) -> int:
    """Check a table: its format, and the benchmark's known answers."""
    from archloom.data.tables import load_table
    from archloom.data.tables.verify import verify

    table = load_table(file)
    click.echo(f"{table.name}: space {table.space}, {len(table):,} rows, sha256 {table.sha256}")
    findings = verify(table)
    for finding in findings:
        click.echo(f"  {'ok  ' if finding.ok else 'WRONG'} {finding.what}")
    return Exit.DONE if all(finding.ok for finding in findings) else Exit.FAILURES


class _Stages:
    """Progress of a download or a conversion on standard error. Use as a context manager.

    On a terminal it is one line, which is cleared at the end; elsewhere a line every ten seconds.
    """

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._said_at = time.monotonic()

    def __enter__(self) -> _Stages:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            click.echo(_CLEAR, nl=False, err=True)

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if time.monotonic() - self._said_at < (_LIVE_EVERY_S if self._live else _LINE_EVERY_S):
            return
        self._said_at = time.monotonic()
        text = f"{stage}: {done:,}{f' of {total:,}' if total else ''}"
        click.echo(f"{_CLEAR}{text}" if self._live else text, nl=not self._live, err=True)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        click.echo(f"{_CLEAR}{text}" if self._live else text, err=True)


def _show_benchmark(status: Status) -> None:
    """Print what a benchmark is, and where."""
    benchmark = status.benchmark
    where = f"{status.origin}{f': {status.path}' if status.path else ''}" if status.origin else "not here"
    click.echo(f"{benchmark.name}\n  {benchmark.title}\n  {where}; licence {benchmark.licence}; {benchmark.size}")


def _describe_task(name: str, above: str = "") -> None:
    """Print a task, its options and the data that it knows, below some text."""
    from archloom import registry
    from archloom.utils import options

    task = registry.load_task(name)
    click.echo(above, nl=False)
    _describe(name, task, options.of_dataclass(task.Options), "task.", _notes(task.Options))
    click.echo(f"\ndata: {', '.join(task.named())}, or {getattr(task, 'other_data', 'a path')}")


def _describe(name: str, kind: type, known: dict, prefix: str, notes: str) -> None:  # type: ignore[type-arg]
    """Print the docstring of a class, and its options with their defaults."""
    import inspect

    from archloom.utils.options import comments

    click.echo(f"{name}: {inspect.cleandoc(kind.__doc__ or '')}\n")
    click.echo("options (--set NAME=VALUE)" if known else "no options")
    beside = {} if notes else comments(getattr(kind, "Options", kind))
    for option in known.values():
        limits = f"  ({option.expected})" if option.limited else ""
        comment = f"  {one_line(beside[option.name])}" if option.name in beside else ""
        click.echo(f"  {prefix}{option.name} = {_plain(option.default)}{limits}{comment}")
    if known and notes:
        click.echo("\n" + inspect.cleandoc(notes))


def _notes(options_class: type) -> str:
    """What the author of an options class wrote about it; a dataclass without a docstring gets its signature as one."""
    doc = options_class.__doc__ or ""
    return "" if doc.startswith(f"{options_class.__name__}(") else doc


def _plain(value: object) -> str:
    if isinstance(value, bool | None):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
