"""Widths and depths of the best cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.analysis.topology_plot import topology
from archloom.errors import InputError


def test_shares_of_widths_and_depths(darts_runs: Any, words: Any, assert_tidy: Any) -> None:
    """Every bar's height, against the space's own topology of the best half of each run."""
    figure = topology(darts_runs, top="50%")
    run = darts_runs["a"][0]
    best = sorted(run.history.lines, key=lambda line: -line.scores["y"])[:5]
    found = run.scenario.space.topology([line.trial.proposal.arch for line in best])
    for axes, values in zip(figure.axes[:2], (found["normal"].widths, found["reduce"].widths), strict=True):
        heights = {round(bar.get_x() + bar.get_width() / 2, 3): bar.get_height() for bar in axes.containers[0]}
        shares = [100 * float((values == width).mean()) for width in axes.get_xticks()]
        np.testing.assert_allclose(list(heights.values()), shares)
    assert [axes.get_xlabel() for axes in figure.axes[:4]] == [
        "width of normal cells", "width of reduce cells", "depth of normal cells", "depth of reduce cells",
    ]  # fmt: skip
    said = words(figure)
    assert "Cells of the top 50 % by y" in said and "a (5 architectures)" in said and "random architectures" in said
    assert_tidy(figure)


def test_random_architectures_are_those_of_the_space(darts_runs: Any) -> None:
    """Two of the k + 2 sources of node k are inputs, so of its two pairs 4 / (k + 2) read one on average."""
    line = topology(darts_runs).axes[0].lines[0]
    mean = float(np.asarray(line.get_xdata()) @ np.asarray(line.get_ydata())) / 100
    assert mean == pytest.approx(2 * (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5), abs=0.03)


def test_spaces_whose_cells_have_no_topology(make_report: Any) -> None:
    with pytest.raises(InputError, match="space 'nb201' does not say how wide and deep its cells are"):
        topology({"a": [make_report([1, 2])]})
