from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom import registry
from archloom.data.tables import Table, load_table
from archloom.errors import InputError
from archloom.problems import ProblemSpec, open_scenario
from archloom.spaces.base import is_valid
from archloom.spaces.drawing import Drawable
from archloom.spaces.macro.mnasnet import OPTIONS, WIDTHS, Mnasnet, macs, parameters
from archloom.spaces.table import TableSpace
from archloom.testing import check_space
from archloom.types import Arch
from archloom.utils import seeds

SPACE = Mnasnet()
EFFICIENT = "e1_k3_l1_se1-e6_k3_l2_se1-e6_k5_l2_se1-e6_k3_l3_se1-e6_k5_l3_se1-e6_k5_l4_se1-e6_k3_l1_se1"
"""The blocks of EfficientNet-B0."""

some_genes = st.tuples(*(st.integers(0, size - 1) for size in SPACE.sizes.tolist()))


ROWS = np.unique(seeds.stream(0, "test").integers(0, SPACE.sizes, size=(300, 28)), axis=0).astype(np.uint8)


def sample() -> TableSpace:
    return Mnasnet.for_table(OPTIONS, ROWS)


@pytest.fixture(scope="module")
def accel_table(real_table: Callable[[str], Path]) -> Table:
    return load_table(real_table("accel_imagenet.npz"))


@pytest.mark.parametrize("make", [Mnasnet, sample])
def test_contract(make: Callable[[], TableSpace]) -> None:
    check_space(make)


def test_it_is_registered() -> None:
    assert registry.load_space("mnasnet") is Mnasnet


def test_the_whole_space() -> None:
    assert SPACE.size == 48**7
    assert len(OPTIONS) == 28
    assert SPACE.alpha_shape == (28, 4)
    assert len(SPACE.neighbours(Arch((0,) * 28))) == 7 * (2 + 1 + 3 + 1)


# -- strings ------------------------------------------------------------------------------------------------


@given(some_genes)
def test_a_text_is_read_back(genes: tuple[int, ...]) -> None:
    arch = Arch(genes)
    assert SPACE.parse(SPACE.format(arch)) == arch
    assert SPACE.parse(f" {SPACE.key(arch)}\n") == arch


