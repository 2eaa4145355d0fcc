from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the reference is in the extra dev")

import scipy.stats

from archloom.analysis.stats import (
    Estimate,
    bootstrap_interval,
    curve_band,
    pearson,
    sample_curve,
    slope,
    spearman,
    spread_band,
    summarise,
)
from archloom.errors import InputError


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


# -- summaries


def test_summary_by_hand() -> None:
    summary = summarise([1.0, 2.0, 6.0])
    assert (summary.n, summary.mean, summary.median, summary.min, summary.max) == (3, 3.0, 2.0, 1.0, 6.0)
    assert summary.std == pytest.approx(math.sqrt((4 + 1 + 9) / 2))  # ddof = 1
    assert json.loads(json.dumps(summary.to_json()))["mean"] == 3.0


def test_one_value_has_no_spread() -> None:
    assert summarise([5.0]).std is None
    assert summarise([5.0], ddof=0).std is None


def test_a_standard_deviation_of_these_values_alone() -> None:
    assert summarise([1.0, 2.0, 6.0], ddof=0).std == pytest.approx(math.sqrt((4 + 1 + 9) / 3))


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_summary_refuses_what_has_no_mean(values: list[float]) -> None:
    with pytest.raises(InputError, match="at least one number"):
        summarise(values)


# -- bootstrap


def test_bootstrap_interval_is_that_of_the_mean() -> None:
    """For many values the percentile interval is mean +- 1.96 standard errors."""
    values = rng().normal(10.0, 2.0, 400)
    low, high = bootstrap_interval(values.tolist(), rng())
    error = values.std(ddof=1) / math.sqrt(400)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_bootstrap_takes_its_stream_and_statistic_from_outside() -> None:
    values = [1.0, 2.0, 3.0, 50.0]
    assert bootstrap_interval(values, rng()) == bootstrap_interval(values, rng())
    narrow = bootstrap_interval(values, rng(), confidence=0.5)
    wide = bootstrap_interval(values, rng(), confidence=0.99)
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1] and wide != narrow
    _, median = bootstrap_interval([1.0] * 9 + [100.0], rng(), statistic=np.median)
    assert median == 1.0


def test_bootstrap_of_one_value_has_no_width() -> None:
    assert bootstrap_interval([3.0], rng()) == (3.0, 3.0)


def test_bootstrap_refuses_a_confidence_in_percent() -> None:
    with pytest.raises(InputError, match=r"0\.95"):
        bootstrap_interval([1.0, 2.0], rng(), confidence=95)


# -- curves


def test_a_curve_is_a_step_function() -> None:
    values = sample_curve([(2, 1.0), (5, 3.0)], [1, 2, 4, 5, 99])
    np.testing.assert_array_equal(values, [np.nan, 1.0, 1.0, 3.0, 3.0])


def test_band_by_hand() -> None:
    curves = [[(1, 10.0), (3, 30.0)], [(2, 20.0)]]
    band = curve_band(curves, [1, 2, 3, 4], rng())
    np.testing.assert_array_equal(band.mean, [np.nan, 15.0, 25.0, 25.0])  # at 1 only one curve has begun
    # Two runs resampled: both the first (1/4), both the second (1/4) or one of each.
    np.testing.assert_array_equal(band.low, [np.nan, 10.0, 20.0, 20.0])
    np.testing.assert_array_equal(band.high, [np.nan, 20.0, 30.0, 30.0])


def test_band_is_the_bootstrap_interval_at_each_query() -> None:
    finals = rng().normal(size=30)
    band = curve_band([[(1, 0.0), (2, v)] for v in finals], [2], rng())
    low, high = bootstrap_interval(finals.tolist(), rng())
    assert band.low[0] == pytest.approx(low, abs=0.02)
    assert band.high[0] == pytest.approx(high, abs=0.02)
    assert band.low[0] < finals.mean() < band.high[0]


def test_band_of_one_curve_has_no_width() -> None:
    band = curve_band([[(1, 2.5)]], [1, 2], rng())
    np.testing.assert_array_equal(np.stack(band), np.full((3, 2), 2.5))


def test_a_band_of_standard_deviations() -> None:
    band = spread_band([[(1, 1.0), (2, 2.0)], [(1, 3.0)], [(2, 5.0)]], [1, 2])
    assert np.isnan([each[0] for each in band]).all(), "one of them has not begun"
    assert [each[1] for each in band] == pytest.approx([10 / 3, 10 / 3 - 7**0.5 / 3**0.5, 10 / 3 + 7**0.5 / 3**0.5])
    np.testing.assert_array_equal(np.stack(spread_band([[(1, 2.5)]], [1, 2])), np.full((3, 2), 2.5))


@pytest.mark.parametrize("curves", [[], [[]]])
def test_band_needs_points(curves: Sequence[Sequence[tuple[int, float]]]) -> None:
    with pytest.raises(InputError, match="found"):
        curve_band(curves, [1], rng())


@pytest.mark.parametrize("size", [1.0, 1e200, 1e-200, 2.0**1000, 2.0**-1070])
def test_statistics_do_not_depend_on_the_size_of_the_values(size: float) -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    plain, sized = summarise(values), summarise([size * value for value in values])
    for field in ("mean", "median", "min", "max", "std"):
        assert getattr(sized, field) == pytest.approx(size * getattr(plain, field), rel=1e-12 if size > 1e-300 else 0.2)
    low, high = bootstrap_interval([size * value for value in values], np.random.default_rng(0))
    expected = bootstrap_interval(values, np.random.default_rng(0))
    assert (low, high) == pytest.approx([size * end for end in expected], rel=1e-12 if size > 1e-300 else 0.2)


def test_a_band_of_values_at_both_ends() -> None:
    largest = sys.float_info.max
    band = curve_band([[(1, largest)], [(1, -largest)]], [1], np.random.default_rng(0))
    assert np.isfinite(band).all() and band.mean[0] == 0.0


# -- two quantities


def test_rank_correlation_and_slope() -> None:
    """Against SciPy; the interval holds the value, and a tied quantity determines neither."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=40).round(1)
    y = 2.0 * x + rng.normal(size=40)
    rank, line = spearman(x, y, np.random.default_rng(1), 500), slope(x, y, np.random.default_rng(1), 500)
    fitted = scipy.stats.linregress(x, y)
    assert rank.value == pytest.approx(scipy.stats.spearmanr(x, y).statistic)
    assert (line.value, pearson(x, y)) == (pytest.approx(fitted.slope), pytest.approx(fitted.rvalue))
    for found in (rank, line):
        assert found.n == 40 and found.low < found.value < found.high  # type: ignore[operator]
    assert line.low == pytest.approx(fitted.slope - 2 * fitted.stderr, abs=0.2)  # type: ignore[arg-type]
    assert spearman([1, 1, 1], [1, 2, 3], rng) == Estimate(3, None) == slope([1, 1, 1], [1, 2, 3], rng)
    assert slope([], [], rng) == Estimate(0, None)
    assert spearman([1, 2], [3, 5], rng) == Estimate(2, None)
    assert slope([1, 2], [3, 5], rng) == Estimate(2, 2.0), "an interval needs three pairs"
    with pytest.raises(InputError, match="two of the same length"):
        spearman([1, 2], [1, 2, 3], rng)
