"""Published results in plots: at their query counts, and in a panel beside the axes with a note for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archloom.analysis.figures import FAINT, INK, new_figure
from archloom.analysis.published import Published
from archloom.analysis.study import Study
from archloom.utils.numbers import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("D", "s", "^", "o", "v", "P", "X", "p", "h", "*")
"""One for each published result."""

BEYOND = 1.05
"""How far the axis of queries extends, relative to the longest run; results beyond it are only in the panel."""
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
    panel = 0.2 + 0.21 * count
    figure = new_figure(main + 0.6 + (panel + 3.0 if count else 1.3), 4.9)
    if not count:
        return figure, figure.add_subplot(), None
    axes, side = figure.subplots(1, 2, sharey=True, width_ratios=(main, panel))
    return figure, axes, side


def mark_published(axes: Axes, study: Study) -> None:
    """Draw published results at their query counts, those at the same count side by side."""
    from matplotlib.transforms import ScaledTranslation

    counts = _counts(study)
    seen: dict[int, int] = {}
    for marker, published in zip(_markers(), study.references, strict=False):
        if published.queries is None or published.queries > study.queries * BEYOND:
            continue
        place = seen.setdefault(published.queries, 0)
        seen[published.queries] += 1
        shift = (place - (counts.count(published.queries) - 1) / 2) * 8 / 72  # inches
        assert axes.figure is not None  # noqa: S101 - it has been drawn into
        move = ScaledTranslation(shift, 0, axes.figure.dpi_scale_trans)
        _draw_published(axes, published.queries, published, marker, axes.transData + move)


def _draw_published(axes: Axes, x: float, published: Published, marker: str, transform: Any) -> None:
    if published.std is not None:
        low, high = published.mean - published.std, published.mean + published.std
        axes.plot([x, x], [low, high], color=INK, linewidth=1.1, transform=transform, zorder=5)
    axes.plot(
        [x], [published.mean], marker=marker, markersize=6, color=INK, markerfacecolor="white", markeredgewidth=1.2,
        transform=transform, zorder=6,
    )  # fmt: skip


def fill_panel(figure: Figure, axes: Axes, panel: Axes | None, study: Study) -> None:
    """Draw all published results in the panel, the optimum as a dashed line, and label both on the right."""
    notes = []
    sources = sources_of(study)
    edge = len(study.references) - 0.4
    if panel is not None:
        for slot, (marker, published) in enumerate(zip(_markers(), study.references, strict=False)):
            _draw_published(panel, slot, published, marker, panel.transData)
            notes.append(_Note(_legend(published, sources), slot + 0.35, published.mean))
        panel.set_xlim(-0.7, edge)
        panel.set_xticks([])
        panel.set_title("published" + ("*" if study.references[0].caveat else ""), color=INK, fontsize=9)
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
    ordered = sorted(notes, key=lambda note: note.y)
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
    return f"{published.label}{count}: {published.value} [{sources[published.source]}]"


def sources_of(study: Study) -> dict[str, int]:
    """Source -> its number in the footnote, in order of appearance."""
    return {source: i for i, source in enumerate(dict.fromkeys(p.source for p in study.references), start=1)}


def _counts(study: Study) -> list[int]:
    return [p.queries for p in study.references if p.queries is not None]


def _markers() -> Iterator[str]:
    while True:
        yield from MARKERS
