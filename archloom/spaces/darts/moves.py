"""Neighbours in the DARTS space: one cell changed in one pair, its operation or its source.

A cell has 60 neighbours: each of its 8 operations can be any of 6 others, and each of the two sources of node k (k = 0
to 3) any of k others. Both cells together have 60 * 60 = 3,600 neighbour *tuples*, in which both cells move.

The published agent (Cassimon et al.) draws from such a product and counts about 70 neighbours a cell; the plain rules
of DARTS give 60, and what the others are is not known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.darts.genotypes import CELLS, SHAPE, Genotypes, checked
from archloom.utils.jit import compiled

NEIGHBOURS = 60
"""Of one cell."""
TUPLES = NEIGHBOURS * NEIGHBOURS
_EXPECTED = "a cell (8, 2), a genotype (2, 8, 2) or genotypes (n, 2, 8, 2)"


@compiled
def _move(cell: Genotypes, move: int, out: Genotypes) -> None:
    """Write neighbour `move` (0..59) of `cell` (8, 2) to `out` (8, 2), the pairs of each node in order of sources."""
    for node in range(4):
        first = 2 * node + (cell[2 * node, 0] > cell[2 * node + 1, 0])
        second = 4 * node + 1 - first
        out[2 * node, 0], out[2 * node, 1] = cell[first, 0], cell[first, 1]
        out[2 * node + 1, 0], out[2 * node + 1, 1] = cell[second, 0], cell[second, 1]
    node = 0
    while move >= 12 + 2 * node:
        move -= 12 + 2 * node
        node += 1
    low, high = 2 * node, 2 * node + 1
    if move < 12:
        pair, operation = low + move // 6, move % 6
        out[pair, 1] = operation + (operation >= out[pair, 1])
        return
    pair, source = low + (move - 12) // node, (move - 12) % node
    source += source >= out[low, 0]  # the sources are in order: step over both
    source += source >= out[high, 0]
    out[pair, 0] = source
    if out[low, 0] > out[high, 0]:
        out[low, 0], out[high, 0] = out[high, 0], out[low, 0]
        out[low, 1], out[high, 1] = out[high, 1], out[low, 1]


@compiled
def _all_moves(cells: Genotypes, out: Genotypes) -> None:
    for row in range(len(cells)):
        for move in range(out.shape[1]):
            _move(cells[row], move, out[row, move])


@compiled
def _drawn_moves(genotypes: Genotypes, picks: NDArray[np.uint16], out: Genotypes) -> None:
    """Shuffle the tuples' numbers as far as `picks` goes (Fisher and Yates), and undo it for the next row."""
    numbers = np.arange(3_600).astype(np.uint16)
    count = picks.shape[1]
    for row in range(len(genotypes)):
        for j in range(count):
            pick = picks[row, j]
            numbers[j], numbers[pick] = numbers[pick], numbers[j]
            _move(genotypes[row, 0], numbers[j] // 60, out[row, j, 0])
            _move(genotypes[row, 1], numbers[j] % 60, out[row, j, 1])
        for j in range(count - 1, -1, -1):
            pick = picks[row, j]
            numbers[j], numbers[pick] = numbers[pick], numbers[j]


def neighbours(cells: NDArray[np.integer[Any]]) -> Genotypes:
    """The 60 neighbours of every cell: (8, 2) -> (60, 8, 2), a genotype (2, 8, 2) -> (2, 60, 8, 2), genotypes
    (n, 2, 8, 2) -> (n, 2, 60, 8, 2).

    They come node by node: the other operations of its first and second pair, then the other sources of both. Each is
    canonical; none is another or the cell itself. InputError if a cell breaks a rule.
    """
    try:
        given = np.asarray(cells)
    except ValueError:  # lists of unequal lengths
        raise InputError(f"cells of unequal lengths: expected {_EXPECTED}") from None
    cell = SHAPE[1:]
    if given.ndim not in (2, 3, 4) or given.shape not in (cell, SHAPE, (len(given), *SHAPE)):
        raise InputError(f"cells of shape {given.shape}: expected {_EXPECTED}")
    # A single cell is used for both: the rules are those of genotypes.
    batch = checked(np.broadcast_to(given, SHAPE) if given.shape == cell else given)
    out = np.empty((len(batch), len(CELLS), NEIGHBOURS, *cell), dtype=np.uint8)
    _all_moves(batch.reshape(-1, *cell), out.reshape(-1, NEIGHBOURS, *cell))
    return out if given.ndim == 4 else out[0] if given.ndim == 3 else out[0, 0]


def draw_neighbours(genotypes: NDArray[np.integer[Any]], count: int, rng: np.random.Generator) -> Genotypes:
    """(n, count, 2, 8, 2): for each genotype (n, 2, 8, 2), or for one (2, 8, 2), `count` of its 3,600 neighbour tuples.

    A tuple is a neighbour of the normal cell with a neighbour of the reduction cell. They are drawn uniformly without
    replacement, in random order, and are canonical. InputError if a genotype breaks a rule or `count` is not 1 to
    3,600.
    """
    if not 1 <= count <= TUPLES:
        raise InputError(f"{count} neighbours: expected 1 to {TUPLES:,} of a genotype")
    batch = checked(genotypes)
    out = np.empty((len(batch), count, *SHAPE), dtype=np.uint8)
    picks = rng.integers(np.arange(count), TUPLES, (len(batch), count), dtype=np.uint16)
    _drawn_moves(batch, picks, out)
    return out
