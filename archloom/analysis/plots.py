"""Plots of a study, each a function from runs to a `matplotlib.figure.Figure`.

Every plot names its data and the number of seeds, and draws published numbers next to your own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from archloom.analysis.budgets_plot import budgets
from archloom.analysis.cell_drawing import draw_cell
from archloom.analysis.figures import COLOURS, drawable, limits, new_figure, styled
from archloom.analysis.gain_plot import gain
from archloom.analysis.levels_plot import levels
from archloom.analysis.lineage_plots import family, lineage
from archloom.analysis.networks_plot import networks
from archloom.analysis.pareto_plots import hypervolume, pareto
from archloom.analysis.population_plot import population
from archloom.analysis.published_panel import figure_with_panel, fill_panel, mark_published, reach
from archloom.analysis.sampled_plot import sampled
from archloom.analysis.state_plot import state
from archloom.analysis.stats import Floats, summarise
from archloom.analysis.study import BEYOND, Reports, Study, shown_name
from archloom.analysis.study_figures import bands_of, draw_bands, finish, named, styles
from archloom.analysis.surrogate_plot import surrogate
from archloom.analysis.timeline import Time
from archloom.analysis.topology_plot import topology
from archloom.errors import InputError, unknown
from archloom.runs.history import Axis
from archloom.runs.report import RunReport
from archloom.utils import seeds
from archloom.utils.numbers import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


RESOURCE = "resource"
"""The axis of what is used of a resource."""


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
    bands = bands_of(study, lambda label: study.curves(label, over))
    with styled():
        figure, axes, panel = figure_with_panel(study)
        values = draw_bands(axes, study, bands, study.settled(over))
        _limit(axes, study, values)
        if over == study.PUBLISHED_OVER:
            mark_published(axes, study)
        axes.set_xlim(0, BEYOND * max(grid[-1] for grid, _ in bands.values()))
        axes.set_xlabel(label_of_axis)
        axes.set_ylabel(f"best {study.axis_label(study.metric)}")
        columns = math.ceil(len(bands) / 6)
        axes.legend(loc="lower right" if study.objective.sign > 0 else "upper right", ncols=columns)
        finish(figure, study, f"Best {shown_name(study.metric)} by {over}", study.spread, published=True)
        fill_panel(figure, axes, panel, study)
    return figure


def box(reports: Reports) -> Figure:
    """The best value of every run, by strategy: box, single runs and mean, next to published results."""
    study = Study.of(reports)
    study.need_best()
    found = {label: drawable(np.array(study.values(label))) for label in reports}
    names = [named(study, label, "\n") for label in found]
    each = max(len(line) for name in names for line in name.split("\n")) * 0.085 + 0.15  # inches
    with styled():
        figure, axes, panel = figure_with_panel(study, max(5.6, each * len(names)))
        for at, (style, values) in enumerate(zip(styles(), found.values(), strict=False)):
            if len(values):
                _draw_box(axes, at, values, style["color"], seeds.stream(0, "strip", at))
        axes.set_xticks(range(len(found)), names)
        axes.set_xlim(-0.6, len(found) - 0.4)
        axes.grid(visible=False, axis="x")
        _limit(axes, study, [v for values in found.values() for v in values])
        axes.set_ylabel(f"best {study.axis_label(study.metric)}")
        note = f"Dots: runs of up to {study.queries:,} queries"
        note += "." if study.one_each else "; box: quartiles; line: median; diamond: mean."
        finish(figure, study, f"Best {shown_name(study.metric)} of every run", note, published=True)
        fill_panel(figure, axes, panel, study)
    return figure


def cell(report: RunReport, label: str | None = None) -> Figure:
    """The best architecture of a run, drawn as its space allows: as a graph, a table of choices, or text."""
    study = Study.of({label or report.request.name: [report]})
    strategy, _ = study.best  # raises if there is none
    line = report.history.best()
    assert line is not None  # noqa: S101 - `study.best` has found it
    tests = "".join(f", {shown_name(name)} {short(value)}" for name, value in line.report.items())
    rank = f", {study.rank(report)}" if study.rank(report) else ""
    unit = study.unit(study.metric)
    value = f"{shown_name(study.metric)} {short(line.scores[study.metric])}{' ' + unit if unit else ''}{rank}{tests}"
    found = f"Found by {strategy}, seed {report.request.seed}, at query {line.query} of {report.history.queries}."
    with styled():
        figure = new_figure(8.0, 3.6)
        draw_cell(figure, report.scenario.space, line.trial.proposal.arch, COLOURS)
        finish(figure, study, f"Best architecture: {value}", found, counted=False)
    return figure


def best_cell(reports: Reports) -> Figure:
    """The best architecture of all runs, as `cell` draws it."""
    label, report = Study.of(reports).best
    return cell(report, label)


@dataclass(frozen=True)
class PlotKind:
    """A kind of plot: a one-line description, and the function that draws it."""

    title: str
    draw: Callable[..., Figure]
    """From runs, and the options that it takes by name."""
    takes: frozenset[str] = frozenset()
    """Which options it takes."""
    axes: tuple[str, ...] = get_args(Axis)
    """What its horizontal axis may count, if it takes `over`."""
    needs_space: bool = False
    """Whether it needs the space in addition to the record."""
    across_spaces: bool = False
    """Whether runs on different spaces may be in one picture."""

    def with_options(self, given: Mapping[str, Any]) -> Callable[[Reports], Figure]:
        """The function that draws it with these options; InputError for one that this kind does not take.

        It raises InputError for an unknown axis: the resource is known by the name of what it counts, too.
        """
        for name, value in given.items():
            if name not in self.takes:
                others = [kind for kind, known in KINDS.items() if name in known.takes]
                said = value[0] if isinstance(value, tuple) else value
                raise InputError(
                    f"--{name} {said}: this kind of plot takes no such option; omit --{name}, or draw --kind "
                    f"{' or '.join(others)}"
                )
        return partial(self._drawn, given)

    def _drawn(self, given: Mapping[str, Any], reports: Reports) -> Figure:
        spaces = dict.fromkeys(report.scenario.space.name for runs in reports.values() for report in runs)
        if len(spaces) > 1 and not self.across_spaces:
            others = " or ".join(name for name, kind in KINDS.items() if kind.across_spaces)
            raise InputError(
                f"runs on the spaces {', '.join(spaces)}: this kind of plot is of one; draw --kind {others}"
            )
        over = {"over": self._axis(given["over"], reports)} if "over" in given else {}
        return self.draw(reports, **{**given, **over})

    def _axis(self, over: str, reports: Reports) -> str:
        """The axis of this name."""
        if over in self.axes:
            return over
        resources = {report.history.resource for found in reports.values() for report in found}
        units = {resource.unit for resource in resources if resource is not None}
        if units == {over}:
            return RESOURCE
        raise unknown("axis", over, [*self.axes, *units])


KINDS: Mapping[str, PlotKind] = MappingProxyType(
    {
        "anytime": PlotKind(
            "best value against queries, mean and interval over seeds", anytime, frozenset({"over"}), across_spaces=True
        ),
        "box": PlotKind("best value of every run, by strategy", box, across_spaces=True),
        "pareto": PlotKind(
            "two objectives, or accuracy against FLOPs and parameters: all queries, and the Pareto sets with the steps "
            "of their points",
            pareto,
            frozenset({"against"}),
            across_spaces=True,
        ),
        "hypervolume": PlotKind(
            "several objectives: the hypervolume so far against queries",
            hypervolume,
            frozenset({"over", "against"}),
            across_spaces=True,
        ),
        "budgets": PlotKind(
            "short trainings and long ones: results by budget, and the rank correlations between budgets",
            budgets,
            frozenset({"over"}),
            needs_space=True,
            across_spaces=True,
        ),
        "gain": PlotKind(
            "the best of each strategy among random samples", gain, frozenset({"samples"}), across_spaces=True
        ),
        "population": PlotKind(
            "a population: the best, the median and every member, chunk by chunk",
            population,
            frozenset({"over", "band"}),
            axes=get_args(Time),
        ),
        "lineage": PlotKind(
            "a population: whose layers, of the first one, survive", lineage, frozenset({"over"}), axes=get_args(Time)
        ),
        "family": PlotKind(
            "a population: who descends from whom, and the winner's ancestors",
            family,
            frozenset({"over"}),
            axes=get_args(Time),
        ),
        "networks": PlotKind(
            "several networks of each generator: how far they spread, and what their accuracy costs",
            networks,
            frozenset({"against"}),
            across_spaces=True,
        ),
        "levels": PlotKind("a generator that is fitted again and again: how high its samples reach", levels),
        "surrogate": PlotKind(
            "graph_bo's model: how well it predicts, what matters to it, what it expected", surrogate, needs_space=True
        ),
        "sampled": PlotKind(
            "the running mean of what was sampled by step, with the one-shot network", sampled, frozenset({"window"})
        ),
        "topology": PlotKind(
            "width and depth of the cells of the best architectures", topology, frozenset({"top"}), needs_space=True
        ),
        "state": PlotKind(
            "the mean of the best architectures as a heat map, and that of the table's best",
            state,
            frozenset({"top"}),
            needs_space=True,
        ),
        "cell": PlotKind("the best architecture as a graph or a table of choices", best_cell, needs_space=True),
    }
)


# -- curves and boxes ---------------------------------------------------------------------------------------------


def _draw_box(axes: Axes, at: int, values: Floats, colour: str, rng: np.random.Generator) -> None:
    line = {"color": colour, "linewidth": 1.3}
    axes.boxplot(
        [values], positions=[at], widths=0.5, showfliers=False, manage_ticks=False, patch_artist=True,
        boxprops={"facecolor": colour + "22", "edgecolor": colour, "linewidth": 1.3},
        medianprops={"color": colour, "linewidth": 2.0}, whiskerprops=line, capprops=line,
    )  # fmt: skip
    jitter = rng.uniform(-0.16, 0.16, len(values))
    axes.scatter(at + jitter, values, s=16, color=colour, alpha=0.75, linewidths=0, zorder=3)
    axes.scatter(
        [at],
        [summarise(values.tolist()).mean],
        marker="D",
        s=36,
        facecolor="white",
        edgecolor=colour,
        linewidths=1.4,
        zorder=4,
    )


def _limit(axes: Axes, study: Study, values: Sequence[float]) -> None:
    """A y-range that holds the values, the published results and the optimum, with some room."""
    axes.set_ylim(*limits([*values, *reach(study, values)]))
