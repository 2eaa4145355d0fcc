"""What is modelled of the results: each objective and each constraint by a Gaussian process of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archloom.strategies.graph_bo.acquisition import (
    Rays,
    log_expected_improvement,
    log_feasible,
    log_hypervolume_improvement,
)
from archloom.strategies.graph_bo.gp import Posterior, fit
from archloom.strategies.graph_bo.kernel import Float64, Inputs, Kernel

GROWTH = 1.15
"""Hyper-parameters are fitted again when there are so many times as many results as at the last fit."""
MOST_ROWS = 600
"""A process knows at most so many results: of more, the two thirds of that number that tell most, and the latest."""

_EVEN = math.log(0.5)
_AVOIDED = 1e6
"""More than the logarithms of expected improvements differ by."""


@dataclass(eq=False)
class Surrogate:
    """A Gaussian process for one number of the results, and its hyper-parameters so far.

    `theta` has their logarithms; `fitted` says of how many results they are the fit, 0 if of none yet.
    """

    kernel: Kernel
    theta: Float64
    fitted: int = 0

    def given(self, rows: Inputs, targets: Float64, telling: Float64 | None = None) -> Posterior:
        """The posterior given `targets` (n,) of `rows`, with hyper-parameters that are fitted again if it is time.

        `telling` (n,): how much each tells, if there are too many; without it, the more the higher its target is.
        """
        kept = most_telling(targets if telling is None else telling)
        rows, kept_targets = rows[kept], targets[kept]
        if len(targets) >= max(2, GROWTH * self.fitted):
            self.theta, self.fitted = fit(self.kernel, rows, kept_targets, self.theta), len(targets)
        return Posterior.of(self.kernel.at(self.theta), rows, kept_targets)


def nearness(values: Float64, bound: float) -> Float64:
    """(n,) how much values of a metric tell of whether others keep its bound."""
    with np.errstate(over="ignore"):  # of values at the ends of floats: infinitely far is right
        return -np.abs(values - bound)


def most_telling(targets: Float64) -> NDArray[np.intp]:
    """Which results a process gets to know, in order: those with the highest of these numbers (n,), and the latest."""
    if len(targets) <= MOST_ROWS:
        return np.arange(len(targets))
    latest = np.arange(len(targets) - MOST_ROWS // 3, len(targets))
    others = np.argsort(-targets[: latest[0]], kind="stable")[: MOST_ROWS - len(latest)]
    return np.concatenate([np.sort(others), latest])


@dataclass(frozen=True, eq=False)
class Bounded:
    """A quantity that must be at most `bound`, or at least.

    `avoided`: what is more likely to break it than not is chosen only if nothing else is left to choose from.
    """

    posterior: Posterior
    bound: float
    at_most: bool
    avoided: bool = False

    def believing(self, in_flight: Inputs) -> Bounded:
        """See `Posterior.believing`."""
        return replace(self, posterior=self.posterior.believing(in_flight))

    def log_probability(self, rows: Inputs) -> Float64:
        """(n,) the logarithm of the probability that each row keeps the bound."""
        return log_feasible(*_noisy(self.posterior, rows), self.bound, self.at_most)


@dataclass(frozen=True, eq=False)
class Promise:
    """The acquisition function: how promising architectures are.

    The logarithm of the expected improvement over the (n, m) `targets` of feasible results, for several objectives that
    of their hypervolume, plus the logarithms of the probabilities that constraints are kept. If nothing is feasible
    yet, `targets` is empty, and these probabilities alone count.
    """

    objectives: Sequence[Posterior]
    constraints: Sequence[Bounded]
    targets: Float64
    rays: Rays

    def believing(self, in_flight: Inputs, rays: Rays) -> Promise:
        """The same, as if what is in flight had come out as expected; with what is random of a query."""
        return Promise(
            [posterior.believing(in_flight) for posterior in self.objectives],
            [constraint.believing(in_flight) for constraint in self.constraints],
            self.targets,
            rays,
        )

    def __call__(self, rows: Inputs) -> Float64:
        """(n,) of rows of architectures."""
        return self.ranked(rows)[0]

    def ranked(self, rows: Inputs) -> tuple[Float64, Float64]:
        """The same, and numbers (n,) to choose by, which are lower for what is to be avoided than for anything else."""
        total, avoided = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
        if len(self.targets):
            total += self._improvement(rows)
        for constraint in self.constraints:
            probability = constraint.log_probability(rows)
            total += probability
            avoided |= constraint.avoided & (probability < _EVEN)
        return total, np.where(avoided, total - _AVOIDED, total)

    def _improvement(self, rows: Inputs) -> Float64:
        predicted = [_noisy(posterior, rows) for posterior in self.objectives]
        if len(predicted) == 1:
            return log_expected_improvement(*predicted[0], float(self.targets.max()))
        means, deviations = (np.stack(columns, axis=1) for columns in zip(*predicted, strict=True))
        return log_hypervolume_improvement(means, deviations, self.targets, self.rays)


def _noisy(posterior: Posterior, rows: Inputs) -> tuple[Float64, Float64]:
    """Mean and standard deviation of results: what the kernel cannot tell is part of a benchmark's truth."""
    mean, variance = posterior.predict(rows)
    return mean, np.sqrt(variance + posterior.covariance.nugget)
