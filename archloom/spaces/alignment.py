"""Whether a metric's values stand in the rows of their own architectures.

Values that nobody can compute again (accuracies, latencies) still depend on the architecture: so a linear model on the
genes, and on pairs of genes if there are few, explains a part of their variance. It explains less of them if they
are moved by a row, and nothing if they are shuffled. This was checked on every metric of NAS-Bench-101, NAS-Bench-201
with HW-NAS-Bench, NAS-Bench-Graph (eight graphs) and Accel-NASBench: where they stand is always the maximum.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.known import BenchmarkTable, Finding, readable

SHIFTS = (-3, -2, -1, 1, 2, 3)
"""Rows by which values are moved to see whether they fit better there."""

FEWEST = 200
"""Measured architectures below which nothing is said."""

_MARGIN = 0.001  # of explained variance; published tables are 0.007 or more below their own rows
_MOST_NUMBERS = 20_000_000
_ROWS_PER_FEATURE = 8
_EXACT = 1e-5  # deviations, in standard deviations: a formula, but for the rounding of float32
_NEAR = 1e-3
_KEPT = 0.9
"""The share of the rows that a formula is looked for in: those that fit best."""

Floats = NDArray[np.float64]


def aligned(table: BenchmarkTable) -> Iterator[Finding]:
    """For each metric that enough rows have: whether it fits its rows best where it stands."""
    if len(table) < FEWEST:
        return
    model = _Model(_features(table.genes, [len(names) for names in table.options]))
    for name in table.metrics:
        values = readable(table, name)
        if values is None or np.isfinite(values).sum() < FEWEST:
            continue
        numbers = values.astype(np.float64)
        if np.nanmax(numbers) > np.nanmin(numbers):
            yield _finding(name, model, numbers)


def _finding(name: str, model: _Model, values: Floats) -> Finding:
    here = model.explained(values)
    moved = {shift: model.explained(np.roll(values, shift)) for shift in SHIFTS}
    best = max(moved, key=lambda shift: moved[shift])
    explained = f"{name}: the architectures explain {here:.1%} of it"
    if moved[best] > here + _MARGIN:
        return Finding(False, f"{explained}, and {moved[best]:.1%} moved by {best} rows: it is not in its own rows")
    if here < model.least(values):
        return Finding(False, f"{explained}, expected more: it is not in its own rows")
    if strange := _off_formula(model, values):
        return Finding(
            False, f"{name}: {len(strange)} rows, the first is {strange[0]}, break a formula that all others follow"
        )
    return Finding(True, f"{explained}, and {max(moved[best], 0):.1%} moved by {best} rows")


class _Model:
    """Least squares on features (n, p)."""

    def __init__(self, features: Floats) -> None:
        self._features = features
        self._gram = features.T @ features

    def fitted(self, values: Floats) -> Floats:
        """(n,) what it predicts for all rows, fitted to those whose values are finite."""
        there = np.isfinite(values)
        missing = self._features[~there]
        few = len(missing) < there.sum()
        gram = self._gram - missing.T @ missing if few else self._features[there].T @ self._features[there]
        gram[np.diag_indices_from(gram)] += 1e-8 * len(values)  # columns may depend on each other
        weights = np.linalg.solve(gram, self._features.T @ np.where(there, values, 0.0))
        predicted: Floats = self._features @ weights
        return predicted

    def supported(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n,) which rows have no feature that none of the given rows has."""
        alone = ~self._features[rows].any(axis=0)
        return np.logical_not(self._features[:, alone].any(axis=1))

    def explained(self, values: Floats) -> float:
        """The share of the variance that it explains, adjusted for the number of features."""
        there = np.isfinite(values)
        measured = values[there]
        left = ((measured - self.fitted(values)[there]) ** 2).sum() / ((measured - measured.mean()) ** 2).sum()
        n, p = len(measured), self._features.shape[1]
        return float(1 - left * (n - 1) / max(n - p, 1))

    def least(self, values: Floats) -> float:
        """What shuffled values would hardly reach: six standard deviations of what chance explains, and a percent."""
        return 0.01 + 6 * float(np.sqrt(2 * self._features.shape[1])) / float(np.isfinite(values).sum())


def _features(genes: NDArray[np.integer[Any]], sizes: list[int]) -> Floats:
    """(n, p) one column for each option but the first of each gene, and for each pair of these if there are few."""
    single = [
        np.stack([genes[:, gene] == option for option in range(1, size)], axis=1)
        for gene, size in enumerate(sizes)
        if size > 1
    ]
    pairs = list(combinations(single, 2))
    count = sum(each.shape[1] for each in single) + sum(a.shape[1] * b.shape[1] for a, b in pairs)
    if count * _ROWS_PER_FEATURE > len(genes) or count * len(genes) > _MOST_NUMBERS:
        pairs = []
    products = [(a[:, :, None] & b[:, None, :]).reshape(len(genes), -1) for a, b in pairs]
    found = np.concatenate([np.ones((len(genes), 1), dtype=bool), *single, *products], axis=1)
    return found[:, found.any(axis=0)].astype(np.float64)


def _off_formula(model: _Model, values: Floats) -> list[int]:
    """The rows that break a formula which all others follow; none if there is no such formula."""
    spread = float(np.nanstd(values))
    residuals = np.abs(values - model.fitted(values))
    kept = residuals <= np.nanquantile(residuals, _KEPT)  # False where not measured
    residuals = np.abs(values - model.fitted(np.where(kept, values, np.nan)))
    if residuals[kept].max() > _EXACT * spread:
        return []
    return [int(row) for row in np.flatnonzero((residuals > _NEAR * spread) & model.supported(kept))]
