"""What the surrogates of all objectives and constraints say of architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from archloom.learners.bnn import Posterior
from archloom.strategies.batches.relaxation import Float64
from archloom.strategies.batches.strategy import Known

LEAST = 1e-6
"""A standard deviation is at least this, in those of what is known."""

Spread: TypeAlias = Callable[[Posterior, Float64, Float64], Float64]
"""Variances (n, k) at rows (n, width), from those of results (n, k)."""


def of_model(posterior: Posterior, rows: Float64, variance: Float64) -> Float64:
    """What the networks differ by: the variance of the mean."""
    found: Float64 = variance - posterior.noise(rows)
    return found


def of_results(posterior: Posterior, rows: Float64, variance: Float64) -> Float64:
    """That with the noise that the networks predict."""
    return variance


SPREADS: Mapping[str, Spread] = {"model": of_model, "total": of_results}


@dataclass(frozen=True, eq=False)
class Beliefs:
    """The posterior of networks for k targets, of which the first `objectives` are objectives; less is better."""

    posterior: Posterior
    known: Known
    spread: Spread

    @property
    def objectives(self) -> int:
        return self.known.targets.objectives

    def predict(self, rows: Float64) -> tuple[Float64, Float64]:
        """Means (n, k) and standard deviations (n, k)."""
        mean, variance = self.posterior.predict(rows)
        return mean, np.sqrt(np.maximum(self.spread(self.posterior, rows, variance), LEAST**2))

    def best(self) -> Float64:
        """(objectives,) the least predicted mean of each objective among the feasible results, among all if none is:
        the least of noisy values would be luck."""
        feasible = self.known.targets.feasible
        counted = feasible if feasible.any() else np.ones_like(feasible)
        found: Float64 = self.posterior.predict(self.known.rows)[0][counted, : self.objectives].min(axis=0)
        return found

    def slopes(self, row: Float64) -> Float64:
        """(objectives, width) the gradients of the means at a row (width,)."""
        found: Float64 = self.posterior.gradient(row)[: self.objectives]
        return found
