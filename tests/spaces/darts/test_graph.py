from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.errors import InputError

pytest.importorskip("numba", reason="the DARTS space needs the extra bench")
pytest.importorskip("networkx", reason="the reference is in the extra dev")

import networkx

from archloom.spaces.darts import Darts, canonical, random_genotypes
from archloom.spaces.darts.encoding import FIRST_OPERATION, LABELS
from archloom.spaces.darts.graph import genotype_of_graph, graph_of
from archloom.spaces.darts.space import to_arch
from archloom.spaces.graphs import OPEN, Bools, Graph, GraphGrammar, PartialGraph
from archloom.testing.graphs import check_grammar, draw_graphs

SPACE = Darts()
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int) -> np.ndarray:
    genotype: np.ndarray = random_genotypes(1, np.random.default_rng(seed))[0]
    return genotype


def test_a_cell_written_out() -> None:
    """The operations of node k are vertices 2 + 3k and 3 + 3k of a cell, their sum is 4 + 3k."""
    cell = np.array([[0, 3], [1, 4], [0, 0], [2, 6], [1, 2], [3, 5], [3, 0], [4, 1]])
    graph = graph_of(np.array([cell, cell]))
    names = [SPACE.graph_labels[label] for label in graph.labels]
    assert names[:8] == ["input", "input", "sep_conv_3x3", "sep_conv_5x5", "sum", "max_pool_3x3", "dil_conv_5x5", "sum"]
    assert names[14] == "output"
    assert names[15:] == names[:15]
    edges = [(0, 2), (1, 3), (2, 4), (3, 4), (0, 5), (4, 6), (5, 7), (6, 7), (1, 8), (7, 9), (8, 10), (9, 10)]
    edges += [(7, 11), (10, 12), (11, 13), (12, 13), (4, 14), (7, 14), (10, 14), (13, 14)]
    assert set(map(tuple, np.argwhere(graph.adjacency))) == {
        (start + source, start + target) for start in (0, 15) for source, target in edges
    }


@given(SEEDS)
def test_from_graph_is_the_inverse(seed: int) -> None:
    arch = to_arch(drawn(seed))
    graph = SPACE.to_graph(arch)
    assert SPACE.from_graph(graph) == arch
    assert not np.tril(graph.adjacency).any(), "vertices are in topological order"
    assert graph.labels.shape == (30,) and graph.adjacency.shape == (30, 30)
    whole = networkx.from_numpy_array(graph.adjacency, create_using=networkx.DiGraph)
    assert networkx.number_weakly_connected_components(whole) == 2
    assert whole.number_of_edges() == 40


