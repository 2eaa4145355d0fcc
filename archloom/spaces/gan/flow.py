"""Generators and searched discriminators as batches of graphs, for statistics of their flow.

A network is one graph with operations on vertices, all its cells or blocks in a row, so that a path is one from its
input to its output. What the networks do if nothing leads to a node (see `nets.gan`) is an edge here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from archloom.nets.gan.plans import BLOCK, BLOCKS, CELL, CELLS, DOWNS, NORMAL, UPS
from archloom.spaces.flow import Flow, FlowBatch

LABELS = ("input", "output", "sum", *dict.fromkeys((*NORMAL, *UPS, *DOWNS)))

_OUTPUT, _SUM, _NONE, _SKIP = (LABELS.index(name) for name in ("output", "sum", "none", "skip_connect"))

Labels = NDArray[np.int64]
"""(B,) of a choice of B networks."""


def flow(parts: tuple[str, ...]) -> Flow:
    """What the labels mean, for networks of these names."""
    return Flow(
        LABELS,
        zeros=frozenset({"none"}),
        identities=frozenset({"skip_connect"}),
        silent=frozenset({"sum"}),
        inputs=frozenset({"input"}),
        outputs=frozenset({"output"}),
        parts=parts,
    )


class _Drawn:
    """B graphs of `size` vertices that are being drawn; vertex 0 is the input."""

    def __init__(self, count: int, size: int) -> None:
        self._labels = np.zeros((count, size), dtype=np.int64)
        self._adjacency = np.zeros((count, size, size), dtype=np.uint8)
        self._last = 0

    def vertex(self, label: int | Labels, *sources: int) -> int:
        """Add a vertex that reads these."""
        self._last += 1
        self._labels[:, self._last] = label
        for source in sources:
            self.edge(source, self._last)
        return self._last

    def edge(self, source: int, target: int, there: bool | NDArray[np.bool_] = True) -> None:
        """Add an edge to the graphs in which it is."""
        self._adjacency[:, source, target] |= there

    def batch(self) -> FlowBatch:
        """What was drawn; the last vertex is the output."""
        self._labels[:, self._last] = _OUTPUT
        return FlowBatch(self._labels, self._adjacency)


def generators(cells: Sequence[Mapping[str, Labels]]) -> FlowBatch:
    """A batch of generators, from the labels of each edge of `plans.CELL`, cell by cell."""
    drawn = _Drawn(len(cells[0][CELL[0]]), 1 + CELLS * (len(CELL) + 2))
    end, joins = 0, list[int]()
    for cell in cells:
        up0, up1 = drawn.vertex(cell["up0"], end), drawn.vertex(cell["up1"], end)
        c0, c1 = drawn.vertex(cell["c0"], up0), drawn.vertex(cell["c1"], up1)
        joined = drawn.vertex(_SUM, c0, c1, *joins)
        nothing = (cell["c0"] == _NONE) & (cell["c1"] == _NONE)
        drawn.edge(up0, joined, nothing)
        drawn.edge(up1, joined, nothing)
        last = [drawn.vertex(cell[edge], node) for edge, node in (("c2", up0), ("c3", up1), ("c4", joined))]
        end = drawn.vertex(_SUM, *last)
        drawn.edge(joined, end, np.all([cell[edge] == _NONE for edge in ("c2", "c3", "c4")], axis=0))
        joins.append(joined)
    return drawn.batch()


def discriminators(blocks: Sequence[Mapping[str, Labels]], as_published: bool) -> FlowBatch:
    """A batch of discriminators, from the labels of each edge of every block, and 1 for `downsample` if it is used."""
    drawn = _Drawn(len(blocks[0][BLOCK[0]]), 1 + BLOCKS * (len(BLOCK) + 5))
    end = 0
    for block in blocks:
        start, c0, missing = end, drawn.vertex(block["c0"], end), []
        branches = []
        for first, across, last, down in (("c1", "c3", "c5", "down0"), ("c2", "c4", "c6", "down1")):
            missing.append(block[first] == _NONE)
            terms = drawn.vertex(block[first], start), drawn.vertex(block[across], c0)
            node = drawn.vertex(_SUM, terms[0])
            drawn.edge(terms[1], node, ~missing[-1])
            node = drawn.vertex(np.where(block[last] == _NONE, _SKIP, block[last]), node)
            branches.append(drawn.vertex(np.where(block["downsample"] == 1, block[down], _SKIP), node))
        end = drawn.vertex(_SUM, branches[0])
        drawn.edge(branches[1], end, missing[0] | (not as_published))
        neither = missing[0] & missing[1]
        drawn.edge(c0, end, neither)
        drawn.edge(start, end, neither & (block["c0"] == _NONE))
    return drawn.batch()
