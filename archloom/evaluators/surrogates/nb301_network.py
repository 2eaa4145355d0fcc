"""The published neural surrogate of NAS-Bench-301: validation accuracy and runtime of a DARTS genotype at any epoch.

A wide-and-deep network that the authors of YAHPO Gym (Pfisterer et al. 2022) fitted to the trainings of NAS-Bench-301
(Zela et al. 2022). Its 34 categorical inputs are embedded and concatenated with the scaled epoch to a vector x of 337
numbers; the logits are the sum of three heads,

    wide x + deep(x) + deeper(x),   deep: 512, 512 and deeper: 256, 256, 128, 128 units with SELU,

and their sigmoids are scaled to percent and seconds.

What is fast about it here: the first layer of all three heads is linear in the embeddings, and the inputs of one node
are fixed by the node's sources and operations. So its output is a sum of 8 rows, one for each node of both cells, of a
table made once, and the product with 337 columns is gone.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.evaluators.surrogates import genotypes as coding
from archloom.evaluators.surrogates.dense import Float32, add_head, blocks, linear
from archloom.spaces.darts.genotypes import CELLS, EDGES, FIRST_EDGE, NODES, OPERATIONS
from archloom.types import Goal
from archloom.utils.contents import BEGINNING, kind_of
from archloom.utils.files import read_file
from archloom.utils.text import reason_of
from archloom.utils.threads import share

LAST_EPOCH = 98
"""Trainings of NAS-Bench-301 are recorded for 98 epochs."""

_EPOCH_SCALE = 0.01923077
_RUNTIME_SCALE, _RUNTIME_SHIFT, _RUNTIME_LEAST = 13132.093, 0.01, 30.557993
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017

_CODES = ("#na#", *sorted(OPERATIONS))
_COLUMNS = tuple(
    sorted(
        [f"edge_{cell}_{edge}" for cell in CELLS for edge in range(EDGES)]
        + [f"inputs_node_{cell}_{node}" for cell in CELLS for node in (3, 4, 5)]
    )
)
_WIDTHS: Mapping[str, tuple[int, ...]] = {"edge": (8, 10), "3": (4, 6), "4": (7, 10), "5": (11, 12)}
"""(codes, numbers) of the embedding of an edge, and of the sources of nodes 3, 4 and 5."""

_LAYERS: Mapping[str, tuple[int, ...]] = {
    "wide_0": (2, 337), "deep_0_1": (512, 337), "deep_1_1": (512, 512), "deep_2_0": (2, 512), "deeper_0_1": (256, 337),
    "deeper_1_1": (256, 256), "deeper_2_1": (128, 256), "deeper_3_1": (128, 128), "deeper_4_0": (2, 128),
}  # fmt: skip
_DEEP, _HIDDEN, _FIRST = 512, 768, 770  # columns of the first layer: deep before 512, deeper to 768, wide to 770
_MAX_BYTES = 2**26
_CHUNK = 256
"""Rows at once: they fit the cache."""


class Nb301Network:
    """Predicts from the weights in an `.npz` file; its layout is checked here, InputError if it is another.

    A prediction is the same to the last bit alone and in any batch. Several threads may call; batches are shared among
    as many as `utils.threads.threads` says.
    """

    goals: Mapping[str, Goal] = {"valid_surrogate": "max", "runtime_s_surrogate": "min"}
    seconds: str | None = "runtime_s_surrogate"
    first_epoch, last_epoch = 1, LAST_EPOCH
    source = (
        "predictions, not measurements: the network that the YAHPO Gym authors fitted to the NAS-Bench-301 trainings "
        "(Apache-2.0)"
    )

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        raw = _content(path)
        self.sha256 = hashlib.sha256(raw).hexdigest()
        self._idle: list[_Buffers] = []
        arrays = _read(path, raw)
        _check(path, arrays)
        self._first, self._start, self._per_epoch = _first_layer(arrays)
        self._deep = _Layer(arrays, "deep_1_1")
        self._deeper = [_Layer(arrays, name) for name in ("deeper_1_1", "deeper_2_1", "deeper_3_1")]
        self._heads = _behind_bend(arrays, "deep_2_0"), _behind_bend(arrays, "deeper_4_0")

    def codes(self, genotypes: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """(n, 34) the network's categorical inputs for genotypes (n, 2, 8, 2); 0 for an edge that is not there."""
        return _codes(coding.nodes_of(genotypes))

    def predict(self, genotypes: NDArray[np.integer[Any]], epoch: int = LAST_EPOCH) -> Float32:
        """(n,) predicted validation accuracy in percent after `epoch` (1..98) epochs, for genotypes (n, 2, 8, 2)."""
        return self.metrics(genotypes, epoch)["valid_surrogate"]

    def runtime(self, genotypes: NDArray[np.integer[Any]], epoch: int = LAST_EPOCH) -> Float32:
        """(n,) predicted training time in seconds for `epoch` (1..98) epochs, for genotypes (n, 2, 8, 2)."""
        return self.metrics(genotypes, epoch)["runtime_s_surrogate"]

    def metrics(self, genotypes: NDArray[np.integer[Any]], epoch: int = LAST_EPOCH) -> dict[str, Float32]:
        """Both predictions, each (n,), from one pass; InputError for bad genotypes or an epoch that is not 1..98."""
        check_epoch(epoch, self.first_epoch)
        rows = _node_rows(coding.nodes_of(genotypes))
        shift = self._start + np.float32(epoch * _EPOCH_SCALE) * self._per_epoch
        logits = np.empty((rows.shape[1], 2), dtype=np.float32)

        def work(start: int, stop: int) -> None:
            try:
                buffers = self._idle.pop()
            except IndexError:  # every one is in use by another thread
                buffers = _Buffers()
            for i in range(start, stop, _CHUNK):
                chunk = slice(i, min(i + _CHUNK, stop))
                self._fill(logits[chunk], rows[:, chunk], shift, buffers)
            self._idle.append(buffers)

        share(work, len(logits), _CHUNK)
        squashed = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))  # (n, 2)
        seconds = (squashed[:, 1] - _RUNTIME_SHIFT) * _RUNTIME_SCALE + _RUNTIME_LEAST
        values = 100.0 * squashed[:, 0], seconds
        return {name: column.astype(np.float32) for name, column in zip(self.goals, values, strict=True)}

    def _fill(self, logits: Float32, rows: NDArray[np.int64], shift: Float32, buffers: _Buffers) -> None:
        """The sum of the heads into `logits` (n, 2); `rows` (8, n) are rows of the first layer's table."""
        n = len(logits)
        hidden, spare, *outputs = (buffer[:n] for buffer in (buffers.hidden, buffers.spare, *buffers.outputs))
        np.take(self._first, rows[0], axis=0, out=hidden, mode="clip")  # (n, 770)
        for more in rows[1:]:
            np.take(self._first, more, axis=0, out=spare, mode="clip")
            hidden += spare
        hidden += shift
        _bend(hidden[:, :_HIDDEN], spare[:, :_HIDDEN])
        logits[:] = hidden[:, _HIDDEN:]
        deep, *deeper = outputs
        self._deep(hidden, 0, deep, spare)
        self._deeper[0](hidden, _DEEP, deeper[0], spare)
        for layer, before, after in zip(self._deeper[1:], deeper, deeper[1:], strict=False):
            layer(before, 0, after, spare)
        for last, (weight, bias) in zip((deep, deeper[-1]), self._heads, strict=True):
            add_head(last, weight, bias, logits)


