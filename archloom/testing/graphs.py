"""What `check_space` asks of spaces of graphs (`HasGraph`, `HasGrammar`), and graphs drawn at random to ask it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.base import is_valid
from archloom.spaces.graphs import OPEN, Bools, Graph, GraphGrammar, PartialGraph
from archloom.types import Arch

_DRAWN = 50
"""How many graphs are drawn at random."""

_Choose = Callable[[Bools, int, int | None], NDArray[np.integer[Any]]]
"""(B,) what is chosen of a mask (B, options), for a vertex: its label, or the edge from a source."""


def check_graph(space: Any, archs: Sequence[Arch]) -> None:
    """Graphs are as `Graph` says, mean the architecture that they were made from, and no other label is taken."""
    for arch in archs:
        for given in (arch, space.canonical(arch)):
            graph = space.to_graph(given)
            _check_form(graph, len(space.graph_labels), f"the graph of {given}")
            back = _read(space, graph)
            assert isinstance(back, Arch), f"from_graph refuses the graph of {given}: {back}"
            assert space.key(back) == space.key(arch), f"from_graph(to_graph) of {given} is {back}, which is another"
    for vertex in range(len(graph.labels)):
        for label in (-1, len(space.graph_labels)):
            labels = graph.labels.copy()
            labels[vertex] = label
            taken = _read(space, Graph(labels, graph.adjacency))
            assert not isinstance(taken, Arch), (
                f"from_graph takes label {label} at vertex {vertex}, with {len(space.graph_labels)} labels"
            )


def check_grammar(space: Any, archs: Sequence[Arch], rng: np.random.Generator) -> None:
    """Legal decisions lead to graphs that the space takes, and to that of every canonical architecture.

    Whether the graphs drawn are valid is not checked: a space may have rules that no mask can tell.
    """
    grammar, labels = space.grammar(), len(space.graph_labels)
    _check_steps(grammar, labels)
    _check_same(grammar, space.grammar())
    found = []
    for graph in draw_graphs(grammar, labels, _DRAWN, rng):
        shown = f"labels {graph.labels.tolist()} and edges {np.argwhere(graph.adjacency).tolist()}"
        _check_form(graph, labels, f"a graph drawn with {shown}")
        arch = _read(space, graph)
        assert isinstance(arch, Arch), f"from_graph refuses what legal decisions led to, {shown}: {arch}"
        assert _written(space, arch) == arch, f"{arch}, which was drawn, cannot be formatted and parsed again"
        found.append(arch)
    _check_drawable(space, grammar, [*archs, *(arch for arch in found if is_valid(space, arch))])


def draw_graphs(grammar: GraphGrammar, labels: int, count: int, rng: np.random.Generator) -> list[Graph]:
    """`count` graphs, each decision drawn uniformly from what is legal; AssertionError for unusable masks.

    `labels` is how many labels the space's graphs have.
    """

    def choose(legal: Bools, vertex: int, source: int | None) -> NDArray[np.int64]:
        picked: NDArray[np.int64] = (legal * (1.0 - rng.random(legal.shape))).argmax(axis=1)
        return picked

    return _walk(grammar, labels, count, choose).graphs()


def _check_drawable(space: Any, grammar: GraphGrammar, archs: Sequence[Arch]) -> None:
    canonical = [space.canonical(arch) for arch in archs]
    whole = PartialGraph.begin(grammar.template, len(canonical))
    whole.labels[:], whole.adjacency[:] = OPEN, 0
    for row, graph in enumerate(map(space.to_graph, canonical)):
        v = len(graph.labels)
        most = len(grammar.template.labels)
        assert v <= most, f"the graph of {canonical[row]} has {v} vertices: at most {most} are drawn"
        whole.labels[row, :v], whole.adjacency[row, :v, :v] = graph.labels, graph.adjacency

    def choose(legal: Bools, vertex: int, source: int | None) -> NDArray[np.integer[Any]]:
        wanted = whole.labels[:, vertex] if source is None else whole.adjacency[:, source, vertex].astype(np.int64)
        fits = (wanted != OPEN) & legal[np.arange(len(wanted)), wanted]
        for row in np.flatnonzero(legal.any(axis=1) & ~fits).tolist():
            what = f"label {wanted[row]} of vertex {vertex}"
            if source is not None:
                what = f"the edge {source}->{vertex} being {'there' if wanted[row] else 'absent'}"
            raise AssertionError(f"the graph of {canonical[row]} cannot be drawn: {what} is not legal")
        return wanted

    partial_graph = _walk(grammar, len(space.graph_labels), len(canonical), choose)
    same = (partial_graph.labels == whole.labels).all(axis=1) & (partial_graph.adjacency == whole.adjacency).all(
        axis=(1, 2)
    )
    for row in np.flatnonzero(~same).tolist():
        raise AssertionError(f"the graph of {canonical[row]} cannot be drawn: its own decisions lead to another graph")


def _walk(grammar: GraphGrammar, labels: int, count: int, choose: _Choose) -> PartialGraph:
    """Draw `count` graphs by `choose`, and check on the way that there always is something to choose."""
    partial_graph = PartialGraph.begin(grammar.template, count)
    over = np.zeros(count, dtype=bool)
    for at, step in enumerate(grammar.steps):
        legal = _mask(partial(grammar.label_mask, partial_graph, at), partial_graph, labels, f"label_mask at step {at}")
        there: Bools = np.asarray(legal.any(axis=1))
        assert not (over & there).any(), f"at step {at} there is more to decide of a graph that was finished before"
        over = ~there
        partial_graph.labels[:, step.vertex] = np.where(there, choose(legal, step.vertex, None), OPEN)
        for place, source in enumerate(step.sources):
            what = f"edge_mask at step {at}, place {place}"
            legal = _mask(partial(grammar.edge_mask, partial_graph, at, place), partial_graph, 2, what)
            stuck = there & ~legal.any(axis=1)
            assert not stuck.any(), f"{what}: the edge may be neither absent nor there"
            assert not legal[over].any(), f"{what}: something to decide of a vertex that is not there"
            partial_graph.adjacency[:, source, step.vertex] = np.where(there, choose(legal, step.vertex, source), 0)
    return partial_graph


def _mask(ask: Callable[[], Bools], partial_graph: PartialGraph, options: int, what: str) -> Bools:
    """The mask that a grammar returns: of the right shape, and without a change to the partial graph."""
    before = partial_graph.labels.copy(), partial_graph.adjacency.copy()
    mask = ask()
    expected = (len(partial_graph.labels), options)
    assert mask.shape == expected and mask.dtype == np.bool_, (
        f"{what} is {mask.dtype} of shape {mask.shape}: expected bool {expected}"
    )
    unchanged = np.array_equal(before[0], partial_graph.labels) and np.array_equal(before[1], partial_graph.adjacency)
    assert unchanged, f"{what} changed the partial graph"
    return mask


def _check_steps(grammar: GraphGrammar, labels: int) -> None:
    """Every open vertex of the template has its step, in order, and reads from vertices before it."""
    template, vertices = grammar.template, [step.vertex for step in grammar.steps]
    _check_form(
        Graph(np.where(template.labels == OPEN, 0, template.labels), template.adjacency), labels, "the template"
    )
    missing = np.flatnonzero(template.labels == OPEN).tolist()
    assert vertices == missing, f"the steps draw the vertices {vertices}, but those open are {missing}"
    for step in grammar.steps:
        assert len(set(step.sources)) == len(step.sources) and set(step.sources) <= set(range(step.vertex)), (
            f"vertex {step.vertex} has the sources {step.sources}: expected vertices before it, each once"
        )


def _check_same(grammar: GraphGrammar, again: GraphGrammar) -> None:
    same = (
        np.array_equal(grammar.template.labels, again.template.labels)
        and np.array_equal(grammar.template.adjacency, again.template.adjacency)
        and tuple(grammar.steps) == tuple(again.steps)
    )
    assert same, "grammar() differs at the second call"


def _check_form(graph: Graph, labels: int, what: str) -> None:
    found, edges = graph.labels, graph.adjacency
    assert found.ndim == 1 and found.dtype == np.int64, f"{what}: labels are {found.dtype} of shape {found.shape}"
    assert edges.shape == (len(found),) * 2 and edges.dtype == np.uint8, (
        f"{what}: adjacency is {edges.dtype} of shape {edges.shape}: expected uint8 {(len(found),) * 2}"
    )
    strange = found[(found < 0) | (found >= labels)].tolist()
    assert not strange, f"{what} has labels {strange}: graph_labels has {labels}"
    assert (edges <= 1).all(), f"{what}: adjacency holds {edges.max()}, expected zeros and ones"
    back = np.argwhere(np.tril(edges)).tolist()
    assert not back, f"{what} has edges {back} that do not lead from a vertex to a later one"


def _read(space: Any, graph: Graph) -> Arch | InputError:
    """What `from_graph` makes of a graph: an architecture, or the error with which it refuses."""
    try:
        arch: Arch = space.from_graph(graph)
    except InputError as error:
        return error
    except Exception as error:
        raise AssertionError(f"from_graph raised {type(error).__name__} instead of InputError: {error}") from error
    assert all(type(gene) in (int, float) for gene in arch.genes), f"from_graph: genes of {arch} are not plain numbers"
    return arch


def _written(space: Any, arch: Arch) -> Arch | None:
    """`arch`, formatted and parsed again; None if that fails."""
    try:
        back: Arch = space.parse(space.format(arch))
    except InputError:
        return None
    return back
