"""NAS-Bench-201 (Dong & Yang 2020): cells of 4 nodes whose 6 edges each carry one of 5 operations.

Genes are ordered by destination: 0->1, 0->2, 1->2, 0->3, 1->3, 2->3, as in the benchmark's own architecture strings
`|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`. The option names come from the table, so the same space serves cells with other
operations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError, unknown
from archloom.spaces.alignment import aligned
from archloom.spaces.base import Categorical, check_whole
from archloom.spaces.drawing import AlphaLayout, Drawing, DrawnEdge
from archloom.spaces.exports import exported
from archloom.spaces.flow import Flow, FlowBatch
from archloom.spaces.graphs import OPEN, FixedGrammar, Graph, GraphGrammar
from archloom.spaces.known import BenchmarkTable, Finding, best_values, computed, row_count
from archloom.spaces.sizes import STEMS, Grid, ImageSize, NetworkSizes, SizedNetworks, Stem, grid_of
from archloom.types import Arch
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from torch import nn

    from archloom.nets.supernets.base import Path, Sharing, Supernet

EDGES: tuple[tuple[int, int], ...] = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, destination) of each gene."""

GENES = tuple(f"{source}->{target}" for source, target in EDGES)

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The benchmark's operations in its own order."""

NODES = 3
"""Computing nodes of a cell, each of which has an edge from all before it."""

_CELL = re.compile(r"[^|]*\|(.*)\|[\s)\]'\",;.]*(?:#[^\n]*)?", re.DOTALL)
"""A cell with what is printed around it: `Structure(4 nodes with |...|)`, a log's date, quotes, a comment."""

_FORM = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"

_VERTICES = len(EDGES) + 2
"""Of a cell as a graph with operations on vertices: the input, one for each edge, the output."""


def _line_graph() -> NDArray[np.uint8]:
    """(8, 8): vertex 1 + e is the operation of edge e; it reads what ends where the edge begins."""
    adjacency = np.zeros((_VERTICES, _VERTICES), dtype=np.uint8)
    for edge, (source, target) in enumerate(EDGES, start=1):
        if source == 0:
            adjacency[0, edge] = 1
        for other, (begin, _) in enumerate(EDGES, start=1):
            adjacency[edge, other] = begin == target
        adjacency[edge, -1] = target == 3
    return adjacency


_ADJACENCY = _line_graph()

_ZERO = frozenset({"none"})
_IDENTITY = frozenset({"skip_connect"})


_AREAS = np.array([{"nor_conv_1x1": 1, "nor_conv_3x3": 9}.get(operation, 0) for operation in OPERATIONS])
"""Pixels of each operation's kernel; 0 without a convolution."""

_STAGES = 3


def parameters(
    genes: NDArray[np.integer[Any]],
    channels: int = 16,
    cells: int = 5,
    classes: int = 10,
    image_channels: int = 3,
    stem: Stem = STEMS["cifar"],
) -> NDArray[np.int64]:
    """(n,) exact parameter counts of the networks of cells (n, 6) over `OPERATIONS`; by default as published, CIFAR-10.

    A convolution of kernel k from c to d channels has k*k*c*d weights, a normalisation of c channels 2 * c.
    """
    around = sum((9 * c_in + 2) * c_out for c_in, c_out, _ in stem.convolutions(image_channels, channels, Grid(1, 1)))
    widths = [channels << stage for stage in range(_STAGES)]
    around += sum(56 * width**2 + 8 * width for width in widths[:-1])  # reductions: 18 + 36 + 2 weights, two norms
    around += 2 * widths[-1] + (widths[-1] + 1) * classes
    per_edge = sum(cells * (_AREAS * width**2 + 2 * width * (_AREAS > 0)) for width in widths)
    counts: NDArray[np.int64] = around + np.asarray(per_edge)[genes].sum(axis=1)
    return counts


def macs(
    genes: NDArray[np.integer[Any]],
    channels: int = 16,
    cells: int = 5,
    classes: int = 10,
    image_channels: int = 3,
    image_size: ImageSize = 32,
    stem: Stem = STEMS["cifar"],
) -> NDArray[np.int64]:
    """(n,) multiply-adds of convolutions and classifier for one image; the benchmark's tables call them FLOPs."""
    convolutions = list(stem.convolutions(image_channels, channels, grid_of(image_size)))
    around = sum(9 * c_in * c_out * grid.pixels for c_in, c_out, grid in convolutions)
    per_edge, grid = np.zeros(len(OPERATIONS), dtype=np.int64), convolutions[-1].grid
    for stage in range(_STAGES):
        width = channels << stage
        per_edge += cells * _AREAS * width**2 * grid.pixels
        if stage < _STAGES - 1:
            grid = grid.after(2)
            around += 56 * width**2 * grid.pixels  # of a reduction, see `parameters`
    counts: NDArray[np.int64] = around + width * classes + per_edge[genes].sum(axis=1)
    return counts


