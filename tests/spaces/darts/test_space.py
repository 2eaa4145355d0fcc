from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom import registry
from archloom.errors import InputError
from archloom.utils import seeds

pytest.importorskip("numba", reason="the DARTS space needs the extra bench")

from archloom.spaces.base import HasAlpha, HasNeighbours, HasSize, HasSource, is_valid
from archloom.spaces.darts import MULTIPLY_ADDS, Darts, flops, parameters
from archloom.spaces.darts.counts import IMAGES
from archloom.spaces.darts.space import OPTIONS, genotype_of, to_arch
from archloom.spaces.drawing import Drawable
from archloom.spaces.graphs import HasGraph
from archloom.testing import check_space
from archloom.types import Arch

SPACE = Darts()
ARCHS = st.integers(0, 2**32 - 1).map(lambda seed: SPACE.sample(np.random.default_rng(seed)))


def test_contract() -> None:
    assert registry.load_space("darts") is Darts
    for capability in (HasNeighbours, HasAlpha, HasSource, HasGraph, HasSize, Drawable):
        assert isinstance(SPACE, capability)
    check_space(Darts)


def test_the_size_is_the_published_one() -> None:
    """About 10^18 genotypes (Zela et al. 2022, section 3), counted without relabelling nodes."""
    assert SPACE.size == ((1 * 3 * 6 * 10) * 49**4) ** 2
    assert f"{SPACE.size:.1e}" == "1.1e+18"


@given(ARCHS)
def test_neighbours_are_valid_and_one_change_away(arch: Arch) -> None:
    near = SPACE.neighbours(arch)
    assert len(set(near)) == 120
    assert all(is_valid(SPACE, other) and SPACE.canonical(other) == other for other in near)
    mine = genotype_of(arch)
    for index, other in enumerate(near):
        changed = (genotype_of(other) != mine).any(axis=(1, 2))
        assert changed.tolist() == [index < 60, index >= 60]


@given(ARCHS, st.integers(0, 2**16 - 1))
def test_the_order_of_a_nodes_pairs_makes_no_difference(arch: Arch, turns: int) -> None:
    genotype = genotype_of(arch).reshape(8, 2, 2)
    for node in range(8):
        if turns >> node & 1:
            genotype[node] = genotype[node, ::-1].copy()
    other = to_arch(genotype)
    assert SPACE.parse(SPACE.format(other)) == other
    assert SPACE.key(other) == SPACE.key(arch)
    assert SPACE.canonical(other) == SPACE.canonical(arch) == arch
    assert SPACE.representative_rows(np.array([arch.genes, other.genes])).tolist() == [True, other == arch]
    assert list(SPACE.neighbours(other)) == list(SPACE.neighbours(arch))


def test_nodes_are_not_relabelled() -> None:
    """Nodes 4 and 5 swapped compute the same; the benchmarks tell the two apart, and so do keys."""
    cell = [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 3], [0, 4], [1, 5]]
    swapped = [*cell[:4], *cell[6:], *cell[4:6]]
    one, other = (to_arch(np.array([normal, cell])) for normal in (cell, swapped))
    assert SPACE.key(one) != SPACE.key(other)


def test_mutants_are_neighbours_drawn_uniformly() -> None:
    rng = seeds.stream(0, "test")
    arch = SPACE.sample(rng)
    times = Counter(SPACE.mutate(arch, rng) for _ in range(6_000))
    assert set(times) == set(SPACE.neighbours(arch))
    chi_square = sum((count - 50) ** 2 / 50 for count in times.values())
    assert chi_square < 180  # 119 degrees of freedom: exceeded by chance once in 4,000 times


def test_violations_count_what_is_broken() -> None:
    genotype = genotype_of(SPACE.sample(seeds.stream(0, "test")))
    assert not any(SPACE.violations(to_arch(genotype)).values())
    genotype[0, 0] = genotype[0, 1]
    genotype[1, 6:, 0] = (5, -1)
    genotype[1, 2, 1] = 7
    arch = to_arch(genotype)
    assert list(SPACE.violations(arch).values()) == [1.0, 2.0, 1.0]
    assert not is_valid(SPACE, arch)
    for refuse in (SPACE.format, SPACE.key, SPACE.neighbours, SPACE.drawing):
        with pytest.raises(InputError, match="node 2 of the normal cell takes sources"):
            refuse(arch)


@pytest.mark.parametrize(
    "genes",
    [
        (), (0,) * 31, (0,) * 33, (0.5,) * 32, (float("nan"),) * 32, (float("inf"),) * 32, (10**30,) * 32,
        ("a",) * 32, (True,) * 32, (None,) * 32, ((1, 2),) * 32,
    ],
)  # fmt: skip
def test_genes_that_are_no_genotype_are_told(genes: tuple[float, ...]) -> None:
    for read in (SPACE.violations, SPACE.canonical, SPACE.key, SPACE.format):
        with pytest.raises(InputError, match="expected 32 whole numbers") as caught:
            read(Arch(genes))
        assert len(str(caught.value)) < 250


