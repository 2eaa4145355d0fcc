from dataclasses import replace

import numpy as np
import pytest
import torch

from archloom.learners.arrays import one_thread
from archloom.learners.q_learning import Batch, Learning, QLearner
from archloom.learners.q_network import NetworkOptions, QNetwork
from archloom.testing.planted_walks import chain, chain_q, rising

GAMMA, ROWS = 0.9, 32
SIZES = NetworkOptions(width=32, feedforward=32, heads=2, head_width=32)
LEARNING = Learning(lr=2e-3, adam_eps=1e-8, max_grad_norm=40.0, huber_delta=1.0, double=True, target_period=30 * 94)


def observations():
    """Every row of the chain as an observation: its tokens' rows (32, 3), neighbours to the left first, and counts."""
    graph = chain(ROWS)
    tokens = np.zeros((ROWS, 3), dtype=np.int64)
    for row in range(ROWS):
        around = graph.targets[graph.offsets[row] : graph.offsets[row + 1]]
        tokens[row, : 1 + len(around)] = [row, *around]
    return tokens, np.diff(graph.offsets) + 1


def all_transitions(encoded):
    tokens, counts = observations()
    start = np.repeat(np.arange(ROWS), counts)
    actions = np.concatenate([np.arange(count) for count in counts])
    end = tokens[start, actions]
    values = rising(ROWS) / 100
    returns = (values[end] - values[start]).astype(np.float32)
    discounts = np.where(actions == 0, 0.0, GAMMA).astype(np.float32)
    weights = np.ones(len(start), dtype=np.float32)
    return Batch(
        encoded[tokens[start]], counts[start], actions, returns, discounts, encoded[tokens[end]], counts[end], weights
    )


def learner(learning=LEARNING, readout="each", bits=ROWS):
    return QLearner(QNetwork(bits, 3, replace(SIZES, readout=readout), np.random.default_rng(0)), learning)


@pytest.mark.parametrize(
    ("readout", "updates", "lr", "period", "falling"),
    [("each", 1_000, 3e-3, 12, True), ("paper", 2_000, 2e-3, 30, False)],
)
def test_q_of_a_chain_is_learnt(readout, updates, lr, period, falling):
    """32 architectures in a row, values rising to the right: Q* in closed form, after 2,000 updates at most."""
    encoded = chain(ROWS).encoded
    tokens, counts = observations()
    batch = all_transitions(encoded)
    assert len(batch.actions) == 94
    learning = learner(replace(LEARNING, lr=lr, target_period=period * 94), readout)
    with one_thread():
        for update in range(updates):
            learning.learn(batch, 1 - update / updates if falling else 1.0)
    q = learning.network.q_values(encoded[tokens], counts)
    exact = chain_q(ROWS, GAMMA)
    exact[0, 1] = exact[0, 2]  # the first row's only neighbour is to the right
    exact[0, 2] = np.nan
    there = np.isfinite(exact)
    assert np.array_equal(there, np.isfinite(q))
    assert np.abs(q[there] - exact[there]).max() < 0.02 * exact[there].max()
    assert list(tokens[np.arange(31), q[:31].argmax(axis=1)]) == list(range(1, 32))


def random_batch(n, seed=0, bits=5):
    rng = np.random.default_rng(seed)
    seen, next_seen = rng.integers(0, 2, (2, n, 3, bits), dtype=np.uint8)
    counts, next_counts = rng.integers(1, 4, (2, n))
    discounts = rng.choice([0.0, 0.729, 0.9], n).astype(np.float32)
    returns, weights = rng.normal(size=n).astype(np.float32), rng.random(n).astype(np.float32)
    actions = (rng.random(n) * counts).astype(int)
    return Batch(seen, counts, actions, returns, discounts, next_seen, next_counts, weights)


