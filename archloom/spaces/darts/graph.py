"""DARTS architectures as labelled graphs with operations on vertices, for generators and networks of graphs.

An architecture is one graph of 30 vertices: the 15 of the normal cell in the order of `encoding`, then those of the
reduction cell. No edge joins the two parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.darts.encoding import FIRST_OPERATION, LABELS, VERTICES, encode, sum_vertex
from archloom.spaces.darts.genotypes import CELLS, NODES, SHAPE, Genotypes, canonical, explain
from archloom.spaces.graphs import OPEN, Bools, ConstructionStep, Graph, PartialGraph

SIZE = len(CELLS) * VERTICES
_UPPER = np.triu_indices(VERTICES, 1)

_SOURCES = (0, 1, *(sum_vertex(node) for node in range(NODES)))
"""The vertices of a cell that operations read, in the order of genotypes."""
_READERS = np.array([sum_vertex(pair // 2) - 2 + pair % 2 for pair in range(2 * NODES)])
"""(8,) the vertices of a cell that hold its operations."""


def graph_of(genotype: NDArray[np.integer[Any]]) -> Graph:
    """The graph of one genotype (2, 8, 2); the earlier source's operation is the first of its node."""
    labels = np.empty(SIZE, dtype=np.int64)
    adjacency = np.zeros((SIZE, SIZE), dtype=np.uint8)
    for cell, bits in enumerate(encode(genotype).reshape(len(CELLS), -1)):
        part = slice(cell * VERTICES, (cell + 1) * VERTICES)
        adjacency[part, part][_UPPER] = bits[: len(_UPPER[0])]
        labels[part] = bits[len(_UPPER[0]) :].reshape(VERTICES, len(LABELS)).argmax(axis=1)
    return Graph(labels, adjacency)


def genotype_of_graph(graph: Graph) -> Genotypes:
    """The canonical genotype (2, 8, 2) of a graph as `graph_of` makes it; InputError for any other.

    The two operations of a node may be in either order.
    """
    labels, adjacency = np.asarray(graph.labels), np.asarray(graph.adjacency)
    if labels.dtype.kind not in "iu":
        raise InputError(f"graph with labels of type {labels.dtype}: expected whole numbers")
    if labels.shape != (SIZE,) or adjacency.shape != (SIZE, SIZE):
        raise InputError(
            f"graph with labels of shape {labels.shape} and adjacency {adjacency.shape}: expected ({SIZE},) and "
            f"({SIZE}, {SIZE}), the 15 vertices of the normal cell and those of the reduction cell"
        )
    genotype = np.empty(SHAPE, dtype=np.int64)
    order = np.arange(SIZE)
    for cell in range(len(CELLS)):
        readers = cell * VERTICES + _READERS
        sources = adjacency[cell * VERTICES + np.array(_SOURCES)][:, readers].argmax(axis=0)
        genotype[cell] = np.stack([sources, labels[readers] - FIRST_OPERATION], axis=1)
        turned = sources[::2] > sources[1::2]
        order[readers] = readers.reshape(-1, 2)[np.arange(NODES)[:, None], turned[:, None] ^ np.array([0, 1])].ravel()
    if fault := explain(genotype):
        raise InputError(f"graph: {fault}")
    _compare(labels[order], adjacency[np.ix_(order, order)], graph_of(genotype))
    return canonical(genotype.astype(np.uint8))


class GenotypeGrammar:
    """The 16 operations in order, each with its source; a node's second operation reads a later source than its first.

    So an architecture is drawn in exactly one way, its canonical one.
    """

    def __init__(self) -> None:
        whole = graph_of(np.array([[[pair % 2, 0] for pair in range(2 * NODES)]] * len(CELLS), dtype=np.uint8))
        self._vertices = np.concatenate([cell * VERTICES + _READERS for cell in range(len(CELLS))])
        labels, adjacency = whole.labels.copy(), whole.adjacency.copy()
        labels[self._vertices], adjacency[:, self._vertices] = OPEN, 0
        self.template = Graph(labels, adjacency)
        self.steps: Sequence[ConstructionStep] = tuple(
            ConstructionStep(
                int(vertex), tuple(vertex // VERTICES * VERTICES + source for source in _SOURCES[: pair // 2 + 2])
            )
            for vertex, pair in zip(self._vertices.tolist(), list(range(2 * NODES)) * len(CELLS), strict=True)
        )

    def label_mask(self, partial_graph: PartialGraph, step: int) -> Bools:
        mask = np.zeros((len(partial_graph.labels), len(LABELS)), dtype=bool)
        mask[:, FIRST_OPERATION:] = True
        return mask

    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        """Exactly one source: the first operation leaves a later one for the second, which reads a later one."""
        vertex, sources = self.steps[step].vertex, self.steps[step].sources
        chosen = partial_graph.adjacency[:, :, vertex].any(axis=1)
        if step % 2:
            earlier = partial_graph.adjacency[:, list(sources[place:]), vertex - 1].any(
                axis=1
            )  # not after the first's source
            return np.stack([np.full_like(chosen, place < len(sources) - 1) | chosen, ~chosen & ~earlier], axis=1)
        last = len(sources) - 2
        free = np.full_like(chosen, place <= last)
        return np.stack([chosen | (place != last), ~chosen & free], axis=1)


def _compare(labels: NDArray[Any], adjacency: NDArray[Any], wanted: Graph) -> None:
    """InputError naming the first vertex or edge that differs from the graph that was `wanted`."""
    for vertex in np.flatnonzero(labels != wanted.labels).tolist():
        raise InputError(f"graph: vertex {vertex} has label {labels[vertex]}: expected {wanted.labels[vertex]}")
    for source, target in np.argwhere(adjacency != wanted.adjacency).tolist():
        found, expected = adjacency[source, target], wanted.adjacency[source, target]
        raise InputError(
            f"graph: the edge {source}->{target} is {found}: expected {expected}; see archloom.spaces.darts.encoding "
            "for the vertices of a cell"
        )
