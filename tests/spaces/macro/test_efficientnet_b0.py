from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archloom import registry
from archloom.spaces.macro.efficientnet_b0 import EFFICIENTNET_B0, EfficientNetB0
from archloom.spaces.macro.mnasnet import Mnasnet, parameters
from archloom.types import Arch

SPACE = EfficientNetB0()

some_genes = st.tuples(*(st.integers(0, size - 1) for size in SPACE.sizes.tolist()))


def test_it_is_registered() -> None:
    assert registry.load_space("efficientnet_b0") is EfficientNetB0


def test_the_whole_space() -> None:
    assert SPACE.size == 3**16
    assert [len(stage) for stage in SPACE.kinds_of(Arch((0,) * 16))] == [1, 2, 2, 3, 3, 4, 1]
    assert len(SPACE.neighbours(Arch((0,) * 16))) == 32


@given(some_genes, some_genes)
def test_different_genes_are_different_networks(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert (SPACE.key(Arch(one)) == SPACE.key(Arch(other))) == (one == other)
    assert SPACE.parse(SPACE.format(Arch(one))) == Arch(one)


def test_efficientnet_b0_is_one_of_them() -> None:
    """Tan & Le 2019: 5.3 M parameters and 0.39 G multiply-adds; torchvision's has 5,288,548 parameters."""
    arch = SPACE.parse(EFFICIENTNET_B0)
    genes = np.array([arch.genes])
    assert SPACE.parameters(genes).tolist() == [5_288_548]
    assert round(SPACE.macs(genes)[0] / 1e9, 2) == 0.39
    kinds = Counter(kind for stage in SPACE.kinds_of(arch) for kind in stage)
    assert kinds == {"e1_k3": 1, "e6_k3": 6, "e6_k5": 9}


def test_it_is_the_network_that_mnasnets_space_has() -> None:
    other = Mnasnet()
    same = other.parse("e1_k3_l1_se1-e6_k3_l2_se1-e6_k5_l2_se1-e6_k3_l3_se1-e6_k5_l3_se1-e6_k5_l4_se1-e6_k3_l1_se1")
    assert [list(stage) for stage in other.stages_of(same)] == SPACE.stages_of(SPACE.parse(EFFICIENTNET_B0))
    assert parameters(np.array(same.genes)).tolist() == [5_288_548]


def test_kernels_elsewhere_are_another_count() -> None:
    swapped = EFFICIENTNET_B0.replace("e6_k5", "?").replace("e6_k3", "e6_k5").replace("?", "e6_k3")
    genes = np.array([SPACE.parse(swapped).genes, SPACE.parse(EFFICIENTNET_B0).genes])
    fewer, b0 = SPACE.parameters(genes).tolist()
    assert fewer < b0
