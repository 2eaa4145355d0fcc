from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.errors import InputError
from archloom.spaces.base import Categorical, is_valid, sample_valid
from archloom.spaces.table import TableSpace
from archloom.testing import check_space
from archloom.testing.graphs import draw_graphs
from archloom.types import Arch
from archloom.utils import seeds

OPTIONS = {"op": ("conv", "pool", "skip"), "width": ("8", "16"), "depth": ("1", "2", "3", "4")}
ALL = np.array(list(itertools.product(range(3), range(2), range(4))), dtype=np.uint8)
some_rows = st.sets(st.integers(0, len(ALL) - 1), min_size=1, max_size=len(ALL) - 1).map(lambda kept: ALL[sorted(kept)])


def complete() -> TableSpace:
    return TableSpace(OPTIONS, ALL)


def without_rows() -> TableSpace:
    return TableSpace.for_table(OPTIONS, None)


def sparse() -> TableSpace:
    return TableSpace.for_table(OPTIONS, ALL[::3])


def lonely() -> TableSpace:
    return TableSpace(OPTIONS, ALL[5:6])


def islands() -> TableSpace:
    """Pairs of rows that are nearest to each other and far from all others."""
    return TableSpace(*pairs_of_rows())


def pairs_of_rows() -> tuple[dict[str, range], np.ndarray]:
    ones = seeds.stream(1, "test").integers(0, 3, size=(20, 14))
    others = ones.copy()
    others[:, 0] = (others[:, 0] + 1) % 3
    return {f"gene{i}": range(3) for i in range(14)}, np.concatenate([ones, others])


class OnlyTheNearest(TableSpace):
    """A mutant is a neighbour."""

    def __init__(self) -> None:
        super().__init__(*pairs_of_rows())

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        near = self.neighbours(arch)
        return near[int(rng.integers(len(near)))]


@pytest.mark.parametrize("make", [complete, without_rows, sparse, lonely, islands])
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
    arch = sample_valid(space, rng)
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


def test_every_row_is_drawn_as_a_graph_and_nothing_else() -> None:
    for space, expected in ((sparse(), ALL[::3]), (complete(), ALL), (without_rows(), ALL), (lonely(), ALL[5:6])):
        graphs = draw_graphs(space.grammar(), len(space.graph_labels), 300, seeds.stream(0, "test"))
        assert {space.from_graph(graph).genes for graph in graphs} == set(map(tuple, expected.tolist()))


def test_one_row_has_nowhere_to_go() -> None:
    space, rng = lonely(), seeds.stream(0, "test")
    arch = sample_valid(space, rng)
    assert space.neighbours(arch) == []
    assert space.mutate(arch, rng) == arch


def test_alpha_is_checked_for_its_shape() -> None:
    for space in (complete(), sparse()):
        with pytest.raises(InputError, match=r"alpha of shape \(2, 4\): expected \(3, 4\)"):
            space.discretise(np.zeros((2, 4)))


def test_mutations_reach_every_row() -> None:
    space, rng = islands(), seeds.stream(0, "test")
    arch = sample_valid(space, rng)
    seen = set()
    for _ in range(1500):
        arch = space.mutate(arch, rng)
        seen.add(arch)
    assert len(seen) == space.size == 40


def test_mutations_that_stay_on_an_island_are_caught() -> None:
    with pytest.raises(AssertionError, match=r"mutations get stuck: 200 in a row from .* led to 2 different"):
        check_space(OnlyTheNearest)


def large() -> tuple[TableSpace, np.ndarray]:
    """Its genes have 2 to 5 options, and are looked up in several groups."""
    sizes = np.array([2, 3, 4, 5] * 3)
    rows = np.unique(seeds.stream(2, "test").integers(0, sizes, size=(400, 12)), axis=0)
    return TableSpace({f"gene{i}": range(size) for i, size in enumerate(sizes)}, rows), rows


def test_a_mutant_keeps_its_changes_before_it_keeps_the_rest() -> None:
    space, rows = large()
    rng, twin = seeds.stream(0, "test"), seeds.stream(0, "test")
    changes_made = []
    for row in rows[:150].tolist():
        child = space.mutate(Arch(tuple(row)), rng)
        changes = min(int(twin.geometric(0.75)), 12)
        plain = dict(enumerate(row))
        changed = twin.permutation(12)[:changes].tolist()
        for gene in changed:
            plain[gene] = int((row[gene] + twin.integers(1, space.sizes[gene])) % space.sizes[gene])
        others = [other for other in rows.tolist() if other != row]
        ranks = [
            (sum(other[g] != plain[g] for g in changed), sum(other[g] != plain[g] for g in plain)) for other in others
        ]
        nearest = [other for other, rank in zip(others, ranks, strict=True) if rank == min(ranks)]
        assert list(child.genes) == nearest[int(twin.integers(len(nearest)))]
        changes_made.append(changes)
    assert set(changes_made) >= {1, 2, 3}


def test_mutants_are_near() -> None:
    space, rows = large()
    rng = seeds.stream(0, "test")
    archs = [space.sample(rng) for _ in range(200)]
    away = [np.not_equal(arch.genes, space.mutate(arch, rng).genes).sum() for arch in archs]
    chance = [np.not_equal(arch.genes, rows).sum(axis=1).mean() for arch in archs]
    assert np.mean(away) < 0.7 * np.mean(chance)


def test_alpha_stands_for_the_row_with_the_largest_sum() -> None:
    space, rows = large()
    assert len(space._groups) > 1
    rng = seeds.stream(0, "test")
    for _ in range(50):
        alpha = rng.integers(-3, 4, size=space.alpha_shape).astype(float)
        sums = [sum(alpha[gene, option] for gene, option in enumerate(row)) for row in rows.tolist()]
        assert space.discretise(alpha).genes == tuple(rows[int(np.argmax(sums))].tolist())
