from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="DARTS cells need the extra bench")

from archloom.errors import InputError
from archloom.spaces.coordinates import coordinates_of
from archloom.spaces.darts import Darts
from archloom.types import Arch
from archloom.utils import seeds

CELL = (0, 3, 1, 4, 2, 0, 0, 1, 1, 6, 3, 5, 4, 2, 0, 2)
"""Sources 0 and 1, 2 and 0, 1 and 3, 4 and 0."""


def test_sources_and_operations_are_categories() -> None:
    seen = coordinates_of(Darts())
    assert seen.names[:6] == ("normal 2 a", "normal 2 b", "normal 3 from", "normal 3 a", "normal 3 b", "normal 4 from")
    assert seen.names[11] == "reduce 2 a"
    assert seen.categories.tolist() == 2 * [7, 7, 3, 7, 7, 6, 7, 7, 10, 7, 7]
    # (0, 2) is the second of 01, 02, 12; (1, 3) the fifth of 01, 02, 03, 12, 13, 23; (0, 4) the fourth of 01, 02, ...
    assert seen.of(Arch(CELL + CELL)).tolist() == 2 * [3, 4, 1, 1, 0, 4, 6, 5, 3, 2, 2]
    with pytest.raises(InputError):
        seen.of(Arch((9, *CELL[1:], *CELL)))


def test_a_point_is_its_architecture_again() -> None:
    space, rng = Darts(), seeds.stream(0, "points")
    seen = coordinates_of(space)
    for _ in range(50):
        arch = space.sample(rng)
        assert seen.arch(seen.of(arch), rng) == arch
        drawn = seen.arch(np.full(22, np.nan), rng)
        assert not any(space.violations(drawn).values()) and space.canonical(drawn) == drawn
