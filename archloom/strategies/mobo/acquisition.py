"""How promising an architecture is by each objective, and how uncertain it is; of every objective less is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archloom.strategies.graph_bo.acquisition import log_expected_improvement

Float64: TypeAlias = NDArray[np.float64]

DELTA = 0.05
"""The probability with which a bound of `beta_at` may be wrong (Srinivas et al. 2010)."""


class Acquisition(Protocol):
    """What is maximised for each objective."""

    def __call__(self, mean: Float64, deviation: Float64, best: Float64, beta: float) -> Float64:
        """(n, m) by predicted means and standard deviations (n, m), and the best values so far (m,)."""
        ...

    def log_worth(self, acquired: Float64) -> Float64:
        """(n,) logarithms of what is never negative and rises with (n,) of these: what penalties are factors of."""
        ...


@dataclass(frozen=True)
class ExpectedImprovement:
    """log E[max(best - xi - Y, 0)], Y normal: it orders as the expectation does, and does not underflow."""

    xi: float

    def __call__(self, mean: Float64, deviation: Float64, best: Float64, beta: float) -> Float64:
        columns = [
            log_expected_improvement(-mean[:, i], deviation[:, i], self.xi - float(best[i])) for i in range(len(best))
        ]
        return np.stack(columns, axis=1)

    def log_worth(self, acquired: Float64) -> Float64:
        return acquired


class LowerBound:
    """The optimist's: minus (mean - beta deviation)."""

    def __call__(self, mean: Float64, deviation: Float64, best: Float64, beta: float) -> Float64:
        return beta * deviation - mean

    def log_worth(self, acquired: Float64) -> Float64:
        return _log_softplus(acquired)


class UpperBound:
    """The pessimist's: minus (mean + beta deviation)."""

    def __call__(self, mean: Float64, deviation: Float64, best: Float64, beta: float) -> Float64:
        return -mean - beta * deviation

    def log_worth(self, acquired: Float64) -> Float64:
        return _log_softplus(acquired)


def beta_at(iteration: int, dimensions: int) -> float:
    """How many standard deviations a bound is away in an iteration (from 1) with so many inputs: USeMO's
    sqrt(log(t^(d/2 + 2) pi^2 / (3 delta)))."""
    return math.sqrt((dimensions / 2 + 2) * math.log(iteration) + math.log(math.pi**2 / (3 * DELTA)))


def log_volume(deviation: Float64, beta: float) -> Float64:
    """(n,) log of the volume of the boxes [mean - beta deviation, mean + beta deviation]: USeMO's uncertainty."""
    found: Float64 = (math.log(2.0) + math.log(beta) + np.log(deviation)).sum(axis=1)  # beta may be tiny
    return found


def _log_softplus(values: Float64) -> Float64:
    """log log(1 + e^v), by which GPyOpt and Alvi et al. make bounds positive; far below 0 it is v."""
    return np.where(values > -30.0, np.log(np.logaddexp(0.0, np.maximum(values, -30.0))), values)
