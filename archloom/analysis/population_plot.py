"""How populations learn: the values of all members, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from archloom.analysis.figures import COLOURS, INK, drawable, limits, new_figure, styled
from archloom.analysis.layout import counted
from archloom.analysis.lineage import Generation, births, generations
from archloom.analysis.stats import Floats, spread_band
from archloom.analysis.study import Reports, Study, shown_name
from archloom.analysis.study_figures import Around, bands_of, finish, interval, named, styles
from archloom.analysis.timeline import Time, Timeline
from archloom.errors import InputError, unknown
from archloom.runs.report import RunReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_EARLY = 0.1
"""The share of chunks whose values do not affect the y-range: networks begin far from where they end."""

_WEAK = 0.25
"""The share of members, the worst of a chunk, whose values do not affect it either."""

_DASHES = (2.5, 1.5)

Width = Literal["interval", "std"]
"""What is drawn around the mean over seeds: the 95 % bootstrap interval of the mean, or the standard deviation."""


class _Bands(NamedTuple):
    """What makes the bands, and says of a study what its lines and bands are."""

    around: Around
    words: Callable[[Study], str]


_BANDS: Mapping[Width, _Bands] = MappingProxyType(
    {
        "interval": _Bands(interval, lambda study: study.spread),
        "std": _Bands(spread_band, lambda _: "Lines: mean; bands: the standard deviation over seeds."),
    }
)


def population(reports: Reports, over: Time = "resource", band: Width | None = None) -> Figure:
    """The best, the median and the quartiles of a population at the end of each chunk, and the curve of each member.

    Of several runs the best of each chunk, its mean over seeds with its 95 % bootstrap interval (`band` "std": with the
    standard deviation), and, dashed, the mean of the medians. InputError if no run trained a population with success,
    for another `band`, and for any if there is one run only, which is drawn with its quartiles.
    """
    if band is not None and band not in _BANDS:
        raise unknown("band", band, _BANDS)
    study = Study.of(reports)
    study.need_best()
    known = {label: [_Learnt(report, over) for report in found] for label, found in reports.items()}
    known = {label: runs for label, found in known.items() if (runs := [run for run in found if run.learnt])}
    if not known:
        raise InputError(
            f"{' and '.join(reports)} trained no population through a complete chunk in which a member succeeded: "
            "continue the run (archloom resume), or take one of a strategy that trains a population, e.g. pbt_nas"
        )
    runs = [run for found in known.values() for run in found]
    if band is not None and len(runs) == 1:
        raise InputError(f"--band {band}: a single run has no spread over seeds; omit it, or give runs of several")
    with styled():
        figure = new_figure(7.6, 4.6)
        axes = figure.add_subplot()
        if len(runs) == 1:
            note, shown = _draw_one(axes, runs[0]), _late(runs[0])
        else:
            trained = Study.of({label: reports[label] for label in known})
            note, shown = _draw_several(axes, trained, known, _BANDS[band or "interval"])
        lone = all(len(run.times.ends) == 1 for run in runs)  # markers instead of lines, which the edge would cut
        axes.set_xlim(0, max(run.times.ends[-1] for run in runs) * (1.05 if lone else 1))
        low, high = limits(shown)
        axes.set_ylim(low, high)
        axes.set_xlabel(runs[0].times.label)
        axes.set_ylabel(study.axis_label(study.metric))
        axes.legend(loc="lower right" if study.objective.sign > 0 else "upper right")
        outside = sum(int(((run.values < low) | (run.values > high)).sum()) for run in runs) if len(runs) == 1 else 0
        if outside:
            note += f" {counted(outside, 'value')} of weak members {'is' if outside == 1 else 'are'} outside the axes."
        finish(figure, study, f"How the population learns: {shown_name(study.metric)}", note)
    return figure


class _Learnt:
    """What one run's population has learnt: `values` (chunks, members), NaN for a chunk that failed."""

    def __init__(self, report: RunReport, over: Time) -> None:
        self.report = report
        self.generations: Sequence[Generation] = generations(report.history.lines)
        objective = report.scenario.criteria.objectives[0]
        self.sign = objective.sign
        self.values: Floats = drawable(
            np.array(
                [
                    [line.scores.get(objective.metric, np.nan) for _, line in sorted(generation.trials.items())]
                    for generation in self.generations
                ]
            )
        )
        if self.generations:
            self.times = Timeline.of(report, self.generations, over)

    @property
    def learnt(self) -> bool:
        """Whether any member succeeded."""
        return bool(np.isfinite(self.values).any())

    def share(self, rank: float) -> list[tuple[float, float]]:
        """(end of a chunk, the value of the member at this place from the worst, 0, to the best, 1) where any is
        known."""
        found = []
        for end, row in zip(self.times.ends, self.values, strict=True):
            if len(finite := row[np.isfinite(row)]):
                found.append((float(end), self.sign * float(np.quantile(self.sign * finite, rank))))
        return found

    def curves(self) -> Iterator[tuple[list[float], list[float]]]:
        """The curve of each network from its first chunk to its last; a child's begins where its base's chunk ended."""
        born = {birth.trial: birth.base for birth in births(self.report.history.lines)}
        at = {
            line.id: (end, float(value))
            for end, generation, row in zip(self.times.ends, self.generations, self.values, strict=True)
            for (_, line), value in zip(sorted(generation.trials.items()), row, strict=True)
        }
        for place in range(self.values.shape[1]):
            points: list[tuple[float, float]] = []
            for generation in self.generations:
                line = generation.trials[sorted(generation.trials)[place]]
                if line.id in born:
                    yield _split(points)
                    points = [at[born[line.id]]] if born[line.id] in at else []
                points.append(at[line.id])
            yield _split(points)


