"""Draws a network of graphs of graphs: one graph of each level as a ring, and below them all operations.

Of the operations each top node is a row, its operations from left to right in the order of their numbers, in a box for
each bottom graph. Edges inside a bottom graph are arcs above the row, those between bottom graphs arcs below it, those
between top nodes arcs at its left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archloom.spaces.drawing import NestedDrawing, NestedGraph

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]

# Lengths are in inches.
_INK, _EDGE, _ADDED = "#333333", "#7F7F7F", "#D00000"
_MORE = ("#A6761D", "#999999", "#E6AB02", "#66A61E")
"""Colours of operations when all others are taken."""
_RING = 1.05
"""The radius of a level's ring."""
_PANEL = 4.2
"""The width of a level's panel."""
_LONGEST = 13.0
"""The longest row, however many operations are in it."""
_STEP = 0.3
"""How far operations are apart, unless the longest row has too many."""
_LABELS = 2.2
"""The room for the labels of rows."""
_BADGE = 0.13
"""The radius of the number of a row."""


def draw_nested(axes: Axes, drawing: NestedDrawing, colours: Sequence[str]) -> tuple[float, float]:
    """Draw into empty axes; returns the width and height that are needed."""
    groups = dict(zip(dict.fromkeys(drawing.groups), colours, strict=False))
    operations = sorted(set(_operations(drawing.top)))
    more = [colour for colour in (*colours, *_MORE) if colour not in groups.values()]
    kinds = dict(zip(operations, more if len(operations) > 1 else [_INK], strict=False))
    painter = _Painter(axes, [groups[group] for group in drawing.groups], kinds)
    bottom = painter.levels(drawing.top, 0.0)
    width, bottom = painter.rows(drawing, bottom - 0.1)
    bottom = painter.legend(groups, width, bottom)
    painter.finish()
    axes.set_xlim(-0.1, width)
    axes.set_ylim(bottom, 0.1)
    axes.set_aspect("equal")
    return width + 0.4, 0.1 - bottom


def _operations(graph: NestedGraph | str) -> Iterable[str]:
    """The operations of all nodes."""
    if isinstance(graph, str):
        yield graph
    else:
        for child in graph.children:
            yield from _operations(child)


def _ends(graph: NestedGraph) -> tuple[list[int], list[int]]:
    """The inputs and outputs of a graph."""
    sources, targets = {low for low, _ in graph.edges}, {high for _, high in graph.edges}
    nodes = range(len(graph.children))
    return [node for node in nodes if node not in targets], [node for node in nodes if node not in sources]


@dataclass(frozen=True)
class _Row:
    """The operations of a top node: their names, where bottom graphs begin, and edges by places in the row."""

    names: list[str]
    starts: list[int]
    inner: list[tuple[int, int, bool]]
    """Edges inside bottom graphs, and whether they were added."""
    outer: list[tuple[int, int, bool]]
    """Edges between bottom graphs."""
    inputs: set[int]
    outputs: set[int]


def _row(cell: NestedGraph) -> _Row:
    names, starts, inner, ends = list[str](), list[int](), list[tuple[int, int, bool]](), list[Any]()
    for bottom in cell.children:
        assert isinstance(bottom, NestedGraph)  # noqa: S101 - the second of three levels
        start = len(names)
        starts.append(start)
        names += [str(child) for child in bottom.children]
        inner += [(start + low, start + high, (low, high) in bottom.added) for low, high in bottom.edges]
        ends.append([[start + node for node in side] for side in _ends(bottom)])
    outer = [
        (source, target, (low, high) in cell.added)
        for low, high in cell.edges
        for source in ends[low][1]
        for target in ends[high][0]
    ]
    first, last = _ends(cell)
    inputs = {place for node in first for place in ends[node][0]}
    outputs = {place for node in last for place in ends[node][1]}
    return _Row(names, starts, inner, outer, inputs, outputs)


def _bulge(span: int) -> float:
    """Twice how far an arc between rows goes to the left."""
    return 0.42 * math.pow(span, 0.8)


