"""A plot of the model behind a run: how well it predicts, what matters to it, and what it expected of its queries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from archloom.analysis.figures import COLOURS, FAINT, INK, drawable, limits, new_figure, styled, wrapped
from archloom.analysis.stats import Floats
from archloom.analysis.study import Reports, Study, shown_name
from archloom.analysis.study_figures import finish
from archloom.analysis.surrogate import Surrogate, only_run
from archloom.utils.numbers import short
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

    from archloom.strategies.graph_bo.explanation import Importance, ModelExplanation

MOST_MODELS = 4
"""So many models are shown: of the objectives first, then of constrained metrics."""
MOST_BARS = 8
"""So many length scales are shown of each kind, the largest."""
MOST_OF_A_STATISTIC = 52
"""How many characters of the names of genes and statistics are shown."""
_ROOM, _LETTER = 0.02, 0.034
"""Between ticks, and for each letter at a tick, as shares of an axis."""
_DEEPEST = 60.0
"""Values of the acquisition function so far below the highest are drawn at the lower edge (nats)."""
_GENES, _STATISTICS, _BEST, _EXPECTED = COLOURS[:4]
_DASHES = (0, (5, 3))


def surrogate(reports: Reports) -> Figure:
    """The model of a run of graph_bo, fitted to its results. For each metric that is modelled, its results as predicted
    from the others against what they are, and the kernel's largest inverse length scales; below, the acquisition
    function of each query when it was chosen, beside the best so far.

    InputError for several runs, and if `Surrogate.of` raises it.
    """
    study = Study.of(reports)
    label, report = only_run(reports)
    found = Surrogate.of(report)
    models = [*found.explanation.objectives, *found.explanation.constraints]
    shown = models[:MOST_MODELS]
    rows = [*(4.0 for _ in shown), 2.4]
    with styled():
        figure = new_figure(9.2, 0.9 + sum(rows))
        grid = figure.add_gridspec(len(rows), 2, height_ratios=rows, width_ratios=(1.0, 1.25))
        for row, model in enumerate(shown):
            _draw_left_out(figure.add_subplot(grid[row, 0]), study, model)
            _draw_importance(figure, grid[row, 1], model)
        _draw_expected(figure.add_subplot(grid[-1, :]), study, label, found.expected)
        finish(
            figure, study, f"The model of {shown_name(label)}, seed {report.request.seed}", _note(models), counted=False
        )
    return figure


def _note(models: Sequence[ModelExplanation]) -> str:
    nuggets = ", ".join(_percent(model.shares.nugget) for model in models[:MOST_MODELS])
    omitted = [shown_name(model.metric) for model in models[MOST_MODELS:]]
    return (
        "Left: each result as predicted from all the others, ± one standard deviation; axes are warped as the model "
        "learns the metric. Right: what the model tells architectures apart by. If a gene has another option, or a "
        "statistic differs by √2 standard deviations, the term's covariance falls by the factor exp(-bar); marks: "
        "medians of the prior. Percentages: each term's share of the prior variance, the rest noise "
        f"({nuggets}). Bottom: the acquisition function when each query was chosen; grey: drawn at random."
        + (f" Not shown: the models of {', '.join(omitted)}." if omitted else "")
    )


# -- predicted and observed ---------------------------------------------------------------------------------------


def _draw_left_out(axes: Axes, study: Study, model: ModelExplanation) -> None:
    axes.errorbar(
        model.targets, model.predicted, yerr=model.deviations, fmt="o", markersize=4, color=COLOURS[0], alpha=0.8,
        markeredgewidth=0, ecolor=FAINT, elinewidth=0.8, zorder=3,
    )  # fmt: skip
    low, high = limits([*model.targets, *model.predicted])
    axes.plot([low, high], [low, high], color=INK, linestyle=_DASHES, linewidth=1.0, zorder=2)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal", anchor="W")
    places, labels = _ticks(model.targets, model.values)
    axes.set_xticks(places, labels)
    axes.set_yticks(places, labels)
    name = study.axis_label(model.metric)
    axes.set_xlabel(f"{name}, observed")
    axes.set_ylabel(f"{name}, predicted")
    axes.set_title(
        f"{len(model.values)} results, leave-one-out:\nSpearman {_two(model.spearman)}, R² {_two(model.r2)}",
        loc="left", fontsize=10,
    )  # fmt: skip


def _ticks(targets: Floats, values: Floats) -> tuple[list[float], list[str]]:
    """Where an axis of targets has ticks, and the values there: those of a few results, about equally far apart."""
    order = np.argsort(targets, kind="stable")
    sorted_targets = targets[order]
    wanted = np.linspace(sorted_targets[0], sorted_targets[-1], 5)
    nearest = np.abs(sorted_targets[:, None] - wanted).argmin(axis=0)
    candidates = np.unique(nearest).tolist()
    names = {at: short(float(values[order[at]])) for at in candidates}
    gap = (_ROOM + _LETTER * max(map(len, names.values()))) * float(sorted_targets[-1] - sorted_targets[0])
    places: list[float] = []
    labels: list[str] = []
    for at in reversed(candidates):  # the best first: it has its tick
        place, label = float(sorted_targets[at]), names[at]
        if label not in labels and all(abs(place - other) >= gap for other in places):
            places.append(place)
            labels.append(label)
    return places, labels


def _two(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"


# -- length scales ------------------------------------------------------------------------------------------------


def _draw_importance(figure: Figure, place: SubplotSpec, model: ModelExplanation) -> None:
    """The most important genes above the most important statistics, each kind on a scale of its own."""
    shares = model.shares
    linear = f" + linear {_percent(shares.linear)}" if shares.linear else ""
    said = {
        f"Genes: {_percent(shares.genes)} of the variance": (model.genes, _GENES),
        f"Statistics: {_percent(shares.statistics)}{linear}": (model.statistics, _STATISTICS),
    }
    kinds = {title: (every, colour) for title, (every, colour) in said.items() if every}
    rows = [1.5 + min(len(every), MOST_BARS) for every, _ in kinds.values()]
    grid = place.subgridspec(len(kinds), 1, height_ratios=rows)
    axes: Axes | None = None
    for row, (title, (every, colour)) in enumerate(kinds.items()):
        axes = figure.add_subplot(grid[row])
        _draw_bars(axes, every[:MOST_BARS], colour)
        most = f"; top {MOST_BARS} of {len(every)}" if len(every) > MOST_BARS else ""
        axes.set_title(f"{title}{most}", loc="right", fontsize=10)  # there is room above the names
    if axes is not None:
        axes.set_xlabel("inverse squared length scale", loc="right")


def _draw_bars(axes: Axes, bars: Sequence[Importance], colour: str) -> None:
    heights = np.arange(len(bars))
    axes.barh(heights, [found.weight for found in bars], height=0.7, color=colour, zorder=3)
    axes.scatter([found.prior for found in bars], heights, marker="|", s=60, color=INK, linewidths=1.2, zorder=4)
    axes.set_yticks(heights, [one_line(found.name, MOST_OF_A_STATISTIC) for found in bars], fontsize=7.5)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(visible=False, axis="y")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


# -- expected improvement -----------------------------------------------------------------------------------------


def _draw_expected(axes: Axes, study: Study, label: str, expected: Sequence[tuple[int, float]]) -> None:
    """The acquisition function of each query, and on the axis on the right the best so far."""
    if (first := expected[0][0]) > 1:
        axes.axvspan(0.5, first - 0.5, color=FAINT, alpha=0.35, linewidth=0, zorder=1)
    queries = [query for query, _ in expected]
    heights = drawable(np.array([height for _, height in expected], dtype=np.float64))
    heights = np.maximum(heights, heights.max() - _DEEPEST)
    axes.plot(
        queries, heights, marker="o", markersize=3.5, linewidth=0.8, color=_EXPECTED, label="log expected improvement"
    )
    axes.set_xlabel(f"queries ({study.query_unit})")
    axes.set_ylabel("log expected improvement", color=_EXPECTED)
    axes.set_ylim(*limits(heights.tolist()))
    if study.criteria.single:
        name, curves = f"best {study.axis_label(study.metric)}", study.curves(label)
    else:
        name, curves = "hypervolume so far", study.hypervolume_curves(label)
    best = axes.twinx()
    x, y = (np.array(column, dtype=np.float64) for column in zip(*curves[0], strict=True))
    best.step(x, drawable(y), where="post", color=_BEST, linewidth=1.8, label=name)
    best.set_ylabel(wrapped(name, 30), color=_BEST)
    best.set_ylim(*limits(drawable(y).tolist()))
    best.grid(visible=False)
    axes.set_title("What the model expected of each query when it chose it", loc="left", fontsize=10)
