"""Bayesian neural networks whose noise depends on the inputs: NAGO's surrogate (Ru et al. 2020, section 2.2).

A small network gives a mean and the logarithm of the noise's variance; its weights are drawn from their posterior by
adaptive SGHMC, as in automl/pybnn, where the noise is a single parameter.

Shapes: n points with d inputs and m objectives; k points to predict at; S networks kept of each of C chains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from archloom.errors import InputError
from archloom.learners.bnn_density import (
    CALIBRATED,
    FLAT,
    LOG_VARIANCES,
    NoisePrior,
    Potential,
    Shape,
    WeightPrior,
)
from archloom.learners.sghmc import MIXED, Float64, SghmcOptions, sample, split_r_hat

_BLOCK = 1 << 17
"""So many values of a layer are computed at once, to stay in the processor's caches."""
_LITTLE = 1e-12
_MOST_IN_A_BATCH = 512
_FARTHEST = 30.0
"""A parameter that is so many deviations of its prior from 0 is that of a chain which has diverged."""
_ATTEMPTS, _SHORTER = 4, 3.0


@dataclass(frozen=True)
class BnnOptions:
    """The defaults are NAGO's; where the paper's text has no number, pybnn's."""

    layers: int = 3
    """Hidden layers,"""
    width: int = 10
    """of so many tanh units each."""
    burn_in: int = 3000
    samples: int = 100
    """Networks kept of each chain,"""
    keep_every: int = 10
    """one in so many steps."""
    chains: int = 4
    """Of each objective: if they agree, they have mixed. NAGO has one."""
    learning_rate: float = 1e-2
    batch_size: int | None = None
    """None: see `batch_of`. pybnn's is 20."""
    mdecay: float = 0.05
    heteroscedastic: bool = True
    """Whether the noise depends on the inputs."""
    noise_prior: NoisePrior = CALIBRATED
    weight_prior: WeightPrior = FLAT

    def batch_of(self, points: int) -> int:
        """How many of `points` a gradient is estimated from.

        20 for up to 150 points, as in NAGO; beyond, so many that the estimate has no more noise than there, which would
        heat the chains and, since their preconditioners follow it, slow them.
        """
        if self.batch_size is not None:
            return self.batch_size
        return min(_MOST_IN_A_BATCH, max(20, round(20 * (points / 150) ** 2)))

    @property
    def sampling(self) -> SghmcOptions:
        return SghmcOptions(self.learning_rate, self.mdecay, self.burn_in, self.samples, self.keep_every)


@dataclass(frozen=True)
class Mixing:
    """Whether the chains of a fit have forgotten where they began, by what they predict at the points they learnt from:
    weights tell nothing, since many are the same function.

    Attributes:
        r_hat: (m,) split R-hat, the median over the points, of means or of log variances, whichever is larger.
    """

    r_hat: tuple[float, ...]

    @property
    def ok(self) -> bool:
        return max(self.r_hat) <= MIXED

    @property
    def reason(self) -> str:
        """In words, for people; empty if they have."""
        if self.ok:
            return ""
        values = ", ".join(f"{value:.2f}" for value in self.r_hat)
        return f"the surrogate's chains have not mixed (split R-hat {values}; mixed: at most {MIXED})"


@dataclass(frozen=True, eq=False)
class Scale:
    """Columns with mean 0 and deviation 1; a constant one is only shifted. Of what is nan the mean is taken."""

    centre: Float64
    spread: Float64

    @classmethod
    def of(cls, values: Float64) -> Scale:
        """That of the columns of `values` (n, c)."""
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        centre = np.where(known, values, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, values - centre, 0.0) ** 2).sum(axis=0) / count)
        return cls(centre, np.where(spread > _LITTLE * np.abs(centre), spread, 1.0))

    def standard(self, values: Float64) -> Float64:
        found: Float64 = (values - self.centre) / self.spread
        return np.where(np.isnan(found), 0.0, found)


