from __future__ import annotations

import math

import numpy as np
import pytest

from archloom.learners.sghmc import MIXED, AdaptiveSghmc, Float64, SghmcOptions, sample, split_r_hat


def test_steps_are_those_of_pybnn() -> None:
    """Written again, number by number, from automl/pybnn's adaptive_sghmc.py: 20 steps of burn-in and 5 after it."""
    start = np.random.default_rng(0).normal(size=(2, 3))
    chains = AdaptiveSghmc(start, 0.1, 0.05, np.random.default_rng(1))
    noise = np.random.default_rng(1).standard_normal((25, 2, 3))
    tau, g, v_hat, momentum, theta = 1.0, 1.0, 1.0, 0.0, float(start[1, 2])
    for number in range(25):
        gradient = 3.0 * math.sin(2.0 * theta) + theta
        if number < 20:
            tau_inv = 1.0 / (tau + 1.0)
            tau += -tau * (g * g / (v_hat + 1e-10)) + 1.0
            g += -g * tau_inv + tau_inv * gradient
            v_hat += -v_hat * tau_inv + tau_inv * gradient**2
        minv = 1.0 / (math.sqrt(v_hat) + 1e-10)
        sigma = math.sqrt(max(2.0 * 0.1**2 * 0.05 * minv - 0.1**4, 1e-16))
        momentum += -(0.1**2) * minv * gradient - 0.05 * momentum + sigma * noise[number, 1, 2]
        theta += momentum
        chains.gradient[:] = 3.0 * np.sin(2.0 * chains.position) + chains.position
        if number < 20:
            chains.adapt()
        chains.step()
        assert chains.position[1, 2] == pytest.approx(theta, rel=1e-12)


def test_the_deviations_of_a_gaussian() -> None:
    deviations = np.array([0.1, 1.0, 3.0])

    def slope(position: Float64, out: Float64) -> None:
        np.divide(position, deviations**2, out=out)

    far = np.full((100, 3), 3.0)
    draws = sample(slope, far, SghmcOptions(samples=1000), np.random.default_rng(0))
    np.testing.assert_allclose(draws.reshape(-1, 3).std(axis=0), deviations, rtol=0.05)
    means = draws.mean(axis=(0, 1))
    assert np.all(np.abs(means) < 0.1 * deviations)
    # The narrow one has mixed; a single chain has not yet seen all of the wide one, which is told.
    assert split_r_hat(draws)[0] < MIXED < split_r_hat(draws)[2]
    slow = sample(slope, far, SghmcOptions(learning_rate=1e-3, samples=300), np.random.default_rng(0))
    assert np.all(split_r_hat(slow) > 1.5)
    assert abs(slow[..., 0].mean()) > 20 * deviations[0]


def test_the_posterior_of_a_linear_regression() -> None:
    """By its closed form: 100 points, correlated inputs, noise variance 1/4, standard normal weights."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 4))
    x[:, 1] += 0.8 * x[:, 0]
    y = x @ [1.0, -2.0, 0.5, 0.0] + 0.5 * rng.standard_normal(100)
    precision = 4.0 * x.T @ x + np.eye(4)
    covariance = np.linalg.inv(precision)
    mean, deviations = covariance @ (4.0 * x.T @ y), np.sqrt(np.diag(covariance))

    def slope(position: Float64, out: Float64) -> None:
        out[:] = position @ precision - 4.0 * x.T @ y

    draws = sample(slope, np.full((100, 4), 3.0), SghmcOptions(samples=500), rng)
    np.testing.assert_allclose(draws.reshape(-1, 4).std(axis=0), deviations, rtol=0.05)
    assert np.all(np.abs(draws.mean(axis=(0, 1)) - mean) < 0.1 * deviations)
    assert np.all(split_r_hat(draws) < MIXED)


def test_split_r_hat() -> None:
    """Halves with draws 0 and 2 have variance 2; the four means 1, 1, 1, 5 have variance 4."""
    draws = np.array([[0.0, 0.0], [2.0, 2.0], [0.0, 4.0], [2.0, 6.0]])
    assert split_r_hat(draws) == pytest.approx(math.sqrt((0.5 * 2.0 + 4.0) / 2.0))
    assert split_r_hat(np.ones((4, 2))) == 1.0
    assert split_r_hat(np.array([[0.0, 1.0]] * 4)) == math.inf
    assert split_r_hat(np.ones((3, 2))) == math.inf, "halves of one draw have no variance"
    drift = np.linspace(0.0, 1.0, 100)[:, None] + np.zeros((1, 3))  # chains that agree, but go on moving
    assert split_r_hat(drift) > 1.5
