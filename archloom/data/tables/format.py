"""archloom's table format: one `.npz` file that answers every query of a tabular benchmark.

| array | shape | what |
|---|---|---|
| `genes` | (n, g) integer | row i is architecture i: `genes[i, j]` indexes `options[j]` |
| `meta` | () string | JSON: `space`, `genes`, `options`, `goals` (metric to max or min), `source`, `units` ... |
| every other array | (n,) float32 | a metric; NaN = not measured |
| | (n, e) float32 | a curve: a metric during a training, one column per fidelity |

`meta` may also have `fidelities`, `{"unit": "epochs", "metrics": {"valid": {"12": "valid_12", "200": "valid_200"}},
"curves": {"train": [1, 2, 5]}}`: which arrays are one metric at several fidelities, and the fidelities of a curve's
columns (by default 1, 2, 3 ...); `seconds`, the name of the metric that holds the training time; and `ordinal`, a
list of metrics whose values only rank architectures, as scores of untrained networks do.

Files come in through `load_table`, arrays through `Table.from_arrays`; both run the same checks and raise a one-line
`TableError`. Loading validates everything except the metrics' values: their shapes and types are read from the headers
inside the zip, the values when a metric is first needed.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, Protocol, cast

import msgspec
import numpy as np
import numpy.typing as npt

from archloom.data.npz import NpzError, read_headers
from archloom.data.tables.fidelities import NO_FIDELITIES, Fidelities
from archloom.errors import InputError
from archloom.types import Goal
from archloom.utils.contents import BEGINNING, kind_of
from archloom.utils.files import replace_file

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.integer[Any]]

GENES, META = "genes", "meta"
# A deflated member may expand a thousandfold, so a small file can claim any size: these bounds are checked
# against the headers before anything is decompressed. The largest public table needs 11 MB per array.
MAX_FILE_BYTES = 2**31
MAX_ARRAY_BYTES = 2**29
MAX_META_BYTES = 2**24
MAX_ROWS = 2**24
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold: the same content gives the same bytes


class TableError(InputError):
    """A table that cannot be used.

    The message is one line: the file, the value, what was expected, how to fix it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class _Columns(Protocol):
    """Where a table's metrics are read from."""

    def read(self, metric: str) -> Floats:
        """The metric's values, (n,) float32, checked."""


@dataclass(frozen=True)
class _Arrays:
    """Metrics that are already in memory."""

    arrays: Mapping[str, Floats]

    def read(self, metric: str) -> Floats:
        return self.arrays[metric]


class _Npz:
    """The arrays of one `.npz` file, held compressed and unpacked one at a time.

    Holding the bytes (5 MB for the largest public table) rather than the path means that a file replaced
    while a search runs cannot mix two tables, and that the digest is of exactly what was read.
    """

    def __init__(self, label: str, raw: bytes) -> None:
        self.label = label
        self.raw = raw
        try:
            with self._open() as archive:
                self.headers = read_headers(archive)
        except NpzError as error:
            raise TableError(f"{label}: {error}") from None
        except Exception as error:
            # zipfile and numpy raise a dozen kinds on garbage, none of them for people
            kind = None if raw.startswith(b"PK") else kind_of(raw[:BEGINNING])
            raise TableError(
                f"{label}: not a table ({kind or _reason(error)}); expected an uncorrupted .npz file in archloom's "
                "table format (docs/tables.md); download or convert it again"
            ) from error

    def _open(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.raw))

    def array(self, name: str) -> npt.NDArray[Any]:
        """The array `name`, unpacked; read-only. The caller has bounded its size."""
        header = self.headers[name]
        try:
            with self._open() as archive, archive.open(f"{name}.npy") as stream:
                data = stream.read()  # zipfile checks the CRC and stops at the size the header check saw
            flat = np.frombuffer(data, dtype=header.dtype, offset=header.offset)
            return flat.reshape(header.shape, order="F" if header.fortran else "C")
        except Exception as error:
            raise TableError(
                f"{self.label}: array {name!r} cannot be read ({_reason(error)}); the file is damaged; "
                "download or convert it again"
            ) from error

    def read(self, metric: str) -> Floats:
        return _to_float32(self.label, metric, self.array(metric))