def _rise(span: float, step: float) -> float:
    """The height of an arc over so many steps: the further, the less it rises for each."""
    return 0.6 * step * math.sqrt(span)


class _Painter:
    """Collects lines, and draws them all at once: there may be thousands."""

    def __init__(self, axes: Axes, shades: Sequence[str], kinds: Mapping[str, str]) -> None:
        self._axes = axes
        self._shades = shades
        """The colour of each top node."""
        self._kinds = kinds
        self._lines: dict[tuple[str, float], list[Any]] = {}
        """Lines by their colour and width."""
        self._added = False

    # -- one graph of each level ----------------------------------------------------------------------------------

    def levels(self, top: NestedGraph, y: float) -> float:
        """A ring for each level that has more than one node somewhere; returns the lower end."""
        nodes = range(len(top.children))
        cell = next((node for node in nodes if _size(top.children[node]) > 1), 0)
        middle = top.children[cell]
        assert isinstance(middle, NestedGraph)  # noqa: S101 - three levels
        bottom = middle.children[0]
        assert isinstance(bottom, NestedGraph)  # noqa: S101 - three levels
        panels = [("Top level", top, list(self._shades))]
        if len(middle.children) > 1:
            panels.append((f"Middle level: in node {cell}", middle, [self._shades[cell]] * len(middle.children)))
            place = "in node 0 of it"
        else:
            place = f"in node {cell}"
        fills = [self._fill(str(child), cell) for child in bottom.children]
        panels.append((f"Bottom level: {place}", bottom, fills))
        for number, (title, graph, colours) in enumerate(panels):
            self._ring(title, graph, colours, number * _PANEL + _PANEL / 2, y)
        return y - 2 * _RING - 1.1

    def _ring(self, title: str, graph: NestedGraph, colours: Sequence[str], x: float, y: float) -> None:
        from matplotlib.patches import Circle, FancyArrowPatch

        n, centre = len(graph.children), (x, y - 0.75 - _RING)
        radius = _RING if n > 1 else 0.0
        size = min(0.19, 2.1 * _RING / n) if n > 1 else 0.19
        at = [
            (
                centre[0] + radius * math.sin(2 * math.pi * node / n),
                centre[1] + radius * math.cos(2 * math.pi * node / n),
            )
            for node in range(n)
        ]
        self._axes.text(x, y, title, ha="center", va="top", fontsize=10.5, weight="bold", color=_INK)
        circles = [Circle(place, size, facecolor=colour, edgecolor="white", linewidth=0.8, zorder=6)
                   for place, colour in zip(at, colours, strict=True)]  # fmt: skip
        for circle in circles:
            self._axes.add_patch(circle)
        for low, high in graph.edges:
            added = (low, high) in graph.added
            self._added |= added
            self._axes.add_patch(
                FancyArrowPatch(
                    at[low], at[high], patchA=circles[low], patchB=circles[high], shrinkA=0, shrinkB=1,
                    arrowstyle="-|>", mutation_scale=9 if n <= 12 else 6, linewidth=1.1 if n <= 12 else 0.6,
                    color=_ADDED if added else _EDGE, linestyle=(0, (3, 1.5)) if added else "-", zorder=4,
                )
            )  # fmt: skip
        if n <= 45:
            for node, (px, py) in enumerate(at):
                self._axes.text(px, py, str(node), ha="center", va="center_baseline", color="white", zorder=7,
                                fontsize=min(9.5, 55 * size))  # fmt: skip
        for side, nodes in zip((-1, 1), _ends(graph), strict=True):
            for node in nodes:
                self._outside(at[node], centre, size, side)

    def _outside(self, at: Point, centre: Point, size: float, side: int) -> None:
        """A short arrow from outside to an input, or from an output to outside."""
        away = math.dist(at, centre)
        dx, dy = ((at[0] - centre[0]) / away, (at[1] - centre[1]) / away) if away else (float(side), 0.0)
        near = (at[0] + dx * (size + 0.02), at[1] + dy * (size + 0.02))
        far = (at[0] + dx * (size + 0.22), at[1] + dy * (size + 0.22))
        start, end = (far, near) if side < 0 else (near, far)
        self._axes.annotate(
            "",
            end,
            start,
            arrowprops={"arrowstyle": "-|>", "color": _INK, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0},
        )

    # -- all operations -------------------------------------------------------------------------------------------

    def rows(self, drawing: NestedDrawing, y: float) -> tuple[float, float]:
        """A row for each top node; returns the right and the lower end."""
        top = drawing.top
        rows = [_row(cell) for cell in top.children if isinstance(cell, NestedGraph)]
        step = min(_STEP, _LONGEST / max(len(row.names) for row in rows))
        spans = [high - low for low, high in top.edges]
        left = 0.3 + _bulge(max(spans, default=1)) / 2
        every = list(_operations(top))
        said = f" ({every[0]})" if len(self._kinds) == 1 else ""
        counted = f"All {len(every):,} operations" if len(every) > 1 else "The only operation"
        title = f"{counted}{said}, a row for each top node"
        self._axes.text(0.0, y, title, ha="left", va="top", fontsize=10.5, weight="bold", color=_INK)
        self._axes.text(0.0, y - 0.25, "\n".join(drawing.notes), ha="left", va="top", fontsize=8.5, color=_INK)
        lines, y = list[float](), y - 0.4 - 0.15 * len(drawing.notes)
        for node, row in enumerate(rows):
            above = max([_rise(high - low, step) for low, high, _ in row.inner], default=0.0)
            below = max([_rise(high - low, step) for low, high, _ in row.outer], default=0.0)
            y -= max(above, 0.16) + 0.12
            lines.append(y)
            self._draw_row(node, row, (left + _LABELS, y), step)
            self._axes.text(
                left + 0.22, y, drawing.labels[node], ha="left", va="center_baseline", fontsize=8, color=_INK
            )
            y -= max(below, 0.16) + 0.1
        self._between_rows(top, lines, left)
        longest = max(len(row.names) for row in rows) * step
        panels = 3 if any(_size(cell) > 1 for cell in top.children) else 2
        return max(left + _LABELS + longest + 0.4, panels * _PANEL), y

    def _draw_row(self, node: int, row: _Row, origin: Point, step: float) -> None:
        from matplotlib.patches import FancyBboxPatch

        x0, y = origin
        half = min(0.5 * step, 0.13)
        for start, end in zip(row.starts, [*row.starts[1:], len(row.names)], strict=True):
            self._axes.add_patch(
                FancyBboxPatch(
                    (x0 + (start - 0.38) * step, y - half), (end - start - 1 + 0.76) * step, 2 * half,
                    boxstyle=f"round,pad=0,rounding_size={0.6 * half}", facecolor=self._shades[node], alpha=0.22,
                    edgecolor="none", zorder=1,
                )
            )  # fmt: skip
        for edges, way in ((row.inner, 1), (row.outer, -1)):
            many = len(edges) > 150
            for low, high, added in edges:
                height = way * (_rise(high - low, step) if high - low > 1 or way < 0 else 0.0)
                self._arc((x0 + low * step, y), (x0 + high * step, y), height, added, 0.45 if many else 0.8)
        self._dots(node, row, origin, step)

    def _dots(self, node: int, row: _Row, origin: Point, step: float) -> None:
        """The operations, by kind and by whether the row begins or ends there."""
        x0, y = origin
        area = (72 * min(0.62 * step, 0.13)) ** 2
        for marker, chosen in (
            (">", row.inputs - row.outputs),
            ("s", row.outputs),
            ("o", set(range(len(row.names))) - row.inputs - row.outputs),
        ):
            places = sorted(chosen)
            self._axes.scatter(
                [x0 + place * step for place in places], [y] * len(places), marker=marker,
                s=area * {"o": 1.0, ">": 1.15, "s": 0.9}[marker],
                c=[self._fill(row.names[place], node) for place in places],
                linewidths=0.4, edgecolors="white", zorder=5,
            )  # fmt: skip

    def _fill(self, operation: str, node: int) -> str:
        """Operations have the colours of their kinds; if all are of one kind, those of the top nodes."""
        return self._kinds[operation] if len(self._kinds) > 1 else self._shades[node]

    def _between_rows(self, top: NestedGraph, lines: Sequence[float], left: float) -> None:
        from matplotlib.patches import Circle, FancyArrowPatch

        badges = [Circle((left, y), _BADGE, facecolor=self._shades[node], edgecolor="white", linewidth=0.6, zorder=6)
                  for node, y in enumerate(lines)]  # fmt: skip
        for badge in badges:
            self._axes.add_patch(badge)
        for low, high in top.edges:
            added = (low, high) in top.added
            rad = _bulge(high - low) / (lines[low] - lines[high])  # the share of the length that the control is aside
            self._axes.add_patch(
                FancyArrowPatch(
                    (left, lines[low]), (left, lines[high]), arrowstyle="-|>", mutation_scale=8, patchA=badges[low],
                    patchB=badges[high], connectionstyle=f"arc3,rad={rad}", shrinkA=0, shrinkB=0, linewidth=1.0,
                    color=_ADDED if added else self._shades[low], linestyle=(0, (3, 1.5)) if added else "-", zorder=3,
                )
            )  # fmt: skip
        first, last = _ends(top)
        for node, y in enumerate(lines):
            self._axes.text(left, y, str(node), ha="center", va="center_baseline", fontsize=8, color="white", zorder=7)
            said = [name for name, nodes in (("in", first), ("out", last)) if node in nodes]
            self._axes.text(left + _LABELS - 0.15, y, ", ".join(said), ha="right", va="center_baseline", fontsize=8,
                            color=_INK, weight="bold")  # fmt: skip

    def _arc(self, start: Point, end: Point, height: float, added: bool, width: float) -> None:
        """Half an ellipse, nearly; a straight line for a height of 0."""
        (x0, y), (x1, _) = start, end
        control = 4 / 3 * height
        points = [(x0, y), (x0 + 0.12 * (x1 - x0), y + control), (x1 - 0.12 * (x1 - x0), y + control), (x1, y)]
        self._added |= added
        self._lines.setdefault((_ADDED if added else _EDGE, width), []).append(points)

    # -- the end --------------------------------------------------------------------------------------------------

    def legend(self, groups: Mapping[str, str], width: float, y: float) -> float:
        """What colours and marks mean, in lines below all."""
        from matplotlib.lines import Line2D

        def mark(marker: str, colour: str, label: str) -> Line2D:
            return Line2D([], [], linestyle="none", marker=marker, markersize=7, color=colour, label=label)

        kinds = [mark("o", colour, name) for name, colour in self._kinds.items()] if len(self._kinds) > 1 else []
        handles = [
            *(mark("o" if not kinds else "s", colour, name) for name, colour in groups.items()),
            *kinds,
            mark(">", _INK, "input of the row"),
            mark("s", _INK, "output of the row"),
        ]
        if self._added:
            handles.append(Line2D([], [], color=_ADDED, linestyle="--", label="edge that joins components"))
        columns = max(3, int(width / 1.5))
        self._axes.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0.0, 0.0), ncols=min(columns, len(handles)),
            frameon=False, fontsize=8.5, borderpad=0.0, handletextpad=0.3, columnspacing=1.4,
        )  # fmt: skip
        return y - 0.15 - 0.24 * math.ceil(len(handles) / columns)

    def finish(self) -> None:
        """Draw the lines."""
        from matplotlib.collections import PathCollection
        from matplotlib.path import Path

        codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        for (colour, width), lines in self._lines.items():
            self._axes.add_collection(
                PathCollection(
                    [Path(points, codes) for points in lines], facecolors="none", edgecolors=colour, linewidths=width,
                    alpha=0.8, zorder=3 if colour == _EDGE else 4, linestyles="-" if colour == _EDGE else "--",
                ),
                autolim=False,
            )  # fmt: skip


def _size(graph: NestedGraph | str) -> int:
    return len(graph.children) if isinstance(graph, NestedGraph) else 0
