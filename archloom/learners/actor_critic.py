"""What the agents of CADAM and DDAS share: a deterministic actor and a critic, each with an optimiser of its own.

Shapes: D = |E|*|O| entries in a flattened architecture matrix, which is the size of a state and of an action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.learners.mlp import Adam, Float32, Mlp, StartName


class ActorCritic:
    """Actor mu(s) -> a, every entry between 0 and 1, and a critic of `inputs` entries -> one value."""

    def __init__(
        self,
        entries: int,
        inputs: int,
        hidden: Sequence[int],
        *,
        actor_lr: float,
        critic_lr: float,
        betas: tuple[float, float],
        rng: np.random.Generator,
        start: StartName = "uniform",
    ) -> None:
        """Networks for flattened matrices of `entries` numbers, with weights as `start` says (`mlp.STARTS`)."""
        self.actor = Mlp((entries, *hidden, entries), sigmoid=True, rng=rng, start=start)
        self.critic = Mlp((inputs, *hidden, 1), sigmoid=False, rng=rng, start=start)
        self.actor_adam = Adam(self.actor.parameters.size, actor_lr, betas)
        self.critic_adam = Adam(self.critic.parameters.size, critic_lr, betas)

    def action(self, state: Float32) -> Float32:
        """mu(s) (D,) for one state (D,), without noise."""
        out: Float32 = self.actor.forward(state[None])[0]
        return out

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
