"""The plot of improvement against initial accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")

from archloom.analysis.initial_accuracy import improvement_by_start, lines_for


@pytest.fixture
def drawn(make_episodes: Any, make_episodes_report: Any) -> Any:
    """One policy ends at 94.5 from everywhere, the others anywhere."""

    def draw(*others: str, spread: float = 6.0, best: float = 94.5) -> Any:
        rng = np.random.default_rng(0)
        starts = best - spread * rng.random(2_000)
        ends = best - spread * rng.random(2_000)
        by_policy = {"always": make_episodes(best - starts, starts)}
        by_policy |= {name: make_episodes(ends - starts, starts) for name in others}
        return improvement_by_start(*make_episodes_report(by_policy))

    return draw


def counts(axes: Any) -> tuple[Any, Any]:
    [image] = axes.images
    return np.ma.filled(image.get_array().astype(float), 0.0), image.get_extent()


def test_a_policy_that_always_ends_alike_is_a_line(drawn: Any) -> None:
    figure = drawn("random")
    found, (left, right, bottom, top) = counts(figure.axes[0])
    assert 1_980 <= found.sum() <= 2_000, "nearly all are shown"
    rows, columns = np.nonzero(found)
    step = (right - left) / found.shape[1], (top - bottom) / found.shape[0]
    ends = left + (columns + 0.5) * step[0] + bottom + (rows + 0.5) * step[1]
    assert np.abs(ends - 94.5).max() <= sum(step) / 2 + 1e-9
    assert len(np.nonzero(counts(figure.axes[1])[0])[0]) > 2 * len(rows), "the other is all over the place"


def test_lines_of_equal_final_accuracy(drawn: Any, words: Any) -> None:
    axes = drawn("random").axes[0]
    sums = [float(np.unique(np.round(np.add(*line.get_data()), 6))[0]) for line in axes.lines[1:]]
    assert sums == [85, 90, 95]
    said = words(axes.figure)
    assert "90 %" in said and "95 %" in said
    assert "a final accuracy of 85, 90, 95 %" in said


def test_every_line_in_view_is_labelled(drawn: Any) -> None:
    axes = drawn("random", spread=2.0, best=96.4).axes[0]
    assert [text.get_text() for text in axes.texts] == ["95 %", "96 %", "97 %"]


@pytest.mark.parametrize(
    ("low", "best", "lines"),
    [
        (80, 94.8, (85, 90, 95)),
        (50, 73.5, (65, 70, 75)),
        (80, 95.0, (85, 90, 95)),
        (10, 99.5, (85, 90, 95)),
        (94, 96.4, (95, 96, 97)),
    ],
)
def test_which_lines(low: float, best: float, lines: tuple[float, ...]) -> None:
    assert lines_for(np.linspace(low, best, 1_000)) == lines


def test_what_is_beyond_the_axes_is_said(make_episodes: Any, make_episodes_report: Any, words: Any) -> None:
    changes = np.concatenate([np.linspace(-5, 5, 9_999), [70.0]])
    starts = np.concatenate([np.linspace(80, 90, 9_999), [10.0]])
    said = words(improvement_by_start(*make_episodes_report({"x": make_episodes(changes, starts)})))
    assert "of the episodes are beyond the axes" in said
    assert "Data: small.npz: made for a test." in said and "predictions of a surrogate" in said


@pytest.mark.parametrize("others", [(), ("random",), ("random", "random_walk"), ("random", "random_walk", "apex")])
def test_nothing_overlaps(drawn: Any, assert_tidy: Any, others: tuple[str, ...]) -> None:
    assert_tidy(drawn(*others))
    assert_tidy(drawn(*others, spread=30.0))
    assert_tidy(drawn(*others, spread=2.0, best=96.4))


def test_episodes_that_all_change_nothing(make_episodes: Any, make_episodes_report: Any) -> None:
    improvement_by_start(*make_episodes_report({"x": make_episodes([0.0] * 5)})).draw_without_rendering()
