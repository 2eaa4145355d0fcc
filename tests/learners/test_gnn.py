from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.learners.arrays import drawn_from  # noqa: E402
from archloom.learners.gnn import GraphBatch, GraphConv, GraphEncoder, PairDiscriminator, pair_loss, readouts  # noqa: E402
from archloom.spaces.graphs import OPEN, Graph  # noqa: E402


def graph(rng: np.random.Generator, vertices: int) -> Graph:
    adjacency = np.triu(rng.integers(0, 2, (vertices, vertices)), 1).astype(np.uint8)
    return Graph(rng.integers(0, 3, vertices), adjacency)


def graphs(count: int, vertices: int, seed: int = 0) -> list[Graph]:
    rng = np.random.default_rng(seed)
    return [graph(rng, vertices) for _ in range(count)]


@pytest.mark.parametrize("both", [True, False])
def test_a_convolution_is_the_formula_of_morris(both: bool) -> None:
    layer = GraphConv(4, 2, both)
    (one,) = graphs(1, 5)
    x, adjacency = torch.randn(1, 5, 4), torch.tensor(one.adjacency[None], dtype=torch.float32)
    out = layer(x, torch.cat([adjacency.mT, adjacency], dim=1) if both else adjacency.mT)
    weights, bias = layer.linear.weight.split(4, dim=1), layer.linear.bias
    for i in range(5):
        wanted = weights[0] @ x[0, i] + bias
        for j in range(5):
            if one.adjacency[j, i]:
                wanted = wanted + weights[1] @ x[0, j]
            if both and one.adjacency[i, j]:
                wanted = wanted + weights[2] @ x[0, j]
        torch.testing.assert_close(out[0, i], wanted)


def test_vertices_that_are_not_there_change_nothing() -> None:
    encoder, found = GraphEncoder(3, 9, 8, 3, both=True), graphs(4, 5)
    padded, wider = GraphBatch.of(found, 9), GraphBatch.of(found, 9)
    wider.adjacency[:, 6:, 6:] = 1.0  # edges among vertices that are not there
    states = encoder(padded)
    assert (states[:, 5:] == 0).all() and (states[:, :5] != 0).all()
    torch.testing.assert_close(encoder(wider), states)
    torch.testing.assert_close(encoder(GraphBatch.of(found, 5)), states[:, :5])


def test_without_the_way_back_a_state_is_the_same_in_an_unfinished_graph() -> None:
    found = graphs(4, 6)
    begun = [Graph(graph.labels[:4], graph.adjacency[:4, :4]) for graph in found]
    for both in (True, False):
        encoder = GraphEncoder(3, 6, 8, 3, both)
        whole, part = encoder(GraphBatch.of(found, 6))[:, :4], encoder(GraphBatch.of(begun, 6))[:, :4]
        assert torch.allclose(whole, part, atol=1e-6) is not both


def test_a_readout_is_the_mean_of_the_vertices_before() -> None:
    labels = torch.tensor([[0, OPEN, 1, 2]])
    states = torch.randn(1, 4, 3) * (labels != OPEN).unsqueeze(-1)
    found = readouts(states, labels)[0]
    first, _, third, fourth = states[0]
    expected = [torch.zeros(3), first, first, (first + third) / 2, (first + third + fourth) / 3]
    torch.testing.assert_close(found, torch.stack(expected))


def test_graphs_of_several_sizes_share_a_batch() -> None:
    batch = GraphBatch.of([*graphs(2, 3), *graphs(2, 6)], 6)
    assert (batch.labels[:2, 3:] == OPEN).all() and (batch.labels[2:] != OPEN).all()
    encoder = GraphEncoder(3, 6, 8, 2, both=True)
    alone = encoder(GraphBatch.of(graphs(2, 3), 6))
    torch.testing.assert_close(encoder(batch)[:2], alone)
    torch.testing.assert_close(encoder(batch[torch.tensor([1])]), alone[1:])


def test_every_way_to_compare_is_the_same_and_order_matters() -> None:
    network = PairDiscriminator(3, 5, 8, 2)
    truth, others = network.encode(GraphBatch.of(graphs(3, 5), 5)), network.encode(GraphBatch.of(graphs(4, 5, 1), 5))
    table = network.against(truth, others)
    assert table.shape == (4, 3)
    for row in range(4):
        for column in range(3):
            one = network.compare(truth[column : column + 1], others[row : row + 1])
            torch.testing.assert_close(one[0], table[row, column])
    assert not torch.allclose(network.compare(truth, others[:3]), network.compare(others[:3], truth))


def test_the_discriminator_learns_who_reads_whom() -> None:
    """Chains a -> b against b -> a: the same labels and the same number of edges, so that only directions tell."""
    ahead, back = np.array([[0, 1], [0, 0]], dtype=np.uint8), np.array([[0, 0], [1, 0]], dtype=np.uint8)
    labels = np.array([0, 1])
    batch = GraphBatch.of([Graph(labels, ahead), Graph(labels, back)], 2)
    with drawn_from(np.random.default_rng(0)):
        network = PairDiscriminator(2, 2, 8, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    wanted = torch.tensor([1.0, 0.0])
    for _ in range(150):
        codes = network.encode(batch)
        loss = pair_loss(network.compare(codes[[0, 0]], codes), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
