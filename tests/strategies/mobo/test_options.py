from __future__ import annotations

import numpy as np

from archloom.learners.bnn import BnnOptions, fit
from archloom.learners.bnn_density import CALIBRATED, FLAT, PYBNN, ScaledWeights
from archloom.strategies.mobo.acquisition import ExpectedImprovement, LowerBound, UpperBound
from archloom.strategies.mobo.options import ACQUISITIONS, MoboOptions


def test_options_reach_the_network() -> None:
    assert MoboOptions().network == BnnOptions(keep_every=30, learning_rate=0.03, weight_prior=ScaledWeights())
    other = MoboOptions(
        surrogate="homoscedastic", noise_prior="pybnn", weight_prior="flat", layers=2, units=7, burn_in=11, samples=5,
        keep_every=3, learning_rate=0.1,
    )  # fmt: skip
    assert other.network == BnnOptions(2, 7, 11, 5, 3, learning_rate=0.1, heteroscedastic=False, noise_prior=PYBNN)
    assert MoboOptions().network.noise_prior == CALIBRATED
    assert other.network.weight_prior == FLAT


def test_options_reach_the_acquisition() -> None:
    options = MoboOptions(xi=0.25)
    assert ACQUISITIONS["ei"](options) == ExpectedImprovement(0.25)
    assert [type(ACQUISITIONS[name](options)) for name in ("lcb", "ucb")] == [LowerBound, UpperBound]


def test_by_default_the_chains_mix() -> None:
    """On two objectives with little noise, as a first batch has them. With NAGO's steps R-hat is about 2."""
    rng = np.random.default_rng(0)
    x = rng.random((16, 4))
    y = np.stack([x[:, 0], 1.0 - x[:, 0] + x[:, 1:].sum(axis=1)], axis=1) + 0.02 * rng.standard_normal((16, 2))
    assert fit(x, y, MoboOptions().network, rng).mixing.ok
