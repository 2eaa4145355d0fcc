"""A plot of states as heat maps (CADAM thesis, Figs. 4.2 and 4.3): rows are operations, columns edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archloom.analysis.figures import INK, new_figure, styled
from archloom.analysis.sampled import Top
from archloom.analysis.state import State, check_alpha, exhaustive, layout_of
from archloom.analysis.stats import Floats
from archloom.analysis.study import Reports, Study, shown_name
from archloom.analysis.study_figures import finish, named
from archloom.spaces.drawing import AlphaLayout
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEST = "64"
_SIDE = 0.38
"""Inches of an entry's side."""
_MOST_IN_A_ROW, _MOST_OF_PARTS = 3, 2
"""How many maps are side by side at most, and how many if each has several parts."""
_LONGEST_NAME = 16
_NUMBERED = 60
"""Maps of at most so many entries have them written in."""


@dataclass(frozen=True)
class _Map:
    """A state with its title, and the mask of the architecture that it discretises to."""

    title: str
    matrix: Floats
    chosen: NDArray[np.bool_]


def state(reports: Reports, top: str = BEST) -> Figure:
    """The state of each strategy, the mean over its runs, and beside it that of the best of the whole table, if there
    is one. Darker is higher; dots are the architecture that a state discretises to.

    `top` is the number of best architectures of each run, or a share of them (`sampled.Top`). InputError for a space
    without architecture parameters, or if no run found anything.
    """
    study, wanted = Study.of(reports), Top.parse(top)
    study.need_best()
    space: Any = study.first.scenario.space
    check_alpha(space)
    layout = layout_of(space)
    maps, note = _maps(study, wanted, space)
    with styled():
        _draw_all(figure := new_figure(8.0, 6.0), maps, layout)
        finish(figure, study, f"State: the mean of the {wanted} by {shown_name(study.metric)}", note)
    return figure


def _maps(study: Study, top: Top, space: Any) -> tuple[list[_Map], str]:
    """The maps of all strategies and of the table, and a note on them."""
    states = {
        label: [State.of(run, top) for run in runs if run.value is not None] for label, runs in study.reports.items()
    }
    most = max(len(each.archs) for found in states.values() for each in found)
    whole = exhaustive(study.first, most)
    maps = []
    for label, found in states.items():
        if found:
            mean = State(np.mean([each.matrix for each in found], axis=0), ())
            best = f"{len(found[0].archs):,} are in the table's top {most:,}"
            shared = "" if whole is None else f"\n{_shared(found, whole)} of its {best}\n{_distance(found, whole)}"
            maps.append(_Map(f"{named(study, label)}{shared}", mean.matrix, mean.discretised(space)))
    note = "Rows: operations; columns: edges; bars: where another node begins; dots: what the state discretises to"
    if whole is not None:
        maps.append(_Map(f"the table's top {len(whole.archs):,}", whole.matrix, whole.discretised(space)))
    return maps, note + "."


def _shared(found: list[State], whole: State) -> str:
    """How many of the best of a run are among the best of the table, on average."""
    table = set(whole.archs)
    mean = float(np.mean([len(table & set(each.archs)) for each in found]))
    return f"{mean:.0f}" if mean == round(mean) else f"{mean:.1f}"


def _distance(found: list[State], whole: State) -> str:
    """How far the states of single runs are from that of the table, on average over entries and runs."""
    mean = float(np.mean([np.abs(each.matrix - whole.matrix) for each in found]))
    return f"mean difference of an entry: {mean:.3f}"


# -- drawing ------------------------------------------------------------------------------------------------------


def _draw_all(figure: Figure, maps: list[_Map], layout: AlphaLayout) -> None:
    """Every map in its column, its parts one below the other; the figure gets the size that they need."""
    from matplotlib.colors import LinearSegmentedColormap

    parts = layout.split()
    bands = -(-len(maps) // (_MOST_IN_A_ROW if len(parts) == 1 else _MOST_OF_PARTS))
    columns = -(-len(maps) // bands)
    names = [one_line(name, _LONGEST_NAME) for name in layout.operations]
    widest = max(rows.stop - rows.start for _, rows in parts)
    wide = _SIDE * widest + 0.085 * max(map(len, names)) + 0.5
    high = _SIDE * len(names) + 0.085 * max(len(one_line(edge, _LONGEST_NAME)) for edge in layout.edges) + 0.75
    figure.set_size_inches(max(7.0, wide * columns + 1.0), high * len(parts) * bands + 1.9)
    panels = figure.subplots(bands * len(parts), columns, squeeze=False)
    shades = LinearSegmentedColormap.from_list("shares", ["#FFFFFF", "#56B4E9", "#0072B2", "#08264A"])
    highest = max(float(each.matrix.max()) for each in maps)
    for axes in panels.flat:
        axes.set_axis_off()
    image: Any = None
    for number, each in enumerate(maps):
        band, column = divmod(number, columns)
        for row, (part, rows) in enumerate(parts):
            axes = panels[band * len(parts) + row, column]
            title = "\n".join(filter(None, [each.title if row == 0 else "", part]))
            image = _draw(axes, each, layout, rows, names, title, (shades, highest))
    figure.colorbar(image, ax=list(panels.flat), shrink=0.6, pad=0.01, label="share of the best")


def _draw(
    axes: Axes, shown: _Map, layout: AlphaLayout, rows: slice, names: list[str], title: str, shades: tuple[Any, float]
) -> Any:
    matrix, chosen = shown.matrix[rows].T, shown.chosen[rows].T
    axes.set_axis_on()
    image = axes.imshow(matrix, cmap=shades[0], vmin=0.0, vmax=shades[1], aspect="equal")
    edges = [one_line(edge, _LONGEST_NAME) for edge in layout.edges[rows]]
    axes.set_xticks(range(len(edges)), edges, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_title(title, fontsize=10)
    for node in layout.nodes:
        if rows.start < node < rows.stop:
            axes.axvline(node - rows.start - 0.5, color=INK, linewidth=2.0)
    numbered = matrix.size <= _NUMBERED
    for (row, column), share in np.ndenumerate(matrix):
        ink = "white" if share > 0.5 * shades[1] else INK
        if numbered:
            axes.text(column, row - 0.08, f"{share:.2f}", ha="center", va="center", fontsize=6.5, color=ink)
        if chosen[row, column]:
            axes.plot(column, row + 0.3 * numbered, marker="o", markersize=3, color=ink)
    return image
