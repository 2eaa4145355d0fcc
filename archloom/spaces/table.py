"""The plain categorical space of a table that names no other: every option of every gene, or just the table's rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.types import Arch


class TableSpace(Categorical):
    """The architectures of a table.

    A table that holds every combination is a `Categorical` space. One that holds a sample is searched within the
    sample: random draws are rows; neighbours are the rows with the fewest genes different; alpha stands for the row
    whose entries have the largest sum (on a complete table that is the row-wise arg-max).
    """

    def __init__(self, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]]) -> None:
        super().__init__(options)
        self._complete = len(rows) == math.prod(self.sizes.tolist())
        self._rows = np.ascontiguousarray(rows)
        self._known = frozenset() if self._complete else frozenset(map(tuple, rows.tolist()))

    @classmethod
    def for_table(
        cls, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]], **settings: Any
    ) -> TableSpace:
        return cls(options, rows, **settings)

    @property
    def size(self) -> int:
        return super().size if self._complete else len(self._rows)

    def sample(self, rng: np.random.Generator) -> Arch:
        return super().sample(rng) if self._complete else self._row(int(rng.integers(len(self._rows))))

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        if self._complete:
            return super().mutate(arch, rng)
        nearest = self._nearest(arch)
        return self._row(int(nearest[rng.integers(len(nearest))])) if len(nearest) else arch

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        return super().neighbours(arch) if self._complete else [self._row(int(i)) for i in self._nearest(arch)]

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return {} if self._complete or arch.genes in self._known else {"rows missing from the table": 1.0}

    def discretise(self, alpha: NDArray[np.floating]) -> Arch:
        if self._complete:
            return super().discretise(alpha)
        if alpha.shape != self.alpha_shape:
            raise InputError(f"alpha of shape {alpha.shape}: expected {self.alpha_shape}")
        return self._row(int(alpha[np.arange(len(self.sizes)), self._rows].sum(axis=1).argmax()))

    def _row(self, index: int) -> Arch:
        return Arch(tuple(self._rows[index].tolist()))

    def _nearest(self, arch: Arch) -> NDArray[np.intp]:
        """The rows, other than `arch`, with the fewest genes different."""
        distances = np.not_equal(self._rows, np.array(arch.genes)).sum(axis=1)
        others = distances[distances > 0]
        return np.flatnonzero(distances == others.min()) if len(others) else np.array([], dtype=np.intp)
