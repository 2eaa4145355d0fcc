"""NAS-Bench-Graph (Qin et al. 2022): trees of four graph-network layers.

A network is a rooted tree: the input (node 0) and four computing nodes, each with one parent and one operation; leaves
are joined to the output. Gene 0 picks one of the nine trees, genes 1 to 4 the operations.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.alignment import aligned
from archloom.spaces.base import Categorical
from archloom.spaces.drawing import Drawing, DrawnEdge
from archloom.spaces.flow import Flow, FlowBatch
from archloom.spaces.known import BenchmarkTable, Finding, row_count
from archloom.types import Arch

LINKS: tuple[tuple[int, ...], ...] = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)
"""The nine trees: each of the four nodes' parent (0 = the input), in the benchmark's order."""

OPERATIONS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
GENES = ("links", "op1", "op2", "op3", "op4")
CLASSES = 26_206
"""How many different networks there are."""

_SKIP = OPERATIONS.index("skip")
_FLOW = Flow(
    (*OPERATIONS, "input", "output"),
    identities=frozenset({"skip"}),
    inputs=frozenset({"input"}),
    outputs=frozenset({"output"}),
)
_LINK_INDEX = {links: index for index, links in enumerate(LINKS)}


def _trees() -> NDArray[np.uint8]:
    """(9, 6, 6) the adjacency of each tree: the input, its nodes, the output."""
    found = np.zeros((len(LINKS), 6, 6), dtype=np.uint8)
    for tree, parents in zip(found, LINKS, strict=True):
        for node, parent in enumerate(parents, start=1):
            tree[parent, node] = 1
            tree[node, -1] = node not in parents
    return found


_TREES = _trees()


class NbGraph(Categorical):
    """The space of NAS-Bench-Graph.

    Different genes may be the same network (`canonical`): a query is one network. The network of four skips computes
    nothing and is not valid.
    """

    name = "nbgraph"

    def __init__(self, options: Mapping[str, Sequence[object]] | None = None) -> None:
        expected = {GENES[0]: ["-".join(map(str, links)) for links in LINKS], **dict.fromkeys(GENES[1:], OPERATIONS)}
        super().__init__(options or expected)
        if self.gene_names != GENES or self.options != tuple(tuple(values) for values in expected.values()):
            raise InputError(f"nbgraph genes {', '.join(self.gene_names)}: expected {', '.join(GENES)}, 9 options each")

    @classmethod
    def known_answers(cls, table: BenchmarkTable) -> Iterator[Finding]:
        """All networks, each in the genes that represent it, and metrics in the rows of their networks."""
        yield row_count(table, CLASSES)
        try:
            space = cls(dict(zip(table.gene_names, table.options, strict=True)))
        except InputError as error:
            yield Finding(False, str(error))
            return
        archs = [Arch(tuple(row)) for row in table.genes.tolist()]
        others = sum(space.canonical(arch) != arch for arch in archs)
        yield Finding(others == 0, f"{others} rows are not the representative of their architecture, expected 0")
        yield from aligned(table)

    @property
    def size(self) -> int:
        return CLASSES

    def violations(self, arch: Arch) -> Mapping[str, float]:
        skips = {"networks of skips only": 1.0} if all(op == _SKIP for op in arch.genes[1:]) else {}
        return super().violations(arch) or skips

    def canonical(self, arch: Arch) -> Arch:
        links, *ops = self.indices(arch)
        return Arch(_canonical(LINKS[links], tuple(ops)))

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        """The networks, as their canonical genes, that one changed choice leads to."""
        found = dict.fromkeys(self.canonical(near) for near in super().neighbours(arch))
        itself = {arch, self.canonical(arch)}
        return [near for near in found if near not in itself and not self.violations(near)]

    @property
    def flow(self) -> Flow:
        """`skip` is an identity."""
        return _FLOW

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        """The trees: the input, the four nodes, and the output, which reads the leaves."""
        genes = self._columns(archs)[0]
        labels = np.full((len(archs), _TREES.shape[1]), len(OPERATIONS), dtype=np.int64)
        labels[:, 1:-1], labels[:, -1] = genes[:, 1:], len(OPERATIONS) + 1
        return [FlowBatch(labels, _TREES[genes[:, 0]])]

    def drawing(self, arch: Arch) -> Drawing:
        """The tree with its operations; leaves are joined to the output."""
        links, *ops = self.indices(arch)
        parents, operations = LINKS[links], [OPERATIONS[op] for op in ops]
        edges = [DrawnEdge(parent, node) for node, parent in enumerate(parents, start=1)]
        leaves = [node for node in range(1, 5) if node not in parents]
        return Drawing(("in", *operations, "out"), tuple(edges + [DrawnEdge(leaf, 5) for leaf in leaves]))


@functools.lru_cache(maxsize=1 << 16)
def _canonical(parents: tuple[int, ...], ops: tuple[int, ...]) -> tuple[int, ...]:
    """The genes under which the benchmark stores the network in which node i+1 hangs on node `parents[i]` <= i.

    Nodes have no order. A `skip` is an identity, so it counts as absent where

    - it has children: they hang on its parent instead;
    - it is its parent's only child: the parent is then the leaf;
    - it is a leaf that would hand the raw input to the output (only skips above it).

    Each absent skip becomes one link of a chain right behind the input, where it changes nothing, and the rest hangs
    at the chain's end. Of all numberings of the nodes that give one of `LINKS`, the one with the smallest operations
    is used. A leaf skip with siblings stays: it adds its parent's features to the output.
    """
    parent = dict(enumerate(parents, start=1))
    op = dict(enumerate(ops, start=1))
    while (skip := _absent_skip(parent, op)) is not None:
        above = parent.pop(skip)
        parent = {node: above if hung == skip else hung for node, hung in parent.items()}
    links, numbered = min(_numberings(parent, op, chain=len(parents) - len(parent)))
    return (links, *numbered)


def _absent_skip(parent: Mapping[int, int], op: Mapping[int, int]) -> int | None:
    """A skip that changes nothing; None if there is none."""
    for node, above in parent.items():
        if op[node] != _SKIP:
            continue
        has_children = node in parent.values()
        only_child = list(parent.values()).count(above) == 1
        if has_children or only_child or _gives_raw_input(node, parent, op):
            return node
    return None


def _gives_raw_input(node: int, parent: Mapping[int, int], op: Mapping[int, int]) -> bool:
    while node != 0:
        if op[node] != _SKIP:
            return False
        node = parent[node]
    return True


def _numberings(parent: Mapping[int, int], op: Mapping[int, int], chain: int) -> list[tuple[int, tuple[int, ...]]]:
    """All ways to number the tree's nodes behind `chain` skips that give one of the nine trees."""
    found = []
    for order in itertools.permutations(parent):
        number = {0: chain} | {node: chain + 1 + place for place, node in enumerate(order)}
        links = (*range(chain), *(number[parent[node]] for node in order))
        if links in _LINK_INDEX:
            found.append((_LINK_INDEX[links], (_SKIP,) * chain + tuple(op[node] for node in order)))
    return found
