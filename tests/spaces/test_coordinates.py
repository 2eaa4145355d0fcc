from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.base import Categorical, is_valid, sample_valid
from archloom.spaces.convnet import ConvNet
from archloom.spaces.coordinates import coordinates_of
from archloom.spaces.domains import Choice, Integer, Real, Seed
from archloom.spaces.nb201 import Nb201
from archloom.spaces.space import Space
from archloom.testing import RuledSpace, SparseSpace
from archloom.types import Arch
from archloom.utils import seeds

MIXED = Space(
    {
        "optimiser": ["sgd", "adam", "lamb"],
        "lr": Real(1e-4, 1e-2, log=True),
        "only": ["one"],
        "momentum": Real(0.0, 1.0, when={"optimiser": "sgd"}),
        "layers": Integer(1, 4),
        "fixed": Integer(3, 3),
        "size": Choice(["s", "m", "l"], ordered=True),
        "graph_seed": Seed(),
        "warmup": Choice([0, 5], when={"optimiser": ["adam", "lamb"]}),
    }
)


class Foreign:
    """What every space has, and `names` of another space."""

    name = "foreign"

    def __init__(self, behind: Any, *names: str) -> None:
        for name in ("sample", "mutate", "violations", "canonical", "key", "format", "parse", *names):
            setattr(self, name, getattr(behind, name))


def test_numbers_are_places_and_categories_codes() -> None:
    seen = coordinates_of(MIXED)
    assert seen.names == ("optimiser", "lr", "momentum", "layers", "size", "warmup")
    assert seen.categories.tolist() == [3, 0, 0, 0, 0, 2]
    nan = float("nan")
    sgd = MIXED.parse("optimiser=sgd, lr=0.001, only=one, momentum=0.25, layers=3, fixed=3, size=m, graph_seed=7")
    assert seen.of(sgd) == pytest.approx([0, 0.5, 0.25, 0.625, 0.5, nan], nan_ok=True)
    lamb = MIXED.parse("optimiser=lamb, lr=0.01, only=one, layers=1, fixed=3, size=l, graph_seed=7, warmup=5")
    assert seen.of(lamb) == pytest.approx([2, 1.0, nan, 0.125, 5 / 6, 1], nan_ok=True)
    assert seen.matrix([sgd, lamb]).shape == (2, 6)
    with pytest.raises(InputError):
        seen.of(Arch((7, *sgd.genes[1:])))


@pytest.mark.parametrize(
    "space", [MIXED, ConvNet(), Nb201(), SparseSpace(), Foreign(MIXED, "unit_size", "to_unit", "from_unit")]
)
def test_a_point_is_its_architecture_again(space: Any) -> None:
    seen, rng = coordinates_of(space), seeds.stream(0, "points")
    for _ in range(50):
        arch = space.canonical(sample_valid(space, rng))
        again = seen.arch(seen.of(arch), rng)
        assert seen.of(again) == pytest.approx(seen.of(arch), nan_ok=True)
        if space is MIXED:  # all but the seed, which is drawn
            arch = Arch((*arch.genes[:7], again.genes[7], arch.genes[8]))
        assert again == arch


def test_seeds_are_drawn_again_and_nothing_else() -> None:
    seen, rng = coordinates_of(MIXED), seeds.stream(1, "points")
    arch = MIXED.sample(rng)
    found = [seen.arch(seen.of(arch), rng), *(seen.reseeded(arch, rng) for _ in range(3))]
    assert len({other.genes[7] for other in [arch, *found]}) == 5
    assert {other.genes[:7] + other.genes[8:] for other in [arch, *found]} == {arch.genes[:7] + arch.genes[8:]}
    plain = Categorical({"a": ["x", "y", "z"], "b": ["x", "y"]})
    assert coordinates_of(plain).reseeded(Arch((2, 1)), rng) == Arch((2, 1))


def test_a_gene_that_begins_to_count_is_drawn() -> None:
    seen = coordinates_of(MIXED)
    drawn = {seen.arch(np.array([0, 0.5, np.nan, 0.1, 0.1, np.nan]), seeds.stream(n, "")).genes[3] for n in range(9)}
    assert len(drawn) == 9
    ends = seen.arch(np.array([9.0, 1.7, 0.0, -3.0, 1.0, 0.6]), seeds.stream(0, ""))
    assert MIXED.format(ends).startswith("optimiser=lamb, lr=0.01, only=one, layers=1, fixed=3, size=l")
    assert MIXED.format(ends).endswith("warmup=5")


def test_points_of_a_sample_are_rows() -> None:
    space, rng = SparseSpace(), seeds.stream(2, "points")
    seen = coordinates_of(space)
    assert all(is_valid(space, seen.arch(rng.integers(4, size=8).astype(float), rng)) for _ in range(20))
    ruled = coordinates_of(RuledSpace())
    assert ruled.arch(np.zeros(8), rng) == Arch((0,) * 8), "it is not valid, and there is no nearest one"


def test_rows_of_alpha_are_categories() -> None:
    behind = Categorical({"a": ["x", "y", "z"], "b": ["only"], "c": ["x", "y"]})
    seen, rng = coordinates_of(Foreign(behind, "alpha_shape", "discretise", "one_hot", "sizes")), seeds.stream(3, "")
    assert seen.names == ("alpha 0", "alpha 2")
    assert seen.categories.tolist() == [3, 2]
    assert seen.of(Arch((2, 0, 1))).tolist() == [2, 1]
    assert seen.arch(np.array([2.0, 1.0]), rng) == Arch((2, 0, 1))
    drawn = {seen.arch(np.array([np.nan, 0.0]), rng).genes for _ in range(40)}
    assert drawn == {(0, 0, 0), (1, 0, 0), (2, 0, 0)}


def test_a_space_without_points_is_refused() -> None:
    with pytest.raises(InputError, match="space 'foreign' does not show its architectures as points: expected a sub"):
        coordinates_of(Foreign(MIXED))
