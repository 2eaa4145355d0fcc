from dataclasses import replace

import numpy as np
import pytest
import torch

from archloom.errors import InputError
from archloom.learners.q_network import POSITIONS, READOUTS, NetworkOptions, QNetwork, buckets_of

SMALL = NetworkOptions(width=16, layers=2, heads=2, feedforward=24, head_width=8)
BITS, ACTIONS = 9, 55


def network(seed=0, **options):
    return QNetwork(BITS, ACTIONS, replace(SMALL, **options), np.random.default_rng(seed)).double()


def observations(n, length, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 2, (n, length, BITS))).double()


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("dueling", [True, False])
@pytest.mark.parametrize("positions", POSITIONS)
def test_masked_tokens_change_nothing(readout, dueling, positions):
    net = network(readout=readout, dueling=dueling, positions=positions)
    own = observations(3, 4)
    alone = net(own)
    for padding in range(51):
        padded = torch.cat([own, observations(3, padding, seed=2)], dim=1)
        q = net(padded, torch.tensor([4, 4, 4]))
        assert bool((q[:, 4:] == -torch.inf).all())
        torch.testing.assert_close(q[:, :4], alone)


def test_read_each_is_equivariant_under_a_permutation_of_the_neighbours():
    net, seen = network(), observations(5, 12)
    order = np.concatenate([[0], 1 + np.random.default_rng(3).permutation(11)])
    torch.testing.assert_close(net(seen[:, order]), net(seen)[:, order])


def test_read_each_tells_its_own_architecture_from_the_neighbours():
    seen = observations(5, 12)
    swapped = seen[:, [1, 0, *range(2, 12)]]
    net = network()
    assert bool(((net(swapped)[:, [1, 0, *range(2, 12)]] - net(seen)).abs() > 1e-6).any())


def test_only_the_papers_readout_has_a_number_of_neighbours():
    assert (network().most_neighbours, network(readout="paper").most_neighbours) == (None, ACTIONS - 1)
    more = observations(2, ACTIONS + 5)
    assert network()(more).shape == (2, ACTIONS + 5)


def test_the_papers_readout_depends_on_the_places_of_neighbours():
    net, seen = network(readout="paper"), observations(5, 12)
    order = [0, 2, 1, *range(3, 12)]
    assert bool(((net(seen[:, order]) - net(seen)[:, order]).abs() > 1e-6).any())


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("counts", [[1, 2, 5, 9, 12, 12], None])
def test_advantages_of_the_valid_actions_have_the_mean_zero(readout, counts):
    """So the mean Q of the valid actions is what the value branch says."""
    net, seen, values = network(readout=readout), observations(6, 12), []
    net.value.register_forward_hook(lambda _, __, value: values.append(value[:, 0]))
    q = net(seen, None if counts is None else torch.tensor(counts))
    there = torch.isfinite(q)
    assert there.sum(dim=1).tolist() == (counts or [12] * 6)
    torch.testing.assert_close(q.masked_fill(~there, 0.0).sum(dim=1) / there.sum(dim=1), values[0])
    assert bool((q.max(dim=1).values > values[0])[1:].all())


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("counts", [[12] * 40, list(range(1, 13)) * 20, [1, 12], [7]])
@pytest.mark.parametrize("threads", [1, 3])
def test_buckets_give_what_one_batch_gives(readout, counts, threads):
    net = network(readout=readout)
    net.threads = threads
    seen = np.random.default_rng(1).integers(0, 2, (len(counts), 12, BITS), dtype=np.uint8)
    with torch.no_grad():
        expected = net(torch.from_numpy(seen), torch.tensor(counts)).numpy()
    np.testing.assert_allclose(net.q_values(seen, np.array(counts)), expected, rtol=1e-5, atol=1e-6)


def test_buckets_hold_every_observation_once_and_mask_few_tokens():
    counts = np.random.default_rng(0).integers(2, 52, 700)
    buckets = list(buckets_of(counts))
    assert sorted(np.concatenate([bucket.rows for bucket in buckets])) == list(range(700))
    for rows, length, full in buckets:
        assert counts[rows].max() == length
        assert full == (counts[rows].min() == length)
    assert sum(len(b.rows) * b.length for b in buckets) < 1.12 * counts.sum()


def test_q_values_takes_and_gives_arrays():
    net = QNetwork(BITS, ACTIONS, SMALL, np.random.default_rng(0))
    seen = np.random.default_rng(1).integers(0, 2, (30, ACTIONS, BITS), dtype=np.uint8)
    counts = np.random.default_rng(2).integers(1, ACTIONS + 1, 30)
    q = net.q_values(seen, counts)
    assert q.dtype == np.float32
    assert (np.isfinite(q).sum(axis=1) == counts).all()
    expected = net(torch.from_numpy(seen), torch.from_numpy(counts))
    np.testing.assert_allclose(q, expected.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_what_nothing_is_read_from_is_not_computed():
    """With the paper's readout the last layer sees one query token; the answer is that of the whole layer."""
    net, seen = network(readout="paper", layers=1), observations(4, 12)
    widths = []
    net.layers[0].rise.register_forward_hook(lambda _, given, __: widths.append(given[0].shape[1]))
    q = net(seen)
    assert widths == [1]
    net.readout.reads = None
    torch.testing.assert_close(net(seen), q)


def test_weights_come_from_the_generator_alone():
    before = torch.random.get_rng_state()
    first, second, other = network(5), network(5), network(6)
    assert torch.equal(torch.random.get_rng_state(), before)
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.encoder[0].weight, other.encoder[0].weight)


def test_sinusoidal_positions_are_those_of_the_formula_and_stay():
    net, seen = network(readout="paper", positions="sinusoidal"), observations(5, 12)
    positions = net.readout.positions
    assert positions.shape == (ACTIONS, 16)
    for place, dimension in ((0, 0), (3, 0), (20, 5)):
        angle = place / 10_000 ** (2 * dimension / 16)
        found = positions[place, 2 * dimension : 2 * dimension + 2]
        assert found.tolist() == pytest.approx([np.sin(angle), np.cos(angle)], abs=1e-6)
    assert "readout.positions" not in dict(net.named_parameters())
    order = [0, 2, 1, *range(3, 12)]
    assert bool(((net(seen[:, order]) - net(seen)[:, order]).abs() > 1e-6).any())


def test_layers_of_the_encoder_may_be_of_another_width():
    sizes = [tuple(layer.weight.shape) for layer in network(encoder_layers=3, encoder_width=5).encoder]
    assert sizes == [(5, BITS), (5, 5), (16, 5)]
    assert [tuple(layer.weight.shape) for layer in network(encoder_layers=1).encoder] == [(16, BITS)]


def test_heads_must_divide_the_width():
    with pytest.raises(InputError, match="heads=3: expected a divisor of width=64"):
        NetworkOptions(heads=3)
