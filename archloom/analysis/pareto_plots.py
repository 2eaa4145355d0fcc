"""Plots of runs with several objectives: the Pareto sets, and the hypervolume that they dominate over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archloom.analysis.figures import INK, drawable, limits, new_figure, styled, wrapped
from archloom.analysis.point_labels import Labelled, label_points
from archloom.analysis.published import references
from archloom.analysis.published_panel import mark_two, of_two
from archloom.analysis.published_rows import Published
from archloom.analysis.sampled import step_of, two_objectives
from archloom.analysis.stats import Floats, summarise
from archloom.analysis.study import BEYOND, Reports, Study, front_rows, shown_name
from archloom.analysis.study_figures import bands_of, draw_bands, finish, named, styles
from archloom.errors import InputError
from archloom.runs.history import Axis
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.utils.numbers import short, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OUTSIDE = 0.04
"""The worst share of the points, by each objective, that may be outside the view; no point of a Pareto set is."""
_ENTRIES = 3
"""How many entries of the legend leave room enough for the axes; more make a figure higher."""
_DASHES = (0, (5, 3))


def pareto(reports: Reports, against: Sequence[str] = ()) -> Figure:
    """Two objectives: every query, the Pareto set of all runs of each strategy, and the mean hypervolume of a run.

    The points of the sets are annotated with the step at which they were sampled, as many as there is room for. Runs
    with another number of objectives show the first one against each metric of `against`, in a panel each, by default
    against the FLOPs and the parameters that they know (`sampled.two_objectives`); `against` does so for any runs. If
    there is a table, its own Pareto set is drawn as a dashed line. The hypervolume is measured from
    `study.reference_point`. InputError if there is nothing to show the first objective against, or if no run found
    anything.
    """
    Study.of(reports).need_best()
    studies = [Study.of(each) for each in two_objectives(reports, against)]
    with styled():
        published = [each for study in studies for each in _published(study)]
        entries = len(reports) + len(published) // 2
        figure = new_figure(7.6 if len(studies) == 1 else 5.6 * len(studies), 5.4 + 0.22 * max(0, entries - _ENTRIES))
        panels = figure.subplots(1, len(studies), squeeze=False)[0]
        drawn = [_draw_pareto(axes, study, published) for axes, study in zip(panels, studies, strict=True)]
        study, outside = studies[0], [f"{each.outside:,}" for each in drawn]
        note = f"{_dots(study)}; lines: {_sets(study)}; numbers: the steps at which points of a set were sampled, "
        note += "where there is room"
        note += f"; hypervolume: {_hypervolumes(study)}."
        if reports is not study.reports:
            note += f" The runs optimised {_optimised(reports)}."
        if any(each.outside for each in drawn):
            note += f" Outside the view: {' and '.join(outside)} of {drawn[0].queries:,} queries."
        y, x = study.criteria.objectives[0], [each.criteria.objectives[1] for each in studies]
        title = f"{shown_name(y.metric)} against {' and '.join(shown_name(o.metric) for o in x)}"
        finish(figure, study, title, note, marked=published)
        for axes, each, (_, right) in zip(panels, drawn, (s.criteria.objectives for s in studies), strict=True):
            label_points(axes, each.fronts, (right.sign, y.sign))
    return figure


class _Drawn(NamedTuple):
    """What a panel shows: the fronts with their steps, the table's without; how many queries are outside the view."""

    fronts: list[Labelled]
    outside: int
    queries: int


