"""The official files of NAS-Bench-101 as tables, without TensorFlow and without protobuf.

Both are TFRecord files with one training per record: a JSON list of module hash, epochs, adjacency matrix (digits, row
by row), operations (with commas) and metrics, a base64 `ModelMetrics` message (nasbench, `api.py` and
`model_metrics.proto`). Of its evaluations the third is the one after training; the first two, before and half-way, are
not used.

Importing this module needs numba.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archloom.data.convert.tfrecord import records
from archloom.data.progress import Progress
from archloom.data.tables import Table, TableError
from archloom.spaces.nb101 import md5_hashes
from archloom.spaces.nb101.codes import ABSENT, LABELS, MAX_EDGES, PAIRS, VERTICES
from archloom.spaces.nb101.space import GENE_NAMES, OPTIONS
from archloom.types import Goal

EPOCHS = (108, 36, 12, 4)
"""Training budgets: all four in `nasbench_full.tfrecord`, the first in `nasbench_only108.tfrecord`."""

RUNS = 3
_LABEL_OF: Mapping[str, int] = {
    "conv3x3-bn-relu": LABELS.index("conv3x3"),
    "conv1x1-bn-relu": LABELS.index("conv1x1"),
    "maxpool3x3": LABELS.index("maxpool3x3"),
}
"""The label of an operation by its name in the files."""


class _Metric(NamedTuple):
    """A number that is kept from a training."""

    field: int
    """Its field number in the message."""
    top: float
    """No published number is larger, and none is below 0."""
    scale: float
    """The factor by which it is multiplied in the table."""
    goal: Goal


_METRICS: Mapping[str, _Metric] = {
    "valid": _Metric(4, 1.0, 100.0, "max"),
    "test": _Metric(5, 1.0, 100.0, "max"),
    "train": _Metric(3, 1.0, 100.0, "max"),
    "train_seconds": _Metric(2, 1e9, 1.0, "min"),
}
"""In table order: the metric to search for comes first."""
_FINAL = 2


class _Keep(NamedTuple):
    """Which metrics of a budget go into the table."""

    means: tuple[str, ...]
    by_run: tuple[str, ...]


_KEEP_ALL = _Keep(tuple(_METRICS), tuple(_METRICS))
_KEEP_LARGEST = _Keep(tuple(_METRICS), ("valid", "test"))
_KEEP_SMALLER = _Keep(("valid", "test", "train_seconds"), ())

_HASH = re.compile(r"[0-9a-f]{32}")


class _Wrong(Exception):
    """What is wrong with a record."""


class _Training(NamedTuple):
    """One record."""

    digest: bytes  # the module hash
    epochs: int
    genes: bytes
    parameters: int
    measured: tuple[float, ...]  # of _METRICS


def nasbench101(path: Path, progress: Progress | None = None) -> Table:
    """`nasbench_only108.tfrecord` or `nasbench_full.tfrecord`, record by record; rows are sorted by module hash.

    Metrics are `valid_E`, `test_E`, `train_E` (percent) and `train_seconds_E` for E epochs, as means of the runs
    measured and by run (`valid_E_run0` to `_run2`, in file order; NaN if there are fewer); `params_m` in
    millions. If the file has several budgets, runs are kept only for accuracies after 108 epochs, and no training
    accuracy for the others, so that the table stays below 25 MB.

    `progress` is called with bytes. Raises TableError for anything that is not in the official layout: with the byte
    of a record that is wrong by itself or contradicts another; with the module hash of a cell that has a wrong hash or
    too many trainings, which only the whole file shows.
    """
    trainings = _Trainings()
    for at, content in records(path, progress=progress):
        try:
            trainings.add(_training(content))
        except _Wrong as wrong:
            raise TableError(
                f"{path}: byte {at}: {wrong}; the record is not as NAS-Bench-101 publishes it; download the file again"
            ) from None
    if not trainings.rows:
        raise TableError(f"{path}: holds no records; expected nasbench_only108.tfrecord; download it again")
    return trainings.table(str(path))


class _Trainings:
    """All records of a file, in 20 bytes per record and 150 more per cell.

    Measurements are held as float32, which represents the published doubles exactly; means are taken in float64.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, int] = {}  # module hash -> number of the cell, in the file's order
        self._genes = bytearray()
        self._parameters = array("i")
        self._logs: dict[int, tuple[array[int], array[float]]] = {}  # epochs -> cell and measurements of each record

    def add(self, training: _Training) -> None:
        """Raises _Wrong if the training contradicts another one of the same cell."""
        cell = self.rows.setdefault(training.digest, len(self._parameters))
        if cell == len(self._parameters):
            self._genes += training.genes
            self._parameters.append(training.parameters)
        elif self._genes[cell * len(GENE_NAMES) : (cell + 1) * len(GENE_NAMES)] != training.genes:
            raise _Wrong(f"another cell than before under the hash {training.digest.hex()}, expected the same")
        elif self._parameters[cell] != training.parameters:
            raise _Wrong(
                f"{training.parameters} trainable parameters for the hash {training.digest.hex()}, "
                f"{self._parameters[cell]} before; expected the same"
            )
        cells, measured = self._logs.setdefault(training.epochs, (array("i"), array("f")))
        cells.append(cell)
        measured.extend(training.measured)

    def table(self, label: str) -> Table:
        """The table of everything added, which is dropped.

        Raises TableError if a cell has too many runs or a wrong hash.
        """
        digests = sorted(self.rows)
        order = np.array([self.rows[digest] for digest in digests])
        genes = np.frombuffer(self._genes, dtype=np.uint8).reshape(-1, len(GENE_NAMES))[order]
        _check_hashes(label, digests, genes)
        columns: dict[str, npt.NDArray[np.float32]] = {}
        goals: dict[str, Goal] = {}
        budgets = [epochs for epochs in EPOCHS if epochs in self._logs]
        for epochs in budgets:
            runs = self._by_run(label, epochs, *self._logs.pop(epochs))[order]  # (n, RUNS, metrics)
            keep = _KEEP_ALL if len(budgets) == 1 else _KEEP_LARGEST if epochs == budgets[0] else _KEEP_SMALLER
            for (metric, run), values in _columns(runs, keep).items():
                columns[f"{metric}_{epochs}{run}"] = values
                goals[f"{metric}_{epochs}{run}"] = _METRICS[metric].goal
        columns["params_m"] = (np.array(self._parameters)[order] / 1e6).astype(np.float32)
        goals["params_m"] = "min"
        return Table.from_arrays(
            space="nb101",
            gene_names=GENE_NAMES,
            options=tuple(OPTIONS.values()),
            genes=genes,
            metrics=columns,
            goals=goals,
            source=f"NAS-Bench-101 (Apache-2.0), measured, trained for {' '.join(map(str, budgets))} epochs",
            units="accuracy in percent and training time in seconds (mean of the runs measured, and each run), "
            "parameters in millions",
        )

    def _by_run(self, label: str, epochs: int, cells: array[int], measured: array[float]) -> npt.NDArray[np.float32]:
        """(cells, RUNS, metrics) float32: each cell's trainings in file order, NaN for missing ones."""
        cell = np.array(cells)  # (records,)
        order = np.argsort(cell, kind="stable")
        sorted_cells = cell[order]
        run = np.arange(len(cell)) - np.searchsorted(sorted_cells, sorted_cells)
        if run.max() >= RUNS:
            crowded = list(self.rows)[sorted_cells[run.argmax()]].hex()
            raise TableError(
                f"{label}: more than {RUNS} trainings of {epochs} epochs for the hash {crowded}; expected {RUNS}; "
                "download the file again"
            )
        runs = np.full((len(self.rows), RUNS, len(_METRICS)), np.nan, dtype=np.float32)
        runs[sorted_cells, run] = np.array(measured, dtype=np.float32).reshape(-1, len(_METRICS))[order]
        return runs


