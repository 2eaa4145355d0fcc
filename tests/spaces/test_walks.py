from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from archloom.spaces.base import Categorical, is_valid, sample_valid
from archloom.spaces.nb201 import GENES, OPERATIONS, Nb201
from archloom.spaces.table import TableSpace
from archloom.spaces.walks import HasWalks, draw
from archloom.testing import RuledSpace, SparseSpace
from archloom.types import Arch

UNEVEN = {"a": ["x", "y", "z"], "b": ["only"], "c": ["p", "q"]}


def rows(space: Any, count: int = 20, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return np.array([sample_valid(space, rng).genes for _ in range(count)])


def shown_as_sets(space: Any, genes: Any, most: int = 10_000) -> list[set[tuple[int, ...]]]:
    shown = space.show_neighbours(genes, most, np.random.default_rng(1))
    pairs = zip(shown.genes.tolist(), shown.counts.tolist(), strict=True)
    found = [[tuple(row) for row in near[:count]] for near, count in pairs]
    assert all(len(near) == len(set(near)) for near in found)
    return [set(near) for near in found]


@pytest.mark.parametrize(
    "make", [lambda: Categorical(UNEVEN), Nb201, RuledSpace, SparseSpace, lambda: Nb201(canonical=True)]
)
def test_all_are_shown_if_there_is_room(make: Any) -> None:
    """They are those of `neighbours` that are valid."""
    space = make()
    genes = rows(space)
    archs = [Arch(tuple(row)) for row in genes.tolist()]
    wanted = [{near.genes for near in space.neighbours(arch) if is_valid(space, near)} for arch in archs]
    assert shown_as_sets(space, genes) == wanted


@pytest.mark.parametrize("make", [lambda: Categorical(UNEVEN), RuledSpace])
def test_drawn_uniformly(make: Any) -> None:
    """Each place holds each neighbour equally often: 2 of 3 neighbours, or 4 of those that keep the rule."""
    space = make()
    near = shown_as_sets(space, rows(space, 1))[0]
    most = 2 if len(near) == 3 else 4
    times = 3_000
    shown = space.show_neighbours(np.repeat(rows(space, 1), times, axis=0), most, np.random.default_rng(2))
    assert shown.counts.tolist() == [most] * times
    for place in range(most):
        counts = Counter(map(tuple, shown.genes[:, place].tolist()))
        assert counts.keys() == near
        assert chisquare(list(counts.values())).pvalue > 1e-3


def test_draw_from_lists_of_unequal_lengths() -> None:
    counts = np.array([2, 0, 5, 1])
    numbers, shown = draw(counts, 3, np.random.default_rng(0))
    assert shown.tolist() == [2, 0, 3, 1]
    assert sorted(numbers[0, :2].tolist()) == [0, 1]
    assert len({*numbers[2].tolist()} & {2, 3, 4, 5, 6}) == 3
    assert numbers[3, 0] == 7
    assert not numbers[1].any() and not numbers[3, 1:].any()


def test_one_hot_bits() -> None:
    space = Categorical(UNEVEN)
    assert space.encoding_bits == 6
    assert space.encode(np.array([[2, 0, 1], [0, 0, 0]])).tolist() == [[0, 0, 1, 1, 0, 1], [1, 0, 0, 1, 1, 0]]
    assert isinstance(space, HasWalks)


def test_what_the_bits_mean() -> None:
    """The names of choices and options, in order; nothing else."""
    known = Categorical(UNEVEN).encoding
    assert known == TableSpace(UNEVEN).encoding == "one-hot-a3d2d4be54cae792"
    assert Categorical({**UNEVEN, "b": ["other"]}).encoding != known
    assert Categorical(dict(reversed(UNEVEN.items()))).encoding != known
    assert Categorical({**UNEVEN, "a": ["y", "x", "z"]}).encoding != known


def test_nb201_with_other_operations_means_something_else() -> None:
    assert Nb201().encoding == Nb201(canonical=True).encoding == "nb201"
    others = Nb201(dict.fromkeys(GENES, OPERATIONS[::-1])).encoding
    assert others == Categorical(dict.fromkeys(GENES, OPERATIONS[::-1])).encoding
    assert others.startswith("one-hot-")


def test_no_neighbours_at_all() -> None:
    space = Categorical({"a": ["only"]})
    shown = space.show_neighbours(np.zeros((3, 1), dtype=np.int64), 5, np.random.default_rng(0))
    assert shown.counts.tolist() == [0, 0, 0]

    class Ruled(RuledSpace):
        def violations(self, arch: Arch) -> dict[str, float]:
            return {"another than aa...": float(any(arch.genes))}

    shown = Ruled().show_neighbours(np.zeros((3, 8), dtype=np.int64), 5, np.random.default_rng(0))
    assert shown.counts.tolist() == [0, 0, 0]
    assert shown.genes.shape == (3, 5, 8)
