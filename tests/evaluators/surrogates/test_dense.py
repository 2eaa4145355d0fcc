from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="layers are compiled with numba")

from archloom.evaluators.surrogates.dense import DEPTH, STRIP, add_head, blocks, linear

SEEDS = st.integers(0, 2**32 - 1)


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(0, 5), st.integers(1, 3), st.integers(1, 3), st.integers(0, 7))
def test_products_are_added_one_by_one_from_the_first_to_the_last(
    seed: int, rows: int, down: int, across: int, first: int
) -> None:
    """To the last bit: each product and each sum is rounded, in this order, whatever the row's place in its batch."""
    rng = np.random.default_rng(seed)
    inputs, outputs = down * DEPTH, across * STRIP
    x, weight, bias = floats(rng, rows, first + inputs + 2), floats(rng, inputs, outputs), floats(rng, outputs)
    out = np.full((rows, outputs), np.nan, dtype=np.float32)
    linear(x, first, blocks(weight), bias, out)
    expected = np.tile(bias, (rows, 1))
    for k in range(inputs):
        expected = expected + x[:, first + k, None] * weight[k]
    assert np.array_equal(out, expected)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(0, 5), st.integers(1, 9))
def test_a_head_adds_four_sums(seed: int, rows: int, quarter: int) -> None:
    rng = np.random.default_rng(seed)
    x, weight, bias, out = (floats(rng, *shape) for shape in ((rows, 4 * quarter), (2, 4 * quarter), (2,), (rows, 2)))
    before = out.copy()
    add_head(x, weight, bias, out)
    np.testing.assert_allclose(out, before + x.astype(np.float64) @ weight.T + bias, atol=1e-5)
    alone = before.copy()
    for row in range(rows):
        add_head(x[row : row + 1], weight, bias, alone[row : row + 1])
    assert np.array_equal(alone, out)
