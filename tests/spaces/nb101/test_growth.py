from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba", reason="NAS-Bench-101's cells need the extra bench")

from archloom import seeds
from archloom.spaces.graphs import Bools, Drawn, Graph
from archloom.spaces.nb101.cells import all_codes
from archloom.spaces.nb101.space import Nb101
from archloom.spaces.nb101.codes import LABELS, UNCONNECTED, allowed_codes, canonical_codes, pack, pruned_codes, unpack
from archloom.spaces.nb101.growth import CellGrowth
from archloom.testing_graphs import check_growth, draw_graphs
from archloom.types import Arch

GROWTH, SPACE = CellGrowth(), Nb101()
CONV3, OUTPUT = 1, 4


@cache
def every_matrix(vertices: int, operations: int) -> Drawn:
    """Every graph that legal decisions lead to, with at most so many vertices and the first so many operations."""
    drawn = Drawn.begin(GROWTH.template, 1)
    for at, step in enumerate(GROWTH.steps):
        legal = GROWTH.label_mask(drawn, at)
        legal[:, 1 + operations : OUTPUT] = False
        if step.vertex >= vertices - 1:
            legal[:, 1:OUTPUT] = False
        drawn = chosen(drawn, legal, finished=True, place=(step.vertex,))
        for place, source in enumerate(step.sources):
            drawn = chosen(drawn, GROWTH.edge_mask(drawn, at, place), finished=True, place=(source, step.vertex))
    return drawn


def chosen(drawn: Drawn, legal: Bools, *, finished: bool, place: tuple[int, ...]) -> Drawn:
    """Every legal choice for a label or an edge of every graph; those without one go on as they are."""
    legal = np.column_stack([legal, ~legal.any(axis=1)])
    rows, picked = np.nonzero(legal)
    decided = picked < legal.shape[1] - 1
    after = Drawn(drawn.labels[rows], drawn.adjacency[rows])
    values = after.labels if len(place) == 1 else after.adjacency
    values[(decided, *place)] = picked[decided]
    return after
