"""What the Gaussian process learns instead of utilities: numbers with a mean of about 0 and a variance of about 1.

What decides a search is how the best architectures differ, and these are crowded at the top of most benchmarks: 73.4
and 73.5 are further apart than 10 and 40. So utilities are warped first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import ndtri

from archloom.strategies.graph_bo.kernel import Float64

_ROUNDING = 1e-12
"""Utilities that differ by less, relative to the best, are equal up to rounding."""
_LEAST = 1e-9
"""The smallest distance of a bound from values that are all equal."""
_MOST = 1e6
"""Standard deviations that a bound is away, at most."""
_FAR = 1e100
"""Utilities beyond it are divided by the largest, so that no difference overflows."""

Warp = Callable[[Float64], Float64]
"""Utilities (n,), more is better, finite, to targets (n,) that rise with them."""


def log_regret(utilities: Float64) -> Float64:
    """-log(1 + (b - y) / s), standardised: b is the best utility, s half of its distance to the upper quartile.

    If a quarter is as good as the best, up to rounding, s is half of the smallest distance to it that is more.
    """
    y = _tame(utilities)
    best = float(y.max(initial=-np.inf))
    regret = best - y
    largest = float(regret.max(initial=0.0))
    if largest == 0:
        return np.zeros_like(y)
    rounding = _ROUNDING * abs(best)
    distance = float(np.quantile(regret, 0.25))
    if distance <= rounding:
        distance = float(regret[regret > rounding].min(initial=largest))
    scale = max(distance / 2.0, largest / _FAR)  # the second so that no quotient overflows
    return standard(-np.log1p(regret / scale))


def half(utilities: Float64) -> Float64:
    """Above the median by how much, in units of the root mean square of that; below it the normal quantile of the rank,
    the middle one of equals.

    A long tail of bad architectures, whose differences do not matter, does not spread them more than chance would.
    """
    y = _tame(utilities)
    if not len(y):
        return y
    above = y - np.median(y)
    upper = above[above >= 0]
    scale = float(np.sqrt(np.mean(upper**2)))
    if scale <= 0:
        return standard(y)
    inorder = np.sort(y)
    ranks = (np.searchsorted(inorder, y, "left") + np.searchsorted(inorder, y, "right")) / (2.0 * len(y))
    return np.where(above >= 0, above / scale, ndtri(ranks))


def standard(utilities: Float64) -> Float64:
    """In standard deviations from the mean; zeros if all are equal."""
    y = _tame(utilities)
    if not len(y):
        return y
    centred = y - y.mean()
    spread = float(centred.std())
    return centred / spread if spread > 0 else np.zeros_like(y)


def standard_with(values: Float64, bound: float) -> tuple[Float64, float]:
    """Values (n,) in standard deviations from their mean, and a bound in the same units; of equal values, zeros."""
    largest = float(np.abs(values).max(initial=0.0))
    scale = largest if largest > _FAR or 0 < largest < 1 / _FAR else 1.0
    y = values / scale
    centre, spread = float(y.mean()), float(y.std())
    distance = float(np.clip(bound / scale - centre, -(_FAR**2), _FAR**2))
    spread = spread if spread > 0 else max(abs(distance), _LEAST)
    return (y - centre) / spread, float(np.clip(distance / spread, -_MOST, _MOST))


WARPS: Mapping[str, Warp] = {"log_regret": log_regret, "half": half, "standard": standard}


def _tame(utilities: Float64) -> Float64:
    largest = float(np.abs(utilities).max(initial=0.0))
    return utilities / largest if largest > _FAR or 0 < largest < 1 / _FAR else utilities
