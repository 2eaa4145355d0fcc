from __future__ import annotations

from typing import Any

import numpy as np

from archloom.learners.mlp import Adam, Mlp


def test_adam_equals_torch(reference: Any) -> None:
    torch, rng = reference.torch, np.random.default_rng(3)
    mine = rng.normal(size=200).astype(np.float32)
    theirs = torch.from_numpy(mine.astype(float)).requires_grad_()
    adam, other = Adam(200, 1e-2, (0.9, 0.99)), torch.optim.Adam([theirs], lr=1e-2, betas=(0.9, 0.99))
    for _ in range(300):
        gradient = (rng.normal(size=200) * 10.0 ** rng.integers(-9, 3, 200)).astype(np.float32)
        adam.step(mine, gradient)
        theirs.grad = torch.from_numpy(gradient.astype(float))
        other.step()
    np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_a_network_starts_within_the_bounds_of_its_layers() -> None:
    net = Mlp((400, 100, 4), sigmoid=True, rng=np.random.default_rng(0))
    for weight, bias, bound in zip(net.weights, net.biases, (0.05, 0.1), strict=True):
        assert bound * 0.98 < np.abs(weight).max() <= bound
        assert 0 < np.abs(bias).max() <= bound


def test_an_orthogonal_start() -> None:
    """Columns, or rows where there are fewer of these, are orthonormal; of the last layer a thousandth of that."""
    net = Mlp((9, 5, 7, 3), sigmoid=True, rng=np.random.default_rng(0), start="orthogonal")
    wide = net.weights[1]
    np.testing.assert_allclose(net.weights[0].T @ net.weights[0], np.eye(5), atol=1e-6)
    np.testing.assert_allclose(wide @ wide.T, np.eye(5), atol=1e-6)
    np.testing.assert_allclose(net.weights[2].T @ net.weights[2], 1e-6 * np.eye(3), atol=1e-12)
    assert not any(bias.any() for bias in net.biases)
    np.testing.assert_allclose(net.forward(np.ones((1, 9), np.float32)), 0.5, atol=1e-2)


def test_a_copy_is_apart_and_follows() -> None:
    net = Mlp((3, 4, 2), sigmoid=False, rng=np.random.default_rng(1))
    other = net.copy()
    x = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(other.forward(x), net.forward(x))
    before = other.parameters.copy()
    net.parameters += 1.0
    np.testing.assert_array_equal(other.parameters, before)
    other.follow(net, 0.25)
    np.testing.assert_allclose(other.parameters, before + 0.25, rtol=1e-6)
