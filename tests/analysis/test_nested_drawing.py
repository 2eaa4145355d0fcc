"""Pictures of networks of graphs of graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra plots")

from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from archloom.analysis.cell_drawing import draw_cell
from archloom.analysis.figures import COLOURS, new_figure
from archloom.analysis.nested_drawing import draw_nested
from archloom.spaces.drawing import NestedDrawing, NestedGraph
from archloom.spaces.random_graph import HnagAug1, Rnag
from archloom.spaces.random_graph.plan import AREAS, MERGES

PAIR = NestedGraph(((0, 1),), ("conv3x3", "conv1x1"))
ONE = NestedGraph((), (PAIR,))
TWO = NestedGraph(((0, 1),), (PAIR, PAIR), added=((0, 1),))
NETWORK = NestedDrawing(
    NestedGraph(((0, 1), (0, 2), (1, 2)), (ONE, TWO, ONE)), ("early", "late", "late"), ("8", "16", "16"), ("a note",)
)


def drawn(drawing: NestedDrawing) -> Any:
    figure = Figure()
    axes = figure.subplots()
    width, height = draw_nested(axes, drawing, COLOURS)
    assert width > 6
    assert height > 4
    figure.draw_without_rendering()
    return axes


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_each_level_and_all_operations() -> None:
    axes = drawn(NETWORK)
    said = texts(axes)
    assert {"Top level", "Middle level: in node 1", "Bottom level: in node 0 of it", "a note", "8", "16"} < set(said)
    assert "All 8 operations, a row for each top node" in said
    circles = [patch for patch in axes.patches if isinstance(patch, Circle)]
    assert len(circles) == 3 + 2 + 2 + 3  # the nodes of the three levels, and a badge for each row
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 3 + 1 + 1 + 3
    assert len([patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]) == 4  # bottom graphs


def test_edges_that_were_added_are_red_and_in_the_legend() -> None:
    def red(axes: Any) -> list[Any]:
        lines = [each for each in axes.collections if isinstance(each, PathCollection)]
        return [each for each in lines if [to_hex(colour) for colour in each.get_edgecolors()] == ["#d00000"]]

    axes = drawn(NETWORK)
    assert len(red(axes)) == 1
    assert len(red(axes)[0].get_paths()) == 1, "the one edge between the bottom graphs of node 1"
    assert "edge that joins components" in [text.get_text() for text in axes.get_legend().get_texts()]
    plain = NestedDrawing(NestedGraph(((0, 1),), (ONE, ONE)), ("early", "late"), ("", ""), ())
    axes = drawn(plain)
    assert red(axes) == []
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "early", "late", "conv1x1", "conv3x3", "input of the row", "output of the row",
    ]  # fmt: skip


def test_a_level_of_single_nodes_is_not_drawn() -> None:
    said = texts(drawn(NestedDrawing(NestedGraph(((0, 1),), (ONE, ONE)), ("", ""), ("", ""), ())))
    assert "Bottom level: in node 0" in said
    assert not any(text.startswith("Middle level") for text in said)


def test_a_network_of_one_operation() -> None:
    cell = NestedGraph((), (NestedGraph((), ("conv3x3",)),))
    said = texts(drawn(NestedDrawing(NestedGraph((), (cell,)), ("",), ("",), ())))
    assert "The only operation (conv3x3), a row for each top node" in said


def test_operations_of_one_kind_have_the_colours_of_the_top_nodes() -> None:
    space = Rnag(nodes=(3, 5))
    axes = drawn(space.nested_drawing(space.sample(np.random.default_rng(0))))
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["stage 1", "stage 2", "stage 3", "input of the row", "output of the row"]
    assert any(text.endswith("operations (conv3x3), a row for each top node") for text in texts(axes))
    assert any("of 4 million weights in operations, multiplier" in text for text in texts(axes))


def test_a_cell_of_a_space_of_nested_graphs_is_drawn_so_and_fits() -> None:
    space = HnagAug1(mid_nodes=(1, 3), bottom_nodes=(1, 4), operations=tuple(AREAS), merges=MERGES)  # type: ignore[arg-type]
    figure = new_figure(8, 4)
    draw_cell(figure, space, space.from_unit(np.full(space.unit_size, 0.9)), COLOURS)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    frame = axes.get_window_extent()
    for text in axes.texts:
        box = text.get_window_extent()
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1, text
    legend = axes.get_legend().get_window_extent()
    lowest = min(text.get_window_extent().y0 for text in axes.texts)
    assert frame.y0 - 2 <= legend.y0 and legend.y1 < lowest
