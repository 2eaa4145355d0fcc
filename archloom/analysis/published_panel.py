"""Published results in plots: at their query counts, and in a panel beside the axes with a note for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from archloom.analysis.figures import FAINT, INK, new_figure
from archloom.analysis.published_rows import Published
from archloom.analysis.study import BEYOND, Study
from archloom.utils.numbers import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MARKERS = ("D", "s", "^", "o", "v", "P", "X", "p", "h", "*")
"""One for each published method."""

_NARROW, _WIDE, _MANY = 0.14, 0.21, 10
"""Inches between results in the panel, if there are more than so many, and if not."""
_HIGH, _ROOM = 4.9, 12
"""Inches of a figure's height, which leave room for so many notes."""
_NOTE_GAP = 12.5
"""The minimum distance of notes, in points."""
_NOTE_LINE = 13.0
"""The length of the line from the axes to a note, in points."""


@dataclass(frozen=True)
class _Note:
    """A note beside the axes for something at height `y`, whose line starts at `x`, in the axes' data coordinates."""

    words: str
    x: float
    y: float


def figure_with_panel(study: Study, main: float = 5.6) -> tuple[Figure, Axes, Axes | None]:
    """A figure with main axes `main` inches wide and, if there are published results, a panel with the same y axis."""
    count = len(study.references)
    panel = 0.2 + (_NARROW if count > _MANY else _WIDE) * count
    high = _HIGH + 0.18 * max(0, count - _ROOM)
    figure = new_figure(main + 0.6 + (panel + 3.0 if count else 1.3), high)
    if not count:
        return figure, figure.add_subplot(), None
    axes, side = figure.subplots(1, 2, sharey=True, width_ratios=(main, panel))
    return figure, axes, side


def mark_published(axes: Axes, study: Study) -> None:
    """Draw published results at their query counts, those at the same count side by side; of a method all that is
    known."""
    from matplotlib.transforms import ScaledTranslation

    marks = dict(zip((p.method for p in study.references), _marks(), strict=False))
    shown = [p for p in study.published if p.queries is not None and p.queries <= study.queries * BEYOND]
    for method, mark in marks.items():
        own = sorted((p for p in shown if p.method == method), key=lambda p: p.queries or 0)
        for published in own:
            beside = [p for p in shown if p.queries == published.queries]
            shift = (beside.index(published) - (len(beside) - 1) / 2) * (8 if len(beside) <= 5 else 6) / 72  # inches
            assert axes.figure is not None  # noqa: S101 - it has been drawn into
            move = ScaledTranslation(shift, 0, axes.figure.dpi_scale_trans)
            _draw_published(axes, published.queries or 0, published, mark, axes.transData + move)


def of_two(published: Sequence[Published], metric: str, cost: str) -> list[tuple[Published, Published]]:
    """What is published of methods by a metric, each with its cost, which another table may have."""
    costs = {each.label: each for each in published if each.metric == cost}
    return [(each, costs[each.label]) for each in published if each.metric == metric and each.label in costs]


def mark_two(axes: Axes, published: Sequence[Published], metric: str, cost: str) -> list[Line2D]:
    """Draw methods at their published cost (x) and metric (y), as `of_two` pairs them; returns what a legend is to
    show."""
    sources, drawn = sources_of(published), []
    for (each, paid), mark in zip(of_two(published, metric, cost), _marks(), strict=False):
        if each.std is not None:
            axes.plot([paid.mean] * 2, [each.mean - each.std, each.mean + each.std], color=INK, linewidth=1.1, zorder=5)
        numbers = dict.fromkeys(sources[source] for source in (each.source, paid.source))
        (line,) = axes.plot(
            [paid.mean], [each.mean], mark.shape, markersize=6, color=INK, markerfacecolor=mark.face,
            markeredgewidth=1.2, zorder=6,
            label=f"{each.label}: {each.value} at {short(paid.mean)} [{', '.join(map(str, numbers))}]",
        )  # fmt: skip
        drawn.append(line)
    return drawn


def reach(study: Study, values: Sequence[float]) -> list[float]:
    """What published results add to the y-range of a figure of `values`: those that are not far from it."""
    optimum = [] if study.optimum is None else [study.optimum]
    ours = [*values, *optimum]
    low, high = min(ours), max(ours)
    far = max(2 * (high - low), 0.01 * max(abs(low), abs(high)))
    near = [p for p in study.references if low - far <= p.mean <= high + far]
    return [*optimum, *(p.mean + side * (p.std or 0.0) for p in near for side in (-1, 1))]


