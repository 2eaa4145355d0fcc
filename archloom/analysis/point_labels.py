"""Small labels beside points of a plot, none over another, over a point or a line, or outside the axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from archloom.analysis.stats import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = 6.5
"""Points of the labels' font."""
_RINGS = (2.5, 7.0, 13.0, 20.0, 28.0)
"""How far from its point a label may begin, in points; those beyond the first have a line to it."""
_TURNS = (0.0, 45.0, -45.0, 90.0, -90.0, 135.0, -135.0, 180.0)
"""Directions in which there may be room, in degrees from the preferred one, in the order in which they are tried."""
_MARKER, _LINE = 2.5, 0.8
"""Half the side of a marker and half the width of a line, in points."""


class Labelled(NamedTuple):
    """Points (n, 2) in the axes' units, a text for each, their colour, and the steps (m, 2) that join them."""

    points: Floats
    texts: Sequence[str]
    colour: str
    steps: Floats


class _Box(NamedTuple):
    """A rectangle in points from the lower left corner of the figure."""

    x0: float
    y0: float
    x1: float
    y1: float

    def meets(self, other: _Box) -> bool:
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1

    def from_point(self, point: Sequence[float]) -> tuple[float, float]:
        """Where the centre is from a point."""
        return (self.x0 + self.x1) / 2 - point[0], (self.y0 + self.y1) / 2 - point[1]

    def within(self, other: _Box) -> bool:
        return other.x0 <= self.x0 and self.x1 <= other.x1 and other.y0 <= self.y0 and self.y1 <= other.y1


def label_points(axes: Axes, groups: Sequence[Labelled], towards: tuple[float, float]) -> int:
    """Label as many points as there is room for; how many there was none for.

    `towards` is the direction (right, up) from a point in which there is most likely to be room. The figure must be
    complete and have its final size: its layout is computed, and labels do not change it.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes that are drawn into have one
    figure.draw_without_rendering()
    to_points = 72.0 / figure.dpi
    frame = _Box(*(side * to_points for side in axes.bbox.extents))
    places = [axes.transData.transform(group.points) * to_points for group in groups]
    taken = [_around([centre], _MARKER) for group in places for centre in group.tolist()]
    for group in groups:
        corners = (axes.transData.transform(group.steps) * to_points).tolist()
        taken += [_around(ends, _LINE) for ends in pairwise(corners)]  # level or upright, each of them
    omitted = 0
    for group, centres in zip(groups, places, strict=True):
        for point, centre, text in zip(group.points.tolist(), centres.tolist(), group.texts, strict=True):
            size = _size(text)
            free = (
                (box, leader)
                for box, leader in _candidates(centre, size, math.degrees(math.atan2(towards[1], towards[0])))
                if box.within(frame) and not any(part.meets(other) for part in (box, *leader) for other in taken)
            )
            box, leader = next(free, (None, []))
            if box is None:
                omitted += 1
                continue
            taken += [box, *leader]
            _write(axes, text, point, box.from_point(centre), group.colour, bool(leader))
    return omitted


def _around(points: Sequence[Sequence[float]], room: float) -> _Box:
    """The smallest rectangle that holds some points, with room on all sides."""
    x, y = zip(*points, strict=True)
    return _Box(min(x) - room, min(y) - room, max(x) + room, max(y) + room)


def _size(text: str) -> tuple[float, float]:
    """Width and height of a label in points, with some room around it."""
    from matplotlib.textpath import TextPath

    extents = TextPath((0, 0), text, size=_SIZE).get_extents()
    return float(extents.width) + 2.0, _SIZE * 0.74 + 1.5


def _candidates(
    centre: Sequence[float], size: tuple[float, float], preferred: float
) -> Iterator[tuple[_Box, list[_Box]]]:
    """Places of a label beside a point, the best first, each with the places that a line to it passes."""
    width, height = size
    for ring, far in enumerate(_RINGS):
        for turn in _TURNS:
            angle = math.radians(preferred + turn)
            right, up = math.cos(angle), math.sin(angle)
            # The edge of the label, not its centre, is `far` from the marker.
            x = centre[0] + right * (far + _MARKER + width / 2)
            y = centre[1] + up * (far + _MARKER + height / 2)
            box = _Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            yield box, _leader(centre, (x, y), box) if ring else []


def _leader(start: Sequence[float], end: Sequence[float], box: _Box) -> list[_Box]:
    """Small rectangles along the line from a point's marker to the edge of its label."""
    count = math.ceil(math.dist(start, end))
    places = ([a + (b - a) * step / count for a, b in zip(start, end, strict=True)] for step in range(count))
    dots = [_around([place], _LINE / 2) for place in places if math.dist(place, start) > 2 * _MARKER]
    return [dot for dot in dots if not dot.meets(box)]


def _write(
    axes: Axes, text: str, point: Sequence[float], offset: tuple[float, float], colour: str, leader: bool
) -> None:
    from matplotlib.patheffects import withStroke

    place: Any = {"xy": point, "xytext": offset, "textcoords": "offset points"}
    label = axes.annotate(text, ha="center", va="center", fontsize=_SIZE, color=colour, zorder=6, **place)
    label.set_path_effects([withStroke(linewidth=1.5, foreground="white", alpha=0.8)])
    label.set_in_layout(False)
    if leader:
        line = {"arrowstyle": "-", "linewidth": 0.4, "color": colour, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", arrowprops=line, zorder=5, **place).set_in_layout(False)
