"""A plot of the improvement of episodes against the accuracy they start from (Cassimon et al., Figs. 7 and 12)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from archloom.analysis.density import RARE, Extent, add_scale, count, most_of, shade
from archloom.analysis.episodes import EpisodesReport
from archloom.analysis.figures import INK, caption, new_figure, styled
from archloom.analysis.stats import Floats
from archloom.envs.episodes import Episodes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PERFECT = 100.0
"""An accuracy of 100 %: nothing lies beyond it."""
_STEP, _FINE_STEP = 5.0, 1.0
"""Final accuracies to draw a line for are multiples of this, three of them: 85, 90 and 95 % in the paper. Of the
latter, if nearly all final accuracies are within `_STEP`."""
_BINS = 110
_LABEL = 0.09
"""The distance of two lines, as a share of the axes, at which both can be labelled."""


def improvement_by_start(report: EpisodesReport, by_policy: Mapping[str, Episodes]) -> Figure:
    """The improvement over an episode against the accuracy of its start, in the metric for people; a panel a policy.

    Dashed lines hold episodes with the same final accuracy. A policy that always ends at one architecture has all its
    episodes on such a line. The shade says how many episodes there are, on a logarithmic scale that panels share.
    """
    setting, metric = report.setting, report.setting.reported or report.setting.metric
    outcomes = {policy: episodes.outcomes[-1] for policy, episodes in by_policy.items()}
    starts = np.concatenate([outcome.start for outcome in outcomes.values()])
    changes = np.concatenate([outcome.improvement for outcome in outcomes.values()])
    extent = Extent(*most_of(starts), *most_of(changes))
    grids = {
        policy: count(outcome.start, outcome.improvement, _BINS, _BINS, extent) for policy, outcome in outcomes.items()
    }
    most = max(float(grid.max()) for grid in grids.values())
    levels = lines_for(starts + changes)
    columns = min(2, len(outcomes))
    rows = math.ceil(len(outcomes) / columns)
    with styled():
        figure = new_figure(2.5 + 3.4 * columns, 1.6 + 3.1 * rows)
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, (policy, grid) in zip(panels.flat, grids.items(), strict=False):
            image = shade(axes, grid, extent, most)
            _draw_lines(axes, levels, extent)
            axes.set_title(policy, loc="left", fontsize=10)
        for axes in panels.flat[len(outcomes) :]:
            axes.set_axis_off()
        for axes in panels.flat[max(0, len(outcomes) - columns) : len(outcomes)]:  # the lowest of each column
            axes.set_xlabel(f"{metric} at the start (%)")
            axes.tick_params(labelbottom=True)
        for axes in panels[:, 0]:
            axes.set_ylabel("improvement (percentage points)")
        add_scale(figure, image, panels, "episodes", most)
        left, right, bottom, top = extent
        inside = (starts >= left) & (starts <= right) & (changes >= bottom) & (changes <= top)
        caption(
            figure,
            [f"Improvement against initial accuracy on {setting.on}: {metric}"],
            _notes(report, levels, 1 - float(inside.mean()), bool(right + top > PERFECT)),
        )
    return figure


def lines_for(finals: Floats) -> tuple[float, ...]:
    """The final accuracies to draw lines for: three below 100, in steps of 5 points, the last at or above the best.

    In steps of 1 point if nearly all of `finals` lie within 5.
    """
    low, high = np.percentile(finals, (RARE, 100 - RARE))
    step = _STEP if high - low > _STEP else _FINE_STEP
    last = min(PERFECT - step, step * math.ceil(float(finals.max()) / step))
    return (last - 2 * step, last - step, last)


def _draw_lines(axes: Axes, levels: tuple[float, ...], extent: Extent) -> None:
    """The lines of equal final accuracy, each labelled at its upper end, the zero line, and what is beyond 100 %."""
    left, right, bottom, top = extent
    across = np.array([left, right])
    axes.axhline(0.0, color=INK, linewidth=0.8, zorder=1)
    room = (levels[1] - levels[0]) / max(right - left, top - bottom) > _LABEL
    for level in levels:
        axes.plot(across, level - across, color=INK, linewidth=0.9, linestyle=(0, (5, 3)), zorder=3)
        x, y = max(left, level - top), min(top, level - left)  # where the line enters the panel
        if x <= right and y > bottom and (room or level == levels[-1]):
            inside = (0.02 * (right - left), 0.03 * (top - bottom))
            axes.text(
                x + inside[0], y - inside[1], f"{level:g} %", fontsize=7.5, color=INK, ha="left", va="top",
                zorder=4, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.85},
            )  # fmt: skip
    above = PERFECT - across  # the axes clip what is beyond them
    axes.fill_between(
        across, above, above + PERFECT, facecolor="#F6CFC4", edgecolor="#C0392B", hatch="////", linewidth=0.8, zorder=1
    )  # fmt: skip
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _notes(report: EpisodesReport, levels: tuple[float, ...], outside: float, beyond: bool) -> list[str]:
    setting = report.setting
    ends = ", ".join(f"{level:g}" for level in levels)
    hatched = " Hatched: a final accuracy above 100 %." if beyond else ""
    hidden = f" {100 * outside:.1g} % of the episodes are beyond the axes." if outside > 0 else ""
    return [
        f"{setting.words[0].upper()}{setting.words[1:]}. Dashed lines: a final accuracy of {ends} %.{hatched}{hidden}",
        f"Data: {setting.data_line.rstrip('.')}.",
        *setting.caveats,
    ]
