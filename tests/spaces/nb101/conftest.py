"""Cells as networkx graphs: slow, readable, and sharing nothing with the code under test but the layout of genes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archloom.data.tables import Table, load_table

INPUT, OUTPUT, ABSENT = -1, -2, 3
PAIRS = list(itertools.combinations(range(7), 2))


@pytest.fixture(scope="session")
def table(real_table: Callable[[str], Path]) -> Table:
    return load_table(real_table("nb101_surrogate.npz"))


class Oracle:
    """What the paper and the benchmark's README say, on graphs whose vertices have any names.

    The vertex "in" has the label -1, "out" has -2.
    """

    def __init__(self) -> None:
        self.nx: Any = pytest.importorskip("networkx", reason="graphs are compared by networkx, which comes with torch")

    def graph(self, genes: Sequence[int]) -> Any:
        """The cell of a row of genes, as it stands."""
        labels = [label for label in genes[21:] if label != ABSENT]
        names = ["in", *range(1, len(labels) + 1), "out"]
        graph = self.nx.DiGraph()
        for name, label in zip(names, [INPUT, *labels, OUTPUT], strict=True):
            graph.add_node(name, label=int(label))
        graph.add_edges_from((names[x], names[y]) for (x, y), edge in zip(PAIRS, genes, strict=False) if edge)
        return graph

    def genes(self, graph: Any, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """(26,) the cell in a topological order, drawn by `rng` where that is given."""
        inner = graph.subgraph(set(graph) - {"in", "out"})
        tie = {name: rng.random() if rng else 0.0 for name in graph}
        order = ["in", *self.nx.lexicographical_topological_sort(inner, key=lambda name: (tie[name], str(name))), "out"]
        edges = [y < len(order) and graph.has_edge(order[x], order[y]) for x, y in PAIRS]
        labels = [graph.nodes[name]["label"] for name in order[1:-1]]
        return np.array([*edges, *labels, *[ABSENT] * (5 - len(labels))], dtype=np.uint8)

    def pruned(self, graph: Any) -> Any | None:
        """The graph without vertices on no path from input to output; None where there is no path."""
        if not self.nx.has_path(graph, "in", "out"):
            return None
        kept = self.nx.descendants(graph, "in") & self.nx.ancestors(graph, "out") | {"in", "out"}
        return graph.subgraph(kept).copy()

    def same(self, left: Any, right: Any) -> bool:
        """Whether two graphs are isomorphic, labels included."""
        return bool(self.nx.is_isomorphic(left, right, node_match=lambda a, b: a["label"] == b["label"]))

    def whole(self, graph: Any) -> bool:
        """Whether every vertex has an edge in, but the input, and an edge out, but the output."""
        entered = all(graph.in_degree(name) for name in graph if name != "in")
        return entered and all(graph.out_degree(name) for name in graph if name != "out")

    def smallest(self, graph: Any) -> NDArray[np.uint8]:
        """(26,) of all matrices of a graph the one whose bits, column after column, are the smallest number."""
        inner = sorted(set(graph) - {"in", "out"}, key=str)
        found = []
        for order in itertools.permutations(inner):
            names = ["in", *order, "out"]
            place = {name: i for i, name in enumerate(names)}
            if all(place[a] < place[b] for a, b in graph.edges):
                bits = sum(1 << (place[a] + place[b] * (place[b] - 1) // 2) for a, b in graph.edges)
                labels = [graph.nodes[name]["label"] for name in order]
                found.append((bits, labels, names))
        _, labels, names = min(found, key=lambda matrix: matrix[:2])
        edges = [y < len(names) and graph.has_edge(names[x], names[y]) for x, y in PAIRS]
        return np.array([*edges, *labels, *[ABSENT] * (5 - len(labels))], dtype=np.uint8)

    def hash(self, graph: Any) -> str:
        """The benchmark's own module hash."""
        util = pytest.importorskip(
            "nasbench_pytorch.model.graph_util", reason="the reference for hashes is that of nasbench-pytorch"
        )
        order = list(self.nx.topological_sort(graph))
        matrix = self.nx.to_numpy_array(graph, order, dtype=int)
        return str(util.hash_module(matrix, [graph.nodes[name]["label"] for name in order]))


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    return Oracle()
