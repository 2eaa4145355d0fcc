"""Pictures of how rewards are shaped: exp(alpha * accuracy) (Cassimon et al., section 3.2.2, Figs. 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from archloom.analysis.figures import COLOURS, INK, caption, new_figure, styled
from archloom.analysis.stats import Floats
from archloom.analysis.study_figures import styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = 100
MIDDLE = (5.0, 95.0)
"""The percentiles between which nine in ten architectures are."""


def shaped(accuracies: Floats, alpha: float) -> Floats:
    """exp(alpha * accuracy) of accuracies in percent, as a share of what 100 % would have."""
    return np.asarray(np.exp(alpha * (accuracies / 100 - 1)))


def middle_width(values: Floats) -> float:
    """The width of the range in which the middle nine in ten of the values are."""
    low, high = np.percentile(values, MIDDLE)
    return float(high - low)


def shaping_histogram(title: str, accuracies: Floats, alpha: float, notes: Sequence[str]) -> Figure:
    """Accuracies, in percent, before and after shaping, both as shares of the largest there could be (Fig. 3)."""
    before, after = accuracies / 100, shaped(accuracies, alpha)
    edges = np.linspace(0, 1, _BINS + 1)
    with styled():
        figure = new_figure(7.6, 4.6)
        axes = figure.add_subplot()
        counts = [np.histogram(values, edges)[0] for values in (before, after)]
        axes.stairs(counts[0], edges, fill=True, color=COLOURS[0], alpha=0.75, label="accuracy", zorder=2)
        axes.stairs(
            counts[1], edges, color=COLOURS[1], linewidth=1.8, zorder=3,
            label=f"exp({alpha:g} · accuracy), as a share of exp({alpha:g})",
        )  # fmt: skip
        for colour, values, height in ((COLOURS[0], before, 0.96), (COLOURS[1], after, 0.91)):
            ends = np.percentile(values, MIDDLE)
            axes.plot(
                ends, [height] * 2, color=colour, linewidth=2.2, marker="|", markersize=9,
                transform=axes.get_xaxis_transform(), zorder=4,
            )  # fmt: skip
        axes.set_yscale("log")
        axes.set_xlim(0, 1)
        axes.set_ylim(0.7, 5 * max(int(c.max()) for c in counts))
        axes.set_xlabel("accuracy, and the shaped accuracy, between 0 and 1")
        axes.set_ylabel("architectures")
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.88))
        widths = f"{middle_width(before):.3f} wide before, {middle_width(after):.3f} after"
        words = f"Bars above: the range of the middle 90 % of the architectures, {widths}."
        caption(figure, [title], [words, *notes])
    return figure


def shaping_functions(alphas: Mapping[float, str], notes: Sequence[str]) -> Figure:
    """exp(alpha * accuracy) as a share of its largest value, for each alpha and what it is for (Fig. 4)."""
    accuracies = np.linspace(0, 100, 501)
    with styled():
        figure = new_figure(7.6, 4.6)
        axes = figure.add_subplot()
        axes.plot(accuracies, accuracies / 100, color=INK, linewidth=1.0, label="not shaped")
        for style, (alpha, words) in zip(styles(varied=True), alphas.items(), strict=False):
            label = f"alpha = {alpha:g}" + (f": {words}" if words else "")
            axes.plot(accuracies, shaped(accuracies, alpha), linewidth=1.8, label=label, **style)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("accuracy (%)")
        axes.set_ylabel("exp(alpha · accuracy) / exp(alpha)")
        axes.legend(loc="upper left")
        caption(figure, ["How rewards are shaped"], notes)
    return figure
