"""Plots of a study, each a function from runs to a `matplotlib.figure.Figure`.

Every plot names its data and the number of seeds, and draws published numbers next to your own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from archloom.analysis.cell_drawing import draw_cell
from archloom.analysis.figures import COLOURS, caption, new_figure, sentence, styled
from archloom.analysis.levels_plot import levels
from archloom.analysis.lineage_plots import family, lineage
from archloom.analysis.published_panel import BEYOND, figure_with_panel, fill_panel, mark_published, sources_of
from archloom.analysis.stats import Band, Floats, curve_band, summarise
from archloom.analysis.study import Reports, Study
from archloom.errors import InputError, unknown
from archloom.runs.history import Axis
from archloom.runs.report import RunReport
from archloom.utils import seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES = ("-", "--", "-.", ":")
"""One for each time the colours are used up."""
_EARLY = 0.1
"""The first share of the axis, which does not affect the y-range of a curve; nor, up to a half of it, do values that
are lower because trainings were shorter."""
_GRID_POINTS = 400


# -- kinds --------------------------------------------------------------------------------------------------------


def anytime(reports: Reports, over: Axis = "queries") -> Figure:
    """The best value against what was spent: the mean over seeds with its 95 % bootstrap interval.

    `over` says what: queries, units of the resource (epochs, say), or seconds. Published results are drawn at their
    query counts, if that is the axis, and all of them in the panel on the right. The y-range is that of the later 90 %
    of the axis. InputError if no run found anything, or if runs did not record what `over` asks for.
    """
    study = Study.of(reports)
    study.need_best()
    label_of_axis = study.spent_label(over)
    bands = _bands(study, over)
    end = max(grid[-1] for grid, _ in bands.values())
    with styled():
        figure, axes, panel = figure_with_panel(study)
        for style, (label, (grid, band)) in zip(_styles(), bands.items(), strict=False):
            axes.step(grid, band.mean, where="post", label=_named(study, label), linewidth=1.8, zorder=3, **style)
            axes.fill_between(
                grid, band.low, band.high, step="post", color=style["color"], alpha=0.18, linewidth=0, zorder=2
            )
        early = min(max(_EARLY * end, study.settled(over)), 0.5 * end)
        _limit(axes, study, [v for grid, band in bands.values() for v in _late(grid, band, early)])
        if over == study.PUBLISHED_OVER:
            mark_published(axes, study)
        axes.set_xlim(0, end * BEYOND)
        axes.set_xlabel(label_of_axis)
        axes.set_ylabel(f"best {study.axis_label(study.metric)}")
        columns = math.ceil(len(bands) / 6)
        axes.legend(loc="lower right" if study.objective.sign > 0 else "upper right", ncols=columns)
        _finish(figure, study, f"Best {study.metric} by {over}", study.spread)
        fill_panel(figure, axes, panel, study)
    return figure


def box(reports: Reports) -> Figure:
    """The best value of every run, by strategy: box, single runs and mean, next to published results."""
    study = Study.of(reports)
    study.need_best()
    found = {label: values for label in reports if (values := study.values(label))}
    names = [_named(study, label, "\n") for label in found]
    each = max(len(line) for name in names for line in name.split("\n")) * 0.085 + 0.15  # inches
    with styled():
        figure, axes, panel = figure_with_panel(study, max(5.6, each * len(names)))
        for at, (style, values) in enumerate(zip(_styles(), found.values(), strict=False)):
            _draw_box(axes, at, values, style["color"], seeds.stream(0, "strip", at))
        axes.set_xticks(range(len(found)), names)
        axes.set_xlim(-0.6, len(found) - 0.4)
        axes.grid(visible=False, axis="x")
        _limit(axes, study, [v for values in found.values() for v in values])
        axes.set_ylabel(f"best {study.axis_label(study.metric)}")
        note = f"Dots: runs of up to {study.queries} queries; box: quartiles; line: median; diamond: mean."
        _finish(figure, study, f"Best {study.metric} of every run", note)
        fill_panel(figure, axes, panel, study)
    return figure


def pareto(reports: Reports) -> Figure:
    """Two objectives: every query, the Pareto set of all runs of each strategy, and the mean hypervolume of a run.

    The hypervolume is measured from `study.reference_point`. InputError for any other number of objectives, or if no
    run found anything.
    """
    study = Study.of(reports)
    objectives = study.criteria.objectives
    if len(objectives) != 2:
        raise InputError(
            f"a Pareto plot needs two objectives, these runs have {len(objectives)} "
            f"({', '.join(o.metric for o in objectives)}): search with two, e.g. --objective A --objective B"
        )
    study.need_best()
    points = {label: _points(study, runs) for label, runs in reports.items()}
    everything = np.concatenate(list(points.values()))
    y, x = objectives
    reference = study.reference_point
    with styled():
        figure = new_figure(7.6, 5.4)
        axes = figure.add_subplot()
        for style, (label, cloud) in zip(_styles(), points.items(), strict=False):
            volume = summarise([report.history.hypervolume(reference) for report in reports[label]])
            axes.scatter(cloud[:, 1], cloud[:, 0], s=9, color=style["color"], alpha=0.25, linewidths=0, zorder=2)
            axes.plot(
                *_steps(_front(cloud, y.sign, x.sign)), marker="o", markersize=4, markevery=slice(0, None, 2),
                linewidth=1.6, zorder=4, label=f"{_named(study, label)}: {_digits(volume.mean, volume.std)}", **style,
            )  # fmt: skip
        outside = _view(axes, everything, y.sign, x.sign)
        axes.set_xlabel(f"{study.axis_label(x.metric)}, {_towards(x.sign)}")
        axes.set_ylabel(f"{study.axis_label(y.metric)}, {_towards(y.sign)}")
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False, title_fontsize=9,
            title=f"hypervolume from {x.metric} = {reference[1]:.4g}, {y.metric} = {reference[0]:.4g}",
        )  # fmt: skip
        note = (
            "Dots: all feasible queries; steps: Pareto set of all runs of a strategy together; hypervolume: mean ± std "
            "over runs, from the worst value of each objective "
            f"{'in the table' if study.table else 'among all queries'}."
        )
        note += f" Outside the view: {outside} of {len(everything)} queries." if outside else ""
        _finish(figure, study, f"{y.metric} against {x.metric}", note)
    return figure


def cell(report: RunReport, label: str | None = None) -> Figure:
    """The best architecture of a run, drawn as its space allows: as a graph, a table of choices, or text."""
    study = Study.of({label or report.request.name: [report]})
    strategy, _ = study.best  # raises if there is none
    line = report.history.best()
    assert line is not None  # noqa: S101 - `study.best` has found it
    tests = "".join(f", {name} {value:.2f}" for name, value in line.report.items())
    rank = f", {study.rank(report)}" if study.rank(report) else ""
    unit = study.unit(study.metric)
    value = f"{study.metric} {line.scores[study.metric]:.2f}{' ' + unit if unit else ''}{rank}{tests}"
    found = f"Found by {strategy}, seed {report.request.seed}, at query {line.query} of {report.history.queries}."
    with styled():
        figure = new_figure(8.0, 3.6)
        draw_cell(figure, report.scenario.space, line.trial.proposal.arch, COLOURS)
        _finish(figure, study, f"Best architecture: {value}", found, counted=False)
    return figure


def best_cell(reports: Reports) -> Figure:
    """The best architecture of all runs, as `cell` draws it."""
    label, report = Study.of(reports).best
    return cell(report, label)


@dataclass(frozen=True)
class PlotKind:
    """A kind of plot: a one-line description, and the function that draws it."""

    title: str
    draw: Callable[[Reports], Figure]
    over: Callable[[Reports, Axis], Figure] | None = None
    """The same over other axes than queries, for kinds that have them."""
    needs_space: bool = False
    """Whether it needs the space in addition to the record."""

    def drawn_over(self, axis: str) -> Callable[[Reports], Figure]:
        """The function that draws it over this axis; InputError for an unknown axis, and for a kind that has none."""
        known = {str(name): name for name in get_args(Axis)}
        if axis not in known:
            raise unknown("axis", axis, known)
        over = self.over
        if over is None:
            raise InputError(f"--over {axis}: only curves have such an axis; omit --over, or draw --kind anytime")
        return lambda reports: over(reports, known[axis])


KINDS: Mapping[str, PlotKind] = MappingProxyType(
    {
        "anytime": PlotKind("best value against queries, mean and interval over seeds", anytime, anytime),
        "box": PlotKind("best value of every run, by strategy", box),
        "pareto": PlotKind("two objectives: all queries and the Pareto set", pareto),
        "lineage": PlotKind("a population: whose layers, of the first one, survive", lineage),
        "family": PlotKind("a population: who descends from whom, and the winner's ancestors", family),
        "levels": PlotKind("a generator that is fitted again and again: how high its samples reach", levels),
        "cell": PlotKind("the best architecture as a graph or a table of choices", best_cell, needs_space=True),
    }
)


# -- curves and boxes ---------------------------------------------------------------------------------------------


def _bands(study: Study, over: Axis) -> dict[str, tuple[Floats, Band]]:
    """Strategy -> its grid of the amount spent (q,) and the band on it; strategies that found nothing are omitted."""
    bands = {}
    for label in study.reports:
        curves = study.curves(label, over)
        if curves:
            end = max(curve[-1][0] for curve in curves)
            points = np.array(sorted({point for curve in curves for point, _ in curve}))
            grid = points[np.unique(np.linspace(0, len(points) - 1, _GRID_POINTS).round().astype(int))]
            grid = np.append(grid[grid < end], end)
            bands[label] = grid, curve_band(curves, grid, seeds.stream(0, "bootstrap"))
    return bands


def _late(grid: Floats, band: Band, early: float) -> list[float]:
    """The values of a band that determine the y-range: those after `early`."""
    late = grid >= min(early, grid[-1])
    values = np.concatenate([band.low[late], band.high[late]])
    return list(values[np.isfinite(values)])


def _draw_box(axes: Axes, at: int, values: Sequence[float], colour: str, rng: np.random.Generator) -> None:
    line = {"color": colour, "linewidth": 1.3}
    axes.boxplot(
        [values], positions=[at], widths=0.5, showfliers=False, manage_ticks=False, patch_artist=True,
        boxprops={"facecolor": colour + "22", "edgecolor": colour, "linewidth": 1.3},
        medianprops={"color": colour, "linewidth": 2.0}, whiskerprops=line, capprops=line,
    )  # fmt: skip
    jitter = rng.uniform(-0.16, 0.16, len(values))
    axes.scatter(at + jitter, values, s=16, color=colour, alpha=0.75, linewidths=0, zorder=3)
    mean = summarise(values).mean
    axes.scatter([at], [mean], marker="D", s=36, facecolor="white", edgecolor=colour, linewidths=1.4, zorder=4)


def _limit(axes: Axes, study: Study, values: Sequence[float]) -> None:
    """A y-range that holds the values, the published results and the optimum, with some room."""
    shown = [*values, *(p.mean + side * (p.std or 0.0) for p in study.references for side in (-1, 1))]
    if study.optimum is not None:
        shown.append(study.optimum)
    low, high = min(shown), max(shown)
    room = 0.06 * (high - low) or 0.01 * abs(high) or 1.0
    axes.set_ylim(low - room, high + room)


# -- Pareto -------------------------------------------------------------------------------------------------------


_OUTSIDE = 0.04
"""The worst share of the points, by each objective, that may be outside the view."""


def _points(study: Study, runs: Sequence[RunReport]) -> Floats:
    """(n, 2): both objectives of every feasible query of some runs."""
    metrics = [o.metric for o in study.criteria.objectives]
    rows = [[line.scores[m] for m in metrics] for report in runs for line in report.history.feasible()]
    return np.array(rows, dtype=np.float64).reshape(-1, len(metrics))


def _front(points: Floats, *signs: float) -> Floats:
    """(f, 2): the non-dominated points, in the order of the second objective."""
    import moocore

    if not len(points):
        return points
    keep = moocore.is_nondominated(points * np.array(signs), maximise=True, keep_weakly=False)
    front = points[keep]
    return np.asarray(front[np.argsort(signs[1] * front[:, 1])[::-1]])


def _steps(front: Floats) -> tuple[Floats, Floats]:
    """(x, y) of the staircase that bounds what a front dominates; every other point is one of the front's.

    From one point to the next the second objective gets worse and the first better, so the corner between two has the
    second of the next and the first of the one before.
    """
    if not len(front):
        return front[:, 1], front[:, 0]
    x = np.repeat(front[:, 1], 2)[1:]
    y = np.repeat(front[:, 0], 2)[:-1]
    return x, y


def _view(axes: Axes, points: Floats, *signs: float) -> int:
    """Limit the view on the bad side, so that a few bad points do not squash the rest; returns how many are outside."""
    utilities = points * np.array(signs)
    worst = np.quantile(utilities, _OUTSIDE, axis=0)
    inside = (utilities >= worst).all(axis=1)
    best = utilities[inside].max(axis=0) if inside.any() else utilities.max(axis=0)
    room = np.where(best > worst, 0.06 * (best - worst), 0.01 * np.abs(best) + 1e-6)
    limits: tuple[Callable[[float, float], Any], ...] = (axes.set_ylim, axes.set_xlim)
    for limit, sign, bad, good in zip(limits, signs, worst - room, best + room, strict=True):
        low, high = sorted((sign * float(bad), sign * float(good)))
        limit(low, high)
    return int(((utilities < worst - room) | (utilities > best + room)).any(axis=1).sum())


def _towards(sign: float) -> str:
    return "more is better" if sign > 0 else "less is better"


# -- figures ------------------------------------------------------------------------------------------------------


def _finish(figure: Figure, study: Study, title: str, note: str, counted: bool = True) -> None:
    """The title above the figure; below it marks, seeds, data, sources and caveats."""
    where = f"on {study.benchmark}" + (f" ({study.table.name})" if study.table else "")
    constraints = "".join(f", {constraint}" for constraint in study.criteria.constraints)
    lines = [f"{note} {sentence(study.seeds)}" if counted else note, sentence(study.table_line), *study.caveats]
    if counted and study.references and not _is_pareto(study):
        lines += ["Published, mean ± std: " + "; ".join(f"[{i}] {s}" for s, i in sources_of(study).items()) + "."]
        lines += [f"* {caveat[0].upper()}{caveat[1:]}." for caveat in _reference_caveats(study)]
    caption(figure, [title, where + constraints], lines)


def _reference_caveats(study: Study) -> list[str]:
    return list(dict.fromkeys(p.caveat for p in study.references if p.caveat))


def _is_pareto(study: Study) -> bool:
    return not study.criteria.single


def _named(study: Study, label: str, between: str = " ") -> str:
    """A strategy's label with the number of its runs."""
    found, runs = len(study.values(label)), len(study.reports[label])
    nothing = f"; {runs - found} found nothing" if found < runs else ""
    return f"{label}{between}(n = {found}{nothing})"


def _digits(mean: float, std: float | None) -> str:
    digits = 3 if not mean else max(0, 3 - math.floor(math.log10(abs(mean))))
    return f"{mean:.{digits}f}" + (f" ± {std:.{digits}f}" if std is not None else "")


def _styles() -> Iterator[dict[str, Any]]:
    """A colour and a dash for each strategy, endlessly."""
    turn = 0
    while True:
        for colour in COLOURS:
            yield {"color": colour, "linestyle": DASHES[turn % len(DASHES)]}
        turn += 1
