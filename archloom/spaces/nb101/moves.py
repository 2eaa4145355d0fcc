"""The neighbours of a cell of NAS-Bench-101 in the incremental problem (Cassimon et al., section 3.2.1).

A neighbour is one change away:

1. a vertex removed: every way to join the sources of its edges to their destinations that leaves each of them at
   least one edge;
2. a vertex added, with one edge in and one edge out;
3. the operation of a vertex changed;
4. an edge removed, where every vertex keeps an edge in and an edge out;
5. an edge added.

Nothing may close a cycle or exceed nine edges. "Earlier" and "later" vertices are meant in the graph, not in one of its
matrices: two vertices of which neither leads to the other may be joined either way. So the neighbours are a property of
the cell, whatever matrix it is given as. The relation is not symmetric: a removed vertex can take several edges along.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.nb101.codes import (
    ABSENT,
    GENES,
    MAX_EDGES,
    UNCONNECTED,
    VERTICES,
    Codes,
    Genes,
    allowed_codes,
    bit_count,
    connected_codes,
    edges_of,
    inner_vertices,
    label_of,
    predecessors,
    smallest,
    unpack,
)
from archloom.utils.jit import compiled, share, signed

MOST_FOUND = 4096
"""Room for what the rules give for one cell, repeats included."""
_MOST_NEIGHBOURS = 512
"""Room for the neighbours of one cell; the most that any has are 87."""
_PIECE = 1024
"""So many cells are done with the room for all their neighbours at once."""

Masks = NDArray[np.int64]
"""(7,) a set of vertices, as bits, for each vertex."""


class Cell(NamedTuple):
    """A cell taken apart: n inner vertices, with the input 0 and the output n+1, in topological order."""

    n: int
    edges: int
    into: Masks
    """The sources of each vertex."""
    labels: Masks
    """(7,) the label of each inner vertex."""
    after: Masks
    """The vertices that each vertex has an edge to."""
    reached: Masks
    """The vertices that each vertex leads to."""


@compiled
def _successors(n: int, into: Masks) -> Masks:
    after = np.zeros(VERTICES, np.int64)
    for vertex in range(1, n + 2):
        for source in range(n + 1):
            if into[vertex] >> source & 1:
                after[source] |= 1 << vertex
    return after


@compiled
def _reached(n: int, after: Masks) -> Masks:
    """The vertices that each vertex leads to; vertices are in topological order."""
    reached = after.copy()
    for step in range(n + 1):
        vertex = n - step
        for target in range(vertex + 1, n + 2):
            if after[vertex] >> target & 1:
                reached[vertex] |= reached[target]
    return reached


@compiled
def _without(members: int, vertex: int) -> int:
    """A set of vertices after `vertex`, which is not in it, is gone and later ones have moved up."""
    low = members & ((1 << vertex) - 1)
    return low | (members >> (vertex + 1)) << vertex


@compiled
def _removals_of(vertex: int, cell: Cell, found: Codes, at: int) -> int:
    """Rule 1 for one vertex; `found[at:]` takes the results, the new end of it is returned."""
    n, into, after = cell.n, cell.into, cell.after
    pairs_from, pairs_to = np.empty(9, np.int64), np.empty(9, np.int64)
    pairs = 0
    for source in range(n + 1):
        for target in range(1, n + 2):
            joins = into[vertex] >> source & 1 and after[vertex] >> target & 1
            if joins and not into[target] >> source & 1:
                pairs_from[pairs], pairs_to[pairs] = source, target
                pairs += 1
    left = cell.edges - bit_count(into[vertex]) - bit_count(after[vertex])
    new_into, new_labels = np.zeros(VERTICES, np.int64), np.zeros(VERTICES, np.int64)
    joined = np.empty(VERTICES, np.int64)
    for chosen in range(1 << pairs):
        if left + bit_count(chosen) > MAX_EDGES:
            continue
        for target in range(VERTICES):
            joined[target] = into[target]
        for pair in range(pairs):
            if chosen >> pair & 1:
                joined[pairs_to[pair]] |= 1 << pairs_from[pair]
        for target in range(n + 2):
            place = target - (target > vertex)
            if target != vertex:
                new_into[place] = _without(joined[target] & ~(1 << vertex), vertex)
                new_labels[place] = cell.labels[target]
        if _whole(n - 1, new_into):
            found[at] = smallest(n - 1, new_into, new_labels)
            at += 1
    return at


@compiled
def _whole(n: int, into: Masks) -> bool:
    """Whether every vertex has an edge in, but the input, and an edge out, but the output."""
    sources = 0
    for vertex in range(1, n + 2):
        if into[vertex] == 0:
            return False
        sources |= into[vertex]
    return bool(sources == (1 << (n + 1)) - 1)


@compiled
def _additions(cell: Cell, found: Codes, at: int) -> int:
    """Rule 2: the new vertex gets number n+1, the output moves up."""
    n = cell.n
    new_into, new_labels = cell.into.copy(), cell.labels.copy()
    new_into[n + 2] = cell.into[n + 1]
    for source in range(n + 1):
        for target in range(1, n + 2):
            if source == target or cell.reached[target] >> source & 1:
                continue
            new_into[n + 1] = 1 << source
            place = target if target <= n else n + 2
            new_into[place] |= 1 << (n + 1)
            for label in range(ABSENT):
                new_labels[n + 1] = label
                found[at] = smallest(n + 1, new_into, new_labels)
                at += 1
            new_into[place] &= ~(1 << (n + 1))
    return at


@compiled
def _relabellings(cell: Cell, found: Codes, at: int) -> int:
    """Rule 3."""
    labels = cell.labels
    for vertex in range(1, cell.n + 1):
        own = labels[vertex]
        for label in range(ABSENT):
            if label != own:
                labels[vertex] = label
                found[at] = smallest(cell.n, cell.into, labels)
                at += 1
        labels[vertex] = own
    return at


@compiled
def _edge_changes(cell: Cell, found: Codes, at: int) -> int:
    """Rules 4 and 5."""
    n, into = cell.n, cell.into
    for source in range(n + 1):
        for target in range(1, n + 2):
            if source == target:
                continue
            joined = into[target] >> source & 1
            if not joined and (cell.edges == MAX_EDGES or cell.reached[target] >> source & 1):
                continue
            into[target] ^= 1 << source
            if not joined or _whole(n, into):
                found[at] = smallest(n, into, cell.labels)
                at += 1
            into[target] ^= 1 << source
    return at


@compiled
def _taken_apart(code: int) -> Cell:
    n = inner_vertices(code)
    into, labels = np.zeros(VERTICES, np.int64), np.full(VERTICES, ABSENT, np.int64)
    for vertex in range(1, n + 2):
        into[vertex] = predecessors(code, vertex)
        if vertex <= n:
            labels[vertex] = label_of(code, vertex)
    after = _successors(n, into)
    return Cell(n, edges_of(code), into, labels, after, _reached(n, after))


@compiled
def _found_around(code: int, found: Codes) -> int:
    """Put the canonical codes of the neighbours of a pruned code into `found` (MOST_FOUND,), ascending, each once.

    Returns how many there are.
    """
    cell = _taken_apart(code)
    at = 0
    for vertex in range(1, cell.n + 1):
        at = _removals_of(vertex, cell, found, at)
    if cell.n < VERTICES - 2 and cell.edges + 2 <= MAX_EDGES:
        at = _additions(cell, found, at)
    at = _relabellings(cell, found, at)
    at = _edge_changes(cell, found, at)
    found[:at].sort()
    count = 0  # the cell itself is not among them: each rule changes how many vertices, edges or equal labels there are
    for i in range(at):
        if count == 0 or found[i] != found[count - 1]:
            found[count] = found[i]
            count += 1
    return count


@compiled
def _neighbour_rows(codes: Codes, found: Codes, counts: NDArray[np.int64], out: Codes) -> int:
    """The neighbours of each code one after another in `out`; returns how many there are in all."""
    end = 0
    for row in range(len(codes)):
        count = _found_around(signed(codes[row]), found)
        counts[row] = count
        for i in range(count):
            out[end + i] = found[i]
        end += count
    return end


def neighbour_codes(codes: Codes) -> tuple[Codes, NDArray[np.int64]]:
    """The canonical codes of all neighbours of pruned codes (n,), one cell's after the other's, and (n,) how many.

    The codes must be of connected cells with at most nine edges; that is not checked.
    """
    counts = np.empty(len(codes), dtype=np.int64)
    parts: dict[int, Codes] = {}

    def work(start: int, stop: int) -> None:
        found = np.empty(MOST_FOUND, dtype=np.uint32)
        pieces = []
        for begin in range(start, stop, _PIECE):
            end = min(begin + _PIECE, stop)
            out = np.empty((end - begin) * _MOST_NEIGHBOURS, dtype=np.uint32)
            pieces.append(out[: _neighbour_rows(codes[begin:end], found, counts[begin:end], out)].copy())
        parts[start] = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.uint32)

    share(work, len(codes))
    return np.concatenate([parts[start] for start in sorted(parts)]), counts


def neighbours(genes: NDArray[np.integer[Any]]) -> Genes:
    """(m, 26) the neighbours of one cell (26,), each once, canonical, in the order of their codes.

    InputError as `neighbours_of`.
    """
    shape = np.shape(genes)
    if shape != (GENES,):
        raise InputError(f"genes of shape {shape}: expected one cell, ({GENES},); neighbours_of takes many")
    return neighbours_of(genes)[0]


def neighbours_of(genes: NDArray[np.integer[Any]]) -> tuple[Genes, NDArray[np.int64]]:
    """The neighbours (m, 26) of all cells (n, 26), one cell's after the other's, and the offsets (n + 1,) of each.

    Those of cell i are `rows[offsets[i]:offsets[i + 1]]`: each once, canonical, in the order of their codes.

    InputError for genes that are no graph, whose output is not reachable from the input, or that keep more than nine
    edges after pruning.
    """
    codes = connected_codes(genes, "neighbours")
    crowded = allowed_codes(codes) == UNCONNECTED
    if crowded.any():
        row = int(crowded.argmax())
        edges = edges_of(signed(codes[row]))
        raise InputError(f"the cell in row {row} has {edges} edges after pruning, expected at most {MAX_EDGES}")
    found, counts = neighbour_codes(codes)
    return unpack(found), np.concatenate([[0], np.cumsum(counts)])