def _draw_pareto(axes: Axes, study: Study, published: Sequence[Published]) -> _Drawn:
    y, x = study.criteria.objectives
    lines = {
        label: [line for run in runs for line in run.history.comparable()] for label, runs in study.reports.items()
    }
    clouds = {label: _points(study, found) for label, found in lines.items()}
    fronts = []
    for style, (label, cloud) in zip(styles(), clouds.items(), strict=False):
        rows = front_rows(cloud, study.criteria)
        axes.scatter(cloud[:, 1], cloud[:, 0], s=9, color=style["color"], alpha=0.25, linewidths=0, zorder=2)
        x_steps, y_steps = _steps(cloud[rows])
        axes.plot(
            x_steps, y_steps, marker="o", markersize=4, markevery=slice(0, None, 2), linewidth=1.6, zorder=4,
            label=f"{named(study, label)}: {_volume(study, study.reports[label])}", **style,
        )  # fmt: skip
        numbers = [str(step_of(lines[label][row])) for row in rows]
        fronts.append(Labelled(cloud[rows][:, ::-1], numbers, style["color"], np.stack([x_steps, y_steps], axis=1)))
    shown = [front.points[:, ::-1] for front in fronts]
    whole = study.whole_front
    if whole is not None:
        shown.append(drawable(whole))
        x_steps, y_steps = _steps(drawable(whole))
        fronts.append(Labelled(np.empty((0, 2)), [], INK, np.stack([x_steps, y_steps], axis=1)))
        axes.plot(
            x_steps, y_steps, color=INK, linestyle=_DASHES, linewidth=1.0, marker="o", markersize=2.5,
            markevery=slice(0, None, 2), zorder=3,
            label=f"Pareto set of the table ({len(whole):,}): {short(_whole_volume(study))}",
        )  # fmt: skip
    mark_two(axes, published, y.metric, x.metric)
    pairs = of_two(published, y.metric, x.metric)
    shown.append(np.array([[one.mean, other.mean] for one, other in pairs], dtype=np.float64).reshape(-1, 2))
    everything = np.concatenate(list(clouds.values()))
    outside = _view(axes, everything, np.concatenate(shown), y.sign, x.sign)
    axes.set_xlabel(f"{study.axis_label(x.metric)}, {_towards(x.sign)}")
    axes.set_ylabel(f"{study.axis_label(y.metric)}, {_towards(y.sign)}")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False, title_fontsize=9,
        title=wrapped(f"hypervolume from {_reference(study)}", 85),
    )  # fmt: skip
    return _Drawn(fronts, outside, len(everything))


def _published(study: Study) -> list[Published]:
    """What is published of methods by both objectives."""
    names = [objective.metric for objective in study.criteria.objectives]
    known = [each for name in names for each in references(study.benchmark, name, study.criteria.constraints)]
    return [each for pair in of_two(known, *names) for each in pair]


def hypervolume(reports: Reports, over: Axis = "queries", against: Sequence[str] = ()) -> Figure:
    """The hypervolume so far against what was spent, as `plots.anytime` draws the best value.

    `against`, one metric, makes it that of the first objective and this metric, whatever the runs optimised. It is
    measured from `study.reference_point`; a dashed line is that of the table's own Pareto set. InputError for a
    single objective, if no run found anything, or if runs did not record what `over` asks for.
    """
    if len(against) > 1:
        raise InputError(f"--against {' --against '.join(against)}: a hypervolume is against one metric; name one")
    Study.of(reports).need_best()
    study = Study.of(two_objectives(reports, against)[0] if against else reports)
    if study.criteria.single:
        raise InputError(
            f"a hypervolume needs several objectives, these runs have one ({study.metric}): draw --kind anytime, or "
            "name a metric, --against params_m"
        )
    label_of_axis = study.spent_label(over)
    bands = bands_of(study, lambda label: study.hypervolume_curves(label, over))
    whole = _whole_volume(study)
    with styled():
        figure = new_figure(7.6, 4.9)
        axes = figure.add_subplot()
        values = draw_bands(axes, study, bands, study.settled(over))
        if whole is not None and math.isfinite(whole):
            axes.axhline(
                float(drawable(np.array(whole))), color=INK, linestyle=_DASHES, linewidth=1.0, zorder=1,
                label=f"Pareto set of the table: {short(whole)}",
            )  # fmt: skip
            values.append(float(drawable(np.array(whole))))
        axes.set_ylim(*limits(values))
        axes.set_xlim(0, BEYOND * max(grid[-1] for grid, _ in bands.values()))
        axes.set_xlabel(label_of_axis)
        axes.set_ylabel("hypervolume so far")
        axes.legend(loc="lower right", ncols=math.ceil(len(bands) / 6))
        metrics = ", ".join(shown_name(objective.metric) for objective in study.criteria.objectives)
        note = f"{study.spread} Hypervolume from {_reference(study)}, {_worst(study)}."
        finish(figure, study, f"Hypervolume by {over}: {metrics}", note)
    return figure


