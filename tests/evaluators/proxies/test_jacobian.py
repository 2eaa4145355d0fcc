from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="proxies need the extra train")

from torch import nn  # noqa: E402

from archloom.evaluators.proxies.candidate import Batch, Candidate  # noqa: E402
from archloom.evaluators.proxies.jacobian import JacobCov  # noqa: E402


def shown(*images: tuple[float, ...]) -> Candidate:
    """A network whose logits are the rectified pixels: the Jacobians are the codes."""
    batch = torch.tensor(images).reshape(len(images), 1, 1, -1)
    labels = torch.zeros(len(images), dtype=torch.int64)
    return Candidate(nn.Sequential(nn.Flatten(), nn.ReLU()), (1, 1, len(images[0])), Batch(batch, labels))


def test_two_images_by_hand() -> None:
    """The Jacobians (1, 0, 1) and (1, 1, 0) have the correlation -1/2: eigenvalues 1/2 and 3/2."""
    candidate = shown((1.0, -1.0, 2.0), (1.0, 1.0, -3.0))
    assert candidate.jacobian.tolist() == [[1, 0, 1], [1, 1, 0]]
    expected = -sum(math.log(e + 1e-5) + 1 / (e + 1e-5) for e in (0.5, 1.5))
    assert math.isclose(JacobCov().score(candidate), expected, rel_tol=1e-9)


def test_images_that_the_network_takes_alike() -> None:
    """Eigenvalues 0 and 2."""
    expected = -sum(math.log(e + 1e-5) + 1 / (e + 1e-5) for e in (0.0, 2.0))
    assert math.isclose(JacobCov().score(shown((1.0, -1.0), (3.0, -2.0))), expected, rel_tol=1e-6)


def test_a_network_that_sees_nothing_has_none() -> None:
    with pytest.raises(ArithmeticError, match=r"^jacob_cov: what the network gives does not depend on each of the"):
        JacobCov().score(shown((1.0, -1.0), (-1.0, -2.0)))