class Posterior:
    """Networks drawn from the posterior, and what they predict, in the units of the data."""

    def __init__(self, shape: Shape, draws: Float64, x_scale: Scale, y_scale: Scale, inputs: Float64) -> None:
        """`draws` (S, m, C, P) and the standardised `inputs` (n, d) that they learnt from."""
        self._shape, self._x, self._y, self._inputs = shape, x_scale, y_scale, inputs
        self._chains = draws.shape[2]
        networks = draws.swapaxes(0, 1).reshape(draws.shape[1], -1, shape.parameters)
        self._layers = [shape.cut(each) for each in networks]
        self._log_variances = networks[:, :, -1:]

    def predict(self, x: Float64) -> tuple[Float64, Float64]:
        """(k, m) means and variances at `x` (k, d): the mean of mu_i, and the mean of (mu_i - mean)^2 + exp(log
        variance_i), over all networks i."""
        mean, spread, noise = self._moments(x)
        return self._y.centre + self._y.spread * mean, self._y.spread**2 * (spread + noise)

    def noise(self, x: Float64) -> Float64:
        """(k, m) variances of the noise alone at `x` (k, d): the mean of exp(log variance_i)."""
        found: Float64 = self._y.spread**2 * self._moments(x)[2]
        return found

    def gradient(self, x: Float64) -> Float64:
        """(..., m, d) slopes of the means at `x` (..., d)."""
        points = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        found = np.empty((len(points), len(self._layers), x.shape[-1]))
        for block in self._blocks(len(points)):
            inputs = self._x.standard(points[block])
            for objective, layers in enumerate(self._layers):
                found[block, objective] = _input_slopes(layers, inputs).mean(axis=0)
        found *= self._y.spread[:, None] / self._x.spread
        return found.reshape(*x.shape[:-1], *found.shape[1:])

    @cached_property
    def mixing(self) -> Mixing:
        """Whether the chains have mixed."""
        worst = []
        for objective in range(len(self._layers)):
            outputs = self._outputs(objective, self._inputs)
            by_chain = (each.reshape(-1, self._chains, each.shape[1]) for each in outputs)
            worst.append(max(float(np.median(split_r_hat(each))) for each in by_chain))
        return Mixing(tuple(worst))

    def _moments(self, x: Float64) -> tuple[Float64, Float64, Float64]:
        """(k, m) each, of standardised objectives: mean, variance of means, mean variance of the noise."""
        mean, spread, noise = np.empty((3, len(x), len(self._layers)))
        for block in self._blocks(len(x)):
            inputs = self._x.standard(x[block])
            for objective in range(len(self._layers)):
                mu, log_variance = self._outputs(objective, inputs)
                mean[block, objective] = mu.mean(axis=0)
                spread[block, objective] = mu.var(axis=0)
                noise[block, objective] = np.exp(log_variance).mean(axis=0)
        return mean, spread, noise

    def _outputs(self, objective: int, inputs: Float64) -> tuple[Float64, Float64]:
        """(S C, k) means and (S C, k or 1) log variances at standardised inputs (k, d)."""
        *_, out = _values(self._layers[objective], inputs)
        noise = out[:, :, 1] if self._shape.heteroscedastic else self._log_variances[objective]
        return out[:, :, 0], np.clip(noise, *LOG_VARIANCES)

    def _blocks(self, points: int) -> Iterator[slice]:
        networks, _, width = self._layers[0][0].shape
        each = max(1, _BLOCK // (networks * width))
        return (slice(start, start + each) for start in range(0, points, each))


def fit(x: Float64, y: Float64, options: BnnOptions, rng: np.random.Generator) -> Posterior:
    """The posterior given objectives `y` (n, m) at `x` (n, d); all chains of all objectives are drawn side by side.

    Both are standardised. Numbers of `y` must be finite; one of `x` that is nan counts as its column's mean. Chains
    that diverge are drawn again with a third of the learning rate, three times at most; then InputError.
    """
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not y.size:
        raise ValueError(f"x {x.shape} and y {y.shape}: expected (n, d) and (n, m), n and m not 0")
    if not np.isfinite(y).all():
        raise ValueError("y has numbers that are not finite")
    x_scale, y_scale = Scale.of(x), Scale.of(y)
    inputs, targets = x_scale.standard(x), np.repeat(y_scale.standard(y).T, options.chains, axis=0)
    shape = Shape(x.shape[1], options.layers, options.width, options.heteroscedastic)
    batch = options.batch_of(len(x))
    potential = Potential(shape, inputs, targets, batch, options.noise_prior, options.weight_prior, rng)
    draws = _drawn(potential, shape.start(len(targets), rng), options, rng)
    return Posterior(shape, draws.reshape(len(draws), y.shape[1], options.chains, -1), x_scale, y_scale, inputs)


def _drawn(potential: Potential, start: Float64, options: BnnOptions, rng: np.random.Generator) -> Float64:
    """(S, B, P) draws of chains none of which has diverged; if one does, all are drawn again with shorter steps."""
    farthest = _FARTHEST / np.sqrt(potential.precisions)
    for attempt in range(_ATTEMPTS):
        rate = options.learning_rate / _SHORTER**attempt
        with np.errstate(over="ignore", invalid="ignore"):
            draws = sample(potential, start, replace(options.sampling, learning_rate=rate), rng)
        if np.all(np.abs(draws) < farthest):  # which nan is not
            return draws
    raise InputError(f"learning rate {options.learning_rate}: the surrogate's chains diverge; take a smaller one")


def _values(layers: Sequence[Float64], inputs: Float64) -> list[Float64]:
    """What `layers` (N, n_l + 1, n_l+1) of N networks make of inputs (k, d): each layer's (N, k, n_l+1)."""
    found, value = [], inputs
    for number, layer in enumerate(layers, 1):
        value = np.matmul(value, layer[:, :-1])
        value += layer[:, -1:]
        if number < len(layers):
            np.tanh(value, out=value)
        found.append(value)
    return found


def _input_slopes(layers: Sequence[Float64], inputs: Float64) -> Float64:
    """(N, k, d) of each network's mean."""
    *hidden, _ = _values(layers, inputs)
    slope = np.swapaxes(layers[-1][:, :-1, :1], 1, 2)
    for layer, value in zip(reversed(layers[:-1]), reversed(hidden), strict=True):
        slope = np.matmul(slope * (1.0 - value**2), np.swapaxes(layer[:, :-1], 1, 2))
    return slope