@dataclass(frozen=True)
class _Index:
    """Exact look-up of rows by a 64-bit code: sorted codes, and the rows in that order.

    The code is the mixed-radix number of the genes if that fits in 64 bits, and otherwise a sum with fixed odd
    weights; candidates are compared gene by gene in both cases, so a collision costs time but never correctness.
    """

    weights: tuple[int, ...]
    codes: npt.NDArray[np.uint64]  # (n,) sorted
    rows: npt.NDArray[np.intp]  # (n,)

    @classmethod
    def build(cls, genes: Integers, sizes: Sequence[int]) -> _Index:
        weights = _weights(sizes)
        codes = np.zeros(len(genes), dtype=np.uint64)
        for column, weight in enumerate(weights):
            codes += genes[:, column].astype(np.uint64) * np.uint64(weight)  # wraps around by design
        rows = np.argsort(codes, kind="stable")
        return cls(weights, codes[rows], rows)

    def code(self, genes: Sequence[int]) -> np.uint64:
        total = sum(weight * int(gene) for weight, gene in zip(self.weights, genes, strict=True))
        return np.uint64(total % 2**64)

    def duplicates(self, genes: Integers) -> tuple[int, int] | None:
        """Two rows with the same genes (lower first), or None."""
        equal = np.flatnonzero(self.codes[1:] == self.codes[:-1])
        for start in equal:
            first = int(self.rows[start])
            stop = int(np.searchsorted(self.codes, self.codes[start], side="right"))
            for other in self.rows[start + 1 : stop]:
                if np.array_equal(genes[first], genes[other]):
                    low, high = sorted((first, int(other)))
                    return low, high
        return None


