"""Hard local penalisation, by which a batch keeps its distance (Alvi et al. 2019; NAGO, appendix D)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Float64: TypeAlias = NDArray[np.float64]

FLAT = 1e-7
LIPSCHITZ_OF_FLAT = 10.0
"""The constant of an objective whose gradient is nowhere more than `FLAT` (as in GPyOpt and the authors' code)."""

STEP = 1e-6
"""of the derivative of a gradient."""


@dataclass(frozen=True, eq=False)
class HardPenaliser:
    """Around a chosen point (d,), for each of m objectives the ball in which its optimum cannot be.

    If the objective is L-Lipschitz and `mean` at the point, its best value M is at least |mean - M| / L away; the
    standard deviation there is added to that. With several objectives the paper leaves open whose model counts: here
    each has a ball of its own, from its own mean, deviation, L and M, and a candidate's penalty is the product.
    """

    centre: Float64
    radii: Float64
    """(m,)"""

    @classmethod
    def around(
        cls, centre: Float64, mean: Float64, deviation: Float64, best: Float64, lipschitz: Float64
    ) -> HardPenaliser:
        """By predictions at the point, the best values so far and the constants, (m,) each."""
        return cls(centre, (np.abs(mean - best) + deviation) / lipschitz)

    def log_penalty(self, points: Float64) -> Float64:
        """(n,) log of prod_i min(|x - centre| / r_i, 1) at points x (n, d); minus infinity at the centre."""
        distances = np.linalg.norm(points - self.centre, axis=1)
        with np.errstate(divide="ignore"):
            logs = np.log(distances)[:, None] - np.log(self.radii)
        found: Float64 = np.minimum(logs, 0.0).sum(axis=1)
        return found


def lipschitz_constants(
    gradient: Callable[[Float64], Float64], dimensions: int, restarts: int, rng: np.random.Generator
) -> Float64:
    """(m,) the largest norm of each of m gradients in the unit cube that L-BFGS finds from so many points.

    `gradient` is (m, d) at a point (d,).
    """
    starts = rng.random((restarts, dimensions))
    best: Float64 = np.array([np.linalg.norm(gradient(start), axis=1) for start in starts]).max(axis=0)
    for objective in range(len(best)):
        for start in starts:
            best[objective] = max(best[objective], _steepest(gradient, objective, start))
    return np.where(best > FLAT, best, LIPSCHITZ_OF_FLAT)


def _steepest(gradient: Callable[[Float64], Float64], objective: int, start: Float64) -> float:
    """The largest norm of the gradient of an objective that L-BFGS finds from a point.

    The norm's own gradient is the Hessian times g / |g|: how g changes in its own direction, which takes one more g.
    """

    def descent(point: Float64) -> tuple[float, Float64]:
        here = gradient(point)[objective]
        norm = float(np.linalg.norm(here))
        if norm <= FLAT:
            return -norm, np.zeros_like(point)
        return -norm, (here - gradient(point + STEP * here / norm)[objective]) / STEP

    found = minimize(descent, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(start))
    return -float(found.fun)
