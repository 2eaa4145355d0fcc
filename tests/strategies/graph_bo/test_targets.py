"""What the model learns instead of utilities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.strategies.graph_bo.targets import WARPS, half, log_regret, standard, standard_with

EXTREME = [
    [1e308, -1e308],
    [1e308, -1e308, 5e-324, 0.0],
    [1.7e308, 1.7e308, -1.7e308],
    [5e-324, 0.0, -5e-324],
    [0.0, -1.0, -5e-324],
    [0.0, 0.0, 0.0, 0.0, -1.0, -1e-320],
    [1e-320, 0.0, 5e-324],
    [1e100, -1e-100, 1.0],
    [1e101, 1e-101],
    [-0.3, -0.31, -0.4, -1e30],
    [0.1 + 0.2, 0.3, 0.3, 0.2],
    [1.0, 1.0 - 1e-16],
]


@pytest.mark.parametrize("warp", WARPS.values(), ids=WARPS)
class TestEveryWarp:
    @pytest.mark.parametrize("utilities", EXTREME, ids=str)
    def test_extremes(self, warp: Any, utilities: list[float]) -> None:
        check(warp, np.array(utilities))

    @settings(max_examples=60)
    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0]), max_size=30))
    def test_anything(self, warp: Any, utilities: list[float]) -> None:
        check(warp, np.array(utilities))

    @pytest.mark.parametrize("utilities", [[], [3.0], [0.1] * 7, [1e308] * 3, [5e-324] * 3, [-2.0] * 2])
    def test_nothing_to_tell_apart_is_zeros(self, warp: Any, utilities: list[float]) -> None:
        assert warp(np.array(utilities)).tolist() == [0.0] * len(utilities)

    def test_neither_unit_nor_offset_matter(self, warp: Any) -> None:
        utilities = np.random.default_rng(0).standard_normal(40)
        assert warp(1000.0 * utilities + 7.0) == pytest.approx(warp(utilities), rel=1e-9)

    def test_the_order_in_which_they_come_does_not_matter(self, warp: Any) -> None:
        rng = np.random.default_rng(0)
        utilities = rng.integers(0, 9, 40).astype(float)
        order = rng.permutation(40)
        assert warp(utilities[order]) == pytest.approx(warp(utilities)[order], rel=1e-12)


def check(warp: Any, utilities: Any) -> None:
    """Finite, rising with the utilities, equal for equal ones; the suite makes errors of warnings."""
    before = utilities.copy()
    targets = warp(utilities)
    assert np.array_equal(utilities, before)
    assert targets.shape == utilities.shape and np.isfinite(targets).all()
    order = np.argsort(utilities, kind="stable")
    steps, risen = np.diff(targets[order]), utilities[order][1:] > utilities[order][:-1]
    assert (steps >= 0).all() and (steps[~risen] == 0).all()


class TestLogRegret:
    def test_by_hand(self) -> None:
        """b = 8; of the regrets 0, 1, 3, 4, 8 the lower quartile is 1, so s = 0.5."""
        raw = -np.log([1.0, 3.0, 7.0, 9.0, 17.0])
        expected = (raw - raw.mean()) / raw.std()
        assert log_regret(np.array([8.0, 7.0, 5.0, 4.0, 0.0])) == pytest.approx(expected, rel=1e-14)

    def test_the_quartile_is_interpolated(self) -> None:
        """Regrets 0, 2, 6: the lower quartile is 1, so s = 0.5."""
        raw = -np.log([13.0, 1.0, 5.0])
        expected = (raw - raw.mean()) / raw.std()
        assert log_regret(np.array([4.0, 10.0, 8.0])) == pytest.approx(expected, rel=1e-14)

    def test_two_values_are_a_standard_deviation_from_their_mean(self) -> None:
        assert log_regret(np.array([3.0, 3.1])) == pytest.approx([-1.0, 1.0])

    @pytest.mark.parametrize("best", [2.0, 2.0 - 4.4e-16])
    def test_of_several_best_the_smallest_distance_to_them_counts(self, best: float) -> None:
        """Three of five are best, two of them up to rounding; the smallest distance is 0.5, so s = 0.25."""
        raw = -np.log([1.0, 1.0, 1.0, 3.0, 9.0])
        expected = (raw - raw.mean()) / raw.std()
        assert log_regret(np.array([2.0, best, best, 1.5, 0.0])) == pytest.approx(expected, rel=1e-12)

    def test_one_that_diverged_does_not_hide_how_the_others_differ(self) -> None:
        """s is 0.005, whatever the worst regret is: a step at the top is worth as much as many at the bottom."""
        targets = log_regret(-np.array([0.30, 0.31, 0.32, 0.35, 1e30]))
        raw = -np.log([1.0, 3.0, 5.0, 11.0, 2e32])
        assert targets == pytest.approx((raw - raw.mean()) / raw.std(), rel=1e-9)


class TestHalf:
    def test_by_hand(self) -> None:
        """The median is 3; above it 0, 2, 4, so that the unit is sqrt(20/3); below it ranks 0.5 and 1.5 of 5."""
        scale = math.sqrt(20 / 3)
        expected = [0.0, 2 / scale, 4 / scale, -0.5244005127080409, -1.2815515655446004]
        assert half(np.array([3.0, 5.0, 7.0, 1.0, -1000.0])) == pytest.approx(expected, rel=1e-12)

    def test_an_even_number(self) -> None:
        """The median of 0, 1, 2, 4 is 1.5; above it 0.5 and 2.5; ranks 0.5 and 1.5 of 4."""
        scale = math.sqrt((0.25 + 6.25) / 2)
        expected = [-1.1503493803760079, -0.31863936396437514, 0.5 / scale, 2.5 / scale]
        assert half(np.array([0.0, 1.0, 2.0, 4.0])) == pytest.approx(expected, rel=1e-12)

    def test_equals_below_have_their_middle_rank(self) -> None:
        """Both zeros have rank 1 of 4."""
        assert half(np.array([1.0, 0.0, 1.0, 0.0])) == pytest.approx([1.0, -0.6744897501960817] * 2, rel=1e-12)

    def test_if_the_upper_half_is_equal_it_is_standardised(self) -> None:
        assert half(np.array([1.0, 1.0, 0.0])) == pytest.approx([0.5**0.5, 0.5**0.5, -(2**0.5)])


class TestStandard:
    def test_by_hand(self) -> None:
        assert standard(np.array([1.0, 2.0, 3.0])) == pytest.approx([-(1.5**0.5), 0.0, 1.5**0.5])

    def test_with_a_bound(self) -> None:
        targets, bound = standard_with(np.array([1.0, 2.0, 3.0]), 4.0)
        assert targets == pytest.approx([-(1.5**0.5), 0.0, 1.5**0.5])
        assert bound == pytest.approx(6**0.5)

    @pytest.mark.parametrize(("bound", "expected"), [(5.0, 1.0), (1.0, -1.0), (3.0, 0.0), (3.0 + 1e-10, 0.1)])
    def test_a_bound_of_equal_values_is_a_unit_away(self, bound: float, expected: float) -> None:
        targets, found = standard_with(np.array([3.0, 3.0]), bound)
        assert targets.tolist() == [0.0, 0.0]
        assert found == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize(
        ("values", "bound", "expected"),
        [
            ([1e308, -1e308], 1e308, 1.0),
            ([1.7e308] * 2, -1.7e308, -1.0),
            ([1e-320] * 3, 1e308, 1.0),
            ([0.0, 1e-320], 1e308, 1e6),
            ([0.0, 1e-320], -1.0, -1e6),
            ([5e-324, 0.0], 0.0, -1.0),
            ([0.0, 1.0], 1e308, 1e6),
        ],
    )
    def test_extremes_with_a_bound(self, values: list[float], bound: float, expected: float) -> None:
        targets, found = standard_with(np.array(values), bound)
        assert np.isfinite(targets).all()
        assert found == pytest.approx(expected)
