"""Random graphs against networkx, which gets the same random numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import networkx as nx
import pytest

from archloom.spaces.random_graph.streams import Stream
from archloom.spaces.random_graph.wiring import (
    Adjacency,
    ErdosRenyi,
    Path,
    WattsStrogatz,
    Wiring,
    components,
    wire,
)


class Fed(random.Random):
    """What networkx takes for a generator; the numbers are those of a stream."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(0)
        self._stream = stream

    def random(self) -> float:
        return self._stream.random()

    def choice(self, seq: Sequence[Any]) -> Any:
        return seq[self._stream.below(len(seq))]


def edges(graph: Adjacency) -> set[tuple[int, int]]:
    return {(low, high) for low, beside in enumerate(graph) for high in beside if low < high}


def sorted_edges(graph: Any) -> set[tuple[int, int]]:
    return {(min(edge), max(edge)) for edge in graph.edges}


@pytest.mark.parametrize("nodes", [3, 4, 5, 10, 32])
@pytest.mark.parametrize("neighbours", [2, 3, 4, 5])
@pytest.mark.parametrize("rewiring", [0.0, 0.1, 0.75, 1.0])
def test_watts_strogatz_graphs_are_those_of_networkx(nodes: int, neighbours: int, rewiring: float) -> None:
    for number in range(4):
        label = f"ws{number}"
        ours = WattsStrogatz(nodes, neighbours, rewiring).draw(Stream(label))
        theirs = nx.connected_watts_strogatz_graph(
            nodes, min(neighbours, nodes - 1), rewiring, tries=200, seed=Fed(Stream(label))
        )
        assert edges(ours) == sorted_edges(theirs)


@pytest.mark.parametrize("nodes", [1, 2, 5, 10])
@pytest.mark.parametrize("edge", [0.1, 0.5, 0.9])
def test_erdos_renyi_graphs_are_those_of_networkx(nodes: int, edge: float) -> None:
    for number in range(4):
        ours = ErdosRenyi(nodes, edge).draw(Stream(f"er{number}"))
        theirs = nx.gnp_random_graph(nodes, edge, seed=Fed(Stream(f"er{number}")))
        assert edges(ours) == sorted_edges(theirs)


def test_a_probability_of_0_and_of_1_are_certain() -> None:
    assert edges(ErdosRenyi(5, 0.0).draw(Stream(""))) == set()
    assert edges(ErdosRenyi(5, 1.0).draw(Stream(""))) == {(i, j) for j in range(5) for i in range(j)}


def test_an_odd_number_of_neighbours_acts_as_one_fewer_and_too_many_as_all_others() -> None:
    ring = {(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)}
    assert edges(WattsStrogatz(5, 2, 0.0).draw(Stream(""))) == edges(WattsStrogatz(5, 3, 0.0).draw(Stream(""))) == ring
    everything = {(i, j) for j in range(5) for i in range(j)}
    assert edges(WattsStrogatz(5, 4, 0.9).draw(Stream(""))) == edges(WattsStrogatz(5, 9, 0.9).draw(Stream("")))
    assert edges(WattsStrogatz(5, 9, 0.9).draw(Stream(""))) == everything
    assert edges(WattsStrogatz(4, 4, 0.0).draw(Stream(""))) == {(0, 1), (1, 2), (2, 3), (0, 3)}  # 3, which acts as 2


def test_of_three_nodes_there_is_only_the_triangle() -> None:
    for rewiring in (0.0, 0.5, 1.0):
        assert wire(WattsStrogatz(3, 5, rewiring), "x").edges == ((0, 1), (0, 2), (1, 2))


def test_one_node_is_input_and_output() -> None:
    for model in (WattsStrogatz(1, 2, 0.5), ErdosRenyi(1, 0.1), Path(1)):
        assert wire(model, "x") == Wiring(1, (), ())
        assert wire(model, "x").inputs == wire(model, "x").outputs == (0,)


