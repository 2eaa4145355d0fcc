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


def test_a_path_is_selected_before_it_runs() -> None:
    network = small()
    with pytest.raises(ValueError, match="no path is selected"):
        network(images())
    with pytest.raises(ValueError, match="select a path"):
        network.select(None)


def test_weights_are_cut_to_the_first_channels() -> None:
    """Of a 7-channel cell whose output joins two vertices the first one has 4 channels, the second 3."""
    matrix = ((0, 1, 1, 0), (0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0))
    network = small()
    path = matrix, ("conv3x3", "conv1x1")
    state = network.standalone(path)
    assert state["body.0.vertices.1.0.weight"].shape == (4, 4, 3, 3)
    assert state["body.0.vertices.2.0.weight"].shape == (3, 3, 1, 1)
    assert state["body.0.projections.2.0.weight"].shape == (3, 7, 1, 1)
    own = network.get_parameter("body.0.vertices.0.conv3x3.layer.0.weight")
    assert own.shape == (7, 7, 3, 3)
    assert torch.equal(state["body.0.vertices.1.0.weight"], own[:4, :4])
    network.select(path)
    network(images()).square().sum().backward()
    assert own.grad[:4, :4].abs().sum() > 0
    assert own.grad[4:].abs().sum() == own.grad[:, 4:].abs().sum() == 0


def test_statistics_of_the_channels_that_are_cut_off_rest() -> None:
    matrix = ((0, 1, 1, 0), (0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0))
    network = small().train()
    network.select((matrix, ("conv3x3", "conv1x1")))
    network(images())
    norm = network.get_submodule("body.0.vertices.0.conv3x3.layer.1")
    assert (norm.running_mean != 0).tolist() == [True] * 4 + [False] * 3
    assert int(norm.num_batches_tracked) == 1


def test_cells_that_do_not_fit_are_refused() -> None:
    joining = ((0, 1, 1, 0), (0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0))
    with pytest.raises(ValueError, match="1 channels for 2 vertices"):
        nb101.Nb101Supernet(0, Sharing(), 1).select((joining, ("conv1x1", "conv1x1")))
    chain = tuple(tuple(int(y == x + 1) for y in range(8)) for x in range(8))
    with pytest.raises(ValueError, match="cell of 8 vertices"):
        small().select((chain, ("conv1x1",) * 6))
