"""The kernels of the flow: `test_flow` compares their statistics with those of all paths, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.spaces import flow_kernels
from archloom.spaces.flow_kernels import Labels, statistics

ZERO, CONV, SKIP = range(3)
MEANING = Labels(
    zero=np.array([True, False, False]),
    begins=np.zeros(3, dtype=bool),
    ends=np.zeros(3, dtype=bool),
    place=np.array([-1, 0, -1]),
)
PATHS, LONGEST, SHORTEST, MEAN, EDGES, OUT, IN, FIRST = range(9, 17)
"""The columns behind those of the three labels."""


def row(labels: list[int], *edges: tuple[int, int]) -> Any:
    adjacency = np.zeros((1, len(labels), len(labels)), dtype=np.uint8)
    for x, y in edges:
        adjacency[0, x, y] = 1
    return statistics(np.array([labels]), adjacency, MEANING)[0]


def test_a_chain() -> None:
    found = row([CONV, SKIP, CONV], (0, 1), (1, 2))
    assert found[[PATHS, LONGEST, SHORTEST, MEAN, EDGES, OUT, IN, FIRST]].tolist() == [0, 2, 2, 2, 2, 1, 1, 1]
    assert found[:3].tolist() == [0, 2, 1]


def test_nothing_flows_through_a_zero() -> None:
    assert not row([CONV, ZERO, CONV], (0, 1), (1, 2)).any()


def test_vertices_that_are_not_there_count_nothing() -> None:
    assert row([CONV, CONV, -1], (0, 1)).tolist() == row([CONV, CONV], (0, 1)).tolist()


@pytest.mark.parametrize("diamonds", [3, 1_200])
def test_paths_beyond_what_a_float_holds(diamonds: int) -> None:
    """2 to the power of the number of diamonds in a row: 2^1200 is no float."""
    count = 3 * diamonds + 1
    edges = [(3 * i + a, 3 * i + b) for i in range(diamonds) for a, b in ((0, 1), (0, 2), (1, 3), (2, 3))]
    found = row([CONV] * count, *edges)
    assert found[PATHS] == pytest.approx(diamonds)
    assert found[[LONGEST, SHORTEST]].tolist() == [2 * diamonds + 1] * 2
    assert found[MEAN] == pytest.approx(2 * diamonds + 1)


def test_plain_python_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (20, 7))
    adjacency = np.triu(rng.random((20, 7, 7)) < 0.4, 1).astype(np.uint8)
    for kernel in (statistics, getattr(flow_kernels.statistics, "py_func", statistics)):
        assert np.array_equal(kernel(labels, adjacency, MEANING), statistics(labels, adjacency, MEANING))
