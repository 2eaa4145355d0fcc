"""The plain categorical space of a table that names no other: every option of every gene, or just the table's rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.spaces.graphs import GraphGrammar, RowsGrammar
from archloom.spaces.space import MOST_LISTED
from archloom.types import Arch

_MORE = 0.25
"""The probability with which a mutation in a sparse table changes one more choice, and again one more."""
_COMBINATIONS = 1 << 16
"""The most combinations of choices that are looked up together, so that a look-up stays in the cache."""


class TableSpace(Categorical):
    """The architectures of a table.

    A table that holds every combination is a `Categorical` space. One that holds a sample is searched within the
    sample: random draws are rows; neighbours are the rows with the fewest genes different; a mutant is the row nearest
    to a plain mutant; alpha represents the row whose entries have the largest sum (on a complete table that is the
    row-wise arg-max). Without `rows` it is every combination.
    """

    def __init__(self, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]] | None = None) -> None:
        super().__init__(options)
        given = np.empty((0, len(self.sizes)), np.intp) if rows is None else rows
        self._complete = rows is None or len(rows) == math.prod(self.sizes.tolist())
        self._rows = np.ascontiguousarray(given)
        self._index = {} if self._complete else {genes: row for row, genes in enumerate(map(tuple, given.tolist()))}
        self._groups = [] if self._complete else _grouped(self._rows, self.sizes.tolist())

    @classmethod
    def for_table(
        cls, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]] | None, **settings: Any
    ) -> TableSpace:
        return cls(options, rows, **settings)

    @property
    def size(self) -> int:
        return super().size if self._complete else len(self._rows)

    def candidates(self) -> Iterable[Arch] | None:
        """In a sparse table its rows."""
        if self._complete:
            return super().candidates()
        return map(self._row, range(len(self._rows))) if len(self._rows) <= MOST_LISTED else None

    def sample(self, rng: np.random.Generator) -> Arch:
        return super().sample(rng) if self._complete else self._row(int(rng.integers(len(self._rows))))

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """In a sparse table: change a choice, seldom more, and go to the row that keeps most of the changes.

        Of several such rows it is one of those with the fewest other genes different, drawn uniformly. Going to the
        nearest rows of `arch` instead, or of the changed architecture, gets stuck: where rows are far apart, a change
        that may be undone is undone, and a few rows that are nearest to each other are never left. With any number of
        changes possible, every row is one mutation away from every other, near ones far more often.
        """
        if self._complete:
            return super().mutate(arch, rng)
        open_genes = np.flatnonzero(self.sizes > 1)
        changes = min(int(rng.geometric(1.0 - _MORE)), len(open_genes))
        mutant, weights = np.array(arch.genes), np.ones(len(self.sizes))
        for gene in rng.permutation(open_genes)[:changes].tolist():
            mutant[gene] = (mutant[gene] + rng.integers(1, self.sizes[gene])) % self.sizes[gene]
            weights[gene] += len(weights)  # more than all other genes together
        nearest = self._nearest(mutant, weights, arch)
        return self._row(int(nearest[rng.integers(len(nearest))])) if len(nearest) else arch

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        if self._complete:
            return super().neighbours(arch)
        genes = np.array(arch.genes)
        return [self._row(int(row)) for row in self._nearest(genes, np.ones(len(genes)), arch)]

    def violations(self, arch: Arch) -> Mapping[str, float]:
        if self._complete:
            return super().violations(arch)
        return {} if arch.genes in self._index else {"rows missing from the table": 1.0}

    def discretise(self, alpha: NDArray[np.floating]) -> Arch:
        if self._complete:
            return super().discretise(alpha)
        if alpha.shape != self.alpha_shape:
            raise InputError(f"alpha of shape {alpha.shape}: expected {self.alpha_shape}")
        return self._row(int(self._sums(alpha).argmax()))

    def grammar(self) -> GraphGrammar:
        """In a sparse table only its rows can be drawn."""
        return super().grammar() if self._complete else RowsGrammar(self.chain, self._rows)

    def _row(self, index: int) -> Arch:
        return Arch(tuple(self._rows[index].tolist()))

    def _nearest(
        self, genes: NDArray[np.integer[Any]], weights: NDArray[np.floating], itself: Arch
    ) -> NDArray[np.intp]:
        """The rows, other than `itself`, with the smallest sum of weights over the genes that differ."""
        costs = np.repeat(weights[:, None], self.alpha_shape[1], axis=1)
        costs[np.arange(len(genes)), genes] = 0.0
        distances = self._sums(costs)
        if itself.genes in self._index:
            distances[self._index[itself.genes]] = np.inf
        least = distances.min()
        return np.flatnonzero(distances == least) if np.isfinite(least) else np.array([], dtype=np.intp)

    def _sums(self, entries: NDArray[np.floating]) -> NDArray[np.float32]:
        """(rows,) the sum of each row's entries in a matrix (genes, options)."""
        total = np.zeros(len(self._rows), np.float32)
        part = np.empty_like(total)
        for genes, codes in self._groups:
            sums = np.zeros(1, np.float32)
            for gene in genes:
                sums = np.add.outer(sums, entries[gene, : self.sizes[gene]].astype(np.float32)).ravel()
            total += sums.take(codes, out=part, mode="clip")  # codes are in range; "raise" would copy `part`
        return total


def _grouped(rows: NDArray[np.integer[Any]], sizes: Sequence[int]) -> list[tuple[list[int], NDArray[np.intp]]]:
    """Genes in groups of few combinations, and which combination each row has: a sum over genes is one over groups."""
    most = min(len(rows), _COMBINATIONS)
    groups: list[list[int]] = [[]]
    for gene, size in enumerate(sizes):
        if groups[-1] and math.prod(sizes[g] for g in groups[-1]) * size > most:
            groups.append([])
        groups[-1].append(gene)
    return [(genes, _codes(rows, genes, sizes)) for genes in groups]


def _codes(rows: NDArray[np.integer[Any]], genes: Sequence[int], sizes: Sequence[int]) -> NDArray[np.intp]:
    """(rows,) the number of each row's combination of `genes`, the last of which varies fastest."""
    codes = np.zeros(len(rows), np.intp)
    for gene in genes:
        codes = codes * sizes[gene] + rows[:, gene]
    return codes
