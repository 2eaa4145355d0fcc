from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="the space needs the extra bench")

from archloom.errors import InputError
from archloom.spaces.base import is_valid
from archloom.spaces.coordinates import coordinates_of
from archloom.spaces.nb101.space import GENE_NAMES, Nb101
from archloom.types import Arch
from archloom.utils import seeds

NAN = float("nan")


def ones(*names: str) -> list[float]:
    """The 21 edges of a point."""
    return [float(name in names) for name in GENE_NAMES[:21]]


def test_edges_and_operations_are_categories() -> None:
    space = Nb101()
    seen = coordinates_of(space)
    assert seen.names == GENE_NAMES
    assert seen.categories.tolist() == 21 * [2] + 5 * [3]
    straight = space.parse("out(in)")
    assert seen.of(straight) == pytest.approx([*ones("0->6"), *5 * [NAN]], nan_ok=True)
    cell = "1=maxpool3x3(in) 2=conv1x1(in,1) out(1,2)"
    expected = [*ones("0->1", "0->2", "1->2", "1->6", "2->6"), 2, 1, NAN, NAN, NAN]
    assert seen.of(space.parse(cell)) == pytest.approx(expected, nan_ok=True)
    dangling = "1=conv3x3(in) 2=maxpool3x3(in) 3=conv1x1(in,2) out(2,3)"  # the same, vertex 1 leads nowhere
    assert seen.of(space.parse(dangling)) == pytest.approx(expected, nan_ok=True)
    apart = space.parse("1=conv3x3(in) out()")
    assert seen.of(apart) == pytest.approx([*ones("0->1"), 0, *4 * [NAN]], nan_ok=True), "it is not valid"
    with pytest.raises(InputError):
        seen.of(Arch((9,) * 26))


def test_a_point_is_its_cell_again() -> None:
    space, rng = Nb101(), seeds.stream(0, "points")
    seen = coordinates_of(space)
    for _ in range(100):
        arch = space.sample(rng)
        assert seen.arch(seen.of(arch), rng) == arch


def test_a_point_that_breaks_a_rule_is_not_valid() -> None:
    space, rng = Nb101(), seeds.stream(0, "points")
    seen = coordinates_of(space)
    nowhere, everywhere = seen.arch(np.zeros(26), rng), seen.arch(np.full(26, 9.0), rng)
    assert nowhere == Arch(26 * (0,)) and everywhere == Arch((*21 * (1,), *5 * (2,)))
    assert not is_valid(space, nowhere) and not is_valid(space, everywhere)
    drawn = [seen.arch(np.full(26, NAN), rng) for _ in range(50)]
    assert 20 < sum(is_valid(space, arch) for arch in drawn) < 50
    assert all(space.canonical(arch) == arch for arch in drawn if is_valid(space, arch))
