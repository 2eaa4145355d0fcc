from __future__ import annotations

import math

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.spaces.domains import Choice, Integer, Real, Seed
from archloom.spaces.features import FeatureLayout, HasFeatures
from archloom.spaces.nb201 import Nb201
from archloom.spaces.space import Space
from archloom.types import Arch

HALF = math.sqrt(0.5)


def mixed() -> Space:
    return Space(
        {
            "optimiser": ["sgd", "adam"],
            "lr": Real(1e-4, 1.0, log=True),
            "momentum": Real(0.0, 1.0, when={"optimiser": "sgd"}),
            "warmup": Choice(["none", "short", "long"], when={"optimiser": "adam"}),
            "size": Choice(["s", "m", "l", "xl"], ordered=True),
            "only": ["one"],
            "layers": Integer(1, 2),
            "seed": Seed(),
        }
    )


def test_each_domain_gives_its_columns() -> None:
    space = mixed()
    assert isinstance(space, HasFeatures)
    assert space.feature_layout == FeatureLayout(
        ("optimiser", "lr", "momentum", "warmup", "size", "layers"),
        (2, 1, 2, 3, 1, 1),
        ("lr: number", "momentum: number"),
    )
    archs = [
        space.parse("optimiser=sgd, lr=0.01, momentum=0.25, size=m, only=one, layers=2, seed=9"),
        space.parse("optimiser=adam, lr=1.0, warmup=long, size=xl, only=one, layers=1, seed=4"),
    ]
    codes, stats = space.features(archs)
    assert codes == pytest.approx(
        np.array(
            [
                [HALF, 0, 0.5, 0.25, HALF, 0, 0, 0, 0.375, 0.75],
                [0, HALF, 1.0, 0, 0, 0, 0, HALF, 0.875, 0.25],
            ]
        )
    )
    assert stats == pytest.approx(np.array([[0.5, 0.25], [1.0, 0.5]]))


def test_two_options_are_one_apart_and_an_option_and_none_a_half() -> None:
    space = Space({"a": ["x", "y", "z"], "b": Choice([1, 2], when={"a": "x"})})
    codes, _ = space.features([space.parse("a=x, b=1"), space.parse("a=x, b=2"), space.parse("a=y")])
    distances = ((codes[:, None] - codes[None]) ** 2).sum(axis=2)
    assert distances == pytest.approx(np.array([[0, 1, 1.5], [1, 0, 1.5], [1.5, 1.5, 0]]))


def test_a_space_without_columns_has_empty_ones() -> None:
    codes, stats = Space({"seed": Seed()}).features([Arch((3,)), Arch((4,))])
    assert codes.shape == stats.shape == (2, 0)


def test_shared_options_are_counted_and_numbers_told() -> None:
    """Of two options one count says it all; widths are on the scale on which they are evenly spaced."""
    space = Categorical(
        {
            "op1": ["conv", "pool", "id"],
            "op2": ["conv", "pool", "id"],
            "op3": ["conv", "pool", "id"],
            "se1": [False, True],
            "se2": [False, True],
            "kernel": [3, 5, 7],
            "width": ["16", "32", "64", "128"],
            "stride": [1, 2],
            "other": [3, "x", None],
        }
    )
    layout = space.feature_layout
    assert layout.stats == (
        "conv: count in op1 to op3",
        "pool: count in op1 to op3",
        "id: count in op1 to op3",
        "True: count in se1 to se2",
        "kernel: number",
        "width: number",
    )
    _, stats = space.features([Arch((0, 0, 2, 1, 1, 1, 3, 0, 0)), Arch((1, 2, 0, 0, 1, 2, 0, 1, 2))])
    assert stats.tolist() == [[2, 0, 1, 2, 5, 7], [1, 1, 1, 1, 7, 4]]


def test_genes_that_do_not_count_are_not_counted_and_have_the_mean_of_the_numbers() -> None:
    depth = {"depth": [1, 2]}
    second = {"depth": 2}
    space = Space(
        depth
        | {
            "op1": ["conv", "pool"],
            "op2": Choice(["conv", "pool"], when=second),
            "kernel": Choice([1, 3, 5], when=second),
        }
    )
    assert space.feature_layout.stats == ("conv: count in op1 to op2", "pool: count in op1 to op2", "kernel: number")
    _, stats = space.features([space.parse("depth=1, op1=pool"), space.parse("depth=2, op1=conv, op2=pool, kernel=5")])
    assert stats.tolist() == [[0, 1, 3], [1, 1, 5]]


def test_evenly_spaced_numbers_stay_as_they_are() -> None:
    space = Categorical({"layers": [4, 2, 1, 3], "expansion": [1, 4, 6], "rate": [0, 1, 10]})
    _, stats = space.features([Arch((0, 1, 2))])
    assert stats.tolist() == [[4, 4, 10]]


class Sorted(Categorical):
    """A user's space whose two choices have no order."""

    def __init__(self) -> None:
        super().__init__({"left": ["a", "b", "c"], "right": ["a", "b", "c"]})

    def canonical(self, arch: Arch) -> Arch:
        return Arch(tuple(sorted(arch.genes)))


def test_architectures_of_one_key_have_the_same_features() -> None:
    space = Sorted()
    codes, stats = space.features([Arch((2, 1)), Arch((1, 2))])
    assert codes[0].tolist() == codes[1].tolist()
    assert stats[0].tolist() == stats[1].tolist() == [0, 1, 1]
    merged = Nb201(canonical=True)
    archs = [Arch((0, 1, 0, 2, 0, 0)), Arch((0, 0, 0, 2, 1, 0))]
    assert merged.key(archs[0]) == merged.key(archs[1])
    for part in merged.features(archs):
        assert part[0].tolist() == part[1].tolist()


def test_genes_that_are_no_options_are_refused_by_name() -> None:
    space = Nb201()
    with pytest.raises(InputError, match="gene 1->2 is 5"):
        space.features([Arch((0,) * 6), Arch((0, 0, 5, 0, 0, 0))])
    with pytest.raises(InputError, match="5 genes: expected 6"):
        space.features([Arch((0,) * 6), Arch((0,) * 5)])
    with pytest.raises(InputError, match="5 genes: expected 6"):
        space.features([Arch((0,) * 5)])
    with pytest.raises(InputError, match=r"gene 0->1 is 0\.5"):
        space.features([Arch((0.5, 0, 0, 0, 0, 0))])


def test_no_architectures_have_no_rows() -> None:
    for space in (Nb201(), mixed()):
        codes, stats = space.features([])
        assert codes.shape == (0, sum(space.feature_layout.widths))
        assert stats.shape == (0, len(space.feature_layout.stats))
