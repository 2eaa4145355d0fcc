from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.learners.arrays import drawn_from  # noqa: E402
from archloom.learners.graph_policy import Episodes, GraphPolicy, most_sources, retrace  # noqa: E402
from archloom.spaces.base import Categorical  # noqa: E402
from archloom.spaces.graphs import OPEN, Bools, ConstructionStep, Graph, PartialGraph  # noqa: E402

LABELS = 4  # input, a, b, stop


class Stopping:
    """Up to three vertices behind an input, a or b, each reading at least one before it; `stop` ends the graph.

    b never reads the input.
    """

    template = Graph(np.array([0, OPEN, OPEN, OPEN]), np.zeros((4, 4), dtype=np.uint8))
    steps: Sequence[ConstructionStep] = (
        ConstructionStep(1, (0,)),
        ConstructionStep(2, (0, 1)),
        ConstructionStep(3, (0, 1, 2)),
    )

    def label_mask(self, drawn: PartialGraph, step: int) -> Bools:
        mask = np.zeros((len(drawn.labels), LABELS), dtype=bool)
        mask[:, 1] = True
        mask[:, 2] = step > 0
        mask[:, 3] = step > 0
        mask[(drawn.labels == 3).any(axis=1)] = False
        return mask

    def edge_mask(self, drawn: PartialGraph, step: int, place: int) -> Bools:
        vertex = self.steps[step].vertex
        labels = drawn.labels[:, vertex]
        stopped = (labels == OPEN) | (labels == 3)
        no = ~((place == step) & ~drawn.adjacency[:, :, vertex].any(axis=1))
        yes = ~((labels == 2) & (place == 0))
        return np.stack([no, yes], axis=1) & ~stopped[:, None]


GRAMMAR = Stopping()


def policy(masked: bool = True, seed: int = 0) -> GraphPolicy:
    with drawn_from(np.random.default_rng(seed)):
        return GraphPolicy(GRAMMAR, LABELS, width=8, layers=2, masked=masked)


