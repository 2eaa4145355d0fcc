"""Stages, channels, the limit of parameters: by hand."""

from __future__ import annotations

import pytest

from archloom.spaces.random_graph.plan import Graph, Plan, stages_of
from archloom.spaces.random_graph.wiring import Wiring
from archloom.spaces.sizes import Grid

TABLE = {
    1: "0", 2: "01", 3: "012", 4: "0012", 5: "00112", 6: "001122", 7: "0001122", 8: "00011122", 9: "000111222",
    10: "0000111222",
}  # fmt: skip
"""By the number of top nodes: the published code's stages with ratios of 0.33."""


@pytest.mark.parametrize("shares", [(0.33, 0.33, 0.33), (1.0, 1.0, 1.0), (1 / 3, 1 / 3, 1 / 3), (0.1, 0.1, 0.1)])
def test_equal_shares_are_the_published_table(shares: tuple[float, ...]) -> None:
    assert {nodes: "".join(map(str, stages_of(nodes, shares))) for nodes in TABLE} == TABLE


def test_the_papers_example() -> None:
    stages = stages_of(20, (0.2, 0.2, 0.6))
    assert [stages.count(stage) for stage in range(3)] == [4, 4, 12]


@pytest.mark.parametrize("shares", [(0.1, 1.0, 1.0), (1.0, 0.1, 0.1), (0.1, 1.0, 0.1), (0.1, 0.1, 1.0)])
def test_no_stage_is_empty(shares: tuple[float, ...]) -> None:
    for nodes in range(3, 40):
        stages = stages_of(nodes, shares)
        assert len(stages) == nodes
        assert list(stages) == sorted(stages)
        assert set(stages) == {0, 1, 2}
    assert stages_of(4, (1.0, 0.1, 0.1)) == (0, 0, 1, 2)
    assert stages_of(5, (0.1, 0.1, 1.0)) == (0, 1, 2, 2, 2)


def chain(*children: Graph | str, merges: tuple[str, ...] = ()) -> Graph:
    wiring = Wiring(len(children), tuple((i, i + 1) for i in range(len(children) - 1)))
    return Graph(wiring, merges or ("sum",) * len(children), children)


def plan(graph: Graph, limit: int = 1_000_000, ratios: tuple[float, ...] = (1.0, 2.0, 4.0), **changed: object) -> Plan:
    nodes = graph.wiring.nodes
    settings: dict[str, object] = {"image": Grid(32, 32), "stem": "small", **changed}
    return Plan(graph, stages_of(nodes, (1.0, 1.0, 1.0)), ratios, limit, **settings)  # type: ignore[arg-type]


OPERATION = chain("conv3x3")


def test_the_multiplier_follows_from_the_limit() -> None:
    """Three cells of one convolution: 9 * (1 * 1 + 1 * 2 + 2 * 4) = 99 weights in ratios."""
    cells = chain(*[chain(OPERATION)] * 3)
    assert plan(cells).multiplier == 100  # sqrt(1e6 / 99) = 100.5
    assert plan(cells).weights == 990_000
    assert plan(cells).channels == plan(cells).widths == (100, 200, 400)
    assert plan(cells, limit=99 * 16).multiplier == 4
    assert plan(cells, limit=99 * 16 - 1).multiplier == 3


def test_the_multiplier_is_at_least_1_whatever_the_limit() -> None:
    least = plan(chain(*[chain(OPERATION)] * 3), limit=50)
    assert (least.multiplier, least.weights, least.widths) == (1, 99, (1, 2, 4))


def test_ratios_that_are_no_whole_numbers_keep_the_limit() -> None:
    tilted = plan(chain(*[chain(OPERATION)] * 3), limit=2_000, ratios=(2.5, 1.0, 1.5))
    assert tilted.multiplier == int((2_000 / (9 * (2.5**2 + 2.5 + 1.5))) ** 0.5) == 4
    assert tilted.widths == (10, 4, 6)
    assert tilted.weights == 9 * (10 * 10 + 10 * 4 + 4 * 6)
    assert plan(chain(*[chain(OPERATION)] * 3), limit=1_400, ratios=(2.5, 1.0, 1.5)).widths == (7, 3, 4)
    assert plan(chain(*[chain(OPERATION)] * 3), ratios=(0.3 / 0.1, 1.0, 1.0)).widths == (3 * 92, 92, 92)


def test_channels_of_merges_and_pools() -> None:
    """Node 2 concatenates 0 and 1, of which the second is a pool that keeps what comes in; node 3 sums 1 and 2."""
    wiring = Wiring(4, ((0, 2), (1, 2), (1, 3), (2, 3)))
    graph = Graph(wiring, ("sum", "sum", "concat", "sum"), ("conv3x3", "avg_pool_3", "conv1x1", "conv5x5"))
    assert graph.channels(2, [8] * 4) == [(2, 8), (2, 2), (10, 8), (8, 8)]
    assert graph.weights(2, [8] * 4) == 9 * 2 * 8 + 0 + 10 * 8 + 25 * 8 * 8
    last_is_the_pool = Graph(
        Wiring(3, ((0, 2), (1, 2))), ("sum", "sum", "attention"), ("conv3x3", "avg_pool_5", "conv3x1")
    )
    assert last_is_the_pool.channels(2, [8] * 3) == [(2, 8), (2, 2), (2, 8)]


def test_channels_of_top_nodes_that_sum_and_that_concatenate() -> None:
    """The triangle of three stages: the last node sums (channels of node 1) or concatenates (of nodes 0 and 1)."""
    triangle = Wiring(3, ((0, 1), (0, 2), (1, 2)))
    cells = (chain(OPERATION),) * 3
    summed = Graph(triangle, ("sum",) * 3, cells)
    assert summed.channels(1, [1, 2, 4]) == [(1, 1), (1, 2), (2, 4)]
    assert Graph(triangle, ("sum", "sum", "concat"), cells).channels(1, [1, 2, 4]) == [(1, 1), (1, 2), (3, 4)]
    assert summed.weights(1, [1, 2, 4]) == 9 * (1 + 2 + 8)


def test_sizes_of_images() -> None:
    cells = chain(*[chain(OPERATION)] * 4)
    assert plan(cells).sizes == ((32, 32), (32, 32), (16, 16), (8, 8))
    assert plan(cells, stem="large", image=Grid(224, 160)).sizes == ((56, 40), (56, 40), (28, 20), (14, 10))
    assert plan(cells, image=Grid(3, 7)).sizes[2:] == ((1, 3), (1, 1))


def test_the_literal_is_plain_data() -> None:
    pair = Graph(Wiring(2, ((0, 1),)), ("sum", "sum"), ("conv3x3", "conv1x1"))
    inner = (((0, 1),), (0,), (1,), ("sum", "sum"), ("conv3x3", "conv1x1"))
    cell = ((), (0,), (0,), ("sum",), (inner,))
    assert plan(chain(chain(pair), chain(pair)), limit=9).literal() == {
        "graph": (((0, 1),), (0,), (1,), ("sum", "sum"), (cell, cell)),
        "stages": (0, 1),
        "channels": (1, 2),
        "stem": "small",
    }


def test_joined_graphs_are_told_by_their_places() -> None:
    joined = Graph(Wiring(2, ((0, 1),), joined=((0, 1),)), ("sum", "sum"), (OPERATION, OPERATION))
    assert plan(chain(chain(OPERATION), joined)).joined == ((1,),)
    assert plan(chain(chain(OPERATION), joined)).graph.operations == ["conv3x3"] * 3