def _draw_published(axes: Axes, x: float, published: Published, mark: _Mark, transform: Any) -> None:
    """A mean with its spread; one beyond the axes is a marker at their edge, and the panel says the number."""
    if published.std is not None and _within(axes, published.mean) == published.mean:
        low, high = published.mean - published.std, published.mean + published.std
        axes.plot([x, x], [low, high], color=INK, linewidth=1.1, transform=transform, zorder=5)
    axes.plot(
        [x], [_within(axes, published.mean)], marker=mark.shape, markersize=6, color=INK, markerfacecolor=mark.face,
        markeredgewidth=1.2, transform=transform, zorder=6,
    )  # fmt: skip


def _within(axes: Axes, value: float) -> float:
    bottom, top = axes.get_ylim()
    edge = 0.02 * (top - bottom)
    return min(max(value, bottom + edge), top - edge)


def fill_panel(figure: Figure, axes: Axes, panel: Axes | None, study: Study) -> None:
    """Draw all published results in the panel, the optimum as a dashed line, and label both on the right."""
    notes = []
    sources = sources_of(study.references)
    edge = len(study.references) - 0.4
    if panel is not None:
        for slot, (mark, published) in enumerate(zip(_marks(), study.references, strict=False)):
            _draw_published(panel, slot, published, mark, panel.transData)
            notes.append(_Note(_legend(published, sources), slot + 0.35, _within(panel, published.mean)))
        panel.set_xlim(-0.7, edge)
        panel.set_xticks([])
        caveats = any(published.caveats for published in study.references)
        panel.set_title("published" + ("*" if caveats else ""), color=INK, fontsize=9)
        panel.tick_params(axis="y", length=0, labelleft=False)
        panel.spines["left"].set_color(FAINT)
    if study.optimum is not None:
        for ax in filter(None, (axes, panel)):
            ax.axhline(study.optimum, color=INK, linestyle=(0, (5, 3)), linewidth=1.0, zorder=1)
        end = edge if panel is not None else axes.get_xlim()[1]
        notes.append(_Note(f"best in the table: {short(study.optimum)}", end, study.optimum))
    _write_notes(figure, panel or axes, notes)


def _write_notes(figure: Figure, axes: Axes, notes: Sequence[_Note]) -> None:
    """Write notes to the right of the axes, each as near to its height as the others allow, with a thin line to it."""
    if not notes:
        return
    figure.draw_without_rendering()  # lays the axes out, so that their size is known
    frame = axes.get_window_extent()
    width, height = frame.width / figure.dpi * 72, frame.height / figure.dpi * 72  # points
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    upwards = list(reversed(notes))  # of those at one height the first, the better one, is on top
    ordered = sorted(upwards, key=lambda note: note.y)
    heights = spread([(note.y - bottom) / (top - bottom) * height for note in ordered], _NOTE_GAP, height)
    for note, up in zip(ordered, heights, strict=True):
        end = right + (right - left) * _NOTE_LINE / width
        axes.plot(
            [note.x, right, end], [note.y, note.y, bottom + (top - bottom) * up / height],
            color=FAINT, linewidth=0.7, clip_on=False, scalex=False, scaley=False, zorder=0.5,
        )  # fmt: skip
        axes.text(
            1 + (_NOTE_LINE + 3) / width, up / height, note.words, transform=axes.transAxes, fontsize=8.5, va="center",
            ha="left", color=INK,
        )  # fmt: skip


def spread(wanted: Sequence[float], gap: float, top: float) -> list[float]:
    """Heights at least `gap` apart and within [0, top] if they fit, each near its wanted one; `wanted` ascends.

    Heights that would be too close form a block around the mean of their wanted ones, as in isotonic regression.
    """
    blocks: list[tuple[float, int]] = []  # (the lowest height of the block, how many are in it)
    for height in wanted:
        start, size = height, 1
        while blocks and blocks[-1][0] + blocks[-1][1] * gap > start:
            below, count = blocks.pop()
            start = (below * count + (start - count * gap) * size) / (count + size)
            size += count
        blocks.append((start, size))
    placed = [start + i * gap for start, size in blocks for i in range(size)]
    for i in range(len(placed)):
        placed[i] = max(placed[i], i * gap)
        if i:
            placed[i] = max(placed[i], placed[i - 1] + gap)
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], top - (len(placed) - 1 - i) * gap)
    return placed


def _legend(published: Published, sources: Mapping[str, int]) -> str:
    count = f", {published.queries} queries" if published.queries is not None else ""
    star = "*" if published.caveats else ""
    return f"{published.label}{count}: {published.value} [{sources[published.source]}]{star}"


def sources_of(shown: Sequence[Published]) -> dict[str, int]:
    """Source -> its number in the footnote, in order of appearance."""
    return {source: i for i, source in enumerate(dict.fromkeys(p.source for p in shown), start=1)}


class _Mark(NamedTuple):
    """How a published result is drawn."""

    shape: str
    face: str


def _marks() -> Iterator[_Mark]:
    """One for each method; shapes come again filled, then as they were."""
    while True:
        for face in ("white", FAINT):
            yield from (_Mark(shape, face) for shape in MARKERS)
