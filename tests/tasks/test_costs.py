from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="networks need the extra train")

from archloom.spaces.darts import Darts
from archloom.spaces.nb201 import Nb201, macs, parameters
from archloom.tasks.costs import costs_of

V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


def test_darts_v2_as_the_thesis_counts_it() -> None:
    """Table 3.1: 3.83 million parameters, the auxiliary head included, and 1.078 GFLOPs, without it."""
    space = Darts(auxiliary=True)
    found = costs_of(space, space.parse(V2), (3, 32, 32))
    assert found == {"params_m": pytest.approx(3.826, abs=5e-4), "flops_m": pytest.approx(1078.2, abs=0.05)}
    plain = costs_of(Darts(), Darts().parse(V2), (3, 32, 32))
    assert plain["flops_m"] == found["flops_m"] and plain["params_m"] < found["params_m"]


def test_flops_are_twice_the_multiply_adds_and_four_for_each_normalised_element() -> None:
    space = Nb201()
    arch = space.parse("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|")
    found, genes = costs_of(space, arch, (3, 32, 32)), [list(arch.genes)]
    # 5 cells in each of 3 stages with a normalisation in each of 3 convolutions; the stem; two residual blocks with two
    # each; the last one: over 16 x 32^2 elements, half of that in the next stage, and a quarter in the last.
    elements = 16 * 32**2 * (1 + 15 * (1 + 1 / 2 + 1 / 4) + 2 * (1 / 2 + 1 / 4) + 1 / 4)
    assert found["params_m"] * 1e6 == pytest.approx(int(parameters(genes)[0]))
    assert found["flops_m"] * 1e6 == pytest.approx(2 * int(macs(genes)[0]) + 4 * elements)
