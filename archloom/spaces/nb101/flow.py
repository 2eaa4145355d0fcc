"""NAS-Bench-101 cells as batches of graphs, for statistics of their flow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.flow import Flow, FlowBatch
from archloom.spaces.graphs import OPEN
from archloom.spaces.nb101.codes import ABSENT, PAIRS, VERTICES, pack
from archloom.spaces.nb101.grammar import GRAPH_LABELS

FLOW = Flow(GRAPH_LABELS, inputs=frozenset(GRAPH_LABELS[:1]), outputs=frozenset(GRAPH_LABELS[-1:]), degrees=True)
"""All operations count."""

_SOURCES, _TARGETS = np.array(PAIRS).T


def flow_batch(genes: NDArray[np.integer[Any]]) -> FlowBatch:
    """Cells (n, 26) as graphs of seven vertices; InputError for genes that are no graph."""
    pack(genes)
    count = len(genes)
    adjacency = np.zeros((count, VERTICES, VERTICES), dtype=np.uint8)
    adjacency[:, _SOURCES, _TARGETS] = genes[:, : len(PAIRS)]
    operations = genes[:, len(PAIRS) :].astype(np.int64)
    labels = np.full((count, VERTICES), OPEN, dtype=np.int64)
    labels[:, 0] = 0
    labels[:, 1:-1] = np.where(operations < ABSENT, operations + 1, OPEN)
    labels[np.arange(count), 1 + (operations < ABSENT).sum(axis=1)] = len(GRAPH_LABELS) - 1
    return FlowBatch(labels, adjacency)
