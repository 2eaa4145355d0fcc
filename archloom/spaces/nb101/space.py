"""NAS-Bench-101 as strategies see it: `codes`, `cells`, `moves` and `counts` behind the usual interface."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError, unknown
from archloom.spaces.base import check_whole, says_otherwise, shown_one_by_one
from archloom.spaces.coordinates import Coordinates
from archloom.spaces.drawing import Drawing, DrawnEdge
from archloom.spaces.exports import exported
from archloom.spaces.features import FeatureLayout
from archloom.spaces.flow import Flow, FlowBatch
from archloom.spaces.graphs import Graph, GraphGrammar
from archloom.spaces.known import BenchmarkTable, Finding
from archloom.spaces.nb101.cells import CELLS, SAMPLERS
from archloom.spaces.nb101.codes import (
    ABSENT,
    GENES,
    LABELS,
    MAX_EDGES,
    PAIRS,
    UNCONNECTED,
    VERTICES,
    Codes,
    allowed,
    allowed_codes,
    canonical,
    canonical_codes,
    edges_of,
    inner_vertices,
    label_of,
    pack,
    packed,
    predecessors,
    pruned,
    unpack,
)
from archloom.spaces.nb101.coordinates import CellCoordinates
from archloom.spaces.nb101.counts import FEWEST_CHANNELS
from archloom.spaces.nb101.encoding import BITS, encode
from archloom.spaces.nb101.flow import FLOW, flow_batch
from archloom.spaces.nb101.grammar import GRAPH_LABELS, CellGrammar
from archloom.spaces.nb101.known import known_answers
from archloom.spaces.nb101.moves import neighbour_codes
from archloom.spaces.sizes import ImageSize, NetworkSizes, SizedNetworks
from archloom.spaces.walks import Shown, draw
from archloom.types import Arch
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from torch import nn

    from archloom.nets.supernets.base import Path, Sharing, Supernet

GENE_NAMES = (*(f"{x}->{y}" for x, y in PAIRS), *(f"op{vertex}" for vertex in range(1, VERTICES - 1)))
OPTIONS: Mapping[str, Sequence[str]] = dict(
    zip(GENE_NAMES, [("no", "yes")] * len(PAIRS) + [(*LABELS, "absent")] * (VERTICES - 2), strict=True)
)

_SOURCES = ("in", *(str(vertex) for vertex in range(1, VERTICES - 1)))
"""How strings name the vertices that lead somewhere."""

_SOURCES_OF = tuple(
    ",".join(name for vertex, name in enumerate(_SOURCES) if members >> vertex & 1)
    for members in range(1 << (VERTICES - 1))
)
"""How strings name sets of vertices, which are given as bits."""

_SHOWN = 200
"""How many characters of a string that is no cell an error shows."""

_VERTEX = re.compile(r"(?:(\d)=(\w+)|out)\(([^()]*)\)")

_EXPORT = '''"""A NAS-Bench-101 network, found with archloom.

{arch}
{found_by}

    from FILE import make_network

    network = make_network(seed=0, channels={channels}, stacks=3, cells={cells}, classes={classes})
"""

{code}

MATRIX = {matrix}
"""[source][destination]: the first vertex is the cell's input, the last its output."""

OPERATIONS_FOUND = {operations}
"""The operations of the vertices between input and output."""


def make_network(
    seed: int = 0,
    channels: int = {channels},
    stacks: int = 3,
    cells: int = {cells},
    classes: int = {classes},
    image_channels: int = {image_channels},
    stem: str = {stem!r},
) -> Nb101Network:
    """The network with freshly drawn weights, for images of shape (B, image_channels, H, W)."""
    return Nb101Network(MATRIX, OPERATIONS_FOUND, seed, channels, stacks, cells, classes, image_channels, stem)