def everything() -> Iterator[Graph]:
    """Every graph that the grammar allows, by trying all of them."""
    for size in (1, 2, 3):
        for inner in itertools.product((1, 2), repeat=size):
            for bits in itertools.product((0, 1), repeat=size * (size + 1) // 2):
                adjacency = np.zeros((4, 4), dtype=np.uint8)
                adjacency[[s for v in range(1, size + 1) for s in range(v)],
                          [v for v in range(1, size + 1) for s in range(v)]] = bits  # fmt: skip
                read = all(adjacency[:, v].any() for v in range(1, size + 1))
                if inner[0] == 1 and read and not any(adjacency[0, v] for v in range(1, size + 1) if inner[v - 1] == 2):
                    labels = np.array([0, *inner, *([3] if size < 3 else [])])
                    yield Graph(labels, adjacency[: len(labels), : len(labels)])


def same(left: Graph, right: Graph) -> bool:
    return np.array_equal(left.labels, right.labels) and np.array_equal(left.adjacency, right.adjacency)


def test_the_probabilities_of_all_graphs_add_up_to_one() -> None:
    """So masks, forced choices and graphs of fewer vertices are all accounted for."""
    graphs = list(everything())
    judged = policy().judge(retrace(GRAMMAR, graphs, LABELS))
    total = judged.log_probs.sum(dim=1).double().exp().sum()
    assert len(graphs) > 40
    assert total.item() == pytest.approx(1.0, abs=1e-5)


def test_graphs_come_as_often_as_their_probability_says() -> None:
    network, graphs = policy(), list(everything())
    expected = network.judge(retrace(GRAMMAR, graphs, LABELS)).log_probs.sum(dim=1).exp().detach().numpy()
    names = [str(graph) for graph in graphs]
    drawn = [str(graph) for graph in network.draw(20_000, np.random.default_rng(0)).drawn.graphs()]
    assert set(drawn) <= set(names)
    found = np.array([drawn.count(name) for name in names]) / len(drawn)
    assert np.abs(found - expected).max() < 5 * np.sqrt(expected.max() / len(drawn))


def test_what_was_drawn_can_be_retraced() -> None:
    network = policy()
    episodes = network.draw(50, np.random.default_rng(1))
    again = retrace(GRAMMAR, episodes.drawn.graphs(), LABELS)
    for name in ("chosen", "edges", "label_masks", "edge_masks", "illegal"):
        np.testing.assert_array_equal(getattr(again, name), getattr(episodes, name))
    np.testing.assert_array_equal(again.drawn.labels, episodes.drawn.labels)
    torch.testing.assert_close(network.judge(again).log_probs, network.judge(episodes).log_probs)
    assert not episodes.illegal.any() and not episodes.live.all()


def test_a_part_of_the_episodes_is_judged_alike() -> None:
    network, rows = policy(), np.array([4, 1])
    episodes = network.draw(6, np.random.default_rng(1))
    whole, part = network.judge(episodes), network.judge(episodes[rows])
    for name in ("log_probs", "entropies", "values"):
        torch.testing.assert_close(getattr(part, name), getattr(whole, name)[rows])
        assert (getattr(whole, name)[~torch.from_numpy(episodes.live)] == 0).all()


def test_entropy_is_that_of_the_open_choices() -> None:
    network = policy()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    judged = network.judge(retrace(GRAMMAR, list(everything()), LABELS))
    # First a vertex that must be a and must read the input, then three labels alike.
    assert (judged.entropies[:, 0] == 0).all() and (judged.log_probs[:, 0] == 0).all()
    assert judged.entropies[:, 1].min().item() == pytest.approx(np.log(3.0), abs=1e-6)


def test_without_masks_what_is_illegal_is_counted_and_mended() -> None:
    network = policy(masked=False)
    episodes = network.draw(300, np.random.default_rng(0))
    graphs = list(everything())
    assert all(any(same(graph, one) for one in graphs) for graph in episodes.drawn.graphs())
    assert episodes.illegal[:, 0].mean() > 0.5  # three of four labels are illegal, then maybe the edge
    assert (network.judge(episodes).log_probs[:, 0] < 0).all()


def test_a_high_temperature_flattens_and_the_seed_decides() -> None:
    network = policy(seed=3)
    with torch.no_grad():
        network.label_head[-1].bias[1] = 6.0
    shares = [
        (network.draw(500, np.random.default_rng(0), temperature).chosen[:, 1] == 1).mean()
        for temperature in (1.0, 9.0)
    ]
    assert shares[0] > 0.95 > 0.7 > shares[1]
    first, again = (network.draw(5, np.random.default_rng(7)).chosen for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_choices_alone_need_no_decoder_of_edges() -> None:
    space = Categorical({"a": list("xy"), "b": list("xyz")})
    grammar = space.grammar()
    assert most_sources(grammar) == 0
    network = GraphPolicy(grammar, len(space.graph_labels), width=8, layers=1)
    assert not hasattr(network, "gru")
    episodes: Episodes = network.draw(20, np.random.default_rng(0))
    genes = {space.from_graph(graph).genes for graph in episodes.drawn.graphs()}
    assert genes <= set(itertools.product(range(2), range(3)))
    every = [space.to_graph(space.parse(f"a={a}, b={b}")) for a in "xy" for b in "xyz"]
    judged = network.judge(retrace(grammar, every, len(space.graph_labels)))
    assert judged.log_probs.sum(dim=1).exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_what_is_masked_is_never_drawn_however_hot() -> None:
    graphs = list(everything())
    for graph in policy().draw(300, np.random.default_rng(0), temperature=1e12).drawn.graphs():
        assert any(same(graph, one) for one in graphs)


def test_retracing_without_masks_opens_what_was_open() -> None:
    network = policy(masked=False)
    episodes = network.draw(100, np.random.default_rng(0))
    again = retrace(GRAMMAR, episodes.drawn.graphs(), LABELS, masked=False)
    np.testing.assert_array_equal(again.label_masks, episodes.label_masks)
    np.testing.assert_array_equal(again.edge_masks, episodes.edge_masks)
