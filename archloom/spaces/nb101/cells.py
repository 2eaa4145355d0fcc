"""All cells of NAS-Bench-101, and random ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from archloom.errors import NoArchitectureError
from archloom.spaces.base import MAX_TRIES
from archloom.spaces.nb101.codes import (
    ABSENT,
    ALL_ABSENT,
    LABEL_BITS,
    MAX_EDGES,
    UNCONNECTED,
    VERTICES,
    Codes,
    Genes,
    allowed_codes,
    canonical,
    canonical_codes,
    edges_of,
    pruned,
    unpack,
)
from archloom.spaces.nb101.hashes import hashes_of_codes
from archloom.utils.jit import compiled, share, signed

OPERATIONS = 3
_BLOCK = 64
"""So many matrices are drawn at least, so that one cell costs a few calls of the generator rather than dozens."""
CELLS = 423_624
"""How many different cells there are (Ying et al. 2019, section 2.1)."""


@compiled
def _matrices(n: int, labels: int, out: Codes) -> int:
    """The matrices of n inner vertices, all with these labels, that lose no vertex to pruning and have few edges."""
    count = 0
    for bits in range(1 << ((n + 2) * (n + 1) // 2)):
        code = bits << LABEL_BITS | labels
        if edges_of(code) <= MAX_EDGES and pruned(code) == code:
            out[count] = code
            count += 1
    return count


@cache
def _allowed_matrices(n: int) -> Codes:
    """Every allowed matrix of n inner vertices, all with label 0, in any numbering; 0.1 s for the largest."""
    no_labels = ALL_ABSENT & ((1 << (2 * (VERTICES - 2 - n))) - 1)
    room = np.empty(1 << ((n + 2) * (n + 1) // 2), dtype=np.uint32)
    found = room[: _matrices(n, no_labels, room)].copy()
    found.flags.writeable = False
    return found


@compiled
def _mark_canonical(codes: Codes, out: NDArray[np.bool_]) -> None:
    for row in range(len(codes)):
        out[row] = canonical(signed(codes[row])) == codes[row]


def _labellings(n: int) -> Codes:
    """(3**n,) the label bits of every labelling of n inner vertices, as differences from all of them being 0."""
    labellings = itertools.product(range(OPERATIONS), repeat=n)
    shifts = [2 * (VERTICES - 3 - place) for place in range(n)]
    return np.array(
        [sum(label << shift for label, shift in zip(t, shifts, strict=True)) for t in labellings], np.uint32
    )


def all_codes() -> Codes:
    """(423624,) the canonical codes of all cells, ascending; made from the definition in half a second.

    The matrix of a canonical code is the smallest of its graph whatever the labels are. So the unlabelled graphs are
    found first, a few thousand of them, and every labelling of theirs is kept that is its own canonical form.
    """
    found = []
    for n in range(VERTICES - 1):
        matrices = _allowed_matrices(n)
        graphs = matrices[_are_canonical(matrices)]
        candidates = (graphs[:, None] + _labellings(n)).ravel()
        found.append(candidates[_are_canonical(candidates)])
    return np.sort(np.concatenate(found))


def _are_canonical(codes: Codes) -> NDArray[np.bool_]:
    kept = np.empty(len(codes), dtype=bool)
    share(lambda start, stop: _mark_canonical(codes[start:stop], kept[start:stop]), len(codes))
    return kept


def official_codes() -> Codes:
    """(423624,) the canonical codes of all cells in the order of the published dataset: by module hash."""
    codes = all_codes()
    return codes[np.argsort(hashes_of_codes(codes))]


def enumerate_cells() -> Genes:
    """(423624, 26) the genes of every cell, in the order of the published dataset, from the definition alone."""
    return unpack(official_codes())


def by_size(rng: np.random.Generator, count: int) -> Codes:
    """(count,) canonical codes of random cells: their number of vertices is uniform on 2..7.

    Matrices of the drawn size are uniform among those that are allowed and have exactly that many vertices after
    pruning, labels are uniform (Cassimon et al., section 3.2.3, where they are drawn and rejected).
    """
    inner = rng.integers(0, VERTICES - 1, count)
    place = rng.random(count)
    labels = rng.integers(0, OPERATIONS, (count, VERTICES - 2), dtype=np.uint8)
    drawn = np.empty(count, dtype=np.uint32)
    for n in range(VERTICES - 1):
        matrices = _allowed_matrices(n)
        chosen = inner == n
        drawn[chosen] = matrices[(place[chosen] * len(matrices)).astype(np.intp)]
    _put_labels(drawn, labels, inner)
    return canonical_codes(drawn)


def by_rejection(rng: np.random.Generator, count: int) -> Codes:
    """(count,) canonical codes of random cells: 7x7 matrices and labels until one is allowed after pruning.

    The sampler of White et al. 2021 (BANANAS).
    """
    result = np.empty(count, dtype=np.uint32)
    pending = np.arange(count)
    for _ in range(MAX_TRIES):
        if not len(pending):
            break
        tries = max(1, _BLOCK // len(pending))
        drawn = rng.integers(0, 1 << (VERTICES * (VERTICES - 1) // 2), len(pending) * tries).astype(np.uint32)
        drawn <<= LABEL_BITS
        labels = rng.integers(0, OPERATIONS, (len(drawn), VERTICES - 2), dtype=np.uint8)
        _put_labels(drawn, labels, np.full(len(drawn), VERTICES - 2))
        blocks = allowed_codes(drawn).reshape(-1, tries)
        taken = blocks[np.arange(len(pending)), (blocks != UNCONNECTED).argmax(axis=1)]
        done = taken != UNCONNECTED
        result[pending[done]] = taken[done]
        pending = pending[~done]
    if len(pending):
        raise NoArchitectureError(
            f"space 'nb101': {MAX_TRIES} rounds of random matrices left {len(pending)} of {count} cells without one "
            "that is allowed; give a generator whose numbers are random"
        )
    return result


SAMPLERS: Mapping[str, Callable[[np.random.Generator, int], Codes]] = {"by_size": by_size, "rejection": by_rejection}


@compiled
def _put_labels(codes: Codes, labels: NDArray[np.uint8], inner: NDArray[np.int64]) -> None:
    """Give codes whose labels are 0 the first so many of their labels; the others become absent."""
    for row in range(len(codes)):
        code = signed(codes[row]) >> LABEL_BITS
        for place in range(VERTICES - 2):
            code = code << 2 | (signed(labels[row, place]) if place < inner[row] else ABSENT)
        codes[row] = code
