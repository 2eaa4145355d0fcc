"""Where the tables of benchmarks are on this machine, and how to get them.

A table is looked for in this order: the file the user names (`--table`), the folder in `ARCHLOOM_DATA`, the
cache (where `fetch` puts what it converted), and an installed Python package, converted once into the cache. If none
of them has it, the folder and the cache are searched for one of the benchmark's substitutes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from archloom.data.benchmarks import BENCHMARKS as BENCHMARKS
from archloom.data.benchmarks import Benchmark, Source
from archloom.data.cache import DATA_VARIABLE, cache_dir, make_folder
from archloom.data.convert.packages import package_version
from archloom.data.tables import Table, TableError
from archloom.errors import InputError, unknown

if TYPE_CHECKING:
    from archloom.data.download.fetch import Digests

# What fetches and converts (urllib, tarfile ...) is imported where it is used: every search imports this module, and
# almost none downloads.

# Part of the name of every table made from a package: raise it when a conversion changes, so that tables are
# converted again.
_REVISION = 1

Progress = Callable[[str, int, int | None], None]
"""Called with the stage ("download" in bytes, "convert" in architectures or, if the file is read as a stream, in
bytes), how much is done, and the total if known."""


@dataclass(frozen=True)
class Status:
    """Where a benchmark's table would come from now.

    `path` is None if a package's data are not converted yet, `origin` if there is no table. `origin` names a
    substitute as such.
    """

    benchmark: Benchmark
    path: Path | None
    origin: str | None


def find(name: str, others: Collection[str] = ()) -> Benchmark:
    """The benchmark with this name (`nb201`, `nbgraph:cora`), or the only one on the space with this name (`darts`).

    Raises InputError that suggests the nearest name; `others` are further names that the caller knows.
    """
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    variants = [known for known in BENCHMARKS if known.startswith(f"{name}:")]
    if variants:
        raise InputError(f"benchmark {name!r} needs a dataset; expected one of {', '.join(variants)}")
    if resolve_alias(name) in BENCHMARKS:
        return BENCHMARKS[resolve_alias(name)]
    raise unknown("benchmark", name, [*BENCHMARKS, *others])


def resolve_alias(name: str) -> str:
    """The canonical name of a benchmark if `name` is an alias of it (`darts` for `nb301`), else `name` itself."""
    over = [known for known in BENCHMARKS.values() if known.space == name]
    return over[0].name if name not in BENCHMARKS and len(over) == 1 else name


def locate(name: str, *, table: Path | None = None, environ: Mapping[str, str]) -> Path:
    """The table file of a benchmark, converting an installed package's data the first time.

    `table` is the file the user named, if any. If there is no table, raises InputError with the ways to get it.
    """
    benchmark = find(name)
    if table is not None:
        return table
    path = (
        _in_folders(benchmark.file_name, environ)[0]
        or _from_package(benchmark, environ)
        or _substitute(benchmark, environ)[0]
    )
    if path is None:
        raise InputError(_how_to_get(benchmark))
    return path


def status(name: str, *, environ: Mapping[str, str]) -> Status:
    """Where `locate` would find a benchmark's table, without converting anything."""
    benchmark = find(name)
    path, origin = _in_folders(benchmark.file_name, environ)
    if path is not None:
        return Status(benchmark, path, origin)
    version = package_version(benchmark.package) if benchmark.package else None
    if version is None:
        return Status(benchmark, *_substitute(benchmark, environ))
    made = _package_table(benchmark, version, environ)
    return Status(benchmark, made if made.is_file() else None, f"package {benchmark.package} {version}")


def installed(*, environ: Mapping[str, str]) -> list[Status]:
    """The status of every benchmark, in catalogue order."""
    return [status(name, environ=environ) for name in BENCHMARKS]


def fetch(
    name: str,
    *,
    environ: Mapping[str, str],
    source: str | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
    keep: bool = False,
) -> Path:
    """Download a benchmark's official file, convert and verify it, and return the table's path in the cache.

    `source` picks one of the benchmark's sources by name (by default the first). `sha256` replaces the digests in
    the catalogue. The download is deleted once the table is written, unless `keep`. The next call resumes an
    interrupted download. Raises InputError (FetchError, TableError) and then
    changes no table.
    """
    from archloom.data.download.fetch import FetchError, download

    benchmark = find(name)
    official = _source(benchmark, source)
    digests = _digests(official, sha256)
    target = make_folder(cache_dir(environ) / "downloads") / official.file_name
    if notify is not None:
        notify(f"fetching {name}: {benchmark.size}")
    try:
        download(
            official.url,
            target,
            sha256=digests.sha256,
            md5=digests.md5,
            progress=None if progress is None else lambda done, total: progress("download", done, total),
            notify=notify,
        )
    except FetchError as error:
        raise FetchError(
            f"{error}; by hand: {official.page}, then archloom data fetch {name} --file {official.file_name}"
        ) from error
    path = add(name, target, environ=environ, source=official.name, sha256=sha256, progress=progress)
    if not keep:
        target.unlink(missing_ok=True)
    return path


