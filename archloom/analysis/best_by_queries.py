"""A plot of the best accuracy found by number of queries (Cassimon et al., Figs. 10, 14 and 15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from archloom.analysis.episodes import EpisodesReport, best_curves
from archloom.analysis.figures import INK, caption, limits, new_figure, styled
from archloom.analysis.published_episodes import QuotedTable, quoted_table
from archloom.analysis.published_panel import MARKERS
from archloom.analysis.stats import RESAMPLES, Band, Floats, band
from archloom.analysis.study_figures import styles
from archloom.envs.episodes import Episodes
from archloom.utils import seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_EARLY = 0.1
"""The first share of the axis, which does not affect the y-range."""
_APART = 5.0
"""The distance of published results at the same number of queries, in points."""


def best_by_queries(report: EpisodesReport, by_policy: Mapping[str, Episodes], queries: int | None = None) -> Figure:
    """The best accuracy against the number of queries: mean and 95 % bootstrap interval over repetitions.

    Up to `queries`, by default the report's largest budget, and never more than the episodes of every policy allow. A
    repetition runs episodes until its queries are spent (see `best_after`); its curve is the best so far. What other
    papers report is drawn at its number of queries, with the intervals that Cassimon et al. print.
    """
    setting, metric = report.setting, report.setting.reported or report.setting.metric
    allowed = (max(int(each.queries[own].sum()) for own in each.by_player) for each in by_policy.values())
    last = min([queries or max(report.budgets), *allowed])
    curves = {
        policy: best_curves(episodes, last, seeds.stream(setting.plan.seed, f"curve/{policy}", last))
        for policy, episodes in by_policy.items()
    }
    bands = {
        policy: band(values, seeds.stream(setting.plan.seed, f"bootstrap/{policy}", last))
        for policy, values in curves.items()
    }
    quoted = quoted_table(setting.on)
    with styled():
        entries = len(bands) + (len(quoted.methods) if quoted else 0)
        figure = new_figure(9.2, max(5.0, 3.0 + 0.22 * entries))
        axes = figure.add_subplot()
        for style, (policy, found) in zip(styles(varied=True), bands.items(), strict=False):
            grid = np.arange(1, last + 1)
            axes.step(grid, found.mean, where="post", label=policy, linewidth=1.8, zorder=4, **style)
            axes.fill_between(
                grid, found.low, found.high, step="post", color=style["color"], alpha=0.25, linewidth=0, zorder=3
            )
        axes.set_xlim(0, 1.03 * last)
        axes.set_ylim(*limits(_late(bands, quoted, last)))
        axes.set_xlabel("queries")
        axes.set_ylabel(f"best {metric} (%)")
        ours = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, title="here", alignment="left")
        if quoted is not None and (marks := _mark(axes, quoted, last)):
            axes.add_artist(ours)
            axes.legend(
                handles=marks, loc="lower left", bbox_to_anchor=(1.01, 0.0), frameon=False, title="published*",
                alignment="left",
            )  # fmt: skip
        caption(figure, [f"Best {metric} by number of queries on {setting.on}"], _notes(report, curves, quoted, last))
    return figure


def _late(bands: Mapping[str, Band], quoted: QuotedTable | None, last: int) -> list[float]:
    """What determines the y-range: ours after the first tenth, and published means that are not far from it."""
    ours = [
        float(v) for found in bands.values() for ends in (found.low, found.high) for v in ends[int(_EARLY * last) :]
    ]
    ours = [value for value in ours if np.isfinite(value)]
    low, high = min(ours), max(ours)
    far = max(high - low, 0.5)
    rows = quoted.rows if quoted is not None else ()
    return ours + [row.mean for row in rows if row.queries <= last and low - far <= row.mean <= high + far]


def _mark(axes: Axes, quoted: QuotedTable, last: int) -> list[object]:
    """Draw published results, those at one number of queries side by side; returns what the legend shows.

    A mean that is below the axes is a marker at its edge, and the legend says the number.
    """
    from matplotlib.lines import Line2D
    from matplotlib.transforms import ScaledTranslation

    assert axes.figure is not None  # noqa: S101 - it has been drawn into
    bottom, top = axes.get_ylim()
    rows = [row for row in quoted.rows if row.queries <= last]
    handles: list[object] = []
    for marker, method in zip(MARKERS, quoted.methods, strict=False):
        look: dict[str, Any] = {
            "marker": marker, "markersize": 6, "color": INK, "markerfacecolor": "white", "markeredgewidth": 1.1,
        }  # fmt: skip
        own = [row for row in rows if row.method == method]
        for row in own:
            beside = [other for other in rows if other.queries == row.queries]
            shift = (beside.index(row) - (len(beside) - 1) / 2) * _APART / 72
            where = axes.transData + ScaledTranslation(shift, 0, axes.figure.dpi_scale_trans)
            axes.plot([row.queries] * 2, [row.low, row.high], color=INK, linewidth=0.9, transform=where, zorder=5)
            height = max(row.mean, bottom + 0.02 * (top - bottom))
            axes.plot([row.queries], [height], transform=where, clip_on=False, zorder=6, **look)
        if own:
            below = "".join(f", {row.mean:.2f} (below)" for row in own if row.mean < bottom)
            handles.append(Line2D([], [], linestyle="none", label=f"{method}{below}", **look))
    return handles


def _notes(report: EpisodesReport, curves: Mapping[str, Floats], quoted: QuotedTable | None, last: int) -> list[str]:
    setting = report.setting
    counts = ", ".join(f"{policy} {len(values):,}" for policy, values in curves.items())
    lines = [
        f"{setting.words[0].upper()}{setting.words[1:]}. Mean over repetitions of {last:,} queries ({counts}) and its "
        f"95 % bootstrap interval, {RESAMPLES:,} resamples. Queries of training are not counted.",
        f"Data: {setting.data_line.rstrip('.')}.",
        *setting.caveats,
    ]
    if quoted is not None:
        lines.append(
            f"* {quoted.source}: {quoted.metric}; other data than here. Bars: the 95 % intervals printed there, of a "
            "single run rather than of the mean."
        )
    return lines
