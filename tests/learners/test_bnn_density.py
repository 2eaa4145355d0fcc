from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.learners.bnn_density import (
    CALIBRATED,
    FLAT,
    LOG_VARIANCES,
    PYBNN,
    NoisePrior,
    Potential,
    ScaledWeights,
    Shape,
    WeightPrior,
)
from archloom.learners.sghmc import Float64


@pytest.mark.parametrize("heteroscedastic", [True, False])
@pytest.mark.parametrize(("noise_prior", "weight_prior"), [(PYBNN, FLAT), (CALIBRATED, ScaledWeights(3.0))])
def test_slopes_are_autograds(
    reference: Any, heteroscedastic: bool, noise_prior: NoisePrior, weight_prior: WeightPrior
) -> None:
    """Of pybnn's loss times the number of points, for two networks with targets of their own."""
    rng = np.random.default_rng(0)
    shape = Shape(3, 3, 10, heteroscedastic)
    x, targets = rng.standard_normal((30, 3)), rng.standard_normal((2, 30))
    potential = Potential(shape, x, targets, 20, noise_prior, weight_prior, rng)
    position = 0.7 * rng.standard_normal((2, shape.parameters))
    position[1, -1] = 40.0  # beyond the limit
    rows = rng.permuted(np.tile(np.arange(30), (2, 1)), axis=1)[:, :20]
    slope = np.empty_like(position)
    potential.slope(position, rows, slope)
    for network in range(2):
        w = reference.double(position[network]).requires_grad_()
        _loss(reference.torch, shape, w, x[rows[network]], targets[network, rows[network]], noise_prior, weight_prior)
        np.testing.assert_allclose(slope[network], w.grad.numpy(), rtol=1e-9, atol=1e-9)


def _loss(
    torch: Any, shape: Shape, w: Any, x: Float64, y: Float64, noise_prior: NoisePrior, weight_prior: WeightPrior
) -> None:
    value, y, start = torch.from_numpy(x), torch.from_numpy(y), 0
    for m, n in shape.layers:
        layer = w[start : start + (m + 1) * n].reshape(m + 1, n)
        start += (m + 1) * n
        value = value @ layer[:-1] + layer[-1]
        if start < shape.parameters - (not shape.heteroscedastic):
            value = torch.tanh(value)
    log_variance = value[:, 1] if shape.heteroscedastic else w[-1].expand(len(x))
    held = log_variance.clamp(*LOG_VARIANCES)
    nll = (0.5 * (y - value[:, 0]) ** 2 / torch.exp(held) + 0.5 * held).mean()
    # The prior of what is held at its limit pulls it back, though nothing else does.
    pulled = held + (log_variance - log_variance.detach()) - (held - held.detach())
    log_prior = (-0.5 * (pulled - noise_prior.mean) ** 2 / noise_prior.variance).mean()
    log_prior -= 0.5 * (torch.from_numpy(weight_prior.precisions(shape)) * w**2).sum()
    (30 * (nll - log_prior / 30)).backward()


def test_priors_of_weights() -> None:
    shape = Shape(4, 1, 2, False)
    assert shape.parameters == 5 * 2 + 3 + 1
    np.testing.assert_allclose(FLAT.precisions(shape), 1 / 14)
    np.testing.assert_allclose(
        ScaledWeights(2.0).precisions(shape), [2.0] * 8 + [1.0] * 2 + [1.0] * 2 + [1.0] + [1.0]
    )  # 4 / 2 of 4 inputs, 2 / 2 of 2; biases and the noise 1


def test_all_points_come_before_one_comes_again() -> None:
    """Of 10 points in batches of 4, 8 an epoch; each network in an order of its own."""
    x, seen = np.arange(10.0)[:, None], []
    potential = Potential(Shape(1, 1, 2, True), x, np.zeros((2, 10)), 4, PYBNN, FLAT, np.random.default_rng(0))
    for _, rows in zip(range(20), potential.batches, strict=False):
        seen.append(rows.copy())
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        for network in range(2):
            assert len({*first[network], *second[network]}) == 8
    assert {*np.ravel(seen)} == set(range(10))
    assert np.any(seen[0][0] != seen[0][1])
