"""Neighbourhoods in NAS-Bench-201: cells that differ in the operation of one edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.data.tables import Table
from archloom.envs import NeighbourhoodRequest
from archloom.envs.checks import percentages
from archloom.envs.terrain import Graph, Terrain
from archloom.errors import InputError
from archloom.problems import ProblemSpec, select_metrics
from archloom.spaces.base import Categorical

ALPHA = 24.0
"""Ours, as Cassimon et al. do not use this benchmark: with their 6 of NAS-Bench-101 the best few cells are too much the
same for an agent to tell them apart."""


def open_neighbourhood(request: NeighbourhoodRequest) -> Terrain:
    """The neighbourhood for a table's metric, over all combinations of the operations that the table knows.

    As in a search by default, isomorphic cells are different cells. A random cell is drawn uniformly.
    """
    scenario = select_metrics(
        request.problem, ProblemSpec("nb201", objectives=(request.metric,) if request.metric else ())
    )
    table, space = scenario.problem.table, scenario.space
    assert table is not None and isinstance(space, Categorical)  # noqa: S101 - nb201 has no other problems
    values = values_by_row(space, table, scenario.objectives[0], request.notify)
    return Terrain(graph_of(space), values, request.slots, request.max_neighbours)


def graph_of(space: Categorical) -> Graph:
    """All combinations of a space's choices, in the order of genes; neighbours differ in one choice.

    InputError if there is no choice to make.
    """
    sizes = space.sizes
    if sizes.max(initial=1) < 2:
        raise InputError(
            f"space {space.name} has one architecture: expected a table with two options of an edge or more"
        )
    genes = np.indices(sizes.tolist()).reshape(len(sizes), -1).T  # (rows, g)
    strides = _strides(sizes)
    away = [  # the options after a row's own, then those before it
        strides[gene] * ((genes[:, gene] + step) % size - genes[:, gene])
        for gene, size in enumerate(sizes.tolist())
        for step in range(1, size)
    ]
    targets = np.arange(len(genes))[:, None] + np.stack(away, axis=1)
    offsets = np.arange(len(genes) + 1) * targets.shape[1]
    return Graph(
        space.name,
        space.encoding,
        ALPHA,
        offsets.astype(np.int32),
        targets.astype(np.int32).ravel(),
        space.encode(genes),
        genes=genes.__getitem__,
    )


def values_by_row(
    space: Categorical, table: Table, metric: str, notify: Callable[[str], None] | None = None
) -> NDArray[np.float64]:
    """(rows,) a table's metric in the order of genes, as `percentages`."""
    values = np.full(space.sizes.prod(), np.nan)
    values[table.genes.astype(np.int64) @ _strides(space.sizes)] = table.metric(metric)
    return percentages(values, metric, table, notify)


def _strides(sizes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """(g,) how far apart the rows of two neighbouring options of each choice are."""
    return np.append(np.cumprod(sizes[:0:-1])[::-1], 1)
