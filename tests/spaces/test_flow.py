from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.spaces.flow import Flow, FlowBatch, batch_of, flow_of
from archloom.spaces.graphs import OPEN, Graph
from archloom.spaces.nb201 import Nb201
from archloom.types import Arch

LABELS = ("in", "out", "sum", "none", "skip", "conv", "pool")
FLOW = Flow(
    LABELS,
    zeros=frozenset({"none"}),
    identities=frozenset({"skip"}),
    silent=frozenset({"sum"}),
    inputs=frozenset({"in"}),
    outputs=frozenset({"out"}),
    degrees=True,
    several_inputs=True,
)
OPEN_FLOW = Flow(LABELS, frozenset({"none"}), frozenset({"skip"}), frozenset({"sum", "in", "out"}))
"""Paths begin and end where the graph does."""


def graph(labels: str, *edges: tuple[int, int]) -> Graph:
    """Labels by their names, split at blanks."""
    names = labels.split()
    adjacency = np.zeros((len(names), len(names)), dtype=np.uint8)
    for x, y in edges:
        adjacency[x, y] = 1
    return Graph(np.array([LABELS.index(name) for name in names], dtype=np.int64), adjacency)


def told(one: Graph, flow: Flow = FLOW) -> dict[str, float]:
    """The statistics of a graph that are not 0."""
    (row,) = flow.statistics([batch_of([one])])
    return {name: value for name, value in zip(flow.names, row.tolist(), strict=True) if value}


def enumerated(one: Graph, flow: Flow) -> dict[str, float]:
    """The same by walking along every path."""
    names = [flow.labels[label] for label in one.labels.tolist()]
    there = [name not in flow.zeros for name in names]
    edges = {(x, y) for x, y in np.argwhere(one.adjacency).tolist()}
    begins = [x for x, name in enumerate(names) if name in flow.inputs]
    ends = [x for x, name in enumerate(names) if name in flow.outputs]
    if not flow.inputs:
        begins = [y for y in range(len(names)) if not any((x, y) in edges for x in range(y))]
    if not flow.outputs:
        ends = [x for x in range(len(names)) if not any((x, y) in edges for y in range(x, len(names)))]
    paths: list[list[int]] = []

    def walk(path: list[int]) -> None:
        if path[-1] in ends:
            paths.append(path)
        for y in range(path[-1] + 1, len(names)):
            if (path[-1], y) in edges and there[y]:
                walk([*path, y])

    starts = [x for x in begins if there[x]]
    for start in starts:
        walk([start])
    if not paths:
        return {}
    live = {x for path in paths for x in path}
    other = flow.zeros | flow.identities | flow.silent | flow.inputs | flow.outputs
    lengths = [sum(names[x] not in other for x in path) for path in paths]
    found = {
        "paths (log2)": math.log2(len(paths)),
        "longest path": max(lengths),
        "shortest path": min(lengths),
        "mean path": sum(lengths) / len(paths),
        "live edges": sum(x in live and y in live for x, y in edges),
    }
    if flow.degrees:
        found["edges from inputs"] = sum(x in live and y in live and x in starts for x, y in edges)
        found["edges to outputs"] = sum(x in live and y in live and y in ends for x, y in edges)
    if flow.several_inputs:
        begin = min(path[0] for path in paths)
        found["share of the first input"] = sum(path[0] == begin for path in paths) / len(paths)
    for label in set(names) - (other - flow.identities):
        found[f"{label}: live"] = sum(names[x] == label for x in live)
        if label not in flow.identities:
            on_path = [sum(names[x] == label for x in path) for path in paths]
            found[f"{label}: most on a path"] = max(on_path)
            found[f"{label}: mean on a path"] = sum(on_path) / len(paths)
    return {name: value for name, value in found.items() if value}


def random_graphs(count: int, rng: np.random.Generator) -> list[Graph]:
    graphs = []
    for _ in range(count):
        size = int(rng.integers(1, 10))
        labels = rng.integers(0, len(LABELS), size)
        if size > 1 and rng.random() < 0.7:
            labels[0], labels[-1] = 0, 1
        adjacency = np.triu(rng.random((size, size)) < rng.random(), 1).astype(np.uint8)
        graphs.append(Graph(labels, adjacency))
    return graphs


