from __future__ import annotations

from typing import Any

import pytest

from archloom.utils import seeds

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets import nb101 as plain  # noqa: E402 - they need PyTorch
from archloom.nets.supernets import nb101  # noqa: E402
from archloom.nets.supernets.base import Sharing  # noqa: E402

NAMES = tuple(plain.OPERATIONS)
SIZES = {"channels": 7, "cells": 1, "stacks": 2, "classes": 5}


def images(count: int = 4, side: int = 8) -> Any:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def random_paths(count: int) -> list[Any]:
    """Matrices in which every vertex is on a whole path; of all numbers of vertices."""
    rng, found = seeds.stream(0, "test"), set()
    while len(found) < count:
        vertices = int(rng.integers(2, 8))
        upper = [[int(y > x and rng.random() < 0.6) for y in range(vertices)] for x in range(vertices)]
        path = tuple(map(tuple, upper)), tuple(NAMES[number] for number in rng.integers(3, size=vertices - 2))
        try:
            plain.Nb101Network(*path, 0, **SIZES)
        except ValueError:
            continue
        found.add(path)
    return sorted(found)


def small(seed: int = 0, affine: bool = False) -> nb101.Nb101Supernet:
    return nb101.Nb101Supernet(seed, Sharing(affine=affine), **SIZES)


@pytest.mark.parametrize("affine", [False, True])
def test_a_path_is_its_plain_network(alike: Any, affine: bool) -> None:
    paths = random_paths(50)
    assert {len(matrix) for matrix, _ in paths} == {2, 3, 4, 5, 6, 7}
    alike(small(affine=affine), lambda path: plain.Nb101Network(*path, 1, **SIZES), paths, images())


@pytest.mark.parametrize("affine", [False, True])
def test_what_is_off_the_path_rests(rests: Any, affine: bool) -> None:
    before, path = random_paths(50)[-2:]
    rests(small(affine=affine), before, path, images())


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    only_its_seed(lambda seed: small(seed=seed))
