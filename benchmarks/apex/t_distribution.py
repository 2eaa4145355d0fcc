"""Student's t-distribution with a fit that takes milliseconds, so that a thousand samples of 10,000 can be fitted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln
from scipy.stats import t

_MOST_FREEDOM = 1e6
"""A normal distribution, as far as 10,000 values can tell."""


class QuickT(type(t)):  # type: ignore[misc]
    """The same distribution; `fit` maximises the same likelihood, by its gradient instead of Nelder and Mead's way."""

    def fit(self, data: NDArray[np.float64], *arguments: Any, **options: Any) -> tuple[float, float, float]:
        """(degrees of freedom, location, scale); nothing can be fixed."""
        values = np.asarray(data, dtype=float)
        centre, spread = float(values.mean()), float(values.std())
        scaled = (values - centre) / spread
        start = np.array([math.log(10.0), 0.0, math.log(0.9)])
        bounds = [(math.log(0.1), math.log(_MOST_FREEDOM)), (None, None), (None, None)]
        found = minimize(_loss, start, (scaled,), "L-BFGS-B", jac=True, bounds=bounds, options={"ftol": 1e-13})
        freedom, location, scale = math.exp(found.x[0]), float(found.x[1]), math.exp(found.x[2])
        return freedom, centre + spread * location, spread * scale


def _loss(parameters: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """The negative mean log-likelihood, and its gradient in (log freedom, location, log scale)."""
    freedom, location, scale = math.exp(parameters[0]), parameters[1], math.exp(parameters[2])
    z = (values - location) / scale
    square = z * z
    inner = np.log1p(square / freedom)
    weight = (freedom + 1) / (freedom + square)
    constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - 0.5 * math.log(freedom * math.pi) - parameters[2]
    loss = (freedom + 1) / 2 * inner.mean() - constant
    by_freedom = 0.5 * (digamma((freedom + 1) / 2) - digamma(freedom / 2) - 1 / freedom - inner.mean()) + (
        weight * square
    ).mean() / (2 * freedom)
    gradient = [-by_freedom * freedom, -(weight * z).mean() / scale, 1 - (weight * square).mean()]
    return float(loss), np.array(gradient)


QUICK_T = QuickT(name="t")