class _Buffers:
    """What one thread computes in, kept from call to call: fresh memory costs as much as the arithmetic."""

    def __init__(self) -> None:
        self.hidden, self.spare = (np.empty((_CHUNK, _FIRST), dtype=np.float32) for _ in range(2))
        self.outputs = [np.empty((_CHUNK, width), dtype=np.float32) for width in (_DEEP, 256, 128, 128)]


def check_epoch(epoch: int, first: int) -> None:
    """InputError unless `epoch` is a whole number from `first` to the last."""
    if isinstance(epoch, bool) or not isinstance(epoch, (int, np.integer)) or not first <= epoch <= LAST_EPOCH:
        wanted = f"{first}..{LAST_EPOCH}" if first < LAST_EPOCH else f"{LAST_EPOCH}, the end of training, alone"
        raise InputError(f"epoch {epoch!r}: expected {wanted}")


def _behind_bend(arrays: Mapping[str, NDArray[Any]], name: str) -> tuple[Float32, Float32]:
    """Weight (out, in) and bias (out,) of a layer behind `_bend`: SELU's constants in them, they cost nothing."""
    weight = arrays[f"{name}_W"].astype(np.float64) * _SELU_SCALE
    bias = arrays[f"{name}_b"] - _SELU_ALPHA * weight.sum(axis=1)
    return weight.astype(np.float32), bias.astype(np.float32)