@dataclass(frozen=True, eq=False)
class Table:
    """One benchmark: `genes` (n, g) and metrics (n,). Build with `load_table` or `Table.from_arrays`.

    `options[j]` names the values of column j; `goals` keeps the order of the file, whose first metric named
    "valid" is what a search optimises by default. Tables compare by identity and pickle without their caches.
    """

    path: Path | None
    space: str
    gene_names: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]
    goals: Mapping[str, Goal]
    source: str
    units: str
    genes: Integers = field(repr=False)
    _columns: _Columns = field(repr=False)
    fidelities: Fidelities = NO_FIDELITIES
    seconds: str | None = None
    ordinal: tuple[str, ...] = ()
    _cache: dict[str, Floats] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def from_arrays(
        cls,
        *,
        space: str,
        gene_names: Sequence[str],
        options: Sequence[Sequence[str]],
        genes: npt.ArrayLike,
        metrics: Mapping[str, npt.ArrayLike],
        goals: Mapping[str, str],
        source: str,
        units: str,
        fidelities: Mapping[str, object] | None = None,
        seconds: str | None = None,
        ordinal: Sequence[str] = (),
    ) -> Table:
        """A table in memory. Raises TableError for everything that `load_table` would refuse in a file."""
        label = f"table of space {space!r}"
        written = _meta_json(space, gene_names, options, goals, source, units, fidelities, seconds, ordinal)
        meta = _check_meta(label, json.loads(json.dumps(written)))
        arrays = {name: np.asarray(values) for name, values in metrics.items()}
        rows = _check_genes(label, np.asarray(genes), meta)
        meta = _check_columns(label, {name: (a.shape, a.dtype) for name, a in arrays.items()}, meta, len(rows))
        columns = _Arrays({name: _to_float32(label, name, arrays[name]) for name in meta.goals})
        return _build(label, None, meta, rows, columns)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The arrays' names, in the order of `goals`."""
        return tuple(self.goals)

    @property
    def all_goals(self) -> dict[str, Goal]:
        """Every metric with its direction: the arrays, and the metrics that they hold at several fidelities."""
        return self.fidelities.goals(self.goals)

    def with_fidelities(self, fidelities: Fidelities, seconds: str | None = None) -> Table:
        """The same table with these fidelities."""
        return replace(self, fidelities=fidelities, seconds=seconds or self.seconds)

    def with_metrics(
        self,
        metrics: Mapping[str, npt.ArrayLike],
        goals: Mapping[str, str],
        source: str,
        units: str,
        ordinal: Sequence[str] = (),
    ) -> Table:
        """The same rows with more metrics (n,), in memory; their source and units stand after the table's own.

        TableError for a metric that the table has, and for what `from_arrays` refuses.
        """
        for name in metrics:
            if name in self.all_goals:
                raise TableError(f"{self.name}: has a metric {_short(name)}; expected another name; rename the new one")
        return Table.from_arrays(
            space=self.space,
            gene_names=self.gene_names,
            options=self.options,
            genes=self.genes,
            metrics={**{name: self._array(name) for name in self.goals}, **metrics},
            goals={**self.goals, **goals},
            source=f"{self.source}; {source}",
            units=f"{self.units}; {units}" if self.units else units,
            fidelities=_declared(self.fidelities),
            seconds=self.seconds,
            ordinal=(*self.ordinal, *ordinal),
        )

    def array_at(self, metric: str, fidelity: int | None = None) -> str:
        """The array that holds a metric's values at a fidelity (None: the highest); a curve is its own array."""
        at = self.fidelities.metrics.get(metric)
        if at is None:
            return metric
        level = max(at) if fidelity is None else fidelity
        if level not in at:
            self._refuse_level(metric, level)
        return at[level]

    @property
    def name(self) -> str:
        """The file's name, for records and messages; the space's name if there is no file."""
        return self.path.name if self.path is not None else f"<{self.space} in memory>"

    def metric(self, name: str, fidelity: int | None = None) -> Floats:
        """Values of one metric at a fidelity (None: the highest), (n,) float32, read-only, NaN = not measured.

        TableError for an unknown name, or a fidelity that the metric does not have. A metric with a single value has
        it at every fidelity.
        """
        array = self.array_at(name, fidelity)
        values = self._array(array)
        if values.ndim == 1:
            return values
        levels = self.fidelities.levels(array)
        if fidelity is not None and fidelity not in levels:
            self._refuse_level(name, fidelity)
        key = f"{array}/{levels[-1] if fidelity is None else fidelity}"  # no array has a slash in its name
        if key not in self._cache:
            column = np.ascontiguousarray(values[:, -1 if fidelity is None else levels.index(fidelity)])
            column.setflags(write=False)
            self._cache[key] = column
        return self._cache[key]

    def _array(self, name: str) -> Floats:
        """An array of the file by name: (n,), or (n, e) for a curve."""
        if name not in self.goals:
            known = self.all_goals
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise TableError(f"{self.name}: no metric {name!r}; {hint}it has {', '.join(known)}")
        if name not in self._cache:
            self._cache[name] = self._columns.read(name)
        return self._cache[name]

    def _refuse_level(self, metric: str, fidelity: int) -> NoReturn:
        has = ", ".join(map(str, self.fidelities.levels(metric)))
        raise TableError(f"{self.name}: {metric} after {fidelity} {self.fidelities.unit}; it is measured after {has}")

    def row(self, genes: Sequence[int] | Integers) -> int | None:
        """The row whose genes are exactly these, or None. O(log n): about 10 microseconds for 423,624 rows."""
        values = [int(gene) for gene in genes]
        if len(values) != len(self.options):
            raise TableError(f"{self.name}: asked for {len(values)} genes; its rows have {len(self.options)}")
        if any(not 0 <= value < len(names) for value, names in zip(values, self.options, strict=True)):
            return None
        index = self._index
        code = index.code(values)
        at = int(np.searchsorted(index.codes, code))
        while at < len(index.codes) and index.codes[at] == code:
            row = int(index.rows[at])
            if self.genes[row].tolist() == values:
                return row
            at += 1
        return None

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the file; of names, genes and metrics if there is no file."""
        if isinstance(self._columns, _Npz):
            return hashlib.sha256(self._columns.raw).hexdigest()
        digest = hashlib.sha256(_meta_string(self).encode())
        digest.update(np.ascontiguousarray(self.genes, dtype="<i8").tobytes())
        for name in self.goals:
            digest.update(np.ascontiguousarray(self._array(name), dtype="<f4").tobytes())
        return digest.hexdigest()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the table to `path`, atomically; the same content gives the same bytes. Returns the path."""
        target = Path(path)
        _write(target, _npz_bytes(self))
        return target

    @cached_property
    def _index(self) -> _Index:
        return _Index.build(self.genes, [len(names) for names in self.options])

    def __len__(self) -> int:
        return len(self.genes)

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in {"_index", "sha256"}} | {"_cache": {}}


