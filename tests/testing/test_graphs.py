"""The contract of graphs catches who breaks it: every offender below breaks one promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.spaces.graphs import OPEN, Bools, ConstructionStep, FixedGrammar, Graph, GraphGrammar, PartialGraph
from archloom.testing import PlantedSpace, check_space
from archloom.testing.graphs import draw_graphs
from archloom.types import Arch
from archloom.utils import seeds

BEGIN, NODE, END = range(3)
PAIRS = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


class NodesGrammar:
    """The vertices after the first: nodes, each with an edge into it, and then the end, which has none."""

    def __init__(self, vertices: int = 5) -> None:
        self.template = Graph(np.array([BEGIN] + [OPEN] * (vertices - 1)), np.zeros((vertices, vertices), np.uint8))
        self.steps: Sequence[ConstructionStep] = tuple(
            ConstructionStep(vertex, tuple(range(vertex))) for vertex in range(1, vertices)
        )

    def label_mask(self, partial_graph: PartialGraph, step: int) -> Bools:
        mask = np.zeros((len(partial_graph.labels), 3), dtype=bool)
        mask[:, END] = True
        mask[:, NODE] = step < len(self.steps) - 1
        mask[(partial_graph.labels == END).any(axis=1)] = False
        return mask

    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        labels, into = partial_graph.labels[:, step + 1], partial_graph.adjacency[:, :, step + 1].any(axis=1)
        absent = (labels == END) | (labels == NODE) & (into | (place < step))
        return np.stack([absent, labels == NODE], axis=1)


class Nodes(Categorical):
    """Up to three nodes after the first vertex, each with an edge from one before; a space whose graphs differ in all.

    Its genes are the edges. Where a node has none into it, it and what comes later is not there.
    """

    name = "nodes"
    graph_labels = ("begin", "node", "end")
    growth_kind: type[NodesGrammar] = NodesGrammar

    def __init__(self) -> None:
        super().__init__({f"{x}->{y}": ("no", "yes") for x, y in PAIRS})

    def canonical(self, arch: Arch) -> Arch:
        counted = self.nodes(arch)
        return Arch(tuple(gene if y <= counted else 0 for (_, y), gene in zip(PAIRS, arch.genes, strict=True)))

    @property
    def size(self) -> int:
        """Of 0 to 3 nodes, each of which has one of 1, 3, 7 sets of edges into it."""
        return 1 + 1 + 1 * 3 + 1 * 3 * 7

    @staticmethod
    def nodes(arch: Arch) -> int:
        into = [any(arch.genes[edge] for edge, (_, y) in enumerate(PAIRS) if y == node) for node in (1, 2, 3)]
        return [*into, False].index(False)

    def to_graph(self, arch: Arch) -> Graph:
        v = self.nodes(arch) + 2
        adjacency = np.zeros((5, 5), dtype=np.uint8)
        for (x, y), gene in zip(PAIRS, self.canonical(arch).genes, strict=True):
            adjacency[x, y] = gene
        return Graph(np.array([BEGIN, *[NODE] * (v - 2), END]), adjacency[:v, :v])

    def from_graph(self, graph: Graph) -> Arch:
        v = len(graph.labels)
        if graph.labels.tolist() != [BEGIN, *[NODE] * (v - 2), END] or v > 5:
            raise InputError("graph: expected the begin, up to three nodes, and the end")
        if graph.adjacency.any(axis=0).tolist() != [False, *[True] * (v - 2), False]:
            raise InputError("graph: expected edges into all nodes, and into nothing else")
        return Arch(tuple(int(graph.adjacency[x, y]) if y < v else 0 for x, y in PAIRS))

    def grammar(self) -> GraphGrammar:
        return self.growth_kind()


def test_a_space_of_graphs_of_all_sizes_keeps_the_contract() -> None:
    check_space(Nodes)


def test_random_graphs_are_everything_there_is() -> None:
    graphs = draw_graphs(NodesGrammar(), 3, 1_000, seeds.stream(0, "test"))
    assert len({Nodes().from_graph(graph) for graph in graphs}) == Nodes().size


# -- graphs that are none -----------------------------------------------------------------------------------------


class FloatLabels(PlantedSpace):
    def to_graph(self, arch: Arch) -> Graph:
        graph = super().to_graph(arch)
        return Graph(graph.labels + 0.0, graph.adjacency)


class WideAdjacency(PlantedSpace):
    def to_graph(self, arch: Arch) -> Graph:
        graph = super().to_graph(arch)
        return Graph(graph.labels, np.pad(graph.adjacency, 1))


class MoreLabels(PlantedSpace):
    @property
    def graph_labels(self) -> tuple[str, ...]:
        return super().graph_labels[:-4]


class Backwards(PlantedSpace):
    def to_graph(self, arch: Arch) -> Graph:
        graph = super().to_graph(arch)
        return Graph(graph.labels, graph.adjacency.T.copy())


class Weighted(PlantedSpace):
    def to_graph(self, arch: Arch) -> Graph:
        graph = super().to_graph(arch)
        return Graph(graph.labels, 2 * graph.adjacency)


class Forgetful(PlantedSpace):
    def from_graph(self, graph: Graph) -> Arch:
        return Arch((0, *super().from_graph(graph).genes[1:]))


class RefusesItsOwn(PlantedSpace):
    def from_graph(self, graph: Graph) -> Arch:
        raise InputError("no graphs, please")


class NumpyGenes(PlantedSpace):
    def from_graph(self, graph: Graph) -> Arch:
        return Arch(tuple(np.array(super().from_graph(graph).genes)))


class Gullible(PlantedSpace):
    def from_graph(self, graph: Graph) -> Arch:
        low = np.arange(0, 32, 4)
        return super().from_graph(Graph(np.clip(graph.labels, low, low + 3), graph.adjacency))


class Rude(PlantedSpace):
    def from_graph(self, graph: Graph) -> Arch:
        names = [self.graph_labels[label] for label in graph.labels]
        return self.parse(", ".join(names))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (FloatLabels, r"the graph of .*: labels are float64 of shape \(8,\)"),
        (WideAdjacency, r"adjacency is uint8 of shape \(10, 10\): expected uint8 \(8, 8\)"),
        (MoreLabels, r"has labels \[\d+\]: graph_labels has 28"),
        (Backwards, r"has edges \[\[1, 0\], .* that do not lead from a vertex to a later one"),
        (Weighted, "adjacency holds 2, expected zeros and ones"),
        (Forgetful, r"from_graph\(to_graph\) of .* is .*, which is another"),
        (RefusesItsOwn, "from_graph refuses the graph of .*: no graphs, please"),
        (NumpyGenes, "from_graph: genes of .* are not plain numbers"),
        (Gullible, "from_graph takes label -1 at vertex 0, with 32 labels"),
        (Rude, "from_graph raised IndexError instead of InputError"),
    ],
)
def test_offending_graphs_are_caught(kind: type[PlantedSpace], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_space(kind)


# -- grammars that lead nowhere ------------------------------------------------------------------------------------


class UnreachedGrammar(NodesGrammar):
    """A node may have no edge into it."""

    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        there = partial_graph.labels[:, step + 1] != OPEN
        return np.stack([there, there & (partial_graph.labels[:, step + 1] == NODE)], axis=1)


class StuckGrammar(NodesGrammar):
    """Edges from the last vertex before a node cannot be, even where there is no other."""

    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        mask = super().edge_mask(partial_graph, step, place)
        mask[:, 1] &= place < step
        return mask


class NarrowGrammar(NodesGrammar):
    """No edge from 0 to 2."""

    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        mask = super().edge_mask(partial_graph, step, place)
        mask[:, 1] &= (step, place) != (1, 0)
        return mask


class LargeGrammar(NodesGrammar):
    """At least one node."""

    def label_mask(self, partial_graph: PartialGraph, step: int) -> Bools:
        mask = super().label_mask(partial_graph, step)
        mask[:, END] &= step > 0
        return mask


class SmallGrammar(NodesGrammar):
    def __init__(self) -> None:
        super().__init__(4)


class EndlessGrammar(NodesGrammar):
    """The last vertex is an end, whatever came before."""

    def label_mask(self, partial_graph: PartialGraph, step: int) -> Bools:
        mask = super().label_mask(partial_graph, step)
        mask[:, END] |= step == len(self.steps) - 1
        return mask


class GhostlyGrammar(NodesGrammar):
    """Edges into what is not there."""

    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        mask = super().edge_mask(partial_graph, step, place)
        mask[:, 0] |= partial_graph.labels[:, step + 1] == OPEN
        return mask


class MeddlingGrammar(NodesGrammar):
    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        mask = super().edge_mask(partial_graph, step, place)
        partial_graph.adjacency[:, 0, step + 1] = 1
        return mask


class HastyGrammar(NodesGrammar):
    """It writes the label itself."""

    def label_mask(self, partial_graph: PartialGraph, step: int) -> Bools:
        mask = super().label_mask(partial_graph, step)
        partial_graph.labels[:, step + 1] = END
        return mask


class OneMask(NodesGrammar):
    """One mask for all graphs."""

    def label_mask(self, partial_graph: PartialGraph, step: int) -> Bools:
        return super().label_mask(partial_graph, step)[0]


class NumberMask(NodesGrammar):
    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Any:
        return super().edge_mask(partial_graph, step, place).astype(np.int64)


class SkippingGrammar(NodesGrammar):
    def __init__(self) -> None:
        super().__init__()
        self.steps = (*self.steps[:1], *self.steps[2:])


class TurnedGrammar(NodesGrammar):
    def __init__(self) -> None:
        super().__init__()
        self.steps = self.steps[::-1]


class FromLaterGrammar(NodesGrammar):
    def __init__(self) -> None:
        super().__init__()
        self.steps = (ConstructionStep(1, (0, 2)), *self.steps[1:])


class StrangeTemplate(NodesGrammar):
    def __init__(self) -> None:
        super().__init__()
        self.template.labels[0] = 3


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            UnreachedGrammar,
            r"from_graph refuses what legal decisions led to, labels \[0, .*: graph: expected edges into",
        ),
        (StuckGrammar, "edge_mask at step 0, place 0: the edge may be neither absent nor there"),
        (NarrowGrammar, r"the graph of .* cannot be drawn: the edge 0->2 being there is not legal"),
        (LargeGrammar, "the graph of .* cannot be drawn: label 2 of vertex 1 is not legal"),
        (SmallGrammar, "the graph of .* has 5 vertices: at most 4 are drawn"),
        (EndlessGrammar, "at step 3 there is more to decide of a graph that was finished before"),
        (GhostlyGrammar, "edge_mask at step 1, place 0: something to decide of a vertex that is not there"),
        (MeddlingGrammar, "edge_mask at step 0, place 0 changed the partial graph"),
        (HastyGrammar, "label_mask at step 0 changed the partial graph"),
        (OneMask, r"label_mask at step 0 is bool of shape \(3,\): expected bool \(50, 3\)"),
        (NumberMask, r"edge_mask at step 0, place 0 is int64 of shape \(50, 2\): expected bool \(50, 2\)"),
        (SkippingGrammar, r"the steps draw the vertices \[1, 3, 4\], but those open are \[1, 2, 3, 4\]"),
        (TurnedGrammar, r"the steps draw the vertices \[4, 3, 2, 1\], but those open are"),
        (FromLaterGrammar, r"vertex 1 has the sources \(0, 2\): expected vertices before it, each once"),
        (StrangeTemplate, r"the template has labels \[3\]: graph_labels has 3"),
    ],
)
def test_an_offending_grammar_is_caught(
    kind: type[NodesGrammar], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Nodes, "growth_kind", kind)
    with pytest.raises(AssertionError, match=message):
        check_space(Nodes)


class EdgesForgotten(PlantedSpace):
    """It does not look at edges, and its growth draws none."""

    def from_graph(self, graph: Graph) -> Arch:
        return super().from_graph(Graph(graph.labels, np.eye(8, k=1, dtype=np.uint8)))

    def grammar(self) -> GraphGrammar:
        template = Graph(np.full(8, OPEN), np.zeros((8, 8), dtype=np.uint8))
        return FixedGrammar(template, {gene: range(4 * gene, 4 * gene + 4) for gene in range(8)}, 32)


class Restless(PlantedSpace):
    """Every second growth has its first choice made."""

    def grammar(self) -> GraphGrammar:
        self.turned = not getattr(self, "turned", False)
        grammar = super().grammar()
        template = Graph(grammar.template.labels.copy(), grammar.template.adjacency)
        template.labels[0] = OPEN if self.turned else 0
        return FixedGrammar(template, {v: range(4 * v, 4 * v + 4) for v in range(1 - self.turned, 8)}, 32)


class FifthOption(PlantedSpace):
    """Its growth draws an option of the last choice that there is not."""

    @property
    def graph_labels(self) -> tuple[str, ...]:
        return (*super().graph_labels, "gene7=e")

    def from_graph(self, graph: Graph) -> Arch:
        if graph.labels[-1] != 32:
            return super().from_graph(graph)
        known = Graph(graph.labels - np.array([0] * 7 + [4]), graph.adjacency)
        return Arch((*super().from_graph(known).genes[:7], 4))

    def grammar(self) -> GraphGrammar:
        template = super().grammar().template
        options = {v: range(4 * v, 4 * v + 4 + (v == 7)) for v in range(8)}
        return FixedGrammar(template, options, 33)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (EdgesForgotten, "the graph of .* cannot be drawn: its own decisions lead to another graph"),
        (Restless, r"grammar\(\) differs at the second call"),
        (FifthOption, r"Arch\(genes=\(.*, 4\)\), which was drawn, cannot be formatted and parsed again"),
    ],
)
def test_a_grammar_that_does_not_fit_its_space_is_caught(kind: type[PlantedSpace], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_space(kind)