class _Layer:
    """A linear layer between two `_bend`s."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], name: str) -> None:
        weight, self._bias = _behind_bend(arrays, name)
        self._blocks = blocks(weight.T)

    def __call__(self, bent: Float32, first: int, out: Float32, spare: Float32) -> None:
        """Its outputs, bent, in `out` (n, out); the inputs are the columns of `bent` from `first` on."""
        linear(bent, first, self._blocks, self._bias, out)
        _bend(out, spare[:, : out.shape[1]])


def _bend(x: Float32, spare: Float32) -> None:
    """In place: x becomes SELU(x) / scale + alpha = max(x, 0) + alpha exp(min(x, 0)); `spare` is overwritten."""
    np.minimum(x, 0.0, out=spare)
    np.exp(spare, out=spare)
    spare *= np.float32(_SELU_ALPHA)
    np.maximum(x, 0.0, out=x)
    x += spare


# -- inputs -------------------------------------------------------------------------------------------------------

_STATES = tuple(len(pairs) * len(OPERATIONS) ** 2 for pairs in coding.PAIRS)
"""How many ways there are to choose a node's two sources and operations: 49, 147, 294 and 490."""
_FIRST_ROW = np.cumsum([0, *_STATES * 2])[:-1].reshape(2, NODES)
"""(2, 4) where each node's rows begin in the table of the first layer."""
_ROWS = 2 * sum(_STATES)


