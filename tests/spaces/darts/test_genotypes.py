from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from archloom.errors import InputError

pytest.importorskip("numba", reason="the DARTS space needs the extra bench")

from archloom.spaces import darts
from archloom.spaces.base import is_valid
from archloom.spaces.darts import OPERATIONS, canonical, checked, random_genotypes
from archloom.spaces.darts.space import to_arch

PAIRS = st.tuples(st.integers(0, 6), st.integers(0, 6))


def node(k: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Two pairs of different sources, in any order."""
    sources = st.permutations(range(k + 2))
    return st.tuples(sources, PAIRS).map(lambda drawn: list(zip(drawn[0][:2], drawn[1], strict=True)))


CELLS = st.tuples(*map(node, range(4))).map(lambda nodes: [pair for pairs in nodes for pair in pairs])
GENOTYPES = st.tuples(CELLS, CELLS).map(lambda cells: np.array(cells, dtype=np.uint8))


@given(GENOTYPES)
def test_canonical_orders_the_two_pairs_of_a_node_and_nothing_else(genotype: np.ndarray) -> None:
    ordered = canonical(genotype)
    assert (ordered[:, 0::2, 0] < ordered[:, 1::2, 0]).all()
    assert np.array_equal(canonical(ordered), ordered)
    for cell in range(2):
        for pair in range(0, 8, 2):
            assert sorted(genotype[cell, pair : pair + 2].tolist()) == ordered[cell, pair : pair + 2].tolist()


@given(arrays(np.int64, (4, 2, 8, 2), elements=st.one_of(st.integers(-1, 7), st.sampled_from([255, 256, 2**30]))))
def test_validity_of_a_batch_is_that_of_each_row(batch: np.ndarray) -> None:
    space = darts.Darts()
    batch[0] = random_genotypes(1, np.random.default_rng(int(batch.sum()) % 1000))[0]
    batch[1, 0] = batch[0, 0]  # half of it is right
    expected = [is_valid(space, to_arch(genotype)) for genotype in batch]
    assert darts.valid(batch).tolist() == expected
    assert darts.valid(batch[1]).tolist() == expected[1:2]
    assert darts.valid(batch.astype(float)).tolist() == [False] * 4, "what `checked` would refuse"
    assert expected[0]


def test_validity_needs_the_shape_and_nothing_else() -> None:
    assert darts.valid(np.zeros((0, 2, 8, 2), np.uint8)).shape == (0,)
    assert darts.valid(np.full((2, 2, 8, 2), np.nan)).tolist() == [False, False]
    with pytest.raises(InputError, match=r"genotypes int64 \(3, 32\): expected whole numbers of shape \(n, 2, 8, 2\)"):
        darts.valid(np.zeros((3, 32), np.int64))
    with pytest.raises(InputError, match=r"genotypes of unequal lengths: expected shape \(n, 2, 8, 2\)"):
        darts.valid([[1, 2], [3]])  # type: ignore[arg-type]


def test_one_genotype_is_a_batch_of_one() -> None:
    batch = random_genotypes(3, np.random.default_rng(0))
    for function in (checked, darts.encode, darts.one_hot, darts.parameters, darts.flops):
        assert (function(batch[1]) == function(batch)[1:2]).all()


def test_random_genotypes_are_uniform() -> None:
    """Every pair of sources and every operation of a node as often as any other, within 5 standard deviations."""
    count = 20_000
    drawn = random_genotypes(count, np.random.default_rng(0))
    assert np.array_equal(checked(drawn), drawn)
    assert np.array_equal(canonical(drawn), drawn)
    for k in range(4):
        sources = drawn[:, :, 2 * k : 2 * k + 2, 0].reshape(-1, 2)
        pairs, times = np.unique(sources, axis=0, return_counts=True)
        choices = (k + 1) * (k + 2) // 2
        assert len(pairs) == choices
        assert np.abs(times - 2 * count / choices).max() < 5 * np.sqrt(2 * count / choices)
    operations = np.bincount(drawn[..., 1].ravel(), minlength=len(OPERATIONS))
    assert np.abs(operations - 16 * count / 7).max() < 5 * np.sqrt(16 * count / 7)


def test_the_published_genotypes_keep_the_rules(data_dir) -> None:  # type: ignore[no-untyped-def]
    with np.load(data_dir / "nb301_surrogate.npz", allow_pickle=False) as file:
        assert tuple(file["op_names"]) == OPERATIONS
        assert np.array_equal(checked(file["check_genotypes"]), file["check_genotypes"])


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((1, 0, 1, 0), 0, "genotype 1 of the batch: node 2 of the normal cell takes sources 0 and 0"),
        ((2, 1, 7, 0), 5, "genotype 2 of the batch: node 5 of the reduce cell takes sources . and 5: .* 0 to 4"),
        ((0, 1, 4, 1), 7, "genotype 0 of the batch: node 4 of the reduce cell has operations 7 and .: expected 0 to 6"),
        ((0, 0, 0, 0), -1, "genotype 0 of the batch: node 2 of the normal cell takes sources -1"),
        ((0, 0, 0, 0), 256, "genotype 0 of the batch: node 2 of the normal cell takes sources 256"),
    ],
)
def test_a_broken_rule_is_told_before_compiled_code_reads_it(place: tuple[int, ...], value: int, message: str) -> None:
    batch = random_genotypes(3, np.random.default_rng(0)).astype(np.int64)
    batch[place] = value
    for read in (checked, darts.encode, darts.parameters, darts.flops, darts.one_hot):
        with pytest.raises(InputError, match=message):
            read(batch)
    with pytest.raises(InputError, match=message):
        darts.draw_neighbours(batch, 1, np.random.default_rng(0))


@pytest.mark.parametrize("batch", [np.zeros((8, 2), np.uint8), np.zeros((1, 2, 8, 2)), np.zeros((1, 2, 8, 3), int)])
def test_another_shape_or_kind_is_told(batch: np.ndarray) -> None:
    with pytest.raises(InputError, match=re.escape(f"genotypes {batch.dtype} {batch.shape}: expected whole numbers")):
        checked(batch)
