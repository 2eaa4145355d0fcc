"""A picture of how much a search gains over random samples (NAGO, Figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from archloom.analysis.figures import FAINT, INK, drawable, limits, new_figure, styled
from archloom.analysis.layout import counted
from archloom.analysis.stats import Floats, summarise
from archloom.analysis.study import Reports, Study, shown_name
from archloom.analysis.study_figures import finish, styles
from archloom.constraints import Objective
from archloom.errors import InputError, unknown
from archloom.runs.report import RunReport
from archloom.utils.numbers import short, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RANDOM = "random"
_OUTSIDE = 0.04
"""The worst share of the samples that may be outside the view."""
_MOST_BINS = 40


def gain(reports: Reports, samples: str = RANDOM) -> Figure:
    """A histogram of the results of one strategy, `samples`, which are random, and in it what each other one found: the
    mean over runs of its best architecture; a panel for each objective, always of the architecture with the best first
    one.

    Compared are results at the highest fidelity of each run. InputError for a label that no runs have, or if nothing
    was found.
    """
    study = Study.of(reports)
    study.need_best()
    if samples not in reports:
        raise InputError(
            f"{unknown('--samples', samples, reports)}: expected the label of a strategy that draws at random, as "
            "archloom compare STRATEGY random has it"
        )
    objectives = study.criteria.objectives
    with styled():
        figure = new_figure(7.6 if len(objectives) == 1 else 5.6 * len(objectives), 4.6)
        panels = figure.subplots(1, len(objectives), squeeze=False)[0]
        outside = [_draw(axes, study, objective, samples) for axes, objective in zip(panels, objectives, strict=True)]
        note = (
            f"Bars: all feasible results of {shown_name(samples)}. Lines: the best architecture of a run, mean ± std "
        )
        note += "over runs; in brackets the gain over the mean of the samples, and the share of samples that are worse."
        if any(outside):
            note += f" Outside the view: {' and '.join(counted(count, 'sample') for count in outside)}."
        finish(figure, study, f"What was found among random samples, by {shown_name(study.metric)}", note)
    return figure


def _draw(axes: Axes, study: Study, objective: Objective, samples: str) -> int:
    """One objective; returns how many samples are outside the view."""
    values = drawable(_results(study.reports[samples], objective.metric))
    best = {
        label: drawable(np.array(found, dtype=np.float64))
        for label, runs in study.reports.items()
        if label != samples and (found := _best(runs, objective.metric))
    }
    utilities = objective.sign * values
    worst = float(np.quantile(utilities, _OUTSIDE))
    shown = [worst, float(utilities.max()), *(objective.sign * each.mean() for each in best.values())]
    low, high = limits(shown)
    bins = min(_MOST_BINS, max(8, round(2 * len(values) ** 0.5)))
    left, right = sorted((objective.sign * low, objective.sign * high))
    axes.hist(
        values,
        bins=np.linspace(left, right, bins + 1).tolist(),
        color=FAINT,
        edgecolor="white",
        linewidth=0.5,
        zorder=2,
    )
    axes.axvline(values.mean(), color=INK, linestyle=(0, (5, 3)), linewidth=1.2, zorder=3,
                 label=f"mean of {len(values):,} samples: {short(float(values.mean()))}")  # fmt: skip
    for style, label in zip(styles(), study.reports, strict=False):
        if label in best:
            _mark(axes, objective, label, best[label], values, style)
    axes.set_xlim(left, right)
    axes.set_xlabel(f"{study.axis_label(objective.metric)}, {'more' if objective.sign > 0 else 'less'} is better")
    axes.set_ylabel("samples")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)
    return int((utilities < low).sum())


def _mark(axes: Axes, objective: Objective, label: str, best: Floats, values: Floats, style: Mapping[str, Any]) -> None:
    found = summarise(best.tolist())
    better = float((objective.sign * values < objective.sign * found.mean).mean())
    by = found.mean - float(values.mean())
    words = f"{shown_name(label)} (n = {found.n}): {spread(found.mean, found.std)} ({by:+.3g}; {100 * better:.3g} %)"
    axes.axvline(found.mean, linewidth=1.8, zorder=4, label=words, **style)
    if found.std:
        axes.axvspan(found.mean - found.std, found.mean + found.std, color=style["color"], alpha=0.15, zorder=1)


def _results(runs: Sequence[RunReport], metric: str) -> Floats:
    """(n,) a metric of all results of some runs that are compared."""
    return np.array([line.scores[metric] for run in runs for line in run.history.comparable()], dtype=np.float64)


def _best(runs: Sequence[RunReport], metric: str) -> list[float]:
    """A metric of the best architecture of each run that found something."""
    return [best.scores[metric] for run in runs if (best := run.history.best()) is not None]
