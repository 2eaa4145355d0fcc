"""Cells of NAS-Bench-101 as one 31-bit number each: pruning, validity and the canonical form, for arrays of cells.

Genes are the layout of tables: (n, 26), the strict upper triangle of a 7x7 matrix row by row, then five labels. A cell
of v vertices uses the first v; vertex 0 is the input, vertex v-1 the output.

A *code* packs the same into a uint32: bit `10 + x + y(y-1)/2` is the edge x->y, so that the predecessors of a vertex
are consecutive bits; the ten bits below are the labels, vertex 1 highest. Compared as numbers, codes order the
matrices of a cell as the benchmark's own generator visits them (Ying et al. 2019, `generate_graphs.py`): the smallest
code of all that are isomorphic is the matrix that the published dataset holds. That is our canonical form.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.utils.jit import compiled, share, signed

VERTICES = 7
MAX_EDGES = 9
ABSENT = 3
LABELS = ("conv3x3", "conv1x1", "maxpool3x3")
"""Operations in the order of their labels 0, 1, 2."""

PAIRS = tuple(itertools.combinations(range(VERTICES), 2))
"""(source, destination) of each of the 21 edge genes."""

GENES = len(PAIRS) + VERTICES - 2
LABEL_BITS = 10
ALL_ABSENT = (1 << LABEL_BITS) - 1
UNCONNECTED = np.uint32(0xFFFF_FFFF)
"""What pruning makes of a cell whose output is not reachable from its input."""

Codes = NDArray[np.uint32]
Genes = NDArray[np.uint8]

_EDGE_SHIFT = np.array([LABEL_BITS + x + y * (y - 1) // 2 for x, y in PAIRS], dtype=np.int64)


def _orders() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:
    """Every way to number n inner vertices: which vertex is at each place, and where a set of vertices goes.

    `at[n, k, place]` is the vertex (from 0) at a place in ordering k; `moved[n, k, set]` is the set of places of a set
    of vertices, both as bits; `count[n]` is n!.
    """
    inner = VERTICES - 2
    count = np.array([len(list(itertools.permutations(range(n)))) for n in range(inner + 1)])
    at = np.zeros((inner + 1, count[-1], inner), dtype=np.uint8)
    moved = np.zeros((inner + 1, count[-1], 1 << inner), dtype=np.uint8)
    for n in range(inner + 1):
        for k, order in enumerate(itertools.permutations(range(n))):
            at[n, k, :n] = order
            place = {vertex: where for where, vertex in enumerate(order)}
            for members in range(1 << n):
                moved[n, k, members] = sum(1 << place[vertex] for vertex in range(n) if members >> vertex & 1)
    return at, moved, count


_AT, _MOVED, _COUNT = _orders()


@compiled
def inner_vertices(code: int) -> int:
    """How many vertices a code has besides input and output."""
    n = 0
    for place in range(VERTICES - 2):
        if (code >> (2 * (VERTICES - 3 - place))) & 3 != ABSENT:
            n += 1
    return n


@compiled
def predecessors(code: int, vertex: int) -> int:
    """The vertices with an edge to `vertex`, as bits."""
    return (code >> (LABEL_BITS + vertex * (vertex - 1) // 2)) & ((1 << vertex) - 1)


@compiled
def label_of(code: int, vertex: int) -> int:
    """The label of inner vertex 1..5."""
    return (code >> (2 * (VERTICES - 2 - vertex))) & 3


@compiled
def bit_count(members: int) -> int:
    """How many things are in a set of bits."""
    count = 0
    while members:
        members &= members - 1
        count += 1
    return count


@compiled
def edges_of(code: int) -> int:
    """How many edges a code has."""
    return bit_count(code >> LABEL_BITS)


@compiled
def pruned(code: int) -> int:
    """The code without vertices that lie on no path from input to output; `UNCONNECTED` if there is no path."""
    n = inner_vertices(code)
    output = n + 1
    ahead = 1  # reached from the input
    for vertex in range(1, output + 1):
        if predecessors(code, vertex) & ahead:
            ahead |= 1 << vertex
    if not ahead >> output & 1:
        return 0xFFFF_FFFF
    kept = 1 << output  # reaches the output
    for step in range(output):
        vertex = output - step
        if kept >> vertex & 1:
            kept |= predecessors(code, vertex)
    kept &= ahead
    if kept == (1 << (output + 1)) - 1:
        return code
    result, labels, new = 0, ALL_ABSENT, 0
    for vertex in range(1, output + 1):
        if not kept >> vertex & 1:
            continue
        new += 1
        column, place = 0, 0
        for source in range(vertex):
            if kept >> source & 1:
                column |= ((predecessors(code, vertex) >> source) & 1) << place
                place += 1
        result |= column << (LABEL_BITS + new * (new - 1) // 2)
        if vertex != output:
            shift = 2 * (VERTICES - 2 - new)
            labels += (label_of(code, vertex) - ABSENT) << shift
    return result | labels


@compiled
def smallest(n: int, into: NDArray[np.int64], labels: NDArray[np.int64]) -> int:
    """The smallest code of a connected, pruned graph of n inner vertices, numbered in any way.

    `into[v]` holds the predecessors of vertex v as bits (0 input, 1..n inner, n+1 output), `labels[v]` the label of
    inner vertex v. Each ordering that puts sources before destinations is a matrix of the cell; the output's column is
    the most significant, then that of the vertex before it, and so on, so most orderings are dismissed at once.
    """
    best = 0xFFFF_FFFF
    top = (n + 1) * n // 2 + LABEL_BITS
    for k in range(_COUNT[n]):
        code = ((into[n + 1] & 1) | (signed(_MOVED[n, k, (into[n + 1] >> 1) & 31]) << 1)) << top
        if code > best:
            continue
        ordered = True
        for step in range(n):
            place = n - step
            vertex = signed(_AT[n, k, place - 1]) + 1
            column = (into[vertex] & 1) | (signed(_MOVED[n, k, (into[vertex] >> 1) & 31]) << 1)
            code |= column << (LABEL_BITS + place * (place - 1) // 2)
            if column >> place or code > best:
                ordered = False
                break
        if not ordered:
            continue
        code |= ALL_ABSENT
        for place in range(1, n + 1):
            code += (labels[signed(_AT[n, k, place - 1]) + 1] - ABSENT) << (2 * (VERTICES - 2 - place))
        best = min(best, code)
    return best


@compiled
def canonical(code: int) -> int:
    """The smallest code among those of cells that are the same after pruning; `UNCONNECTED` stays what it is."""
    code = pruned(code)
    if code == 0xFFFF_FFFF:
        return code
    n = inner_vertices(code)
    into, labels = np.empty(VERTICES, np.int64), np.empty(VERTICES, np.int64)
    into[0] = 0
    for vertex in range(1, n + 2):
        into[vertex] = predecessors(code, vertex)
        labels[vertex] = label_of(code, vertex) if vertex <= n else ABSENT
    return smallest(n, into, labels)


@compiled
def packed(genes: Genes) -> int:
    """The code of one row of genes (26,) as it is; -1 if the genes are no graph."""
    code, vertices = 0, 2
    for place in range(VERTICES - 2):
        label = signed(genes[len(PAIRS) + place])
        if label > ABSENT or (label != ABSENT and vertices != place + 2):
            return -1
        vertices += label != ABSENT
        code = code << 2 | label
    gene = 0
    for x in range(VERTICES):
        for y in range(x + 1, VERTICES):
            edge = signed(genes[gene])
            if edge > 1 or (edge == 1 and y >= vertices):
                return -1
            code |= edge << (LABEL_BITS + x + y * (y - 1) // 2)
            gene += 1
    return code


@compiled
def _pack_rows(genes: Genes, out: Codes) -> None:
    for row in range(len(genes)):
        code = packed(genes[row])
        out[row] = code if code >= 0 else 0xFFFF_FFFF


@compiled
def _canonical_rows(codes: Codes, out: Codes) -> None:
    for row in range(len(codes)):
        out[row] = canonical(signed(codes[row]))


@compiled
def _pruned_rows(codes: Codes, out: Codes) -> None:
    for row in range(len(codes)):
        out[row] = pruned(signed(codes[row]))


def pack(genes: NDArray[np.integer[Any]]) -> Codes:
    """(n,) the codes of genes (n, 26), as they are; InputError for arrays of another shape or impossible genes."""
    rows = _as_rows(genes)
    codes = pack_graphs(rows)
    wrong = codes == UNCONNECTED  # no graph has this code
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"genes {rows[row].tolist()} in row {row}: expected {len(PAIRS)} zeros and ones, then "
            f"{VERTICES - 2} labels 0 to {ABSENT}, absent ({ABSENT}) ones last and without edges"
        )
    return codes


def pack_graphs(genes: NDArray[np.integer[Any]]) -> Codes:
    """(n,) the codes of genes (n, 26), as they are, `UNCONNECTED` for impossible ones; InputError for the shape."""
    rows = _as_rows(genes)
    codes = np.empty(len(rows), dtype=np.uint32)
    share(lambda start, stop: _pack_rows(_as_bytes(rows[start:stop]), codes[start:stop]), len(rows), least=4096)
    return codes


def _as_rows(genes: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Genes as an array (n, 26); one row is a batch of one."""
    try:
        rows = np.atleast_2d(np.asarray(genes))
    except ValueError as error:
        raise InputError(f"genes in rows of different lengths: expected integers (n, {GENES})") from error
    if rows.ndim != 2 or rows.shape[1] != GENES or rows.dtype.kind not in "iu":
        raise InputError(f"genes of shape {np.shape(genes)} and type {rows.dtype}: expected integers (n, {GENES})")
    return rows


