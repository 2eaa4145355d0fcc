"""The picture of the sizes of random cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")

from archloom.analysis.cell_sizes import Sizes, cell_sizes


def test_a_bar_for_each_sampler_and_size(words: Any, assert_tidy: Any) -> None:
    one = Sizes(np.repeat([2, 3, 7], [5, 2, 1]), np.repeat([1, 4, 9], [5, 2, 1]))
    other = Sizes(np.full(8, 7), np.full(8, 9))
    figure = cell_sizes({"one": one, "other": other}, ["Eight of each."])
    left, right = figure.axes
    heights = [[int(bar.get_height()) for bar in bars] for bars in left.containers]
    assert heights == [[5, 2, 0, 0, 0, 1], [0, 0, 0, 0, 0, 8]], "2 to 7 vertices"
    assert [len(bars) for bars in right.containers] == [9, 9]
    assert len({bars[0].get_hatch() for bars in left.containers}) == 2, "bars differ in grey"
    assert "one" in words(figure) and "Eight of each." in words(figure)
    assert_tidy(figure)
