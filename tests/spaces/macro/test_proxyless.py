from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom import registry
from archloom.spaces.macro.mbconv_space import ZERO
from archloom.spaces.macro.proxyless import PROXYLESS_CPU, PROXYLESS_GPU, Proxyless
from archloom.types import Arch

SPACE = Proxyless()
GPU = SPACE.parse(PROXYLESS_GPU)

some_genes = st.tuples(*(st.integers(0, size - 1) for size in SPACE.sizes.tolist()))


def layers(arch: Arch) -> list[list[str]]:
    """What is there of each stage: what a network is."""
    return [[kind for kind in stage if kind != ZERO] for stage in SPACE.kinds_of(arch)]


def test_it_is_registered() -> None:
    assert registry.load_space("proxyless") is Proxyless


def test_a_layer_is_fixed_and_21_are_searched() -> None:
    assert SPACE.sizes.tolist() == [6, 7, 7, 7] * 5 + [6]
    assert SPACE.kinds_of(GPU)[0] == ["e1_k3"]
    assert SPACE.modules(0) == ("network.body.1.0",)
    assert SPACE.modules(20) == ("network.body.6.0",)


# -- what is the same network -------------------------------------------------------------------------------------


@given(some_genes)
def test_zeros_come_last(genes: tuple[int, ...]) -> None:
    fitness = SPACE.canonical(Arch(genes))
    assert layers(fitness) == layers(Arch(genes))
    assert all(
        kinds == real + [ZERO] * (len(kinds) - len(real))
        for kinds, real in zip(SPACE.kinds_of(fitness), layers(fitness), strict=True)
    )
    assert SPACE.representative_rows(np.array([genes])).tolist() == [fitness == Arch(genes)]
    assert SPACE.parse(SPACE.format(Arch(genes))) == Arch(genes)


@given(some_genes)
def test_where_in_a_stage_zeros_stand_makes_no_difference(genes: tuple[int, ...]) -> None:
    moved = [
        tail
        for start in range(0, 20, 4)
        for tail in (genes[start], *sorted(genes[start + 1 : start + 4], key=lambda gene: gene != 6))
    ]
    same = Arch((*moved, genes[20]))
    assert SPACE.key(same) == SPACE.key(Arch(genes))
    assert SPACE.parameters(np.array(same.genes)).tolist() == SPACE.parameters(np.array(genes)).tolist()
    assert SPACE.macs(np.array(same.genes)).tolist() == SPACE.macs(np.array(genes)).tolist()


def test_the_same_network_gives_the_same_outputs() -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space = Proxyless(width=0.01, classes=3)
    moved = space.parse(PROXYLESS_GPU.replace("e3_k3,zero,zero", "zero,zero,e3_k3"))
    assert moved != GPU
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    outputs = [space.build(arch, 1).eval()(x) for arch in (moved, GPU)]
    assert torch.equal(*outputs)


def test_size_is_exact() -> None:
    """Of one stage all genes are tried; the last has a single layer."""
    last = tuple(GPU.genes[4:])
    stage = {SPACE.key(Arch((*genes, *last))) for genes in product(range(6), range(7), range(7), range(7))}
    assert len(stage) == 6 * (1 + 6 + 36 + 216)
    assert SPACE.size == len(stage) ** 5 * 6


# -- neighbours ---------------------------------------------------------------------------------------------------


def one_step(one: list[list[str]], other: list[list[str]]) -> bool:
    """Whether two networks differ by a layer that is changed, or is there in one of them alone."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    if len(pairs) != 1:
        return False
    short, long = sorted(pairs[0], key=len)
    if len(short) == len(long):
        return sum(a != b for a, b in zip(short, long, strict=True)) == 1
    return len(long) == len(short) + 1 and any(
        long[:place] + long[place + 1 :] == short for place in range(1, len(long))
    )


@given(some_genes)
def test_neighbours_are_networks_one_step_away_and_go_both_ways(genes: tuple[int, ...]) -> None:
    arch = Arch(genes)
    near = list(SPACE.neighbours(arch))
    assert near == list(SPACE.neighbours(SPACE.canonical(arch))), "they belong to the network, not to how it is written"
    assert len({SPACE.key(n) for n in near}) == len(near)
    for neighbour in near:
        assert SPACE.canonical(neighbour) == neighbour
        assert one_step(layers(arch), layers(neighbour))
    assert SPACE.canonical(arch) in SPACE.neighbours(near[len(near) // 2])
    assert SPACE.canonical(arch) in SPACE.neighbours(near[-1])


def test_all_networks_one_step_away_are_neighbours() -> None:
    """All stages are left as they are but the first, of which every setting is tried."""
    stages = {
        SPACE.canonical(Arch((*genes, *GPU.genes[4:]))) for genes in product(range(6), range(7), range(7), range(7))
    }
    for start in ("e3_k5,zero,zero,zero", "e3_k5,e3_k3,e6_k7,zero", "e3_k5,e3_k3,e3_k3,e6_k7"):
        arch = SPACE.parse(PROXYLESS_GPU.replace("e3_k5,zero,zero,zero", start))
        there = {near for near in SPACE.neighbours(arch) if near.genes[4:] == arch.genes[4:]}
        assert there == {other for other in stages if one_step(layers(arch), layers(other))}


# -- the published networks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "width", "parameters", "macs_m"),
    [(PROXYLESS_GPU, 1.35, 7_119_848, 465.3), (PROXYLESS_CPU, 1.12, 4_361_648, 439.2)],
)
def test_counts_are_those_of_the_published_networks(text: str, width: float, parameters: int, macs_m: float) -> None:
    """The authors' logs print 7.12M and 465.3M, 4.36M and 439.2M; reimplementations of both, all digits."""
    space = Proxyless(width=width)
    genes = np.array([space.parse(text).genes])
    assert space.parameters(genes).tolist() == [parameters]
    assert round(space.macs(genes)[0] / 1e6, 1) == macs_m


def test_the_gpu_network_at_width_1() -> None:
    """What GA-NAS's Table 6 calls 4.4M."""
    assert SPACE.parameters(np.array(GPU.genes)).tolist() == [4_359_048]
