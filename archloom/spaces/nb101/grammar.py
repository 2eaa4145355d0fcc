"""How a cell of NAS-Bench-101 is drawn, vertex after vertex, so that every decision leads to an allowed cell.

A vertex that leads nowhere yet will need an edge. So the edges there are and the vertices that lead nowhere are never
more than nine together; every vertex but the input has an edge into it; and the output reads whatever leads nowhere. No
vertex is ever pruned then, and every canonical cell can be drawn: each of its first vertices keeps these rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.graphs import OPEN, Bools, ConstructionStep, Graph, PartialGraph
from archloom.spaces.nb101.codes import LABELS, MAX_EDGES, VERTICES

GRAPH_LABELS = ("input", *LABELS, "output")
_INPUT, _OUTPUT = 0, len(GRAPH_LABELS) - 1


class CellGrammar:
    """Vertices 1 to 6, each an operation or the output, which ends the cell; sources are all vertices before."""

    def __init__(self) -> None:
        labels = np.full(VERTICES, OPEN, dtype=np.int64)
        labels[0] = _INPUT
        self.template = Graph(labels, np.zeros((VERTICES, VERTICES), dtype=np.uint8))
        self.steps: Sequence[ConstructionStep] = tuple(
            ConstructionStep(vertex, tuple(range(vertex))) for vertex in range(1, VERTICES)
        )

    def label_mask(self, partial_graph: PartialGraph, step: int) -> Bools:
        mask = np.zeros((len(partial_graph.labels), len(GRAPH_LABELS)), dtype=bool)
        mask[:, _OUTPUT] = True
        if self.steps[step].vertex < VERTICES - 1:
            mask[:, _INPUT + 1 : _OUTPUT] = (_used(partial_graph) < MAX_EDGES)[:, None]
        mask[(partial_graph.labels == _OUTPUT).any(axis=1)] = False
        return mask

    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        vertex, sources = self.steps[step].vertex, self.steps[step].sources
        source = sources[place]
        loose = ~partial_graph.adjacency[:, source].any(axis=1)  # the source leads nowhere yet
        is_output = partial_graph.labels[:, vertex] == _OUTPUT
        last = place == len(sources) - 1
        needed = (is_output & loose) | (last & ~partial_graph.adjacency[:, :, vertex].any(axis=1))
        mask = np.stack([~needed, loose | (_used(partial_graph) < MAX_EDGES)], axis=1)
        mask[partial_graph.labels[:, vertex] == OPEN] = False
        return mask


def _used(partial_graph: PartialGraph) -> NDArray[np.int64]:
    """(B,) edges, and vertices other than the output that lead nowhere: so many edges there will be at least."""
    inner = (partial_graph.labels != OPEN) & (partial_graph.labels != _OUTPUT)
    loose = inner & ~partial_graph.adjacency.any(axis=2)
    used: NDArray[np.int64] = partial_graph.adjacency.sum(axis=(1, 2), dtype=np.int64) + loose.sum(axis=1)
    return used
