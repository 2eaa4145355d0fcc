from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets.arrays import drawn_from  # noqa: E402
from archloom.nets.gnn import GraphBatch, GraphConv, GraphEncoder, PairDiscriminator, pair_loss, readout  # noqa: E402
from archloom.spaces.graphs import OPEN, Graph  # noqa: E402


def graph(rng: np.random.Generator, vertices: int) -> Graph:
    adjacency = np.triu(rng.integers(0, 2, (vertices, vertices)), 1).astype(np.uint8)
    return Graph(rng.integers(0, 3, vertices), adjacency)


def graphs(count: int, vertices: int, seed: int = 0) -> list[Graph]:
    rng = np.random.default_rng(seed)
    return [graph(rng, vertices) for _ in range(count)]


def test_a_convolution_is_the_formula_of_morris_with_both_directions() -> None:
    layer = GraphConv(4, 2)
    (one,) = graphs(1, 5)
    x, adjacency = torch.randn(1, 5, 4), torch.tensor(one.adjacency[None], dtype=torch.float32)
    out = layer(x, adjacency)
    w1, bias, (w2, w3) = layer.own.weight, layer.own.bias, layer.neighbours.weight.chunk(2)
    for i in range(5):
        wanted = w1 @ x[0, i] + bias
        for j in range(5):
            if one.adjacency[j, i]:
                wanted = wanted + w2 @ x[0, j]
            if one.adjacency[i, j]:
                wanted = wanted + w3 @ x[0, j]
        torch.testing.assert_close(out[0, i], wanted)


def test_vertices_that_are_not_there_change_nothing() -> None:
    encoder, found = GraphEncoder(3, 9, 8, 3), graphs(4, 5)
    padded, wider = GraphBatch.of(found, 9), GraphBatch.of(found, 9)
    wider.adjacency[:, 6:, 6:] = 1.0  # edges among vertices that are not there
    states = encoder(padded)
    assert (states[:, 5:] == 0).all() and (states[:, :5] != 0).all()
    torch.testing.assert_close(readout(states, padded), states[:, :5].mean(dim=1))
    torch.testing.assert_close(encoder(wider), states)


def test_graphs_of_several_sizes_share_a_batch() -> None:
    batch = GraphBatch.of([*graphs(2, 3), *graphs(2, 6)], 6)
    assert (batch.labels[:2, 3:] == OPEN).all() and (batch.labels[2:] != OPEN).all()
    encoder = GraphEncoder(3, 6, 8, 2)
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