@pytest.mark.parametrize("double", [True, False])
def test_targets_are_double_q(double):
    """One transition after another, as the equation says it."""
    learning = learner(replace(LEARNING, double=double), bits=5)
    with torch.no_grad():
        for parameter in learning.target.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    batch = random_batch(60)
    online = learning.network.q_values(batch.next_seen, batch.next_counts)
    target = learning.target.q_values(batch.next_seen, batch.next_counts)
    differ = 0
    for row, found in enumerate(learning.targets(batch)):
        action = int((online if double else target)[row].argmax())
        differ += action != int(target[row].argmax())
        bootstrapped = batch.discounts[row] * target[row, action] if batch.discounts[row] else 0.0
        assert found == pytest.approx(batch.returns[row] + bootstrapped, abs=1e-5)
    assert (differ > 0) == double


def test_errors_and_loss_are_those_before_the_update():
    learning = learner(bits=5)
    batch = random_batch(40)
    taken = learning.network.q_values(batch.seen, batch.counts)[np.arange(40), batch.actions]
    expected = learning.targets(batch) - taken
    errors, loss = learning.learn(batch)
    np.testing.assert_allclose(errors, expected, atol=1e-5)
    huber = np.where(np.abs(expected) < 1, expected**2 / 2, np.abs(expected) - 0.5)
    assert loss == pytest.approx((batch.weights * huber).mean(), rel=1e-4)


def test_the_weight_of_a_transition_scales_its_gradient():
    batch = random_batch(1)
    one = batch._replace(weights=np.array([1.0], np.float32))
    none = batch._replace(weights=np.array([0.0], np.float32))
    before, first, second = learner(bits=5), learner(bits=5), learner(bits=5)
    first.learn(one)
    second.learn(none)
    same = [torch.equal(a, b) for a, b in zip(before.network.parameters(), second.network.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(before.network.encoder[0].weight, first.network.encoder[0].weight)


def test_the_rate_scales_the_step():
    batch = random_batch(40)
    begun, none, half, whole = (learner(bits=5) for _ in range(4))
    none.learn(batch, 0.0)
    half.learn(batch, 0.5)
    whole.learn(batch)
    weights = [each.network.encoder[0].weight.detach() for each in (begun, none, half, whole)]
    assert torch.equal(weights[0], weights[1])
    torch.testing.assert_close(weights[2] - weights[0], (weights[3] - weights[0]) / 2, rtol=1e-3, atol=1e-7)


def test_the_target_network_is_renewed_after_its_period():
    learning = learner(replace(LEARNING, target_period=100), bits=5)
    begun = learning.target.encoder[0].weight.clone()
    learning.learn(random_batch(40))
    learning.learn(random_batch(40, seed=1))
    assert torch.equal(learning.target.encoder[0].weight, begun)
    learning.learn(random_batch(40, seed=2))
    assert torch.equal(learning.target.encoder[0].weight, learning.network.encoder[0].weight)
    assert not torch.equal(learning.target.encoder[0].weight, begun)


def test_gradients_are_clipped_together():
    batch = random_batch(40)
    batch = batch._replace(returns=batch.returns * 1e6)
    learning = learner(replace(LEARNING, huber_delta=1e9, max_grad_norm=0.5), bits=5)
    learning.learn(batch)
    norms = [parameter.grad.norm() for parameter in learning.network.parameters() if parameter.grad is not None]
    assert float(torch.stack(norms).norm()) == pytest.approx(0.5, rel=1e-4)


def test_threads_change_no_number():
    alone, shared = learner(bits=5), learner(bits=5)
    shared.network.threads = shared.target.threads = 3
    with one_thread():
        for seed in range(3):
            ours, theirs = alone.learn(random_batch(150, seed)), shared.learn(random_batch(150, seed))
            assert np.array_equal(ours[0], theirs[0])
            assert ours[1] == theirs[1]
    pairs = zip(alone.network.parameters(), shared.network.parameters(), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


def test_a_kept_state_goes_on_exactly():
    first = learner(replace(LEARNING, target_period=70), bits=5)
    for seed in range(3):
        first.learn(random_batch(40, seed))
    kept = first.state_dict()
    second = learner(replace(LEARNING, target_period=70), bits=5)
    second.load_state_dict(kept)
    for seed in range(3, 6):
        ours, theirs = first.learn(random_batch(40, seed)), second.learn(random_batch(40, seed))
        assert np.array_equal(ours[0], theirs[0])
    assert torch.equal(first.target.encoder[0].weight, second.target.encoder[0].weight)
