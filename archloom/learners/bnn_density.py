"""The posterior that networks of `bnn` are drawn from: how their parameters lie, the priors, the slope of it all.

Shapes: n points with d inputs; B networks side by side, each with P parameters and with targets of its own; b points in
a batch. Layer l has n_l inputs and n_l+1 outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archloom.learners.sghmc import Float64

Rows: TypeAlias = NDArray[np.intp]

LOG_VARIANCES = (-20.0, 5.0)
"""Logarithms of noise variances are held within these, in units of the standardised targets, whose variance is 1: far
from the data a network may say anything, and the mean over networks is that of the loudest."""


class Shape:
    """How the parameters of a network lie in a vector (P,): each layer's weights, its biases as their last row, and if
    the noise is the same everywhere, the logarithm of its variance at the end."""

    def __init__(self, inputs: int, layers: int, width: int, heteroscedastic: bool) -> None:
        """`layers` hidden ones. With heteroscedastic noise the logarithm of its variance is a second output."""
        self.heteroscedastic = heteroscedastic
        self.outputs = 1 + heteroscedastic
        hidden = [width] * layers
        self.layers = list(zip([inputs, *hidden], [*hidden, self.outputs], strict=True))
        self.parameters = sum((m + 1) * n for m, n in self.layers) + (not heteroscedastic)

    def cut(self, parameters: Float64) -> list[Float64]:
        """(B, n_l + 1, n_l+1) of each layer: views into `parameters` (B, P)."""
        views, start = [], 0
        for m, n in self.layers:
            end = start + (m + 1) * n
            views.append(parameters[:, start:end].reshape(len(parameters), m + 1, n))
            start = end
        return views

    def start(self, networks: int, rng: np.random.Generator) -> Float64:
        """(B, P): weights normal with variance 1 / n_l, no biases, as in pybnn; all of the targets' variance is noise.

        pybnn's single noise variance begins at 1e-3. Its first gradients are then so large that its preconditioner does
        not recover, and the chains never agree on it.
        """
        drawn = np.zeros((networks, self.parameters))
        for (m, _), layer in zip(self.layers, self.cut(drawn), strict=True):
            layer[:, :m] = rng.standard_normal(layer[:, :m].shape) / math.sqrt(max(m, 1))
        return drawn


@dataclass(frozen=True)
class NoisePrior:
    """A normal prior of the logarithm of the noise's variance, in units of the standardised targets.

    Heteroscedastic noise has it at each point, but averaged over the points: in all it weighs as much as that of a
    single variance does (pybnn's rule).
    """

    mean: float
    variance: float


PYBNN = NoisePrior(math.log(1e-6), 0.01)
"""That of automl/pybnn: hardly any noise, and all but certain of it."""
CALIBRATED = NoisePrior(math.log(0.01), 1.0)
"""A tenth of the targets' deviation, within a factor of 1.6: soon overruled by data."""


class WeightPrior(Protocol):
    """Independent normal priors with mean 0 of all parameters."""

    def precisions(self, shape: Shape) -> Float64:
        """(P,) their reciprocal variances."""


@dataclass(frozen=True)
class FlatWeights:
    """Variance P, the number of parameters: pybnn's, nearly flat."""

    def precisions(self, shape: Shape) -> Float64:
        return np.full(shape.parameters, 1.0 / shape.parameters)


FLAT = FlatWeights()


@dataclass(frozen=True)
class ScaledWeights:
    """Variance `scale` / n_l for the weights of a layer (Neal 1996), 1 for biases."""

    scale: float = 1.0

    def precisions(self, shape: Shape) -> Float64:
        found = np.ones(shape.parameters)
        for (m, _), layer in zip(shape.layers, shape.cut(found[None]), strict=True):
            layer[:, :m] = m / self.scale
        return found


class Potential:
    """U = -log posterior of each network; called, it estimates its slope from a batch.

    U = n mean((y - mu)^2 / (2 s^2) + log(s^2) / 2) - mean(log p(log s^2)) + sum(w^2 / (2 v)): means over a batch, v the
    variances of the prior of weights. That is pybnn's loss times n, as its sampler scales it.
    """

    def __init__(
        self,
        shape: Shape,
        x: Float64,
        targets: Float64,
        batch: int,
        noise_prior: NoisePrior,
        weight_prior: WeightPrior,
        rng: np.random.Generator,
    ) -> None:
        """`x` (n, d) and `targets` (B, n), both standardised; batches of `batch` points, at most n, drawn by `rng`."""
        self.shape, self.noise_prior = shape, noise_prior
        self.precisions = weight_prior.precisions(shape)
        self._x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        self._targets = targets
        networks, batch = len(targets), min(batch, len(x))
        self._scale, self._batch = len(x) / batch, batch
        self._values = [np.ones((networks, batch, m + 1)) for m, _ in shape.layers]
        self._turned = [values.transpose(0, 2, 1) for values in self._values]
        self._slopes = [np.empty((networks, batch, n)) for _, n in shape.layers]
        self._work = [np.empty((networks, batch, n)) for _, n in shape.layers[:-1]]
        self._missed, self._log_variance, self._precision = (np.empty((networks, batch)) for _ in range(3))
        self._pull = np.empty((networks, shape.parameters))
        self._networks = np.arange(networks)[:, None]
        self.batches = self._drawn(rng)
        self._cuts: dict[int, tuple[Float64, list[Float64]]] = {}

    def __call__(self, position: Float64, out: Float64) -> None:
        """dU/dw (B, P) at `position` (B, P) into `out`, by the next batch."""
        self.slope(position, next(self.batches), out)

    def slope(self, position: Float64, rows: Rows, out: Float64) -> None:
        """The same by the points `rows` (B, b)."""
        weights, slopes = self._cut(position), self._cut(out)
        self._forward(weights, rows)
        noise = self._slopes[-1][:, :, 1] if self.shape.heteroscedastic else position[:, -1:]
        by_noise = self._through_density(noise, rows)
        if not self.shape.heteroscedastic:
            np.add.reduce(by_noise, axis=1, out=out[:, -1])
        for layer in reversed(range(len(weights))):
            np.matmul(self._turned[layer], self._slopes[layer], out=slopes[layer])
            if layer:
                self._through_layer(layer, weights[layer])
        out += np.multiply(position, self.precisions, out=self._pull)

    def _forward(self, weights: list[Float64], rows: Rows) -> None:
        np.take(self._x, rows, axis=0, out=self._values[0], mode="clip")  # which does without a copy
        for layer, weight in enumerate(weights):
            reached = np.matmul(self._values[layer], weight, out=self._slopes[layer])
            if layer + 1 < len(weights):
                np.tanh(reached, out=self._values[layer + 1][:, :, :-1])

    def _through_density(self, noise: Float64, rows: Rows) -> Float64:
        """From outputs to slopes at the outputs, in place, and the slope (B, b) at each log variance `noise`."""
        out, missed, precision = self._slopes[-1], self._missed, self._precision
        low, high = LOG_VARIANCES
        log_variance = np.clip(noise, low, high, out=self._log_variance)
        np.exp(np.negative(log_variance, out=precision), out=precision)
        np.subtract(out[:, :, 0], self._targets[self._networks, rows], out=missed)
        precision *= missed
        np.multiply(precision, self._scale, out=out[:, :, 0])
        by_noise = np.multiply(precision, missed, out=precision)
        by_noise -= 1.0
        by_noise *= -0.5 * self._scale
        by_noise *= log_variance == noise  # held at a limit, it has no slope
        log_variance -= self.noise_prior.mean
        log_variance *= 1.0 / (self.noise_prior.variance * self._batch)
        by_noise += log_variance
        if self.shape.heteroscedastic:
            out[:, :, 1] = by_noise
        return by_noise

    def _through_layer(self, layer: int, weight: Float64) -> None:
        """Slopes at the pre-activations under `layer`."""
        values, slope = self._values[layer][:, :, :-1], self._slopes[layer - 1]
        work = np.matmul(self._slopes[layer], weight[:, :-1].transpose(0, 2, 1), out=self._work[layer - 1])
        np.multiply(values, values, out=slope)
        np.subtract(1.0, slope, out=slope)
        slope *= work

    def _drawn(self, rng: np.random.Generator) -> Iterator[Rows]:
        """(B, b) points, each network its own, all before any comes again; of the last few, less than b, none."""
        points = np.tile(np.arange(len(self._x)), (len(self._targets), 1))
        whole = len(self._x) - len(self._x) % self._batch
        while True:
            rng.permuted(points, axis=1, out=points)
            for start in range(0, whole, self._batch):
                yield points[:, start : start + self._batch]

    def _cut(self, parameters: Float64) -> list[Float64]:
        """`Shape.cut`, remembered: a sampler has but one position and one gradient."""
        known = self._cuts.get(id(parameters))
        if known is None or known[0] is not parameters:
            known = self._cuts[id(parameters)] = parameters, self.shape.cut(parameters)
        return known[1]
