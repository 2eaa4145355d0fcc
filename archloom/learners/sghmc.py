"""Adaptive stochastic-gradient Hamiltonian Monte Carlo (Springenberg et al. 2016), and whether its chains have mixed.

The steps are those of automl/pybnn. Shapes: S draws of each of B chains with P coordinates; all chains move in the same
array operations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Float64: TypeAlias = NDArray[np.float64]

Slope: TypeAlias = Callable[[Float64, Float64], None]
"""Writes into its second argument (B, P) the gradient of -log density, or an unbiased estimate of it, at the first."""

MIXED = 1.1
"""Chains whose split R-hat is at most this count as mixed (Gelman et al., Bayesian Data Analysis, 3rd ed., 11.5)."""

_EPSILON = 1e-10
_LEAST_VARIANCE = 1e-16


@dataclass(frozen=True)
class SghmcOptions:
    """How a chain runs; the defaults are NAGO's and pybnn's."""

    learning_rate: float = 1e-2
    mdecay: float = 0.05
    """The share of the momentum that a step loses,"""
    burn_in: int = 3000
    """steps in which the preconditioner adapts, and of which nothing is kept,"""
    samples: int = 100
    """positions kept of each chain after that,"""
    keep_every: int = 10
    """one in so many steps."""


class AdaptiveSghmc:
    """Chains that move together, at `position` (B, P); `gradient` (B, P) is to be filled before a `step`.

    Each coordinate of each chain has its own preconditioner 1/sqrt(v), v a moving average of its squared gradient.
    """

    def __init__(self, start: Float64, learning_rate: float, mdecay: float, rng: np.random.Generator) -> None:
        """Chains at `start` (B, P), which is copied."""
        self.position = np.array(start, np.float64)
        self.gradient = np.zeros_like(self.position)
        self._rng, self._lr, self._mdecay = rng, learning_rate, mdecay
        self._window, self._mean, self._square = (np.ones_like(self.position) for _ in range(3))
        self._momentum, self._rate, self._noise = (np.zeros_like(self.position) for _ in range(3))
        self._share, self._work = np.empty_like(self.position), np.empty_like(self.position)
        self._rates()

    def adapt(self) -> None:
        """Let `gradient` change the preconditioner: during burn-in only, before each step.

        t' = t - t g^2 / (v + eps) + 1;  g' = g + (d - g) / (t + 1);  v' = v + (d^2 - v) / (t + 1),  d the gradient.
        """
        share, work, window, mean, square = self._share, self._work, self._window, self._mean, self._square
        np.add(window, 1.0, out=share)
        np.reciprocal(share, out=share)
        np.multiply(mean, mean, out=work)
        work /= np.add(square, _EPSILON, out=self._noise)
        work *= window
        window -= work
        window += 1.0
        np.subtract(self.gradient, mean, out=work)
        work *= share
        mean += work
        np.multiply(self.gradient, self.gradient, out=work)
        work -= square
        work *= share
        square += work
        self._rates()

    def step(self) -> None:
        """Move all chains: p' = (1 - mdecay) p - lr^2 d / sqrt(v) + noise of variance 2 lr^2 mdecay / sqrt(v) - lr^4,
        and the position by p'."""
        momentum, work = self._momentum, self._work
        momentum *= 1.0 - self._mdecay
        momentum -= np.multiply(self._rate, self.gradient, out=work)
        self._rng.standard_normal(out=work)
        work *= self._noise
        momentum += work
        self.position += momentum

    def _rates(self) -> None:
        """lr^2 / sqrt(v), and the noise's standard deviation."""
        rate, noise = self._rate, self._noise
        np.sqrt(self._square, out=rate)
        rate += _EPSILON
        np.divide(self._lr**2, rate, out=rate)
        np.multiply(rate, 2.0 * self._mdecay, out=noise)
        noise -= self._lr**4
        np.maximum(noise, _LEAST_VARIANCE, out=noise)
        np.sqrt(noise, out=noise)


def sample(slope: Slope, start: Float64, options: SghmcOptions, rng: np.random.Generator) -> Float64:
    """(S, B, P) positions of chains that begin at `start` (B, P), after burn-in."""
    chains = AdaptiveSghmc(start, options.learning_rate, options.mdecay, rng)
    for _ in range(options.burn_in):
        slope(chains.position, chains.gradient)
        chains.adapt()
        chains.step()
    kept = np.empty((options.samples, *chains.position.shape))
    for draw in kept:
        for _ in range(options.keep_every):
            slope(chains.position, chains.gradient)
            chains.step()
        draw[:] = chains.position
    return kept


def split_r_hat(draws: Float64) -> Float64:
    """(...) how much wider the draws (S, B, ...) of all chains are together than those within each half of a chain.

    sqrt(((h - 1) / h W + V) / W) for halves of h draws, W the mean of their variances and V the variance of their means
    (Gelman et al. 2013, section 11.4). 1 when nothing differs, inf when only means differ, and of less than 4 draws.
    """
    half = len(draws) // 2
    if half < 2:
        return np.full(draws.shape[2:], np.inf)
    halves = np.concatenate([draws[:half], draws[len(draws) - half :]], axis=1)
    within = halves.var(axis=0, ddof=1).mean(axis=0)
    between = halves.mean(axis=0).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = between / within
    still = (within == 0.0) & (between == 0.0)
    found: Float64 = np.sqrt((half - 1) / half + np.where(still, 1.0 / half, ratio))
    return found
