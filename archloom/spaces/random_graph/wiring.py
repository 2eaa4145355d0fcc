"""Random graphs as wirings: Watts-Strogatz and Erdős-Rényi graphs, made connected, directed from low to high numbers.

The algorithms are those of networkx (`connected_watts_strogatz_graph`, `gnp_random_graph`), draw for draw; they are
our own so that a graph is the same with every version of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Protocol

from archloom.spaces.random_graph.streams import Stream

ATTEMPTS = 30
"""How often a graph is drawn before its components are joined."""
TRIES = 200
"""How many Watts-Strogatz graphs an attempt draws until one is connected."""

Adjacency = list[set[int]]
"""For each node of an undirected graph the nodes beside it."""


class Model(Protocol):
    """A distribution of undirected graphs."""

    @property
    def nodes(self) -> int: ...

    def draw(self, stream: Stream) -> Adjacency: ...


@dataclass(frozen=True, slots=True)
class WattsStrogatz:
    """A ring of `nodes` nodes, each joined to the `neighbours` // 2 nearest on both sides; then every edge's far end
    moves with the probability `rewiring` to a random node (Watts & Strogatz 1998).

    So an odd number of neighbours acts as the even number below it. More than `nodes` - 1 act as `nodes` - 1.
    """

    nodes: int
    neighbours: int
    rewiring: float

    def draw(self, stream: Stream) -> Adjacency:
        """The first of at most `TRIES` graphs that is connected, else the last."""
        reach = min(self.neighbours, self.nodes - 1) // 2
        graph = self._draw(reach, stream)
        for _ in range(TRIES - 1 if reach else 0):  # without edges all are alike
            if len(components(graph)) == 1:
                break
            graph = self._draw(reach, stream)
        return graph

    def _draw(self, reach: int, stream: Stream) -> Adjacency:
        n = self.nodes
        graph: Adjacency = [
            {(node + way * step) % n for step in range(1, reach + 1) for way in (-1, 1)} for node in range(n)
        ]
        for step in range(1, reach + 1):
            for node in range(n):
                if stream.random() < self.rewiring:
                    _rewire(graph, node, (node + step) % n, stream)
        return graph


def _rewire(graph: Adjacency, node: int, end: int, stream: Stream) -> None:
    """Move the end of an edge to a random node that is not beside `node` yet; a node beside all others keeps it."""
    n = len(graph)
    other = stream.below(n)
    while other == node or other in graph[node]:
        other = stream.below(n)
        if len(graph[node]) >= n - 1:
            return
    graph[node].remove(end)
    graph[end].remove(node)
    graph[node].add(other)
    graph[other].add(node)


@dataclass(frozen=True, slots=True)
class ErdosRenyi:
    """Every pair of nodes is an edge with the probability `edge` (Gilbert 1959)."""

    nodes: int
    edge: float

    def draw(self, stream: Stream) -> Adjacency:
        graph: Adjacency = [set() for _ in range(self.nodes)]
        for low, high in combinations(range(self.nodes), 2):
            if stream.random() < self.edge:
                graph[low].add(high)
                graph[high].add(low)
        return graph


@dataclass(frozen=True, slots=True)
class Path:
    """Nodes one after the other; nothing is random."""

    nodes: int

    def draw(self, stream: Stream) -> Adjacency:
        return [{near for near in (node - 1, node + 1) if 0 <= near < self.nodes} for node in range(self.nodes)]


def components(graph: Adjacency) -> list[int]:
    """The lowest node of every connected component, ascending."""
    seen, lowest = set[int](), []
    for node in range(len(graph)):
        if node in seen:
            continue
        lowest.append(node)
        seen.add(node)
        open_nodes = [node]
        while open_nodes:
            new = graph[open_nodes.pop()] - seen
            seen |= new
            open_nodes += new
    return lowest


@dataclass(frozen=True)
class Wiring:
    """A directed acyclic graph. Edges go from the lower to the higher of two nodes, and are sorted.

    `joined`: the edges that were added because the graph was not connected.
    """

    nodes: int
    edges: tuple[tuple[int, int], ...]
    joined: tuple[tuple[int, int], ...] = ()

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """The nodes that no edge leads to."""
        return self._without(1)

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """The nodes that no edge leaves."""
        return self._without(0)

    def _without(self, end: int) -> tuple[int, ...]:
        taken = {edge[end] for edge in self.edges}
        return tuple(node for node in range(self.nodes) if node not in taken)

    @cached_property
    def sources(self) -> Sequence[Sequence[int]]:
        """For each node those that edges to it come from, ascending."""
        found: list[list[int]] = [[] for _ in range(self.nodes)]
        for low, high in self.edges:
            found[high].append(low)
        return found


def wire(model: Model, label: str) -> Wiring:
    """The graph that follows from a model and a label.

    It is drawn at most `ATTEMPTS` times, until it is connected. If none is, the first with the fewest components is
    taken, and the lowest node of each component, but for the one with node 0, is joined to the node numbered one below
    it. That node is always in a component with a lower lowest node, so the graph is connected then, and every edge is
    needed.
    """
    fewest, found = [0] * (model.nodes + 1), list[set[int]]()
    for attempt in range(ATTEMPTS):
        graph = model.draw(Stream(f"{label}/{attempt}"))
        lowest = components(graph)
        if len(lowest) < len(fewest):
            fewest, found = lowest, graph
        if len(lowest) == 1:
            break
    joined = tuple((node - 1, node) for node in fewest[1:])
    edges = [(low, high) for low, beside in enumerate(found) for high in beside if low < high]
    return Wiring(model.nodes, tuple(sorted([*edges, *joined])), joined)
