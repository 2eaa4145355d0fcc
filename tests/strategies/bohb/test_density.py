"""The density against statsmodels', which is imported by the tests, not with the file: importing it takes a second."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from archloom.strategies.bohb.density import Density, normal_reference

CATEGORIES = np.array([0, 0, 3, 0, 5])


@pytest.fixture
def data() -> np.ndarray:
    """(40, 5) three numbers and two categories, all of whose options are there."""
    rng = np.random.default_rng(0)
    numbers = rng.random((40, 3)) ** 2
    return np.insert(numbers, [2, 3], np.stack([rng.integers(3, size=40), rng.integers(5, size=40)], axis=1), axis=1)


@pytest.fixture
def statsmodels(data: np.ndarray) -> Any:
    module = pytest.importorskip("statsmodels.nonparametric.kernel_density", reason="the oracle of densities")
    return module.KDEMultivariate(data, "ccucu", bw="normal_reference", rng=np.random.default_rng(0))


def test_as_statsmodels_has_it(data: np.ndarray, statsmodels: Any) -> None:
    assert normal_reference(data) == pytest.approx(statsmodels.bw, rel=1e-12)
    ours = Density.of(data, CATEGORIES, 1e-3)
    statsmodels.bw = ours.bandwidths
    rng = np.random.default_rng(1)
    away = np.where(CATEGORIES > 0, rng.integers(np.maximum(CATEGORIES, 1), size=(30, 5)), rng.random((30, 5)))
    for points in (data, away):
        assert ours.at(points) == pytest.approx(statsmodels.pdf(points), rel=1e-10)


def test_bandwidths_have_bounds(data: np.ndarray, statsmodels: Any) -> None:
    assert statsmodels.bw[4] > 0.8, "its own is no kernel"
    bounded = [*statsmodels.bw[:4], 0.8]
    assert Density.of(data, CATEGORIES, 1e-3).bandwidths == pytest.approx(bounded, rel=1e-12)
    same = np.tile([0.25, 0.5, 1.0, 0.75, 4.0], (9, 1))
    assert Density.of(same, CATEGORIES, 1e-3).bandwidths.tolist() == [1e-3] * 5


def test_options_that_are_not_in_the_data_count() -> None:
    """Of four options one is there: it has 1 - h, each of the others a third of h."""
    density = Density(np.full((7, 1), 2.0), np.array([4]), np.array([0.3]))
    assert density.at(np.arange(4.0)[:, None]) == pytest.approx([0.1, 0.1, 0.7, 0.1])


def test_densities_stay_floats() -> None:
    many = 300
    density = Density.of(np.full((many + 1, many), 0.5), np.zeros(many, dtype=np.intp), 1e-3)
    assert density.at(np.array([[0.5] * many, [0.9] * many])) == pytest.approx([math.exp(600), 0.0])


def test_far_from_very_narrow_kernels_it_vanishes() -> None:
    density = Density.of(np.full((4, 1), 0.5), np.array([0]), 1e-200)
    assert density.at(np.array([[0.5], [0.2]])) == pytest.approx([1e200 / math.sqrt(2 * math.pi), 0.0])
