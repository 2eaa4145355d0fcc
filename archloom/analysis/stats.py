"""Statistics over the runs of a study: summaries, bootstrap intervals and bands around curves.

There are no hidden random streams: functions that resample take a generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archloom.errors import InputError
from archloom.utils.numbers import finite, scaled
from archloom.utils.ranks import mean_ranks

Floats = NDArray[np.float64]

RESAMPLES = 5_000
_PAIRED = 2_000
"""Resamples of pairs, each of which is ranked."""
LEAST_PAIRS = 3
"""Of two pairs every correlation is 1 or -1."""
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Summary:
    """A sample in six numbers. `std` is the sample's (ddof = 1) unless asked otherwise; None for a single value, or if
    it is beyond the largest float."""

    n: int
    mean: float
    std: float | None
    median: float
    min: float
    max: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def summarise(values: Sequence[float], ddof: int = 1) -> Summary:
    """The summary of at least one finite value; InputError otherwise.

    `ddof` is what the standard deviation's divisor is less than n: 1 estimates the spread of runs from a sample of
    them, 0 is that of these runs alone, which some papers print.
    """
    sample = _sample(values)
    std = finite(float(scaled(lambda s: s.std(ddof=ddof), sample))) if len(sample) > 1 else None
    mean, median = float(scaled(np.mean, sample)), float(scaled(np.median, sample))
    return Summary(len(sample), mean, std, median, float(sample.min()), float(sample.max()))


def bootstrap_interval(
    values: Sequence[float],
    rng: np.random.Generator,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    statistic: Callable[..., Any] = np.mean,
) -> tuple[float, float]:
    """The percentile bootstrap interval of a statistic (Efron 1979).

    `statistic` takes an array (resamples, n) and `axis=1`, as `numpy.mean` and `numpy.median` do. A single value gives
    an interval of width zero. InputError for no values, values that are not finite, or a confidence outside (0, 1).
    """
    sample = _sample(values)
    tails = _tails(confidence)
    picks = rng.integers(len(sample), size=(resamples, len(sample)))  # (B, n)
    low, high = scaled(lambda s: np.quantile(statistic(s[picks], axis=1), tails), sample)
    return float(low), float(high)


# -- two quantities -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of `n` pairs with its 95 % bootstrap interval; None where the pairs do not determine it."""

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def spearman(x: ArrayLike, y: ArrayLike, rng: np.random.Generator, resamples: int = _PAIRED) -> Estimate:
    """The rank correlation of two quantities (n,), ties sharing their mean rank, with its interval over pairs.

    None if one of them has a single value, or if there are fewer than `LEAST_PAIRS`.
    """

    def statistic(a: Floats, b: Floats) -> float:
        return pearson(mean_ranks(a), mean_ranks(b))

    return _over_pairs(statistic, x, y, rng, resamples, LEAST_PAIRS)


def slope(x: ArrayLike, y: ArrayLike, rng: np.random.Generator, resamples: int = _PAIRED) -> Estimate:
    """How much y (n,) rises with one unit of x (n,), by least squares, with its interval over pairs.

    None if x has a single value.
    """

    def statistic(a: Floats, b: Floats) -> float:
        centred = a - a.mean()
        around = float(centred @ centred)
        return float(centred @ b) / around if around > 0 else math.nan

    size = _largest(y) / _largest(x)
    found = _over_pairs(statistic, x, y, rng, resamples, 1)
    ends = (None if end is None else finite(end * size) for end in (found.value, found.low, found.high))
    return Estimate(found.n, *ends)


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """The linear correlation of two quantities (n,); NaN if one of them has a single value."""
    a, b = (values - values.mean() for values in (_sized(x), _sized(y)))
    size = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
    return float(a @ b) / size if size > 0 else math.nan