_EXPORT = '''"""A NAS-Bench-201 network, found with archloom.

{arch}
{found_by}

    from FILE import make_network

    network = make_network(seed=0, channels={channels}, cells={cells}, classes={classes})
"""

{code}

OPERATIONS_FOUND = {operations}
"""The operation of each edge of the cell, in the order of `EDGES`."""


def make_network(
    seed: int = 0,
    channels: int = {channels},
    cells: int = {cells},
    classes: int = {classes},
    image_channels: int = {image_channels},
    stem: str = {stem!r},
) -> Nb201Network:
    """The network with freshly drawn weights, for images of shape (B, image_channels, H, W)."""
    return Nb201Network(OPERATIONS_FOUND, seed, channels, cells, classes, image_channels, stem)
'''

CELLS = len(OPERATIONS) ** len(GENES)
_PUBLISHED_BEST = {
    "cifar10_valid_200": 91.61,
    "cifar10_test_200": 94.37,
    "cifar100_valid_200": 73.49,
    "cifar100_test_200": 73.51,
}
"""The optimum row of the paper's table 5,"""
_PRINTED = 0.01
"""and how far an unrounded value can be from it: half a unit of the last digit and the rounding of float32."""


def _operations_in(text: str) -> list[str]:
    """The six operations that a string names, in the order of `GENES`; InputError that names the place of a fault."""
    shown = one_line(text, 160)
    match = _CELL.fullmatch(text)
    nodes = match[1].split("|+|") if match is not None else []
    if len(nodes) != NODES:
        what = "no |...|" if match is None else f"{len(nodes)} nodes joined by +, expected {NODES}"
        raise InputError(f"cell {shown!r}: {what}; expected {_FORM}")
    operations = []
    for node, edges in enumerate((edges.split("|") for edges in nodes), 1):
        if len(edges) != node:
            raise InputError(f"cell {shown!r}: node {node} has {len(edges)} edges, expected {node}; expected {_FORM}")
        for source, edge in enumerate(edges):
            operation, tilde, number = (part.strip() for part in edge.partition("~"))
            if not operation or not tilde or number != str(source):
                place = f"edge {source + 1} of node {node} is {one_line(edge, 40)!r}, expected op~{source}"
                raise InputError(f"cell {shown!r}: {place}; expected {_FORM}")
            operations.append(operation)
    return operations


