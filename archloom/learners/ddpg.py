"""DDPG (Lillicrap et al. 2016), the agent of DDAS: Q(s, a) bootstrapped from target networks (thesis section 3.1).

Shapes: B rows in a batch, D = |E|*|O| entries in a flattened architecture matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archloom.learners.actor_critic import ActorCritic
from archloom.learners.mlp import Float32, Mlp, StartName


class Transitions(NamedTuple):
    """A batch of experiences (s, a, r, s'). No state is terminal: architecture search never ends by itself."""

    states: Float32
    """(B, D)"""
    actions: Float32
    """(B, D)"""
    rewards: Float32
    """(B,)"""
    next_states: Float32
    """(B, D)"""


class Ddpg(ActorCritic):
    """Actor mu(s) -> a, critic Q(s, a) -> expected discounted return, and a slowly following copy of each."""

    def __init__(
        self,
        entries: int,
        hidden: Sequence[int],
        *,
        gamma: float,
        mix: float,
        actor_lr: float,
        critic_lr: float,
        betas: tuple[float, float],
        rng: np.random.Generator,
        start: StartName = "uniform",
    ) -> None:
        """Networks for flattened matrices of `entries` numbers; after an update the targets move by the share `mix`
        towards the networks. The discount is `gamma`; `start`: see `mlp.STARTS`."""
        super().__init__(
            entries, 2 * entries, hidden, actor_lr=actor_lr, critic_lr=critic_lr, betas=betas, rng=rng, start=start
        )
        self.entries, self.gamma, self.mix = entries, gamma, mix
        self.actor_target, self.critic_target = self.actor.copy(), self.critic.copy()

    def update(self, batch: Transitions) -> tuple[float, float]:
        """One step of the critic, one of the actor, then the targets follow; see each for what is returned."""
        loss, value = self.update_critic(batch), self.update_actor(batch.states)
        for _, target, net in self._targets():
            target.follow(net, self.mix)
        return loss, value

    def update_critic(self, batch: Transitions) -> float:
        """One step down the mean squared error, eq. 3.4; return the error before it.

        y_i = r_i + gamma Q'(s'_i, mu'(s'_i));  L = 1/B sum_i (y_i - Q(s_i, a_i))^2.
        """
        following = _joined(batch.next_states, self.actor_target.forward(batch.next_states))
        goals = batch.rewards + np.float32(self.gamma) * self.critic_target.forward(following)[:, 0]
        errors = self.critic.forward(_joined(batch.states, batch.actions))[:, 0] - goals
        self.critic.backward((errors * np.float32(2.0 / len(errors)))[:, None])
        self.critic_adam.step(self.critic.parameters, self.critic.gradient)
        return float(np.dot(errors, errors)) / len(errors)

    def update_actor(self, states: Float32) -> float:
        """One step up the critic's mean value, eq. 3.5, at states (B, D); return that mean before the step.

        J = 1/B sum_i Q(s_i, mu(s_i)). The thesis calls it a loss, but it is to be maximised: the slope is -1/B.
        """
        values = self.critic.forward(_joined(states, self.actor.forward(states)))
        slopes = self.critic.input_slope(np.full_like(values, -1.0 / len(values)))
        self.actor.backward(slopes[:, self.entries :])
        self.actor_adam.step(self.actor.parameters, self.actor.gradient)
        return float(np.add.reduce(values[:, 0])) / len(values)

    def state_dict(self) -> dict[str, Float32 | int]:
        return {**super().state_dict(), **{name: target.parameters.copy() for name, target, _ in self._targets()}}

    def load_state_dict(self, state: Mapping[str, NDArray[Any] | int]) -> None:
        super().load_state_dict(state)
        for name, target, _ in self._targets():
            target.parameters[:] = state[name]

    def _targets(self) -> tuple[tuple[str, Mlp, Mlp], tuple[str, Mlp, Mlp]]:
        return ("actor_target", self.actor_target, self.actor), ("critic_target", self.critic_target, self.critic)


def _joined(states: Float32, actions: Float32) -> Float32:
    """(B, 2D) what the critic reads."""
    return np.concatenate([states, actions], axis=1)
