from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib", reason="drawings need the extra plots")

from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch

from archloom.analysis.cell_drawing import PlacedEdge, draw_cell, draw_cells, place
from archloom.analysis.figures import new_figure
from archloom.spaces.base import Categorical
from archloom.spaces.drawing import Drawable, Drawing, DrawnEdge
from archloom.types import Arch

COLOURS = ("#111111", "#222222")


class Graphs(Categorical):
    """A space whose architectures are one graph with one absent edge."""

    def drawing(self, arch: Arch) -> Drawing:
        edges = (DrawnEdge(0, 1, "conv"), DrawnEdge(1, 2, "none", absent=True), DrawnEdge(0, 2, "skip"))
        return Drawing(("in", "1", "out"), edges)


class TextOnly:
    """A space that can only write its architectures."""

    def format(self, arch: Arch) -> str:
        return f"an architecture with genes {arch.genes}"


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def crossing(a: DrawnEdge, b: DrawnEdge) -> bool:
    return a.source < b.source < a.target < b.target or b.source < a.source < b.target < a.target


def test_a_cell_of_four_nodes_is_drawn_without_crossings() -> None:
    edges = [DrawnEdge(a, b, f"{a}{b}") for a, b in combinations(range(4), 2)]
    levels = {p.edge.label: p.level for p in place(edges)}
    assert levels == {"01": 0, "12": 0, "23": 0, "02": 1, "13": -1, "03": 2}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda e: e[0] < e[1]), max_size=12))
def test_no_two_edges_run_on_top_of_each_other(pairs: list[tuple[int, int]]) -> None:
    placed = place([DrawnEdge(a, b) for a, b in pairs])
    assert sorted((p.edge.source, p.edge.target) for p in placed) == sorted(pairs)
    for a, b in combinations(placed, 2):
        overlap = a.edge.source < b.edge.target and b.edge.source < a.edge.target
        assert not overlap or a.level != b.level


def test_crossing_arcs_go_to_different_sides() -> None:
    one, other = place([DrawnEdge(0, 2), DrawnEdge(1, 3)])
    assert crossing(one.edge, other.edge)
    assert one.level * other.level < 0


def test_a_straight_edge_is_level_zero() -> None:
    assert place([DrawnEdge(3, 4)]) == [PlacedEdge(DrawnEdge(3, 4), 0)]


def test_graph_with_its_labels_and_dotted_absent_edges() -> None:
    figure = Figure()
    draw_cell(figure, Graphs({"a": [1]}), Arch((0,)), COLOURS)
    assert {"in", "1", "out", "conv", "skip", "none"} == set(texts(figure))
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 3
    assert [arrow.get_linestyle() for arrow in arrows].count("-") == 2
    figure.draw_without_rendering()


class Pairs(Categorical):
    """A space whose architectures are two graphs."""

    def drawing(self, arch: Arch) -> Drawing:
        edges = (DrawnEdge(0, 1, "a_long_operation"), DrawnEdge(1, 2), DrawnEdge(3, 4, "x"), DrawnEdge(3, 5, "y"))
        return Drawing(("in", "1", "out") * 2, edges, (("upper", 0), ("lower", 3)))


def test_parts_stand_one_above_the_other_in_columns() -> None:
    figure = Figure()
    draw_cell(figure, Pairs({"a": [1]}), Arch((0,)), COLOURS)
    assert {"upper", "lower"} < set(texts(figure))
    nodes = [patch.center for patch in figure.axes[0].patches if isinstance(patch, Ellipse)]
    assert [x for x, _ in nodes[:3]] == [x for x, _ in nodes[3:]]
    assert len({y for _, y in nodes[:3]}) == len({y for _, y in nodes[3:]}) == 1
    assert nodes[3][1] < nodes[0][1] - 1
    assert nodes[1][0] - nodes[0][0] > 1.5 > nodes[2][0] - nodes[1][0], "room for what an edge says, and no more"


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_of_two_large_cells_fits_a_page(seed: int) -> None:
    pytest.importorskip("numba", reason="DARTS cells need the extra bench")
    from archloom.spaces.darts import Darts

    space = Darts()
    figure = new_figure(8, 4)
    draw_cell(figure, space, space.sample(np.random.default_rng(seed)), COLOURS)
    assert max(figure.get_size_inches()) < 14
    figure.draw_without_rendering()
    frame = figure.axes[0].get_window_extent()
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1


def test_choices_where_there_is_no_graph() -> None:
    figure = Figure()
    space = Categorical({f"choice{i}": ["x", f"y{i}"] for i in range(20)})
    assert not isinstance(space, Drawable)
    draw_cell(figure, space, Arch((1,) * 20), COLOURS)
    assert {f"choice{i}" for i in range(20)} | {f"y{i}" for i in range(20)} == set(texts(figure))
    figure.draw_without_rendering()


def test_text_where_there_is_nothing_else() -> None:
    figure = Figure()
    draw_cell(figure, TextOnly(), Arch((3, 4)), COLOURS)  # type: ignore[arg-type]
    assert texts(figure) == ["an architecture with genes (3, 4)"]


@pytest.mark.parametrize(("source", "target"), [(1, 1), (2, 1), (-1, 0), (0, 3)])
def test_a_drawing_needs_topological_order(source: int, target: int) -> None:
    with pytest.raises(ValueError, match="topological order"):
        Drawing(("a", "b", "c"), (DrawnEdge(source, target),))


def test_several_are_drawn_at_one_scale_in_the_same_colours() -> None:
    class Labels(Categorical):
        def drawing(self, arch: Arch) -> Drawing:
            if arch.genes[0]:
                return Drawing(("in", "1", "out"), (DrawnEdge(0, 1, "b"), DrawnEdge(1, 2, "c")))
            return Drawing(("in", "out"), (DrawnEdge(0, 1, "c"),))

    space, figure = Labels({"a": [0, 1]}), new_figure(8.0, 3.6)
    draw_cells(figure, space, [("first", Arch((1,))), ("second", Arch((0,)))], COLOURS)
    figure.draw_without_rendering()
    upper, lower = figure.axes
    assert [axes.get_title(loc="left") for axes in (upper, lower)] == ["first", "second"]
    colours = [{t.get_text(): t.get_color() for t in axes.texts if t.get_text() in "bc"} for axes in (upper, lower)]
    assert colours == [{"b": COLOURS[0], "c": COLOURS[1]}, {"c": COLOURS[1]}]
    sizes = [patch.get_window_extent().height for axes in (upper, lower) for patch in axes.findobj(Ellipse)]
    assert max(sizes) == pytest.approx(min(sizes), rel=0.02)
