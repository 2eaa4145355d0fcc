"""The picture of a search's levels."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from archloom.analysis.levels import Levels
from archloom.analysis.levels_plot import levels
from archloom.errors import InputError
from archloom.runs.history import History


def drawn(axes: Any) -> dict[str, Any]:
    """Name in the legend -> heights of the line."""
    lines = {str(line.get_label()): np.asarray(line.get_ydata(), dtype=float) for line in axes.lines}
    assert list(lines) == [text.get_text() for text in axes.get_legend().get_texts()]
    return lines


def test_the_quantities_of_a_run_by_iteration(make_fitted: Any) -> None:
    run = make_fitted()
    known = Levels.of(run)
    figure = levels({"ga_nas": [run]})
    upper: Any = figure.axes[0]
    lines = drawn(upper)
    for name, values in (("level γ", known.gamma), ("threshold", known.threshold), ("best so far", known.best)):
        [found] = [heights for label, heights in lines.items() if label.startswith(name)]
        np.testing.assert_array_equal(found, values)
    assert upper.lines[0].get_xdata().tolist() == [0, 1, 2]
    assert lines["best in the table: 91.20"].tolist() == pytest.approx([91.2, 91.2])
    assert not upper.collections, "one run has no interval"


def test_the_divergence_stands_below_its_largest_value(make_fitted: Any) -> None:
    lower: Any = levels({"ga_nas": [make_fitted()]}).axes[1]
    lines = drawn(lower)
    np.testing.assert_array_equal(lines["JS divergence, estimated"], [math.nan, 0.6, -0.01])
    assert lines["ln 2: nothing in common"].tolist() == pytest.approx([math.log(2)] * 2)
    low, high = lower.get_ylim()
    assert low < -0.01 and high > math.log(2)


def test_a_divergence_that_nobody_estimated_is_told(make_fitted: Any) -> None:
    run = make_fitted()
    lines = [replace(line, note=line.note | {"js": None}) for line in run.history.lines]
    silent = dataclasses.replace(run, history=History.of(lines, run.scenario.criteria))
    assert list(drawn(levels({"ga_nas": [silent]}).axes[1])) == [
        "JS divergence: not estimated", "ln 2: nothing in common",
    ]  # fmt: skip


def test_several_seeds_are_a_mean_with_a_band(make_fitted: Any) -> None:
    runs = [make_fitted(), make_fitted(seed=1, failed=[7])]
    figure = levels({"ga_nas": runs})
    upper: Any = figure.axes[0]
    [mean] = [heights for name, heights in drawn(upper).items() if name.startswith("level γ")]
    assert mean == pytest.approx([87.7, 88.4, (90.5 + 89.8) / 2], rel=1e-6)
    _, band, _ = upper.collections
    corners = band.get_paths()[0].vertices
    assert corners[corners[:, 0] == 2][:, 1].min() == pytest.approx(89.8, rel=1e-6)
    assert corners[corners[:, 0] == 2][:, 1].max() == pytest.approx(90.5, rel=1e-6)
    assert "Lines: mean; bands: its 95 % bootstrap interval. 2 seeds." in figure.get_supxlabel()


def test_runs_of_different_lengths_end_with_the_shortest(make_fitted: Any) -> None:
    figure = levels({"ga_nas": [make_fitted(), make_fitted(9, ending=None, seed=1)]})
    assert figure.axes[0].lines[0].get_xdata().tolist() == [0, 1]
    said = figure.get_supxlabel().replace("\n", " ")
    assert "Iterations that every run has completed; the longest has 2 after the starting set." in said


def test_what_a_reader_must_know(make_fitted: Any) -> None:
    figure = levels({"ga_nas": [make_fitted(9, ending=None, seed=3, objectives=["cifar10_test_200"])]})
    title, said = figure.get_suptitle(), figure.get_supxlabel().replace("\n", " ")
    assert title.startswith("Levels of ga_nas: cifar10_test_200\non nb201")
    assert "Seed 3. Omitted: 2 trials of an iteration that may have more." in said
    assert "made for tests" in said and "Selection used a test metric (cifar10_test_200)." in said
    above: Any = figure.axes[0].child_axes[0]
    assert [label.get_text() for label in above.get_xticklabels()] == ["4", "7"]


def test_runs_of_one_strategy_are_needed(make_fitted: Any, make_report: Any) -> None:
    with pytest.raises(InputError, match=r"of one strategy, these runs are of 2 \(ga_nas, random\)"):
        levels({"ga_nas": [make_fitted()], "random": [make_report([1, 2])]})
    with pytest.raises(InputError, match="random fits no generator"):
        levels({"random": [make_report([1, 2])]})
