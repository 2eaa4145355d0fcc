"""A picture of how fast objectives are, by how many architectures are asked for at once (Cassimon et al., Fig. 16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archloom.analysis.figures import caption, new_figure, styled
from archloom.analysis.stats import Floats
from archloom.analysis.study_figures import styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def throughput(title: str, batches: Floats, rates: Mapping[str, Floats], notes: Sequence[str]) -> Figure:
    """Architectures a second (m,) of each objective against the sizes of batches (m,), on logarithmic axes."""
    with styled():
        figure = new_figure(8.6, 4.8)
        axes = figure.add_subplot()
        for style, (name, values) in zip(styles(varied=True), rates.items(), strict=False):
            axes.plot(batches, values, label=name, linewidth=1.8, marker="o", markersize=3.5, **style)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
        axes.set_xlabel("architectures at once")
        axes.set_ylabel("architectures a second")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        caption(figure, [title], notes)
    return figure
