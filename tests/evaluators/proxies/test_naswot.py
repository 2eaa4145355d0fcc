from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="proxies need the extra train")

from torch import Tensor, nn  # noqa: E402

from archloom.evaluators.proxies.candidate import Batch, Candidate  # noqa: E402
from archloom.evaluators.proxies.naswot import Naswot  # noqa: E402

FIRST, SECOND = (1.0, -1.0, 2.0), (1.0, 1.0, -3.0)  # codes 101 and 110


def shown(network: nn.Module, *images: tuple[float, ...]) -> Candidate:
    batch = torch.tensor(images).reshape(len(images), 1, 1, -1)
    return Candidate(network, (1, 1, len(images[0])), Batch(batch, torch.zeros(len(images), dtype=torch.int64)))


def test_two_images_by_hand() -> None:
    """They agree in one unit of three: K = [[3, 1], [1, 3]], whose determinant is 8."""
    candidate = shown(nn.Sequential(nn.Flatten(), nn.ReLU()), FIRST, SECOND)
    assert candidate.agreement.tolist() == [[3, 1], [1, 3]]
    assert math.isclose(Naswot().score(candidate), math.log(8), rel_tol=1e-12)


def test_units_of_all_layers_count() -> None:
    """After the first layer both have no negative value: zero is not active."""
    candidate = shown(nn.Sequential(nn.Flatten(), nn.ReLU(), nn.ReLU(inplace=True)), FIRST, SECOND)
    assert candidate.agreement.tolist() == [[6, 2], [2, 6]]
    assert math.isclose(Naswot().score(candidate), math.log(32), rel_tol=1e-12)


def test_the_hamming_kernel_of_many() -> None:
    rng = np.random.default_rng(0)
    images = rng.standard_normal((5, 40)).astype(np.float32)
    codes = images > 0
    kernel = np.array([[(a == b).sum() for b in codes] for a in codes])
    candidate = shown(nn.Sequential(nn.Flatten(), nn.ReLU()), *map(tuple, images.tolist()))
    assert candidate.agreement.tolist() == kernel.tolist()
    assert math.isclose(Naswot().score(candidate), np.linalg.slogdet(kernel)[1], rel_tol=1e-9)


@pytest.mark.parametrize("dead", [nn.ReLU(), nn.ReLU6(), nn.LeakyReLU()])
def test_images_that_look_the_same_make_it_singular(dead: nn.Module) -> None:
    with pytest.raises(
        ArithmeticError, match=r"^naswot's kernel is singular: the network cannot tell the images apart"
    ):
        Naswot().score(shown(nn.Sequential(nn.Flatten(), dead), FIRST, FIRST))


def test_codes_that_depend_on_each_other_are_singular_too() -> None:
    """00, 01, 10 and 11: all differ, and yet K has the eigenvalue 0."""
    corners = ((-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0))
    with pytest.raises(ArithmeticError, match="singular"):
        Naswot().score(shown(nn.Sequential(nn.Flatten(), nn.ReLU()), *corners))


def test_a_network_without_rectified_units_has_none() -> None:
    with pytest.raises(ArithmeticError, match=r"^the network has no rectified unit"):
        Naswot().score(shown(nn.Sequential(nn.Flatten(), nn.Tanh()), FIRST, SECOND))


def test_normalisation_is_over_the_batch() -> None:
    """In evaluation mode both images would be active everywhere."""

    def code(network: nn.Module) -> Tensor:
        return shown(network, (1.0, 2.0), (3.0, 1.0)).agreement

    assert code(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(2), nn.ReLU())).tolist() == [[2, 0], [0, 2]]
