"""Architectures as labelled directed graphs: what graph generators and graph networks work on.

A space shows its architectures as graphs (`HasGraph`) and may say how such a graph is drawn, vertex after vertex
(`HasGrammar`). Decisions that follow from the others (an operation that may only occur here, an edge that must
exist) are part of the grammar, so that whoever draws a graph makes only the open decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.types import Arch

Bools = NDArray[np.bool_]
OPEN = -1
"""The label of a vertex that is not drawn yet, or not there."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A directed acyclic graph, its vertices in topological order.

    `labels` (V,) are indices into the space's `graph_labels`; `adjacency` (V, V) has a one at [source, destination].
    """

    labels: NDArray[np.int64]
    adjacency: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PartialGraph:
    """A batch of graphs that are being drawn: `labels` (B, V), `OPEN` where there is no vertex; `adjacency` (B, V, V).

    Both are changed in place as decisions are made.
    """

    labels: NDArray[np.int64]
    adjacency: NDArray[np.uint8]

    @classmethod
    def begin(cls, template: Graph, count: int) -> PartialGraph:
        """`count` copies of what is there before the first decision."""
        return cls(np.tile(template.labels, (count, 1)), np.tile(template.adjacency, (count, 1, 1)))

    def graphs(self) -> list[Graph]:
        """Each graph without the vertices that are not there."""
        found = []
        for labels, adjacency in zip(self.labels, self.adjacency, strict=True):
            there = np.flatnonzero(labels != OPEN)
            found.append(Graph(labels[there], adjacency[np.ix_(there, there)]))
        return found


@dataclass(frozen=True)
class ConstructionStep:
    """One vertex is drawn: its label, then for each of `sources`, in order, whether it leads to the vertex."""

    vertex: int
    sources: tuple[int, ...] = ()


class GraphGrammar(Protocol):
    """How the graphs of a space are drawn.

    `template` has all V vertices: those that are always the same with their labels, the others `OPEN`, and the edges
    that are always there. Each open vertex has its step, in order. At a step all vertices before the step's are there;
    the last ones may stay `OPEN` (a graph with fewer vertices).
    """

    @property
    def template(self) -> Graph: ...

    @property
    def steps(self) -> Sequence[ConstructionStep]: ...

    def label_mask(self, partial_graph: PartialGraph, step: int) -> Bools:
        """(B, L) which labels the vertex of a step may have; a row of none: nothing more to decide, now or later."""
        ...

    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        """(B, 2) whether the edge from a step's source number `place` may be absent, and whether it may be there.

        The vertex's label and the edges from sources before are in `partial_graph` already. If only one is
        allowed, it is decided; if none is,
        there is no such vertex.
        """
        ...


@runtime_checkable
class HasGraph(Protocol):
    """A space whose architectures are graphs."""

    @property
    def graph_labels(self) -> tuple[str, ...]:
        """What a vertex can be."""
        ...

    def to_graph(self, arch: Arch) -> Graph:
        """The graph of `arch`."""
        ...

    def from_graph(self, graph: Graph) -> Arch:
        """The architecture of a graph; InputError for one that the space cannot hold."""
        ...


@runtime_checkable
class HasGrammar(HasGraph, Protocol):
    """A space whose graphs can be drawn step by step.

    `from_graph` takes every graph that legal decisions lead to, and the graph of every canonical architecture can be
    drawn, exactly. A space may have rules that no mask can tell, such as a budget: what was drawn may be an
    architecture that is not valid, as `violations` says.
    """

    def grammar(self) -> GraphGrammar:
        """How; the same at every call."""
        ...


class FixedGrammar:
    """The grammar of graphs that differ in labels alone: which labels a vertex may have does not depend on the others.

    `options` maps each open vertex of `template` to the labels that it may have, of `labels` in all.
    """

    def __init__(self, template: Graph, options: dict[int, Sequence[int]], labels: int) -> None:
        self.template = template
        self.steps: Sequence[ConstructionStep] = tuple(ConstructionStep(vertex) for vertex in options)
        self._masks = np.zeros((len(options), labels), dtype=bool)
        for mask, allowed in zip(self._masks, options.values(), strict=True):
            mask[list(allowed)] = True

    def label_mask(self, partial_graph: PartialGraph, step: int) -> Bools:
        return np.tile(self._masks[step], (len(partial_graph.labels), 1))

    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        raise IndexError("a graph of fixed edges has no edge to decide")


# -- choices as a chain -------------------------------------------------------------------------------------------


class Chain:
    """Independent choices as a chain of vertices, one a choice: its label is the option that was chosen.

    With `names` an option of one choice is another label than the same string of another choice; without, as for the
    blocks of a network, it is the same.
    """

    def __init__(self, options: Sequence[Sequence[str]], names: Sequence[str] | None = None) -> None:
        strings = [[f"{names[gene]}={text}" if names else text for text in own] for gene, own in enumerate(options)]
        self.labels = tuple(dict.fromkeys(text for own in strings for text in own))
        ids = {text: label for label, text in enumerate(self.labels)}
        self.options = [np.array([ids[text] for text in own]) for own in strings]
        """Of each choice, the labels of its options."""
        self.places = np.full((len(options), len(self.labels)), -1)
        """(choices, L) the option that a label is, -1 if it is not one of that choice."""
        for gene, own in enumerate(self.options):
            self.places[gene, own] = np.arange(len(own))
        self._edges = np.eye(len(options), k=1, dtype=np.uint8)

    def graph(self, genes: Sequence[int]) -> Graph:
        labels = [int(own[gene]) for own, gene in zip(self.options, genes, strict=True)]
        return Graph(np.array(labels, dtype=np.int64), self._edges.copy())

    def genes(self, graph: Graph) -> tuple[int, ...]:
        """The choices of a graph; InputError for any that is not such a chain."""
        labels, adjacency = np.asarray(graph.labels), np.asarray(graph.adjacency)
        if labels.shape != (len(self.options),) or labels.dtype.kind not in "iu":
            raise InputError(
                f"graph with labels of shape {labels.shape} and type {labels.dtype}: expected {len(self.options)} "
                "whole numbers, one for each choice"
            )
        if not np.array_equal(adjacency, self._edges):
            raise InputError("graph: expected a chain, with an edge from each vertex to the next and no other")
        known = (labels >= 0) & (labels < len(self.labels))
        found = np.where(known, self.places[np.arange(len(labels)), np.where(known, labels, 0)], -1)
        for gene in np.flatnonzero(found < 0).tolist():
            raise InputError(
                f"graph: vertex {gene} has label {labels[gene]}: expected one of "
                f"{', '.join(map(str, self.options[gene].tolist()))}, the options of its choice"
            )
        return tuple(found.tolist())

    def grammar(self) -> FixedGrammar:
        """Every combination can be drawn."""
        template = Graph(np.full(len(self.options), OPEN, dtype=np.int64), self._edges)
        return FixedGrammar(template, {gene: own.tolist() for gene, own in enumerate(self.options)}, len(self.labels))


class RowsGrammar:
    """The grammar of chains that are `rows` (n, choices) of a table: a label that no row has next is not legal."""

    def __init__(self, chain: Chain, rows: NDArray[np.integer[Any]]) -> None:
        whole = chain.grammar()
        self.template, self.steps = whole.template, whole.steps
        self._chain = chain
        # A trie: `_next[gene]` (prefixes, options) is the number of the longer prefix, -1 where no row has it.
        self._next: list[NDArray[np.int64]] = []
        prefixes = np.zeros(len(rows), dtype=np.int64)
        for gene, own in enumerate(chain.options):
            codes, longer = np.unique(prefixes * len(own) + rows[:, gene], return_inverse=True)
            table = np.full((int(prefixes.max()) + 1) * len(own), -1, dtype=np.int64)
            table[codes] = np.arange(len(codes))
            self._next.append(table.reshape(-1, len(own)))
            prefixes = longer

    def label_mask(self, partial_graph: PartialGraph, step: int) -> Bools:
        prefixes = np.zeros(len(partial_graph.labels), dtype=np.int64)
        for gene in range(step):
            prefixes = self._next[gene][prefixes, self._chain.places[gene, partial_graph.labels[:, gene]]]
        mask = np.zeros((len(prefixes), len(self._chain.labels)), dtype=bool)
        mask[:, self._chain.options[step]] = self._next[step][prefixes] >= 0
        return mask

    def edge_mask(self, partial_graph: PartialGraph, step: int, place: int) -> Bools:
        raise IndexError("a chain has no edge to decide")
