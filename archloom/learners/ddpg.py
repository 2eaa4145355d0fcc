"""Actor and critic of CADAM: two small multi-layer perceptrons with hand-written backpropagation, and Adam.

Plain numpy in float32: with batches of 8 rows, autograd's bookkeeping would cost more than the arithmetic.
Shapes: B rows in a batch, D = |E|*|O| entries in a flattened architecture matrix, P parameters of a network.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float32: TypeAlias = NDArray[np.float32]

_F32 = np.float32
_ALIGNMENT = 64
_LOWEST = _F32(-30.0)
"""The sigmoid's argument is held above this, so that exp cannot overflow."""


def _zeros(size: int) -> Float32:
    """A zero vector that starts on a cache line: arithmetic on whole parameter vectors is a third faster there."""
    raw = np.zeros(4 * size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + 4 * size].view(_F32)


class Mlp:
    """Fully connected network with ReLU between its layers (thesis section 4.4.3).

    All weights lie in one vector `parameters` (P,) and their slopes in `gradient` (P,), so that the optimiser works
    on one array; `weights[l]` (n_l, n_l+1) and `biases[l]` (n_l+1,) are views into it. They start uniform in
    +-1/sqrt(n_l), as torch.nn.Linear's do.
    """

    def __init__(self, sizes: Sequence[int], sigmoid: bool, rng: np.random.Generator) -> None:
        """Layers of the given sizes, input first; the last one ends in a sigmoid or in nothing."""
        pairs = list(itertools.pairwise(sizes))
        total = sum(m * n + n for m, n in pairs)
        self.sigmoid = sigmoid
        self.parameters = _zeros(total)
        self.gradient = _zeros(total)
        self.weights, self.biases = _layers(self.parameters, pairs)
        self._weight_slopes, self._bias_slopes = _layers(self.gradient, pairs)
        self._values: list[Float32] = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            bound = 1.0 / np.sqrt(weight.shape[0])
            weight[:] = rng.uniform(-bound, bound, weight.shape)
            bias[:] = rng.uniform(-bound, bound, bias.shape)

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


class Ddpg:
    """Actor mu(s) -> a and critic Q(a) -> r without a state input (thesis section 4.1.2, eq. 4.2 and 4.3)."""

    def __init__(
        self,
        entries: int,
        hidden: Sequence[int],
        *,
        tau: float,
        actor_lr: float,
        critic_lr: float,
        betas: tuple[float, float],
        rng: np.random.Generator,
    ) -> None:
        """Networks for flattened matrices of `entries` numbers; `tau` is the critic's quantile level."""
        self.tau = tau
        self.actor = Mlp((entries, *hidden, entries), sigmoid=True, rng=rng)
        self.critic = Mlp((entries, *hidden, 1), sigmoid=False, rng=rng)
        self.actor_adam = Adam(self.actor.parameters.size, actor_lr, betas)
        self.critic_adam = Adam(self.critic.parameters.size, critic_lr, betas)

    def action(self, state: Float32) -> Float32:
        """mu(s) (D,) for one state (D,): eq. 4.2 without its noise, every entry between 0 and 1."""
        out: Float32 = self.actor.forward(state[None])[0]
        return out

    def update_critic(self, actions: Float32, rewards: Float32) -> float:
        """One step down the check loss, eq. 4.4, at actions (B, D) and rewards (B,); return the loss before it.

        u_i = r_i - Q(a_i);  L = 1/B sum_i u_i (tau - 1[u_i < 0]);  dL/dQ_i = (1[u_i < 0] - tau)/B.
        The Q that minimises it is the tau-quantile of r given a.
        """
        errors = rewards - self.critic.forward(actions)[:, 0]
        weights = (_F32(self.tau) - (errors < 0)) / _F32(len(errors))
        self.critic.backward(-weights[:, None])
        self.critic_adam.step(self.critic.parameters, self.critic.gradient)
        return float(np.dot(errors, weights))

    def update_actor(self, states: Float32) -> float:
        """One step up the critic's mean value, eq. 4.5, at states (B, D); return that mean before the step.

        J = 1/B sum_i Q(mu(s_i)). The thesis calls it a loss, but it is to be maximised: the slope is -1/B.
        """
        values = self.critic.forward(self.actor.forward(states))
        self.actor.backward(self.critic.input_slope(np.full_like(values, -1.0 / len(values))))
        self.actor_adam.step(self.actor.parameters, self.actor.gradient)
        return float(np.add.reduce(values[:, 0])) / len(values)

    def state_dict(self) -> dict[str, Float32 | int]:
        """Copies of everything that training changes: parameters, Adam's moments and step counts."""
        state: dict[str, Float32 | int] = {}
        for name, net, adam in self._parts():
            state[f"{name}_parameters"] = net.parameters.copy()
            state[f"{name}_first"] = adam.first.copy()
            state[f"{name}_second"] = adam.second.copy()
            state[f"{name}_steps"] = adam.steps
        return state

    def load_state_dict(self, state: Mapping[str, NDArray[Any] | int]) -> None:
        """Restore what `state_dict` gave, into networks of the same sizes."""
        for name, net, adam in self._parts():
            net.parameters[:] = state[f"{name}_parameters"]
            adam.first[:] = state[f"{name}_first"]
            adam.second[:] = state[f"{name}_second"]
            adam.steps = int(state[f"{name}_steps"])

    def _parts(self) -> tuple[tuple[str, Mlp, Adam], tuple[str, Mlp, Adam]]:
        return ("actor", self.actor, self.actor_adam), ("critic", self.critic, self.critic_adam)
