"""The histograms of improvements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")

from matplotlib.patches import StepPatch

from archloom.analysis.figures import save
from archloom.analysis.improvement import histograms


@pytest.fixture
def drawn(make_episodes: Any, make_episodes_report: Any) -> Any:
    def draw(**changes: Any) -> Any:
        return histograms(*make_episodes_report({name: make_episodes(values) for name, values in changes.items()}))

    return draw


def bars(axes: Any) -> tuple[Any, Any]:
    [patch] = axes.findobj(StepPatch)
    values, edges, _ = patch.get_data()
    return values, edges


def spread(centre: float, width: float, count: int = 10_000) -> Any:
    return np.random.default_rng(0).normal(centre, width, count)


def test_a_panel_for_each_policy(drawn: Any) -> None:
    figure = drawn(local_search=spread(4, 3), random=spread(0, 4), mine=spread(1, 2))
    assert len(figure.axes) == 3
    for axes, width in zip(figure.axes, (3, 4, 2), strict=True):
        heights, edges = bars(axes)
        assert (edges[0], edges[-1]) == (-12.5, 12.5) == axes.get_xlim()
        assert heights.max() == pytest.approx(100 * 0.25 / width / np.sqrt(2 * np.pi), rel=0.2), "per cent in a bin"
        assert 99 < heights.sum() <= 100.001
        assert axes.get_ylim()[1] > heights.max()


def test_what_is_beyond_the_range_is_said_and_not_drawn(drawn: Any, words: Any) -> None:
    figure = drawn(random=np.array([0.0] * 95 + [40.0, 13.0, -13.0, -60.0, 80.0]))
    assert bars(figure.axes[0])[0].sum() == pytest.approx(95)
    assert "5.0 % beyond ±12.5" in words(figure)


def test_small_changes_are_drawn_larger(drawn: Any, words: Any) -> None:
    figure = drawn(random=np.linspace(-2, 2, 50))
    assert figure.axes[0].get_xlim() == (-2.5, 2.5)
    assert "beyond" not in words(figure)


def test_median_and_intervals_stand_where_they_are(drawn: Any, words: Any) -> None:
    changes = np.linspace(-10, 10, 2_001) + 1
    figure = drawn(local_search=changes)
    upright = {round(float(line.get_xdata()[0]), 3) for line in figure.axes[0].lines if len(set(line.get_xdata())) == 1}
    assert upright == {1.0, -4.0, 6.0, -7.0, 9.0, -8.5, 10.5}
    said = words(figure)
    assert "local_search: median +1.00 (published* +3.77)" in said
    assert all(f"{share} %" in said for share in (50, 80, 95))


def test_the_picture_names_its_data(drawn: Any, words: Any) -> None:
    said = words(drawn(local_search=spread(4, 3)))
    assert "Improvement over an episode on nb101: valid_108_surrogate" in said
    assert "1 set of 100 random starts, at most 32 steps, at most 50 neighbours shown, seed 0." in said
    assert "Data: small.npz: made for a test." in said
    assert "predictions of a surrogate, not measurements" in said
    assert "* Cassimon et al., section 4.1.2 and Table 1: test accuracy of NAS-Bench-101" in said
    assert "Cassimon" not in words(drawn(mine=spread(4, 3)))


@pytest.mark.parametrize("centre", [-11.0, 0.0, 4.0, 12.0])
def test_nothing_overlaps(drawn: Any, assert_tidy: Any, centre: float) -> None:
    assert_tidy(drawn(local_search=spread(centre, 0.8), random=spread(0, 6)))


def test_it_can_be_saved(drawn: Any, tmp_path: Path) -> None:
    save(drawn(random=spread(0, 4)), tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
