"""Double Q-learning with a target network (van Hasselt 2010; Mnih et al. 2013), on weighted batches of transitions.

B transitions in a batch, A tokens (= actions) an observation.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from archloom.learners import arrays
from archloom.learners.q_network import Bucket, QNetwork
from archloom.utils.optimisers import Adam
from archloom.utils.threads import spread


@dataclass(frozen=True)
class Learning:
    """How a Q-network learns.

    lr, adam_eps: Adam's.
    max_grad_norm: of the gradient of all weights together.
    huber_delta: where Huber's loss goes from quadratic to linear.
    double: the online network chooses the next action that the target network values; else the target network does.
    target_period: the target network becomes the online one after so many learnt transitions.
    """

    lr: float
    adam_eps: float
    max_grad_norm: float
    huber_delta: float
    double: bool
    target_period: int


class Batch(NamedTuple):
    """Transitions with encoded observations: what was seen, what was done, the return, and what was seen then."""

    seen: NDArray[np.uint8]
    """(B, A, bits)"""
    counts: NDArray[np.integer[Any]]
    """(B,) tokens that there are."""
    actions: NDArray[np.integer[Any]]
    """(B,)"""
    returns: NDArray[np.float32]
    """(B,) of the rewards up to `next_seen`."""
    discounts: NDArray[np.float32]
    """(B,) of the value of `next_seen`: 0 where the episode terminated."""
    next_seen: NDArray[np.uint8]
    """(B, A, bits)"""
    next_counts: NDArray[np.integer[Any]]
    """(B,)"""
    weights: NDArray[np.float32]
    """(B,) of the loss: the importance weights of prioritised replay."""


class _Part(NamedTuple):
    """What the transitions of a bucket contribute: TD errors, and their share of the loss and of its gradient."""

    errors: NDArray[np.float32]
    loss: float
    gradients: tuple[Tensor, ...]


class QLearner:
    """An online network that learns, and the target network that it learns from."""

    def __init__(self, network: QNetwork, learning: Learning) -> None:
        self.network = network
        self.learning = learning
        self.target = copy.deepcopy(network).requires_grad_(False)
        self._optimiser = Adam(network.parameters(), learning.lr, eps=learning.adam_eps)
        self._since_target = 0

    def learn(self, batch: Batch, rate: float = 1.0) -> tuple[NDArray[np.float32], float]:
        """One step on a batch, at `rate` times the learning rate: the TD errors (B,) before it, and its loss."""
        network, targets = self.network, self.targets(batch)
        buckets = network.buckets(batch.counts)
        parts = spread(lambda bucket: self._part(batch, targets, bucket), buckets, network.threads)
        errors = np.empty(len(targets), dtype=np.float32)
        for bucket, part in zip(buckets, parts, strict=True):
            errors[bucket.rows] = part.errors
        # Bucket by bucket and in this order: how many threads there are must not decide how a sum is rounded.
        by_parameter = zip(*(part.gradients for part in parts), strict=True)
        for parameter, gradients in zip(network.parameters(), by_parameter, strict=True):
            parameter.grad = sum(gradients[1:], start=gradients[0])
        torch.nn.utils.clip_grad_norm_(network.parameters(), self.learning.max_grad_norm)
        for group in self._optimiser.param_groups:
            group["lr"] = rate * self.learning.lr
        self._optimiser.step()
        self._since_target += len(batch.actions)
        if self._since_target >= self.learning.target_period:
            self.target.load_state_dict(self.network.state_dict())
            self._since_target = 0
        return errors, sum(part.loss for part in parts)

    def _part(self, batch: Batch, targets: NDArray[np.float32], bucket: Bucket) -> _Part:
        """What a bucket's transitions contribute."""
        rows, device = bucket.rows, self.network.device
        wanted, weights = (torch.from_numpy(each[rows]).to(device) for each in (targets, batch.weights))
        actions = torch.from_numpy(batch.actions[rows].astype(np.int64)).to(device)
        taken = self.network.of_bucket(batch.seen, batch.counts, bucket).gather(1, actions[:, None])[:, 0]
        losses = functional.huber_loss(taken, wanted, reduction="none", delta=self.learning.huber_delta)
        loss = (losses * weights).sum() / len(targets)
        gradients = torch.autograd.grad(loss, list(self.network.parameters()))
        return _Part((wanted - taken.detach()).cpu().numpy(), float(loss.detach()), gradients)

    def targets(self, batch: Batch) -> NDArray[np.float32]:
        """(B,) returns + discounts * Q_target(next, argmax Q(next)) (van Hasselt et al. 2016, equation 4)."""
        targets = batch.returns.copy()
        going = np.flatnonzero(batch.discounts)  # what comes after a termination counts nothing
        if len(going):
            seen, counts = batch.next_seen[going], batch.next_counts[going]
            valued = self.target.q_values(seen, counts)
            chosen = (self.network.q_values(seen, counts) if self.learning.double else valued).argmax(axis=1)
            targets[going] += batch.discounts[going] * valued[np.arange(len(going)), chosen]
        return targets

    def state_dict(self) -> dict[str, Any]:
        """Networks, the optimiser's memory and the count up to the next target, as arrays and numbers."""
        return {
            "online": arrays.dump(self.network, self._optimiser),
            "target": {name: tensor.cpu().numpy().copy() for name, tensor in self.target.state_dict().items()},
            "since_target": self._since_target,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        arrays.restore(self.network, self._optimiser, state["online"])
        self.target.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in state["target"].items()})
        self._since_target = int(state["since_target"])
