"""How promising candidates are; against BoTorch in test_botorch.py."""

from __future__ import annotations

import math
from typing import Any

import moocore
import numpy as np
import pytest
from scipy.integrate import quad

from archloom.strategies.graph_bo.acquisition import (
    Rays,
    frame,
    log_expected_improvement,
    log_feasible,
    log_hypervolume_improvement,
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


FRONT = np.array([[1.0, 3.0], [2.0, 2.0], [2.5, 0.5], [0.9, 0.3]])
"""The last is dominated; the others have the extent 1.5 x 2.5, and so the corner 0.625, -0.125."""
AREA = math.pi / 4 / 2000 * 1.5 * 2.5
"""What an improvement is multiplied by to be an area, with `fan` for its directions."""


def fan(draws: Any) -> Rays:
    """2000 directions evenly over a quarter of the circle."""
    angles = (np.arange(2000) + 0.5) * (math.pi / 2 / 2000)
    return Rays(np.stack([np.cos(angles), np.sin(angles)], axis=1), np.asarray(draws, dtype=np.float64))


class TestHypervolumeImprovement:
    def test_corner_and_extent_of_a_front(self) -> None:
        corner, extent = frame(FRONT)
        assert extent.tolist() == [1.5, 2.5]
        assert corner == pytest.approx([0.625, -0.125])

    def test_corner_of_one_point(self) -> None:
        """Its extent is one standard deviation."""
        corner, extent = frame(np.array([[3.0, 5.0], [2.0, 5.0]]))
        assert extent.tolist() == [1.0, 1.0]
        assert corner == pytest.approx([2.75, 4.75])

    @pytest.mark.parametrize("objectives", [2, 3, 5])
    def test_directions_are_uniform_on_the_positive_part_of_the_sphere(self, objectives: int) -> None:
        """Of length 1; the mean of each squared entry is 1/m. The standard error is at most 0.01."""
        rng = np.random.default_rng(0)
        rays = [Rays.drawn(objectives, rng) for _ in range(125)]
        drawn = np.concatenate([each.directions for each in rays])
        assert drawn.shape == (2000, objectives)
        assert (drawn > 0).all()
        assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(2000))
        assert (drawn**2).mean(axis=0) == pytest.approx(np.full(objectives, 1 / objectives), abs=0.04)
        assert np.stack([each.draws for each in rays]).std() == pytest.approx(1.0, abs=0.05)

    def test_of_what_is_certain_it_is_what_the_area_grows_by(self) -> None:
        """(2.2, 2.5) adds 0.2 x 2 right of (2, 2) and 1 x 0.5 above it; (3, 0.4) adds 0.5 x 0.15; a dominated one
        nothing but what leads a climb."""
        means = np.array([[2.2, 2.5], [3.0, 0.4], [1.9, 1.9]])
        found = log_hypervolume_improvement(means, np.full((3, 2), 1e-12), FRONT, fan([[0.0, 0.0]]))
        assert np.exp(found) * AREA == pytest.approx([0.9, 0.2625, 0.0], rel=2e-3, abs=1e-8)

    def test_it_is_the_mean_of_what_the_area_grows_by(self) -> None:
        """Over the draws, with the area by another way."""
        rng = np.random.default_rng(0)
        means, deviations = FRONT[:3] + 0.1, np.array([[0.5, 0.3], [0.2, 0.9], [0.7, 0.4]])
        draws = rng.standard_normal((6, 2))
        corner, _ = frame(FRONT)
        before = moocore.hypervolume(FRONT, ref=corner, maximise=True)
        expected = [
            np.mean([moocore.hypervolume([*FRONT, m + s * e], ref=corner, maximise=True) - before for e in draws])
            for m, s in zip(means, deviations, strict=True)
        ]
        found = log_hypervolume_improvement(means, deviations, FRONT, fan(draws))
        assert np.exp(found) * AREA == pytest.approx(expected, rel=2e-3)

    def test_three_objectives(self) -> None:
        """By 3000 random directions, with a standard error of about 1 %; the constant is pi/6."""
        rng = np.random.default_rng(0)
        front = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [2.0, 3.0, 1.0]])
        new = np.array([[2.2, 2.2, 2.2], [3.0, 3.0, 0.9]])
        corner, extent = frame(front)
        before = moocore.hypervolume(front, ref=corner, maximise=True)
        expected = [moocore.hypervolume([*front, one], ref=corner, maximise=True) - before for one in new]
        away = np.abs(rng.standard_normal((3000, 3)))
        rays = Rays(away / np.linalg.norm(away, axis=1, keepdims=True), np.zeros((1, 3)))
        found = np.exp(log_hypervolume_improvement(new, np.full((2, 3), 1e-12), front, rays))
        assert found * math.pi / 6 / 3000 * extent.prod() == pytest.approx(expected, rel=0.06)

    def test_an_improvement_far_smaller_than_the_hypervolume(self) -> None:
        """1e-12 of it: no digits are lost, whatever is added to lead a climb."""
        rays = Rays(np.array([[0.6, 0.8]]), np.zeros((1, 2)))
        front = np.array([[1e6, 1e6]])
        gains = np.array([1e-4, 2e-4])
        means = 1e6 + gains[:, None] * np.ones(2)
        found = np.exp(log_hypervolume_improvement(means, np.full((2, 2), 1e-12), front, rays)) - 1e-9
        # From the corner 0.25 below, a direction (0.6, 0.8) meets the front at 0.3125.
        assert found == pytest.approx((0.3125 + gains / 0.8) ** 2 - 0.3125**2, rel=1e-5)

    @pytest.mark.parametrize("objectives", [2, 3])
    def test_what_is_hopeless_is_still_in_order(self, objectives: int) -> None:
        """No draw reaches the front, by far."""
        rays = Rays.drawn(objectives, np.random.default_rng(0))
        front = np.eye(objectives) + 1.0
        means = np.linspace(-1e6, 1.0, 2000)[:, None] * np.ones(objectives)
        found = log_hypervolume_improvement(means, np.full((2000, objectives), 0.1), front, rays)
        assert np.isfinite(found).all()
        assert (np.diff(found) > 0).all()

    def test_of_nothing(self) -> None:
        none = np.empty((0, 2))
        assert log_hypervolume_improvement(none, none, FRONT, Rays.drawn(2, np.random.default_rng(0))).shape == (0,)