def test_two_nodes_have_no_watts_strogatz_edge_and_are_joined() -> None:
    wiring = wire(WattsStrogatz(2, 5, 0.9), "x")
    assert wiring == Wiring(2, ((0, 1),), joined=((0, 1),))
    assert (wiring.inputs, wiring.outputs) == ((0,), (1,))
    assert wire(ErdosRenyi(2, 0.9), "x") == Wiring(2, ((0, 1),))


class Fixed:
    """Draws these graphs, one after the other."""

    def __init__(self, nodes: int, *drawn: set[tuple[int, int]]) -> None:
        self.nodes = nodes
        self.drawn = list(drawn)

    def draw(self, stream: Stream) -> Adjacency:
        graph: Adjacency = [set() for _ in range(self.nodes)]
        for low, high in self.drawn.pop(0) if len(self.drawn) > 1 else self.drawn[0]:
            graph[low].add(high)
            graph[high].add(low)
        return graph


def test_edges_go_up_and_inputs_and_outputs_are_the_ends() -> None:
    wiring = wire(Fixed(5, {(0, 2), (1, 2), (2, 3), (2, 4)}), "x")
    assert wiring.edges == ((0, 2), (1, 2), (2, 3), (2, 4))
    assert (wiring.inputs, wiring.outputs) == ((0, 1), (3, 4))
    assert wiring.sources == [[], [], [0, 1], [2], [2]]


def test_the_first_connected_graph_is_taken() -> None:
    assert wire(Fixed(3, {(0, 1)}, {(0, 2), (1, 2)}, {(0, 1), (1, 2)}), "x") == Wiring(3, ((0, 2), (1, 2)))


def test_components_are_joined_by_their_lowest_nodes_in_the_first_graph_with_the_fewest() -> None:
    three, two, also_two = {(1, 4), (2, 3)}, {(0, 4), (1, 3), (2, 3)}, {(0, 1), (2, 3), (3, 4)}
    assert wire(Fixed(5, three, two, also_two, three), "x") == Wiring(5, ((0, 1), *sorted(two)), joined=((0, 1),))
    assert wire(Fixed(5, three), "x") == Wiring(5, ((0, 1), (1, 2), (1, 4), (2, 3)), joined=((0, 1), (1, 2)))


def test_a_graph_without_edges_becomes_a_chain() -> None:
    assert wire(ErdosRenyi(4, 0.0), "x").edges == wire(Path(4), "x").edges == tuple(pairwise(range(4)))
    assert wire(ErdosRenyi(4, 0.0), "x").joined == ((0, 1), (1, 2), (2, 3))


@pytest.mark.parametrize("edge", [0.1, 0.15, 0.3])
def test_joined_graphs_are_connected_and_need_every_new_edge(edge: float) -> None:
    joined = 0
    for number in range(12):
        wiring = wire(ErdosRenyi(10, edge), f"er{number}")
        graph = nx.Graph(wiring.edges)
        graph.add_nodes_from(range(10))
        assert nx.is_connected(graph)
        assert all(low < high for low, high in wiring.edges)
        if wiring.joined:
            graph.remove_edges_from(wiring.joined)
            assert nx.number_connected_components(graph) == 1 + len(wiring.joined)
        joined += bool(wiring.joined)
    assert joined > 6 if edge == 0.1 else joined < 6


def test_graphs_of_a_label_are_these_for_ever() -> None:
    assert wire(WattsStrogatz(6, 4, 0.75), "graph/0/0.0").edges == (
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 5),
        (1, 2),
        (1, 3),
        (1, 4),
        (2, 3),
        (2, 4),
        (3, 4),
        (3, 5),
        (4, 5),
    )
    assert wire(ErdosRenyi(5, 0.5), "graph/0/0").edges == ((0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4))


def test_components() -> None:
    assert components([{2}, {4}, {0}, set(), {1}]) == [0, 1, 3]
