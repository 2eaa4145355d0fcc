"""The levels of Algorithm 1: how good the architectures are that a share of a generator's draws reaches.

Apart from the strategy, so that reading a run needs no PyTorch.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-9
"""The tolerance, in draws, for a share of the draws, which is a floating-point number."""


def level(utilities: NDArray[np.float64], times: NDArray[np.int64], rho: float) -> float:
    """gamma(theta, rho) of Algorithm 1: the (1 - rho)-quantile of `utilities` (n,), each of them drawn `times` (n,)
    times.

    It is the largest utility that at least the share `rho` of all draws reaches. If the quantile lies between two
    utilities, it is the upper one: so the level of the starting set is the threshold of the first truth set, and
    nothing is interpolated towards the minus infinity of a failed trial. NaN without draws, and for `rho` = 0.
    """
    best_first = np.argsort(-utilities, kind="stable")
    draws = int(times.sum())
    needed = min(math.ceil(rho * draws - _ROUNDING), draws)
    if needed < 1:
        return math.nan
    return float(utilities[best_first][np.searchsorted(np.cumsum(times[best_first]), needed)])


def risen(utilities: NDArray[np.float64], times: NDArray[np.int64], rho: float, target: float, before: float) -> float:
    """gamma(theta_t, rho_t) of Algorithm 1, step 4: the level at the largest share rho_t <= `rho` of the draws at
    which it is at least `target`.

    `before`, the level of the iteration before, if no share of the draws reaches the target.
    """
    reaching = float(times[utilities >= target].sum())
    found = level(utilities, times, min(rho, reaching / max(times.sum(), 1)))
    return before if math.isnan(found) else found
