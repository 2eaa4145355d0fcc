"""Small multi-layer perceptrons with hand-written backpropagation, and Adam: what CADAM and DDAS learn with.

Plain numpy in float32: with batches of 8 rows, autograd's bookkeeping would cost more than the arithmetic.
Shapes: B rows in a batch, P parameters of a network.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float32: TypeAlias = NDArray[np.float32]

_F32 = np.float32
_ALIGNMENT = 64
_LOWEST = _F32(-30.0)
"""The sigmoid's argument is held above this, so that exp cannot overflow."""
_LAST_SCALE = 1e-3


def _zeros(size: int) -> Float32:
    """A zero vector that starts on a cache line: arithmetic on whole parameter vectors is a third faster there."""
    raw = np.zeros(4 * size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + 4 * size].view(_F32)


StartName = Literal["uniform", "orthogonal"]


def _uniform(weights: Sequence[Float32], biases: Sequence[Float32], rng: np.random.Generator) -> None:
    for weight, bias in zip(weights, biases, strict=True):
        bound = 1.0 / np.sqrt(weight.shape[0])
        weight[:] = rng.uniform(-bound, bound, weight.shape)
        bias[:] = rng.uniform(-bound, bound, bias.shape)


def _orthogonal(weights: Sequence[Float32], biases: Sequence[Float32], rng: np.random.Generator) -> None:
    for weight, bias in zip(weights, biases, strict=True):
        tall = np.sort(weight.shape)[::-1]
        basis, triangle = np.linalg.qr(rng.standard_normal(tall))
        basis *= np.sign(np.diag(triangle))  # so that all bases are equally likely
        weight[:] = basis if weight.shape == basis.shape else basis.T
        bias[:] = 0.0
    weights[-1][:] *= _F32(_LAST_SCALE)


STARTS: Mapping[StartName, Callable[[Sequence[Float32], Sequence[Float32], np.random.Generator], None]] = {
    "uniform": _uniform,
    "orthogonal": _orthogonal,
}
"""How weights and biases are drawn: "uniform" in +-1/sqrt(n_l), as torch.nn.Linear's are; "orthogonal" matrices without
biases, the last one times 1e-3 (ShangtongZhang/DeepRL)."""


class Mlp:
    """Fully connected network with ReLU between its layers (thesis section 4.4.3).

    All weights lie in one vector `parameters` (P,) and their slopes in `gradient` (P,), so that the optimiser works
    on one array; `weights[l]` (n_l, n_l+1) and `biases[l]` (n_l+1,) are views into it.
    """

    def __init__(
        self, sizes: Sequence[int], sigmoid: bool, rng: np.random.Generator, start: StartName = "uniform"
    ) -> None:
        """Layers of the given sizes, input first; the last one ends in a sigmoid or in nothing; `start`: see
        `STARTS`."""
        pairs = list(itertools.pairwise(sizes))
        total = sum(m * n + n for m, n in pairs)
        self.sigmoid = sigmoid
        self.parameters = _zeros(total)
        self.gradient = _zeros(total)
        self.weights, self.biases = _layers(self.parameters, pairs)
        self._weight_slopes, self._bias_slopes = _layers(self.gradient, pairs)
        self._values: list[Float32] = []
        STARTS[start](self.weights, self.biases, rng)

    def forward(self, x: Float32) -> Float32:
        """Outputs (B, n_out) for inputs (B, n_in); every layer's value is kept for `backward`."""
        self._values = [x]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.dot(x, weight)
            x += bias
            np.maximum(x, _F32(0.0), out=x)
            self._values.append(x)
        x = np.dot(x, self.weights[-1])
        x += self.biases[-1]
        if self.sigmoid:
            x = _F32(1.0) / (_F32(1.0) + np.exp(-np.maximum(x, _LOWEST)))
        self._values.append(x)
        return x

    def backward(self, slope: Float32) -> None:
        """Fill `gradient`, given d loss/d output (B, n_out) of the last `forward`."""
        slope = self._through_output(slope)
        for layer in reversed(range(len(self.weights))):
            np.dot(self._values[layer].T, slope, out=self._weight_slopes[layer])
            np.add.reduce(slope, axis=0, out=self._bias_slopes[layer])
            if layer:
                slope = self._through_layer(layer, slope)

    def input_slope(self, slope: Float32) -> Float32:
        """d loss/d input (B, n_in) of the last `forward`, given d loss/d output; `gradient` is left alone."""
        slope = self._through_output(slope)
        for layer in reversed(range(1, len(self.weights))):
            slope = self._through_layer(layer, slope)
        result: Float32 = np.dot(slope, self.weights[0].T)
        return result

    def copy(self) -> Mlp:
        """Another network of the same sizes with the same weights."""
        sizes = [len(weight) for weight in self.weights] + [len(self.biases[-1])]
        other = Mlp(sizes, self.sigmoid, np.random.default_rng(0))
        other.parameters[:] = self.parameters
        return other

    def follow(self, other: Mlp, share: float) -> None:
        """Move by `share` of the way to the weights of another network, in place: w <- w + share (w' - w)."""
        self.parameters += np.multiply(other.parameters - self.parameters, _F32(share))

    def _through_output(self, slope: Float32) -> Float32:
        if not self.sigmoid:
            return slope
        y = self._values[-1]
        return slope * y * (_F32(1.0) - y)

    def _through_layer(self, layer: int, slope: Float32) -> Float32:
        """Slope before the ReLU under `layer`, from the slope (B, n) at that layer's pre-activation."""
        slope = np.dot(slope, self.weights[layer].T)
        slope *= self._values[layer] > 0
        return slope


def _layers(flat: Float32, pairs: Sequence[tuple[int, int]]) -> tuple[list[Float32], list[Float32]]:
    """Cut a flat vector into weight matrices and bias vectors, without copying."""
    weights, biases, start = [], [], 0
    for m, n in pairs:
        weights.append(flat[start : start + m * n].reshape(m, n))
        biases.append(flat[start + m * n : start + m * n + n])
        start += m * n + n
    return weights, biases


class Adam:
    """Adam (Kingma and Ba, 2014) on one flat vector.

    m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;  p <- p - lr m/(1-b1^n) / (sqrt(v/(1-b2^n)) + eps).
    Kept are m/(1-b1) and v/(1-b2): the constants then leave the vector arithmetic and meet in two scalars.
    """

    def __init__(self, size: int, lr: float, betas: tuple[float, float], epsilon: float = 1e-8) -> None:
        """Zero moments for `size` parameters."""
        self.lr, self.betas, self.epsilon = lr, betas, epsilon
        self.first, self.second = _zeros(size), _zeros(size)
        self.steps = 0
        self._work = _zeros(size)

    def step(self, parameters: Float32, gradient: Float32) -> None:
        """Move `parameters` (P,) in place one step down `gradient` (P,)."""
        self.steps += 1
        b1, b2 = self.betas
        root = float(np.sqrt((1.0 - b2**self.steps) / (1.0 - b2)))
        work = self._work
        self.first *= _F32(b1)
        self.first += gradient
        self.second *= _F32(b2)
        self.second += np.multiply(gradient, gradient, out=work)
        np.sqrt(self.second, out=work)
        work += _F32(self.epsilon * root)
        np.divide(self.first, work, out=work)
        work *= _F32(self.lr * root * (1.0 - b1) / (1.0 - b1**self.steps))
        parameters -= work