'''


class Nb101(SizedNetworks):
    """Cells of at most 7 vertices and 9 edges (Ying et al. 2019).

    An architecture is the genes of a table: 21 edges, five labels. Vertices on no path from input to output are pruned
    before anything is looked up, and isomorphic cells are one query. The stored matrix of a class answers for it; where
    there is no table that is the published one. `sampler` says how random cells are drawn: sizes uniformly ("by_size",
    Cassimon et al.) or matrices uniformly ("rejection", White et al.).

    Networks have three stacks of `cells` cells, `channels` channels wide in the first one, and are for images of
    `image_channels` channels and `image_size` pixels in `classes` classes. The `stem` "cifar" is one convolution,
    "imagenet" three that reduce images to an eighth.
    """

    name = "nb101"
    epochs_in_names = re.compile(r"_(4|12|36|108)(?=_|$)")
    neighbours_are_valid = True
    graph_labels = GRAPH_LABELS
    encoding = "nb101"
    encoding_bits = BITS
    supernet_sizes: Mapping[str, int] = {"channels": 32, "cells": 3}
    proxy_sizes: Mapping[str, int] = {"channels": 32, "cells": 1}

    def __init__(
        self,
        options: Mapping[str, Sequence[object]] | None = None,
        rows: NDArray[np.integer[Any]] | None = None,
        sampler: Literal["by_size", "rejection"] = "by_size",
        channels: int = 128,
        cells: int = 3,
        classes: int = 10,
        image_channels: int = 3,
        image_size: ImageSize = 32,
        stem: Literal["cifar", "imagenet"] = "cifar",
    ) -> None:
        self.network_sizes = NetworkSizes(
            channels, cells, classes, image_channels, image_size, stem, least_channels=FEWEST_CHANNELS
        )
        given = OPTIONS if options is None else options
        if [(name, tuple(values)) for name, values in given.items()] != list(OPTIONS.items()):
            raise InputError(
                f"nb101 genes {', '.join(given)}: expected {', '.join(GENE_NAMES)} in this order, edges with the "
                f"options no and yes, operations with {', '.join(LABELS)} and absent"
            )
        if sampler not in SAMPLERS:
            raise unknown("sampler of nb101", sampler, SAMPLERS)
        self._draw = SAMPLERS[sampler]
        self._rows = None if rows is None else pack(rows)
        self._stored: tuple[Codes, Codes] | None = None

    @classmethod
    def for_table(
        cls, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]], **settings: Any
    ) -> Nb101:
        """The space over a table's rows, which may hold any matrix of a cell."""
        return cls(options, rows, **settings)

    @classmethod
    def known_answers(cls, table: BenchmarkTable) -> Iterator[Finding]:
        """Of a table of NAS-Bench-101; see `archloom.spaces.nb101.known`."""
        return known_answers(table, (table.gene_names, table.options) == (GENE_NAMES, tuple(OPTIONS.values())))

    @property
    def size(self) -> int:
        return CELLS

    def sample(self, rng: np.random.Generator) -> Arch:
        return _archs(self._draw(rng, 1))[0]

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A neighbour, drawn uniformly."""
        found = self._neighbour_codes(arch)
        at = int(rng.integers(len(found)))
        return _archs(found[at : at + 1])[0]

    def violations(self, arch: Arch) -> Mapping[str, float]:
        code = pruned(_code(arch))
        if code == UNCONNECTED:
            return {"output not reachable from the input": 1.0}
        return {f"edges beyond {MAX_EDGES}": float(edges_of(code) - MAX_EDGES)}

    def canonical(self, arch: Arch) -> Arch:
        """The matrix that answers for `arch`: the table's, else the published one; `arch` if it is not connected."""
        code = canonical(_code(arch))
        if code == UNCONNECTED:
            return arch
        if self._rows is not None:
            codes, stored = self._lookup(self._rows)
            at = int(np.searchsorted(codes, np.uint32(code)))
            if at < len(codes) and codes[at] == code:
                return _archs(stored[at : at + 1])[0]
        return _archs(np.array([code], dtype=np.uint32))[0]

    def representative_rows(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """(n,) which rows (n, 26) represent their class: the first of each."""
        codes = canonical_codes(pack(rows))
        first = np.zeros(len(codes), dtype=bool)
        first[np.unique(codes, return_index=True)[1]] = True
        first &= codes != UNCONNECTED
        return first

    def key(self, arch: Arch) -> str:
        """The readable string of the published matrix of the class."""
        code = _code(arch)
        fitness = canonical(code)
        return _text(code if fitness == UNCONNECTED else fitness)

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        """The cells that `moves` leads to."""
        return _archs(self._neighbour_codes(arch))

    def encode(self, genes: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """The bits of the published matrix; see `encoding`."""
        return encode(unpack(canonical_codes(pack(genes))))

    def show_neighbours(self, genes: NDArray[np.integer[Any]], most: int, rng: np.random.Generator) -> Shown:
        """Up to `most` of `neighbours` each."""
        if says_otherwise(self, Nb101):
            return shown_one_by_one(self, genes, most, rng)
        codes, counts = neighbour_codes(allowed_codes(pack(genes)))
        drawn = draw(counts, most, rng)
        return Shown(unpack(codes[drawn.numbers.ravel()]).reshape(len(genes), -1, GENES), drawn.counts)

    def format(self, arch: Arch) -> str:
        """Each vertex with what leads to it: `1=conv3x3(in) 2=maxpool3x3(in,1) out(2)`."""
        return _text(_code(arch))

    def parse(self, text: str) -> Arch:
        parts = text.split()
        if not 0 < len(parts) < VERTICES or not parts[-1].startswith("out("):
            fits = 0 < len(parts) < VERTICES
            what = "the last vertex is not out(...)" if fits else f"{len(parts)} vertices, expected 1 to {VERTICES - 1}"
            raise _no_cell(text, what)
        genes = [0] * len(PAIRS) + [ABSENT] * (VERTICES - 2)
        for vertex, part in enumerate(parts, start=1):
            match = _VERTEX.fullmatch(part)
            if match is None:
                raise _no_cell(text, f"vertex {vertex} is {one_line(part, 40)!r}")
            number, operation, sources = match.groups()
            if vertex < len(parts):
                if number != str(vertex) or operation not in LABELS:
                    raise _no_cell(text, f"vertex {vertex} is {one_line(part, 40)!r}")
                genes[len(PAIRS) + vertex - 1] = LABELS.index(operation)
            for source in sources.split(",") if sources else []:
                if source not in _SOURCES[:vertex]:
                    what = f"{one_line(source, 20)!r} leads to it, expected {', '.join(_SOURCES[:vertex])}"
                    raise _no_cell(text, f"vertex {vertex}: {what}")
                edge = PAIRS.index((_SOURCES.index(source), vertex))
                if genes[edge]:
                    raise _no_cell(text, f"vertex {vertex}: {source} leads to it twice")
                genes[edge] = 1
        return Arch(tuple(genes))

    def coordinates(self) -> Coordinates:
        """21 edges and five operations."""
        return CellCoordinates(self, GENE_NAMES, _code)

    def to_graph(self, arch: Arch) -> Graph:
        """The cell as it is, not pruned; vertex 0 is the input, the last the output."""
        matrix, operations = _cell(_code(arch))
        inner = [self.graph_labels.index(operation) for operation in operations]
        return Graph(np.array([0, *inner, len(self.graph_labels) - 1]), matrix)

    @property
    def flow(self) -> Flow:
        """All operations count."""
        return FLOW

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        return [flow_batch(_gene_rows(archs))]

    @property
    def feature_layout(self) -> FeatureLayout:
        """Statistics of the flow alone: they are the same for isomorphic cells, as no code of a matrix is."""
        return FeatureLayout((), (), FLOW.names)

    def features(self, archs: Sequence[Arch]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.empty((len(archs), 0)), FLOW.statistics(self.flow_batches(archs))

    def from_graph(self, graph: Graph) -> Arch:
        labels, matrix = np.asarray(graph.labels), np.asarray(graph.adjacency)
        v, last = len(labels), len(self.graph_labels) - 1
        inner = labels[1:-1]
        framed = labels.dtype.kind in "iu" and 2 <= v <= VERTICES and labels[0] == 0 and labels[-1] == last
        if not framed or ((inner < 1) | (inner >= last)).any():
            raise InputError(
                f"graph with labels {labels.tolist()}: expected integers, 0 (input), up to {VERTICES - 2} of 1 to "
                f"{last - 1}, then {last} (output)"
            )
        if matrix.shape != (v, v) or np.tril(matrix).any() or not np.isin(matrix, (0, 1)).all():
            raise InputError(
                f"adjacency of shape {matrix.shape}: expected ({v}, {v}), zeros and ones above the diagonal"
            )
        edges = [int(matrix[x, y]) if y < v else 0 for x, y in PAIRS]
        return Arch((*edges, *(inner - 1).tolist(), *[ABSENT] * (VERTICES - v)))

    def grammar(self) -> GraphGrammar:
        return CellGrammar()

    def drawing(self, arch: Arch) -> Drawing:
        """The cell as it is."""
        matrix, operations = _cell(_code(arch))
        edges = tuple(DrawnEdge(int(x), int(y)) for x, y in np.argwhere(matrix))
        return Drawing(("in", *operations, "out"), edges)

    def build(self, arch: Arch, seed: int) -> nn.Module:
        """The benchmark's network around the canonical cell; by default that for CIFAR-10, 128 channels wide."""
        from archloom.nets.nb101 import Nb101Network

        matrix, operations = self._buildable(arch)
        return Nb101Network(matrix, operations, seed, **self._settings())

    def supernet(self, seed: int, sharing: Sharing) -> Supernet:
        """Convolutions and a pool on every vertex, cut to a cell's channels; there is none with all operations."""
        from archloom.nets.supernets.nb101 import Nb101Supernet

        check_whole(self.name, sharing.partial)
        return Nb101Supernet(seed, sharing, **self._settings())

    def path(self, arch: Arch) -> Path:
        """(matrix, operations) of the canonical cell."""
        matrix, operations = self._buildable(arch)
        return tuple(map(tuple, matrix)), tuple(operations)

    def plain(self, arch: Arch, seed: int, sharing: Sharing) -> nn.Module:
        """The benchmark's network: it has all that a path of the supernet has."""
        from archloom.nets.nb101 import Nb101Network

        check_whole(self.name, sharing.partial)
        matrix, operations = self.path(arch)
        return Nb101Network(matrix, operations, seed, **self._settings())

    def source(self, arch: Arch, found_by: str) -> str:
        """`archloom/nets/nb101.py` with this cell filled in: a file that needs PyTorch only."""
        matrix, operations = self._buildable(arch)
        shown = self.format(self.canonical(arch))
        return exported(
            _EXPORT,
            "nb101",
            arch=shown,
            found_by=found_by,
            matrix=matrix,
            operations=operations,
            **self._settings(),
        )

    def _settings(self) -> dict[str, Any]:
        """What the networks are made with."""
        return {
            "channels": self.channels,
            "cells": self.cells,
            "classes": self.classes,
            "image_channels": self.image_channels,
            "stem": self.stem,
        }

    def _buildable(self, arch: Arch) -> tuple[list[list[int]], list[str]]:
        """The matrix that answers for `arch`, pruned; InputError if there is no path from input to output."""
        code = pruned(_code(self.canonical(arch)))
        if code == UNCONNECTED:
            raise InputError(f"{self.format(arch)}: the output is not reachable from the input, so there is no network")
        matrix, operations = _cell(code)
        return matrix.tolist(), operations

    def _neighbour_codes(self, arch: Arch) -> Codes:
        code = allowed(_code(arch))
        if code == UNCONNECTED:
            broken = [rule for rule, amount in self.violations(arch).items() if amount > 0]
            raise InputError(f"{self.format(arch)}: {broken[0]}; only valid cells have neighbours")
        return neighbour_codes(np.array([code], dtype=np.uint32))[0]

    def _lookup(self, rows: Codes) -> tuple[Codes, Codes]:
        """Sorted canonical codes of the table's cells, and the codes they are stored as; made on first use (0.3 s)."""
        if self._stored is None:
            codes, first = np.unique(canonical_codes(rows), return_index=True)
            self._stored = codes, rows[first]
        return self._stored


def _code(arch: Arch) -> int:
    """The code of an architecture as it is; InputError for genes that are no graph.

    Of one architecture at a time, and so without what a batch costs: this is asked for several times a proposal.
    """
    try:
        genes = bytes(arch.genes)  # type: ignore[arg-type]  # floats are refused, and read below
        if len(genes) != GENES:
            raise ValueError
    except (TypeError, ValueError):
        return int(pack(_whole(arch.genes))[0])
    code = packed(np.frombuffer(genes, dtype=np.uint8))
    return code if code >= 0 else int(pack(np.array([arch.genes]))[0])  # which says what is wrong


def _whole(genes: Sequence[object]) -> NDArray[np.integer[Any]]:
    """Genes as integers if they are whole floats, such as 1.0."""
    try:
        whole = [int(gene) if isinstance(gene, float) and gene.is_integer() else gene for gene in genes]
        return np.array([whole])
    except ValueError as error:
        raise InputError(f"genes {list(genes)}: expected {GENES} integers") from error


def _gene_rows(archs: Sequence[Arch]) -> NDArray[np.integer[Any]]:
    """(n, 26) genes; InputError for genes that are no graph."""
    return unpack(np.array([_code(arch) for arch in archs], dtype=np.uint32))


def _archs(codes: Codes) -> list[Arch]:
    return [Arch(tuple(genes)) for genes in unpack(codes).tolist()]


def _text(code: int) -> str:
    output = inner_vertices(code) + 1
    parts = [
        f"{vertex}={LABELS[label_of(code, vertex)]}({_SOURCES_OF[predecessors(code, vertex)]})"
        for vertex in range(1, output)
    ]
    return " ".join([*parts, f"out({_SOURCES_OF[predecessors(code, output)]})"])


def _cell(code: int) -> tuple[NDArray[np.uint8], list[str]]:
    """The matrix (V, V) and the operations of the inner vertices."""
    v = inner_vertices(code) + 2
    matrix = np.zeros((v, v), dtype=np.uint8)
    for vertex in range(1, v):
        matrix[:vertex, vertex] = [predecessors(code, vertex) >> source & 1 for source in range(vertex)]
    return matrix, [LABELS[label_of(code, vertex)] for vertex in range(1, v - 1)]


def _no_cell(text: str, what: str) -> InputError:
    return InputError(
        f"cell {one_line(text, _SHOWN)!r}: {what}; expected vertices in order with what leads to them, as in "
        f"1=conv3x3(in) 2=maxpool3x3(in,1) out(2); operations {', '.join(LABELS)}"
    )
