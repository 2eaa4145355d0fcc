from __future__ import annotations

import hashlib
from functools import partial
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from archloom import registry
from archloom.spaces.base import Buildable, HasCounts, HasDetails, HasNeighbours, HasSource, HasUnitCube
from archloom.spaces.drawing import HasNestedDrawing
from archloom.spaces.random_graph import Hnag, HnagAug1, HnagAug2, RandomGraphSpace, Rnag
from archloom.spaces.random_graph.plan import CONVOLUTIONS, Plan
from archloom.testing import check_space
from archloom.testing.spaces import MakeSpace
from archloom.types import Arch

SPACES: dict[str, type[RandomGraphSpace]] = {"hnag": Hnag, "rnag": Rnag, "hnag_aug1": HnagAug1, "hnag_aug2": HnagAug2}

PINNED = {
    "hnag": "e3d4ebd5197feeee",
    "rnag": "e883dfcf3720d23f",
    "hnag_aug1": "925d7d9919ae3df0",
    "hnag_aug2": "82054e24fecb1325",
}
"""The beginning of the SHA-256 of the literal of the plan at 0.4 in all coordinates."""

CIFAR10 = (
    "top_nodes=8, top_neighbours=5, top_rewiring=0.6, mid_nodes=1, mid_edge=0.7, "
    "bottom_nodes=5, bottom_neighbours=4, bottom_rewiring=0.2"
)
"""The paper's best generator on CIFAR-10."""


SETTLED = partial(Hnag, top_nodes=3, top_rewiring=0.5, mid_nodes=1, mid_edge=(0.0, 1.0))


@pytest.mark.parametrize("make", [SETTLED, Rnag, HnagAug1, HnagAug2])
def test_contract(make: MakeSpace) -> None:
    check_space(make, samples=10)


def test_dimensions_are_those_of_the_paper() -> None:
    assert {name: len(SPACES[name]().gene_names) - 1 for name in SPACES} == {
        "hnag": 8, "rnag": 9, "hnag_aug1": 15, "hnag_aug2": 14,
    }  # fmt: skip
    for name, kind in SPACES.items():
        assert registry.load_space(name) is kind
        assert kind().gene_names[-1] == "graph_seed"
        for capability in (HasUnitCube, HasNeighbours, Buildable, HasSource, HasCounts, HasDetails, HasNestedDrawing):
            assert isinstance(kind(), capability)


def test_no_model_sees_the_seed() -> None:
    space = Hnag()
    arch = space.parse(f"{CIFAR10}, graph_seed=0")
    other = space.parse(f"{CIFAR10}, graph_seed=1")
    codes, stats = space.features([arch, other])
    assert (codes[0] == codes[1]).all() and (stats[0] == stats[1]).all()
    assert space.plan(arch).literal() != space.plan(other).literal()


@pytest.mark.parametrize("name", SPACES)
def test_plans_of_samples_are_sound(name: str) -> None:
    space, rng = SPACES[name](), np.random.default_rng(0)
    for _ in range(12):
        check_plan(space.plan(space.sample(rng)))


@pytest.mark.parametrize("name", SPACES)
def test_plans_at_the_ends_of_ranges_are_sound(name: str) -> None:
    space = SPACES[name](params_m=0.5)  # type: ignore[call-arg]
    for place in (0.0, 1.0):
        check_plan(space.plan(space.from_unit(np.full(space.unit_size, place))))


def check_plan(plan: Plan) -> None:
    assert plan.weights <= plan.limit
    stages = range(min(3, plan.graph.wiring.nodes))
    assert list(plan.stages) == sorted(plan.stages)
    assert set(plan.stages) == set(stages)
    for _, graph in plan.graph.walk():
        wiring = graph.wiring
        whole = nx.DiGraph(wiring.edges)
        whole.add_nodes_from(range(wiring.nodes))
        assert nx.is_weakly_connected(whole)
        assert all(low < high for low, high in wiring.edges)
        assert wiring.inputs == tuple(node for node in range(wiring.nodes) if whole.in_degree(node) == 0)
        assert wiring.outputs == tuple(node for node in range(wiring.nodes) if whole.out_degree(node) == 0)
        if isinstance(graph.children[0], str):
            assert all(graph.children[node] in CONVOLUTIONS for node in wiring.outputs)


# -- known answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("neighbours", "rewiring", "seed"), [(4, 0.75, 0), (3, 0.1, 5), (5, 0.9, 2**31 - 1)])
def test_a_hierarchy_of_three_top_nodes_and_one_in_the_middle_is_the_flat_generator(
    neighbours: int, rewiring: float, seed: int
) -> None:
    hnag, rnag = Hnag(bottom_nodes=32), Rnag()
    same = f"bottom_nodes=32, bottom_neighbours={neighbours}, bottom_rewiring={rewiring}, graph_seed={seed}"
    flat = ", ".join(f"nodes_{i}=32, neighbours_{i}={neighbours}, rewiring_{i}={rewiring}" for i in (1, 2, 3))
    expected = rnag.plan(rnag.parse(f"{flat}, graph_seed={seed}"))
    for top, mid in (("2, top_rewiring=0.1", "0.9"), ("5, top_rewiring=0.9", "0.1")):
        arch = hnag.parse(f"top_nodes=3, top_neighbours={top}, mid_nodes=1, mid_edge={mid}, {same}")
        assert hnag.plan(arch) == expected
        assert hnag.plan(arch).literal() == expected.literal()


