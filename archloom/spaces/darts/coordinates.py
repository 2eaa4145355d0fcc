"""The cells of DARTS as points that models see: for each node its two sources, and the operation of either."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.coordinates import Coordinates, Float64
from archloom.spaces.darts.genotypes import CELLS, NODES, OPERATIONS, canonical
from archloom.types import Arch

SOURCES = tuple(np.array(list(combinations(range(node + 2), 2))) for node in range(NODES))
"""Of each node: the two sources that it may have, (1 | 3 | 6 | 10, 2), the earlier one first."""


class DartsCoordinates(Coordinates):
    """22 categories: of alpha's 28 rows an architecture has entries in 16, and a model could not say in which."""

    def __init__(self, read: Callable[[Arch], NDArray[np.integer[Any]]]) -> None:
        """`read` gives the genotype (2, 8, 2) of a valid architecture."""
        self._read = read
        named = {
            f"{cell} {2 + node} {what}": options
            for cell in CELLS
            for node in range(NODES)
            for what, options in (("from", len(SOURCES[node])), ("a", len(OPERATIONS)), ("b", len(OPERATIONS)))
        }
        self._open = np.flatnonzero([options > 1 for options in named.values()])
        self._options = np.array(list(named.values()), dtype=np.intp)
        self.names = tuple(np.array(list(named))[self._open].tolist())
        self.categories = self._options[self._open]

    def of(self, arch: Arch) -> Float64:
        genotype = canonical(self._read(arch)).reshape(len(CELLS), NODES, 2, 2)
        codes = np.empty((len(CELLS), NODES, 3))
        codes[..., 1:] = genotype[..., 1]
        for node, sources in enumerate(SOURCES):
            codes[:, node, 0] = (sources == genotype[:, node, None, :, 0]).all(axis=-1).argmax(axis=-1)
        return codes.ravel()[self._open]

    def arch(self, point: Float64, rng: np.random.Generator) -> Arch:
        codes = np.zeros(len(self._options))
        codes[self._open] = np.where(np.isnan(point), rng.integers(self.categories), point)
        settled = np.clip(np.rint(codes), 0, self._options - 1).astype(np.intp).reshape(len(CELLS), NODES, 3)
        genotype = np.empty((len(CELLS), NODES, 2, 2), dtype=np.intp)
        genotype[..., 1] = settled[..., 1:]
        for node, sources in enumerate(SOURCES):
            genotype[:, node, :, 0] = sources[settled[:, node, 0]]
        return Arch(tuple(genotype.ravel().tolist()))
