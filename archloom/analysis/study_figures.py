"""What the plots of a study share: a style and a name for each strategy, bands around curves, notes below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from archloom.analysis.figures import COLOURS, FARTHEST, caption, sentence
from archloom.analysis.published_panel import sources_of
from archloom.analysis.published_rows import Published
from archloom.analysis.several import differences
from archloom.analysis.stats import Band, Floats, curve_band
from archloom.analysis.study import Study, shown_name
from archloom.utils import seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES = ("-", "--", "-.", ":")
"""One for each time the colours are used up."""
_GRID_POINTS = 400
_EARLY = 0.1
"""The first share of the axis, which does not affect the y-range of a curve; nor, up to a half of it, do values that
are lower because trainings were shorter."""

Around = Callable[[Sequence[Sequence[tuple[float, float]]], Floats], Band]
"""From the curves of runs and a grid: their mean, and what is drawn around it."""

Curves = Callable[[str], Sequence[Sequence[tuple[float, float]]]]
"""A strategy's label -> the curve of each of its runs that found anything."""


def styles(varied: bool = False) -> Iterator[dict[str, Any]]:
    """A colour and a dash for each strategy, endlessly; `varied`: dashes differ at once, for prints in grey."""
    turn = 0
    while True:
        for place, colour in enumerate(COLOURS):
            yield {"color": colour, "linestyle": DASHES[(turn + place * varied) % len(DASHES)]}
        turn += 1


def named(study: Study, label: str, between: str = " ") -> str:
    """A strategy's label with the number of its runs."""
    found, runs = len(study.values(label)), len(study.reports[label])
    nothing = f"; {runs - found} found nothing" if found < runs else ""
    shown = shown_name(label)
    # What begins with an underscore is nothing to show, says matplotlib.
    return f"{' ' * shown.startswith('_')}{shown}{between}(n = {found}{nothing})"


def interval(curves: Sequence[Sequence[tuple[float, float]]], grid: Floats) -> Band:
    """The mean and its 95 % bootstrap interval."""
    return curve_band(curves, grid, seeds.stream(0, "bootstrap"))


def bands_of(study: Study, curves: Curves, around: Around = interval) -> dict[str, tuple[Floats, Band]]:
    """Strategy -> its grid of the amount spent (q,) and the band on it; strategies that found nothing are omitted."""
    bands = {}
    for label in study.reports:
        known = curves(label)
        if known:
            known = [[(min(at, FARTHEST), min(max(v, -FARTHEST), FARTHEST)) for at, v in curve] for curve in known]
            end = max(curve[-1][0] for curve in known)
            points = np.array(sorted({point for curve in known for point, _ in curve}))
            grid = points[np.unique(np.linspace(0, len(points) - 1, _GRID_POINTS).round().astype(int))]
            grid = np.append(grid[grid < end], end)
            bands[label] = grid, around(known, grid)
    return bands


def draw_bands(axes: Axes, study: Study, bands: dict[str, tuple[Floats, Band]], settled: float) -> list[float]:
    """Draw the mean curve of each strategy with its interval; returns the values that determine the y-range: those
    after the first tenth of the axis, or after `settled`."""
    for style, label in zip(styles(), study.reports, strict=False):
        if label not in bands:  # it has a place in the legend, which says that it found nothing
            axes.plot([], [], label=named(study, label), linewidth=1.8, **style)
            continue
        grid, band = bands[label]
        axes.step(grid, band.mean, where="post", label=named(study, label), linewidth=1.8, zorder=3, **style)
        axes.fill_between(
            grid, band.low, band.high, step="post", color=style["color"], alpha=0.18, linewidth=0, zorder=2
        )
    end = max(grid[-1] for grid, _ in bands.values())
    early = min(max(_EARLY * end, settled), 0.5 * end)
    return [value for grid, band in bands.values() for value in _late(grid, band, early)]


def _late(grid: Floats, band: Band, early: float) -> list[float]:
    late = grid >= min(early, grid[-1])
    values = np.concatenate([band.low[late], band.high[late]])
    return list(values[np.isfinite(values)])


def finish(
    figure: Figure, study: Study, title: str, note: str, counted: bool = True, published: bool = False,
    marked: Sequence[Published] = (),
) -> None:  # fmt: skip
    """The title above the figure; below it marks, seeds, data, sources (of the published numbers of the study, if these
    are shown, and of others that are `marked`) and caveats."""
    where = f"on {study.benchmark}" + (f" ({study.table.name})" if study.table else "")
    constraints = "".join(f", {constraint}" for constraint in study.criteria.constraints)
    lines = [f"{note} {sentence(study.seeds)}" if counted else note, sentence(study.table_line)]
    lines += [*differences(study.reports), *study.caveats]
    if counted and study.largest > FARTHEST:
        lines += [f"Values beyond ±{FARTHEST:g} are drawn at ±{FARTHEST:g}."]
    if published and not study.criteria.single:
        count = len(study.criteria.objectives)
        lines += [
            f"{shown_name(study.metric)} is the first of {count} objectives; --kind hypervolume shows all of them."
        ]
    lines += published_lines([*(study.references if published else ()), *marked])
    caption(figure, [title, where + constraints], lines)


def published_lines(shown: Sequence[Published]) -> list[str]:
    """Where published numbers are from, by the numbers in `sources_of`, and why some are not comparable."""
    if not shown:
        return []
    caveats = dict.fromkeys(caveat for p in shown for caveat in p.caveats)
    return [
        "Published, mean ± std: " + "; ".join(f"[{i}] {s}" for s, i in sources_of(shown).items()) + ".",
        *(f"* {caveat[0].upper()}{caveat[1:]}." for caveat in caveats),
    ]
