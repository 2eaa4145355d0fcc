"""Beliefs are given here, as functions of the row: means (x, 1 - x), and x + y for a metric that is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from archloom.constraints import Constraint, Criteria, Objective
from archloom.spaces.domains import Real
from archloom.spaces.space import Space
from archloom.strategies.batches.relaxation import Float64, Relaxation
from archloom.strategies.batches.strategy import Known
from archloom.strategies.batches.targets import Targets
from archloom.strategies.mobo.acquisition import LowerBound
from archloom.strategies.mobo.beliefs import SPREADS, Beliefs
from archloom.strategies.mobo.candidates import CheapProblem
from archloom.types import Arch, Result
from archloom.utils import seeds

ONE, TWO = (Criteria(tuple(Objective(name, "min") for name in names)) for names in (("a",), ("a", "b")))


class Square(Space):
    """Numbers x and y from 0 to 1; those with x above 0.9 break a rule."""

    def __init__(self) -> None:
        super().__init__({"x": Real(0.0, 1.0), "y": Real(0.0, 1.0)})

    def violations(self, arch: Arch) -> Any:
        return {**super().violations(arch), "too large": arch.genes[0] - 0.9}


def posterior(objectives: int) -> Any:
    """With a variance of 0.5, of which 0.49 is noise."""

    def predict(rows: Float64) -> tuple[Float64, Float64]:
        x, y = rows.T
        means = np.stack([x, *([1.0 - x + y] if objectives > 1 else []), x + y], axis=1)
        return means, np.full(means.shape, 0.5)

    return SimpleNamespace(predict=predict, noise=lambda rows: np.full((len(rows), objectives + 1), 0.49))


def problem(criteria: Criteria, spread: str = "model") -> CheapProblem:
    space = Square()
    relaxation = Relaxation(space)
    rows = np.array([[0.3, 0.3], [0.8, 0.8]])
    results = [Result({"a": value, "b": value, "c": value}) for value in (0.0, 1.0)]
    known = Known(rows, Targets.of(criteria, results))
    beliefs = Beliefs(posterior(len(criteria.objectives)), known, SPREADS[spread])
    return CheapProblem(space, relaxation, beliefs, LowerBound(), 0.0, seeds.stream(0, "test"))


def found(
    cheap: CheapProblem, points: Sequence[Sequence[float]], least: int, closed: float = -1.0
) -> list[list[float]]:
    cheap.judge(np.array(points))
    return [list(arch.genes) for arch in cheap.candidates(lambda arch: arch.genes[0] != closed, least).archs]


def test_the_front_of_what_is_open_and_valid() -> None:
    points = [[0.1, 0.0], [0.2, 0.5], [0.5, 0.0], [0.6, 0.0], [0.95, 0.0], [0.1, 0.0]]
    assert found(problem(TWO), points, 1) == [[0.1, 0.0], [0.5, 0.0], [0.6, 0.0]]
    assert found(problem(TWO), points, 1, closed=0.5) == [[0.1, 0.0], [0.6, 0.0]]
    assert [0.2, 0.5] in found(problem(TWO), points, 4)


def test_of_a_single_objective_everything() -> None:
    assert len(found(problem(ONE), [[0.1, 0.0], [0.2, 0.5], [0.95, 0.0]], 1)) == 2


def test_what_breaks_a_bound_comes_after_what_does_not() -> None:
    """c = x + y, of which results have a mean and a deviation of 1/2, is to be at most 0.75: 0.5 when standardised."""
    criteria = Criteria(TWO.objectives, (Constraint("c", 0.75),))
    points = [[0.1, 0.6], [0.2, 0.1], [0.4, 0.9]]
    cheap = problem(criteria)
    _, violations = cheap.judge(np.array(points))
    assert np.allclose(violations, [0.2, 0.0, 0.8])
    assert [list(arch.genes) for arch in cheap.candidates(lambda arch: True, 2).archs] == [[0.2, 0.1], [0.1, 0.6]]


def test_a_bound_that_is_very_far_away_is_no_rule() -> None:
    criteria = Criteria(TWO.objectives, (Constraint("c", -1e9),))
    cheap = problem(criteria)
    _, violations = cheap.judge(np.array([[0.1, 0.0], [0.95, 0.0]]))
    assert violations[0] > 1e6
    assert [list(arch.genes) for arch in cheap.candidates(lambda arch: True, 2).archs] == [[0.1, 0.0]]


def test_an_architecture_that_a_space_keeps_is_one_candidate() -> None:
    cheap = problem(TWO)
    kept = [cheap.relaxation.at_point(np.array(point), cheap.rng) for point in ([0.1, 0.0], [0.2, 0.0])]
    cheap.relaxation.at_point = lambda point, rng: kept[int(point[0] > 0.15)]  # type: ignore[method-assign]
    cheap.judge(np.array([[0.1, 0.0], [0.1, 0.0], [0.2, 0.0]]))
    candidates = cheap.candidates(lambda arch: True, 3)
    assert candidates.archs == kept
    assert np.allclose(candidates.rows, [[0.1, 0.0], [0.2, 0.0]])


def test_deviations_and_the_best() -> None:
    for spread, variance in (("model", 0.01), ("total", 0.5)):
        cheap = problem(TWO, spread)
        cheap.judge(np.array([[0.1, 0.0]]))
        candidates = cheap.candidates(lambda arch: True, 1)
        assert np.allclose(candidates.deviation, np.sqrt(variance))
        assert np.allclose(cheap.best, [0.3, 1.0])
