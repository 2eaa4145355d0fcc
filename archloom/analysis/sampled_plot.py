"""A plot of what runs sampled over time: the running mean of the first objective by step (DDAS thesis, Fig. 3.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from archloom.analysis.figures import INK, drawable, limits, new_figure, styled
from archloom.analysis.sampled import samples, step_of
from archloom.analysis.stats import Floats
from archloom.analysis.study import Reports, Study, shown_name
from archloom.analysis.study_figures import bands_of, draw_bands, finish, styles
from archloom.runs.history import History
from archloom.runs.report import RunReport
from archloom.strategies.note import Note
from archloom.utils.numbers import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOW = 50
"""How many steps a mean is over."""
ONE_SHOT = "one_shot"
"""Of a trial's details: the metrics of the supernet with all operations at once, before the search."""
_DASHES = (0, (5, 3))
_STRIP = 0.16
"""Inches of a strategy's strip of noise."""


def sampled(reports: Reports, window: int = WINDOW) -> Figure:
    """The mean of the first objective over the last `window` samples, against steps: its mean over seeds with the 95 %
    bootstrap interval.

    A dashed line is the one-shot network, if runs recorded it; a strip below shows for each strategy how much noise
    changed its proposals, if their notes say so (`NoiseNote`). Failed trials count nowhere. InputError if no run found
    anything.
    """
    study = Study.of(reports)
    study.need_best()
    bands = bands_of(
        study, lambda label: [_curve(run.history, window) for run in reports[label] if samples(run.history)]
    )
    noise = {label: changed for label, runs in reports.items() if (changed := _noise(runs)).any()}
    with styled():
        height = _STRIP * (len(noise) + 0.5) if noise else 0.0
        figure = new_figure(7.6, 4.9 + height)
        grid = figure.add_gridspec(2 if noise else 1, 1, height_ratios=[4.0, height] if noise else None)
        axes = figure.add_subplot(grid[0])
        values = draw_bands(axes, study, bands, 0.0)
        full = [band.mean[places >= window] for places, band in bands.values()]  # from where a window is full
        values += [mean for means in full for mean in means[np.isfinite(means)].tolist()]
        values += _draw_one_shot(axes, study)
        axes.set_ylim(*limits(values))
        end = max(float(band[0][-1]) for band in bands.values())
        axes.set_xlim(0, 1.01 * end)
        axes.set_ylabel(f"{study.axis_label(study.metric)} of samples")
        axes.legend(loc="best")
        bottom = axes
        if noise:
            bottom = figure.add_subplot(grid[1], sharex=axes)
            _draw_noise(bottom, study, noise)
            axes.tick_params(axis="x", labelbottom=False)
        bottom.set_xlabel("steps (proposals)")
        note = f"Mean over the last {window:,} samples. {study.spread}"
        if noise:
            most = max(float(changed.max()) for changed in noise.values())
            note += (
                f" Strips: how many pairs (operation, edge) the noise changed, mean over runs; darkest: {short(most)}."
            )
        finish(figure, study, f"{shown_name(study.metric)} of what was sampled, by step", note)
    return figure


def running_mean(values: Floats, window: int) -> Floats:
    """(n,) the mean of each value and those before it, of the last `window` ones at most."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    means: Floats = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def one_shot(report: RunReport, metric: str) -> float | None:
    """A metric of the one-shot network, from the first trial that recorded it; None if none did."""
    found = (line.details.get(ONE_SHOT) for line in report.history.lines)
    known = next((each for each in found if isinstance(each, Mapping)), {})
    value = known.get(metric)
    return float(value) if isinstance(value, (int, float)) else None


def _curve(history: History, window: int) -> list[tuple[float, float]]:
    lines, metric = samples(history), history.criteria.objectives[0].metric
    values = drawable(np.array([line.scores[metric] for line in lines], dtype=np.float64))
    return [(float(step_of(line)), float(mean)) for line, mean in zip(lines, running_mean(values, window), strict=True)]


def _draw_one_shot(axes: Axes, study: Study) -> list[float]:
    """A line for each strategy's one-shot networks, or one for all if they are the same; returns where they are."""
    known = {
        label: [value for run in runs if (value := one_shot(run, study.metric)) is not None]
        for label, runs in study.reports.items()
    }
    means = {label: float(np.mean(values)) for label, values in known.items() if values}
    same = len(set(means.values())) == 1
    for style, label in zip(styles(), study.reports, strict=False):
        if label in means and not (same and label != next(iter(means))):
            axes.axhline(
                means[label], color=INK if same else style["color"], linestyle=_DASHES, linewidth=1.0, zorder=1,
                label=f"one-shot{'' if same else f', {shown_name(label)}'}: {short(means[label])}",
            )  # fmt: skip
    return list(means.values())


# -- noise --------------------------------------------------------------------------------------------------------


class NoiseNote(Note, frozen=True):
    """What ddas notes of a step at which its actor acted: how many pairs of operation and edge the noise changed."""

    stage: str
    changed: int


def _noise(runs: Sequence[RunReport]) -> Floats:
    """(steps,) how many pairs noise changed at each step, the mean over runs; 0 where nothing is noted."""
    lines = [line for run in runs for line in (*run.history.lines, *run.history.repeats)]
    changed = np.zeros(max(map(step_of, lines), default=0))
    for line in lines:
        if "changed" in line.note and (note := NoiseNote.find(line.note)) is not None:
            changed[step_of(line) - 1] += note.changed / len(runs)
    return changed


def _draw_noise(axes: Axes, study: Study, noise: Mapping[str, Floats]) -> None:
    """A strip for each strategy, the darker the more pairs the noise changed."""
    from matplotlib.colors import to_rgb

    colours = {label: style["color"] for style, label in zip(styles(), study.reports, strict=False)}
    most = max(float(changed.max()) for changed in noise.values())
    for row, (label, changed) in enumerate(noise.items()):
        image = np.concatenate([np.tile(to_rgb(colours[label]), (len(changed), 1)), changed[:, None] / most], axis=1)
        axes.imshow(
            image[None], extent=(0.5, len(changed) + 0.5, row + 0.4, row - 0.4), aspect="auto", interpolation="nearest"
        )
    axes.set_ylim(len(noise) - 0.5, -0.5)
    axes.set_yticks(range(len(noise)), [shown_name(label) for label in noise], fontsize=8)
    axes.grid(visible=False)
