"""The picture of accuracy against the number of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")

from archloom.analysis.neighbour_counts import neighbour_counts


def test_quartiles_at_each_number_of_neighbours(words: Any, assert_tidy: Any) -> None:
    counts = np.repeat([3, 4, 6], [101, 101, 5])
    values = np.concatenate([np.linspace(80, 90, 101), np.linspace(85, 95, 101), np.full(5, 88.0)])
    figure = neighbour_counts("On nb101", "valid_108", values, counts, ["A few."])
    lower, middle, upper = figure.axes[0].lines
    assert list(middle.get_xdata()) == [3, 4], "too few have 6"
    assert [line.get_ydata().tolist() for line in (lower, middle, upper)] == [[82.5, 87.5], [85, 90], [87.5, 92.5]]
    assert figure.axes[0].get_xlim() == (2.5, 6.5)
    assert "valid_108 (%)" in words(figure) and "A few." in words(figure)
    assert_tidy(figure)


def test_so_few_that_there_are_no_quartiles(assert_tidy: Any) -> None:
    assert_tidy(neighbour_counts("On nb101", "valid_108", np.array([90.0, 91.0]), np.array([3, 5]), []))
