from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.utils.ranks import mean_ranks


@pytest.mark.parametrize(
    ("values", "ranks"),
    [
        ([], []),
        ([7.0], [1]),
        ([30, 10, 20], [3, 1, 2]),
        ([2.0, 1.0, 2.0, 4.0], [2.5, 1, 2.5, 4]),
        ([5, 5, 5], [2, 2, 2]),
        ([np.inf, -np.inf, 0.0, -0.0], [4, 1, 2.5, 2.5]),
    ],
)
def test_ties_share_their_mean_rank(values: list[float], ranks: list[float]) -> None:
    assert mean_ranks(np.array(values)).tolist() == ranks


@given(st.lists(st.integers(-5, 5), min_size=1))
def test_they_are_those_of_scipy(values: list[int]) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert mean_ranks(np.array(values)).tolist() == stats.rankdata(values).tolist()
