"""The measured cells of NAS-Bench-101 as a space of their own: a search may ask for these and for no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.nb101 import Nb101
from archloom.spaces.nb101.codes import UNCONNECTED, Codes, canonical_codes, pack, unpack
from archloom.spaces.nb101.moves import neighbour_codes
from archloom.types import Arch


class Pool(Nb101):
    """The cells of `rows` (n, 26). Neighbours are the cells of the pool that are at most two moves away.

    One in fourteen cells was measured, so that one move leads to three others in the mean, and seldom to none.
    """

    def __init__(self, rows: NDArray[np.integer[Any]]) -> None:
        super().__init__(rows=rows)
        self._codes: Codes = np.unique(canonical_codes(pack(rows)))

    @property
    def size(self) -> int:
        return len(self._codes)

    def sample(self, rng: np.random.Generator) -> Arch:
        return self._archs(self._codes[[int(rng.integers(len(self._codes)))]])[0]

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A neighbour, drawn uniformly; any cell if there is none."""
        found = self.neighbours(arch)
        return found[int(rng.integers(len(found)))] if found else self.sample(rng)

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        code = canonical_codes(pack(np.array([arch.genes])))
        near, _ = neighbour_codes(code)
        further, _ = neighbour_codes(near)
        around = np.setdiff1d(np.union1d(near, further), code)
        return self._archs(around[self._held(around)])

    def violations(self, arch: Arch) -> Mapping[str, float]:
        code = canonical_codes(pack(np.array([arch.genes])))
        held = code[0] != UNCONNECTED and self._held(code)[0]
        return {} if held else {"cells that were not measured": 1.0}

    def _held(self, codes: Codes) -> NDArray[np.bool_]:
        """(n,) which canonical codes are the pool's."""
        at = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
        held: NDArray[np.bool_] = self._codes[at] == codes
        return held

    def _archs(self, codes: Codes) -> list[Arch]:
        return [Arch(tuple(genes)) for genes in unpack(codes).tolist()]
