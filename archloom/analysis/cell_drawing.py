"""Draws one architecture into a figure: as a graph if its space provides one, else as a table of its choices.

A graph is laid out as an arc diagram: nodes on a line from left to right, edges between neighbours straight, all
others as arcs above or below, the higher the more they span, so that arcs on one side nest instead of crossing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from archloom.analysis.nested_drawing import draw_nested
from archloom.spaces.base import SearchSpace
from archloom.spaces.drawing import Drawable, Drawing, DrawnEdge, HasChoices, HasNestedDrawing
from archloom.types import Arch
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Ellipse

# Lengths are in inches at full size.
_NODE = 0.5
"""The height of a node, and its width unless its label needs more."""
_BETWEEN = 0.8
"""The minimum gap between two nodes; the label of an edge between them may need more."""
_LEVEL = 0.62
"""How much higher an arc is than the highest below it."""
_MARGIN = 0.35
"""The margin above and below a graph."""
_TITLE = 0.2
"""The height of a graph's title."""
_AROUND = 1.3
"""The height of what is above and below all architectures: the figure's title and its notes."""
_TITLE_ABOVE = 0.35
"""The height of the title of one of several architectures."""
_LINES_OF_TEXT = (8.0, 2.3)
"""The width and height of an architecture that is only text."""
_ABSENT = "#9A9A9A"
_INK = "#333333"
_ROWS = 16
"""Rows in a column of the table of choices."""


def draw_cell(figure: Figure, space: SearchSpace, arch: Arch, colours: Sequence[str]) -> None:
    """Draw `arch` into an empty figure, whose size is changed to fit."""
    draw_cells(figure, space, [("", arch)], colours)


def draw_cells(figure: Figure, space: SearchSpace, titled: Sequence[tuple[str, Arch]], colours: Sequence[str]) -> None:
    """Draw architectures with titles one above the other, at one scale, equal labels of edges in equal colours."""
    panels = figure.subplots(len(titled), 1, squeeze=False)[:, 0]
    drawings = [space.drawing(arch) for _, arch in titled] if isinstance(space, Drawable) else []
    shades = _shades(drawings, colours)
    sizes = []
    for number, (axes, (title, arch)) in enumerate(zip(panels, titled, strict=True)):
        axes.set_axis_off()
        axes.set_anchor("C" if len(titled) == 1 else "W")
        axes.set_title(one_line(title), loc="left", fontsize=10)
        if isinstance(space, HasNestedDrawing):
            sizes.append(draw_nested(axes, space.nested_drawing(arch), colours))
        else:
            sizes.append(_draw_graph(axes, drawings[number], shades) if drawings else _draw_words(axes, space, arch))
    panels[0].get_gridspec().set_height_ratios([height for _, height in sizes])
    titles = sum(_TITLE_ABOVE for title, _ in titled if title)
    figure.set_size_inches(max(7.0, *(width for width, _ in sizes)), _AROUND + titles + sum(h for _, h in sizes))


def _draw_words(axes: Axes, space: SearchSpace, arch: Arch) -> tuple[float, float]:
    """Draw an architecture that is no graph into empty axes; returns the width and height it needs."""
    if isinstance(space, HasChoices):
        choices = {one_line(name): one_line(str(option)) for name, option in space.choices(arch).items()}
        return _draw_choices(axes, choices)
    text = "\n".join(textwrap.wrap(one_line(space.format(arch)), 90))
    axes.text(0.5, 0.5, text, ha="center", va="center", family="monospace", transform=axes.transAxes)
    return _LINES_OF_TEXT


# -- graphs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlacedEdge:
    """An edge with the height of its highest point: 0 is a straight line, below 0 an arc under the nodes."""

    edge: DrawnEdge
    level: int


def place(edges: Sequence[DrawnEdge]) -> list[PlacedEdge]:
    """Give every edge a level so that no two overlap, and arcs cross only if they must.

    Short edges come first. An edge between neighbours is straight; any other goes to the side where it crosses fewer
    arcs, then where it stays lower, and there one level above all it spans.
    """
    placed: list[PlacedEdge] = []
    for edge in sorted(edges, key=lambda e: (e.target - e.source, e.source)):
        spanned = [p for p in placed if _overlap(p.edge, edge)]
        straight_taken = any(p.level == 0 for p in spanned)
        if edge.target - edge.source == 1 and not straight_taken:
            placed.append(PlacedEdge(edge, 0))
            continue
        options = []
        for side in (1, -1):
            same = [p for p in spanned if p.level * side > 0]
            height = 1 + max((abs(p.level) for p in same), default=0)
            options.append((sum(_cross(p.edge, edge) for p in same), height, -side))
        _, height, turned = min(options)
        placed.append(PlacedEdge(edge, -turned * height))
    return placed


def _overlap(a: DrawnEdge, b: DrawnEdge) -> bool:
    return a.source < b.target and b.source < a.target


def _cross(a: DrawnEdge, b: DrawnEdge) -> bool:
    first, second = sorted((a, b), key=lambda e: (e.source, -e.target))
    return first.source < second.source < first.target < second.target


