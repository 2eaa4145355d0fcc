"""Proximal policy optimisation (Schulman et al. 2017) of a policy that draws graphs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from archloom.learners.graph_policy import Episodes, GraphPolicy


@dataclass(frozen=True)
class Ppo:
    """The settings of an update.

    clip_range: epsilon of the clipped ratio. entropy, value_coef: weights of the entropy bonus and of the value loss.
        gamma, gae_lambda: discount and lambda of generalised advantage estimation. expert: weight of the
        log-likelihood of an expert's episodes, if there are any. epochs: passes over the episodes, in mini-batches
        of `batch_size` episodes.
    max_grad_norm: the gradient is clipped to this norm.
    """

    clip_range: float = 0.2
    entropy: float = 0.01
    value_coef: float = 0.5
    gamma: float = 1.0
    gae_lambda: float = 0.95
    expert: float = 0.0
    epochs: int = 4
    batch_size: int = 64
    max_grad_norm: float = 5.0

    def update(
        self,
        policy: GraphPolicy,
        optimiser: Optimizer,
        episodes: Episodes,
        rewards: NDArray[np.floating[Any]],
        rng: np.random.Generator,
        expert: Episodes | None = None,
    ) -> None:
        """Improve `policy` by episodes that it drew, with rewards (B, S) for their steps.

        An expert's gradient is added to that of every mini-batch (You et al. 2018, section 3.5).
        """
        with torch.no_grad():
            old = policy.judge(episodes)
        live = episodes.live
        advantages = advantages_of(rewards, old.values.double().numpy(), live, self.gamma, self.gae_lambda)
        returns = torch.from_numpy((advantages + old.values.numpy()).astype(np.float32))
        scaled = (advantages - advantages[live].mean()) / (advantages[live].std() + 1e-8)
        scaled_advantages, there = torch.from_numpy(scaled.astype(np.float32)), torch.from_numpy(live)
        shown = expert if self.expert else None
        for rows in self._batches(len(episodes), rng):
            batch, n = episodes[rows], len(rows)
            now = policy.judge(batch if shown is None else batch.followed_by(shown))  # one pass for both
            ratio = (now.log_probs[:n] - old.log_probs[rows]).exp()
            objective = torch.minimum(
                ratio * scaled_advantages[rows],
                ratio.clamp(1 - self.clip_range, 1 + self.clip_range) * scaled_advantages[rows],
            )
            error = (now.values[:n] - returns[rows]) ** 2
            per_step = -objective - self.entropy * now.entropies[:n] + self.value_coef * error
            loss = per_step[there[rows]].mean()
            if shown is not None:
                loss = loss - self.expert * now.log_probs[n:][torch.from_numpy(shown.live)].mean()
            step(policy, optimiser, loss, self.max_grad_norm)

    def _batches(self, count: int, rng: np.random.Generator) -> Iterator[NDArray[np.integer[Any]]]:
        for _ in range(self.epochs):
            order = rng.permutation(count)
            for start in range(0, count, self.batch_size):
                yield order[start : start + self.batch_size]


def step(network: nn.Module, optimiser: Optimizer, loss: Tensor, max_grad_norm: float) -> None:
    """One step down the gradient of `loss`, which is at most `max_grad_norm` long."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), max_grad_norm)
    optimiser.step()


def advantages_of(
    rewards: NDArray[np.floating[Any]],
    values: NDArray[np.floating[Any]],
    live: NDArray[np.bool_],
    gamma: float,
    gae_lambda: float,
) -> NDArray[np.float64]:
    """(B, S) generalised advantages: sum_l (gamma lam)^l delta_{t+l}, delta_t = r_t + gamma V(s_{t+1}) - V(s_t).

    Schulman et al. 2016, eq. 16. An episode is over where `live` is false, and worth nothing from there on.
    """
    advantages = np.zeros(rewards.shape)
    after, value_after = np.zeros(len(rewards)), np.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * value_after - values[:, t]
        after = np.where(live[:, t], delta + gamma * gae_lambda * after, 0.0)
        value_after = np.where(live[:, t], values[:, t], 0.0)
        advantages[:, t] = after
    return advantages
