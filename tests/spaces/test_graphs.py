from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.graphs import OPEN, Chain, FixedGrammar, Graph, HasGrammar, HasGraph, PartialGraph, RowsGrammar
from archloom.spaces.nb201 import Nb201
from archloom.testing.graphs import draw_graphs
from archloom.types import Arch
from archloom.utils import seeds


class Chains:
    """Chains of any number of vertices, each of them a or b: what a space needs to be one of graphs."""

    graph_labels = ("a", "b")

    def to_graph(self, arch: Arch) -> Graph:
        return Graph(np.array(arch.genes, dtype=np.int64), np.eye(len(arch.genes), k=1, dtype=np.uint8))

    def from_graph(self, graph: Graph) -> Arch:
        if not np.array_equal(graph.adjacency, np.eye(len(graph.labels), k=1)):
            raise InputError("expected a chain")
        return Arch(tuple(graph.labels.tolist()))


def test_spaces_of_graphs_are_known_by_what_they_can_do() -> None:
    assert isinstance(Chains(), HasGraph)
    assert not isinstance(Chains(), HasGrammar), "nothing says how to draw them"
    assert isinstance(Nb201(), HasGrammar)
    assert Chains().from_graph(Chains().to_graph(Arch((0, 1, 1)))) == Arch((0, 1, 1))


