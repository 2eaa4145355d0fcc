from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.learners.arrays import drawn_from  # noqa: E402
from archloom.learners.graph_policy import GraphPolicy, retrace  # noqa: E402
from archloom.learners.ppo import Ppo, advantages_of, step  # noqa: E402
from archloom.spaces.base import Categorical  # noqa: E402
from archloom.types import Arch  # noqa: E402

SPACE = Categorical({f"choice{i}": list("abcd") for i in range(4)})


def test_advantages_are_the_sum_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    live = np.arange(5) < np.array([[5], [2], [4]])
    gamma, lam = 0.9, 0.7
    found = advantages_of(rewards, values, live, gamma, lam)
    for row, length in enumerate((5, 2, 4)):
        v = [*values[row, :length], 0.0]
        deltas = [rewards[row, t] + gamma * v[t + 1] - v[t] for t in range(length)]
        for t in range(length):
            wanted = sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, length))
            assert found[row, t] == pytest.approx(wanted)
        assert (found[row, length:] == 0).all()


def train(ppo: Ppo, updates: int) -> tuple[GraphPolicy, list[float]]:
    """On a task whose answer is known: each step is worth as much as its option is late in the alphabet."""
    rng = np.random.default_rng(0)
    with drawn_from(rng):
        policy = GraphPolicy(SPACE.grammar(), len(SPACE.graph_labels), width=16, layers=1)
    optimiser = torch.optim.Adam(policy.parameters(), lr=0.01)
    means = []
    for _ in range(updates):
        episodes = policy.draw(64, rng)
        rewards = np.zeros((64, 4))
        rewards[:, -1] = (episodes.chosen % 4).sum(axis=1)
        ppo.update(policy, optimiser, episodes, rewards, rng)
        means.append(float(rewards.sum(axis=1).mean()))
    return policy, means


def test_it_solves_a_task_whose_reward_comes_at_the_end() -> None:
    policy, means = train(Ppo(), 25)
    assert means[0] < 7.5 and means[-1] > 11.0  # of 12
    values = policy.judge(policy.draw(64, np.random.default_rng(1))).values
    assert abs(values[:, 0].mean().item() - means[-1]) < 2.0  # the value network knows what is to come


def test_entropy_keeps_choices_open() -> None:
    entropies = []
    for weight in (0.0, 10.0):
        policy, _ = train(Ppo(entropy=weight), 10)
        entropies.append(policy.judge(policy.draw(64, np.random.default_rng(1))).entropies.mean().item())
    assert entropies[1] > 1.3 > entropies[0] + 0.2  # ln 4 = 1.386


def test_the_ratio_is_clipped() -> None:
    """With a tiny clip many passes move the policy hardly at all, with a wide one far."""
    moved = []
    for clip in (1e-4, 10.0):
        rng = np.random.default_rng(0)
        with drawn_from(rng):
            policy = GraphPolicy(SPACE.grammar(), len(SPACE.graph_labels), width=16, layers=1)
        optimiser = torch.optim.SGD(policy.parameters(), lr=0.5)
        episodes = policy.draw(64, rng)
        before = policy.judge(episodes).log_probs.detach()
        rewards = np.zeros((64, 4))
        rewards[:, -1] = (episodes.chosen % 4).sum(axis=1)
        Ppo(clip_range=clip, epochs=20, entropy=0.0, value_coef=0.0).update(policy, optimiser, episodes, rewards, rng)
        moved.append((policy.judge(episodes).log_probs.detach() - before).abs().mean().item())
    assert moved[0] < 0.1 * moved[1]


def test_an_expert_s_episodes_become_likelier() -> None:
    likelihoods = []
    for weight in (0.0, 5.0):
        rng = np.random.default_rng(0)
        with drawn_from(rng):
            policy = GraphPolicy(SPACE.grammar(), len(SPACE.graph_labels), width=16, layers=1)
        optimiser = torch.optim.Adam(policy.parameters(), lr=0.01)
        shown = retrace(SPACE.grammar(), [SPACE.to_graph(Arch((3, 1, 2, 0)))], len(SPACE.graph_labels))
        for _ in range(10):
            Ppo(expert=weight).update(policy, optimiser, policy.draw(32, rng), rng.normal(size=(32, 4)), rng, shown)
        likelihoods.append(policy.judge(shown).log_probs.sum().exp().item())
    assert likelihoods[1] > 0.5 > likelihoods[0]


def test_a_gradient_is_no_longer_than_allowed() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    before = network.weight.detach().clone()
    step(network, optimiser, 100.0 * network(torch.ones(1, 1)).sum(), max_grad_norm=0.5)
    assert (network.weight.detach() - before).abs().item() == pytest.approx(0.5, rel=1e-4)
