from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the reference needs the extra train")

from archloom.learners.ddpg import Ddpg, Transitions  # noqa: E402 - after the check for PyTorch
from archloom.learners.mlp import Mlp  # noqa: E402

ENTRIES, GAMMA, MIX = 6, 0.9, 0.1


def make(
    seed: int = 0, hidden: tuple[int, ...] = (16, 32, 16), actor_lr: float = 1e-3, critic_lr: float = 1e-2
) -> Ddpg:
    rng = np.random.default_rng(seed)
    net = Ddpg(
        ENTRIES, hidden, gamma=GAMMA, mix=MIX, actor_lr=actor_lr, critic_lr=critic_lr, betas=(0.9, 0.99), rng=rng
    )
    for target in (net.actor_target, net.critic_target):  # so that it matters which network is asked
        target.parameters += rng.normal(0.0, 0.1, target.parameters.shape).astype(np.float32)
    return net


def batch(seed: int, size: int = 8) -> Transitions:
    rng = np.random.default_rng(seed)
    states, actions, following = (rng.random((size, ENTRIES), np.float32) for _ in range(3))
    return Transitions(states, actions, rng.normal(0.0, 0.3, size).astype(np.float32), following)


def joined(states: Any, actions: Any) -> Any:
    return torch.cat([states, actions], dim=1)


def test_the_critics_gradient_and_loss_equal_autograd(reference: Any) -> None:
    """Its goals come from the targets alone, and no gradient goes into them."""
    net, seen = make(), batch(1)
    states, actions, rewards, following = map(reference.double, seen)
    critic = reference.network(net.critic)
    with torch.no_grad():
        next_actions = reference.network(net.actor_target)(following)
        goals = rewards + GAMMA * reference.network(net.critic_target)(joined(following, next_actions))[:, 0]
    loss = torch.nn.functional.mse_loss(critic(joined(states, actions))[:, 0], goals)
    loss.backward()
    assert net.update_critic(seen) == pytest.approx(float(loss.detach()), rel=1e-5)
    np.testing.assert_allclose(net.critic.gradient, reference.gradient(critic), rtol=1e-4, atol=1e-7)


def test_the_actors_gradient_equals_autograd_and_leaves_the_critic_alone(reference: Any) -> None:
    net, seen = make(), batch(2)
    actor, critic, states = reference.network(net.actor), reference.network(net.critic), reference.double(seen.states)
    value = critic(joined(states, actor(states))).mean()
    (-value).backward()
    before = net.critic.parameters.copy()
    assert net.update_actor(seen.states) == pytest.approx(float(value.detach()), rel=1e-5)
    np.testing.assert_allclose(net.actor.gradient, reference.gradient(actor), rtol=1e-4, atol=1e-8)
    np.testing.assert_array_equal(net.critic.parameters, before)


def test_targets_follow_after_an_update() -> None:
    net = make()
    actor, critic = net.actor_target.parameters.copy(), net.critic_target.parameters.copy()
    net.update(batch(3))
    for target, before, now in (
        (net.actor_target, actor, net.actor), (net.critic_target, critic, net.critic)
    ):  # fmt: skip
        np.testing.assert_allclose(target.parameters, (1 - MIX) * before + MIX * now.parameters, rtol=1e-5, atol=1e-7)


def copy_into(module: Any, net: Mlp) -> None:
    """Put the weights of `net` into a sequence of torch's that has the same layers."""
    linears = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for linear, weight, bias in zip(linears, net.weights, net.biases, strict=True):
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.copy_(torch.from_numpy(bias))


def test_updates_equal_those_of_stable_baselines(reference: Any) -> None:
    """Its DDPG on the same batches; its actors get a sigmoid for their tanh, so that actions are within [0, 1]."""
    gymnasium = pytest.importorskip("gymnasium", reason="environments need the extra envs")
    import stable_baselines3
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

    class Unused(gymnasium.Env):  # type: ignore[misc, name-defined]
        observation_space = gymnasium.spaces.Box(0.0, 1.0, (ENTRIES,), np.float32)
        action_space = gymnasium.spaces.Box(0.0, 1.0, (ENTRIES,), np.float32)

        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            return np.zeros(ENTRIES, np.float32), {}

    hidden = [16, 32, 16]
    theirs = stable_baselines3.DDPG(
        "MlpPolicy", Unused(), learning_rate=1e-2, buffer_size=10, tau=MIX, gamma=GAMMA, device="cpu",
        policy_kwargs={"net_arch": hidden, "optimizer_kwargs": {"betas": (0.9, 0.99)}},
    )  # fmt: skip
    net = make(actor_lr=1e-2, critic_lr=1e-2, hidden=tuple(hidden))
    for actor, mine in ((theirs.actor, net.actor), (theirs.actor_target, net.actor_target)):
        actor.mu[-1] = torch.nn.Sigmoid()  # where theirs has tanh
        copy_into(actor, mine)
    for critic, mine in ((theirs.critic, net.critic), (theirs.critic_target, net.critic_target)):
        copy_into(critic, mine)
    batches = [batch(seed) for seed in range(10, 30)]
    waiting = list(batches)

    def drawn(*_: Any, **__: Any) -> Any:
        states, actions, rewards, following = map(torch.from_numpy, waiting.pop(0))
        zeros = torch.zeros(len(states), 1)
        return ReplayBufferSamples(states, actions, following, zeros, rewards[:, None])

    theirs.replay_buffer.sample = drawn
    theirs._setup_learn(1)
    theirs.train(gradient_steps=len(batches), batch_size=8)
    for seen in batches:
        net.update(seen)
    for module, mine in (
        (theirs.actor, net.actor), (theirs.critic, net.critic),
        (theirs.actor_target, net.actor_target), (theirs.critic_target, net.critic_target),
    ):  # fmt: skip
        np.testing.assert_allclose(mine.parameters, reference.parameters(module), rtol=1e-3, atol=2e-4)


def test_restored_networks_train_on_bit_for_bit() -> None:
    whole, other = make(6), make(7)
    batches = [batch(seed) for seed in range(40)]
    for seen in batches[:20]:
        whole.update(seen)
    other.load_state_dict(whole.state_dict())
    for net in (whole, other):
        for seen in batches[20:]:
            net.update(seen)
    first, second = whole.state_dict(), other.state_dict()
    assert {"actor_target", "critic_target"} < first.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