def _draw_graph(axes: Axes, drawing: Drawing, shades: Mapping[str, str]) -> tuple[float, float]:
    """The parts stacked, their nodes in columns; returns the width and height they need."""
    parts = [(part, place(part.edges)) for part in drawing.split()]
    columns = _columns(parts)
    wide = max(map(_width, drawing.nodes)) / 2 + 0.2
    titles = [title for title, _ in drawing.parts] or [""]
    end = 0.0
    for title, (part, placed) in zip(titles, parts, strict=True):
        levels = [p.level for p in placed]
        height = end - _LEVEL * max([1, *levels]) - _MARGIN - (_TITLE if title else 0)
        if title:
            axes.text(
                -wide, end - _MARGIN, one_line(title), ha="left", va="top", fontsize=11, weight="bold", color=_INK
            )
        nodes = [_draw_node(axes, x, height, label) for x, label in zip(columns, part.nodes, strict=False)]
        for p in placed:
            _draw_edge(axes, p, nodes, _ABSENT if p.edge.absent else shades[p.edge.label])
        end = height + _LEVEL * min([-1, *levels]) - _MARGIN
    axes.set_xlim(-wide, columns[-1] + wide)
    axes.set_ylim(end, 0)
    axes.set_aspect("equal")
    return columns[-1] + 2 * wide + 0.6, -end


def _columns(parts: Sequence[tuple[Drawing, Sequence[PlacedEdge]]]) -> list[float]:
    """The x of the nodes from left to right, in all parts, far enough apart for the labels of straight edges."""
    longest = max((part for part, _ in parts), key=lambda part: len(part.nodes)).nodes
    room = [_BETWEEN] * (len(longest) - 1)
    for _, placed in parts:
        for p in placed:
            if p.level == 0:
                room[p.edge.source] = max(room[p.edge.source], 0.085 * len(p.edge.label) + 0.4)
    widest = max(_width(label) for part, _ in parts for label in part.nodes)
    return list(accumulate((widest + between for between in room), initial=0.0))


def _width(label: str) -> float:
    """The width of a node."""
    return max(_NODE, 0.095 * len(label) + 0.22)


def _draw_node(axes: Axes, x: float, y: float, label: str) -> Ellipse:
    from matplotlib.patches import Ellipse

    node = Ellipse((x, y), _width(label), _NODE, facecolor="#F4F4F4", edgecolor=_INK, linewidth=1.2, zorder=5)
    axes.add_patch(node)
    axes.text(x, y, one_line(label), ha="center", va="center_baseline", fontsize=10, zorder=6, color=_INK)
    return node


def _draw_edge(axes: Axes, placed: PlacedEdge, nodes: Sequence[Ellipse], colour: str) -> None:
    from matplotlib.patches import FancyArrowPatch

    edge = placed.edge
    source, target = nodes[edge.source], nodes[edge.target]
    (start, y), (end, _) = source.center, target.center
    peak = placed.level * _LEVEL
    # arc3 is a quadratic Bezier curve: it rises to half the height of its control point, which is rad * length.
    axes.add_patch(
        FancyArrowPatch(
            (start, y), (end, y), connectionstyle=f"arc3,rad={-2 * peak / (end - start)}",
            arrowstyle="-" if edge.absent else "-|>", mutation_scale=13, patchA=source, patchB=target,
            shrinkA=1, shrinkB=2, color=colour,
            linestyle=(0, (1, 2.2)) if edge.absent else "-", linewidth=1.2 if edge.absent else 2.0, zorder=2,
        )
    )  # fmt: skip
    if edge.label:
        axes.text(
            (start + end) / 2, y + peak, one_line(edge.label), ha="center", va="center", fontsize=9, color=colour,
            zorder=4, bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"},
        )  # fmt: skip


def _shades(drawings: Sequence[Drawing], colours: Sequence[str]) -> dict[str, str]:
    """A colour for every label that edges carry, in alphabetical order, so that one cell looks like the next."""
    labels = sorted({edge.label for drawing in drawings for edge in drawing.edges if not edge.absent})
    return {label: colours[i % len(colours)] for i, label in enumerate(labels)}


# -- tables -------------------------------------------------------------------------------------------------------


def _draw_choices(axes: Axes, choices: Mapping[str, str]) -> tuple[float, float]:
    """Names and options in columns of at most `_ROWS` rows."""
    items = list(choices.items())
    columns = [items[i : i + _ROWS] for i in range(0, len(items), _ROWS)]
    rows = max(len(column) for column in columns)
    longest = max(len(name) + len(option) for name, option in items)
    each = max(2.4, 0.095 * longest + 0.6)  # inches
    axes.set_xlim(0, each * len(columns))
    axes.set_ylim(rows - 0.4, -0.6)
    for number, column in enumerate(columns):
        left, right = number * each + 0.1, (number + 1) * each - 0.25
        for row, (name, option) in enumerate(column):
            axes.text(left, row, name, ha="left", va="center", fontsize=9, color="#666666")
            axes.text(right, row, option, ha="right", va="center", fontsize=9, color=_INK, weight="bold")
            axes.plot([left, right], [row + 0.5, row + 0.5], color="#E5E5E5", linewidth=0.6)
    return each * len(columns) + 0.6, 0.25 * rows + 0.3
