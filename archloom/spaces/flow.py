"""The flow through an architecture's graph, in numbers: what is left of it when all that computes nothing is cut.

A label may be a *zero* (it hands on nothing, so no path leads through it), an *identity* (paths lead through it, and it
adds nothing to their length), an *input* or *output* (where paths begin and end) or *silent* (no operation, e.g. a
sum); any other is *counted*. Vertices that are on no path from an input to an output are cut too. Counts, path lengths
and degrees of cells predict their quality well (GRAF, Kadlecová et al. 2024, arXiv 2404.16551).

A space that can draw its architectures gets such statistics by saying which of its labels are which:

    class Cells(Space):
        graph_labels = ("none", "skip", "conv")
        zero_labels = {"none"}
        identity_labels = {"skip"}

        def to_graph(self, arch): ...  # a graphs.Graph
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.graphs import OPEN, Graph
from archloom.types import Arch

if TYPE_CHECKING:
    from archloom.spaces.flow_kernels import Labels


class FlowBatch(NamedTuple):
    """One part of B architectures as graphs of at most V vertices, in topological order.

    `labels` (B, V) are indices into `Flow.labels`, `OPEN` for no vertex; `adjacency` (B, V, V) has a one at
    [source, destination].
    """

    labels: NDArray[np.int64]
    adjacency: NDArray[np.uint8]


@dataclass(frozen=True)
class Flow:
    """What the labels of a space's graphs mean, and which statistics there are.

    Labels that are named in none of the sets are counted. Paths lead from vertices with a label of `inputs` to those
    with one of `outputs`; if there are no such labels, from vertices without predecessors to those without successors.
    `parts` names the graphs that every architecture has (its cells), in order. `chains`: every graph is a chain, of
    which there is its length to tell, and counts of labels, here those of all parts together. `several_inputs`: paths
    begin at different vertices; the share of them that begin at the first is told too.

    `degrees`: so is how many edges leave the inputs and reach the outputs. It is for spaces without codes: a search on
    NAS-Bench-101 depends on it, while one on NAS-Bench-201, where genes say it, needs two queries more with it. More
    statistics, such as the label that is the last on a path, help neither.
    """

    labels: tuple[str, ...]
    zeros: frozenset[str] = frozenset()
    identities: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    parts: tuple[str, ...] = ("",)
    chains: bool = False
    degrees: bool = False
    several_inputs: bool = False

    def __post_init__(self) -> None:
        kinds = (self.zeros, self.identities, self.silent, self.inputs, self.outputs)
        for label in sorted({label for kind in kinds for label in kind}):
            if label not in self.labels:
                raise InputError(f"flow of graphs, label {label!r}: expected one of {', '.join(self.labels)}")
            if sum(label in kind for kind in kinds) > 1:
                raise InputError(
                    f"flow of graphs, label {label!r}: expected in one set of labels at most: zeros, identities, "
                    "silent, inputs or outputs (inputs and outputs are never counted, so they need not be silent)"
                )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the statistics, the columns of `statistics`."""
        if self.chains:
            lengths = (f"{part} length".lstrip() for part in self.parts)
            return (*(f"{self.labels[label]}: count" for label in self._counted), *lengths)
        return tuple(f"{part} {name}".lstrip() for part in self.parts for name, _ in self._columns)

    def statistics(self, batches: Sequence[FlowBatch]) -> NDArray[np.float64]:
        """(B, len(names)) of architectures, given a batch for each part; all 0 for a part without a path.

        InputError for graphs with other labels or shapes.
        """
        from archloom.spaces.flow_kernels import statistics

        parts = [statistics(*self._checked(batch), self._meaning) for batch in batches]
        if self.chains:
            counts = np.sum(parts, axis=0)[:, self._counted]
            return np.concatenate([counts, *(part[:, 3 * len(self.labels) + 1, None] for part in parts)], axis=1)
        columns = [column for _, column in self._columns]
        return np.concatenate([part[:, columns] for part in parts], axis=1)

    def _checked(self, batch: FlowBatch) -> FlowBatch:
        """Compiled code does not look where it reads."""
        labels, adjacency = (
            np.ascontiguousarray(batch.labels, np.int64),
            np.ascontiguousarray(batch.adjacency, np.uint8),
        )
        if labels.ndim != 2 or adjacency.shape != (*labels.shape, labels.shape[1]):
            raise InputError(
                f"graphs with labels {labels.shape} and adjacency {adjacency.shape}: expected (B, V), (B, V, V)"
            )
        if labels.size and not (labels.min() >= OPEN and labels.max() < len(self.labels)):
            raise InputError(
                f"graphs with labels {labels.min()} to {labels.max()}: expected 0 to {len(self.labels) - 1}, "
                f"{OPEN} for no vertex"
            )
        return FlowBatch(labels, adjacency)

    @cached_property
    def _columns(self) -> list[tuple[str, int]]:
        """The statistics of a part: their names, and their columns in what the kernel gives."""
        count = len(self.labels)
        counted = [(label, self.labels[label]) for label in self._counted]
        identities = [(label, text) for label, text in enumerate(self.labels) if text in self.identities]
        return [
            *((f"{text}: live", label) for label, text in sorted(counted + identities)),
            *((f"{text}: most on a path", count + label) for label, text in counted),
            *((f"{text}: mean on a path", 2 * count + label) for label, text in counted),
            ("paths (log2)", 3 * count),
            ("longest path", 3 * count + 1),
            ("shortest path", 3 * count + 2),
            ("mean path", 3 * count + 3),
            ("live edges", 3 * count + 4),
            *([("edges from inputs", 3 * count + 5), ("edges to outputs", 3 * count + 6)] if self.degrees else []),
            *([("share of the first input", 3 * count + 7)] if self.several_inputs else []),
        ]

    @cached_property
    def _counted(self) -> list[int]:
        """The labels that are counted."""
        other = self.zeros | self.identities | self.silent | self.inputs | self.outputs
        return [label for label, text in enumerate(self.labels) if text not in other]

    @cached_property
    def _meaning(self) -> Labels:
        from archloom.spaces.flow_kernels import Labels

        zero, begins, ends = (
            np.array([label in kind for label in self.labels], dtype=bool)
            for kind in (self.zeros, self.inputs, self.outputs)
        )
        place = np.full(len(self.labels), -1, dtype=np.int64)
        place[self._counted] = np.arange(len(self._counted))
        return Labels(zero, begins, ends, place)