@given(SEEDS, st.integers(0, 2**8 - 1))
def test_the_operations_of_a_node_stand_in_either_order(seed: int, turns: int) -> None:
    genotype = drawn(seed)
    pairs = genotype.reshape(8, 2, 2).copy()
    order = np.arange(30)
    for node in range(8):
        if turns >> node & 1:
            pairs[node] = pairs[node, ::-1].copy()
            first = 15 * (node // 4) + 2 + 3 * (node % 4)
            order[[first, first + 1]] = first + 1, first
    graph = graph_of(pairs.reshape(2, 8, 2))
    assert (graph.labels == graph_of(genotype).labels).all()
    turned = Graph(graph.labels[order], graph.adjacency[np.ix_(order, order)])
    assert (genotype_of_graph(turned) == canonical(genotype)).all()


def test_any_other_graph_is_told() -> None:
    """Every edge added or taken away, every label changed: the message has one line, and never another architecture."""
    graph = graph_of(drawn(0))
    for source, target in np.ndindex(30, 30):
        adjacency = graph.adjacency.copy()
        adjacency[source, target] ^= 1
        with pytest.raises(InputError, match=r"^graph: (the edge \d+->\d+ is|node \d of the \w+ cell takes)"):
            SPACE.from_graph(Graph(graph.labels, adjacency))
    for vertex in range(30):
        for label in (-1, 10, (int(graph.labels[vertex]) + 3) % 10 if vertex % 15 in (0, 1, 4, 7, 10, 13, 14) else 1):
            labels = graph.labels.copy()
            labels[vertex] = label
            with pytest.raises(InputError, match=r"^graph: (vertex \d+ has label|node \d of the \w+ cell has)"):
                SPACE.from_graph(Graph(labels, graph.adjacency))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda graph: Graph(graph.labels[:15], graph.adjacency[:15, :15]),
            r"labels of shape \(15,\) .*expected \(30,\)",
        ),
        (lambda graph: Graph(graph.labels + 0.5, graph.adjacency), "labels of type float64: expected whole numbers"),
        (lambda graph: Graph(graph.labels, graph.adjacency * 2), r"the edge 0->\d+ is 2: expected 1"),
    ],
)
def test_another_kind_of_graph_is_told(change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SPACE.from_graph(change(graph_of(drawn(0))))


# -- drawn step by step -------------------------------------------------------------------------------------------


def every_draw(grammar: GraphGrammar, legal_labels: Sequence[int], steps: int) -> PartialGraph:
    """All that the first `steps` steps can decide, with these labels; the other steps take the first legal option."""
    drawn = PartialGraph.begin(grammar.template, 1)
    for at, step in enumerate(grammar.steps):
        legal = grammar.label_mask(drawn, at)
        legal[:, [label for label in range(len(LABELS)) if label not in legal_labels]] = False
        rows, labels = choices(legal, every=at < steps)
        drawn = PartialGraph(drawn.labels[rows], drawn.adjacency[rows])
        drawn.labels[:, step.vertex] = labels
        for place, source in enumerate(step.sources):
            rows, edges = choices(grammar.edge_mask(drawn, at, place), every=at < steps)
            drawn = PartialGraph(drawn.labels[rows], drawn.adjacency[rows])
            drawn.adjacency[:, source, step.vertex] = edges
    return drawn


def choices(legal: Bools, every: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows and legal options: all, or the first of each row."""
    assert legal.any(axis=1).all()
    return np.nonzero(legal) if every else (np.arange(len(legal)), legal.argmax(axis=1))


def test_every_choice_of_sources_is_drawn_once() -> None:
    """Node k takes two of 2 + k sources: 1 x 3 x 6 x 10 ways for a cell."""
    drawn = every_draw(SPACE.grammar(), [FIRST_OPERATION], steps=8)
    found = [genotype_of_graph(graph)[0, :, 0].tolist() for graph in drawn.graphs()]
    pairs = [combinations(range(2 + node), 2) for node in range(4)]
    assert sorted(found) == sorted([source for pair in ways for source in pair] for ways in product(*pairs))


def test_every_pair_of_operations_is_drawn_once() -> None:
    drawn = every_draw(SPACE.grammar(), range(len(LABELS)), steps=2)
    found = [tuple(genotype_of_graph(graph)[0, :2, 1].tolist()) for graph in drawn.graphs()]
    assert sorted(found) == list(product(range(7), repeat=2))


def test_random_graphs_are_those_of_canonical_genotypes() -> None:
    """An architecture has one graph, and a graph one way to be drawn: every canonical genotype is drawn in one way."""
    graphs = draw_graphs(SPACE.grammar(), len(LABELS), 200, np.random.default_rng(0))
    for graph in graphs:
        arch = SPACE.from_graph(graph)
        assert SPACE.canonical(arch) == arch
        back = SPACE.to_graph(arch)
        assert (back.labels == graph.labels).all() and (back.adjacency == graph.adjacency).all()
    operations = np.stack([graph.labels for graph in graphs])[:, SPACE.grammar().template.labels == OPEN]
    assert all(set(column) == set(range(FIRST_OPERATION, len(LABELS))) for column in operations.T)


@given(SEEDS)
@settings(max_examples=10)
def test_genotypes_drawn_elsewhere_can_be_drawn(seed: int) -> None:
    genotypes = random_genotypes(20, np.random.default_rng(seed))
    check_grammar(SPACE, [to_arch(genotype) for genotype in genotypes], np.random.default_rng(seed))
