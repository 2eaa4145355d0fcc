from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.spaces.macro.mbconv import MULTIPLY_ADDS, THOP, Counting, Frame, build, costs

layers = st.tuples(
    st.integers(1, 9), st.sampled_from([1, 3, 4]), st.sampled_from([3, 5, 7]), st.sampled_from([1, 2]), st.booleans()
)


@settings(max_examples=30)
@given(st.lists(layers, min_size=1, max_size=4), st.integers(1, 40), st.sampled_from([MULTIPLY_ADDS, THOP]))
def test_counts_are_those_of_what_is_built(
    counted: Callable[..., int], chain: list[Any], side: int, counting: Counting
) -> None:
    """Of any layers at all, by the layers that run."""
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    frame = Frame(stem=5, head=7, activation="relu6", channels=2, classes=3)
    base, table = costs(frame, tuple(((layer,),) for layer in chain), side, counting)
    total = base + table.sum(axis=(0, 1))
    together, same = costs(frame, ((tuple(chain),),), side, counting)
    assert (together + same[0, 0]).tolist() == total.tolist()
    with torch.device("meta"):  # shapes are enough to count
        network = build([[layer, None] for layer in chain], frame, seed=0)
        found = counted(network, (2, side, side), counting.norm, counting.average)
    assert total.tolist() == [sum(p.numel() for p in network.parameters()), found]
