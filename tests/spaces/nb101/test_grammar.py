from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="NAS-Bench-101's cells need the extra bench")

from archloom.spaces.graphs import OPEN, Bools, PartialGraph
from archloom.spaces.nb101.cells import all_codes
from archloom.spaces.nb101.codes import (
    ALL_ABSENT,
    LABEL_BITS,
    UNCONNECTED,
    VERTICES,
    Codes,
    allowed_codes,
    canonical_codes,
    inner_vertices,
    pack,
    pruned_codes,
    unpack,
)
from archloom.spaces.nb101.grammar import GRAPH_LABELS, CellGrammar
from archloom.spaces.nb101.space import Nb101
from archloom.testing.graphs import check_grammar, draw_graphs
from archloom.types import Arch
from archloom.utils import seeds

GRAMMAR, SPACE = CellGrammar(), Nb101()
OUTPUT = GRAPH_LABELS.index("output")


@cache
def every_draw(vertices: int, operations: int) -> PartialGraph:
    """All that legal decisions lead to, with at most so many vertices and the first so many operations."""
    drawn = PartialGraph.begin(GRAMMAR.template, 1)
    for at, step in enumerate(GRAMMAR.steps):
        legal = GRAMMAR.label_mask(drawn, at)
        legal[:, 1 + operations : OUTPUT] = False
        legal[:, 1:OUTPUT] &= step.vertex < vertices - 1
        rows, labels = every_choice(legal)
        drawn = PartialGraph(drawn.labels[rows], drawn.adjacency[rows])
        drawn.labels[:, step.vertex] = labels
        for place, source in enumerate(step.sources):
            rows, edges = every_choice(GRAMMAR.edge_mask(drawn, at, place))
            drawn = PartialGraph(drawn.labels[rows], drawn.adjacency[rows])
            drawn.adjacency[:, source, step.vertex] = edges == 1
    return drawn


def every_choice(legal: Bools) -> tuple[np.ndarray, np.ndarray]:
    """The row and the option of everything legal, the option `OPEN` once for rows where nothing is."""
    rows, options = np.nonzero(np.column_stack([~legal.any(axis=1), legal]))
    return rows, options - 1


def codes_of(drawn: PartialGraph) -> Codes:
    """The codes of graphs as they were drawn."""
    return pack(np.array([SPACE.from_graph(graph).genes for graph in drawn.graphs()]))


@pytest.mark.parametrize("vertices", range(2, VERTICES + 1))
def test_exactly_the_matrices_without_a_vertex_to_prune_are_drawn(vertices: int) -> None:
    """Of all matrices of so many vertices with the first operation: each that is allowed, once."""
    labels = ALL_ABSENT >> 2 * (vertices - 2)
    every = np.arange(1 << vertices * (vertices - 1) // 2, dtype=np.uint32) << np.uint32(LABEL_BITS) | np.uint32(labels)
    kept = every[(pruned_codes(every) == every) & (allowed_codes(every) != UNCONNECTED)]
    drawn = every_draw(VERTICES, 1)
    there = (drawn.labels != OPEN).sum(axis=1) == vertices
    found = codes_of(PartialGraph(drawn.labels[there], drawn.adjacency[there]))
    np.testing.assert_array_equal(np.sort(found), kept)


def test_exactly_all_classes_of_small_cells_are_drawn() -> None:
    codes = all_codes()
    small = np.array([inner_vertices(int(code)) <= 3 for code in codes[: 1 << 14]])
    assert not small[-1], "small cells come first"
    found = np.unique(canonical_codes(codes_of(every_draw(5, 3))))
    np.testing.assert_array_equal(found, codes[: 1 << 14][small])


def test_what_is_legal_does_not_depend_on_operations() -> None:
    """So what holds for cells of one operation holds for all; on what was decided before each decision of them."""
    plain = every_draw(VERTICES, 1)
    operations = seeds.stream(0, "test").integers(1, OUTPUT, size=plain.labels.shape)
    mixed = np.where(plain.labels == 1, operations, plain.labels)
    for at, step in enumerate(GRAMMAR.steps):
        before = np.arange(VERTICES) < step.vertex
        edges = plain.adjacency * before
        masks = [GRAMMAR.label_mask(PartialGraph(np.where(before, x, OPEN), edges), at) for x in (plain.labels, mixed)]
        assert (masks[0] == masks[1]).all()
        for place, source in enumerate(step.sources):
            now = np.arange(VERTICES) <= step.vertex
            masks = [
                GRAMMAR.edge_mask(PartialGraph(np.where(now, x, OPEN), edges), at, place) for x in (plain.labels, mixed)
            ]
            assert (masks[0] == masks[1]).all()
            edges[:, source, step.vertex] = plain.adjacency[:, source, step.vertex]


def test_cells_of_all_sizes_can_be_drawn() -> None:
    rng = seeds.stream(0, "test")
    codes = np.sort(rng.choice(all_codes(), size=2_000, replace=False))
    check_grammar(SPACE, [Arch(tuple(genes)) for genes in unpack(codes).tolist()], rng)


def test_random_graphs_are_valid_and_lose_nothing_to_pruning(oracle: Any) -> None:
    graphs = draw_graphs(GRAMMAR, len(GRAPH_LABELS), 400, seeds.stream(0, "test"))
    assert {len(graph.labels) for graph in graphs} == set(range(2, VERTICES + 1))
    for graph in graphs:
        arch = SPACE.from_graph(graph)
        cell = oracle.graph(arch.genes)
        assert oracle.whole(cell)
        assert cell.number_of_edges() <= 9
        assert all(amount <= 0 for amount in SPACE.violations(arch).values())