def load_table(path: str | os.PathLike[str]) -> Table:
    """Read and check a table file (`allow_pickle=False` throughout).

    Raises TableError, and nothing else, on bad files.
    """
    file = Path(path)
    npz = _Npz(str(file), _read_file(file))
    for name in (GENES, META):
        if name not in npz.headers:
            raise TableError(
                f"{file}: no array {name!r}; a table holds 'genes', 'meta' and its metrics, this file holds "
                f"{_listing(npz.headers)}; name another file"
            )
    meta = _check_meta(npz.label, _read_meta(npz))
    genes = _check_genes(npz.label, _read_genes(npz), meta)
    headers = {name: (h.shape, h.dtype) for name, h in npz.headers.items() if name not in (GENES, META)}
    meta = _check_columns(npz.label, headers, meta, len(genes))
    return _build(npz.label, file, meta, genes, npz)


def _listing(names: Collection[str], shown: int = 8) -> str:
    """Names in order; only the first few if there are many."""
    listed = sorted(names)
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + more or "nothing"


def save_table(
    path: str | os.PathLike[str],
    *,
    space: str,
    gene_names: Sequence[str],
    options: Sequence[Sequence[str]],
    genes: npt.ArrayLike,
    metrics: Mapping[str, npt.ArrayLike],
    goals: Mapping[str, str],
    source: str,
    units: str,
    fidelities: Mapping[str, object] | None = None,
    seconds: str | None = None,
    ordinal: Sequence[str] = (),
) -> Path:
    """Check the arrays as `load_table` would and write them to `path`.

    Raises TableError, and then nothing is written. `fidelities`, `seconds` and `ordinal` are those of `meta`,
    as described at the top of this module.

    The file appears whole or not at all (a temporary file beside it, fsync, rename), and its bytes depend on
    the content alone.
    """
    table = Table.from_arrays(
        space=space,
        gene_names=gene_names,
        options=options,
        genes=genes,
        metrics=metrics,
        goals=goals,
        source=source,
        units=units,
        fidelities=fidelities,
        seconds=seconds,
        ordinal=ordinal,
    )
    return table.save(path)


# --- checks -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Meta:
    """The checked content of the `meta` array."""

    space: str
    gene_names: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]
    goals: dict[str, Goal]
    source: str
    units: str
    fidelities: Fidelities
    seconds: str | None
    ordinal: tuple[str, ...]


def _build(label: str, path: Path | None, meta: _Meta, genes: Integers, columns: _Columns) -> Table:
    table = Table(
        path, meta.space, meta.gene_names, meta.options, meta.goals, meta.source, meta.units, genes, columns,
        meta.fidelities, meta.seconds, meta.ordinal,
    )  # fmt: skip
    twins = table._index.duplicates(genes)
    if twins is not None:
        raise TableError(
            f"{label}: rows {twins[0]} and {twins[1]} have the same genes {genes[twins[0]].tolist()}; "
            "expected each architecture once; merge the two rows"
        )
    return table


def _read_file(file: Path) -> bytes:
    try:
        if file.is_dir():
            raise TableError(f"{file}: is a folder; expected a table file (.npz); name a file inside it")
        if not file.is_file():
            what = "not a regular file" if file.exists() else "no such file"
            raise TableError(f"{file}: {what}; expected a table (.npz); check the path")
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise TableError(f"{file}: has {size} bytes; a table has at most {MAX_FILE_BYTES}; name another file")
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        if isinstance(error, TableError):
            raise
        raise TableError(f"{file}: cannot be read ({_reason(error)}); check the path and its permissions") from error


