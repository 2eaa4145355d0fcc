"""Counts of parameters against the networks themselves."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.random_graph import Hnag, HnagAug1, HnagAug2, Rnag
from archloom.spaces.random_graph.plan import AREAS, MERGES
from archloom.types import Arch

pytest.importorskip("torch", reason="networks need the extra train")

SMALL: dict[str, Any] = {"top_nodes": (1, 6), "mid_nodes": (1, 3), "bottom_nodes": (1, 5)}


@pytest.mark.parametrize(
    "make",
    [
        partial(Hnag, **SMALL, params_m=0.2),
        partial(Hnag, **SMALL, image_size=64, image_channels=1, classes=3, head_width=17),
        partial(HnagAug1, **SMALL, merges=MERGES, operations=tuple(AREAS), params_m=0.2, auxiliary=True),
        partial(HnagAug2, **SMALL, params_m=0.002, auxiliary=True, image_size=48),
        partial(Rnag, nodes=(3, 12), params_m=0.5),
    ],
)
def test_counts_are_those_of_the_networks(make: Any) -> None:
    space, rng = make(), np.random.default_rng(0)
    for _ in range(4):
        arch = space.sample(rng)
        counted = sum(parameter.numel() for parameter in space.build(arch, 0).parameters())
        assert space.parameters(arch) == counted
        assert space.counts()["params_m"](np.array([arch.genes])) == [counted / 1e6]


def test_what_no_machine_holds_is_refused_before_it_is_made() -> None:
    """Concatenations and pools nearly double the channels from node to node, and a multiplier of 1 does not help."""
    space = HnagAug1(top_nodes=3, mid_nodes=1, bottom_nodes=100, bottom_neighbours=5)
    weights = {"merge_concat": 1.0, "merge_sum": 0.0, "conv1x1": 0.01, "conv3x3": 0.0, "conv5x5": 0.0}
    drawn = space.choices(space.sample(np.random.default_rng(0)))
    arch = Arch(tuple({**drawn, **weights, "bottom_rewiring": 0.1, "avg_pool_3": 1.0, "avg_pool_5": 1.0}.values()))
    count = space.parameters(arch)
    assert count > 10**17
    said = f"top_nodes=3.*: a network of {count:,} parameters, .* GB; this machine has .* GB of memory; expected"
    with pytest.raises(InputError, match=said):
        space.build(arch, 0)