def _node_rows(nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(8, n) the row that represents the choices of each node."""
    choices = (coding.pair_ranks(nodes) * len(OPERATIONS) + nodes[..., 0, 1]) * len(OPERATIONS) + nodes[..., 1, 1]
    return np.ascontiguousarray((choices + _FIRST_ROW).reshape(-1, 2 * NODES).T)


def _codes(nodes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(n, 34) the inputs' codes: operations by name in alphabetical order, pairs of sources in theirs; from 1."""
    alphabetical = np.array([0, *(_CODES.index(name) for name in OPERATIONS)], dtype=np.uint8)
    edges = alphabetical[coding.edge_operations(nodes) + 1]  # (n, 2, 14)
    pairs = (coding.pair_ranks(nodes) + 1).astype(np.uint8)  # (n, 2, 4)
    columns = {
        **{f"edge_{c}_{edge}": edges[:, i, edge] for i, c in enumerate(CELLS) for edge in range(EDGES)},
        **{f"inputs_node_{c}_{node}": pairs[:, i, node - 2] for i, c in enumerate(CELLS) for node in (3, 4, 5)},
    }
    return np.stack([columns[name] for name in _COLUMNS], axis=1)


def _every_choice(node: int) -> NDArray[np.int64]:
    """(states, 2, 4, 2, 2) genotypes whose node makes each of its choices, in the order of rows; others their first."""
    genotypes = np.zeros((_STATES[node], 2, NODES, 2, 2), dtype=np.int64)
    genotypes[..., 1, 0] = 1
    choice = np.arange(_STATES[node])
    genotypes[:, :, node, :, 0] = np.array(coding.PAIRS[node])[choice // len(OPERATIONS) ** 2][:, None]
    genotypes[:, :, node, 0, 1] = (choice // len(OPERATIONS) % len(OPERATIONS))[:, None]
    genotypes[:, :, node, 1, 1] = (choice % len(OPERATIONS))[:, None]
    return genotypes


def _columns_of(cell: str, node: int) -> list[int]:
    """The inputs that a node's choices fix."""
    first = FIRST_EDGE[node]
    names = [f"edge_{cell}_{edge}" for edge in range(first, first + node + 2)] + [f"inputs_node_{cell}_{node + 2}"]
    return [_COLUMNS.index(name) for name in names if name in _COLUMNS]


def _first_layer(arrays: Mapping[str, NDArray[Any]]) -> tuple[Float32, Float32, Float32]:
    """The table (rows, 770) of what each node adds to the first layer of deep, deeper and wide; its bias; the epoch's
    column."""
    heads = ("deep_0_1", "deeper_0_1", "wide_0")
    weight = np.concatenate([arrays[f"{head}_W"] for head in heads])  # (770, 337)
    embeddings = [arrays[f"emb{column}"] for column in range(len(_COLUMNS))]
    ends = np.cumsum([embedding.shape[1] for embedding in embeddings])
    parts = [e @ weight[:, end - e.shape[1] : end].T for e, end in zip(embeddings, ends, strict=True)]  # (codes, 770)
    table = np.zeros((_ROWS, len(weight)), dtype=np.float32)
    for node in range(NODES):
        codes = _codes(_every_choice(node))
        for i, cell in enumerate(CELLS):
            first = _FIRST_ROW[i, node]
            for column in _columns_of(cell, node):
                table[first : first + len(codes)] += parts[column][codes[:, column]]
    bias = np.concatenate([arrays[f"{head}_b"] for head in heads])
    return table, bias, np.ascontiguousarray(weight[:, -1])


# -- the file -----------------------------------------------------------------------------------------------------


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes; expected a surrogate of at most {_MAX_BYTES:,}")
        return read_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error


def _read(path: Path, raw: bytes) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            claimed = sum(member.file_size for member in archive.infolist())
        if claimed > _MAX_BYTES:
            raise ValueError(f"it unpacks to {claimed:,} bytes")
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds on garbage
        kind = None if raw.startswith(b"PK") else kind_of(raw[:BEGINNING])
        reason = kind or reason_of(error, 200)
        raise InputError(
            f"{path}: not a NAS-Bench-301 surrogate ({reason}); expected the weights in an uncorrupted .npz file, or "
            "the folder of an official XGBoost ensemble"
        ) from error


def _check(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    expected: dict[str, tuple[int, ...]] = {}
    for index, name in enumerate(_COLUMNS):
        expected[f"emb{index}"] = _WIDTHS["edge" if name.startswith("edge") else name[-1]]
    for name, shape in _LAYERS.items():
        expected[f"{name}_W"], expected[f"{name}_b"] = shape, shape[:1]
    for name, shape in expected.items():
        found = arrays.get(name)
        if found is None or found.shape != shape or found.dtype != np.float32 or not np.isfinite(found).all():
            what = "is missing" if found is None else f"is {found.dtype} of shape {found.shape}"
            raise InputError(f"{path}: {name} {what}; expected finite float32 of shape {shape}: another network's file")
    for name, words in (("x_columns", _COLUMNS), ("op_code", _CODES), ("op_names", OPERATIONS)):
        if name not in arrays or arrays[name].ndim != 1 or tuple(arrays[name].tolist()) != words:
            raise InputError(f"{path}: {name} is not {', '.join(words)}: another network's file")
