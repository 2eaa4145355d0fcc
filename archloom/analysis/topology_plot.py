"""A plot of how wide and how deep the best cells are (DDAS thesis, Fig. 3.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from archloom.analysis.figures import INK, new_figure, styled
from archloom.analysis.layout import counted
from archloom.analysis.sampled import Top
from archloom.analysis.stats import Floats
from archloom.analysis.study import Reports, Study, shown_name
from archloom.analysis.study_figures import finish, styles
from archloom.errors import InputError
from archloom.runs.record import TrialRecord
from archloom.spaces.base import sample_valid
from archloom.spaces.drawing import HasTopology, Topology

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARE = "5%"
_DRAWN = 5_000
"""How many architectures of the space are drawn at random, to compare with."""
_RANDOM = "random architectures"
"""The label of those of the space."""
_LEGEND = 0.25
"""Inches of a row of the legend."""
_BARS = 0.8
"""The share of the room between two values that their bars take."""


def topology(reports: Reports, top: str = SHARE) -> Figure:
    """Histograms of the width and the depth of each cell of the best architectures of every run, all runs of a
    strategy together, with those of random architectures of the space as a line.

    `top` is a number of architectures of each run or a share of them (`sampled.Top`). InputError for a space whose
    cells have no width and depth, or if no run found anything.
    """
    study, wanted = Study.of(reports), Top.parse(top)
    study.need_best()
    space = study.first.scenario.space
    if not isinstance(space, HasTopology):
        raise InputError(f"space {space.name!r} does not say how wide and deep its cells are: draw runs on darts")
    best = {label: [line for run in runs for line in wanted.of(run)] for label, runs in reports.items()}
    found = {label: space.topology([x.trial.proposal.arch for x in lines]) for label, lines in best.items() if lines}
    control = _random(space)
    with styled():
        legend_rows = -(-(1 + len(found)) // 2)
        figure = new_figure(4.3 * len(control), 5.1 + _LEGEND * legend_rows)
        grid = figure.add_gridspec(3, len(control), height_ratios=[2.0, 2.0, _LEGEND * legend_rows])
        for row, what in enumerate(Topology._fields):
            first: Axes | None = None
            for column, (cell, drawn) in enumerate(control.items()):
                axes = figure.add_subplot(grid[row, column], sharey=first)
                by_label = {label: np.asarray(getattr(cells[cell], what), float) for label, cells in found.items()}
                _draw(axes, study, by_label, np.asarray(getattr(drawn, what), float))
                axes.set_xlabel(f"{what.removesuffix('s')} of {cell} cells")
                if first is None:
                    axes.set_ylabel("share (%)")
                first = first or axes
        _draw_legend(figure.add_subplot(grid[2, :]), figure.axes[0], best)
        note = (
            "Width: half the number of pairs (operation, edge) that read an input of the cell. Depth: connections on "
            "the longest path from an input to the output (Shu et al. 2020)."
        )
        finish(figure, study, f"Cells of the {wanted} by {shown_name(study.metric)}", note)
    return figure


def _random(space: Any) -> Mapping[str, Topology]:
    rng = np.random.default_rng(0)
    found: Mapping[str, Topology] = space.topology([sample_valid(space, rng) for _ in range(_DRAWN)])
    return found


def _draw_legend(axes: Axes, panel: Axes, best: Mapping[str, Sequence[TrialRecord]]) -> None:
    """In axes of its own, what is in a panel, with the number of architectures."""
    handles, labels = panel.get_legend_handles_labels()
    names = [
        f"{shown_name(label)} ({counted(len(best[label]), 'architecture')})" if label in best else _RANDOM
        for label in labels
    ]
    axes.set_axis_off()
    axes.legend(handles, names, loc="center", frameon=False, ncols=2)


def _draw(axes: Axes, study: Study, by_label: Mapping[str, Floats], random: Floats) -> None:
    """Bars side by side at each value, one for each strategy, and the random architectures' shares as a line."""
    values = np.unique(np.concatenate([random, *by_label.values()]))
    gap = float(np.diff(values).min()) if len(values) > 1 else 1.0
    width = _BARS * gap / max(len(by_label), 1)
    styled_labels = [(style["color"], label) for style, label in zip(styles(), study.reports, strict=False)]
    shown = [(colour, label) for colour, label in styled_labels if label in by_label]
    for number, (colour, label) in enumerate(shown):
        shares = 100 * (by_label[label][:, None] == values).mean(axis=0)
        places = values + (number - (len(shown) - 1) / 2) * width
        axes.bar(places, shares, width=0.92 * width, color=colour, label=label, zorder=2)
    shares = 100 * (random[:, None] == values).mean(axis=0)
    axes.plot(values, shares, color=INK, marker="o", markersize=3, linewidth=1.0, label=_RANDOM, zorder=3)
    axes.set_xticks(values)
    axes.grid(visible=False, axis="x")
