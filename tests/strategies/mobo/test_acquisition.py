from __future__ import annotations

import math

import numpy as np
from scipy.integrate import quad
from scipy.stats import norm

from archloom.strategies.mobo.acquisition import ExpectedImprovement, LowerBound, UpperBound, beta_at, log_volume

MEAN = np.array([[0.5, -1.0], [0.2, 3.0]])
DEVIATION = np.array([[0.3, 1.0], [0.1, 0.5]])
BEST = np.array([0.4, -0.9])


def test_expected_improvement_is_its_closed_form_and_its_integral() -> None:
    found = np.exp(ExpectedImprovement(1e-3)(MEAN, DEVIATION, BEST, beta=2.0))
    for i in range(2):
        for j in range(2):
            gap, sd = BEST[j] - 1e-3 - MEAN[i, j], DEVIATION[i, j]
            assert math.isclose(found[i, j], gap * norm.cdf(gap / sd) + sd * norm.pdf(gap / sd), rel_tol=1e-9)
            integral = quad(lambda z, g=gap, s=sd: (g - s * z) * norm.pdf(z), -12.0, gap / sd)[0]
            assert math.isclose(found[i, j], integral, rel_tol=1e-6, abs_tol=1e-12)


def test_far_above_the_best_it_still_orders() -> None:
    far = np.array([[30.0], [31.0], [1e6]])
    found = ExpectedImprovement(0.0)(far, np.ones((3, 1)), np.zeros(1), beta=1.0)
    assert (np.diff(found[:, 0]) < 0).all()


def test_bounds() -> None:
    assert np.allclose(LowerBound()(MEAN, DEVIATION, BEST, 2.0), [[0.1, 3.0], [0.0, -2.0]])
    assert np.allclose(UpperBound()(MEAN, DEVIATION, BEST, 2.0), [[-1.1, -1.0], [-0.4, -4.0]])


def test_bounds_are_made_positive_by_softplus() -> None:
    values = np.array([-1e5, -40.0, -29.0, 0.0, 3.0, 1e5])
    expected = [-1e5, -40.0, -29.0, math.log(math.log(2.0)), math.log(math.log1p(math.exp(3.0))), math.log(1e5)]
    for bound in (LowerBound(), UpperBound()):
        assert np.allclose(bound.log_worth(values), expected, rtol=1e-12)
    assert ExpectedImprovement(0.0).log_worth(values) is values  # which are logarithms already


def test_uncertainty_is_the_volume_of_a_box() -> None:
    assert np.allclose(np.exp(log_volume(DEVIATION, 1.5)), [0.9 * 3.0, 0.3 * 1.5])
    assert np.allclose(log_volume(1e-6 * np.ones((1, 2)), 1e-320), 2 * (math.log(2e-6) + math.log(1e-320)))


def test_beta_grows_as_usemo_says() -> None:
    assert math.isclose(beta_at(1, 8), math.sqrt(math.log(math.pi**2 / 0.15)))
    assert math.isclose(beta_at(5, 8), math.sqrt(0.5 * 2 * math.log(5 ** (8 / 2 + 2) * math.pi**2 / (3 * 0.05))))