def _read_meta(npz: _Npz) -> object:
    header = npz.headers[META]
    if header.shape != () or header.dtype.kind != "U" or header.data_bytes > MAX_META_BYTES:
        raise TableError(
            f"{npz.label}: 'meta' is {header.shape} {header.dtype}; expected one string of at most "
            f"{MAX_META_BYTES // 4} characters; store numpy.array(json.dumps(...))"
        )
    try:
        return cast(object, json.loads(str(npz.array(META))))
    except (ValueError, RecursionError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{npz.label}: 'meta' is not JSON ({_reason(error)}); store json.dumps(...)") from error


def _check_meta(label: str, meta: object) -> _Meta:
    if not isinstance(meta, dict):
        raise TableError(
            f"{label}: 'meta' is a JSON {type(meta).__name__}; expected an object with 'space', 'genes' ..."
        )
    for key in ("space", "source", "units"):
        value = meta.get(key)
        if not isinstance(value, str) or not _encodable(value):
            raise TableError(f"{label}: meta[{key!r}] is {_short(value)}; expected a string; add it to 'meta'")
    if not _is_name(meta["space"]):
        raise TableError(f"{label}: meta['space'] is {_short(meta['space'])}; expected a printable name; correct it")
    names = _check_names(label, "meta['genes']", meta.get(GENES))
    options = meta.get("options")
    if not isinstance(options, list) or len(options) != len(names):
        count = len(options) if isinstance(options, list) else _short(options)
        raise TableError(
            f"{label}: meta['options'] has {count}, meta['genes'] {len(names)} entries; expected a list of "
            "option names for each gene; add the missing lists"
        )
    checked = tuple(_check_names(label, f"options of {name!r}", o) for name, o in zip(names, options, strict=True))
    goals = _check_goals(label, meta.get("goals"))
    fidelities = _check_fidelities(label, meta.get("fidelities"), goals)
    seconds = meta.get("seconds")
    if seconds is not None and seconds not in fidelities.goals(goals):
        raise TableError(f"{label}: meta['seconds'] is {_short(seconds)}; expected the name of a metric; correct it")
    ordinal = meta.get("ordinal", [])
    if not isinstance(ordinal, list) or not all(isinstance(name, str) and name in goals for name in ordinal):
        raise TableError(
            f"{label}: meta['ordinal'] is {_short(ordinal)}; expected a list of names of metrics; correct it"
        )
    return _Meta(
        meta["space"], names, checked, goals, meta["source"], meta["units"], fidelities, seconds, tuple(ordinal)
    )


def _check_fidelities(label: str, value: object, goals: Mapping[str, Goal]) -> Fidelities:
    """`meta['fidelities']`; its curves may still lack the fidelities of their columns."""
    if value is None:
        return NO_FIDELITIES
    example = '{"unit": "epochs", "metrics": {"valid": {"12": "valid_12"}}, "curves": {"loss": [1, 2]}}'
    try:
        declared = msgspec.convert(value, _DeclaredFidelities, strict=False)
    except msgspec.ValidationError as error:
        raise TableError(f"{label}: meta['fidelities']: {error}; expected e.g. {example}") from None
    for metric, at in declared.metrics.items():
        if not at or not _is_name(metric) or "/" in metric or metric in goals:
            raise TableError(
                f"{label}: meta['fidelities'] gives {_short(metric)} {len(at)} arrays; expected a name that no array "
                "has, and at least one array"
            )
        for level, array in at.items():
            if level < 1 or array not in goals:
                raise TableError(
                    f"{label}: meta['fidelities'] says that {_short(metric)} after {level} is {_short(array)}; "
                    "expected a number of at least 1 and the name of an array; correct it"
                )
        if len({goals[array] for array in at.values()}) > 1:
            raise TableError(f"{label}: the arrays of {_short(metric)} have different goals; expected one direction")
    for array, levels in declared.curves.items():
        if array not in goals or not levels or min(levels) < 1 or list(levels) != sorted(set(levels)):
            raise TableError(
                f"{label}: meta['fidelities'] says that the columns of {_short(array)} are {list(levels)}; expected "
                "the name of an array and ascending numbers of at least 1"
            )
    return Fidelities(declared.unit, declared.metrics, declared.curves)


class _DeclaredFidelities(msgspec.Struct, forbid_unknown_fields=True):
    """`meta['fidelities']` as stored in the file."""

    unit: str = "epochs"
    metrics: dict[str, dict[int, str]] = {}
    curves: dict[str, tuple[int, ...]] = {}


def _check_names(label: str, what: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise TableError(f"{label}: {what} is {_short(value)}; expected a list of names; correct 'meta'")
    for name in value:
        if not isinstance(name, str) or not _is_name(name):
            raise TableError(f"{label}: {what} holds {_short(name)}; expected a printable string; correct 'meta'")
    if len(set(value)) != len(value):
        twice = next(name for name in value if value.count(name) > 1)
        raise TableError(f"{label}: {what} holds {_short(twice)} twice; expected different names; rename one")
    return tuple(value)


def _check_goals(label: str, goals: object) -> dict[str, Goal]:
    if not isinstance(goals, dict) or not goals:
        raise TableError(f'{label}: meta[\'goals\'] is {_short(goals)}; expected a metric with "max" or "min"; add it')
    for metric, goal in goals.items():
        if not isinstance(metric, str) or not _is_name(metric) or "/" in metric or metric in (GENES, META):
            raise TableError(
                f"{label}: {_short(metric)} is not a valid name for a metric; rename it in 'meta' and the file"
            )
        if goal not in ("max", "min"):
            raise TableError(f'{label}: the goal of {metric!r} is {_short(goal)}; expected "max" or "min"; correct it')
    return cast("dict[str, Goal]", goals)


def _read_genes(npz: _Npz) -> npt.NDArray[Any]:
    header = npz.headers[GENES]
    _check_genes_type(npz.label, header.shape, header.dtype)  # before unpacking: this bounds the memory
    return npz.array(GENES)


def _check_genes_type(label: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) != 2 or dtype.kind not in "iu":
        raise TableError(
            f"{label}: 'genes' is {shape} {dtype}; expected (architectures, genes) of integers; convert it"
        )
    if 0 in shape:
        raise TableError(f"{label}: 'genes' is {shape}: empty; expected at least one row and one column; add them")
    if shape[0] > MAX_ROWS or shape[0] * shape[1] * dtype.itemsize > MAX_ARRAY_BYTES:
        raise TableError(
            f"{label}: 'genes' claims {shape} {dtype}; expected at most {MAX_ROWS} rows and {MAX_ARRAY_BYTES} "
            "bytes; use a smaller integer type or split the table"
        )


def _check_genes(label: str, genes: npt.NDArray[Any], meta: _Meta) -> Integers:
    """The genes in the smallest unsigned type that holds them, read-only. (n, g)"""
    _check_genes_type(label, genes.shape, genes.dtype)
    if genes.shape[1] != len(meta.gene_names):
        raise TableError(
            f"{label}: 'genes' has {genes.shape[1]} columns, meta['genes'] {len(meta.gene_names)} names; "
            "expected one name for each column; correct 'meta'"
        )
    sizes = np.array([len(names) for names in meta.options])
    for column in np.flatnonzero((genes.min(axis=0) < 0) | (genes.max(axis=0) >= sizes)):
        values = genes[:, column]
        row = int(np.flatnonzero((values < 0) | (values >= sizes[column]))[0])
        raise TableError(
            f"{label}: genes[{row}, {column}] ({meta.gene_names[column]!r}) is {values[row]}; expected "
            f"0..{sizes[column] - 1}, an index into its {sizes[column]} options; correct the row or add the "
            "option"
        )
    # A copy in every case: the caller's array stays the caller's.
    small = np.array(genes, dtype=np.min_scalar_type(int(sizes.max()) - 1), order="C")
    small.setflags(write=False)
    return cast(Integers, small)


def _check_columns(
    label: str, columns: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]], meta: _Meta, rows: int
) -> _Meta:
    """The meta with the fidelities of all curves: 1, 2, 3 ... if it gives none."""
    curves: dict[str, tuple[int, ...]] = {}
    for name, (shape, dtype) in columns.items():
        if name not in meta.goals:
            raise TableError(
                f'{label}: metric {_short(name)} has no goal in meta[\'goals\']; expected "max" or "min"; add it'
            )
        if shape[:1] != (rows,) or len(shape) > 2 or 0 in shape:
            raise TableError(
                f"{label}: metric {name!r} is {shape}; expected ({rows},), one number per row, or ({rows}, e), a curve "
                "per row; correct it"
            )
        if math.prod(shape) * dtype.itemsize > MAX_ARRAY_BYTES:
            raise TableError(
                f"{label}: metric {name!r} claims {shape} {dtype}; expected at most {MAX_ARRAY_BYTES} bytes"
            )
        if len(shape) == 2:
            curves[name] = meta.fidelities.curves.get(name, tuple(range(1, shape[1] + 1)))
        if len(curves.get(name, ())) != (shape[1] if len(shape) == 2 else 0) or (
            name in meta.fidelities.curves and name not in curves
        ):
            raise TableError(
                f"{label}: metric {name!r} is {shape}, and meta['fidelities'] names "
                f"{len(meta.fidelities.curves[name])} columns; expected as many; correct it"
            )
        if dtype.kind not in "fiu" or dtype.itemsize > 8:
            raise TableError(
                f"{label}: metric {name!r} is {dtype}; expected float32 (or another real type); convert it"
            )
    missing = [name for name in meta.goals if name not in columns]
    if missing:
        raise TableError(
            f"{label}: meta['goals'] names {_short(missing[0])}, but the file has no such array; add it or "
            "drop the goal"
        )
    for name in curves:
        if any(name in at.values() for at in meta.fidelities.metrics.values()):
            raise TableError(f"{label}: {name!r} is a curve; expected an array with one number per row for a fidelity")
    return replace(meta, fidelities=replace(meta.fidelities, curves=curves))