# -- words --------------------------------------------------------------------------------------------------------


def _dots(study: Study) -> str:
    in_full = len({study.first.history.fidelity(line) for _, run in study.runs for line in run.history.feasible()}) < 2
    return f"Dots: all feasible queries{'' if in_full else ' at the highest fidelity of their run'}"


def _sets(study: Study) -> str:
    if study.one_each:
        return "Pareto set of a run"
    return "Pareto set of all runs of a strategy together"


def _hypervolumes(study: Study) -> str:
    several = any(len(runs) > 1 for runs in study.reports.values())
    nothing = ", 0 for those that found nothing" if len(study.found) < len(study.runs) else ""
    too_large = ", - if it exceeds the largest float" if study.too_large else ""
    return f"{f'mean ± std over runs{nothing}, ' if several else ''}from {_worst(study)}{too_large}"


def _worst(study: Study) -> str:
    return f"the worst value of each objective {'in the table' if study.table else 'among all queries'}"


def _optimised(reports: Reports) -> str:
    names = [shown_name(objective.metric) for objective in Study.of(reports).criteria.objectives]
    return f"{names[0]} alone" if len(names) == 1 else " and ".join(names)


def _reference(study: Study) -> str:
    point = zip(study.criteria.objectives, study.reference_point, strict=True)
    return ", ".join(f"{shown_name(o.metric)} = {value:.4g}" for o, value in reversed(list(point)))


def _volume(study: Study, runs: Sequence[RunReport]) -> str:
    volumes = [study.hypervolume(report) for report in runs]
    if not all(map(math.isfinite, volumes)):
        return "-"
    summary = summarise(volumes)
    return spread(summary.mean, summary.std)


def _whole_volume(study: Study) -> float | None:
    """The hypervolume of the table's own Pareto set; None without a table."""
    import moocore

    front = study.whole_front
    if front is None:
        return None
    signs = np.array([objective.sign for objective in study.criteria.objectives])
    return float(moocore.hypervolume(front * signs, ref=signs * np.array(study.reference_point), maximise=True))


def _towards(sign: float) -> str:
    return "more is better" if sign > 0 else "less is better"


# -- points -------------------------------------------------------------------------------------------------------


def _points(study: Study, lines: Sequence[TrialRecord]) -> Floats:
    """(n, 2): both objectives of some trials."""
    metrics = [o.metric for o in study.criteria.objectives]
    rows = [[line.scores[m] for m in metrics] for line in lines]
    return drawable(np.array(rows, dtype=np.float64).reshape(-1, len(metrics)))


def _steps(front: Floats) -> tuple[Floats, Floats]:
    """(x, y) of the staircase that bounds what a front dominates; every other point is one of the front's.

    From one point to the next the first objective gets worse and the second better, so the corner between two has the
    second of the one before and the first of the next.
    """
    front = front[::-1]
    x = np.repeat(front[:, 1], 2)[1:]
    y = np.repeat(front[:, 0], 2)[:-1]
    return x, y


def _view(axes: Axes, points: Floats, fronts: Floats, *signs: float) -> int:
    """Limit the view on the bad side, so that a few bad points do not squash the rest, but never a Pareto set; returns
    how many points are outside."""
    utilities, good = points * np.array(signs), fronts * np.array(signs)
    low = np.minimum(np.quantile(utilities, _OUTSIDE, axis=0), good.min(axis=0))
    sides = [limits([bad, best]) for bad, best in zip(low, good.max(axis=0), strict=True)]
    set_limits: tuple[Callable[[float, float], Any], ...] = (axes.set_ylim, axes.set_xlim)
    for set_limit, sign, side in zip(set_limits, signs, sides, strict=True):
        set_limit(*sorted(sign * end for end in side))
    least = np.array([side[0] for side in sides])
    return int((utilities < least).any(axis=1).sum())
