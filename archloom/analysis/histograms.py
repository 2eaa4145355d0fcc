"""Histograms of some samples over one axis (NAGO, Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from archloom.analysis.figures import caption, new_figure, styled
from archloom.analysis.study_figures import styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = 40
_WIDE = 20.0
"""Values above 0 that differ by more than this factor are drawn on a logarithmic axis."""


def histograms(samples: Mapping[str, Sequence[float]], axis: str, title: str, notes: Sequence[str]) -> Figure:
    """How often values of each sample fall into bins that all have in common."""
    values = np.concatenate([np.asarray(each, dtype=np.float64) for each in samples.values()])
    low, high = float(values.min()), float(values.max())
    logarithmic = low > 0 and high > _WIDE * low
    bins = np.geomspace(low, high, _BINS + 1) if logarithmic else np.linspace(low, high, _BINS + 1)
    with styled():
        figure = new_figure(7.6, 4.4)
        axes = figure.add_subplot()
        for style, (name, each) in zip(styles(), samples.items(), strict=False):
            label = f"{name} (n = {len(each):,})"
            axes.hist(each, bins=bins.tolist(), histtype="stepfilled", alpha=0.25, color=style["color"])
            axes.hist(each, bins=bins.tolist(), histtype="step", linewidth=1.5, label=label, **style)
        if logarithmic:
            axes.set_xscale("log")
        axes.set_xlabel(axis)
        axes.set_ylabel("networks")
        axes.legend(loc="upper right")
        caption(figure, [title], notes)
    return figure
