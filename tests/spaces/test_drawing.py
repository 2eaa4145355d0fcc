from __future__ import annotations

import pytest

from archloom.spaces.base import Categorical
from archloom.spaces.drawing import AlphaLayout, Drawable, Drawing, DrawnEdge, HasChoices
from archloom.spaces.nb201 import OPERATIONS, Nb201


def test_edges_must_lead_to_later_nodes() -> None:
    Drawing(("in", "out"), (DrawnEdge(0, 1, "conv"),))
    for edge in (DrawnEdge(1, 0), DrawnEdge(0, 0), DrawnEdge(0, 2), DrawnEdge(-1, 1)):
        with pytest.raises(ValueError, match="topological order"):
            Drawing(("in", "out"), (edge,))


def test_parts_are_drawings_of_their_own() -> None:
    drawing = Drawing(("a", "b", "c", "d", "e"), (DrawnEdge(0, 1, "x"), DrawnEdge(2, 4, "y")), (("one", 0), ("two", 2)))
    assert drawing.split() == [
        Drawing(("a", "b"), (DrawnEdge(0, 1, "x"),)),
        Drawing(("c", "d", "e"), (DrawnEdge(0, 2, "y"),)),
    ]
    whole = Drawing(("a", "b"), (DrawnEdge(0, 1),))
    assert whole.split() == [whole]


@pytest.mark.parametrize("starts", [(1,), (0, 0), (0, 2, 1), (0, 3), (0, 4)])
def test_parts_begin_at_ascending_nodes(starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="from 0 on and ascending"):
        Drawing(("a", "b", "c"), (), tuple(("part", start) for start in starts))


def test_no_edge_leads_from_part_to_part() -> None:
    with pytest.raises(ValueError, match="no edge from one to another"):
        Drawing(("a", "b", "c"), (DrawnEdge(1, 2),), (("one", 0), ("two", 2)))


def test_what_can_be_drawn() -> None:
    assert isinstance(Nb201(), Drawable)
    assert not isinstance(Categorical({"a": [1, 2]}), Drawable)
    assert isinstance(Categorical({"a": [1, 2]}), HasChoices)


def test_a_cell_is_drawn_with_its_operations_and_without_those_that_are_none() -> None:
    space = Nb201()
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
    drawing = space.drawing(space.parse(cell))
    assert drawing.nodes == ("in", "1", "2", "out")
    there = [(e.source, e.target, e.label) for e in drawing.edges if not e.absent]
    assert there == [(0, 1, "nor_conv_3x3"), (1, 2, "skip_connect"), (0, 3, "avg_pool_3x3"), (2, 3, "nor_conv_1x1")]


def test_layouts_of_alpha() -> None:
    """Of cells with named edges, and of choices with common options and with others."""
    cells = Nb201().alpha_layout
    assert cells.edges == ("in→1", "in→2", "1→2", "in→out", "1→out", "2→out")
    assert cells.operations == OPERATIONS and cells.nodes == (1, 3)
    assert cells.split() == [("", slice(0, 6))]
    common = Categorical({"a": ["x", "y"], "b": ["x", "y"]}).alpha_layout
    assert common == AlphaLayout(("a", "b"), ("x", "y"))
    assert Categorical({"a": ["x", "y"], "b": [1, 2, 3]}).alpha_layout == AlphaLayout(("a", "b"), ("0", "1", "2"))
