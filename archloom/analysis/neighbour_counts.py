"""A picture of accuracy against the number of neighbours (Cassimon et al., Fig. 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archloom.analysis.density import Extent, add_scale, count, most_of, shade
from archloom.analysis.figures import COLOURS, caption, new_figure, styled
from archloom.analysis.stats import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROWS = 160
_QUARTILES = (25, 50, 75)
_FEW = 20
"""No quartiles are drawn of fewer architectures."""


def neighbour_counts(
    title: str, metric: str, accuracies: Floats, counts: NDArray[np.integer], notes: Sequence[str]
) -> Figure:
    """Accuracy, in percent, against the number of neighbours; lines: the quartiles at each number.

    The shade says how many architectures there are, on a logarithmic scale.
    """
    least, most = int(counts.min()), int(counts.max())
    extent = Extent(least - 0.5, most + 0.5, *most_of(accuracies))
    grid = count(counts, accuracies, most - least + 1, _ROWS, extent)
    with styled():
        figure = new_figure(7.6, 4.8)
        axes = figure.add_subplot()
        image = shade(axes, grid, extent, float(grid.max()))
        known = [n for n in range(least, most + 1) if int((counts == n).sum()) >= _FEW]
        quartiles = np.array([np.percentile(accuracies[counts == n], _QUARTILES) for n in known]).reshape(-1, 3)
        for values, width, dash in zip(quartiles.T, (1.0, 1.8, 1.0), ((0, (4, 2)), "-", (0, (4, 2))), strict=True):
            axes.plot(known, values, color=COLOURS[1], linewidth=width, linestyle=dash, zorder=3)
        axes.set_xlim(extent.left, extent.right)
        axes.set_ylim(extent.bottom, extent.top)
        axes.set_xlabel("neighbours")
        axes.set_ylabel(f"{metric} (%)")
        add_scale(figure, image, axes, "architectures", float(grid.max()))
        caption(figure, [title], ["Lines: median and quartiles at each number of neighbours.", *notes])
    return figure
