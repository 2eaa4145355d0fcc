"""Among which architectures the next one is chosen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from archloom.spaces.base import Categorical
from archloom.spaces.features import FeatureLayout
from archloom.strategies.graph_bo.candidates import FAR, MOST_NEIGHBOURS, MUTANTS, POOL, Candidates, climb
from archloom.testing import PlantedSpace, SmallSpace, SparseSpace, planted_worth
from archloom.testing.domains import MixedSpace
from archloom.types import Arch

OPTIMUM = Arch((1,) * 8)
WORST = Arch((0,) * 8)


@pytest.fixture(scope="module")
def planted() -> Candidates:
    return Candidates(PlantedSpace(), 0)


class Counting:
    """A score by architectures, which notes what it was asked."""

    def __init__(self, candidates: Candidates, of: Any = planted_worth) -> None:
        self.candidates, self.of = candidates, of
        self.batches: list[list[int]] = []

    def __call__(self, numbers: Any) -> Any:
        self.batches.append(numbers.tolist())
        return np.array([float(self.of(self.candidates.arch(number))) for number in numbers.tolist()])

    @property
    def asked(self) -> list[int]:
        return [number for batch in self.batches for number in batch]


def everything(number: int) -> bool:
    return True


class TestNumbers:
    def test_an_architecture_keeps_its_number(self, planted: Candidates) -> None:
        first = planted.numbers([OPTIMUM, WORST, OPTIMUM])
        assert first[0] == first[2] != first[1]
        assert planted.numbers([WORST, OPTIMUM]).tolist() == [first[1], first[0]]
        assert planted.arch(int(first[0])) == OPTIMUM
        assert planted.key(int(first[0])) == planted.space.key(OPTIMUM)
        assert planted.numbers([]).shape == (0,)

    def test_the_pool_follows_from_the_seed(self, planted: Candidates) -> None:
        same, other = Candidates(PlantedSpace(), 0), Candidates(PlantedSpace(), 1)
        pools = [[each.arch(number) for number in each.pool.tolist()] for each in (planted, same, other)]
        assert len(pools[0]) == POOL
        assert pools[0] == pools[1] != pools[2]

    def test_some_of_the_pool(self, planted: Candidates) -> None:
        found = planted.some(50, np.random.default_rng(0))
        assert found.shape == (50,) and set(found.tolist()) <= set(planted.pool.tolist())
        assert np.array_equal(found, planted.some(50, np.random.default_rng(0)))
        assert planted.some(0, np.random.default_rng(0)).shape == (0,)

    def test_of_a_sparse_space_the_pool_is_all(self) -> None:
        space = SparseSpace()
        candidates = Candidates(space, 0)
        assert len(candidates.pool) == len(set(candidates.pool.tolist())) == space.size
        assert np.array_equal(candidates.some(3, np.random.default_rng(0)), candidates.pool)
        assert all(candidates.valid(number) for number in candidates.pool.tolist())
        assert not all(candidates.valid(int(number)) for number in candidates.numbers([OPTIMUM, WORST]))


class TestRows:
    def test_they_are_the_spaces_features_standardised_by_the_pool(self) -> None:
        space = MixedSpace()
        candidates = Candidates(space, 0)
        rng = np.random.default_rng(1)
        archs = [space.sample(rng) for _ in range(20)]
        codes, stats = candidates.rows(candidates.numbers(archs))
        expected, raw = space.features(archs)
        assert np.array_equal(codes, expected)
        pool = space.features([candidates.arch(number) for number in candidates.pool.tolist()])[1]
        assert stats == pytest.approx((raw - pool.mean(axis=0)) / pool.std(axis=0), rel=1e-9, abs=1e-9)
        _, whole = candidates.rows(candidates.pool)
        assert whole.mean(axis=0) == pytest.approx(np.zeros(whole.shape[1]), abs=1e-12)
        assert whole.std(axis=0) == pytest.approx(np.ones(whole.shape[1]))

    def test_they_are_the_same_bits_however_they_are_asked_for(self, planted: Candidates) -> None:
        numbers = planted.numbers(planted.space.neighbours(OPTIMUM))  # type: ignore[attr-defined]
        whole = planted.rows(numbers)
        for i, number in enumerate(numbers):
            one = planted.rows(np.array([number]))
            assert np.array_equal(one[0][0], whole[0][i]) and np.array_equal(one[1][0], whole[1][i])

    def test_of_none(self, planted: Candidates) -> None:
        codes, stats = planted.rows(planted.numbers([]))
        assert codes.shape == (0, 32) and stats.shape == (0, len(planted.telling))

    def test_statistics_that_hardly_differ_are_omitted_and_far_ones_kept_near(self) -> None:
        """The second is constant, the third constant up to rounding; the fourth is 0 for all but 1 in 65,536."""

        class Odd(PlantedSpace):
            feature_layout = FeatureLayout(("gene",), (1,), ("first", "constant", "almost", "rare"))

            def features(self, archs: Sequence[Arch]) -> Any:
                genes = np.array([arch.genes for arch in archs], dtype=np.float64).reshape(-1, 8)
                first = genes[:, 0]
                rare = 1e9 * (genes == 1).all(axis=1) + 1e-3 * genes[:, 1]
                stats = np.stack([first, np.full(len(genes), 7.0), 1e8 + 1e-7 * first, rare], axis=1)
                return np.zeros((len(genes), 1)), stats

        candidates = Candidates(Odd(), 0)
        assert candidates.telling.tolist() == [0, 3]
        _, stats = candidates.rows(candidates.numbers([OPTIMUM, WORST]))
        assert stats[0, 1] == FAR == 100.0
        assert np.abs(stats[1]).max() < 3.0


class TestNeighbours:
    def test_they_are_the_spaces(self, planted: Candidates) -> None:
        number = int(planted.numbers([WORST])[0])
        found = [planted.arch(near) for near in planted.neighbours(number).tolist()]
        assert found == list(PlantedSpace().neighbours(WORST))

    def test_of_a_space_with_many_some_are_drawn_the_same_whenever_they_are_asked_for(self) -> None:
        space = Categorical({f"gene{i}": [str(option) for option in range(60)] for i in range(6)})
        arch, near = Arch((3,) * 6), space.neighbours(Arch((3,) * 6))
        assert len(near) == 354
        one, again, other = Candidates(space, 0), Candidates(space, 0), Candidates(space, 1)
        again.neighbours(int(again.numbers([Arch((4,) * 6)])[0]))
        found = [[c.arch(n) for n in c.neighbours(int(c.numbers([arch])[0])).tolist()] for c in (one, again, other)]
        assert len(set(found[0])) == MOST_NEIGHBOURS and set(found[0]) <= set(near)
        assert found[0] == found[1] != found[2]
        other_arch = Arch((4,) * 6)
        moved = [one.arch(n) for n in one.neighbours(int(one.numbers([other_arch])[0])).tolist()]
        places = [set(map(near.index, found[0])), set(map(space.neighbours(other_arch).index, moved))]
        assert places[0] != places[1]  # each architecture has draws of its own

    def test_of_a_space_without_any_they_are_mutants(self) -> None:
        class NoNeighbours:
            """The planted space without what it need not have."""

            def __init__(self) -> None:
                self._space = PlantedSpace()

            def __getattr__(self, name: str) -> Any:
                if name in ("neighbours", "_space"):
                    raise AttributeError(name)
                return getattr(self._space, name)

        space: Any = NoNeighbours()
        one, again = Candidates(space, 0), Candidates(space, 0)
        found = [[c.arch(n) for n in c.neighbours(int(c.numbers([WORST])[0])).tolist()] for c in (one, again)]
        assert len(found[0]) == MUTANTS
        assert found[0] == found[1]
        assert all(sum(map(int.__ne__, arch.genes, WORST.genes)) > 0 for arch in found[0])


def test_what_is_remembered_is_trimmed() -> None:
    """All 65,536 are more than are remembered; afterwards numbers are new, and what they stand for the same."""
    candidates = Candidates(PlantedSpace(), 0)
    pool = [candidates.arch(number) for number in candidates.pool.tolist()]
    near = [candidates.arch(n) for n in candidates.neighbours(int(candidates.numbers([WORST])[0])).tolist()]
    rows = candidates.rows(candidates.numbers(near))
    candidates.numbers(map(Arch, itertools.product(range(4), repeat=8)))
    candidates.trim()
    assert [candidates.arch(number) for number in candidates.pool.tolist()] == pool
    assert [candidates.arch(n) for n in candidates.neighbours(int(candidates.numbers([WORST])[0])).tolist()] == near
    assert all(map(np.array_equal, candidates.rows(candidates.numbers(near)), rows))


class TestClimb:
    def test_it_finds_the_best_from_the_worst(self, planted: Candidates) -> None:
        score = Counting(planted)
        found = climb(planted, planted.numbers([WORST]), score, everything, 20)
        assert found is not None and planted.arch(found) == OPTIMUM
        assert len(score.asked) == len(set(score.asked)) < 3000

    def test_without_rounds_it_is_the_best_of_the_start(self, planted: Candidates) -> None:
        start = planted.numbers([WORST, Arch((1, 1, *[0] * 6)), Arch((1, *[0] * 7))])
        score = Counting(planted)
        assert climb(planted, start, score, everything, 0) == start[1]
        assert score.asked == start.tolist()

    def test_rounds_are_steps(self, planted: Candidates) -> None:
        for rounds in (1, 3):
            found = climb(planted, planted.numbers([WORST]), Counting(planted), everything, rounds)
            assert found is not None and planted.arch(found).genes.count(1) == rounds

    def test_it_may_lead_through_what_is_open_to_the_best_that_is(self, planted: Candidates) -> None:
        optimum = int(planted.numbers([OPTIMUM])[0])
        found = climb(planted, planted.numbers([WORST]), Counting(planted), lambda number: number != optimum, 20)
        assert found is not None and planted.arch(found).genes.count(1) == 7

    def test_none_if_none_is_open(self, planted: Candidates) -> None:
        assert climb(planted, planted.numbers([WORST]), Counting(planted), lambda number: False, 20) is None
        assert climb(planted, planted.numbers([]), Counting(planted), everything, 20) is None

    def test_of_equals_the_first(self, planted: Candidates) -> None:
        start = planted.numbers([OPTIMUM, WORST, OPTIMUM])
        score = Counting(planted, lambda arch: 0.0)
        assert climb(planted, start, score, everything, 0) == start[0]
        assert score.asked == start[:2].tolist()

    def test_it_ends_when_all_is_known(self) -> None:
        candidates = Candidates(SmallSpace(), 0)
        score = Counting(candidates, lambda arch: -sum(arch.genes))
        found = climb(candidates, candidates.numbers([Arch((2, 2))]), score, everything, 1000)
        assert found is not None and candidates.arch(found).genes == (0, 0)
        assert len(score.asked) == 9

    def test_it_does_not_depend_on_numbers(self) -> None:
        """A resumed run has other ones, but looks at the same architectures in the same order, batch for batch."""
        seen = []
        for before in ([], [OPTIMUM, Arch((2,) * 8), Arch((1, 1, *[3] * 6))]):
            candidates = Candidates(PlantedSpace(), 0)
            candidates.numbers(before)
            score = Counting(candidates, lambda arch: planted_worth(arch) // 30)
            climb(candidates, candidates.numbers([WORST]), score, everything, 6)
            seen.append([[candidates.arch(number) for number in batch] for batch in score.batches])
        assert seen[0] == seen[1]