@pytest.mark.parametrize("flow", [FLOW, OPEN_FLOW])
def test_statistics_are_those_of_all_paths_one_by_one(flow: Flow) -> None:
    graphs = random_graphs(400, np.random.default_rng(0))
    rows = flow.statistics([batch_of(graphs)])
    without = 0
    for one, row in zip(graphs, rows, strict=True):
        found = {name: value for name, value in zip(flow.names, row.tolist(), strict=True) if value}
        wanted = enumerated(one, flow)
        without += not wanted
        assert found == pytest.approx(wanted, rel=1e-12)
    assert 20 < without < 380


def test_dead_ends_and_what_a_zero_cuts_off_do_not_count() -> None:
    one = graph(
        "in conv none conv pool skip out", (0, 1), (1, 2), (2, 3), (3, 6), (0, 4), (4, 5), (5, 6), (1, 4), (0, 3)
    )
    assert told(one) == {
        "skip: live": 1.0,
        "conv: live": 2.0,
        "pool: live": 1.0,
        "conv: most on a path": 1.0,
        "pool: most on a path": 1.0,
        "conv: mean on a path": pytest.approx(2 / 3),
        "pool: mean on a path": pytest.approx(2 / 3),
        "paths (log2)": pytest.approx(math.log2(3)),
        "longest path": 2.0,
        "shortest path": 1.0,
        "mean path": pytest.approx(4 / 3),
        "live edges": 7.0,
        "edges from inputs": 3.0,
        "edges to outputs": 2.0,
        "share of the first input": 1.0,
    }


def test_a_graph_without_a_path_has_zeros_and_does_not_disturb_others() -> None:
    cut, whole = graph("in none out", (0, 1), (1, 2)), graph("in conv out", (0, 1), (1, 2))
    rows = FLOW.statistics([batch_of([cut, whole, cut, graph("out")])])
    assert rows[[0, 2, 3]].tolist() == np.zeros((3, rows.shape[1])).tolist()
    assert dict(zip(FLOW.names, rows[1], strict=True))["conv: live"] == 1.0


def test_a_single_vertex_is_a_path() -> None:
    assert told(graph("conv"), OPEN_FLOW) == {
        "conv: live": 1.0,
        "conv: most on a path": 1.0,
        "conv: mean on a path": 1.0,
        "longest path": 1.0,
        "shortest path": 1.0,
        "mean path": 1.0,
    }


def test_the_share_of_paths_from_the_first_input() -> None:
    one = graph("in in conv skip out", (0, 2), (0, 3), (1, 3), (2, 4), (3, 4), (0, 4))
    assert told(one)["share of the first input"] == 0.75


@pytest.mark.parametrize("pairs", [30, 1_500])
def test_more_paths_than_a_float_can_count(pairs: int) -> None:
    """A chain of diamonds: conv and pool side by side, again and again."""
    size = 3 * pairs + 1
    labels = np.full(size, LABELS.index("sum"), dtype=np.int64)
    adjacency = np.zeros((size, size), dtype=np.uint8)
    for pair in range(pairs):
        at = 3 * pair
        labels[at + 1 : at + 3] = LABELS.index("conv"), LABELS.index("pool")
        adjacency[at, at + 1 : at + 3] = adjacency[at + 1 : at + 3, at + 3] = 1
    found = told(Graph(labels, adjacency), OPEN_FLOW)
    assert found["paths (log2)"] == pairs
    assert found["conv: mean on a path"] == found["pool: mean on a path"] == pairs / 2
    assert found["longest path"] == found["shortest path"] == found["mean path"] == pairs


def test_a_chain_is_its_counts_and_its_length() -> None:
    flow = Flow(LABELS, frozenset({"none"}), frozenset({"skip"}), frozenset({"sum", "in", "out"}), chains=True)
    assert flow.names == ("conv: count", "pool: count", "length")
    assert told(graph("conv skip pool conv", (0, 1), (1, 2), (2, 3)), flow) == {
        "conv: count": 2.0,
        "pool: count": 1.0,
        "length": 3.0,
    }


def test_chains_in_several_parts_are_counted_together() -> None:
    flow = Flow(LABELS, identities=frozenset({"skip"}), chains=True, parts=("stage0", "stage1"))
    batches = [batch_of([graph("conv")]), batch_of([graph("conv skip pool", (0, 1), (1, 2))])]
    row = {name: value for name, value in zip(flow.names, flow.statistics(batches)[0].tolist(), strict=True) if value}
    assert row == {"conv: count": 2.0, "pool: count": 1.0, "stage0 length": 1.0, "stage1 length": 2.0}


