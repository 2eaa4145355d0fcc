from __future__ import annotations

import math

import numpy as np

from archloom.strategies.mobo.penaliser import LIPSCHITZ_OF_FLAT, HardPenaliser, lipschitz_constants
from archloom.utils import seeds


def test_a_penalty_is_that_of_the_closed_form() -> None:
    """Two objectives: radii (|1 - 0.5| + 0.1) / 2 = 0.3 and (|-1 - -2| + 0.5) / 3 = 0.5."""
    penaliser = HardPenaliser.around(
        np.array([0.5, 0.5]), np.array([1.0, -1.0]), np.array([0.1, 0.5]), np.array([0.5, -2.0]), np.array([2.0, 3.0])
    )
    assert np.allclose(penaliser.radii, [0.3, 0.5])
    points = np.array([[0.5, 0.5], [0.5, 0.65], [0.9, 0.5], [0.1, 0.2], [0.0, 0.0]])
    expected = [0.0, (0.15 / 0.3) * (0.15 / 0.5), 0.4 / 0.5, 1.0, 1.0]
    assert np.allclose(np.exp(penaliser.log_penalty(points)), expected)


def test_lipschitz_constants_are_the_steepest_slopes() -> None:
    """Of sin(3 x) + y^2 / 2, steepest at (0, 1); of one that is flat; and of one that is steepest inside."""

    def gradient(at: np.ndarray) -> np.ndarray:
        x, y = at
        inner = -2.0 * math.pi * math.sin(2.0 * math.pi * x)  # of cos(2 pi x)
        return np.array([[3.0 * math.cos(3.0 * x), y], [0.0, 1e-9], [inner, 0.0]])

    found = lipschitz_constants(gradient, 2, 10, seeds.stream(0, "test"))
    assert np.allclose(found, [math.sqrt(10.0), LIPSCHITZ_OF_FLAT, 2.0 * math.pi], rtol=1e-6)