def _split(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _late(run: _Learnt) -> list[float]:
    """The values that determine the y-range: from the lower quartile up, of each chunk after the first tenth in which
    a member succeeded."""
    known = run.values[np.isfinite(run.values).any(axis=1)]
    later = known[round(_EARLY * len(known)) :]
    lowest = np.nanquantile(run.sign * later, _WEAK, axis=1, keepdims=True)
    return [float(value) for value in later[run.sign * later >= lowest]]


def _draw_one(axes: Axes, run: _Learnt) -> str:
    for x, y in run.curves():
        axes.plot(x, y, color=INK, linewidth=0.7, alpha=0.35, marker="." if len(x) == 1 else "", markersize=3, zorder=2)
    low, high = (run.share(rank) for rank in (_WEAK, 1 - _WEAK))
    axes.fill_between(*_split(low), [y for _, y in high], color=COLOURS[0], alpha=0.18, linewidth=0, zorder=1)
    axes.plot([], [], color=INK, linewidth=0.7, alpha=0.6, label="a member")
    for rank, colour, label in ((0.5, COLOURS[0], "median and quartiles"), (1.0, COLOURS[1], "best of the chunk")):
        x, y = _split(run.share(rank))
        axes.plot(x, y, color=colour, linewidth=1.8, marker="o" if len(x) == 1 else "", label=label, zorder=3)
    return f"{counted(run.values.shape[1], 'member')}; a child's curve begins at its base's."


def _draw_several(axes: Axes, study: Study, known: dict[str, list[_Learnt]], bands: _Bands) -> tuple[str, list[float]]:
    """Returns what to say of it, and the values that determine the y-range."""

    def curves(label: str, rank: float) -> list[list[tuple[float, float]]]:
        return [curve for run in known[label] if (curve := run.share(rank))]

    best, middle = (bands_of(study, partial(curves, rank=rank), bands.around) for rank in (1.0, 0.5))
    shown: list[float] = []
    for style, label in zip(styles(), study.reports, strict=False):
        if label not in best:
            continue
        for (grid, band), how in ((best[label], {"label": named(study, label)}), (middle[label], {"dashes": _DASHES})):
            axes.plot(grid, band.mean, color=style["color"], linewidth=1.2 if "dashes" in how else 1.8, zorder=3, **how)
            late = band.mean[grid >= _EARLY * grid[-1]]
            shown += [float(value) for value in late if np.isfinite(value)]
        grid, band = best[label]
        axes.fill_between(grid, band.low, band.high, color=style["color"], alpha=0.15, linewidth=0, zorder=2)
        ends = np.concatenate([band.low, band.high])[np.tile(grid >= _EARLY * grid[-1], 2)]
        shown += [float(value) for value in ends if np.isfinite(value)]
    return f"Best of each chunk, dashed the median of the population. {bands.words(study)}", shown
