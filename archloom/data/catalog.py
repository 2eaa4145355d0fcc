"""The benchmarks archloom knows, where their tables are on this machine, and how to get them.

A table is looked for in this order: the file the user names (`--table`), the folder in `ARCHLOOM_DATA`, the
cache (where `fetch` puts what it converted), and an installed Python package, converted once into the cache.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from archloom.data.packages import NBGRAPH_GRAPHS, package_version
from archloom.data.tables import Table, TableError
from archloom.errors import InputError, unknown

if TYPE_CHECKING:
    from archloom.data.fetch import Digests

# What fetches and converts (urllib, tarfile ...) is imported where it is used: every search imports this module, and
# almost none downloads.

DATA_VARIABLE = "ARCHLOOM_DATA"
CACHE_VARIABLE = "ARCHLOOM_CACHE"
# Part of the name of every table made from a package: raise it when a conversion changes, and old ones are
# made anew.
_REVISION = 1

Progress = Callable[[str, int, int | None], None]
"""Called with the stage ("download" in bytes, "convert" in architectures), what is done, and how much is."""


@dataclass(frozen=True)
class Source:
    """An official file, and what is known of its digests."""

    kind: str  # the converter that reads it
    file_name: str
    url: str
    page: str  # for people: where the authors link it
    size_bytes: int | None
    sha256: str | None
    md5: str | None
    digest_note: str  # who says so


@dataclass(frozen=True)
class Benchmark:
    """A tabular benchmark.

    `provider` is "module:function" and makes the table from an installed `package`.
    """

    name: str
    space: str
    title: str
    file_name: str
    licence: str
    size: str
    citation: str
    sources: tuple[Source, ...] = ()
    package: str | None = None
    provider: str | None = None
    provider_arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """Where a benchmark's table would come from now.

    `path` is None for a package whose data are not converted yet, `origin` where there is nothing.
    """

    benchmark: Benchmark
    path: Path | None
    origin: str | None


# The address behind the "too large to scan for viruses" page.
_DRIVE = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"

_NATS_TSS = Source(
    kind="nats-tss",
    file_name="NATS-tss-v1_0-3ffb9-simple.tar",
    url=_DRIVE.format("17_saCsj_krKjlCBLOJEpNtzPXArMCqxU"),
    page="https://github.com/D-X-Y/NATS-Bench#preparation-and-download",
    size_bytes=1_145_989_120,
    sha256="580fd8f3425fed9f495640b0f12ccb7744f89dec7aff263bd75aed37ab0b8bb6",
    md5=None,
    digest_note="the authors publish no digest of this archive (3ffb9 in its name is of another file); "
    "this SHA-256 is "
    "the one that a public project pins for the same address",
)
_NASBENCH201 = Source(
    kind="nasbench201",
    file_name="NAS-Bench-201-v1_1-096897.pth",
    url=_DRIVE.format("16Y0UwGisiouVRxW-W5hEtbxmcHw_0hF_"),
    page="https://github.com/D-X-Y/NAS-Bench-201#preparation-and-download",
    size_bytes=5_003_180_601,
    sha256=None,
    md5="55e847143ce1f7c2d89b676f6b096897",
    digest_note="the authors publish the last six digits of the MD5 (096897, in the name); "
    "several public projects "
    "report the whole of it",
)

BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            name="nb201",
            space="nb201",
            title="NAS-Bench-201: all 15,625 cells on CIFAR-10, CIFAR-100 and ImageNet16-120",
            file_name="nb201.npz",
            licence="NAS-Bench-201 and NATS-Bench: MIT; the package analog-nasbench states none",
            size="1.1 GB to download, 1 MB as a table",
            citation="Dong and Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture "
            "Search, "
            "ICLR 2020; Dong et al., NATS-Bench, TPAMI 2021",
            sources=(_NATS_TSS, _NASBENCH201),
            package="analog-nasbench",
            provider="archloom.data.packages:analog_nb201",
        ),
        *(
            Benchmark(
                name=f"nbgraph:{graph}",
                space="nbgraph",
                title=f"NAS-Bench-Graph: 26,206 graph networks on {graph}",
                file_name=f"nbgraph_{graph}.npz",
                licence="Apache-2.0",
                size="1 MB as a table; the package is 3 MB",
                citation="Qin et al., NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search, NeurIPS 2022",
                package="nas-bench-graph",
                provider="archloom.data.packages:nbgraph",
                provider_arguments=(graph,),
            )
            for graph in NBGRAPH_GRAPHS
        ),
    )
}


def find(name: str) -> Benchmark:
    """The benchmark of this name (`nb201`, `nbgraph:cora`). Raises InputError with the nearest name."""
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    variants = [known for known in BENCHMARKS if known.startswith(f"{name}:")]
    if variants:
        raise InputError(f"benchmark {name!r} needs a dataset; expected one of {', '.join(variants)}")
    raise unknown("benchmark", name, BENCHMARKS)


def cache_dir(environ: Mapping[str, str]) -> Path:
    """The folder for what archloom converts and downloads; it may not exist yet."""
    chosen = environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "archloom"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "archloom" / "Cache"
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "archloom"


def locate(name: str, *, table: Path | None = None, environ: Mapping[str, str]) -> Path:
    """The table file of a benchmark, converting an installed package's data the first time.

    `table` is the file the user named, if any. Raises InputError, with the ways to get the table, where there
    is none.
    """
    benchmark = find(name)
    if table is not None:
        return table
    path = _in_folders(benchmark, environ)[0] or _from_package(benchmark, environ)
    if path is None:
        raise InputError(_how_to_get(benchmark))
    return path


def status(name: str, *, environ: Mapping[str, str]) -> Status:
    """Where `locate` would find a benchmark's table, without converting anything."""
    benchmark = find(name)
    path, origin = _in_folders(benchmark, environ)
    if path is not None:
        return Status(benchmark, path, origin)
    version = package_version(benchmark.package) if benchmark.package else None
    if version is None:
        return Status(benchmark, None, None)
    made = _package_table(benchmark, version, environ)
    return Status(benchmark, made if made.is_file() else None, f"package {benchmark.package} {version}")


