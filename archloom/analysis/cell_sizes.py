"""A picture of the sizes of random cells by the sampler that draws them (Cassimon et al., Fig. 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archloom.analysis.figures import COLOURS, caption, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HATCHES = ("", "////", "....", "xxxx")
"""Bars differ in grey too."""


class Sizes(NamedTuple):
    """The numbers of vertices and edges of n cells, each (n,)."""

    vertices: NDArray[np.int64]
    edges: NDArray[np.int64]


def cell_sizes(by_sampler: Mapping[str, Sizes], notes: Sequence[str]) -> Figure:
    """Histograms of the number of vertices and of edges, a bar for each sampler; the number of cells is logarithmic."""
    with styled():
        figure = new_figure(9.6, 4.4)
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(6, 9))
        _draw(left, {name: sizes.vertices for name, sizes in by_sampler.items()})
        _draw(right, {name: sizes.edges for name, sizes in by_sampler.items()})
        left.set_xlabel("vertices")
        right.set_xlabel("edges")
        left.set_ylabel("cells")
        left.set_ylim(top=30 * left.get_ylim()[1])  # room for the legend
        left.legend(loc="upper left", frameon=False)
        caption(figure, ["Sizes of random cells"], notes)
    return figure


def _draw(axes: Axes, by_sampler: Mapping[str, NDArray[np.int64]]) -> None:
    low, high = (int(end(np.concatenate(list(by_sampler.values())))) for end in (np.min, np.max))
    sizes = np.arange(low, high + 1)
    width = 0.8 / len(by_sampler)
    for number, (name, values) in enumerate(by_sampler.items()):
        counts = np.bincount(values - low, minlength=len(sizes))
        axes.bar(
            sizes + (number - (len(by_sampler) - 1) / 2) * width, counts, width, label=name, edgecolor="white",
            color=COLOURS[number % len(COLOURS)], hatch=_HATCHES[number % len(_HATCHES)], linewidth=0.5,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xticks(sizes)
    axes.grid(visible=False, axis="x")
