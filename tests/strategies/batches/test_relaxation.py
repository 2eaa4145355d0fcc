from __future__ import annotations

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.domains import Choice, Integer, Real, Seed
from archloom.spaces.nb201 import Nb201
from archloom.spaces.space import Space
from archloom.strategies.batches.relaxation import Relaxation
from archloom.testing.domains import MixedSpace
from archloom.types import Arch
from archloom.utils import seeds

SPACE = Space(
    {
        "kind": ["a", "b", "c"],
        "rate": Real(0.0, 2.0),
        "depth": Integer(1, 4, when={"kind": ["a", "b"]}),
        "how": Choice(["x", "y"], when={"kind": "a"}),
        "fixed": ["only"],
        "seed": Seed(),
    }
)


def test_a_row_has_a_column_for_each_number_and_each_option() -> None:
    rows = Relaxation(SPACE).rows([Arch((0, 0.5, 2, 1, 0, 7)), Arch((2, 2.0, 4, 0, 0, 8))])
    #                              a  b  c  rate  depth  x  y
    assert rows.tolist() == [[1, 0, 0, 0.25, 0.375, 0, 1], [0, 0, 1, 1.0, 0.5, 0, 0]]


def test_a_point_has_a_place_for_each() -> None:
    points = Relaxation(SPACE).points([Arch((0, 0.5, 2, 1, 0, 7)), Arch((2, 2.0, 4, 0, 0, 8))])
    assert points.tolist() == [[1 / 6, 0.25, 0.375, 0.75], [5 / 6, 1.0, 0.5, 0.5]]


def test_points_and_rows_are_rounded() -> None:
    relaxation, rng = Relaxation(SPACE), seeds.stream(0, "test")
    assert relaxation.at_point(np.array([0.2, 0.5, 0.99, 1.0]), rng).genes[:5] == (0, 1.0, 4, 1, 0)
    assert relaxation.at_point(np.array([1.0, 0.0, 0.0, 0.0]), rng).genes[:2] == (2, 0.0)
    assert relaxation.at_row(np.array([0.2, 0.9, 0.1, 0.5, 0.0, 0.4, 0.4]), rng).genes[:3] == (1, 1.0, 1)


@pytest.mark.parametrize("space", [MixedSpace(), Nb201(), SPACE])
def test_what_a_model_sees_of_an_architecture_is_kept(space: Space) -> None:
    relaxation, rng = Relaxation(space), seeds.stream(1, "test")
    archs = [space.canonical(space.sample(rng)) for _ in range(20)]
    rows = relaxation.rows(archs)
    assert rows.shape == (20, relaxation.width)
    again = [relaxation.at_point(point, rng) for point in relaxation.points(archs)]
    assert np.allclose(relaxation.rows(again), rows)
    assert np.allclose(relaxation.rows([relaxation.at_row(row, rng) for row in rows]), rows)


def test_seeds_are_drawn() -> None:
    relaxation, rng = Relaxation(SPACE), seeds.stream(2, "test")
    assert len({relaxation.at_point(np.full(4, 0.5), rng).genes[-1] for _ in range(5)}) == 5


def test_architectures_that_models_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(InputError, match="no gene but seeds has alternatives; expected at least one number or choice"):
        Relaxation(Space({"seed": Seed(), "only": ["one"]}))
