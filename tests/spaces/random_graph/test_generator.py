from __future__ import annotations

from collections import Counter

import pytest

from archloom.spaces.random_graph.generator import Generator, Weights
from archloom.spaces.random_graph.plan import AREAS, CONVOLUTIONS, MERGES, Graph
from archloom.spaces.random_graph.wiring import ErdosRenyi, WattsStrogatz

SUM: Weights = {"sum": 1.0}
CONV: Weights = {"conv3x3": 1.0}


def generator(merges: Weights = SUM, operations: Weights = CONV, mid: int = 3) -> Generator:
    return Generator(WattsStrogatz(5, 4, 0.5), ErdosRenyi(mid, 0.6), (WattsStrogatz(6, 2, 0.75),), merges, operations)


def graphs(graph: Graph) -> dict[tuple[int, ...], tuple[tuple[int, int], ...]]:
    return {place: each.wiring.edges for place, each in graph.walk()}


def test_networks_of_a_seed_are_these_for_ever() -> None:
    drawn = graphs(generator().draw(7))
    assert drawn[()] == ((0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4))
    assert drawn[(0,)] == ((0, 1), (0, 2), (1, 2))
    assert drawn[(4, 2)] == ((0, 1), (0, 3), (1, 3), (1, 5), (2, 5), (4, 5))


def test_every_graph_is_drawn_on_its_own() -> None:
    drawn = graphs(generator().draw(0))
    assert Counter(map(len, drawn)) == {0: 1, 1: 5, 2: 15}
    assert len({edges for place, edges in drawn.items() if len(place) == 2}) > 12


def test_a_graph_follows_from_its_place_and_its_model_alone() -> None:
    """Neither the other levels nor merges and operations change it, nor does anything that was drawn before."""
    first = graphs(generator().draw(3))
    other = Generator(WattsStrogatz(5, 4, 0.5), ErdosRenyi(1, 0.1), (WattsStrogatz(6, 2, 0.75),), SUM, CONV)
    shorter = graphs(other.draw(3))
    assert shorter[()] == first[()]
    assert all(shorter[node, 0] == first[node, 0] for node in range(5))
    mixed = generator({"sum": 1.0, "concat": 1.0}, {"conv1x1": 1.0, "avg_pool_3": 1.0}).draw(3)
    assert graphs(mixed) == first


def test_each_top_node_may_have_a_model_of_its_own() -> None:
    bottoms = tuple(WattsStrogatz(nodes, 2, 0.0) for nodes in (3, 4, 5))
    drawn = Generator(WattsStrogatz(3, 2, 0.0), ErdosRenyi(1, 0.0), bottoms, SUM, CONV).draw(0)
    assert [len(graph.children) for place, graph in drawn.walk() if len(place) == 2] == [3, 4, 5]


def test_operations_and_merges_are_drawn_in_proportion() -> None:
    weights = {"conv1x1": 0.5, "conv3x3": 0.25, "conv5x5": 0.0, "avg_pool_3": 0.25, "avg_pool_5": 0.0}
    inner, ends, merged = Counter[str](), Counter[str](), Counter[str]()
    for seed in range(16):
        for _, graph in generator({"sum": 0.25, "concat": 0.75}, weights).draw(seed).walk():
            for node, (child, sources) in enumerate(zip(graph.children, graph.wiring.sources, strict=True)):
                if isinstance(child, str):
                    (ends if node in graph.wiring.outputs else inner)[child] += 1
                if len(sources) > 1:
                    merged[graph.merges[node]] += 1
                else:
                    assert graph.merges[node] == "sum"
    assert set(inner) == {"conv1x1", "conv3x3", "avg_pool_3"}
    assert [inner[name] / inner.total() for name in inner] == pytest.approx([weights[name] for name in inner], abs=0.06)
    assert set(ends) == {"conv1x1", "conv3x3"}
    assert ends["conv1x1"] / ends.total() == pytest.approx(2 / 3, abs=0.09)
    assert merged["concat"] / merged.total() == pytest.approx(0.75, abs=0.07)


def test_weights_of_0_leave_all_equally_likely_and_ends_to_convolutions() -> None:
    nothing = dict.fromkeys(AREAS, 0.0)
    pools = {**nothing, "avg_pool_3": 1.0}
    drawn = [generator(dict.fromkeys(MERGES, 0.0), weights).draw(1) for weights in (nothing, pools)]
    assert set(drawn[0].operations) == set(AREAS)
    assert {merge for _, graph in drawn[0].walk() for merge in graph.merges} == set(MERGES)
    assert set(drawn[1].operations) == {"avg_pool_3", *CONVOLUTIONS}


def test_a_graph_of_one_node_ends_in_a_convolution() -> None:
    single = Generator(
        ErdosRenyi(3, 0.9), ErdosRenyi(2, 0.5), (WattsStrogatz(1, 2, 0.5),), SUM, {"conv1x1": 0, "avg_pool_3": 1}
    )
    assert single.draw(0).operations == ["conv1x1"] * 6
