"""A plot of a search's levels: how high its generator's samples reach, and how far it is from its truth set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from archloom.analysis.figures import COLOURS, INK, caption, drawable, new_figure, sentence, styled
from archloom.analysis.layout import counted
from archloom.analysis.levels import Levels
from archloom.analysis.stats import Floats, curve_band
from archloom.analysis.study import Reports, Study
from archloom.errors import InputError
from archloom.utils import seeds
from archloom.utils.numbers import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_QUANTITIES = (
    ("best", "best so far", COLOURS[2], "s"),
    ("gamma", "level γ: a share ρ of the draws reaches it", COLOURS[0], "o"),
    ("threshold", "threshold: the worst of the truth set", COLOURS[1], "^"),
)
"""What the upper panel shows: a field of `Levels`, its name, colour and marker, in the order of the legend."""
_DASHES = (0, (5, 3))
_ROOM = 0.08
"""The room above ln 2, in nats; below the lowest estimate it is half of that."""


def levels(reports: Reports) -> Figure:
    """Above: the level of every iteration, the truth set's threshold and the best so far. Below: the JS divergence.

    Several seeds: the mean with its 95 % bootstrap interval, over the iterations that every run has completed.
    InputError for runs of several strategies, and if `Levels.of` raises it.
    """
    study = Study.of(reports)
    label = _only(study)
    known = [Levels.of(report) for report in reports[label]]
    shown = np.arange(min(len(run.queries) for run in known))
    with styled():
        figure = new_figure(8.6, 6.2)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
        for field, name, colour, marker in _QUANTITIES:
            _draw(upper, shown, [getattr(run, field) for run in known], colour, marker, name)
        if study.optimum is not None:
            name = f"best in the table: {short(study.optimum)}"
            upper.axhline(study.optimum, color=INK, linestyle=_DASHES, linewidth=1.0, zorder=1, label=name)
        upper.set_ylabel(study.axis_label(study.metric))
        estimated = any(np.isfinite(run.js).any() for run in known)
        name = "JS divergence, estimated" if estimated else "JS divergence: not estimated"
        _draw(lower, shown, [run.js for run in known], COLOURS[3], "D", name)
        _frame_divergence(lower, [run.js for run in known])
        for axes in (upper, lower):
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        _mark_iterations(upper, lower, shown, np.mean([run.queries[shown] for run in known], axis=0))
        figure.align_ylabels()
        _finish(figure, study, label, known)
    return figure


def _only(study: Study) -> str:
    """The label of the runs, which must be of one strategy."""
    label, *others = study.reports
    if others:
        raise InputError(
            f"levels are those of one strategy, these runs are of {len(study.reports)} ({', '.join(study.reports)}): "
            "name the folder of one run, or of one search"
        )
    return label


def _draw(axes: Axes, shown: Any, runs: Sequence[Floats], colour: str, marker: str, name: str) -> None:
    """The mean of a quantity (i,) over runs, with its interval if there are several."""
    curves = [[(number, float(drawable(run[number]))) for number in shown.tolist()] for run in runs]
    band = curve_band(curves, shown, seeds.stream(0, "bootstrap"))
    axes.plot(shown, band.mean, color=colour, marker=marker, markersize=4.5, linewidth=1.6, label=name, zorder=3)
    if len(runs) > 1:
        axes.fill_between(shown, band.low, band.high, color=colour, alpha=0.18, linewidth=0, zorder=2)


def _frame_divergence(axes: Axes, runs: Sequence[Floats]) -> None:
    axes.axhline(math.log(2), color=INK, linestyle=_DASHES, linewidth=1.0, zorder=1, label="ln 2: nothing in common")
    lowest = min([0.0, *(float(value) for run in runs for value in run[np.isfinite(run)])])
    axes.set_ylim(lowest - _ROOM / 2, math.log(2) + _ROOM)
    axes.set_ylabel("divergence (nats)")
    axes.set_xlabel("iteration (0: the starting set)")


def _mark_iterations(upper: Axes, lower: Axes, shown: Any, queries: Floats) -> None:
    """Iterations on the lower axis, and the number of queries by their ends on the upper one."""
    step = math.ceil(len(shown) / 13)
    ticks = shown[::step]
    room = 0.03 * len(shown)
    lower.set_xlim(-room, shown[-1] + room)
    lower.set_xticks(ticks)
    upper.tick_params(axis="x", length=0)
    above = upper.secondary_xaxis("top")
    above.set_xticks(ticks, [f"{count:.0f}" for count in queries[ticks]])
    above.tick_params(length=0, labelsize=9)
    above.spines["top"].set_visible(False)
    above.set_xlabel("queries by the end of the iteration")


def _finish(figure: Figure, study: Study, label: str, known: Sequence[Levels]) -> None:
    """The title above the figure; below it the definitions of the quantities, seeds, data and caveats."""
    where = f"on {study.benchmark}" + (f" ({study.table.name})" if study.table else "")
    constraints = "".join(f", {constraint}" for constraint in study.criteria.constraints)
    notes = (
        "Level: (1 − ρ)-quantile of the draws of the iteration's generator, ρ the truth set's share of all "
        "architectures before (at 0 as at 1); a gap if, in any run, it fell on failed ones or those that violate "
        "constraints. Divergence: between the truth set and the generator before it was fitted to it.",
        f"{_spread(study, known)}{_left_out(known)}",
        sentence(study.table_line),
        *study.caveats,
    )
    caption(figure, [f"Levels of {label}: {study.metric}", where + constraints], notes)


def _spread(study: Study, known: Sequence[Levels]) -> str:
    if len(known) == 1:
        return f"Seed {study.first.request.seed}."
    return f"{study.spread} {sentence(study.seeds)}"


def _left_out(known: Sequence[Levels]) -> str:
    """Which trials are not shown, and why."""
    lengths = {len(run.queries) for run in known}
    if len(lengths) > 1:
        return f" Iterations that every run has completed; the longest has {max(lengths) - 1} after the starting set."
    trials = sum(run.left_out for run in known)
    return f" Omitted: {counted(trials, 'trial')} of an iteration that may have more." if trials else ""
