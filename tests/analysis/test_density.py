"""Shades for how many fall into a field."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")

from archloom.analysis.density import Extent, add_scale, count, most_of, shade
from archloom.analysis.figures import new_figure, styled


def test_every_point_within_the_extent_is_counted_once() -> None:
    extent = Extent(0.0, 2.0, 0.0, 3.0)
    counts = count([0.5, 0.5, 1.5, 9.0], [0.5, 0.6, 2.5, 1.0], 2, 3, extent)
    assert counts.tolist() == [[2, 0, 0], [0, 0, 1]]


def test_a_range_without_the_rarest() -> None:
    low, high = most_of(np.concatenate([np.linspace(0, 1, 100_000), [-500.0, 700.0]]))
    assert -0.1 < low < 0 and 1 < high < 1.1
    assert most_of(np.full(5, 3.0)) == (2.0, 4.0), "never empty"


def test_the_scale_has_powers_of_ten() -> None:
    with styled():
        figure = new_figure(4, 3)
        axes = figure.add_subplot()
        image = shade(axes, np.array([[0.0, 1.0], [40.0, 2_300.0]]), Extent(0, 1, 0, 1), 2_300.0)
        add_scale(figure, image, axes, "episodes", 2_300.0)
        figure.draw_without_rendering()
    drawn = np.ma.masked_invalid(image.get_array()).filled(-1)
    assert drawn.tolist() == [[-1, 40], [1, 2_300]], "rows from below, nothing where there is nothing"
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["1", "10", "100", "1,000"]
