"""Labels beside points."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots need the extra plots")

from archloom.analysis.figures import new_figure, styled
from archloom.analysis.point_labels import Labelled, label_points

NO_STEPS = np.empty((0, 2))


@pytest.fixture
def axes() -> Iterator[Any]:
    """Axes from 0 to 10."""
    with styled():
        panel = new_figure(4.0, 4.0).add_subplot()
        panel.set(xlim=(0, 10), ylim=(0, 10))
        yield panel


def boxes(axes: Any) -> list[Any]:
    axes.figure.draw_without_rendering()
    return [text.get_window_extent() for text in axes.texts if text.get_text()]


def test_a_label_goes_where_there_is_room(axes: Any) -> None:
    """Up and to the left of its point, unless that is outside the axes."""
    points = np.array([[5.0, 5.0], [0.1, 9.9]])
    assert label_points(axes, [Labelled(points, ["17", "18"], "black", NO_STEPS)], (-1.0, 1.0)) == 0
    places = axes.transData.transform(points)
    inner, corner = boxes(axes)
    assert inner.x1 < places[0, 0] and inner.y0 > places[0, 1]
    assert axes.bbox.x0 <= corner.x0 and corner.y1 <= axes.bbox.y1
    assert axes.texts[0].get_color() == "black"


def test_labels_cover_neither_each_other_nor_points_nor_lines(axes: Any) -> None:
    points = np.array([[x, 5.0] for x in np.linspace(4.0, 6.0, 12)])
    steps = np.array([[0.0, 5.3], [10.0, 5.3]])
    group = Labelled(points, [str(100 + i) for i in range(12)], "black", steps)
    omitted = label_points(axes, [group], (-1.0, 1.0))
    found = boxes(axes)
    assert len(found) == 12 - omitted > 3
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))
    line = axes.transData.transform(steps)[0, 1]
    assert not any(box.y0 < line < box.y1 for box in found)
    for x, y in axes.transData.transform(points):
        assert not any(box.contains(x, y) for box in found)


def test_what_has_no_room_is_counted(axes: Any) -> None:
    group = Labelled(np.full((40, 2), 5.0), ["1000"] * 40, "black", NO_STEPS)
    assert label_points(axes, [group], (1.0, 1.0)) == 40 - len(boxes(axes)) > 0
