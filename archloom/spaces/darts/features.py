"""DARTS genotypes as vectors: one-hot pairs of every node, and statistics of the flow through both cells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    widths=tuple((node + 3) * len(OPERATIONS) + node + 2 for _ in CELLS for node in range(NODES)),
    stats=(*FLOW.names, *(f"{cell} nodes that feed the output only" for cell in CELLS)),
)

_SHARE = math.sqrt(1 / 12)
_FIRST_PAIR = np.cumsum((0, *LAYOUT.widths[:-1]))
"""(8,) where the codes of each node begin: with its rows of alpha,"""
_FIRST_OPERATION = _FIRST_PAIR + np.tile(np.arange(2, NODES + 2) * len(OPERATIONS), len(CELLS))
"""after which its operations follow,"""
_FIRST_SOURCE = _FIRST_OPERATION + len(OPERATIONS)
"""and then its sources."""

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
    """Codes (n, 280) and statistics (n, s) of genotypes (n, 2, 8, 2), in the columns of `LAYOUT`.

    A group of codes are a node's rows of alpha, how often it has each operation, and whether it reads each source, all
    times sqrt(1/12): nodes with no pair, operation or source in common are at squared distance 1 if their operations
    differ, nodes with one of these in common less. InputError if a genotype breaks a rule.
    """
    batch = canonical(checked(genotypes))
    sources, operations = batch[..., 0].astype(np.intp), batch[..., 1].astype(np.intp)
    codes, rows = np.zeros((len(batch), sum(LAYOUT.widths))), np.arange(len(batch))[:, None]
    for pair in range(2):  # of every node: an operation may be there twice, so one after the other
        source, operation = (
            sources[..., pair::2].reshape(len(batch), 8),
            operations[..., pair::2].reshape(len(batch), 8),
        )
        codes[rows, _FIRST_PAIR + len(OPERATIONS) * source + operation] = _SHARE
        codes[rows, _FIRST_OPERATION + operation] += _SHARE
        codes[rows, _FIRST_SOURCE + source] = _SHARE
    read = (batch[..., :, 0, None] == np.arange(2, NODES + 1)).any(axis=2)  # (n, 2, nodes that could be read)
    return codes, np.concatenate([FLOW.statistics(flow_batches(batch)), (~read).sum(axis=2)], axis=1)
