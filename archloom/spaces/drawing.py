"""How architectures look: as a graph, as architecture parameters, as widths and depths; what a space gives to whoever
draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from archloom.types import Arch


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """An arrow from one node to a later one. `absent` edges exist in the space but carry nothing in this cell."""

    source: int
    target: int
    label: str = ""
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A directed acyclic graph: the nodes' labels in topological order, and the edges between them.

    `parts`, where there are several with no edge between them, are named, each by its first node, from 0 on; they are
    drawn one above the other.
    """

    nodes: tuple[str, ...]
    edges: tuple[DrawnEdge, ...]
    parts: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        for edge in self.edges:
            if not 0 <= edge.source < edge.target < len(self.nodes):
                raise ValueError(
                    f"edge {edge.source}->{edge.target}: expected 0 <= source < target < {len(self.nodes)}; "
                    "give the nodes in topological order"
                )
        starts = [start for _, start in self.parts]
        if starts and (starts[0] != 0 or any(a >= b for a, b in pairwise([*starts, len(self.nodes)]))):
            raise ValueError(f"parts {self.parts}: expected the first node of each, from 0 on and ascending")
        if sum(len(part.edges) for part in self.split()) < len(self.edges):
            raise ValueError(f"parts {self.parts}: expected no edge from one to another")

    def split(self) -> list[Drawing]:
        """The parts as drawings of their own; the drawing itself where it has none."""
        if not self.parts:
            return [self]
        starts = [start for _, start in self.parts]
        return [self._between(start, end) for start, end in pairwise([*starts, len(self.nodes)])]

    def _between(self, start: int, end: int) -> Drawing:
        inside = [edge for edge in self.edges if start <= edge.source and edge.target < end]
        edges = (replace(edge, source=edge.source - start, target=edge.target - start) for edge in inside)
        return Drawing(self.nodes[start:end], tuple(edges))


@runtime_checkable
class Drawable(Protocol):
    """A space whose architectures can be drawn as graphs."""

    def drawing(self, arch: Arch) -> Drawing: ...


@dataclass(frozen=True, slots=True)
class NestedGraph:
    """A directed acyclic graph in whose nodes are such graphs or, at the bottom, the names of operations.

    Edges go from lower to higher numbers. `added` are those that the model of the graph did not have.
    """

    edges: tuple[tuple[int, int], ...]
    children: tuple[NestedGraph | str, ...]
    added: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class NestedDrawing:
    """A network as graphs of graphs of graphs of operations: three levels.

    `groups`, `labels`: for each top node the group that it belongs to, which has a colour, and what is written at it.
    `notes`: what is written above all, line by line.
    """

    top: NestedGraph
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...]


@runtime_checkable
class HasNestedDrawing(Protocol):
    """A space whose architectures are drawn level by level."""

    def nested_drawing(self, arch: Arch) -> NestedDrawing: ...


@runtime_checkable
class HasChoices(Protocol):
    """A space whose architectures are named choices, as `Categorical` ones are."""

    def choices(self, arch: Arch) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class AlphaLayout:
    """What the rows and columns of architecture parameters stand for (`spaces.base.HasAlpha`).

    `edges` names the rows, `operations` the columns. `nodes` are the rows with which another node begins, apart from
    the first of a part. `parts`, where there are several (the cells of DARTS), are named, each by its first row, from
    0 on.
    """

    edges: tuple[str, ...]
    operations: tuple[str, ...]
    nodes: tuple[int, ...] = ()
    parts: tuple[tuple[str, int], ...] = ()

    def split(self) -> list[tuple[str, slice]]:
        """Every part with its rows; one without a name if there are no parts."""
        starts = [start for _, start in self.parts] or [0]
        names = [name for name, _ in self.parts] or [""]
        return [(name, slice(a, b)) for name, (a, b) in zip(names, pairwise([*starts, len(self.edges)]), strict=True)]


@runtime_checkable
class HasAlphaLayout(Protocol):
    """A space with architecture parameters whose rows and columns have names."""

    @property
    def alpha_layout(self) -> AlphaLayout: ...


class Topology(NamedTuple):
    """Widths and depths of cells, each (n,)."""

    widths: NDArray[np.floating[Any]]
    depths: NDArray[np.integer[Any]]


@runtime_checkable
class HasTopology(Protocol):
    """A space of cells whose width and depth are known, as Shu et al. (2020) define them."""

    def topology(self, archs: Sequence[Arch]) -> Mapping[str, Topology]:
        """By the name of the cell: widths and depths of every architecture."""
        ...