def _as_bytes(rows: NDArray[np.integer[Any]]) -> Genes:
    """Rows as contiguous uint8; what does not fit becomes 255, which is no gene."""
    if rows.dtype != np.uint8:
        rows = np.where((rows < 0) | (rows > ABSENT), 255, rows)
    return np.ascontiguousarray(rows, dtype=np.uint8)


@compiled
def _unpack_rows(codes: Codes, out: Genes) -> None:
    for row in range(len(codes)):
        code = signed(codes[row])
        for gene in range(len(PAIRS)):
            out[row, gene] = (code >> _EDGE_SHIFT[gene]) & 1
        for place in range(VERTICES - 2):
            out[row, len(PAIRS) + place] = (code >> (2 * (VERTICES - 3 - place))) & 3


def unpack(codes: Codes) -> Genes:
    """(n, 26) the genes of codes (n,)."""
    genes = np.empty((len(codes), GENES), dtype=np.uint8)
    share(lambda start, stop: _unpack_rows(codes[start:stop], genes[start:stop]), len(codes), least=4096)
    return genes


def canonical_codes(codes: Codes) -> Codes:
    """(n,) the canonical code of each, `UNCONNECTED` if the output is not reachable; 3 million a second."""
    out = np.empty_like(codes)
    share(lambda start, stop: _canonical_rows(codes[start:stop], out[start:stop]), len(codes))
    return out