def installed(*, environ: Mapping[str, str]) -> list[Status]:
    """The status of every benchmark, in the catalogue's order."""
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

    `source` picks one of the benchmark's sources by its kind (the first otherwise). `sha256` replaces what
    the catalogue knows of the file's digests. The download is deleted once the table stands, unless `keep`.
    An interrupted download is continued by the next call. Raises InputError (FetchError, TableError) and then
    changes no table.
    """
    from archloom.data.fetch import FetchError, download

    benchmark = find(name)
    official = _source(benchmark, source)
    target = _folder(cache_dir(environ) / "downloads") / official.file_name
    digests = _digests(official, sha256)
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
    path = add(name, target, environ=environ, source=official.kind, sha256=sha256, progress=progress)
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

    A single file must have the digest that is known for it (or the `sha256` given); a folder cannot be
    checked that way, only by the benchmark's known answers.
    """
    from archloom.data.convert import convert
    from archloom.data.fetch import wrong_digests

    benchmark = find(name)
    official = next((s for s in benchmark.sources if s.file_name == file.name), None)
    if official is not None and file.is_file():
        wrong = wrong_digests(file, _digests(official, sha256))
        if wrong:
            raise TableError(f"{file}: {wrong} ({official.digest_note}); download it again or give its --sha256")
    table = convert(
        file,
        kind=source,
        progress=None if progress is None else lambda done, total: progress("convert", done, total),
    )
    _refuse_wrong(benchmark, file, table)
    return table.save(_folder(cache_dir(environ)) / benchmark.file_name)


def _refuse_wrong(benchmark: Benchmark, file: Path, table: Table) -> None:
    from archloom.data.verify import verify

    if table.space != benchmark.space:
        raise TableError(f"{file}: holds the space {table.space!r}; {benchmark.name} needs {benchmark.space!r}")
    wrong = [finding.what for finding in verify(table) if not finding.ok]
    if wrong:
        raise TableError(f"{file}: not the whole {benchmark.name}: {'; '.join(wrong)}; download it again")


def _digests(source: Source, sha256: str | None) -> Digests:
    from archloom.data.fetch import Digests

    return Digests(sha256=sha256) if sha256 is not None else Digests(source.sha256, source.md5)


def _source(benchmark: Benchmark, kind: str | None) -> Source:
    by_kind = {source.kind: source for source in benchmark.sources}
    if not by_kind:
        raise InputError(f"{benchmark.name} is not downloaded: {_how_to_get(benchmark)}")
    if kind is None:
        return benchmark.sources[0]
    if kind not in by_kind:
        raise unknown(f"source of {benchmark.name}", kind, by_kind)
    return by_kind[kind]


def _in_folders(benchmark: Benchmark, environ: Mapping[str, str]) -> tuple[Path | None, str | None]:
    data = environ.get(DATA_VARIABLE)
    if data:
        if not Path(data).is_dir():
            raise InputError(f"{DATA_VARIABLE}={data}: no such folder; expected one with tables; correct or unset it")
        if (Path(data) / benchmark.file_name).is_file():
            return Path(data) / benchmark.file_name, DATA_VARIABLE
    cached = cache_dir(environ) / benchmark.file_name
    return (cached, "cache") if cached.is_file() else (None, None)


def _from_package(benchmark: Benchmark, environ: Mapping[str, str]) -> Path | None:
    """The table made from the installed package, made now if need be.

    Two processes may make it at once: each writes a file of its own and renames it, and both files are the
    same.
    """
    version = package_version(benchmark.package) if benchmark.package else None
    if version is None or benchmark.provider is None:
        return None
    target = _package_table(benchmark, version, environ)
    if not target.is_file():
        module, function = benchmark.provider.split(":")
        provide = cast("Callable[..., Table]", getattr(cast(Any, importlib.import_module(module)), function))
        table = provide(*benchmark.provider_arguments)
        _folder(target.parent)
        table.save(target)
    return target


def _package_table(benchmark: Benchmark, version: str, environ: Mapping[str, str]) -> Path:
    stem = Path(benchmark.file_name).stem
    return cache_dir(environ) / f"{stem}-{benchmark.package}-{version}-r{_REVISION}.npz"


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be made ({error.strerror or error}); set {CACHE_VARIABLE} to a folder that may "
            "be written to"
        ) from error
    return path


def _how_to_get(benchmark: Benchmark) -> str:
    ways = []
    if benchmark.package:
        ways.append(f'pip install "archloom[bench]" (brings {benchmark.package})')
    if benchmark.sources:
        ways.append(f"archloom data fetch {benchmark.name} ({benchmark.size})")
    ways.append(f"--table FILE, or {benchmark.file_name} in the folder {DATA_VARIABLE}")
    return f"no table for {benchmark.name} on this machine; get it by {'; or '.join(ways)}"
