from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom import seeds
from archloom.errors import InputError
from archloom.spaces.base import Categorical, draw, is_valid
from archloom.spaces.table import TableSpace
from archloom.testing import check_space
from archloom.types import Arch

OPTIONS = {"op": ("conv", "pool", "skip"), "width": ("8", "16"), "depth": ("1", "2", "3", "4")}
ALL = np.array(list(itertools.product(range(3), range(2), range(4))), dtype=np.uint8)
some_rows = st.sets(st.integers(0, len(ALL) - 1), min_size=1, max_size=len(ALL) - 1).map(lambda kept: ALL[sorted(kept)])


def complete() -> TableSpace:
    return TableSpace(OPTIONS, ALL)


def sparse() -> TableSpace:
    return TableSpace.for_table(OPTIONS, ALL[::3])


def lonely() -> TableSpace:
    return TableSpace(OPTIONS, ALL[5:6])


@pytest.mark.parametrize("make", [complete, sparse, lonely])
def test_contract(make: type[TableSpace]) -> None:
    check_space(make)


def test_a_complete_table_is_the_plain_space() -> None:
    plain, table = Categorical(OPTIONS), complete()
    one, other = seeds.stream(0, "test"), seeds.stream(0, "test")
    arch = plain.sample(one)
    assert table.sample(other) == arch
    assert table.mutate(arch, other) == plain.mutate(arch, one)
    assert table.neighbours(arch) == plain.neighbours(arch)
    assert table.size == plain.size == 24
    alpha = one.random(plain.alpha_shape)
    assert table.discretise(alpha) == plain.discretise(alpha)


@given(rows=some_rows, seed=st.integers(0, 50))
def test_a_sample_is_searched_within_the_sample(rows: np.ndarray, seed: int) -> None:
    space, rng, known = TableSpace(OPTIONS, rows), seeds.stream(seed, "test"), set(map(tuple, rows.tolist()))
    arch = draw(space, rng)
    assert space.size == len(known)
    assert arch.genes in known
    assert space.mutate(arch, rng).genes in known
    assert space.discretise(rng.random(space.alpha_shape)).genes in known
    assert space.discretise(space.one_hot(arch)) == arch
    distance = {genes: sum(a != b for a, b in zip(genes, arch.genes, strict=True)) for genes in known}
    others = [d for d in distance.values() if d]
    nearest = {genes for genes, d in distance.items() if others and d == min(others)}
    assert {near.genes for near in space.neighbours(arch)} == nearest


def test_what_is_not_in_the_sample_is_invalid() -> None:
    space = sparse()
    assert is_valid(space, Arch((0, 0, 0)))
    assert not is_valid(space, Arch((0, 0, 1)))
    assert set(space.violations(Arch((0, 0, 1)))) == {"rows missing from the table"}


def test_every_row_is_drawn() -> None:
    space, rng = sparse(), seeds.stream(0, "test")
    assert {space.sample(rng).genes for _ in range(300)} == set(map(tuple, ALL[::3].tolist()))


def test_one_row_has_nowhere_to_go() -> None:
    space, rng = lonely(), seeds.stream(0, "test")
    arch = draw(space, rng)
    assert space.neighbours(arch) == []
    assert space.mutate(arch, rng) == arch


def test_alpha_is_checked_for_its_shape() -> None:
    for space in (complete(), sparse()):
        with pytest.raises(InputError, match=r"alpha of shape \(2, 4\): expected \(3, 4\)"):
            space.discretise(np.zeros((2, 4)))
