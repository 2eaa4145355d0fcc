"""How an architecture looks as a graph: what a space gives to whoever draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from archloom.types import Arch


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """An arrow from one node to a later one. `absent` edges are there in the space and carry nothing in this cell."""

    source: int
    target: int
    label: str = ""
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A directed acyclic graph: the nodes' labels in topological order, and the edges between them."""

    nodes: tuple[str, ...]
    edges: tuple[DrawnEdge, ...]

    def __post_init__(self) -> None:
        for edge in self.edges:
            if not 0 <= edge.source < edge.target < len(self.nodes):
                raise ValueError(
                    f"edge {edge.source}->{edge.target}: expected 0 <= source < target < {len(self.nodes)}; "
                    "give the nodes in topological order"
                )


@runtime_checkable
class Drawable(Protocol):
    """A space whose architectures can be drawn as graphs."""

    def drawing(self, arch: Arch) -> Drawing: ...


@runtime_checkable
class HasChoices(Protocol):
    """A space whose architectures are named choices, as `Categorical` ones are."""

    def choices(self, arch: Arch) -> dict[str, object]: ...