def test_a_table_of_genotypes_makes_the_space() -> None:
    rows = np.array([SPACE.sample(seeds.stream(0, "test")).genes])
    assert list(OPTIONS)[:4] == ["normal_2a_from", "normal_2a_op", "normal_2b_from", "normal_2b_op"]
    assert isinstance(Darts.for_table(OPTIONS, rows), Darts)
    assert isinstance(Darts.for_table({gene: list(values) for gene, values in OPTIONS.items()}, rows), Darts)
    with pytest.raises(InputError, match="darts table, reduce_5b_op: expected the 32 genes normal_2a_from, "):
        Darts.for_table({**OPTIONS, "reduce_5b_op": ["none", *OPTIONS["reduce_5b_op"]]}, rows)
    with pytest.raises(InputError, match="darts table, 1 genes: expected"):
        Darts.for_table({"normal_2a_from": ["0", "1"]}, rows)


def test_a_drawing_has_both_cells(darts_v1: str) -> None:
    drawing = SPACE.drawing(SPACE.parse(darts_v1))
    assert drawing.nodes == 2 * ("k-2", "k-1", "2", "3", "4", "5", "k")
    assert drawing.parts == (("normal cell, width 3.5, depth 3", 0), ("reduce cell, width 2.5, depth 3", 7))
    edges = [(edge.source, edge.target, edge.label) for edge in drawing.edges]
    assert len(edges) == 24
    assert edges[:2] == [(1, 2, "sep_conv_3x3"), (0, 2, "sep_conv_3x3")]
    assert edges[12 + 6 : 12 + 8] == [(7 + 2, 7 + 5, "skip_connect"), (7 + 0, 7 + 5, "avg_pool_3x3")]
    assert edges[8:12] == [(2, 6, ""), (3, 6, ""), (4, 6, ""), (5, 6, "")]


def test_the_layout_of_alpha_names_every_edge_and_operation(darts_v1: str) -> None:
    layout = SPACE.alpha_layout
    assert (len(layout.edges), len(layout.operations)) == SPACE.alpha_shape
    assert layout.nodes == (2, 5, 9, 16, 19, 23)
    assert layout.split() == [("normal cell", slice(0, 14)), ("reduce cell", slice(14, 28))]
    arch = SPACE.parse(darts_v1)
    rows, columns = np.nonzero(SPACE.one_hot(arch))
    named = {(layout.edges[row], layout.operations[column]) for row, column in zip(rows, columns, strict=True)}
    assert {("k-2→2", "sep_conv_3x3"), ("2→5", "skip_connect"), ("2→4", "skip_connect")} <= named


def test_the_topology_of_both_cells(darts_v1: str, darts_v2: str) -> None:
    found = SPACE.topology([SPACE.parse(darts_v1), SPACE.parse(darts_v2)])
    assert {cell: (each.widths.tolist(), each.depths.tolist()) for cell, each in found.items()} == {
        "normal": ([3.5, 3.5], [3, 3]), "reduce": ([2.5, 2.5], [3, 3]),
    }  # fmt: skip


def test_the_source_is_a_file_that_builds_the_same_network(darts_v2: str, exported: Any) -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    ours, made = exported(SPACE, SPACE.parse(darts_v2), (2, 3, 32, 32))
    assert sum(parameter.numel() for parameter in ours.parameters()) == 3_349_342
    assert ours.auxiliary is made.auxiliary is None, "nothing that a training step leaves without a gradient"
    with torch.no_grad():
        assert ours(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


SIZES = [
    {"channels": 4, "cells": 1, "classes": 3, "image_channels": 1, "image_size": 8},
    {"channels": 5, "cells": 2, "classes": 10, "image_channels": 3, "image_size": 14},
    {"channels": 6, "cells": 1, "classes": 2, "image_channels": 2, "image_size": (13, 28)},
    {"channels": 6, "cells": 1, "classes": 5, "image_channels": 3, "image_size": (64, 33), "stem": "imagenet"},
    {"channels": 5, "cells": 1, "classes": 5, "image_channels": 1, "image_size": 1},
]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("auxiliary", [False, True])
def test_networks_have_the_sizes_of_the_space_and_what_is_counted(
    sizes: dict[str, Any], auxiliary: bool, counted: Any, exported: Any
) -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space, rng = Darts(**sizes, auxiliary=auxiliary), seeds.stream(0, "test")
    image = (space.image_channels, *space.network_sizes.image)
    widths = {"channels": space.channels, "layers": space.cells, "classes": space.classes}
    widths |= {"image_channels": space.image_channels}
    for _ in range(3):
        arch = space.sample(rng)
        network, images = space.build(arch, 0), IMAGES[space.stem]
        weights = sum(weight.numel() for weight in network.parameters())
        assert weights == parameters(genotype_of(arch), **widths, auxiliary=auxiliary, images=images)[0]
        adds = flops(genotype_of(arch), **widths, counting=MULTIPLY_ADDS, images=images, image_size=sizes["image_size"])
        assert counted(network, image) == adds[0]
    _, made = exported(space, arch, (2, *image))
    if auxiliary:
        with torch.no_grad():
            logits, extra = made.with_auxiliary(torch.zeros(2, *image))
        assert logits.shape == extra.shape == (2, space.classes)


def test_the_published_network_has_the_counts_of_the_thesis(darts_v1: str, darts_v2: str) -> None:
    """DDAS thesis, Table 3.1: 3.646 and 3.826 million parameters, the auxiliary head included."""
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space = Darts(auxiliary=True)
    with torch.device("meta"):
        built = [space.build(space.parse(text), 0) for text in (darts_v1, darts_v2)]
    counts = [sum(weight.numel() for weight in network.parameters()) for network in built]
    assert counts == [3_645_840, 3_825_768]
