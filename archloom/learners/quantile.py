"""The agent of CADAM: DDPG without states and targets, whose critic predicts a quantile (thesis section 4.1.2).

Shapes: B rows in a batch, D = |E|*|O| entries in a flattened architecture matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archloom.learners.actor_critic import ActorCritic
from archloom.learners.mlp import Float32


class QuantileDdpg(ActorCritic):
    """Actor mu(s) -> a and critic Q(a) -> r without a state input (eq. 4.2 and 4.3)."""

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
        super().__init__(entries, entries, hidden, actor_lr=actor_lr, critic_lr=critic_lr, betas=betas, rng=rng)
        self.tau = tau

    def update_critic(self, actions: Float32, rewards: Float32) -> float:
        """One step down the check loss, eq. 4.4, at actions (B, D) and rewards (B,); return the loss before it.

        u_i = r_i - Q(a_i);  L = 1/B sum_i u_i (tau - 1[u_i < 0]);  dL/dQ_i = (1[u_i < 0] - tau)/B.
        The Q that minimises it is the tau-quantile of r given a.
        """
        errors = rewards - self.critic.forward(actions)[:, 0]
        weights = (np.float32(self.tau) - (errors < 0)) / np.float32(len(errors))
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