def _to_float32(label: str, metric: str, values: npt.NDArray[Any]) -> Floats:
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which is refused below
        result = np.array(values, dtype=np.float32)
    infinite = np.argwhere(np.isinf(result))
    if len(infinite):
        place = tuple(infinite[0].tolist())
        raise TableError(
            f"{label}: {metric}[{', '.join(map(str, place))}] is {values[place]}; expected a finite float32, or NaN "
            "for not measured; correct it"
        )
    result.setflags(write=False)
    return result


def _weights(sizes: Sequence[int]) -> tuple[int, ...]:
    """One multiplier per column: the mixed radix if it fits in 64 bits, else fixed odd numbers."""
    radix = [1]
    for size in reversed(sizes[1:]):
        radix.append(radix[-1] * size)
    if radix[-1] * sizes[0] <= 2**64:
        return tuple(reversed(radix))
    return tuple((0x9E3779B97F4A7C15 * (2 * column + 1) ** 3) % 2**64 | 1 for column in range(len(sizes)))


def _is_name(value: str) -> bool:
    return bool(value) and value.isprintable()


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(value: object, limit: int = 80) -> str:
    shown = ascii(value)
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {_short(str(error))}" if str(error) else type(error).__name__


# --- writing ------------------------------------------------------------------------------------------------


