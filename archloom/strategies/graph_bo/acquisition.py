"""How promising an architecture is, from what the Gaussian processes say of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, log_ndtr, logsumexp

from archloom.strategies.graph_bo.kernel import Float64

DIRECTIONS = 16
"""In so many directions the hypervolume of several objectives is looked at in a query,"""
DRAWS = 16
"""and so many draws of the objectives are averaged."""
MARGIN = 0.25
"""How far the corner of the hypervolume is below the front, as a share of the front's extent."""
_SMOOTH = 0.01
_LITTLE = 1e-9
"""What falls short of the front counts a little, too, so that a climb finds its way: e times less for every `_SMOOTH`
of the front's extent."""

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


@dataclass(frozen=True, eq=False)
class Rays:
    """What is random about the expected improvement of several objectives: `directions` (k, m), with positive entries,
    and standard normal `draws` (d, m), the same for all architectures of a query."""

    directions: Float64
    draws: Float64

    @classmethod
    def drawn(cls, objectives: int, rng: np.random.Generator) -> Rays:
        """Directions uniform on the positive part of the sphere."""
        away = np.abs(rng.standard_normal((DIRECTIONS, objectives)))
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        return cls(np.maximum(away, 1e-6), rng.standard_normal((DRAWS, objectives)))


NO_RAYS = Rays(np.empty((0, 1)), np.empty((0, 1)))
"""For a single objective."""


def frame(targets: Float64) -> tuple[Float64, Float64]:
    """The corner (m,) from which the hypervolume of `targets` (n, m) is seen, and the extent (m,) of their front.

    The corner is `MARGIN` of the extent below the front's lowest values, so that its ends are worth going beyond.
    """
    import moocore

    front = targets[moocore.is_nondominated(targets, maximise=True)]
    span = front.max(axis=0) - front.min(axis=0)
    span = np.where(span > 1e-9, span, 1.0)
    return front.min(axis=0) - MARGIN * span, span


def log_hypervolume_improvement(means: Float64, deviations: Float64, targets: Float64, rays: Rays) -> Float64:
    """(n,) log of the expected improvement of the hypervolume of `targets` (k, m) by objectives that are normal with
    `means` (n, m) and `deviations` (n, m), up to a constant.

    The hypervolume is the mean over directions r of max(0, max_y min_i (y_i - c_i) / r_i)^m, up to a constant: how far
    it reaches from its corner c (Zhang and Golovin 2020, "Random hypervolume scalarizations").
    """
    corner, span = frame(targets)
    sampled = ((means - corner) / span)[:, None, :] + (deviations / span)[:, None, :] * rays.draws
    front = (targets - corner) / span
    total, short = np.zeros(len(means)), np.empty((len(rays.directions), len(means)))
    for towards, missed in zip(rays.directions, short, strict=True):
        reached = float((front / towards).min(axis=1).max())
        beyond = (sampled / towards).min(axis=2) - reached
        total += _further(reached, np.maximum(beyond, 0.0), means.shape[1]).mean(axis=1)
        missed[:] = np.minimum(beyond.max(axis=1), 0.0)
    # As logarithms, lest what is far below the front be equal: e to that underflows.
    little = math.log(_LITTLE) + logsumexp(short / _SMOOTH, axis=0)
    found: Float64 = np.logaddexp(np.log(total, out=np.full(len(means), -np.inf), where=total > 0), little)
    return found


def _further(reached: float, gain: Float64, power: int) -> Float64:
    """(reached + gain)^power - reached^power, without the difference: it would be lost in rounding."""
    factor = np.ones_like(gain)
    for lower in range(1, power):
        factor *= reached + gain
        factor += reached**lower
    factor *= gain
    return factor