def test_a_ring_that_is_not_rewired_is_a_chain_with_a_skip_from_end_to_end() -> None:
    """As the networks of DARTS are."""
    space = Hnag(top_rewiring=0.0, bottom_rewiring=0.0)
    plan = space.plan(space.from_unit(np.zeros(space.unit_size)))
    arch = space.parse(
        "top_nodes=8, top_neighbours=3, top_rewiring=0.0, mid_nodes=1, mid_edge=0.5, bottom_nodes=4, "
        "bottom_neighbours=2, bottom_rewiring=0.0, graph_seed=11"
    )
    plan = space.plan(arch)
    assert plan.graph.wiring.edges == tuple(sorted([*pairwise(range(8)), (0, 7)]))
    assert {graph.wiring.edges for place, graph in plan.graph.walk() if len(place) == 2} == {
        ((0, 1), (0, 3), (1, 2), (2, 3))
    }
    assert plan == space.plan(space.parse(space.format(arch).replace("seed=11", "seed=12")))


def test_in_sequence_each_stage_feeds_the_next_alone() -> None:
    space = Rnag(sequence=True)
    plan = space.plan(space.sample(np.random.default_rng(0)))
    assert plan.graph.wiring.edges == ((0, 1), (1, 2))
    assert Rnag().plan(space.sample(np.random.default_rng(0))).graph.wiring.edges == ((0, 1), (0, 2), (1, 2))


def test_the_wider_spaces_contain_the_plain_one() -> None:
    plain = Hnag()
    aug1, aug2 = HnagAug1(), HnagAug2()
    expected = plain.plan(plain.parse(f"{CIFAR10}, graph_seed=5"))
    sums = "merge_sum=1.0, merge_concat=0.0, conv1x1=0.0, conv3x3=0.5, conv5x5=0.0, avg_pool_3=0.0, avg_pool_5=0.0"
    assert aug1.plan(aug1.parse(f"{CIFAR10}, {sums}, graph_seed=5")) == expected
    ratios = "stage_1=0.7, stage_2=0.7, stage_3=0.7, channels_1=0.2, channels_2=0.4, channels_3=0.8"
    assert aug2.plan(aug2.parse(f"{CIFAR10}, {ratios}, graph_seed=5")).literal() == expected.literal()


def test_extreme_ratios_leave_no_stage_empty() -> None:
    space = HnagAug2()
    ratios = "stage_1=0.1, stage_2=1.0, stage_3=0.1, channels_1=1.0, channels_2=0.1, channels_3=0.25"
    plan = space.plan(space.parse(f"{CIFAR10}, {ratios}, graph_seed=5"))
    assert plan.stages == (0, 1, 1, 1, 1, 1, 1, 2)
    assert plan.ratios == pytest.approx((10.0, 1.0, 2.5))
    m = plan.multiplier
    assert plan.widths == (10 * m, m, int(2.5 * m))


def test_the_details_of_a_network() -> None:
    space = Hnag(bottom_nodes=(2, 3), params_m=1.0)
    arch = space.parse(
        "top_nodes=3, top_neighbours=2, top_rewiring=0.5, mid_nodes=1, mid_edge=0.5, bottom_nodes=2, "
        "bottom_neighbours=2, bottom_rewiring=0.5, graph_seed=0"
    )
    # Two 3x3 convolutions in each of three stages: 9 * (1 + 1, 2 + 4, 8 + 16) ratios, so sqrt(1e6 / 288) = 58.9.
    assert space.details(arch) == {
        "operations": 6,
        "joined_graphs": 3,
        "multiplier": 58,
        "operation_params_m": pytest.approx(288 * 58**2 / 1e6),
    }
    least = Hnag(bottom_nodes=(2, 3), params_m=0.0002)
    told = {"operations": 6, "joined_graphs": 3, "multiplier": 1, "operation_params_m": 0.000288, "over_limit": True}
    assert least.details(arch) == told
    assert least.nested_drawing(arch).notes == (
        "0.000288 of 0.0002 million weights in operations, multiplier 1; 0.0221 million parameters in all",
        "above the limit: even a multiplier of 1 is too much",
        "graphs that were never drawn connected, and were joined: 3",
    )
    assert len(space.nested_drawing(arch).notes) == 2


@pytest.mark.parametrize(("name", "expected"), PINNED.items())
def test_plans_are_these_for_ever(name: str, expected: str) -> None:
    """The same on any machine, with any version of any library, whatever was drawn before."""
    space = SPACES[name]()
    arch = space.from_unit(np.full(space.unit_size, 0.4))
    assert hashlib.sha256(repr(space.plan(arch).literal()).encode()).hexdigest()[:16] == expected


def test_genes_out_of_their_domains_have_no_plan() -> None:
    with pytest.raises(Exception, match="top_nodes"):
        Hnag().plan(Arch((99, *Hnag().sample(np.random.default_rng(0)).genes[1:])))
