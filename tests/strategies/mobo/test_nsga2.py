from __future__ import annotations

import random

import moocore
import numpy as np
from scipy.spatial.distance import cdist

from archloom.strategies.mobo.nsga2 import Float64, nsga2
from archloom.utils import seeds


def zdt1(x: Float64) -> tuple[Float64, Float64]:
    """Zitzler, Deb and Thiele 2000; the front is f2 = 1 - sqrt(f1), f1 from 0 to 1, where all but the first are 0."""
    first, g = x[:, 0], 1.0 + 9.0 * x[:, 1:].mean(axis=1)
    return np.column_stack([first, g * (1.0 - np.sqrt(first / g))]), np.zeros(len(x))


def test_the_front_of_zdt1_is_found() -> None:
    """Every point of the true front has one within 0.01, and the reverse, but for those whose first objective is 0:
    whatever the second one is, nothing can be better in both."""
    rng = seeds.stream(1, "test")
    points, values, _ = nsga2(zdt1, 2, rng.random((40, 4)), 3200, rng)
    assert len(points) == 3200
    found = values[moocore.is_nondominated(values)]
    first = np.linspace(0.0, 1.0, 1001) ** 2
    distances = cdist(found, np.column_stack([first, 1.0 - np.sqrt(first)]))
    assert distances.min(axis=0).max() < 0.01
    assert distances[found[:, 0] > 0.0].min(axis=1).max() < 0.01


def test_what_breaks_a_constraint_comes_last() -> None:
    """The two objectives want x = 0, which the constraint x >= 1/2 forbids; the population begins below it."""

    def judge(x: Float64) -> tuple[Float64, Float64]:
        return np.column_stack([x[:, 0], x[:, 0] + (x[:, 1] - 0.3) ** 2]), np.maximum(0.5 - x[:, 0], 0.0)

    rng = seeds.stream(1, "test")
    _, values, violations = nsga2(judge, 2, rng.random((20, 2)) / 4, 800, rng)
    kept = violations <= 0.0
    assert not kept[:20].any()
    best = values[kept].min(axis=0)
    assert np.allclose(best, 0.5, atol=0.01)


def test_it_is_the_same_again_and_leaves_global_generators_alone() -> None:
    start = seeds.stream(2, "test").random((10, 3))
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    runs = [nsga2(zdt1, 2, start, 50, seeds.stream(3, "test"))[0] for _ in range(2)]
    assert np.array_equal(*runs)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_a_single_objective_and_equal_points() -> None:
    rng = seeds.stream(4, "test")
    points, values, _ = nsga2(lambda x: (x[:, :1], np.zeros(len(x))), 1, np.full((10, 2), 0.5), 200, rng)
    assert points.shape[1] == 2
    assert values.min() < 0.05
