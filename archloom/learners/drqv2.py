"""DrQ-v2 (Yarats et al. 2022), with the optimisers of PBT-NAS: an actor and two critics that learn control from pixels.

B transitions in a batch, a numbers of an action, r numbers of an encoded observation. An observation is (C, H, W)
uint8, frames stacked, or (d,) float32; networks see batches of them as float32. `step` counts the agent's steps, one
for all repeats of an action.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from archloom.learners.episode_replay import Batch
from archloom.learners.random_shift import random_shift
from archloom.utils.optimisers import AdamW
from archloom.utils.options import NonNegativeFloat, NonNegativeInt, Options, PositiveFloat, PositiveInt, UnitInterval

LARGEST = 1.0 - 1e-6
"""Actions are drawn from -LARGEST to LARGEST."""


@dataclass(frozen=True)
class DrQv2Options(Options):
    """How an agent learns; the defaults are those of PBT-NAS for Quadruped Run.

    Actions are drawn around the actor's with a standard deviation that falls from `std_start` to `std_end`, linearly
    over `std_steps` steps; within learning, the deviation itself is clipped to `noise_clip`.
    """

    lr: PositiveFloat = 1e-4
    batch_size: PositiveInt = 256
    n_step: PositiveInt = 3
    gamma: UnitInterval = 0.99
    tau: UnitInterval = 0.01  # the share by which the target critic follows in an update
    std_start: NonNegativeFloat = 1.0
    std_end: NonNegativeFloat = 0.1
    std_steps: PositiveInt = 500_000
    noise_clip: NonNegativeFloat = 0.3
    update_every: PositiveInt = 2  # steps
    seed_frames: NonNegativeInt = 4_000  # before the first update
    explore_steps: NonNegativeInt = 2_000  # steps with uniform actions
    pad: Annotated[NonNegativeInt, msgspec.Meta(description="0 is no augmentation")] = 4
    capacity: PositiveInt = 100_000  # transitions that can be replayed

    def std(self, step: int) -> float:
        """The standard deviation of actions."""
        share = min(step / self.std_steps, 1.0)
        return (1.0 - share) * self.std_start + share * self.std_end

    def learns(self, step: int, repeat: int) -> bool:
        """Whether an update is due before the step, each of which repeats its action so many times."""
        return step % self.update_every == 0 and step * repeat >= self.seed_frames


class AgentNetworks(Protocol):
    """What an agent is made of, modules all.

    encoder: (B, *observation) -> (B, r). actor: (B, r) -> (B, a), the mean action, within -1 to 1. critic: (B, r) and
    (B, a) -> two estimates of the return, (B, 1) each.
    """

    encoder: Any
    actor: Any
    critic: Any


class Losses(NamedTuple):
    """Before an update, without gradients and where the agent is: reading them waits for a GPU."""

    critic: Tensor
    actor: Tensor


class DrQv2:
    """An agent that acts and learns. It moves the networks to `device`; outside of `update` they are in their mode for
    evaluation.

    An encoder without parameters, which vectors have, has no optimiser.
    """

    def __init__(
        self, networks: AgentNetworks, actions: int, options: DrQv2Options, device: torch.device | None = None
    ) -> None:
        self.options, self.actions = options, actions
        self.device = device or torch.device("cpu")
        modules = {"encoder": networks.encoder, "actor": networks.actor, "critic": networks.critic}
        self.networks: dict[str, nn.Module] = {
            name: module.to(self.device, memory_format=torch.channels_last).eval() for name, module in modules.items()
        }
        self.encoder, self.actor, self.critic = self.networks.values()
        self.critic_target = copy.deepcopy(self.critic).requires_grad_(False).train()
        self.optimisers: dict[str, torch.optim.Optimizer] = {
            name: AdamW(network.parameters(), options.lr, weight_decay=0.0, fused=True)
            for name, network in self.networks.items()
            if any(True for _ in network.parameters())
        }

    def act(
        self, observation: NDArray[Any], step: int, rng: np.random.Generator, mean: bool = False
    ) -> NDArray[np.float32]:
        """(a,) an action for one observation: the actor's own if `mean`, else one drawn around it, and in the first
        `explore_steps` steps a uniform one."""
        if not mean and step < self.options.explore_steps:
            return rng.uniform(-1.0, 1.0, self.actions).astype(np.float32)
        with torch.inference_mode():
            seen = self._prepared(torch.from_numpy(observation)[None])
            action = self.actor(self.encoder(seen))
            if not mean:
                action = truncated_normal(action, self.options.std(step), self._noise(1, rng))
            chosen: NDArray[np.float32] = action[0].cpu().numpy()
        return chosen

    def update(self, batch: Batch, step: int, rng: np.random.Generator) -> Losses:
        """One step of each optimiser, encoder and critic first; then the target critic follows.

        y = reward + discount min Q'(next, a'), a' ~ pi(next);  critic: mean (Q1 - y)^2 + mean (Q2 - y)^2;  actor:
        -mean min Q(seen, a), a ~ pi(seen), from which the encoder learns nothing. Draws of `rng`: shifts of
        observations, those of the next ones, the noise of a', that of a.
        """
        std, clip, count = self.options.std(step), self.options.noise_clip, len(batch.rewards)
        for network in self.networks.values():
            network.train()
        seen = self.encoder(self._augmented(batch.observations, rng))
        with torch.no_grad():
            following = self.encoder(self._augmented(batch.next_observations, rng))
            next_action = truncated_normal(self.actor(following), std, self._noise(count, rng), clip)
            next_value = torch.minimum(*self.critic_target(following, next_action))
            rewards, discounts = (each.to(self.device)[:, None] for each in (batch.rewards, batch.discounts))
            wanted = rewards + discounts * next_value
        first, second = self.critic(seen, batch.actions.to(self.device))
        critic_loss = functional.mse_loss(first, wanted) + functional.mse_loss(second, wanted)
        self._step(critic_loss, "encoder", "critic")

        seen = seen.detach()
        action = truncated_normal(self.actor(seen), std, self._noise(count, rng), clip)
        actor_loss = -torch.minimum(*self.critic(seen, action)).mean()
        self._step(actor_loss, "actor")

        follow(self.critic_target.parameters(), self.critic.parameters(), self.options.tau)
        for network in self.networks.values():
            network.eval()
        return Losses(critic_loss.detach(), actor_loss.detach())

    def _step(self, loss: Tensor, *names: str) -> None:
        """One step of these networks down the loss; gradients of others are not even computed."""
        optimisers = [self.optimisers[name] for name in names if name in self.optimisers]
        for optimiser in optimisers:
            optimiser.zero_grad()
        inputs = [parameter for name in names for parameter in self.networks[name].parameters()]
        loss.backward(inputs=inputs)  # type: ignore[no-untyped-call]
        for optimiser in optimisers:
            optimiser.step()

    def _augmented(self, observations: Tensor, rng: np.random.Generator) -> Tensor:
        """As networks see them, images shifted."""
        moved = observations.to(self.device)
        is_image = moved.dim() == 4
        return self._prepared(random_shift(moved, self.options.pad, rng) if is_image else moved)

    def _prepared(self, observations: Tensor) -> Tensor:
        layout = torch.channels_last if observations.dim() == 4 else torch.contiguous_format
        return observations.to(self.device, torch.float32, memory_format=layout)

    def _noise(self, count: int, rng: np.random.Generator) -> Tensor:
        return torch.from_numpy(rng.standard_normal((count, self.actions), np.float32)).to(self.device)


def truncated_normal(mean: Tensor, std: float, noise: Tensor, clip: float | None = None) -> Tensor:
    """mean + std * noise, for standard normal `noise`, held within -LARGEST to LARGEST; the gradient of the mean is 1
    even if it is held. With `clip`, std * noise is held within -clip to clip before."""
    deviation = std * noise if clip is None else (std * noise).clamp(-clip, clip)
    drawn = mean + deviation
    return drawn - drawn.detach() + drawn.detach().clamp(-LARGEST, LARGEST)


@torch.no_grad()
def follow(targets: Iterable[nn.Parameter], parameters: Iterable[nn.Parameter], tau: float) -> None:
    """Move each target by the share `tau` towards its parameter: tau * parameter + (1 - tau) * target."""
    torch._foreach_lerp_(list(targets), list(parameters), tau)
