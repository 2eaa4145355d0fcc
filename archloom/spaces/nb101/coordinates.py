"""Cells of NAS-Bench-101 as points that models see: 21 edges and five operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from archloom.spaces.base import SearchSpace
from archloom.spaces.coordinates import Coordinates, Float64, canonical_if_valid
from archloom.spaces.nb101.codes import (
    ABSENT,
    GENES,
    LABELS,
    PAIRS,
    UNCONNECTED,
    VERTICES,
    canonical,
    inner_vertices,
    unpack,
)
from archloom.types import Arch

_INTO = tuple(np.array([place for place, pair in enumerate(PAIRS) if pair[1] == vertex]) for vertex in range(VERTICES))
"""Of each vertex: the places of the edges to it."""


class CellCoordinates(Coordinates):
    """26 categories: an edge is there or not, an operation is one of three.

    Those of the benchmark's own comparison, which has BOHB in it (Ying et al. 2019, section 4). A cell is the point of
    its published matrix, whose output is moved to the last vertex. The operations of vertices that it does not have do
    not count.
    """

    def __init__(self, space: SearchSpace, names: Sequence[str], code: Callable[[Arch], int]) -> None:
        """`code` gives an architecture as one number, as it is, as `codes` does."""
        self._space, self._code = space, code
        self.names = tuple(names)
        self.categories = np.full(GENES, 2)
        self.categories[len(PAIRS) :] = len(LABELS)

    def of(self, arch: Arch) -> Float64:
        code = self._code(arch)
        settled = canonical(code)
        if settled == UNCONNECTED:
            settled = code
        point: Float64 = unpack(np.array([settled], dtype=np.uint32))[0].astype(np.float64)
        output = inner_vertices(settled) + 1
        if output < VERTICES - 1:
            point[_INTO[-1][:output]] = point[_INTO[output]]
            point[_INTO[output]] = 0.0
        operations = point[len(PAIRS) :]
        operations[operations == ABSENT] = np.nan
        return point

    def arch(self, point: Float64, rng: np.random.Generator) -> Arch:
        codes = np.where(np.isnan(point), rng.integers(self.categories), point)
        settled = np.clip(np.rint(codes), 0, self.categories - 1).astype(np.intp)
        return canonical_if_valid(self._space, Arch(tuple(settled.tolist())))