class Nb201(SizedNetworks, Categorical):
    """The cell space of NAS-Bench-201.

    With `canonical=True` isomorphic cells count as one (see `signature`): 6,466 classes of the 15,625 cells. The first
    cell of a class in the order of genes answers for all of it.

    Networks have three stages of `cells` cells, `channels` channels wide in the first one, and are for images of
    `image_channels` channels and `image_size` pixels in `classes` classes. The `stem` "cifar" is one convolution,
    "imagenet" three that reduce images to an eighth.
    """

    name = "nb201"
    epochs_in_names = re.compile(r"_(12|200)$")
    supernet_sizes: Mapping[str, int] = {"channels": 16, "cells": 5}
    proxy_sizes: Mapping[str, int] = {"channels": 8, "cells": 2}

    def __init__(
        self,
        options: Mapping[str, Sequence[object]] | None = None,
        canonical: bool = False,
        channels: int = 16,
        cells: int = 5,
        classes: int = 10,
        image_channels: int = 3,
        image_size: ImageSize = 32,
        stem: Literal["cifar", "imagenet"] = "cifar",
    ) -> None:
        self.network_sizes = NetworkSizes(channels, cells, classes, image_channels, image_size, stem)
        given = options or dict.fromkeys(GENES, OPERATIONS)
        if tuple(given) != GENES:
            raise InputError(f"nb201 genes {', '.join(given)}: expected {', '.join(GENES)}")
        super().__init__(given)
        self._merge = canonical
        self._operations = tuple(dict.fromkeys(text for strings in self.options for text in strings))
        self._labels = {operation: label for label, operation in enumerate(self._operations, start=2)}
        self._representatives: dict[str, Arch] = {}

    @classmethod
    def known_answers(cls, table: BenchmarkTable) -> Iterator[Finding]:
        """All cells, the optima that the paper prints, counts of every cell, metrics in the rows of their cells."""
        yield row_count(table, CELLS)
        yield from best_values(table, _PUBLISHED_BEST, _PRINTED)
        if table.gene_names == GENES and all(set(names) <= set(OPERATIONS) for names in table.options):
            numbers = [[OPERATIONS.index(name) for name in names] for names in table.options]
            genes = np.stack([np.array(known)[table.genes[:, gene]] for gene, known in enumerate(numbers)], axis=1)
            yield from computed(table, "cifar10_params_m", parameters(genes))
            yield from computed(table, "cifar10_flops_m", macs(genes))
        yield from aligned(table)

    @property
    def size(self) -> int:
        return len(self._classes()) if self._merge else super().size

    @property
    def encoding(self) -> str:
        """`nb201` for the benchmark's operations in its order."""
        return self.name if self.options == (OPERATIONS,) * len(EDGES) else super().encoding

    def format(self, arch: Arch) -> str:
        a, b, c, d, e, f = self.operations(arch)
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def parse(self, text: str) -> Arch:
        """Also with what is printed around a cell: `Structure(4 nodes with ...)`, quotes, a log's date, a comment."""
        return Arch(tuple(self.gene_of(gene, option) for gene, option in enumerate(_operations_in(text))))

    def canonical(self, arch: Arch) -> Arch:
        return self._classes()[self.signature(arch)] if self._merge else arch

    def representative_rows(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """(n,) which rows (n, 6) stand for their class: all, unless isomorphic cells count as one."""
        if not self._merge:
            return super().representative_rows(rows)
        representatives = set(self._classes().values())
        return np.array([Arch(tuple(row)) in representatives for row in rows.tolist()])

    def signature(self, arch: Arch) -> str:
        """A string that is equal for isomorphic cells, by the rule of the benchmark (Dong & Yang 2020, section 2.1).

        A node is the sorted sum of its incoming terms: a skip adds the source's own string, `none` the zero "#", as
        does anything applied to a bare zero; any other operation wraps the source's string.
        """
        nodes, operations = ["0"], self.operations(arch)
        for terms in ((0,), (1, 2), (3, 4, 5)):
            strings = [self._term(operations[gene], nodes[EDGES[gene][0]]) for gene in terms]
            nodes.append("+".join(sorted(strings)))
        return nodes[3]

    @staticmethod
    def _term(operation: str, source: str) -> str:
        if operation in _ZERO or source == "#":
            return "#"
        # The benchmark's own spelling: a skip of a sum joins the outer sum, and whether two such sums come out equal
        # depends on how their terms sort as strings. Any other spelling gives another number of classes.
        return source if operation in _IDENTITY else f"({source})@{operation}"

    def operations(self, arch: Arch) -> list[str]:
        """The operation of each edge, in the order of `EDGES`."""
        return [strings[i] for strings, i in zip(self.options, self.indices(arch), strict=True)]

    @property
    def graph_labels(self) -> tuple[str, ...]:
        """Input, output, then the operations."""
        return ("input", "output", *self._operations)

    def to_graph(self, arch: Arch) -> Graph:
        """The cell with operations on vertices: its edges become vertices 1 to 6, between the input and the output.

        The vertex of an edge reads those of all edges that end where it begins. `none` stays a vertex, so that the
        graph says exactly what the cell is.
        """
        labels = [self._labels[operation] for operation in self.operations(arch)]
        return Graph(np.array([0, *labels, 1], dtype=np.int64), _ADJACENCY.copy())

    @cached_property
    def flow(self) -> Flow:
        """`none` is a zero and `skip_connect` an identity, if the table has them."""
        inputs, outputs = (frozenset({label}) for label in self.graph_labels[:2])
        known = frozenset(self._operations)
        return Flow(self.graph_labels, _ZERO & known, _IDENTITY & known, inputs=inputs, outputs=outputs)

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        genes = self._columns(archs)[0]
        labels = np.zeros((len(archs), _VERTICES), dtype=np.int64)
        for gene, strings in enumerate(self.options):
            labels[:, 1 + gene] = np.array([self._labels[text] for text in strings])[genes[:, gene]]
        labels[:, -1] = 1
        return [FlowBatch(labels, np.tile(_ADJACENCY, (len(archs), 1, 1)))]

    def from_graph(self, graph: Graph) -> Arch:
        labels, adjacency = np.asarray(graph.labels), np.asarray(graph.adjacency)
        if labels.shape != (_VERTICES,) or labels.dtype.kind not in "iu" or not np.array_equal(adjacency, _ADJACENCY):
            raise InputError(
                f"graph with labels of shape {labels.shape} and type {labels.dtype} and adjacency of shape "
                f"{adjacency.shape}: expected {_VERTICES} whole numbers, and the edges that `to_graph` of any cell has"
            )
        inner = labels[1:-1]
        if labels[0] != 0 or labels[-1] != 1 or ((inner < 2) | (inner >= len(self.graph_labels))).any():
            raise InputError(
                f"graph with labels {labels.tolist()}: expected 0 (input), six of 2 to {len(self.graph_labels) - 1}, "
                "then 1 (output)"
            )
        names = (self.graph_labels[label] for label in inner.tolist())
        return Arch(tuple(self.gene_of(gene, name) for gene, name in enumerate(names)))

    def grammar(self) -> GraphGrammar:
        """One operation after another, edges in the order of `EDGES`."""
        template = np.array([0, *[OPEN] * len(EDGES), 1], dtype=np.int64)
        options = {1 + gene: [self._labels[text] for text in strings] for gene, strings in enumerate(self.options)}
        return FixedGrammar(Graph(template, _ADJACENCY), dict(options), len(self.graph_labels))

    def build(self, arch: Arch, seed: int) -> nn.Module:
        """The benchmark's network around this cell; by default that for CIFAR-10, 16 channels and 3 x 5 cells."""
        from archloom.nets.nb201 import Nb201Network

        return Nb201Network(self._built(arch), seed, **self._settings())

    def supernet(self, seed: int, sharing: Sharing) -> Supernet:
        """All five operations on every edge."""
        from archloom.nets.supernets.nb201 import Nb201Supernet

        check_whole(self.name, sharing.partial)
        return Nb201Supernet(seed, sharing, **self._settings())

    def path(self, arch: Arch) -> Path:
        """The six operations, in the order of `EDGES`, of the canonical cell."""
        return tuple(self._built(self.canonical(arch)))

    def plain(self, arch: Arch, seed: int, sharing: Sharing) -> nn.Module:
        """The benchmark's network: it has all that a path of the supernet has."""
        from archloom.nets.nb201 import Nb201Network

        check_whole(self.name, sharing.partial)
        return Nb201Network(self.path(arch), seed, **self._settings())

    def _settings(self) -> dict[str, Any]:
        """What the networks and the supernet are made with."""
        return {
            "channels": self.channels,
            "cells": self.cells,
            "classes": self.classes,
            "image_channels": self.image_channels,
            "stem": self.stem,
        }

    def source(self, arch: Arch, found_by: str) -> str:
        """`archloom/nets/nb201.py` with this cell filled in: a file that needs PyTorch only."""
        found = list(self._built(arch))
        return exported(
            _EXPORT,
            "nb201",
            arch=self.format(arch),
            found_by=found_by,
            operations=found,
            **self._settings(),
        )

    def _built(self, arch: Arch) -> Sequence[str]:
        """The cell's operations; InputError for one that the benchmark's network does not know."""
        operations = self.operations(arch)
        for operation in operations:
            if operation not in OPERATIONS:
                raise unknown("operation to build", operation, OPERATIONS)
        return operations

    @property
    def alpha_layout(self) -> AlphaLayout:
        """Edges as "source→node" from the input, of the nodes 1, 2 and the output."""
        names = ("in", "1", "2", "out")
        edges = tuple(f"{names[source]}→{names[target]}" for source, target in EDGES)
        nodes = tuple(row for row in range(1, len(EDGES)) if EDGES[row][1] != EDGES[row - 1][1])
        return replace(super().alpha_layout, edges=edges, nodes=nodes)

    def drawing(self, arch: Arch) -> Drawing:
        """The cell as a graph: its nodes, and its edges with their operations; `none` is an absent edge."""
        edges = [
            DrawnEdge(a, b, operation, absent=operation in _ZERO)
            for (a, b), operation in zip(EDGES, self.operations(arch), strict=True)
        ]
        return Drawing(("in", "1", "2", "out"), tuple(edges))

    def _classes(self) -> dict[str, Arch]:
        """Signature -> the first cell that has it; made on first use (0.1 s)."""
        if not self._representatives:
            for index in range(super().size):
                arch = self._nth(index)
                self._representatives.setdefault(self.signature(arch), arch)
        return self._representatives

    def _nth(self, index: int) -> Arch:
        """Cell number `index` in the order of genes."""
        genes = []
        for size in reversed(self.sizes.tolist()):
            index, gene = divmod(index, size)
            genes.append(gene)
        return Arch(tuple(reversed(genes)))
