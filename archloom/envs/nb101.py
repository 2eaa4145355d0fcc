"""Neighbourhoods in NAS-Bench-101: every move is a look-up in the index of all cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from archloom.data.tables import Table
from archloom.data.tables.cell_index import CellIndex, open_index
from archloom.envs import NeighbourhoodRequest
from archloom.envs.checks import percentages
from archloom.envs.terrain import Graph, Rows, Terrain
from archloom.problems import ProblemSpec, select_metrics
from archloom.spaces.nb101.cells import by_size
from archloom.spaces.nb101.codes import UNCONNECTED, Genes, allowed_codes, pack_graphs, unpack
from archloom.spaces.nb101.encoding import encode

ALPHA = 6.0
"""Section 4.1.1."""


def open_neighbourhood(request: NeighbourhoodRequest) -> Terrain:
    """The neighbourhood for a table's metric, over the cached index, which is built first if it is missing."""
    scenario = select_metrics(
        request.problem, ProblemSpec("nb101", objectives=(request.metric,) if request.metric else ())
    )
    index = open_index(request.environ, request.notify)
    table = scenario.problem.table
    assert table is not None  # noqa: S101 - nb101 has no other problems
    values = values_by_row(index, table, scenario.objectives[0], request.notify)
    return Terrain(graph_of(index), values, request.slots, request.max_neighbours)


def graph_of(index: CellIndex) -> Graph:
    """The cells and their neighbours; a random cell is drawn as in the paper, its size first."""

    def starts(rng: np.random.Generator, count: int) -> Rows:
        return index.rows(by_size(rng, count))

    def genes(rows: Rows) -> Genes:
        return unpack(index.codes[rows])

    encoded = encode(unpack(index.codes))
    return Graph("nb101", "nb101", ALPHA, index.offsets, index.targets, encoded, starts, genes)


def values_by_row(
    index: CellIndex, table: Table, metric: str, notify: Callable[[str], None] | None = None
) -> NDArray[np.float64]:
    """(423624,) a table's metric in index order, as `percentages`.

    As in a search, the first of several rows for one cell counts, and rows that are not valid cells are ignored.
    """
    codes = allowed_codes(pack_graphs(table.genes))
    cells, first = np.unique(codes, return_index=True)
    first = first[cells != UNCONNECTED]
    values = np.full(len(index), np.nan)
    values[index.rows(codes[first])] = table.metric(metric)[first]
    return percentages(values, metric, table, notify)