def test_a_graph_is_fixed() -> None:
    graph = Chains().to_graph(Arch((0, 1)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.labels = np.zeros(2, dtype=np.int64)  # type: ignore[misc]


# -- graphs that are being drawn ----------------------------------------------------------------------------------


def test_copies_of_the_template_are_drawn_apart() -> None:
    template = Graph(np.array([0, OPEN]), np.zeros((2, 2), dtype=np.uint8))
    for count in (1, 3):
        drawn = PartialGraph.begin(template, count)
        assert (drawn.labels.shape, drawn.adjacency.shape) == ((count, 2), (count, 2, 2))
        drawn.labels[0, 1], drawn.adjacency[0, 0, 1] = 4, 1
        assert template.labels.tolist() == [0, OPEN] and not template.adjacency.any()
        assert not drawn.adjacency[1:].any() and (drawn.labels[1:] == template.labels).all()


def test_vertices_that_are_not_there_are_left_out() -> None:
    """Wherever they are; the others keep their edges."""
    labels = np.array([[3, 1, 2, 0], [3, OPEN, 2, 0], [3, 2, OPEN, OPEN]])
    adjacency = np.zeros((3, 4, 4), dtype=np.uint8)
    adjacency[:, 0, 1] = adjacency[:, 0, 2] = adjacency[:, 2, 3] = 1
    whole, gap, short = PartialGraph(labels, adjacency).graphs()
    assert whole.labels.tolist() == [3, 1, 2, 0]
    assert np.argwhere(whole.adjacency).tolist() == [[0, 1], [0, 2], [2, 3]]
    assert gap.labels.tolist() == [3, 2, 0]
    assert np.argwhere(gap.adjacency).tolist() == [[0, 1], [1, 2]]
    assert (short.labels.tolist(), short.adjacency.tolist()) == ([3, 2], [[0, 1], [0, 0]])


def test_a_fixed_grammar_decides_labels_alone() -> None:
    template = Graph(np.array([0, OPEN, 1, OPEN]), np.triu(np.ones((4, 4), dtype=np.uint8), 1))
    grammar = FixedGrammar(template, {1: [2, 4], 3: [3]}, labels=5)
    assert [(step.vertex, step.sources) for step in grammar.steps] == [(1, ()), (3, ())]
    drawn = PartialGraph.begin(template, 2)
    assert grammar.label_mask(drawn, 0).tolist() == [[False, False, True, False, True]] * 2
    assert grammar.label_mask(drawn, 1).tolist() == [[False, False, False, True, False]] * 2
    graphs = draw_graphs(grammar, 5, 30, seeds.stream(0, "test"))
    assert {tuple(graph.labels.tolist()) for graph in graphs} == {(0, 2, 1, 3), (0, 4, 1, 3)}
    assert all((graph.adjacency == template.adjacency).all() for graph in graphs)


# -- choices as a chain -------------------------------------------------------------------------------------------

SMALL = Chain((("conv", "pool"), ("8", "16", "32"), ("no",)), ("op", "width", "skip"))


def test_a_chain_has_a_label_for_every_option_of_every_choice() -> None:
    assert SMALL.labels == ("op=conv", "op=pool", "width=8", "width=16", "width=32", "skip=no")
    graph = SMALL.graph((1, 2, 0))
    assert [SMALL.labels[label] for label in graph.labels] == ["op=pool", "width=32", "skip=no"]
    assert np.argwhere(graph.adjacency).tolist() == [[0, 1], [1, 2]]


def test_every_chain_is_read_back_and_can_be_drawn() -> None:
    every = set(itertools.product(range(2), range(3), range(1)))
    assert {SMALL.genes(SMALL.graph(genes)) for genes in every} == every
    graphs = draw_graphs(SMALL.grammar(), len(SMALL.labels), 200, seeds.stream(0, "test"))
    assert {SMALL.genes(graph) for graph in graphs} == every


def test_graphs_share_nothing() -> None:
    graph = SMALL.graph((0, 0, 0))
    graph.adjacency[:] = 1
    assert SMALL.genes(SMALL.graph((0, 1, 0))) == (0, 1, 0)


@pytest.mark.parametrize(
    ("labels", "edges", "message"),
    [
        ([0, 2], [(0, 1)], r"labels of shape \(2,\) and type int64: expected 3 whole numbers, one for each choice"),
        ([0.0, 2.0, 5.0], [(0, 1), (1, 2)], r"labels of shape \(3,\) and type float64: expected 3 whole numbers"),
        ([[0, 2, 5]], [(0, 1), (1, 2)], r"labels of shape \(1, 3\) and type int64"),
        ([0, 2, 5], [(0, 1)], "expected a chain, with an edge from each vertex to the next and no other"),
        ([0, 2, 5], [(0, 1), (1, 2), (0, 2)], "expected a chain"),
        ([2, 2, 5], [(0, 1), (1, 2)], "vertex 0 has label 2: expected one of 0, 1, the options of its choice"),
        ([0, 1, 5], [(0, 1), (1, 2)], "vertex 1 has label 1: expected one of 2, 3, 4, the options of its choice"),
        ([0, 5, 5], [(0, 1), (1, 2)], "vertex 1 has label 5: expected one of 2, 3, 4, the options of its choice"),
        ([0, 2, OPEN], [(0, 1), (1, 2)], "vertex 2 has label -1: expected one of 5, the"),
    ],
)
def test_another_graph_than_a_chain_is_told(labels: list[float], edges: list[tuple[int, int]], message: str) -> None:
    adjacency = np.zeros((3, 3), dtype=np.uint8)
    adjacency[tuple(zip(*edges, strict=True))] = 1
    with pytest.raises(InputError, match=f"^graph.*{message}"):
        SMALL.genes(Graph(np.array(labels), adjacency))


# -- chains that are rows of a table ------------------------------------------------------------------------------


@st.composite
def tables(draw: st.DrawFn) -> tuple[Chain, NDArray[np.uint8]]:
    """A chain of one to four choices, and some of its combinations in any order, maybe one of them twice."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    every = list(itertools.product(*map(range, sizes)))
    rows = draw(st.lists(st.sampled_from(every), min_size=1, max_size=12))
    return Chain([list(map(str, range(size))) for size in sizes], [f"c{i}" for i in range(len(sizes))]), np.array(
        rows, dtype=np.uint8
    )


def every_draw(grammar: RowsGrammar, chain: Chain) -> list[tuple[int, ...]]:
    """All that legal decisions lead to."""
    drawn = PartialGraph.begin(grammar.template, 1)
    for at, step in enumerate(grammar.steps):
        rows, labels = np.nonzero(grammar.label_mask(drawn, at))
        drawn = PartialGraph(drawn.labels[rows], drawn.adjacency[rows])
        drawn.labels[:, step.vertex] = labels
    return [chain.genes(graph) for graph in drawn.graphs()]


@given(tables())
@settings(max_examples=60)
def test_decisions_end_in_rows_and_every_row_can_be_drawn(table: tuple[Chain, NDArray[np.uint8]]) -> None:
    chain, rows = table
    found = every_draw(RowsGrammar(chain, rows), chain)
    assert sorted(found) == sorted(set(map(tuple, rows.tolist())))


@given(tables(), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_random_decisions_never_get_stuck(table: tuple[Chain, NDArray[np.uint8]], seed: int) -> None:
    chain, rows = table
    graphs = draw_graphs(RowsGrammar(chain, rows), len(chain.labels), 20, np.random.default_rng(seed))
    assert {chain.genes(graph) for graph in graphs} <= set(map(tuple, rows.tolist()))


@given(tables())
@settings(max_examples=30)
def test_what_is_legal_is_what_some_row_goes_on_with(table: tuple[Chain, NDArray[np.uint8]]) -> None:
    """After each row's first choices, one batch of all rows: rows with other first choices have no say."""
    chain, rows = table
    grammar = RowsGrammar(chain, rows)
    drawn = PartialGraph.begin(grammar.template, len(rows))
    for step in range(len(grammar.steps)):
        mask = grammar.label_mask(drawn, step)
        for row, genes in enumerate(rows.tolist()):
            after = {other[step] for other in rows.tolist() if other[:step] == genes[:step]}
            assert np.flatnonzero(mask[row]).tolist() == sorted(int(chain.options[step][gene]) for gene in after)
        drawn.labels[:, step] = chain.options[step][rows[:, step]]


def test_grammars_without_edges_to_decide_say_so() -> None:
    for grammar in (SMALL.grammar(), RowsGrammar(SMALL, np.zeros((1, 3), dtype=np.uint8))):
        with pytest.raises(IndexError, match="no edge to decide"):
            grammar.edge_mask(PartialGraph.begin(grammar.template, 1), 0, 0)
