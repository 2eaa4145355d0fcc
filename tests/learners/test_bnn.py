from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.learners.bnn import BnnOptions, Mixing, Posterior, Scale, fit
from archloom.learners.bnn_density import PYBNN, ScaledWeights, Shape
from archloom.learners.sghmc import MIXED, Float64

SHORT = BnnOptions(burn_in=20, samples=4, keep_every=2, chains=2)


def _posterior(draws: Float64, shape: Shape, x_scale: Scale, y_scale: Scale) -> Posterior:
    return Posterior(shape, draws, x_scale, y_scale, np.zeros((5, len(x_scale.centre))))


def test_predictive_moments_are_the_papers() -> None:
    """Four networks (two draws of two chains) that are constants: means 0, 1, 2, 5, noise variances 1, 1, 2, 4."""
    shape = Shape(2, 1, 3, True)
    draws = np.zeros((2, 1, 2, shape.parameters))
    draws[..., -2] = np.reshape([0.0, 1.0, 2.0, 5.0], (2, 1, 2))
    draws[..., -1] = np.log(np.reshape([1.0, 1.0, 2.0, 4.0], (2, 1, 2)))
    posterior = _posterior(draws, shape, Scale(np.zeros(2), np.ones(2)), Scale(np.array([10.0]), np.array([3.0])))
    mean, variance = posterior.predict(np.ones((4, 2)))
    np.testing.assert_allclose(mean, np.full((4, 1), 10.0 + 3.0 * 2.0))
    np.testing.assert_allclose(variance, np.full((4, 1), 9.0 * (3.5 + 2.0)))  # (4 + 1 + 0 + 9) / 4 and 8 / 4
    np.testing.assert_allclose(posterior.noise(np.ones((4, 2))), np.full((4, 1), 9.0 * 2.0))


