from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="agents need the extra train")

import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.errors import InputError
from archloom.learners.drqv2 import LARGEST, DrQv2, DrQv2Options, follow, truncated_normal
from archloom.learners.episode_replay import Batch
from archloom.nets import control
from archloom.spaces.control import Control
from archloom.utils.optimisers import AdamW

ACTIONS, SIDE, VECTOR, BATCH = 2, 11, 5, 6
OPTIONS = DrQv2Options(lr=0.01, tau=0.25, std_steps=100, pad=2, explore_steps=10)
STEP = 50


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convnet = nn.Sequential(nn.Conv2d(9, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.convnet(x / 255 - 0.5).flatten(1)


class Actor(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.policy = nn.Sequential(nn.Linear(width, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, ACTIONS))

    def forward(self, features: Tensor) -> Tensor:
        return torch.tanh(self.policy(features))


class Critic(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(width, 8), nn.LayerNorm(8), nn.Tanh())
        self.q1, self.q2 = (nn.Sequential(nn.Linear(8 + ACTIONS, 8), nn.ReLU(), nn.Linear(8, 1)) for _ in range(2))

    def forward(self, features: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([self.trunk(features), action], dim=1)
        return self.q1(both), self.q2(both)


class Networks(nn.Module):
    def __init__(self, pixels: bool) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            width = 4 * 5 * 5 if pixels else VECTOR
            self.encoder = Encoder() if pixels else nn.Identity()
            self.actor, self.critic = Actor(width), Critic(width)


def batch_of(pixels: bool, seed: int) -> Batch:
    rng = np.random.default_rng(seed)

    def observations() -> Any:
        if pixels:
            return torch.from_numpy(rng.integers(0, 256, (BATCH, 9, SIDE, SIDE), dtype=np.uint8))
        return torch.from_numpy(rng.standard_normal((BATCH, VECTOR)).astype(np.float32))

    actions = torch.from_numpy(rng.uniform(-1, 1, (BATCH, ACTIONS)).astype(np.float32))
    rewards = torch.from_numpy(rng.standard_normal(BATCH).astype(np.float32))
    discounts = torch.tensor([0.97, 0.97, 0.0, 0.97, 0.97, 0.0])
    return Batch(observations(), actions, rewards, discounts, observations())


class Published:
    """`DrQV2Agent` of facebookresearch/drqv2, with its draws from numpy and the AdamW of PBT-NAS."""

    def __init__(self, networks: Any, options: DrQv2Options) -> None:
        self.encoder, self.actor, self.critic = networks.encoder, networks.actor, networks.critic
        self.critic_target = copy.deepcopy(self.critic)
        self.options = options
        self.encoder_opt, self.actor_opt, self.critic_opt = (
            AdamW([*network.parameters()] or [torch.zeros(1)], lr=options.lr, weight_decay=0)
            for network in (self.encoder, self.actor, self.critic)
        )

    def aug(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        if x.dim() == 2:
            return x
        pad, side = self.options.pad, x.shape[2]
        padded = functional.pad(x, (pad, pad, pad, pad), "replicate")
        shifts = rng.integers(-pad, pad, (len(x), 2), endpoint=True) + pad
        slices = [image[:, down : down + side, across : across + side]
                  for image, (across, down) in zip(padded, shifts, strict=True)]  # fmt: skip
        return torch.stack(slices)

    def sample(self, mean: Tensor, std: float, rng: np.random.Generator) -> Tensor:
        """`TruncatedNormal.sample`."""
        eps = torch.from_numpy(rng.standard_normal(tuple(mean.shape), np.float32)) * std
        x = mean + torch.clamp(eps, -self.options.noise_clip, self.options.noise_clip)
        return x - x.detach() + torch.clamp(x, -1 + 1e-6, 1 - 1e-6).detach()

    def update(self, batch: Batch, step: int, rng: np.random.Generator) -> tuple[float, float]:
        mix = np.clip(step / self.options.std_steps, 0.0, 1.0)
        std = float((1.0 - mix) * self.options.std_start + mix * self.options.std_end)
        obs, action, reward, discount, next_obs = batch
        obs, next_obs = self.aug(obs.float(), rng), self.aug(next_obs.float(), rng)
        obs = self.encoder(obs)
        with torch.no_grad():
            next_obs = self.encoder(next_obs)
            next_action = self.sample(self.actor(next_obs), std, rng)
            target_q1, target_q2 = self.critic_target(next_obs, next_action)
            target_q = reward[:, None] + discount[:, None] * torch.min(target_q1, target_q2)
        q1, q2 = self.critic(obs, action)
        critic_loss = functional.mse_loss(q1, target_q) + functional.mse_loss(q2, target_q)
        self.encoder_opt.zero_grad()
        self.critic_opt.zero_grad()
        critic_loss.backward()
        self.critic_opt.step()
        self.encoder_opt.step()

        obs = obs.detach()
        q1, q2 = self.critic(obs, self.sample(self.actor(obs), std, rng))
        actor_loss = -torch.min(q1, q2).mean()
        self.actor_opt.zero_grad()
        actor_loss.backward()
        self.actor_opt.step()

        for param, target in zip(self.critic.parameters(), self.critic_target.parameters(), strict=True):
            target.data.copy_(self.options.tau * param.data + (1 - self.options.tau) * target.data)
        return float(critic_loss.detach()), float(actor_loss.detach())


@pytest.mark.parametrize("pixels", [True, False])
def test_updates_are_the_published_ones_parameter_by_parameter(pixels: bool) -> None:
    agent, published = DrQv2(Networks(pixels), ACTIONS, OPTIONS), Published(Networks(pixels), OPTIONS)
    before = copy.deepcopy(published)
    rng, same = np.random.default_rng(1), np.random.default_rng(1)
    for update in range(3):
        batch, step = batch_of(pixels, update), STEP + 2 * update
        losses = agent.update(batch, step, rng)
        np.testing.assert_allclose([float(loss) for loss in losses], published.update(batch, step, same), rtol=1e-4)
        assert not losses.critic.requires_grad and not losses.actor.requires_grad
    for name in ("encoder", "actor", "critic", "critic_target"):
        theirs, first = dict(getattr(published, name).named_parameters()), getattr(before, name)
        for parameter, value in getattr(agent, name).named_parameters():
            np.testing.assert_allclose(value.detach(), theirs[parameter].detach(), atol=1e-6, err_msg=parameter)
            assert not torch.allclose(value, first.get_parameter(parameter), atol=1e-3), f"{name}.{parameter} moved"
    assert rng.bit_generator.state == same.bit_generator.state


def with_pytorchs_norms(networks: nn.Module) -> nn.Module:
    """A copy whose layers with spectral norms have PyTorch's own instead, with the same vectors."""
    twin = copy.deepcopy(networks)
    layers = [layer for layer in twin.modules() if isinstance(layer, control.Linear | control.Conv)]
    for layer in layers:
        vectors = layer.norm.u, layer.norm.v
        layer.norm = nn.Identity()
        nn.utils.spectral_norm(layer)
        layer.weight_u.copy_(vectors[0])
        layer.weight_v.copy_(vectors[1])
    return twin


def test_updates_with_spectral_norms_are_the_published_ones_with_pytorchs() -> None:
    """Of all networks and all kinds of layers: weights and vectors, those of the target critic, too."""
    space = Control((9, SIDE, SIDE), actions=ACTIONS, width=4, hidden=6, features=(3, 5))
    arch = space.parse(
        "actor linear residual_05 residual_2 tanh relu swish id 5 tanh spectral | q1 residual_2 swish linear tanh id "
        "relu relu | q2 linear relu residual_05 id linear swish tanh | critic 3 relu spectral spectral | "
        "encoder conv_3 residual_5 sep_conv_7 relu swish tanh relu spectral"
    )
    networks: Any = space.build(arch, 0)
    published = Published(with_pytorchs_norms(networks), OPTIONS)
    agent = DrQv2(networks, ACTIONS, OPTIONS)
    begun = copy.deepcopy(agent.critic_target.state_dict())
    rng, same = np.random.default_rng(1), np.random.default_rng(1)
    for update in range(3):
        batch, step = batch_of(True, update), STEP + 2 * update
        agent.update(batch, step, rng)
        published.update(batch, step, same)
        agent.act(batch.observations[0].numpy(), step, np.random.default_rng(0))  # moves no vector
    for name in ("encoder", "actor", "critic", "critic_target"):
        ours, theirs = getattr(agent, name).state_dict(), getattr(published, name).state_dict()
        assert len(ours) == len(theirs)
        for tensor, value in ours.items():
            their = f"{tensor}_orig" if f"{tensor}_orig" in theirs else tensor.replace(".norm.", ".weight_")
            np.testing.assert_allclose(value, theirs[their], atol=1e-5, err_msg=f"{name}.{tensor}")
    unmoved = [name for name, value in agent.critic_target.state_dict().items() if torch.equal(value, begun[name])]
    assert not unmoved, "the target's vectors follow its weights by iterations of their own"


def test_what_has_no_parameters_has_no_optimiser() -> None:
    assert [*DrQv2(Networks(True), ACTIONS, OPTIONS).optimisers] == ["encoder", "actor", "critic"]
    assert [*DrQv2(Networks(False), ACTIONS, OPTIONS).optimisers] == ["actor", "critic"]


@pytest.mark.parametrize("pixels", [True, False])
def test_actions(pixels: bool) -> None:
    networks = Networks(pixels)
    agent = DrQv2(networks, ACTIONS, OPTIONS)
    batch = batch_of(pixels, 0)
    agent.update(batch, STEP, np.random.default_rng(0))
    assert not any(network.training for network in agent.networks.values()), "acting changes no buffer of theirs"
    observation = batch.observations[0].numpy()
    with torch.no_grad():
        mean = networks.actor(networks.encoder(batch.observations[:1].float()))[0].numpy()
    found = agent.act(observation, 3, np.random.default_rng(0), mean=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, mean, atol=1e-5)

    explored = np.array([agent.act(observation, 9, np.random.default_rng(seed)) for seed in range(200)])
    assert explored.dtype == np.float32 and -1 <= explored.min() < -0.95 and 0.95 < explored.max() <= 1
    np.testing.assert_allclose(explored.mean(0), 0.0, atol=0.15)

    drawn = agent.act(observation, 10, np.random.default_rng(7))
    noise = np.random.default_rng(7).standard_normal((1, ACTIONS), np.float32)[0]
    np.testing.assert_allclose(drawn, np.clip(mean + 0.91 * noise, -LARGEST, LARGEST), atol=1e-5)


def test_a_truncated_normal_is_held_within_bounds_and_passes_gradients_on() -> None:
    mean = torch.tensor([0.0, 0.9, -0.9, 0.5], requires_grad=True)
    noise = torch.tensor([1.0, 3.0, -3.0, -0.25])
    free, clipped = truncated_normal(mean, 0.5, noise), truncated_normal(mean, 0.5, noise, 0.3)
    np.testing.assert_allclose(free.detach(), [0.5, 1 - 1e-6, -1 + 1e-6, 0.375], rtol=1e-7)
    np.testing.assert_allclose(clipped.detach(), [0.3, 1 - 1e-6, -1 + 1e-6, 0.375], rtol=1e-7)
    assert float(free.detach().abs().max()) < 1
    for drawn in (free, clipped):
        (slope,) = torch.autograd.grad(drawn.sum(), mean)
        assert slope.tolist() == [1.0] * 4


def test_targets_follow_by_a_share() -> None:
    target, parameter = (nn.Parameter(torch.tensor(values)) for values in ([1.0, -2.0], [5.0, 2.0]))
    follow([target], [parameter], 0.25)
    assert (target.tolist(), parameter.tolist()) == ([2.0, -1.0], [5.0, 2.0])


def test_options() -> None:
    options = DrQv2Options(std_steps=1000)
    assert [options.std(step) for step in (0, 500, 1000, 2000)] == pytest.approx([1.0, 0.55, 0.1, 0.1])
    assert [step for step in range(1996, 2006) if options.learns(step, 2)] == [2000, 2002, 2004]
    assert [step for step in range(3998, 4003) if options.learns(step, 1)] == [4000, 4002]
    with pytest.raises(InputError, match="update_every=0: expected a whole number of at least 1"):
        DrQv2Options(update_every=0)
