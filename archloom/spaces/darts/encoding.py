"""DARTS cells with operations on nodes, as bits that a network reads (Cassimon et al., section 3.2.3).

Every operation of a cell becomes a vertex between its source and the sum of its node, and every node a sum vertex that
leads to the output. A cell has 15 vertices and 20 edges. In topological order they are

    0, 1                      the inputs
    2 + 3k, 3 + 3k, 4 + 3k    node k = 0..3: its first operation, its second one, their sum
    14                        the output

Its 255 bits are the strict upper triangle of the adjacency matrix [source, target], row by row (105), then a one-hot
label for each vertex (15 x 10) in the order input, output, sum, and the seven operations. The two cells follow each
other.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.darts.genotypes import NODES, OPERATIONS, Genotypes, checked
from archloom.utils.jit import compiled

VERTICES = 15
LABELS = ("input", "output", "sum", *OPERATIONS)
WIDTH = 2 * (VERTICES * (VERTICES - 1) // 2 + VERTICES * len(LABELS))
"""Bits of a genotype: 510."""

_INPUT, _OUTPUT, _SUM, FIRST_OPERATION = range(4)
_BIT = {edge: bit for bit, edge in enumerate(combinations(range(VERTICES), 2))}
_OUT = VERTICES - 1


def sum_vertex(node: int) -> int:
    """The vertex that adds up node k = 0..3; its operations are the two before it."""
    return 4 + 3 * node


def _label(vertex: int, label: int) -> int:
    return len(_BIT) + vertex * len(LABELS) + label


def _common() -> Genotypes:
    """(255,) the bits that all cells have."""
    bits = np.zeros(WIDTH // 2, dtype=np.uint8)
    bits[[_label(0, _INPUT), _label(1, _INPUT), _label(_OUT, _OUTPUT)]] = 1
    for total in map(sum_vertex, range(NODES)):
        bits[[_label(total, _SUM), _BIT[total, _OUT], _BIT[total - 2, total], _BIT[total - 1, total]]] = 1
    return bits


def _edge_bits() -> NDArray[np.int64]:
    """(8, 5): the bit of the edge from each source to the operation of each pair."""
    bits = np.zeros((2 * NODES, NODES + 1), dtype=np.int64)
    vertices = [0, 1, *map(sum_vertex, range(NODES))]
    for pair in range(2 * NODES):
        for source in range(pair // 2 + 2):
            bits[pair, source] = _BIT[vertices[source], sum_vertex(pair // 2) - 2 + pair % 2]
    return bits


_COMMON = _common()
_EDGES = _edge_bits()
_OPERATIONS = np.array([_label(sum_vertex(pair // 2) - 2 + pair % 2, FIRST_OPERATION) for pair in range(2 * NODES)])
"""(8,): the bit that says that the operation of a pair is the first one."""


@compiled
def _write(
    genotypes: Genotypes,
    out: NDArray[np.uint8],
    common: Genotypes,
    edges: NDArray[np.int64],
    operations: NDArray[np.int64],
) -> None:
    width = len(common)
    for row in range(len(genotypes)):
        for cell in range(2):
            begin = cell * width
            for bit in range(width):  # number by number: views of rows would cost more than all the rest
                out[row, begin + bit] = common[bit]
            for pair in range(8):
                node = pair - pair % 2
                late = genotypes[row, cell, node, 0] > genotypes[row, cell, node + 1, 0]
                at = node + (pair % 2 ^ late)  # the earlier source comes first
                out[row, begin + edges[pair, genotypes[row, cell, at, 0]]] = 1
                out[row, begin + operations[pair] + genotypes[row, cell, at, 1]] = 1


def encode(genotypes: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """The bits (n, 510) of genotypes (n, 2, 8, 2), or of one (2, 8, 2); the order of a node's two pairs makes no
    difference. InputError if a genotype breaks a rule."""
    batch = checked(genotypes)
    out = np.empty((len(batch), WIDTH), dtype=np.uint8)
    _write(batch, out, _COMMON, _EDGES, _OPERATIONS)
    return out


def encode_into(genotypes: NDArray[np.integer[Any]], out: NDArray[np.uint8]) -> None:
    """As `encode`, into `out` (n, 510) uint8. InputError if a genotype breaks a rule or `out` does not fit."""
    batch = checked(genotypes)
    if out.shape != (len(batch), WIDTH) or out.dtype != np.uint8:
        raise InputError(f"out is {out.dtype} {out.shape}: expected uint8 ({len(batch)}, {WIDTH})")
    _write(batch, out, _COMMON, _EDGES, _OPERATIONS)
