from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from archloom.registry import SPACES
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
    assert known == TableSpace(UNEVEN).encoding == "one-hot-1e7c2cae3b8f6044"
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


# -- an agent sees the same in a search as in its training ---------------------------------------------------------


def check_seen(env: Any, space: Any, most: int) -> tuple[list[set[bytes]], list[set[bytes]]]:
    """The encodings are those of the environment. The neighbours' encodings, there and in the space."""
    assert (env.encoding, env.bits, env.space) == (space.encoding, space.encoding_bits, space.name)
    slots, rng = np.arange(40), np.random.default_rng(0)
    env.place(slots, rng)
    seen = np.zeros((40, most + 1, env.bits), dtype=np.uint8)
    counts = env.show(seen, rng)
    genes = env.genes(env.states(slots))
    assert (space.encode(genes) == seen[:, 0]).all()
    drawn = space.show_neighbours(genes, most, rng)
    assert (drawn.counts == counts).all()
    there = [set(map(bytes, near[1 : count + 1])) for near, count in zip(seen, counts.tolist(), strict=True)]
    shown = [
        set(map(bytes, space.encode(near[:count]))) for near, count in zip(drawn.genes, counts.tolist(), strict=True)
    ]
    assert [len(near) for near in there] == [len(near) for near in shown] == counts.tolist()
    return there, shown


def test_nb201_as_in_the_environment() -> None:
    pytest.importorskip("gymnasium", reason="environments need the extra envs")
    pytest.importorskip("numba", reason="terrains need the extra bench")
    from archloom.envs.nb201 import graph_of
    from archloom.envs.terrain import Terrain

    space = Nb201()
    there, shown = check_seen(Terrain(graph_of(space), np.zeros(15_625), 40, 50), space, 50)
    assert there == shown


def test_nb101_as_in_the_environment(cell_index: Any) -> None:
    pytest.importorskip("gymnasium", reason="environments need the extra envs")
    from archloom.envs.nb101 import graph_of
    from archloom.envs.terrain import Terrain
    from archloom.spaces.nb101 import Nb101

    graph = graph_of(cell_index)
    there, shown = check_seen(Terrain(graph, np.zeros(len(graph)), 40, 100), Nb101(), 100)
    assert there == shown
    check_seen(Terrain(graph, np.zeros(len(graph)), 40, 10), Nb101(), 10)


def test_darts_as_in_the_environment(nb301_file: Any) -> None:
    """All 3,600 pairs of neighbours of both cells are shown if there is room."""
    pytest.importorskip("gymnasium", reason="environments need the extra envs")
    pytest.importorskip("numba", reason="DARTS cells need the extra bench")
    from archloom.envs import open_neighbourhood
    from archloom.spaces.darts import Darts

    there, shown = check_seen(open_neighbourhood("nb301", 40, 3_600, nb301_file), Darts(), 3_600)
    assert there == shown
    check_seen(open_neighbourhood("nb301", 40, 50, nb301_file), Darts(), 50)


def test_isomorphic_matrices_have_the_same_bits() -> None:
    """A table may store any of them; an agent was trained on the published ones."""
    pytest.importorskip("numba", reason="NAS-Bench-101 cells need the extra bench")
    from archloom.spaces.nb101 import Nb101

    space = Nb101()
    one, other = (
        space.parse(text)
        for text in ("1=conv3x3(in) 2=maxpool3x3(in) out(1,2)", "1=maxpool3x3(in) 2=conv3x3(in) out(1,2)")
    )
    assert one != other
    assert (space.encode(np.array([one.genes])) == space.encode(np.array([other.genes]))).all()


@pytest.mark.parametrize("name", ["nb101", "darts"])
def test_a_space_with_rules_or_neighbours_of_its_own_shows_those(name: str) -> None:
    pytest.importorskip("numba", reason="compiled spaces need the extra bench")
    kind: Any = SPACES.load(name)

    class Fewer(kind):  # type: ignore[misc]
        def neighbours(self, arch: Arch) -> Sequence[Arch]:
            return list(super().neighbours(arch))[:3]

    class Stricter(kind):  # type: ignore[misc]
        def violations(self, arch: Arch) -> Mapping[str, float]:
            return {**super().violations(arch), "even": float(sum(arch.genes) % 2)}

    rng = np.random.default_rng(0)
    fewer, stricter = Fewer(), Stricter()
    archs = [kind().sample(rng) for _ in range(5)]
    genes = np.array([arch.genes for arch in archs])
    shown = fewer.show_neighbours(genes, 50, rng)
    for arch, near, count in zip(archs, shown.genes, shown.counts.tolist(), strict=True):
        assert sorted(map(tuple, near[:count].tolist())) == sorted(a.genes for a in fewer.neighbours(arch))
    shown = stricter.show_neighbours(genes, 50, rng)
    assert shown.counts.sum() > 0
    for near, count in zip(shown.genes, shown.counts.tolist(), strict=True):
        assert not (near[:count].sum(axis=1) % 2).any()
