"""A plot of how much episodes improve: one histogram per policy (Cassimon et al., Fig. 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from archloom.analysis.episodes import EpisodesReport, Improvement, PolicySummary
from archloom.analysis.figures import COLOURS, INK, caption, new_figure, styled
from archloom.analysis.stats import Floats
from archloom.envs.episodes import Episodes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EDGES = (1.0, 2.5, 5.0, 12.5)
"""Possible ranges of the improvements shown, in percentage points on both sides; the last is the paper's, 12.5."""
_BINS = 100
_ROOM = 0.1
"""The width of a label, as a share of that."""
_DASHES = ((0, (6, 2)), (0, (3, 2)), (0, (1, 2)))
"""One for each interval, from the narrowest."""


def histograms(report: EpisodesReport, by_policy: Mapping[str, Episodes]) -> Figure:
    """The improvement over an episode in the metric for people, policies one below the other on the same scale.

    Improvements beyond 12.5 points are not in the bars; each panel says how many there are. A solid line is the median,
    dashed lines are the ends of the symmetrical intervals around it.
    """
    setting, metric = report.setting, report.setting.reported or report.setting.metric
    values = {policy: episodes.outcomes[-1].improvement for policy, episodes in by_policy.items()}
    edge = _edge(values.values())
    with styled():
        figure = new_figure(8.6, 1.6 + 2.0 * len(report.policies))
        panels = figure.subplots(len(report.policies), 1, sharex=True, squeeze=False)[:, 0]
        for number, (axes, summary) in enumerate(zip(panels, report.policies, strict=True)):
            changes = values[summary.policy]
            _draw_bars(axes, changes, edge, COLOURS[number % len(COLOURS)])
            _draw_lines(axes, summary.improvements[metric], edge)
            axes.set_title(f"{summary.policy}: {_medians(summary, metric)}", loc="left", fontsize=10)
            axes.set_title(_beyond(changes, edge), loc="right", fontsize=8, color=INK)
        panels[-1].set_xlim(-edge, edge)
        panels[-1].set_xlabel(f"improvement of {metric} over an episode (percentage points)")
        caption(figure, [f"Improvement over an episode on {setting.on}: {metric}"], _notes(report))
    return figure


def _edge(values: Iterable[Floats]) -> float:
    """The smallest range that holds everything; the largest if none does."""
    most = max(float(np.abs(changes).max()) for changes in values)
    return next((edge for edge in EDGES if edge >= most), EDGES[-1])


def _draw_bars(axes: Axes, values: Floats, edge: float, colour: str) -> None:
    counts, edges = np.histogram(values, bins=_BINS, range=(-edge, edge))
    axes.stairs(100 * counts / len(values), edges, fill=True, color=colour, alpha=0.75, zorder=2)
    axes.set_ylim(0, 1.45 * max(100 * counts.max() / len(values), 1e-9))
    axes.set_ylabel("% of episodes")
    axes.grid(visible=False, axis="x")


def _draw_lines(axes: Axes, found: Improvement, edge: float) -> None:
    """The median, and each interval as a bar above the bars, with lines down from its ends."""
    axes.axvline(found.median, color="black", linewidth=1.6, zorder=4)
    across = axes.get_xaxis_transform()
    for row, (dash, (share, (low, high))) in enumerate(zip(_DASHES, found.intervals.items(), strict=True)):
        height = 0.73 + 0.11 * row
        for end in (low, high):
            axes.plot([end, end], [0, height], color=INK, linewidth=0.9, linestyle=dash, transform=across, zorder=3)
        axes.plot([low, high], [height, height], color=INK, linewidth=0.9, transform=across, zorder=3)
        beside = low > -edge * (1 - _ROOM)  # there is room for the label on the left of the interval
        axes.annotate(
            f"{share} %", (max(low, -edge), height), (-3 if beside else 3, 0 if beside else -1), xycoords=across,
            textcoords="offset points", ha="right" if beside else "left", va="center" if beside else "top",
            fontsize=7.5, color=INK, annotation_clip=False, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
        )  # fmt: skip


def _medians(summary: PolicySummary, metric: str) -> str:
    published = summary.published.median if summary.published else None
    theirs = "" if published is None else f" (published* {published:+z.2f})"
    return f"median {summary.improvements[metric].median:+z.2f}{theirs}"


def _beyond(values: Floats, edge: float) -> str:
    percent = 100 * float((np.abs(values) > edge).mean())
    return f"{percent:.1f} % beyond ±{edge:g}" if percent else ""


def _notes(report: EpisodesReport) -> list[str]:
    setting = report.setting
    known = [summary.published for summary in report.policies if summary.published]
    sources = sorted({(p.source, p.metric) for p in known if p.median is not None})
    return [
        f"{setting.words[0].upper()}{setting.words[1:]}. Solid line: median; dashed lines: symmetrical intervals "
        "around it with these shares of the episodes.",
        f"Data: {setting.data_line.rstrip('.')}.",
        *setting.caveats,
        *(f"* {source}: {metric}; other data than here." for source, metric in sources),
    ]
