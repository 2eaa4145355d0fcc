from __future__ import annotations

from typing import Any

import pytest

from archloom.utils import seeds

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets import nb201 as plain  # noqa: E402 - they need PyTorch
from archloom.nets.supernets import nb201  # noqa: E402
from archloom.nets.supernets.base import Sharing  # noqa: E402

NAMES = tuple(plain.OPERATIONS)
SIZES = {"channels": 2, "cells": 1, "classes": 5}


def images(count: int = 4, side: int = 8) -> Any:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def random_paths(count: int) -> list[Any]:
    numbers = seeds.stream(0, "test").choice(5**6, size=count, replace=False).tolist()
    return [tuple(NAMES[number // 5**edge % 5] for edge in range(6)) for number in numbers]


def small(seed: int = 0, affine: bool = False) -> nb201.Nb201Supernet:
    return nb201.Nb201Supernet(seed, Sharing(affine=affine), **SIZES)


@pytest.mark.parametrize("affine", [False, True])
def test_a_path_is_its_plain_network(alike: Any, affine: bool) -> None:
    alike(small(affine=affine), lambda path: plain.Nb201Network(path, 1, **SIZES), random_paths(50), images())


@pytest.mark.parametrize("affine", [False, True])
def test_what_is_off_the_path_rests(rests: Any, affine: bool) -> None:
    every = ("nor_conv_3x3", "nor_conv_1x1", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
    rests(small(affine=affine), every, every[::-1], images())


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    only_its_seed(lambda seed: small(seed=seed))


def test_all_at_once_is_the_sum_of_all_operations_on_all_edges() -> None:
    cell = nb201.SharedCell(3, Sharing()).eval()
    x = images(2)
    nodes: list[Any] = [x, 0, 0, 0]
    for (source, target), edge in zip(plain.EDGES, cell.edges, strict=True):
        nodes[target] = nodes[target] + sum(operation(nodes[source]) for operation in edge.values())
    assert torch.allclose(cell(x), nodes[3], rtol=1e-4, atol=1e-5)
    network = small()
    network.select(None)
    network(images()).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
