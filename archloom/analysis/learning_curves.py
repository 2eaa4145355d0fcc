"""A picture of how the architectures that an agent visits improve in training (Cassimon et al., Figs. 17 to 19)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from archloom.analysis.figures import caption, new_figure, styled
from archloom.analysis.stats import Floats, band
from archloom.analysis.study_figures import styles
from archloom.errors import InputError
from archloom.utils import seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOW = 10
"""How many values a moving average is over, as in the paper."""
_GRID_POINTS = 200


class LearningCurve(NamedTuple):
    """What one training had reached after so many steps, each (m,); steps ascend."""

    steps: Floats
    values: Floats


def moving_average(values: Floats, window: int = WINDOW) -> Floats:
    """(m,) the mean of each value and those before it, `window` in all, fewer at the beginning."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(0, last - window)
    return np.asarray((sums[last] - sums[first]) / (last - first))


def learning_curves(
    title: str, label: str, curves: Mapping[str, Sequence[LearningCurve]], notes: Sequence[str], window: int = WINDOW,
    over: str = "steps",
) -> Figure:  # fmt: skip
    """A curve for each setting: the mean over its trainings (one a seed) and its 95 % bootstrap interval.

    Each training is smoothed by a moving average first; settings are compared as far as all their trainings went.
    `label` says what the values are, `over` what the steps are. InputError for a setting without trainings, or a
    training without values.
    """
    for name, runs in curves.items():
        if not runs or any(not len(run.steps) for run in runs):
            raise InputError(f"learning curves of {name}: expected at least one training, each with values")
    with styled():
        figure = new_figure(8.6, 4.8)
        axes = figure.add_subplot()
        for style, (name, runs) in zip(styles(varied=True), curves.items(), strict=False):
            first, last = max(run.steps[0] for run in runs), min(run.steps[-1] for run in runs)
            grid = np.linspace(first, last, _GRID_POINTS)
            smooth = np.stack([np.interp(grid, run.steps, moving_average(run.values, window)) for run in runs])
            found = band(smooth, seeds.stream(0, "bootstrap"))
            axes.plot(grid, found.mean, label=name, linewidth=1.8, zorder=4, **style)
            axes.fill_between(grid, found.low, found.high, color=style["color"], alpha=0.2, linewidth=0, zorder=3)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
        axes.set_xlabel(over)
        axes.set_ylabel(label)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        counts = sorted({len(runs) for runs in curves.values()})
        each = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        plural = "s" if counts[-1] > 1 else ""
        words = f"Mean over {each} training{plural} of each setting and its 95 % bootstrap interval"
        smoothed = f"; a moving average over {window} values" if window > 1 else ""
        caption(figure, [title], [f"{words}{smoothed}.", *notes])
    return figure
