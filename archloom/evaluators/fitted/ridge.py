"""Ridge regression on effects of genes: a model of a metric that is fitted to measured architectures in seconds.

A value, transformed by a power, is a sum of an effect of each gene, of each pair of genes, and of all genes of a part
(a block, say) together. Penalty and power are those with the smallest held-out error, which leave-one-out gives in
closed form.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from archloom.errors import InputError

Floats = NDArray[np.float64]
Genes = NDArray[np.integer[Any]]
"""(n, g): the index of each gene's option."""

MAX_TERMS = 2_000
"""So many effects are fitted at most: their covariance matrix is decomposed, which takes seconds at this size."""
MIN_ROWS = 10
"""Fewer measured architectures are too few to fit a model to."""
_HIGHER = 0.25  # by measurement: from 500 to 4,100 rows of Accel-NASBench errors are smaller than with 1 or 0.5
_PENALTIES = 10.0 ** np.array([-9, -6, -4, -3, -2, -1, 0, 1, 2, 3])
_POWERS = (1.0, -1.0, -0.5, 0.0, 0.5, 2.0, 4.0, 8.0)
_CHUNK = 8_192


class Effects:
    """The terms of a prediction: functions of genes that are orthogonal to each other over the complete space.

    `sizes` has the number of options of each gene, `parts` what each gene belongs to: genes of one part interact to any
    order, others in pairs. If that is more than `MAX_TERMS`, the highest orders are omitted; InputError if the
    genes alone are more already.

    A gene of s options has s - 1 contrasts of mean square 1, columns of a Helmert matrix, so a ridge penalty on the
    terms does not depend on the order of options. A term is a product of contrasts of different genes; each gene more
    makes it smaller by `_HIGHER`, so that interactions are expected to be smaller than the effects of single genes.

    `nested` has the numbers of leading terms that a model may be fitted with: genes alone, and all.
    """

    def __init__(self, sizes: Sequence[int], parts: Sequence[Hashable]) -> None:
        self._sizes = np.array(sizes)
        widths = [size - 1 for size in sizes]
        self._contrasts = np.zeros((len(sizes), max(sizes), max(1, *widths)))  # (genes, options, contrasts)
        for gene, size in enumerate(sizes):
            self._contrasts[gene, :size, : size - 1] = _helmert(size)
        self._used = np.flatnonzero(np.arange(self._contrasts.shape[2]) < np.array(widths)[:, None])
        if sum(widths) > MAX_TERMS:
            raise InputError(f"genes with {sum(widths):,} free options: expected at most {MAX_TERMS:,} to fit a model")
        terms = sum(widths)
        groups: list[Group] = [(gene,) for gene in range(len(sizes))]
        columns = mains = _numbered(groups, widths)
        self._steps: list[tuple[Columns, Columns]] = []
        while groups := _larger(groups, parts):
            numbered = _numbered(groups, widths)
            added = sum(map(len, numbered.values()))
            if terms + added > MAX_TERMS:
                break
            self._steps.append(_products(groups, columns, mains))
            terms += added
            columns = numbered
        self.nested = tuple(dict.fromkeys((sum(widths), terms)))

    def __call__(self, genes: Genes) -> Floats:
        """(n, terms) of genes (n, g); InputError for genes that are no options."""
        if genes.shape[1:] != self._sizes.shape:
            raise InputError(f"genes of shape {genes.shape}: expected (n, {len(self._sizes)})")
        wrong = ((genes < 0) | (genes >= self._sizes)).any(axis=1)
        if wrong.any():
            raise InputError(f"genes {genes[wrong.argmax()].tolist()}: expected the index of an option of each gene")
        mains = self._contrasts[np.arange(len(self._sizes)), genes].reshape(len(genes), -1)[:, self._used]
        orders = [mains]
        for lower, gene in self._steps:
            orders.append(_HIGHER * orders[-1][:, lower] * mains[:, gene])
        return np.concatenate(orders, axis=1)


Group = tuple[int, ...]
"""Genes that interact, in order."""

Columns = NDArray[np.intp]


def _helmert(size: int) -> Floats:
    """(size, size - 1) columns orthogonal to 1 and to each other, each of mean square 1."""
    option, column = np.arange(size)[:, None], np.arange(size - 1)
    signs = np.where(option <= column, 1.0, np.where(option == column + 1, -1.0 - column, 0.0))
    scaled: Floats = signs * np.sqrt(size / ((column + 1.0) * (column + 2.0)))
    return scaled


def _larger(groups: Sequence[Group], parts: Sequence[Hashable]) -> list[Group]:
    """The groups with one gene more: any two genes, but more than two only of one part."""
    return [
        (*group, gene)
        for group in groups
        for gene in range(group[-1] + 1, len(parts))
        if len(group) == 1 or len({parts[member] for member in (*group, gene)}) == 1
    ]


def _numbered(groups: Sequence[Group], widths: Sequence[int]) -> dict[Group, Columns]:
    """The columns that the terms of each group have among those of their order."""
    bounds = accumulate((prod(widths[gene] for gene in group) for group in groups), initial=0)
    return {group: np.arange(*between) for group, between in zip(groups, pairwise(bounds), strict=True)}