def test_the_statistics_of_parts_follow_each_other() -> None:
    flow = Flow(LABELS, parts=("normal", "reduce"))
    conv, pool = graph("conv"), graph("pool skip", (0, 1))
    stats = flow.statistics([batch_of([conv]), batch_of([pool])])[0]
    row = dict(zip(flow.names, stats.tolist(), strict=True))
    assert row["normal conv: live"] == row["reduce pool: live"] == row["reduce skip: live"] == 1.0
    assert row["normal pool: live"] == row["reduce conv: live"] == 0.0
    assert (row["normal longest path"], row["reduce longest path"]) == (1.0, 2.0)


def test_no_graphs_have_no_rows() -> None:
    empty = FlowBatch(np.empty((0, 5), dtype=np.int64), np.empty((0, 5, 5), dtype=np.uint8))
    assert FLOW.statistics([empty]).shape == (0, len(FLOW.names))
    assert FLOW.statistics([batch_of([])]).shape == (0, len(FLOW.names))


def test_graphs_of_different_sizes_are_padded() -> None:
    batch = batch_of([graph("in out", (0, 1)), graph("conv")])
    assert batch.labels.tolist() == [[0, 1], [5, OPEN]]
    assert batch.adjacency.tolist() == [[[0, 1], [0, 0]], [[0, 0], [0, 0]]]


def test_labels_that_are_unknown_or_of_two_kinds_are_refused() -> None:
    with pytest.raises(InputError, match="'zero': expected one of conv, skip"):
        Flow(("conv", "skip"), zeros=frozenset({"zero"}))
    with pytest.raises(InputError, match="'skip': expected in one set of labels at most"):
        Flow(("conv", "skip"), zeros=frozenset({"skip"}), identities=frozenset({"skip"}))


class Cells(Categorical):
    """A user's space: two operations side by side."""

    graph_labels = ("conv", "skip", "none")
    zero_labels = frozenset({"none"})
    identity_labels = frozenset({"skip"})

    def __init__(self) -> None:
        super().__init__({"left": self.graph_labels, "right": self.graph_labels})

    def to_graph(self, arch: Arch) -> Graph:
        return Graph(np.array(self.indices(arch), dtype=np.int64), np.zeros((2, 2), dtype=np.uint8))


def test_a_space_of_graphs_gets_its_statistics_by_naming_labels() -> None:
    space = Cells()
    codes, stats = space.features([space.parse("left=conv, right=none"), space.parse("left=skip, right=conv")])
    layout = space.feature_layout
    assert codes.shape == (2, 6)
    assert layout.stats[:3] == ("conv: live", "skip: live", "conv: most on a path")
    rows = [dict(zip(layout.stats, row, strict=True)) for row in stats.tolist()]
    assert [row["skip: live"] for row in rows] == [0.0, 1.0]
    assert [row["paths (log2)"] for row in rows] == [0.0, 1.0]
    assert [row["shortest path"] for row in rows] == [1.0, 0.0]


def test_a_space_whose_graphs_labels_have_no_kinds_has_no_flow() -> None:
    assert flow_of(Categorical({"a": ["x", "y"]})) is None
    space = Nb201()
    assert flow_of(space) is space


@pytest.mark.parametrize("given", ["none", 3])
def test_kinds_that_are_no_collections_are_refused(given: Sequence[str]) -> None:
    class Wrong(Cells):
        zero_labels = given  # type: ignore[assignment]

    with pytest.raises(InputError, match=r"zero_labels of Wrong is .*: expected a set of labels"):
        Wrong().feature_layout  # noqa: B018


def test_without_numba_the_same_is_computed_in_plain_python() -> None:
    code = """
import sys
sys.modules["numba"] = None  # as if it were not installed
import numpy as np
from archloom.spaces.nb201 import Nb201
space, rng = Nb201(), np.random.default_rng(0)
print(space.features([space.sample(rng) for _ in range(20)])[1].tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    space, rng = Nb201(), np.random.default_rng(0)
    here = space.features([space.sample(rng) for _ in range(20)])[1]
    assert np.array(json.loads(done.stdout)) == pytest.approx(here, rel=1e-14)
