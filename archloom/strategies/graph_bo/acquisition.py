"""How promising an architecture is, from what the Gaussian processes say of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr

from archloom.strategies.graph_bo.kernel import Float64

DRAWS = 24
"""So many draws of the objectives are averaged where there are several."""
_SMOOTH = 0.05
"""Of the improvement of a draw, in standard deviations: what is hardly worse than the best still counts a little."""

_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)
_ROOT_HALF_PI = math.sqrt(0.5 * math.pi)


def log_expected_improvement(mean: Float64, deviation: Float64, best: float) -> Float64:
    """(n,) log E[max(Y - best, 0)] for Y normal with `mean` (n,) and standard `deviation` (n,) > 0.

    log(s h(u)), h(u) = phi(u) + u Phi(u), u = (mean - best) / s; for u below -1 by the scaled complementary error
    function, which loses no digits (Ament et al. 2023, section 4.1).
    """
    u = (mean - best) / deviation
    near = np.maximum(u, -1.0)
    direct = np.log(np.exp(-0.5 * near**2 - _HALF_LOG_2_PI) + near * np.exp(log_ndtr(near)))
    far = np.minimum(u, -1.0)
    # h(u) = phi(u) (1 - |u| m(u)) with Mills' ratio m; of a very small h, its series 1/u^2.
    lost = 1.0 + far * _ROOT_HALF_PI * erfcx(-far / math.sqrt(2.0))
    asymptotic = -2.0 * np.log(-far)
    tail = np.where(far > -1e4, np.log(np.maximum(lost, 1e-300)), asymptotic)
    found: Float64 = np.log(deviation) + np.where(u > -1.0, direct, -0.5 * far**2 - _HALF_LOG_2_PI + tail)
    return found


def log_feasible(mean: Float64, deviation: Float64, bound: float, at_most: bool) -> Float64:
    """(n,) log P(Y <= bound), or P(Y >= bound), for Y normal."""
    above: Float64 = (mean - bound) / deviation
    return np.asarray(log_ndtr(-above if at_most else above), dtype=np.float64)


def direction(objectives: int, rng: np.random.Generator) -> Float64:
    """(m,) a random direction with positive entries: uniform on that part of the sphere."""
    drawn = np.abs(rng.standard_normal(objectives))
    return np.asarray(np.maximum(drawn / np.linalg.norm(drawn), 1e-6))


def scalarised(values: Float64, towards: Float64) -> Float64:
    """(...,) min_i values_i / towards_i of (..., m): how far the hypervolume reaches in a direction, whose average over
    directions it is, to the power m (Zhang and Golovin 2020)."""
    shortest: Float64 = (values / towards).min(axis=-1)
    return shortest


def log_scalarised_improvement(
    means: Float64, deviations: Float64, towards: Float64, best: float, draws: NDArray[np.float64]
) -> Float64:
    """(n,) log of the expected improvement of `scalarised` over `best`, of objectives with `means` (n, m) and
    `deviations` (n, m), over standard normal `draws` (DRAWS, m), the same for all."""
    sampled = means[:, None, :] + deviations[:, None, :] * draws
    gain = scalarised(sampled, towards) - best
    smooth = _SMOOTH * np.logaddexp(0.0, gain / _SMOOTH)
    found: Float64 = np.log(np.maximum(smooth.mean(axis=1), 1e-300))
    return found
