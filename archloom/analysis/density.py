"""How many fall into each field of a grid, as shades: what is drawn where a scatter plot would be one blot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from archloom.analysis.figures import COLOURS
from archloom.analysis.stats import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

RARE = 0.05
"""Percent of the values, on either side, that axes need not show."""
_ROOM = 0.04


class Extent(NamedTuple):
    """The ends of both axes."""

    left: float
    right: float
    bottom: float
    top: float


def most_of(values: Floats) -> tuple[float, float]:
    """A range that holds nearly all values, with some room on both sides."""
    low, high = (float(value) for value in np.percentile(values, (RARE, 100 - RARE)))
    room = _ROOM * (high - low) or 1.0
    return low - room, high + room


def count(x: ArrayLike, y: ArrayLike, columns: int, rows: int, extent: Extent) -> Floats:
    """(columns, rows) how many points are in each field; those beyond the extent are in none."""
    counts, _, _ = np.histogram2d(np.asarray(x), np.asarray(y), bins=(columns, rows), range=(extent[:2], extent[2:]))
    return np.asarray(counts)


def shade(axes: Axes, counts: Floats, extent: Extent, most: float) -> AxesImage:
    """Draw counts (columns, rows) on a logarithmic scale from 1 to `most`; empty fields stay as they are.

    From light to dark blue, so that a print in grey says the same; the lightest can be told from white.
    """
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    return axes.imshow(
        np.where(counts > 0, counts, np.nan).T, origin="lower", extent=extent, aspect="auto",
        interpolation="nearest", norm=LogNorm(1, max(most, 2.0)), zorder=2,
        cmap=LinearSegmentedColormap.from_list("archloom", ["#B5D3E7", COLOURS[0], "#00263E"]),
    )  # fmt: skip


def add_scale(figure: Figure, image: AxesImage, axes: Any, label: str, most: float) -> None:
    """The scale of the shades beside one or several axes."""
    ticks = [10**power for power in range(int(math.log10(max(most, 2.0))) + 1)]
    bar = figure.colorbar(image, ax=axes, label=label, shrink=0.75, aspect=30, pad=0.02, ticks=ticks)
    bar.ax.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    bar.ax.minorticks_off()
