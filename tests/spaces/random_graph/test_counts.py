"""Counts of parameters against the networks themselves."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from archloom.spaces.random_graph import Hnag, HnagAug1, HnagAug2, Rnag
from archloom.spaces.random_graph.plan import AREAS, MERGES

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
