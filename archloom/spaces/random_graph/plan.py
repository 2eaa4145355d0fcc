"""What a network of random graphs is built from, as plain data: graphs in graphs, with the channels of every node."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from archloom.spaces.drawing import NestedGraph
from archloom.spaces.random_graph.wiring import Wiring
from archloom.spaces.sizes import Grid

AREAS: Mapping[str, int] = {
    "conv3x3": 9, "conv5x5": 25, "conv1x1": 1, "conv3x1": 3, "conv1x3": 3, "avg_pool_3": 0, "avg_pool_5": 0,
}  # fmt: skip
"""The operations of nodes, and the weights that each has for one input and one output channel: 0 for pools."""
CONVOLUTIONS = tuple(name for name, area in AREAS.items() if area)
POOLS = tuple(name for name, area in AREAS.items() if not area)
MERGES = ("sum", "concat", "attention")
"""How a node merges several inputs."""
STAGES = 3
_CLOSE = 1e-9
"""How far a number may be from a whole one that it is meant to be."""

Channels = TypeVar("Channels", int, float)
"""Numbers of channels; those relative to a stage's may be no whole ones."""

Place = tuple[int, ...]
"""The way to a graph in the hierarchy: () is the top, (i,) the graph in its node i, (i, j) that in node j of it."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph of a level. `children`: in each node the graph of the level below, or the name of an operation.

    `merges`: how each node merges its inputs; "sum" for those with fewer than two.
    """

    wiring: Wiring
    merges: tuple[str, ...]
    children: tuple[Graph | str, ...]

    def channels(self, c_in: Channels, widths: Sequence[Channels]) -> list[tuple[Channels, Channels]]:
        """For each node the channels of its merged input and of its result, which has `widths` channels.

        An input node gets what the graph gets, `c_in`. A sum and attention have the channels of the last input, that
        with the highest number; concatenation has those of all. A pool keeps what comes in.
        """
        found: list[tuple[Channels, Channels]] = []
        for sources, merge, child, width in zip(self.wiring.sources, self.merges, self.children, widths, strict=True):
            coming = [found[source][1] for source in sources] or [c_in]
            merged = sum(coming[1:], start=coming[0]) if merge == "concat" else coming[-1]
            found.append((merged, merged if child in POOLS else width))
        return found

    def weights(self, c_in: float, widths: Sequence[float]) -> float:
        """The weights of the convolutions of all operations: no biases, normalisations or convolutions of merges."""
        total = 0.0
        for child, (before, after) in zip(self.children, self.channels(c_in, widths), strict=True):
            if isinstance(child, Graph):
                total += child.weights(before, [after] * child.wiring.nodes)
            else:
                total += AREAS[child] * before * after
        return total

    @property
    def literal(self) -> tuple[Any, ...]:
        """(edges, inputs, outputs, merges, children), whole numbers and strings in tuples."""
        children = tuple(child.literal if isinstance(child, Graph) else child for child in self.children)
        wiring = self.wiring
        return wiring.edges, wiring.inputs, wiring.outputs, self.merges, children

    @property
    def drawn(self) -> NestedGraph:
        """The graph as it is drawn."""
        children = tuple(child.drawn if isinstance(child, Graph) else child for child in self.children)
        return NestedGraph(self.wiring.edges, children, self.wiring.joined)

    def walk(self, place: Place = ()) -> Iterator[tuple[Place, Graph]]:
        """This graph and all below it, each with its place: a graph before those in its nodes."""
        yield place, self
        for node, child in enumerate(self.children):
            if isinstance(child, Graph):
                yield from child.walk((*place, node))

    @property
    def operations(self) -> list[str]:
        """The operations of all nodes of the bottom graphs, in order."""
        return [child for _, graph in self.walk() for child in graph.children if isinstance(child, str)]


@dataclass(frozen=True)
class Plan:
    """A network of random graphs: everything about it but its stem's and its head's fixed layers.

    `ratios`: the channels of the three stages, relative to one another, the least 1; what they are multiplied with
    follows from `limit`, the most weights that the operations may have in all.
    """

    graph: Graph
    stages: tuple[int, ...]
    ratios: tuple[float, ...]
    limit: int
    image: Grid
    stem: str

    @cached_property
    def multiplier(self) -> int:
        """floor(sqrt(limit / base)), where base is what the operations weigh with `ratios` as channels; at least 1."""
        base = self.graph.weights(self.ratios[0], [self.ratios[stage] for stage in self.stages])
        return max(1, int(math.sqrt(self.limit / base) + _CLOSE))

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels of each stage."""
        return tuple(max(1, int(ratio * self.multiplier + _CLOSE)) for ratio in self.ratios)

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels of each top node."""
        widths = self.widths
        return tuple(widths[stage] for stage in self.stages)

    @cached_property
    def weights(self) -> int:
        """The weights of the convolutions of all operations."""
        return int(self.graph.weights(self.widths[0], self.channels))

    @property
    def over_limit(self) -> bool:
        """Whether the operations weigh more than the limit even if the multiplier is 1."""
        return self.weights > self.limit

    @property
    def sizes(self) -> tuple[Grid, ...]:
        """The size of the images in each top node: whole, halved, quartered; a fourth of that behind a large stem."""
        smaller = [stage + (2 if self.stem == "large" else 0) for stage in self.stages]
        return tuple(Grid(max(1, self.image.height >> by), max(1, self.image.width >> by)) for by in smaller)

    @property
    def joined(self) -> tuple[Place, ...]:
        """The graphs that were never drawn connected, and whose components were joined."""
        return tuple(place for place, graph in self.graph.walk() if graph.wiring.joined)

    def literal(self) -> dict[str, Any]:
        """The plan as strings and numbers in tuples, which is what the network is built from.

        `graph` is (edges, inputs, outputs, merges, children), of which `children` are such graphs or the names of
        operations. `stages` and `channels` are those of the top nodes.
        """
        return {
            "graph": self.graph.literal,
            "stages": self.stages,
            "channels": self.channels,
            "stem": self.stem,
        }


def stages_of(nodes: int, shares: Sequence[float]) -> tuple[int, ...]:
    """The stage of each top node, where stages are to have these shares of the nodes, in any unit.

    Node i belongs to the first stage at whose end more than i nodes are due. No stage is empty if there are enough.
    """
    if nodes <= STAGES:
        return tuple(range(nodes))
    due = [nodes * sum(shares[: stage + 1]) / sum(shares) for stage in range(STAGES - 1)]
    first = min(max(math.ceil(due[0] - _CLOSE), 1), nodes - 2)
    second = min(max(math.ceil(due[1] - _CLOSE), first + 1), nodes - 1)
    return tuple(0 if node < first else 1 if node < second else 2 for node in range(nodes))