@runtime_checkable
class HasFlow(Protocol):
    """A space whose architectures are graphs with a flow."""

    @property
    def flow(self) -> Flow:
        """What their labels mean."""
        ...

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        """A batch of graphs for each part, of canonical architectures."""
        ...


@runtime_checkable
class _Shown(Protocol):
    """A space that shows its architectures as graphs; `HasGraph` reads them too."""

    @property
    def graph_labels(self) -> tuple[str, ...]: ...

    def to_graph(self, arch: Arch) -> Graph: ...


def flow_of(space: Any, degrees: bool = False) -> HasFlow | None:
    """The space itself if it has a flow, or what its graphs and their labels' kinds make one; None without such kinds.

    A space with `graph_labels` and `to_graph` has kinds if it has `zero_labels` or `identity_labels`, and may have
    `silent_labels`, `input_labels` and `output_labels` too: collections of its `graph_labels` (see `Flow`). InputError
    for other labels. `degrees`: whether those are told (see `Flow`).
    """
    if isinstance(space, HasFlow):
        return space
    if isinstance(space, _Shown) and (hasattr(space, "zero_labels") or hasattr(space, "identity_labels")):
        return GraphFlow(space, degrees)
    return None


class GraphFlow:
    """The flow of a space whose architectures are graphs, one at a time."""

    def __init__(self, space: _Shown, degrees: bool) -> None:
        self._space = space
        self.flow = Flow(
            tuple(space.graph_labels),
            zeros=_labels(space, "zero_labels"),
            identities=_labels(space, "identity_labels"),
            silent=_labels(space, "silent_labels"),
            inputs=_labels(space, "input_labels"),
            outputs=_labels(space, "output_labels"),
            degrees=degrees,
        )

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        return [batch_of([_checked_graph(self._space.to_graph(arch)) for arch in archs])]


def _checked_graph(graph: Graph) -> Graph:
    """InputError for what is not in topological order: the statistics would not see its edges."""
    if not isinstance(graph, Graph):
        raise InputError(f"to_graph returned {type(graph).__name__}; expected a graphs.Graph")
    labels, adjacency = np.asarray(graph.labels), np.asarray(graph.adjacency)
    if labels.ndim != 1 or adjacency.shape != 2 * labels.shape:
        raise InputError(f"to_graph: labels {labels.shape} and adjacency {adjacency.shape}; expected (V,) and (V, V)")
    if np.tril(adjacency).any():
        source, target = np.argwhere(np.tril(adjacency))[0].tolist()
        raise InputError(
            f"to_graph: an edge leads from vertex {source} to vertex {target}; expected vertices in topological order, "
            "edges to later ones only"
        )
    return graph


def _labels(space: _Shown, name: str) -> frozenset[str]:
    """The labels that a space's attribute names; InputError for what is no collection of strings."""
    given: Any = getattr(space, name, ())
    if isinstance(given, str) or not isinstance(given, Collection):
        raise InputError(f"{name} of {type(space).__name__} is {given!r}: expected a set of labels, e.g. {{'none'}}")
    return frozenset(given)


def chains(labels: NDArray[np.integer[Any]]) -> FlowBatch:
    """Chains with `labels` (B, V)."""
    count, size = labels.shape
    return FlowBatch(labels.astype(np.int64), np.tile(np.eye(size, k=1, dtype=np.uint8), (count, 1, 1)))


def batch_of(graphs: Sequence[Graph]) -> FlowBatch:
    """Graphs of any sizes as one batch."""
    most = max((len(graph.labels) for graph in graphs), default=0)
    labels = np.full((len(graphs), most), OPEN, dtype=np.int64)
    adjacency = np.zeros((len(graphs), most, most), dtype=np.uint8)
    for row, graph in enumerate(graphs):
        size = len(graph.labels)
        labels[row, :size], adjacency[row, :size, :size] = graph.labels, graph.adjacency
    return FlowBatch(labels, adjacency)
