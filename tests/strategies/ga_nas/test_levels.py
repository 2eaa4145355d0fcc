from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archloom.strategies.ga_nas.levels import level, risen


def test_the_level_is_what_a_share_of_the_draws_reaches() -> None:
    utilities, times = np.array([3.0, 1.0, 2.0]), np.array([1, 2, 1])  # 3, 2, 1, 1
    assert [level(utilities, times, rho) for rho in (0.1, 0.25, 0.26, 0.5, 0.51, 0.75, 1.0)] == [3, 3, 2, 2, 1, 1, 1]
    assert level(utilities, np.array([0, 1, 0]), 0.01) == 1.0, "what was not among the draws does not count"
    assert level(utilities, times, 25 / 12) == 1.0, "a truth set that is to be larger than all there is"
    assert math.isnan(level(np.array([]), np.array([], dtype=np.int64), 0.5))


def test_shares_are_not_rounded_to_one_draw_more() -> None:
    for size in range(1, 200):
        for truth in range(1, size + 1):
            utilities = np.arange(size, dtype=np.float64)
            assert level(utilities, np.ones(size, dtype=np.int64), truth / size) == size - truth


draws = st.lists(st.tuples(st.floats(-1e6, 1e6) | st.just(-math.inf), st.integers(0, 4)), min_size=1, max_size=30)


@given(draws, st.floats(0.001, 1.5))
def test_a_level_is_a_quantile_of_the_draws(pairs: list[tuple[float, int]], rho: float) -> None:
    """Homem-de-Mello & Rubinstein (2002): P(S >= gamma) >= rho and P(S <= gamma) >= 1 - rho."""
    utilities, times = np.array([utility for utility, _ in pairs]), np.array([count for _, count in pairs])
    found = level(utilities, times, rho)
    if not times.any():
        assert math.isnan(found)
        return
    assert found in utilities[times > 0]
    share = times / times.sum()
    assert share[utilities >= found].sum() >= min(rho, 1.0) - 1e-9
    assert share[utilities <= found].sum() >= 1 - rho - 1e-9


def test_rho_falls_only_as_far_as_the_level_has_to_rise() -> None:
    """Algorithm 1, step 4. Draws 4, 3, 2, 1, 1; rho_0 = 0.4 reaches 3."""
    utilities, times = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2, 1, 1, 1])
    targets = (-math.inf, 2.5, 3.0, 3.5, 4.0)
    assert [risen(utilities, times, 0.4, target, before=0.0) for target in targets] == [3, 3, 3, 4, 4]
    assert risen(utilities, times, 0.4, 4.5, before=3.7) == 3.7, "no draw is as good: the level stays"
    assert risen(utilities, np.zeros(4, dtype=np.int64), 0.4, 0.0, before=-1.0) == -1.0, "nothing was drawn"