def _check_hashes(label: str, digests: Sequence[bytes], genes: npt.NDArray[np.uint8]) -> None:
    for digest, computed in zip(digests, md5_hashes(genes), strict=True):
        if digest.hex() != computed:
            raise TableError(
                f"{label}: the cell under the hash {digest.hex()} has the hash {computed}; expected the same; "
                "download the file again"
            )


def _columns(runs: npt.NDArray[np.float32], keep: _Keep) -> dict[tuple[str, str], npt.NDArray[np.float32]]:
    """(metric, "" for the mean or "_run0" ...) -> (n,) values, means first; accuracies become percent."""
    by_name = {name: runs[:, :, place] for place, name in enumerate(_METRICS)}  # each (n, RUNS)
    columns = {(name, ""): (_METRICS[name].scale * _mean(by_name[name])).astype(np.float32) for name in keep.means}
    for name in keep.by_run:
        for run in range(RUNS):
            values = by_name[name][:, run].astype(np.float64)
            columns[name, f"_run{run}"] = (_METRICS[name].scale * values).astype(np.float32)
    return columns


def _mean(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(n,) means of the rows of (n, RUNS) over the finite values, NaN if there are none."""
    there = np.isfinite(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0).sum(axis=1, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


# --- a record -----------------------------------------------------------------------------------------------


def _training(content: bytes) -> _Training:
    try:
        row = json.loads(content)
    except (ValueError, RecursionError) as error:  # ValueError: also bytes that are not UTF-8
        raise _Wrong(f"not JSON ({str(error)[:80]})") from None
    if not isinstance(row, list) or [type(part) for part in row] != [str, int, str, str, str]:
        raise _Wrong(f"{_short(content)}, expected a list of hash, epochs, matrix, operations and metrics")
    module_hash, epochs, matrix, operations, metrics = row
    if not _HASH.fullmatch(module_hash):
        raise _Wrong(f"module hash {_short(module_hash)}, expected 32 hexadecimal digits")
    if epochs not in EPOCHS:
        raise _Wrong(f"a training of {_short(epochs)} epochs, expected one of {', '.join(map(str, EPOCHS))}")
    vertices, edges = _edges(matrix)
    parameters, measured = _metrics(metrics)
    return _Training(bytes.fromhex(module_hash), epochs, edges + _labels(operations, vertices), parameters, measured)


@lru_cache(1 << 14)
def _edges(matrix: str) -> tuple[int, bytes]:
    """The number of a cell's vertices, and its 21 edge genes.

    All vertices must lie on a path from the first to the last, as in every published cell.
    """
    vertices = math.isqrt(len(matrix))
    if vertices**2 != len(matrix) or not 2 <= vertices <= VERTICES or set(matrix) - {"0", "1"}:
        raise _Wrong(f"matrix {_short(matrix)}, expected the digits 0 and 1 of 2x2 to {VERTICES}x{VERTICES}")
    there = {divmod(place, vertices) for place, digit in enumerate(matrix) if digit == "1"}
    if any(source >= target for source, target in there):
        raise _Wrong(f"matrix {matrix} has an edge that does not lead forward, expected an upper triangle")
    sources, targets = {source for source, _ in there}, {target for _, target in there}
    if len(there) > MAX_EDGES or len(sources) < vertices - 1 or len(targets) < vertices - 1:
        raise _Wrong(f"matrix {matrix}, expected at most {MAX_EDGES} edges and every vertex between input and output")
    return vertices, bytes(pair in there for pair in PAIRS)


@lru_cache(1 << 14)
def _labels(operations: str, vertices: int) -> bytes:
    """The five operation genes of a cell with this many vertices."""
    names = operations.split(",")
    inner = names[1:-1]
    if len(names) != vertices or (names[0], names[-1]) != ("input", "output") or set(inner) - set(_LABEL_OF):
        raise _Wrong(
            f"operations {_short(operations)} of {vertices} vertices, expected input, "
            f"{vertices - 2} of {', '.join(_LABEL_OF)}, output"
        )
    return bytes([_LABEL_OF[name] for name in inner] + [ABSENT] * (VERTICES - 2 - len(inner)))


def _metrics(encoded: str) -> tuple[int, tuple[float, ...]]:
    """Trainable parameters, and the numbers kept from the evaluation after training."""
    try:
        message = base64.b64decode(encoded.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: a string that is not ASCII
        raise _Wrong(f"metrics that are not base64 ({error})") from None
    evaluations = []
    parameters: object = None
    for field, value in _fields(message):
        if field == 1 and isinstance(value, bytes):
            evaluations.append(value)
        elif field == 2 and isinstance(value, int):
            parameters = value
    if not isinstance(parameters, int) or not 0 < parameters < 2**31:
        raise _Wrong(f"{parameters} trainable parameters, expected a positive number of 31 bits")
    if len(evaluations) <= _FINAL:
        raise _Wrong(f"{len(evaluations)} evaluations, expected one before, one half-way and one after training")
    return parameters, _measured(evaluations[_FINAL])


def _measured(evaluation: bytes) -> tuple[float, ...]:
    values: Mapping[int, object] = dict(_fields(evaluation))
    return tuple(_within(name, metric.top, values.get(metric.field)) for name, metric in _METRICS.items())


def _within(name: str, top: float, value: object) -> float:
    if not isinstance(value, float) or not 0 <= value <= top:  # also if it is NaN
        raise _Wrong(f"{name} is {value}, expected a number from 0 to {top:g}")
    return value


# --- protobuf's wire format ---------------------------------------------------------------------------------


def _fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """(number, value) of the fields of a protobuf message: varints as int, doubles as float, the rest as bytes.

    What a field means is the caller's business: unknown ones are ignored. Raises _Wrong for a message
    that ends too early or holds a wire type that proto2 does not write for plain fields.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        kind = tag & 7
        value: int | float | bytes
        if kind == 0:
            value, at = _varint(message, at)
        else:
            if kind == 2:
                size, at = _varint(message, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise _Wrong(f"metrics with the wire type {kind}, expected a protobuf message")
            if at + size > end:
                raise _Wrong("metrics that end inside a field, expected a whole protobuf message")
            value = struct.unpack_from("<d", message, at)[0] if kind == 1 else message[at : at + size]
            at += size
        yield tag >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that begins at a byte, and the position after it."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise _Wrong("metrics that end inside a number, expected a whole protobuf message")


def _short(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 80 else f"{shown[:80]}..."