def test_slopes_are_the_predictions() -> None:
    """By central differences, of many points and of one, for two objectives on scales of their own."""
    rng, shape = np.random.default_rng(0), Shape(3, 3, 10, True)
    x_scale = Scale(rng.random(3), np.array([0.3, 2.0, 1.0]))
    draws = rng.standard_normal((3, 2, 2, shape.parameters))
    posterior = _posterior(draws, shape, x_scale, Scale(np.zeros(2), np.array([0.1, 70.0])))
    x, step = rng.random((4, 3)), 1e-6
    ends = [posterior.predict((x[:, None] + s * step * np.eye(3)).reshape(-1, 3))[0].reshape(4, 3, 2) for s in (1, -1)]
    expected = np.swapaxes(ends[0] - ends[1], 1, 2) / (2 * step)
    np.testing.assert_allclose(posterior.gradient(x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(posterior.gradient(x[2]), posterior.gradient(x)[2], rtol=1e-12)


def test_a_fit_in_other_units_is_the_same() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((30, 3)), rng.standard_normal((30, 2))
    mean, variance = fit(x, y, SHORT, np.random.default_rng(1)).predict(x)
    other = fit(8.0 * x, 4.0 * y, SHORT, np.random.default_rng(1))
    np.testing.assert_allclose(other.predict(8.0 * x)[0], 4.0 * mean, rtol=1e-12)
    np.testing.assert_allclose(other.predict(8.0 * x)[1], 16.0 * variance, rtol=1e-12)
    np.testing.assert_allclose(other.noise(8.0 * x), 16.0 * fit(x, y, SHORT, np.random.default_rng(1)).noise(x))


@pytest.mark.parametrize("heteroscedastic", [True, False])
def test_few_points_and_inputs_that_say_nothing(heteroscedastic: bool) -> None:
    options = replace(SHORT, heteroscedastic=heteroscedastic)
    one = fit(np.full((1, 2), 0.5), np.array([[3.0]]), options, np.random.default_rng(0))
    assert all(np.isfinite(each).all() for each in one.predict(np.random.default_rng(1).random((7, 2))))
    x, y = np.random.default_rng(0).random((12, 2)), np.random.default_rng(1).random((12, 1))
    x[:3, 0] = np.nan  # what does not count there
    gaps = fit(x, y, options, np.random.default_rng(0))
    x[:3, 0] = x[3:, 0].mean()
    np.testing.assert_allclose(gaps.predict(np.array([[np.nan, 0.2]])), gaps.predict(np.array([[x[0, 0], 0.2]])))
    none = fit(np.empty((12, 0)), y, options, np.random.default_rng(0))
    assert none.predict(np.empty((3, 0)))[0].shape == (3, 1)
    assert none.gradient(np.empty((3, 0))).shape == (3, 1, 0)


def test_data_that_no_model_takes() -> None:
    x, rng = np.zeros((2, 1)), np.random.default_rng(0)
    for y in (np.zeros((3, 1)), np.zeros((2, 0)), np.zeros(2)):
        with pytest.raises(ValueError, match="expected"):
            fit(x, y, SHORT, rng)
    with pytest.raises(ValueError, match="finite"):
        fit(x, np.array([[1.0], [np.nan]]), SHORT, rng)
    with pytest.raises(InputError, match=r"learning rate 1e\+50: .* smaller"):
        fit(np.eye(9), np.eye(9)[:, :1], replace(SHORT, burn_in=0, learning_rate=1e50), rng)


def test_chains_that_diverge_are_drawn_again_with_shorter_steps() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((3, 3))
    long = replace(SHORT, learning_rate=0.1, burn_in=200, samples=20, chains=4, noise_prior=PYBNN)
    mean, variance = fit(x, 2.0 * x[:, :1] + 1.0, long, rng).predict(rng.random((20, 3)))
    assert np.all(np.abs(mean) < 10.0)
    assert np.all(variance < 100.0)


def test_noise_that_depends_on_the_input() -> None:
    """y = sin x + N(0, (0.05 + 0.3 x)^2): the deviation is within 20 % of the true one over the whole range, for each
    of three draws of the data; a single one is not. In proportion it changes fastest at 0, the border, where only the
    points nearby tell it: so they are densest there."""
    rng = np.random.default_rng(0)
    x, at = 3.0 * np.linspace(0.0, 1.0, 2000) ** 2, np.linspace(0.0, 3.0, 61)
    y = np.sin(x)[:, None] + (0.05 + 0.3 * x)[:, None] * rng.standard_normal((2000, 3))
    true = (0.05 + 0.3 * at)[:, None]
    options = BnnOptions(chains=1)
    _, variance = fit(x[:, None], y, options, rng).predict(at[:, None])
    assert np.abs(np.sqrt(variance) / true - 1.0).max() < 0.2
    few = slice(None, None, 10)
    single = replace(options, heteroscedastic=False, burn_in=500)
    ratios = np.sqrt(fit(x[few, None], y[few], single, rng).noise(at[:, None])) / true
    assert ratios.max() > 3.0
    assert ratios.min() < 0.7


def test_batches_keep_the_noise_of_gradients() -> None:
    """20 of 150 points; beyond, n^2 / b stays the same, up to 512."""
    assert [BnnOptions().batch_of(n) for n in (10, 150, 300, 600, 5000)] == [20, 20, 80, 320, 512]
    assert BnnOptions(batch_size=7).batch_of(600) == 7


def test_chains_that_have_mixed_and_such_that_have_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((40, 2))
    y = (x.sum(axis=1) + rng.standard_normal(40))[:, None]
    options = BnnOptions(weight_prior=ScaledWeights(1.0), burn_in=1500, keep_every=20)
    good = fit(x, y, options, rng).mixing
    assert good.ok
    assert good.reason == ""
    slow = fit(x, y, replace(options, learning_rate=1e-3, keep_every=2), rng).mixing
    assert not slow.ok
    assert slow.r_hat[0] > 1.5
    assert f"{slow.r_hat[0]:.2f}; mixed: at most {MIXED}" in slow.reason
    assert not Mixing((1.0, 1.2)).ok
