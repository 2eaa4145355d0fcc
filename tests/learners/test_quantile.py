from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.learners.quantile import QuantileDdpg


def make(
    seed: int = 0, tau: float = 0.9, actor_lr: float = 1e-3, critic_lr: float = 1e-3, entries: int = 12
) -> QuantileDdpg:
    rng = np.random.default_rng(seed)
    return QuantileDdpg(
        entries, (16, 32, 16), tau=tau, actor_lr=actor_lr, critic_lr=critic_lr, betas=(0.9, 0.99), rng=rng
    )


def test_critic_gradient_and_loss_equal_autograd(reference: Any) -> None:
    net, rng = make(), np.random.default_rng(1)
    actions, rewards = rng.random((8, 12)).astype(np.float32), rng.normal(0, 0.3, 8).astype(np.float32)
    model = reference.network(net.critic)
    u = reference.double(rewards) - model(reference.double(actions))[:, 0]
    assert 0 < int((u < 0).sum()) < 8  # both branches of the check loss are met
    loss = (u * (0.9 - (u < 0).double())).mean()
    loss.backward()
    assert net.update_critic(actions, rewards) == pytest.approx(float(loss.detach()), rel=1e-5)
    np.testing.assert_allclose(net.critic.gradient, reference.gradient(model), rtol=1e-4, atol=1e-7)


def test_actor_gradient_equals_autograd_and_leaves_the_critic_alone(reference: Any) -> None:
    net, rng = make(), np.random.default_rng(2)
    states = rng.random((8, 12)).astype(np.float32)
    actor, critic = reference.network(net.actor), reference.network(net.critic)
    value = critic(actor(reference.double(states))).mean()
    (-value).backward()
    before = net.critic.parameters.copy()
    assert net.update_actor(states) == pytest.approx(float(value.detach()), rel=1e-5)
    np.testing.assert_allclose(net.actor.gradient, reference.gradient(actor), rtol=1e-4, atol=1e-8)
    np.testing.assert_array_equal(net.critic.parameters, before)


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.9])
def test_check_loss_fits_the_quantile(tau: float) -> None:
    """Rewards are exponential, whatever the action: the critic must come to -ln(1 - tau)."""
    net, rng = make(tau=tau, entries=4), np.random.default_rng(4)
    for step in range(4000):
        net.critic_adam.lr = 1e-3 if step < 2000 else 1e-4
        net.update_critic(rng.random((64, 4), np.float32), rng.exponential(size=64).astype(np.float32))
    fitted = net.critic.forward(rng.random((1000, 4), np.float32)).mean()
    assert fitted == pytest.approx(-np.log(1.0 - tau), abs=0.06 + 0.04 * tau)


def test_actor_finds_the_planted_action() -> None:
    """Reward = -|a - planted|^2: the actor must come to the planted action, where the reward is greatest."""
    net, rng = make(tau=0.5, actor_lr=3e-4, critic_lr=3e-3, entries=2), np.random.default_rng(5)
    planted, state = np.array([0.8, 0.3], np.float32), np.full((32, 2), 0.5, np.float32)
    for step in range(3000):
        net.critic_adam.lr = 3e-3 if step < 1500 else 3e-4
        actions = rng.random((32, 2), np.float32)
        net.update_critic(actions, -((actions - planted) ** 2).sum(axis=1))
        if step >= 1000:
            net.update_actor(state)
    np.testing.assert_allclose(net.action(state[0]), planted, atol=0.08)


def test_restored_networks_train_on_bit_for_bit() -> None:
    whole, other, rng = make(6), make(7), np.random.default_rng(6)
    batches = [(rng.random((8, 12), np.float32), rng.random(8, np.float32)) for _ in range(40)]
    for actions, rewards in batches[:20]:
        whole.update_critic(actions, rewards)
        whole.update_actor(actions)
    other.load_state_dict(whole.state_dict())
    for net in (whole, other):
        for actions, rewards in batches[20:]:
            net.update_critic(actions, rewards)
            net.update_actor(actions)
    first, second = whole.state_dict(), other.state_dict()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