def pruned_codes(codes: Codes) -> Codes:
    """(n,) each code without vertices on no path from input to output, `UNCONNECTED` if there is no path."""
    out = np.empty_like(codes)
    share(lambda start, stop: _pruned_rows(codes[start:stop], out[start:stop]), len(codes))
    return out


@compiled
def allowed(code: int) -> int:
    """The canonical code of a cell of the benchmark; `UNCONNECTED` for cells without a path or with too many edges."""
    code = pruned(code)
    if code == 0xFFFF_FFFF or edges_of(code) > MAX_EDGES:
        return 0xFFFF_FFFF
    return canonical(code)


@compiled
def _allowed_rows(codes: Codes, out: Codes) -> None:
    for row in range(len(codes)):
        out[row] = allowed(signed(codes[row]))


def allowed_codes(codes: Codes) -> Codes:
    """(n,) the canonical code of each cell of the benchmark, `UNCONNECTED` for the others."""
    out = np.empty_like(codes)
    share(lambda start, stop: _allowed_rows(codes[start:stop], out[start:stop]), len(codes))
    return out


def valid(genes: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """(n,) which rows of integers (n, 26) are cells of the benchmark: graphs whose output is reachable from the input,
    with at most nine edges after pruning. InputError for another shape or type only."""
    found: NDArray[np.bool_] = allowed_codes(pack_graphs(genes)) != UNCONNECTED
    return found


def connected_codes(genes: NDArray[np.integer[Any]], what: str) -> Codes:
    """(n,) the canonical codes of cells (n, 26), of which only connected ones have `what`.

    InputError for genes that are no graph, or whose output is not reachable from the input.
    """
    found = canonical_codes(pack(genes))
    if (found == UNCONNECTED).any():
        row = int((found == UNCONNECTED).argmax())
        raise InputError(f"the cell in row {row} has no path from input to output: only connected cells have {what}")
    return found


def keys(genes: NDArray[np.integer[Any]]) -> NDArray[np.uint32]:
    """(n, 1) a number for each cell (n, 26), equal exactly for cells that are isomorphic after pruning.

    InputError for genes that are no graph, or whose output is not reachable from the input.
    """
    return connected_codes(genes, "a key")[:, None]