def _products(
    groups: Sequence[Group], columns: Mapping[Group, Columns], mains: Mapping[Group, Columns]
) -> tuple[Columns, Columns]:
    """The two columns that each term of `groups` is the product of: one of the next lower order, and one of a gene."""
    lower = [np.repeat(columns[group[:-1]], len(mains[group[-1:]])) for group in groups]
    last = [np.tile(mains[group[-1:]], len(columns[group[:-1]])) for group in groups]
    return np.concatenate(lower), np.concatenate(last)


@dataclass(frozen=True)
class Power:
    """The transformation of Box and Cox (1964) of values of geometric mean 1, but for a constant: v^p / p, log v for 0.

    Back-transformed values stay within `low` and `high`, where a power of an extrapolated sum would run away.
    """

    power: float
    scale: float
    low: float
    high: float

    def forward(self, values: Floats) -> Floats:
        ratio = values / self.scale
        return np.log(ratio) if self.power == 0 else ratio**self.power / self.power

    def back(self, transformed: Floats) -> Floats:
        within = np.clip(transformed, *self.forward(np.array([self.low, self.high])))
        ratio = np.exp(within) if self.power == 0 else (self.power * within) ** (1 / self.power)
        return np.asarray(self.scale * ratio)


def powers_for(values: Floats) -> list[Power]:
    """The transformations to choose from: only the identity where values are not positive. Predictions stay between
    half the smallest and twice the largest positive value."""
    if values.min() <= 0:
        return [Power(1.0, 1.0, -np.inf, np.inf)]
    scale, low, high = float(np.exp(np.log(values).mean())), float(values.min()) / 2, float(values.max()) * 2
    found = [Power(power, scale, low, high) for power in _POWERS]
    with np.errstate(over="ignore"):
        return [power for power in found if np.isfinite(power.forward(np.array([low, high]))).all()]


@dataclass(frozen=True)
class Ridge:
    """A fitted metric; `held_out` (n,) predicts each row it was fitted to from all the others, `error` is the mean
    absolute error of that."""

    power: Power
    penalty: float
    offset: float
    weights: Floats  # (used,): for the leading terms
    held_out: Floats
    error: float

    def __call__(self, terms: Floats) -> Floats:
        """(n,) predictions from the `Effects` of architectures (n, terms)."""
        return self.power.back(self.offset + terms[:, : len(self.weights)] @ self.weights)


class Design:
    """Measured architectures, ready to fit metrics to: the leading `terms` of genes (n, g) and their principal axes."""

    def __init__(self, effects: Effects, genes: Genes, terms: int) -> None:
        self._effects = effects
        self._terms = terms
        self._genes = genes
        self._mean = np.zeros(terms)
        products = np.zeros((terms, terms))
        with threadpool_limits(1, user_api="blas"):  # how many share a sum must not decide how it is rounded
            for _, values in self._chunks():
                self._mean += values.sum(axis=0) / len(genes)
                products += values.T @ values
            spread, self._axes = np.linalg.eigh(products - len(genes) * np.outer(self._mean, self._mean))
        self._spread = np.maximum(spread, 0.0)  # (terms,) eigenvalues

    def _chunks(self) -> Iterator[tuple[slice, Floats]]:
        for start in range(0, len(self._genes), _CHUNK):
            rows = slice(start, start + _CHUNK)
            yield rows, self._effects(self._genes[rows])[:, : self._terms]

    def fit(self, values: NDArray[np.floating]) -> Ridge:
        """The model of `values` (n,), finite numbers, with the smallest mean absolute held-out error.

        With an intercept that is not penalised, the residual of a row left out is e_i / (1 - h_i), where e_i is the
        residual and h_i = 1/n + x_i (X'X + penalty)^-1 x_i' the leverage (Cook and Weisberg 1982, on centred X).
        """
        exact = values.astype(np.float64)
        powers = powers_for(exact)
        targets = np.stack([power.forward(exact) for power in powers], axis=1)  # (n, powers)
        means = targets.mean(axis=0)
        shrunk = 1.0 / (self._spread[:, None] + _PENALTIES)  # (terms, penalties)
        with threadpool_limits(1, user_api="blas"):
            along = np.zeros((self._terms, len(powers)))
            for rows, terms in self._chunks():
                along += self._axes.T @ ((terms - self._mean).T @ (targets[rows] - means))
            solutions = shrunk[:, :, None] * along[:, None, :]  # (terms, penalties, powers)
            held_out = np.empty((len(exact), len(_PENALTIES), len(powers)))
            for rows, terms in self._chunks():
                axes = (terms - self._mean) @ self._axes
                fitted = means + np.tensordot(axes, solutions, axes=1)
                left = 1.0 - 1.0 / len(exact) - axes**2 @ shrunk  # (rows, penalties)
                target = targets[rows, None, :]
                held_out[rows] = target - (target - fitted) / np.maximum(left, 1e-12)[:, :, None]
            for number, power in enumerate(powers):
                held_out[..., number] = power.back(held_out[..., number])
            errors = np.abs(held_out - exact[:, None, None]).mean(axis=0)
            penalty, number = (int(at) for at in np.unravel_index(errors.argmin(), errors.shape))
            weights = self._axes @ solutions[:, penalty, number]
        offset = float(means[number] - self._mean @ weights)
        return Ridge(
            powers[number], float(_PENALTIES[penalty]), offset, weights, held_out[:, penalty, number].copy(),
            float(errors[penalty, number]),
        )  # fmt: skip
