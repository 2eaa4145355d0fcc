"""Notes beside a plot."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from archloom.analysis.published_panel import spread


@given(st.lists(st.floats(-50, 250), min_size=1, max_size=12))
def test_spread_keeps_order_distance_and_bounds(wanted: list[float]) -> None:
    placed = spread(sorted(wanted), gap=10.0, top=200.0)
    assert all(b - a >= 10.0 - 1e-6 for a, b in pairwise(placed))
    assert min(placed) >= -1e-6 and max(placed) <= 200.0 + 1e-6


def test_spread_moves_only_what_is_too_close() -> None:
    assert spread([20.0, 100.0, 102.0], gap=10.0, top=200.0) == [20.0, 96.0, 106.0]
    assert spread([], gap=10.0, top=200.0) == []
