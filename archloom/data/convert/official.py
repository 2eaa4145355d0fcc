"""Official benchmark files as tables.

Each format is one `Converter` in `CONVERTERS`; a new one takes one line there and a module that reads it. Files are
recognised by their content, or, if they are damaged, by their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from archloom.data.convert.nasbench201 import is_nats, is_pth, nasbench201_pth, nats_tss
from archloom.data.convert.tfrecord import HEADER
from archloom.data.progress import Progress
from archloom.data.tables import Table, TableError
from archloom.errors import MissingExtraError, unknown
from archloom.utils.contents import kind_of_file, refuse_web_page


@dataclass(frozen=True)
class Converter:
    """How one official format becomes a table."""

    kind: str
    expects: str  # for people: the file to give
    names: tuple[str, ...]  # patterns of the official names, for files with a damaged beginning
    accepts: Callable[[Path], bool]  # cheap; must not raise on foreign files
    convert: Callable[[Path, Progress | None], Table]


def convert(path: str | Path, *, kind: str | None = None, progress: Progress | None = None) -> Table:
    """The table in an official benchmark file or folder.

    `kind` names a converter; None recognises the file by its content, then by its name. Raises TableError for a file
    that no converter knows and for a damaged one, UnpickleError for one that asks for foreign code, MissingExtraError
    for one that needs a package which is not installed.
    """
    file = Path(path)
    if not file.exists():
        raise TableError(f"{file}: no such file or folder; expected an official benchmark file; check the path")
    check_readable(file)
    return converter_of(file, kind).convert(file, progress)


def converter_of(file: Path, kind: str | None = None) -> Converter:
    """What reads a file or folder that is there; errors are those of `convert`."""
    by_kind = {converter.kind: converter for converter in CONVERTERS}
    if kind is not None:
        if kind not in by_kind:
            raise unknown("kind of benchmark file", kind, by_kind)
        return by_kind[kind]
    for converter in CONVERTERS:
        if converter.accepts(file):
            return converter
    for converter in CONVERTERS if file.is_file() else ():
        if any(fnmatch(file.name.lower(), pattern) for pattern in converter.names):
            return converter
    found = kind_of_file(file)
    known = "; ".join(f"{converter.kind}: {converter.expects}" for converter in CONVERTERS)
    raise TableError(
        f"{file}: not a benchmark file that archloom can convert{f' ({found})' if found else ''}; it knows {known}; if "
        "it is one of these, name it with --kind to see what is wrong with it; numbers of your own become a table by "
        "archloom.data.tables.save_table (docs/tables.md)"
    )


def check_readable(file: Path) -> None:
    """InputError for a web page, and for what is neither a file nor a folder: a pipe would never end."""
    if not (file.is_file() or file.is_dir()):
        raise TableError(f"{file}: neither a file nor a folder; expected an official benchmark file")
    refuse_web_page(file)


_NASBENCH101 = re.compile(rb'\s*\[\s*"[0-9a-f]{32}"\s*,')


def is_nasbench101(path: Path) -> bool:
    """Whether a file begins like a record of NAS-Bench-101. No checksum is verified."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return _NASBENCH101.match(stream.read(HEADER + 64), HEADER) is not None


def _nasbench101(path: Path, progress: Progress | None) -> Table:
    try:
        from archloom.data.convert.nasbench101 import nasbench101
    except ImportError:
        raise MissingExtraError("numba", "bench", "reading a file of NAS-Bench-101") from None
    return nasbench101(path, progress)


CONVERTERS: tuple[Converter, ...] = (
    Converter("nats-tss", "the folder or .tar NATS-tss-v1_0-3ffb9-simple", ("nats-tss-*",), is_nats, nats_tss),
    Converter("nasbench201", "NAS-Bench-201-v1_1-096897.pth", ("nas-bench-201-*.pth",), is_pth, nasbench201_pth),
    Converter(
        "nasbench101",
        "nasbench_only108.tfrecord or nasbench_full.tfrecord",
        ("nasbench*.tfrecord",),
        is_nasbench101,
        _nasbench101,
    ),
)
