"""How promising candidates are; against BoTorch in test_botorch.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from archloom.strategies.graph_bo.acquisition import (
    DRAWS,
    direction,
    log_expected_improvement,
    log_feasible,
    log_scalarised_improvement,
    scalarised,
)


def log_ei(u: Any) -> Any:
    u = np.atleast_1d(np.asarray(u, dtype=np.float64))
    return log_expected_improvement(u, np.ones(len(u)), 0.0)


class TestExpectedImprovement:
    def test_at_the_best_it_is_the_normal_density(self) -> None:
        assert log_ei(0.0) == pytest.approx([-0.5 * math.log(2 * math.pi)], rel=1e-15)

    def test_that_of_gains_less_that_of_losses_is_the_mean(self) -> None:
        """E[max(Y, 0)] - E[max(-Y, 0)] = E[Y]"""
        u = np.linspace(0.01, 30, 200)
        assert np.exp(log_ei(u)) - np.exp(log_ei(-u)) == pytest.approx(u, rel=1e-13)

    def test_it_is_the_integral(self) -> None:
        for mean, deviation, best in ((0.3, 0.7, 0.5), (-2.0, 0.5, 0.1), (3.0, 0.2, 1.0)):
            expected, _ = quad(
                lambda x, m=mean, s=deviation, b=best: (m + s * x - b) * math.exp(-0.5 * x * x),
                (best - mean) / deviation,
                40.0,
                epsabs=0,
                epsrel=1e-11,
            )
            found = log_expected_improvement(np.array([mean]), np.array([deviation]), best)
            assert found == pytest.approx([math.log(expected / math.sqrt(2 * math.pi))], rel=1e-9)

    @pytest.mark.parametrize("u", [-30.0, -100.0, -999.0, -1e4, -1.0001e4, -1e5, -1e8])
    def test_far_below_it_is_its_series(self, u: float) -> None:
        """phi(u) / u^2 (1 - 3 / u^2 + 15 / u^4 - 105 / u^6 + ...)"""
        series = 1 - 3 / u**2 + 15 / u**4 - 105 / u**6 + 945 / u**8
        expected = -0.5 * u * u - 0.5 * math.log(2 * math.pi) - 2 * math.log(-u) + math.log(series)
        assert log_ei(u) == pytest.approx([expected], rel=1e-10, abs=1e-6)

    def test_far_above_it_is_the_gain(self) -> None:
        assert log_ei([50.0, 1e3, 1e8]) == pytest.approx(np.log([50.0, 1e3, 1e8]), rel=1e-15)

    def test_it_rises_with_the_mean_without_a_step(self) -> None:
        """Also where its formula changes, at -1 and -1e4."""
        u = np.concatenate([-np.geomspace(1e6, 1e-6, 4001), np.geomspace(1e-6, 1e6, 4001)])
        assert (np.diff(log_ei(u)) > 0).all()
        for place in (-1.0, -1e4):
            below, above = log_ei([np.nextafter(place, -np.inf), np.nextafter(place, np.inf)])
            assert above == pytest.approx(below, rel=1e-14, abs=1e-7)

    def test_it_rises_with_the_deviation(self) -> None:
        deviation = np.geomspace(1e-3, 1e3, 500)
        for mean in (-1.0, 0.0, 1.0):
            found = log_expected_improvement(np.full(500, mean), deviation, 0.0)
            assert (np.diff(found) >= -1e-15).all()

    def test_of_nothing(self) -> None:
        assert log_ei([]).shape == (0,)


class TestFeasibility:
    def test_both_sides_of_a_bound_are_certain_together(self) -> None:
        mean, deviation = np.linspace(-9, 9, 50), np.full(50, 1.7)
        sides = [np.exp(log_feasible(mean, deviation, 0.4, at_most)) for at_most in (True, False)]
        assert sum(sides) == pytest.approx(np.ones(50), rel=1e-15)

    def test_on_the_bound_it_is_a_half(self) -> None:
        for at_most in (True, False):
            assert log_feasible(np.array([2.0]), np.array([0.3]), 2.0, at_most) == pytest.approx([-math.log(2)])

    def test_by_hand(self) -> None:
        """A standard deviation below the bound."""
        assert log_feasible(np.ones(1), np.full(1, 0.5), 1.5, at_most=True) == pytest.approx(
            [math.log(0.8413447460685429)]
        )
        assert log_feasible(np.ones(1), np.full(1, 0.5), 1.5, at_most=False) == pytest.approx(
            [math.log(0.15865525393145705)]
        )

    def test_what_is_hopeless_is_still_in_order(self) -> None:
        found = log_feasible(np.array([10.0, 1e3, 1e6, 1e9]), np.full(4, 0.03), 0.0, at_most=True)
        assert np.isfinite(found).all()
        assert (np.diff(found) < 0).all()


class TestScalarisation:
    def test_by_hand(self) -> None:
        values = np.array([[3.0, 8.0], [3.0, 2.0], [-3.0, 8.0]])
        assert scalarised(values, np.array([0.6, 0.8])) == pytest.approx([5.0, 2.5, -5.0])

    @pytest.mark.parametrize("objectives", [2, 3, 5])
    def test_directions_are_uniform_on_the_positive_part_of_the_sphere(self, objectives: int) -> None:
        """Of length 1; the mean of each squared entry is 1/m. The standard error is at most 0.01."""
        rng = np.random.default_rng(0)
        drawn = np.array([direction(objectives, rng) for _ in range(2000)])
        assert (drawn > 0).all()
        assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(2000))
        assert (drawn**2).mean(axis=0) == pytest.approx(np.full(objectives, 1 / objectives), abs=0.04)

    def test_its_mean_over_directions_is_the_hypervolume(self) -> None:
        """In two dimensions: pi / 4 times the mean square of how far the front reaches; what a new one adds, too."""
        rng = np.random.default_rng(0)
        front = np.array([[1.0, 3.0], [2.0, 2.0], [2.5, 0.5]])
        new = np.array([[2.2, 2.5]])
        reached, added = [], []
        for _ in range(20_000):
            towards = direction(2, rng)
            before = float(scalarised(front, towards).max())
            reached.append(before**2)
            added.append(max(float(scalarised(new, towards)[0]), before) ** 2 - before**2)
        assert math.pi / 4 * np.mean(reached) == pytest.approx(3.0 + 2.0 + 0.5 * 0.5, rel=0.03)
        # Above (2, 2) and right of it: 2.2 x 2.5 less what (1, 3), (2, 2) and (2.5, 0.5) have of it.
        assert math.pi / 4 * np.mean(added) == pytest.approx(5.5 - (2.5 * 1.0 + 2.0 * 1.0 + 0.5 * 0.2), rel=0.06)

    def test_certain_improvement_is_the_gain(self) -> None:
        """Far above the best, whatever the draws are; on it, the smoothed gain 0.05 log 2."""
        towards, draws = np.array([0.6, 0.8]), np.random.default_rng(0).standard_normal((DRAWS, 2))
        means = np.array([[6.0, 8.0], [1.2, 5.0]])
        found = log_scalarised_improvement(means, np.full((2, 2), 1e-12), towards, 2.0, draws)
        assert np.exp(found) == pytest.approx([8.0, 0.05 * math.log(2)], rel=1e-8)

    def test_it_is_the_mean_over_draws(self) -> None:
        """One objective that decides alone: about its expected improvement, with a standard error of 0.7 %."""
        rng = np.random.default_rng(0)
        means, deviations = np.array([[0.2, 1e3], [1.0, 1e3]]), np.full((2, 2), 0.5)
        draws = rng.standard_normal((40_000, 2))
        found = log_scalarised_improvement(means, deviations, np.array([1.0, 1.0]), 0.3, draws)
        expected = log_expected_improvement(means[:, 0], deviations[:, 0], 0.3)
        assert np.exp(found) == pytest.approx(np.exp(expected), rel=0.04)

    def test_what_is_hopeless_is_still_in_order(self) -> None:
        """No draw reaches the best by far; e to the gain underflows."""
        draws = np.random.default_rng(0).standard_normal((DRAWS, 2))
        means = np.stack([np.linspace(-1e4, 2.0, 3000)] * 2, axis=1)
        for towards in (np.array([0.6, 0.8]), np.array([1e-6, 1.0])):
            found = log_scalarised_improvement(means, np.full((3000, 2), 0.1), towards, 2.0, draws)
            assert np.isfinite(found).all()
            assert (np.diff(found) > 0).all()