def _meta_json(
    space: str,
    gene_names: Sequence[str],
    options: Sequence[Sequence[str]],
    goals: Mapping[str, str],
    source: str,
    units: str,
    fidelities: Mapping[str, object] | None = None,
    seconds: str | None = None,
    ordinal: Sequence[str] = (),
) -> dict[str, object]:
    return {
        "space": space,
        "genes": list(gene_names),
        "options": [list(names) for names in options],
        "goals": dict(goals),
        "source": source,
        "units": units,
        **({} if fidelities is None else {"fidelities": fidelities}),
        **({} if seconds is None else {"seconds": seconds}),
        **({"ordinal": list(ordinal)} if ordinal else {}),
    }


def _meta_string(table: Table) -> str:
    content = _meta_json(
        table.space, table.gene_names, table.options, table.goals, table.source, table.units,
        _declared(table.fidelities), table.seconds, table.ordinal,
    )  # fmt: skip
    return json.dumps(content)


def _declared(found: Fidelities) -> dict[str, object] | None:
    """Fidelities as they stand in `meta`; None for none."""
    return msgspec.to_builtins(found, str_keys=True) if found.metrics or found.curves else None


def _npz_bytes(table: Table) -> bytes:
    arrays: dict[str, npt.NDArray[Any]] = {GENES: table.genes, META: np.array(_meta_string(table))}
    arrays |= {name: table._array(name) for name in table.goals}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3  # or the bytes would depend on the platform
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=False)
            archive.writestr(member, data.getvalue())
    return buffer.getvalue()


def _write(target: Path, data: bytes) -> None:
    try:
        replace_file(target, data)
    except OSError as error:
        raise TableError(
            f"{target}: cannot be written ({error.strerror or error}); expected a writable folder with free space"
        ) from error
