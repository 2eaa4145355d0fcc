"""What short trainings say of long ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from archloom.analysis.budgets import Budgets
from archloom.analysis.stats import Estimate
from archloom.problems import RecordedProblem
from archloom.runs.history import History
from archloom.runs.report import RunReport
from archloom.spaces.domains import Integer, Seed
from archloom.spaces.space import Space
from archloom.types import Resource

GENERATORS = Space({"nodes": Integer(1, 9), "graph": Seed()})


def test_pairs_are_configurations_whatever_their_seeds(trained_for: Any) -> None:
    """After 1 epoch 4 generators, after 3 three of these with other seeds, one of them twice."""
    short = [(1, 1, 5.0), (2, 1, 6.0), (3, 1, 7.0), (4, 1, 8.0)]
    run = trained_for([*short, (3, 3, 50.0), (4, 3, 60.0), (4, 3, 80.0), (2, 3, 90.0)])
    found = Budgets.of([run])
    assert list(found.samples) == [1, 3]
    assert found.samples[1].values.tolist() == [5, 6, 7, 8] and found.samples[3].spent.tolist() == [5, 6, 7, 8]
    assert found.pairs[1, 3].tolist() == [[6, 90], [7, 50], [8, 70]]
    estimate = found.correlations[1, 3]
    assert (estimate.n, estimate.value) == (3, pytest.approx(-0.5))
    assert Budgets.of([run], "resource").samples[3].spent.tolist() == [7, 10, 13, 16]


def test_pairs_of_different_runs_are_none(trained_for: Any) -> None:
    one, other = trained_for([(1, 1, 5.0), (1, 3, 6.0)]), trained_for([(2, 1, 6.0), (1, 1, 9.0), (2, 3, 2.0)])
    found = Budgets.of([one, other])
    assert found.pairs[1, 3].tolist() == [[5, 6], [6, 2]]
    assert found.correlations[1, 3] == Estimate(2, None), "of two it is always 1 or -1"


def test_a_correlation_that_nothing_says(trained_for: Any) -> None:
    found = Budgets.of([trained_for([(1, 1, 5.0), (2, 2, 6.0)])])
    assert found.correlations[1, 2].value is None and found.pairs[1, 2].shape == (0, 2)


@pytest.fixture
def trained_for(make_two: Any) -> Any:
    """Make a run of generators with so many nodes, evaluated after so many epochs, with these values."""

    def make(results: Sequence[tuple[int, int, float]]) -> RunReport:
        report = make_two([(value, 0) for _, _, value in results], single=True)
        lines = [
            replace(line, genes=(nodes, line.id), fidelity=epochs)
            for line, (nodes, epochs, _) in zip(report.history.lines, results, strict=True)
        ]
        problem = RecordedProblem("generators", report.scenario.problem.goals, None)
        problem.space = GENERATORS
        history = History.of(lines, report.scenario.criteria, Resource("epochs", 3))
        return dataclasses.replace(
            report, history=history, scenario=dataclasses.replace(report.scenario, problem=problem)
        )

    return make
