"""DARTS genotypes as NAS-Bench-301's surrogates see them: an operation for each edge, a pair of sources for each node.

Node k of a cell's four (2..5 in the benchmark's names) takes two different ones of the k + 2 sources below it.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.darts.genotypes import EDGES, FIRST_EDGE, NODES, canonical, checked

PAIRS: tuple[tuple[tuple[int, int], ...], ...] = tuple(tuple(combinations(range(k + 2), 2)) for k in range(NODES))
"""The pairs of sources that each node chooses from, in the benchmark's order: 1, 3, 6 and 10 of them."""

INACTIVE = -1
"""The operation of an edge whose source its node does not take."""


def nodes_of(genotypes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Genotypes (n, 2, 8, 2), or one (2, 8, 2), as (n, 2, 4, 2, 2): each node's pairs in the order of their sources.

    InputError for another shape or type, and for a genotype that breaks a rule of the space.
    """
    return canonical(checked(genotypes)).reshape(-1, 2, NODES, 2, 2).astype(np.int64)


def pair_ranks(nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, 2, 4) which of `PAIRS` each of the `nodes` takes."""
    ranks: NDArray[np.int64] = _RANKS[np.arange(NODES), nodes[..., 0, 0], nodes[..., 1, 0]]
    return ranks


def edge_operations(nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, 2, 14) the operation of every edge, `INACTIVE` where its source is not taken."""
    edges = np.full((len(nodes), 2, EDGES), INACTIVE, dtype=np.int64)
    taken = nodes[..., 0] + np.array(FIRST_EDGE)[:, None]  # (n, 2, 4, 2)
    np.put_along_axis(edges, taken.reshape(-1, 2, 8), nodes[..., 1].reshape(-1, 2, 8), axis=2)
    return edges


def _ranks() -> NDArray[np.int64]:
    """(4, 5, 5) the rank of (lower source, higher source) among the pairs of a node."""
    table = np.full((NODES, NODES + 1, NODES + 1), -1, dtype=np.int64)
    for node, pairs in enumerate(PAIRS):
        for rank, (low, high) in enumerate(pairs):
            table[node, low, high] = rank
    return table


_RANKS = _ranks()