def _over_pairs(
    statistic: Callable[[Floats, Floats], float],
    x: ArrayLike,
    y: ArrayLike,
    rng: np.random.Generator,
    resamples: int,
    least: int,
) -> Estimate:
    """The statistic of two quantities, both divided by their largest sizes; None for fewer than `least` pairs, and no
    interval for fewer than `LEAST_PAIRS`."""
    a, b = _sized(x), _sized(y)
    if a.shape != b.shape or a.ndim != 1 or not np.isfinite([a, b]).all():
        raise InputError(f"values of shapes {a.shape} and {b.shape}: expected two of the same length, all finite")
    value = statistic(a, b) if len(a) >= least else math.nan
    if math.isnan(value):
        return Estimate(len(a), None)
    if len(a) < LEAST_PAIRS:  # whose resamples have the same value, or none
        return Estimate(len(a), value)
    drawn = np.array([statistic(a[rows], b[rows]) for rows in rng.integers(len(a), size=(resamples, len(a)))])
    low, high = np.nanquantile(drawn, _tails(CONFIDENCE))  # resamples of a single pair say nothing
    return Estimate(len(a), value, float(low), float(high))


def _sized(values: ArrayLike) -> Floats:
    """The values divided by the largest size among them, so that products stay finite."""
    array = np.asarray(values, dtype=np.float64)
    return np.asarray(array / _largest(array))


def _largest(values: ArrayLike) -> float:
    """The largest size of the values; 1 if there are none, or all are 0."""
    return float(np.abs(np.asarray(values, dtype=np.float64)).max(initial=0.0)) or 1.0


# -- curves -------------------------------------------------------------------------------------------------------


class Band(NamedTuple):
    """The mean over curves and an interval around it, each (q,); NaN until every curve has begun."""

    mean: Floats
    low: Floats
    high: Floats


def sample_curve(curve: Sequence[tuple[float, float]], queries: ArrayLike) -> Floats:
    """A step function's values: the last point at or before each query; NaN before the first. (q,)"""
    if not curve:
        raise InputError("a curve without points: omit runs that found nothing")
    at = np.array([point[0] for point in curve])
    values = np.array([point[1] for point in curve], dtype=np.float64)
    index = np.searchsorted(at, np.asarray(queries), side="right") - 1
    return np.where(index >= 0, values[index], np.nan)


def curve_band(
    curves: Sequence[Sequence[tuple[float, float]]],
    queries: ArrayLike,
    rng: np.random.Generator,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Band:
    """The mean of step curves on a common grid of query counts, with the bootstrap interval of that mean over runs.

    Every curve keeps its last value after its end. Before a curve's first point the band is undefined, because a mean
    over a changing set of runs would be misleading. A run is resampled as a whole, not point by point.
    """
    if not curves:
        raise InputError("no curves: expected at least one run that found something")
    values = np.stack([sample_curve(curve, queries) for curve in curves])  # (n, q)
    return band(values, rng, confidence, resamples)


def spread_band(curves: Sequence[Sequence[tuple[float, float]]], queries: ArrayLike) -> Band:
    """The mean of step curves on a common grid, and the standard deviation (ddof = 1) of runs to both sides of it.

    Curves are continued, and missing at first, as in `curve_band`. A single curve has no width.
    """
    values = np.stack([sample_curve(curve, queries) for curve in curves])  # (n, q)
    mean = np.asarray(scaled(lambda v: v.mean(axis=0), values))
    std = np.asarray(scaled(lambda v: v.std(axis=0, ddof=1), values)) if len(values) > 1 else 0.0
    return Band(mean, mean - std, mean + std)


def band(values: Floats, rng: np.random.Generator, confidence: float = CONFIDENCE, resamples: int = RESAMPLES) -> Band:
    """The mean of n curves on one grid (n, q), with its bootstrap interval; NaN where a curve has not begun."""
    runs = len(values)
    shares = rng.multinomial(runs, np.full(runs, 1 / runs), size=resamples) / runs  # (B, n)
    mean = np.full(values.shape[1], np.nan)
    low, high = mean.copy(), mean.copy()
    begun = ~np.isnan(values).any(axis=0)
    if begun.any():
        mean[begun] = scaled(lambda v: v.mean(axis=0), values[:, begun])
        low[begun], high[begun] = scaled(
            lambda v: np.quantile(shares @ v, _tails(confidence), axis=0), values[:, begun]
        )
    return Band(mean, low, high)


def _tails(confidence: float) -> tuple[float, float]:
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence {confidence!r}: expected a number between 0 and 1, e.g. 0.95")
    return (1 - confidence) / 2, (1 + confidence) / 2


def _sample(values: Sequence[float]) -> Floats:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) == 0 or not all(math.isfinite(value) for value in sample):
        raise InputError(f"values {list(values)!r}: expected at least one number, all finite")
    return sample
