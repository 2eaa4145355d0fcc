"""A picture of what short trainings say of long ones (NAGO, Figure 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archloom.analysis.budgets import Budgets
from archloom.analysis.figures import COLOURS, INK, drawable, limits, new_figure, styled
from archloom.analysis.layout import counted
from archloom.analysis.published import rank_correlations
from archloom.analysis.stats import LEAST_PAIRS, Estimate
from archloom.analysis.study import Reports, Study, shown_name
from archloom.analysis.study_figures import finish, named
from archloom.errors import InputError
from archloom.runs.history import Axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OUTSIDE = 0.04
"""The worst share of the results that may be outside the view."""
_WORDY = 5
"""Up to so many fidelities a correlation is written with its interval and the number of pairs."""
_READABLE = 10
"""Up to so many it is written at all."""
_FEW = 5
"""From so many pairs on there is an interval."""
_MARKERS = "os^Dvphd"


def budgets(reports: Reports, over: Axis = "queries") -> Figure:
    """Every feasible result against what was spent, by its fidelity, and Spearman's correlation between every two
    fidelities, of configurations that have results at both; a row for each strategy that has several fidelities.

    InputError if none has, or if runs did not record what `over` asks for.
    """
    study = Study.of(reports)
    study.need_best()
    label_of_axis = study.spent_label(over)
    every = {label: Budgets.of(runs, over) for label, runs in reports.items()}
    found = {label: each for label, each in every.items() if len(each.samples) > 1}
    if not found:
        raise InputError(
            "these runs have results at one fidelity only: expected some of a strategy that trains for shorter and for "
            "longer, such as asha, hyperband or bohb"
        )
    fidelities = sorted({fidelity for each in found.values() for fidelity in each.samples})
    looks = {
        fidelity: (COLOURS[place % len(COLOURS)], _MARKERS[place % len(_MARKERS)])
        for place, fidelity in enumerate(fidelities)
    }
    unit = study.first.history.resource.unit if study.first.history.resource is not None else ""
    with styled():
        figure = new_figure(10.4, 1.3 + 3.4 * len(found))
        rows = figure.subplots(len(found), 2, squeeze=False, width_ratios=(6, 3.4))
        outside = 0
        for (left, right), (label, each) in zip(rows, found.items(), strict=True):
            outside += _draw_samples(left, study, each, looks)
            left.set_title(named(study, label) if len(found) > 1 else "", fontsize=10)
            left.set_ylabel(study.axis_label(study.metric))
            left.set_xlabel(label_of_axis)
            left.legend(
                title=unit,
                title_fontsize=9,
                loc="upper left",
                bbox_to_anchor=(1.0, 1.0),
                ncols=-(-len(each.samples) // 12),
            )
            _draw_correlations(right, study, each, unit)
        note = (
            "Dots: all feasible results. Rank correlations are Spearman's, over configurations (seeds aside) that have "
        )
        note += "results at both budgets, which are those that were promoted"
        note += f"; in brackets their 95 % bootstrap interval.{_published(study)}"
        if outside:
            note += f" Outside the view: {counted(outside, 'result')}."
        finish(figure, study, f"{shown_name(study.metric)} by budget, and rank correlations between budgets", note)
    return figure


def _draw_samples(axes: Axes, study: Study, each: Budgets, looks: dict[int, tuple[str, str]]) -> int:
    """Draw the results; returns how many are outside the view."""
    for fidelity, samples in each.samples.items():
        colour, marker = looks[fidelity]
        axes.scatter(
            samples.spent, drawable(samples.values), s=11, color=colour, marker=marker, alpha=0.6, linewidths=0,
            label=f"{fidelity:,}", zorder=2,
        )  # fmt: skip
    sign = study.objective.sign
    utilities = sign * drawable(np.concatenate([samples.values for samples in each.samples.values()]))
    least = float(np.quantile(utilities, _OUTSIDE))
    low, high = limits([least, float(utilities.max())])
    axes.set_ylim(*sorted((sign * low, sign * high)))
    return int((utilities < low).sum())


def _draw_correlations(axes: Axes, study: Study, each: Budgets, unit: str) -> None:
    """A triangle of fields: the higher the correlation of two fidelities, the darker; of only two the pairs."""
    from matplotlib.colors import LinearSegmentedColormap

    fidelities = list(each.samples)
    axes.set_title("rank correlation", fontsize=10)
    if len(fidelities) == 2:
        _draw_pairs(axes, study, each, unit)
        return
    count = len(fidelities)
    known = np.full((count, count), np.nan)
    for (low, high), estimate in each.correlations.items():
        row, column = fidelities.index(high), fidelities.index(low)
        known[row, column] = np.nan if estimate.value is None else estimate.value
        if count <= _READABLE:
            words = _words(estimate, "\n") if count <= _WORDY else _words(estimate)
            dark = estimate.value is not None and abs(estimate.value) > 0.6
            axes.text(column, row, words, ha="center", va="center", fontsize=8, color="white" if dark else INK)
    colours = LinearSegmentedColormap.from_list("correlations", [COLOURS[1], "#FFFFFF", COLOURS[0]])
    axes.imshow(known, cmap=colours, vmin=-1, vmax=1, aspect="auto", zorder=0)
    axes.set_xlim(-0.5, count - 1.5)
    axes.set_ylim(count - 0.5, 0.5)
    axes.set_xticks(range(count - 1), [f"{fidelity:,}" for fidelity in fidelities[:-1]])
    axes.set_yticks(range(1, count), [f"{fidelity:,}" for fidelity in fidelities[1:]])
    axes.set_xlabel(unit)
    axes.set_ylabel(unit)
    axes.grid(visible=False)


def _draw_pairs(axes: Axes, study: Study, each: Budgets, unit: str) -> None:
    (((low, high), pairs),) = each.pairs.items()
    x, y = drawable(pairs).T
    axes.scatter(x, y, s=11, color=COLOURS[0], alpha=0.6, linewidths=0, zorder=2)
    one = unit.removesuffix("s")
    axes.set_xlabel(f"{shown_name(study.metric)} after {counted(low, one, unit)}")
    axes.set_ylabel(f"after {counted(high, one, unit)}")
    axes.set_title(f"rank correlation {_words(each.correlations[low, high], ', ')}", fontsize=10)


def _words(estimate: Estimate, between: str | None = None) -> str:
    """A correlation, with its interval and the number of pairs if something is `between`; else what is missing."""
    if estimate.value is None and estimate.n < LEAST_PAIRS:
        return f"needs {LEAST_PAIRS} pairs{between}n = {estimate.n}" if between else "-"
    if between is None or estimate.value is None:
        return "-" if estimate.value is None else f"{estimate.value:.2f}"
    interval = []
    if estimate.n >= _FEW and estimate.low is not None and estimate.high is not None:
        interval = [f"({estimate.low:.2f} to {estimate.high:.2f})"]
    return between.join([f"{estimate.value:.2f}", *interval, f"n = {estimate.n:,}"])


def _published(study: Study) -> str:
    """What is published of the same task, as a sentence."""
    known = rank_correlations(study.benchmark)
    said = [f"{value:.2f} between {low} and {high} ({source})" for (low, high), (value, source) in known.items()]
    return f" Published on the same data: {'; '.join(said)}." if said else ""
