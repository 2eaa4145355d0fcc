"""Heat maps of states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.analysis.state_plot import state
from archloom.errors import InputError


def test_a_run_beside_the_table(make_report: Any, words: Any, assert_tidy: Any) -> None:
    """Rows 63 and 62 are two of the table's best two: 62 is the first of those with five convolutions of six."""
    figure = state({"cadam": [make_report([0, 63, 62])]}, top="2")
    run, table = (axes.images[0] for axes in figure.axes[:2])
    np.testing.assert_allclose(run.get_array(), np.array([[0, 1]] * 5 + [[0.5, 0.5]]).T)
    np.testing.assert_allclose(np.asarray(table.get_array()).sum(axis=0), 1.0)
    said = words(figure)
    assert "State: the mean of the top 2 by cifar10_valid_200" in said and "the table's top 2" in said
    assert "cadam (n = 1) 1 of its 2 are in the table's top 2 mean difference of an entry: " in said
    assert f"entry: {np.abs(np.asarray(run.get_array()) - np.asarray(table.get_array())).mean():.3f}" in said
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()][:4] == ["in→1", "in→2", "1→2", "in→out"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["none", "nor_conv_3x3"]
    bars = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    assert bars == [0.5, 2.5], "where nodes begin"
    assert_tidy(figure)


def test_runs_are_averaged_and_strategies_side_by_side(make_report: Any, assert_tidy: Any) -> None:
    runs = {"a": [make_report([63]), make_report([0])], "b": [make_report([0])], "c": [make_report([1])]}
    figure = state(runs, top="1")
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), np.full((2, 6), 0.5))
    assert "entry: 0.500" in figure.axes[0].get_title(), "of single runs, not of their mean"
    assert [bool(axes.images) for axes in figure.axes[:4]] == [True] * 4, "three strategies and the table"
    assert_tidy(figure)


def test_cells_below_each_other(darts_runs: Any, words: Any, assert_tidy: Any) -> None:
    figure = state(darts_runs, top="50%")
    assert [axes.get_title().split("\n")[-1] for axes in figure.axes[:4]] == 2 * ["normal cell"] + 2 * ["reduce cell"]
    assert all(axes.images[0].get_array().shape == (7, 14) for axes in figure.axes[:4])
    assert "k-2→2" in words(figure) and "sep_conv_5x5" in words(figure)
    assert_tidy(figure)


def test_spaces_without_alpha(make_two: Any) -> None:
    with pytest.raises(InputError, match="no architecture parameters"):
        state({"a": [make_two([(1, 1)])]})
