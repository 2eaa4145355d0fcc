from __future__ import annotations

from typing import Any

import pytest

from archloom.errors import InputError
from archloom.spaces.sizes import STEMS, Grid, NetworkSizes, SizedNetworks, grid_of

SIZES: dict[str, Any] = {
    "channels": 4,
    "cells": 3,
    "classes": 10,
    "image_channels": 1,
    "image_size": 28,
    "stem": "cifar",
}


def test_sides_are_rounded_up() -> None:
    assert Grid(28, 9).after(2) == Grid(14, 5)
    assert Grid(1, 2).after(2) == Grid(1, 1)
    assert Grid(28, 9).after(1).pixels == 252


def test_images_are_square_or_have_two_sides() -> None:
    assert grid_of(28) == Grid(28, 28)
    assert grid_of((28, 9)) == Grid(28, 9)


def test_the_convolutions_of_stems() -> None:
    assert list(STEMS["cifar"].convolutions(3, 16, Grid(32, 20))) == [(3, 16, Grid(32, 20))]
    assert list(STEMS["imagenet"].convolutions(1, 48, Grid(224, 30))) == [
        (1, 24, Grid(112, 15)),
        (24, 48, Grid(56, 8)),
        (48, 48, Grid(28, 4)),
    ]


def test_a_space_has_each_size_by_its_name() -> None:
    space = SizedNetworks()
    space.network_sizes = NetworkSizes(**SIZES)
    assert {name: getattr(space, name) for name in SIZES} == SIZES
    assert space.network_sizes.image == Grid(28, 28)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"channels": 0}, "channels=0: expected a whole number of at least 1"),
        ({"channels": 1, "stem": "imagenet"}, "channels=1: expected a whole number of at least 2"),
        ({"channels": 4, "least_channels": 5}, "channels=4: expected a whole number of at least 5"),
        ({"cells": True}, "cells=True: expected a whole number of at least 1"),
        ({"classes": 1}, "classes=1: expected a whole number of at least 2"),
        ({"image_channels": 1.5}, "image_channels=1.5: expected a whole number of at least 1"),
        ({"image_size": 0}, "image_size=0: expected a whole number of pixels of at least 1, or two: height and width"),
        ({"image_size": (28,)}, "image_size=(28,): expected a whole number of pixels"),
        ({"image_size": (28, 0)}, "image_size=(28, 0): expected"),
        ({"image_size": "28"}, "image_size=28: expected"),
        ({"image_size": 28.0}, "image_size=28.0: expected"),
        ({"image_size": None}, "image_size=None: expected"),
        ({"stem": "imagnet"}, "unknown stem 'imagnet'; did you mean 'imagenet'"),
    ],
)
def test_sizes_that_make_no_network(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        NetworkSizes(**{**SIZES, **change})
    assert says in str(caught.value)