def add(
    name: str,
    file: Path,
    *,
    environ: Mapping[str, str],
    source: str | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Convert an official file that is already here, verify it, and return the table's path in the cache.

    A single file, whatever its name, must have the digest of one of the benchmark's sources (or the `sha256` given); a
    folder cannot be checked that way, only by the benchmark's known answers. `source` says which of the benchmark's
    sources the file is; None recognises it by its content.
    """
    from archloom.data.convert.official import check_readable, convert

    benchmark = find(name)
    if file.exists():
        check_readable(file)
    if file.is_file():
        _check_digest(benchmark, file, source, sha256)
    elif sha256 is not None and file.is_dir():
        raise InputError(f"--sha256: {file} is a folder, which has no digest; give the file, or omit it")
    table = convert(
        file,
        kind=None if source is None else _source(benchmark, source).kind,
        progress=None if progress is None else lambda done, total: progress("convert", done, total),
    )
    _refuse_wrong(benchmark, file, table)
    return table.save(make_folder(cache_dir(environ)) / benchmark.file_name)


def _check_digest(benchmark: Benchmark, file: Path, source: str | None, sha256: str | None) -> None:
    """InputError unless a file has the digest that the user gave, or one that is published for the benchmark."""
    from archloom.data.download.fetch import Digests, wrong_digests

    if sha256 is not None:
        if wrong := wrong_digests(file, Digests(sha256=sha256)):
            raise TableError(f"{file}: {wrong}, which is the --sha256 given; download it again or correct that")
        return
    sources = benchmark.sources if source is None else (_source(benchmark, source),)
    wrongs = [(wrong_digests(file, _digests(official, None)), official) for official in sources]
    if wrongs and all(wrong for wrong, _ in wrongs):
        wrong, official = next((pair for pair in wrongs if pair[1].file_name == file.name), wrongs[0])
        others = ", ".join(one.file_name for _, one in wrongs)
        raise TableError(
            f"{file}: {wrong} ({official.digest_note}), so it is none of the official files ({others}); download it "
            "again or give its --sha256"
        )


def _refuse_wrong(benchmark: Benchmark, file: Path, table: Table) -> None:
    from archloom.data.tables.verify import verify

    if table.space != benchmark.space:
        raise TableError(f"{file}: holds the space {table.space!r}; {benchmark.name} needs {benchmark.space!r}")
    wrong = [finding.what for finding in verify(table) if not finding.ok]
    if wrong:
        raise TableError(f"{file}: not the whole {benchmark.name}: {'; '.join(wrong)}; download it again")


def _digests(source: Source, sha256: str | None) -> Digests:
    from archloom.data.download.fetch import Digests

    return Digests(sha256=sha256) if sha256 is not None else Digests(source.sha256, source.md5)


def _source(benchmark: Benchmark, name: str | None) -> Source:
    by_name = {source.name: source for source in benchmark.sources}
    if not by_name:
        raise InputError(f"{benchmark.name} is not downloaded: {_ways_to_get(benchmark)}")
    if name is None:
        return benchmark.sources[0]
    if name not in by_name:
        raise unknown(f"source of {benchmark.name}", name, by_name)
    return by_name[name]


def _in_folders(file_name: str, environ: Mapping[str, str]) -> tuple[Path | None, str | None]:
    data = environ.get(DATA_VARIABLE)
    if data:
        if not Path(data).is_dir():
            raise InputError(f"{DATA_VARIABLE}={data}: no such folder; expected one with tables; correct or unset it")
        if (Path(data) / file_name).is_file():
            return Path(data) / file_name, DATA_VARIABLE
    cached = cache_dir(environ) / file_name
    return (cached, "cache") if cached.is_file() else (None, None)


def _substitute(benchmark: Benchmark, environ: Mapping[str, str]) -> tuple[Path | None, str | None]:
    for file_name in benchmark.substitutes:
        path, origin = _in_folders(file_name, environ)
        if path is not None:
            return path, f"substitute {file_name} in {origin}"
    return None, None


def _from_package(benchmark: Benchmark, environ: Mapping[str, str]) -> Path | None:
    """The table converted from the installed package, now if it was not converted before.

    Two processes may convert it at once: each writes its own file and renames it, and both files are the same.
    """
    version = package_version(benchmark.package) if benchmark.package else None
    if version is None or benchmark.provider is None:
        return None
    target = _package_table(benchmark, version, environ)
    if not target.is_file():
        module, function = benchmark.provider.split(":")
        provide = cast("Callable[..., Table]", getattr(cast(Any, importlib.import_module(module)), function))
        table = provide(*benchmark.provider_arguments)
        make_folder(target.parent)
        table.save(target)
    return target


def _package_table(benchmark: Benchmark, version: str, environ: Mapping[str, str]) -> Path:
    return cache_dir(environ) / f"{_package_prefix(benchmark)}{version}-r{_REVISION}.npz"


def _package_prefix(benchmark: Benchmark) -> str:
    return f"{Path(benchmark.file_name).stem}-{benchmark.package}-"


def stands_in(benchmark: Benchmark, file_name: str) -> bool:
    """Whether a table with this name is used if the official one is missing: a substitute, or from a package."""
    return file_name in benchmark.substitutes or file_name.startswith(_package_prefix(benchmark))


def _how_to_get(benchmark: Benchmark) -> str:
    return f"no table for {benchmark.name} on this machine; {_ways_to_get(benchmark)}"


def _ways_to_get(benchmark: Benchmark) -> str:
    ways = []
    if benchmark.package:
        ways.append(f'pip install "archloom[bench]" (brings {benchmark.package})')
    if benchmark.sources:
        ways.append(f"archloom data fetch {benchmark.name} ({benchmark.size})")
    if benchmark.by_hand:
        ways.append(benchmark.by_hand)
    if not ways:
        return f"name it with --table FILE, or put {benchmark.file_name} in the folder {DATA_VARIABLE}"
    ways.append(f"--table FILE, or {benchmark.file_name} in the folder {DATA_VARIABLE}")
    return f"get it by {'; or '.join(ways)}"
