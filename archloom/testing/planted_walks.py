"""Graphs to walk on with known answers: a chain that rises to its end, and a hypercube with a planted corner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archloom.envs.terrain import Graph


def chain(rows: int) -> Graph:
    """Rows 0, 1, ... next to each other left and right, encoded one-hot; the first and the last have one neighbour."""
    around = [[near for near in (row - 1, row + 1) if 0 <= near < rows] for row in range(rows)]
    return _graph("chain", around, np.eye(rows, dtype=np.uint8))


def hypercube(dimensions: int) -> Graph:
    """The corners of a hypercube, encoded by their coordinates; each differs from its neighbours in one of these."""
    around = [[row ^ 1 << bit for bit in range(dimensions)] for row in range(1 << dimensions)]
    encoded = np.arange(1 << dimensions)[:, None] >> np.arange(dimensions) & 1
    return _graph("hypercube", around, encoded.astype(np.uint8))


def rising(rows: int) -> NDArray[np.float64]:
    """(rows,) values of a chain, in percent: they rise evenly from 0 to 100, to the right."""
    return np.linspace(0.0, 100.0, rows)


def planted_corner(dimensions: int) -> NDArray[np.float64]:
    """(2^dimensions,) values of a hypercube, in percent: how many coordinates are 1. Its last corner has 100.

    From a corner with k zeros the best is k moves away, and every one of those rises.
    """
    corners = np.arange(1 << dimensions)[:, None] >> np.arange(dimensions) & 1
    values: NDArray[np.float64] = 100.0 * corners.mean(axis=1)
    return values


def chain_q(rows: int, gamma: float) -> NDArray[np.float64]:
    """(rows, 3) the optimal Q-values of staying, going left and going right on a `rising` chain; NaN for no neighbour.

    Rewards are gains in the plain accuracy: every step is worth d = 1 / (rows - 1) to the right, -d to the left. So
    the best policy goes right to the end: from k rows before it V = d (1 - gamma^k) / (1 - gamma), for gamma < 1.
    """
    d = 1.0 / (rows - 1)
    value = d * (1.0 - gamma ** np.arange(rows)[::-1]) / (1.0 - gamma)
    q = np.full((rows, 3), np.nan)
    q[:, 0] = 0.0
    q[1:, 1] = -d + gamma * value[:-1]
    q[:-1, 2] = d + gamma * value[1:]
    return q


def _graph(name: str, around: list[list[int]], encoded: NDArray[np.uint8]) -> Graph:
    """A graph with these neighbours; rewards on it are gains in the plain accuracy (alpha is 0)."""
    offsets = np.cumsum([0, *map(len, around)]).astype(np.int32)
    return Graph(name, name, 0.0, offsets, np.concatenate(around).astype(np.int32), encoded)
