"""DARTS genotypes as vectors: one-hot pairs of every node, and statistics of the flow through both cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.darts.alpha import one_hot
from archloom.spaces.darts.encoding import LABELS, VERTICES, sum_vertex
from archloom.spaces.darts.genotypes import CELLS, NODES, OPERATIONS, canonical, checked
from archloom.spaces.features import FeatureLayout, Floats
from archloom.spaces.flow import Flow, FlowBatch

FLOW = Flow(
    LABELS,
    identities=frozenset({"skip_connect"}),
    silent=frozenset({"sum"}),
    inputs=frozenset({"input"}),
    outputs=frozenset({"output"}),
    parts=CELLS,
    several_inputs=True,
)

LAYOUT = FeatureLayout(
    groups=tuple(f"{cell} node {2 + node}" for cell in CELLS for node in range(NODES)),
    widths=tuple((node + 2) * len(OPERATIONS) for _ in CELLS for node in range(NODES)),
    stats=(*FLOW.names, *(f"{cell} nodes that feed the output only" for cell in CELLS)),
)

_READERS = np.array([sum_vertex(pair // 2) - 2 + pair % 2 for pair in range(2 * NODES)])
"""(8,) the vertices of the operations,"""
_SOURCES = np.array([0, 1, *(sum_vertex(node) for node in range(NODES))])
"""and of what operations read."""


def _frame() -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Labels (V,) and adjacency (V, V) of what all cells have."""
    labels, adjacency = np.zeros(VERTICES, dtype=np.int64), np.zeros((VERTICES, VERTICES), dtype=np.uint8)
    labels[-1] = LABELS.index("output")
    for total in map(sum_vertex, range(NODES)):
        labels[total] = LABELS.index("sum")
        adjacency[[total - 2, total - 1, total], [total, total, VERTICES - 1]] = 1
    return labels, adjacency


_LABELS, _ADJACENCY = _frame()
_FIRST = LABELS.index(OPERATIONS[0])


def flow_batches(genotypes: NDArray[np.integer[Any]]) -> list[FlowBatch]:
    """Both cells of genotypes (n, 2, 8, 2) as graphs, with the vertices of `encoding`."""
    batches = []
    for cell in range(len(CELLS)):
        pairs = genotypes[:, cell].astype(np.intp)
        labels, adjacency = np.tile(_LABELS, (len(pairs), 1)), np.tile(_ADJACENCY, (len(pairs), 1, 1))
        labels[:, _READERS] = _FIRST + pairs[..., 1]
        adjacency[np.arange(len(pairs))[:, None], _SOURCES[pairs[..., 0]], _READERS] = 1
        batches.append(FlowBatch(labels, adjacency))
    return batches


def features(genotypes: NDArray[np.integer[Any]]) -> tuple[Floats, Floats]:
    """Codes (n, 196) and statistics (n, s) of genotypes (n, 2, 8, 2), in the columns of `LAYOUT`.

    A group of codes are a node's rows of alpha times 1/2, so that nodes with no pair in common are at squared distance
    1. InputError if a genotype breaks a rule.
    """
    batch = canonical(checked(genotypes))
    codes = 0.5 * one_hot(batch).reshape(len(batch), sum(LAYOUT.widths)).astype(np.float64)
    read = (batch[..., :, 0, None] == np.arange(2, NODES + 1)).any(axis=2)  # (n, 2, nodes that could be read)
    return codes, np.concatenate([FLOW.statistics(flow_batches(batch)), (~read).sum(axis=2)], axis=1)