@given(some_genes, some_genes)
def test_different_genes_are_different_networks(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert (SPACE.key(Arch(one)) == SPACE.key(Arch(other))) == (one == other)
    assert SPACE.canonical(Arch(one)) == Arch(one)


def test_a_text_names_the_blocks() -> None:
    arch = SPACE.parse(EFFICIENT)
    assert arch.genes[:8] == (0, 0, 0, 1, 2, 0, 1, 1)
    assert SPACE.blocks(arch)[5] == (6, 5, 4, True)
    assert SPACE.labels(arch) == EFFICIENT.split("-")
    assert SPACE.choices(arch)["block2.kernel"] == 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("e1_k3_l1_se1-", "", "expected 7 blocks as e6_k3_l2_se1, joined by '-'"),
        ("e1_", "", "expected 7 blocks"),
        ("-", " ", "expected 7 blocks"),
        ("e1_", "e2_", "block0.expansion='2': expected one of 1, 4, 6"),
        ("l4", "l5", "block5.layers='5': expected one of 1, 2, 3, 4"),
        ("e1_", "e01_", "block0.expansion='01': expected one of 1, 4, 6"),
    ],
)
def test_another_text_is_told(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        SPACE.parse(EFFICIENT.replace(old, new))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# -- options ------------------------------------------------------------------------------------------------------


def test_genes_are_the_blocks_in_order() -> None:
    with pytest.raises(
        InputError, match=r"expected block0\.expansion, block0\.kernel, block0\.layers, block0\.se, block1"
    ):
        Mnasnet(dict(reversed(OPTIONS.items())))


@pytest.mark.parametrize(
    ("choice", "value", "expected"),
    [
        ("expansion", 0, "a whole number from 1"),
        ("expansion", "1.5", "a whole number from 1"),
        ("kernel", 4, "an odd number"),
        ("layers", "two", "a whole number from 1"),
        ("layers", "02", "a whole number from 1"),
        ("se", 2, "0 or 1"),
        ("se", "True", "0 or 1"),
    ],
)
def test_an_option_that_no_network_has_is_told(choice: str, value: object, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        Mnasnet({**OPTIONS, f"block3.{choice}": (1, value)})
    assert str(caught.value) == f"mnasnet option block3.{choice}={str(value)!r}: expected {expected}"


def test_a_table_may_have_other_options() -> None:
    space = Mnasnet({**OPTIONS, "block3.kernel": ("3", "7"), "block3.layers": ("9",)})
    arch = space.parse(space.format(Arch((0,) * 13 + (1,) + (0,) * 14)))
    assert space.blocks(arch)[3] == (1, 7, 9, False)


# -- counts -------------------------------------------------------------------------------------------------------


def test_counts_of_every_row_are_the_benchmarks(accel_table: Table) -> None:
    """Equal to the last digit of the table's 32-bit floats."""
    np.testing.assert_array_equal(
        (parameters(accel_table.genes) / 1e6).astype(np.float32), accel_table.metric("params_m")
    )
    np.testing.assert_array_equal((macs(accel_table.genes) / 1e6).astype(np.float32), accel_table.metric("macs_m"))


def test_counts_are_of_efficientnet_b0() -> None:
    """The same network as EfficientNet-B0 (Tan & Le 2019: 5.3M; torchvision's has 5,288,548 parameters)."""
    assert parameters(np.array([SPACE.parse(EFFICIENT).genes])).tolist() == [5_288_548]


@given(st.lists(some_genes, min_size=1, max_size=5), st.integers(1, 300))
def test_counts_are_sums_over_blocks(rows: list[tuple[int, ...]], resolution: int) -> None:
    """Changing one block changes the count by as much, whatever the other blocks are."""
    genes, base = np.array(rows, dtype=np.uint8), np.zeros((1, 28), dtype=np.uint8)
    for counts in (parameters, lambda g: macs(g, resolution)):
        least, total = counts(base)[0], counts(base).repeat(len(rows))
        for block in range(7):
            alone = np.zeros_like(genes)
            alone[:, 4 * block : 4 * block + 4] = genes[:, 4 * block : 4 * block + 4]
            total += counts(alone) - least
        assert counts(genes).tolist() == total.tolist()
        assert counts(genes).dtype == np.int64


def test_operations_grow_with_the_image() -> None:
    genes = np.array([SPACE.parse(EFFICIENT).genes])
    assert macs(genes).tolist() == macs(genes, 224).tolist()
    per_pixel = [macs(genes, resolution)[0] / resolution**2 for resolution in (224, 448, 896)]
    assert per_pixel == pytest.approx([per_pixel[0]] * 3, rel=0.01)


@pytest.mark.parametrize(
    ("genes", "resolution", "message"),
    [
        (np.zeros((3, 27), int), 224, r"genes of shape \(3, 27\) and type int64: expected integers \(n, 28\)"),
        (np.zeros((3, 28)), 224, r"and type float64: expected integers \(n, 28\)"),
        (np.full((3, 28), np.nan), 224, r"and type float64: expected integers \(n, 28\)"),
        (np.zeros((3, 28), bool), 224, r"and type bool: expected integers \(n, 28\)"),
        ([[0] * 28, [0]], 224, r"rows of different lengths: expected integers \(n, 28\)"),
        (np.full((1, 28), 2), 224, "gene block0.kernel of row 0 is 2: expected the index of one of its 2 options"),
        (np.full((1, 28), -1), 224, "gene block0.expansion of row 0 is -1: expected the index of one of its 3 options"),
        (np.zeros((1, 28), int), 0, "resolution 0: expected a whole number of at least 1 pixel"),
        (np.zeros((1, 28), int), 224.5, "resolution 224.5: expected a whole number of at least 1 pixel"),
    ],
)
def test_what_cannot_be_counted_is_told(genes: Any, resolution: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        macs(genes, resolution)
    if resolution == 224:
        with pytest.raises(InputError, match=message):
            parameters(genes)


def test_one_row_and_lists_are_counted_too() -> None:
    genes = np.array([SPACE.parse(EFFICIENT).genes])
    for same in (genes[0], genes.tolist(), genes[0].tolist(), genes.astype(np.uint8)):
        assert parameters(same).tolist() == parameters(genes).tolist()
        assert macs(same).tolist() == macs(genes).tolist()


@pytest.mark.parametrize("genes", [(9,) * 28, (-1,) * 28, (0,) * 27, (0.5,) * 28, (float("nan"),) * 28, ("a",) * 28])
def test_genes_that_are_no_options_are_told(genes: tuple[Any, ...]) -> None:
    assert any(amount > 0 for amount in SPACE.violations(Arch(genes)).values())
    uses: list[Callable[[Arch], object]] = [SPACE.format, SPACE.key, SPACE.blocks, SPACE.drawing, SPACE.one_hot]
    for use in (*uses, lambda arch: SPACE.build(arch, 0), lambda arch: SPACE.source(arch, "")):
        with pytest.raises(InputError, match="expected") as error:
            use(Arch(genes))
        assert "\n" not in str(error.value)


def test_no_rows_have_no_counts() -> None:
    assert macs(np.zeros((0, 28), dtype=np.uint8)).shape == (0,)


# -- tables -------------------------------------------------------------------------------------------------------


def test_a_sample_is_searched_within_itself_as_any_table_is() -> None:
    space, rng = sample(), seeds.stream(1, "test")
    plain = TableSpace(OPTIONS, ROWS)
    assert space.size == plain.size == 300
    arch, alpha = space.sample(rng), rng.random((28, 4))
    assert is_valid(space, arch)
    assert space.mutate(arch, seeds.stream(2, "test")) == plain.mutate(arch, seeds.stream(2, "test"))
    assert space.neighbours(arch) == plain.neighbours(arch)
    assert space.discretise(alpha) == plain.discretise(alpha)
    assert not is_valid(space, Arch((0,) * 28))
    assert is_valid(SPACE, Arch((0,) * 28))


def test_the_benchmarks_table_opens_as_this_space(data_dir: Path, accel_table: Table) -> None:
    spec = ProblemSpec(
        "mnasnet", str(data_dir / "accel_imagenet.npz"), ("valid_top1", "imagenet_latency_zcu102_ms"),
        constraints=("macs_m<=350",),
    )  # fmt: skip
    space = open_scenario(spec).space
    assert isinstance(space, Mnasnet)
    assert space.size == len(accel_table) == 5_125
    assert space.options == SPACE.options


# -- networks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", [32, 75])
def test_the_formulas_count_what_is_built(counted: Callable[..., int], resolution: int) -> None:
    """The smallest and the largest network, and a few between."""
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    genes = np.concatenate([np.zeros((1, 28), int), SPACE.sizes[None] - 1, ROWS[:4]])
    with torch.device("meta"):  # shapes are enough to count
        networks = [SPACE.build(Arch(tuple(row)), seed=0) for row in genes.tolist()]
        found = [counted(network, (3, resolution, resolution), norm=4, average=1) for network in networks]
    assert found == macs(genes, resolution).tolist()
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == parameters(genes).tolist()


def test_a_built_network_has_the_counts_of_the_benchmark(accel_table: Table, counted: Callable[..., int]) -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    for row in seeds.stream(1, "test").choice(len(accel_table), size=3, replace=False).tolist():
        with torch.device("meta"):
            network = SPACE.build(Arch(tuple(accel_table.genes[row].tolist())), seed=0)
            found = counted(network, (3, 224, 224), norm=4, average=1)
        assert np.float32(found / 1e6) == accel_table.metric("macs_m")[row]
        parameters_m = sum(p.numel() for p in network.parameters()) / 1e6
        assert np.float32(parameters_m) == accel_table.metric("params_m")[row]


def test_a_block_is_a_stage_whose_first_layer_has_the_stride() -> None:
    stages = SPACE.stages_of(SPACE.parse(EFFICIENT))
    assert stages[0] == ((16, 1, 3, 1, True),)
    assert stages[1] == ((24, 6, 3, 2, True), (24, 6, 3, 1, True))
    assert [len(stage) for stage in stages] == [1, 2, 2, 3, 3, 4, 1]


def test_the_source_is_a_file_that_builds_the_same_network(exported: Any) -> None:
    arch = SPACE.parse("e1_k3_l1_se0-e4_k3_l1_se1-e1_k5_l2_se0-e1_k3_l1_se1-e1_k3_l1_se0-e1_k5_l1_se1-e1_k3_l1_se0")
    exported(SPACE, arch, (1, 3, 40, 40))


def test_a_drawing_is_a_chain_of_blocks() -> None:
    assert isinstance(SPACE, Drawable)
    drawing = SPACE.drawing(SPACE.parse(EFFICIENT))
    assert drawing.nodes == ("32", *map(str, WIDTHS))
    assert [(edge.source, edge.target) for edge in drawing.edges] == [(i, i + 1) for i in range(7)]
    assert [edge.label for edge in drawing.edges] == EFFICIENT.split("-")
