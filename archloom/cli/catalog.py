"""`archloom list` and `archloom data`: what there is, and where it is."""

from __future__ import annotations

import os
from pathlib import Path

import click

from archloom.cli.exits import Exit
from archloom.errors import InputError, unknown


@click.command("list")
@click.argument("name", required=False)
def list_all(name: str | None) -> int:
    """List strategies, spaces and benchmarks; with NAME, the options of one strategy or space."""
    from archloom import options, registry
    from archloom.data import catalog

    if name is not None:
        if name in registry.STRATEGIES:
            kind = registry.load_strategy(name)
            _describe(name, kind, options.of_dataclass(kind.Options), "", kind.Options.__doc__ or "")
        elif name in registry.SPACES:
            kind = registry.load_space(name)
            _describe(name, kind, options.of_space(kind), "space.", "")
        else:
            raise unknown("strategy or space", name, [*registry.STRATEGIES, *registry.SPACES])
        return 0
    click.echo("strategies (archloom list NAME shows the options of one)")
    for key, entry in registry.STRATEGIES.items():
        click.echo(f"  {key:<14} {entry.title}")
    click.echo("spaces")
    for key, entry in registry.SPACES.items():
        click.echo(f"  {key:<14} {entry.title}")
    click.echo("benchmarks for --on")
    for status in catalog.installed(environ=os.environ):
        here = status.origin or "not on this machine: archloom data list"
        click.echo(f"  {status.benchmark.name:<18} {status.benchmark.title} [{here}]")
    click.echo(f"  {'table':<18} any table in archloom's format, with --table FILE")
    click.echo(f"  {'FILE.py':<18} a problem of your own")
    return 0


@click.group()
def data() -> None:
    """List, fetch, convert and verify benchmark tables."""


@data.command("list")
def data_list() -> int:
    """Say where each benchmark's table is, or how to get it."""
    from archloom.data import catalog

    click.echo(f"cache: {catalog.cache_dir(os.environ)}")
    click.echo(f"ARCHLOOM_DATA: {os.environ.get('ARCHLOOM_DATA', 'not set')}")
    for status in catalog.installed(environ=os.environ):
        benchmark = status.benchmark
        where = f"{status.origin}{f': {status.path}' if status.path else ''}" if status.origin else "not here"
        click.echo(f"{benchmark.name}\n  {benchmark.title}\n  {where}; licence {benchmark.licence}; {benchmark.size}")
    return 0


@data.command("fetch")
@click.argument("benchmark")
@click.option("--source", default=None, help="Which of its official files; archloom data list names the benchmarks.")
@click.option("--file", "file", type=click.Path(path_type=Path), default=None,
              help="The official file, already downloaded.")  # fmt: skip
@click.option("--sha256", default=None, help="The SHA-256 that the file must have.")
@click.option("--keep", is_flag=True, help="Keep the download after converting it.")
def data_fetch(benchmark: str, source: str | None, file: Path | None, sha256: str | None, keep: bool) -> int:
    """Download the official file of BENCHMARK, check it, and convert it into the cache."""
    from archloom.data import catalog

    show = _Stages()
    if file is not None:
        path = catalog.add(benchmark, file, environ=os.environ, source=source, sha256=sha256, progress=show)
    else:
        click.echo(f"fetching {benchmark}: {catalog.find(benchmark).size}", err=True)
        path = catalog.fetch(
            benchmark,
            environ=os.environ,
            source=source,
            sha256=sha256,
            progress=show,
            notify=lambda text: click.echo(text, err=True),
            keep=keep,
        )
    click.echo(str(path))
    return 0


@data.command("convert")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), required=True, help="The table: FILE.npz.")
@click.option("--kind", default=None, help="What the file is, where its name and content do not tell.")
def data_convert(file: Path, target: Path, kind: str | None) -> int:
    """Convert an official benchmark FILE into a table in archloom's format."""
    from archloom.data.convert import convert

    if target.suffix != ".npz":
        raise InputError(f"-o {target}: expected a file ending in .npz")
    show = _Stages()
    table = convert(file, kind=kind, progress=lambda done, total: show("convert", done, total))
    click.echo(str(table.save(target)))
    return 0


@data.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
def data_verify(file: Path) -> int:
    """Check a table: its format, and the benchmark's known answers."""
    from archloom.data.tables import load_table
    from archloom.data.verify import verify

    table = load_table(file)
    click.echo(f"{table.name}: space {table.space}, {len(table):,} rows, sha256 {table.sha256}")
    findings = verify(table)
    for finding in findings:
        click.echo(f"  {'ok  ' if finding.ok else 'WRONG'} {finding.what}")
    return Exit.DONE if all(finding.ok for finding in findings) else Exit.FAILURES


class _Stages:
    """Progress of a download or a conversion on standard error, a line at most every two seconds."""

    def __init__(self) -> None:
        self._said_at = 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        import time

        if time.monotonic() - self._said_at < 2.0:
            return
        self._said_at = time.monotonic()
        click.echo(f"{stage}: {done:,}{f' of {total:,}' if total else ''}", err=True)


def _describe(name: str, kind: type, known: dict, prefix: str, notes: str) -> None:  # type: ignore[type-arg]
    """Print what a class says of itself, and its options with their defaults."""
    import inspect

    click.echo(f"{name}: {inspect.cleandoc(kind.__doc__ or '')}\n")
    click.echo("options (--set NAME=VALUE)" if known else "no options")
    for option in known.values():
        click.echo(f"  {prefix}{option.name} = {_plain(option.default)}")
    if known and notes:
        click.echo("\n" + inspect.cleandoc(notes))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
