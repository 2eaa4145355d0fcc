"""The best of a search measured again, on an evaluator whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from archloom.analysis.sampled import Top
from archloom.deploy.rerank import TEST_CAVEAT, MeasuresParts, rerank
from archloom.errors import InputError
from archloom.problems import Problem, ProblemSpec, select_metrics
from archloom.runs.budgets import Limits
from archloom.runs.history import History
from archloom.runs.prepare import Request
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.spaces.base import Categorical
from archloom.types import Arch, Goal, Proposal, Result, Weights

SEARCH = (60.0, 70.0, 65.0, 68.0)
"""Accuracies of architectures 0 to 3 in the search,"""
VALID = (61.0, 66.0, 67.0, 66.0)
"""on all validation images,"""
TEST = (64.0, 62.0, 63.0, 64.5)
"""and on test images."""


class Measured:
    """Answers as a frozen supernet does, and counts the parts it was asked for."""

    goals: Mapping[str, Goal] = {"valid_accuracy": "max"}
    resource = None

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, None]:
        return Result({"valid_accuracy": SEARCH[int(proposal.arch.genes[0])]}), None

    def measure(self, arch: Arch, part: str) -> tuple[float, float]:
        number = int(arch.genes[0])
        self.asked.append((number, part))
        return {"valid": VALID, "test": TEST}[part][number], 1.0


@pytest.fixture
def evaluator() -> Measured:
    return Measured()


@pytest.fixture
def run(evaluator: Any) -> RunReport:
    return report_on(evaluator, {"valid_accuracy": "max"})


def report_on(evaluator: Any, goals: Any) -> RunReport:
    space = Categorical({"a": list("wxyz")})
    scenario = select_metrics(Problem(space, evaluator, goals), ProblemSpec("supernet:fashion"))
    metric = scenario.objectives[0]
    lines = [
        TrialRecord(i, (i,), space.format(Arch((i,))), i + 1, scores={metric: value}) for i, value in enumerate(SEARCH)
    ]
    request = Request("cadam", scenario.spec, 0, Limits(queries=4))
    return RunReport(request, scenario, History.of(lines, scenario.criteria), 4, "all queries asked", 0.1)


def test_by_all_validation_images(run: RunReport, evaluator: Measured) -> None:
    """Of the best three (1, 3, 2 in the search), 2 is the best on all images; 1 and 3 tie there. Test images are not
    looked at."""
    assert isinstance(evaluator, MeasuresParts)
    done: list[tuple[int, int]] = []
    found = rerank(run, Top(3), measured=lambda now, every: done.append((now, every)))
    assert [(each.line.id, each.rank, each.place) for each in found.candidates] == [(2, 1, 3), (1, 2, 1), (3, 3, 2)]
    assert found.chosen.line.id == 2 and found.by_test is None
    assert sorted(evaluator.asked) == [(1, "valid"), (2, "valid"), (3, "valid")]
    assert done == [(1, 3), (2, 3), (3, 3)]
    content = json.loads(json.dumps(found.to_json()))
    assert (content["chosen_on"], content["caveat"], content["by_test"]) == ("all validation images", None, None)
    assert content["chosen"]["valid_accuracy"] == 67.0 and content["chosen"]["test_accuracy"] is None
    assert content["chosen"]["in_search"] == 65.0 and content["chosen"]["step"] == 3
    assert list(content["correlations"]) == ["search and all validation images"]


def test_by_test_images(run: RunReport) -> None:
    found = rerank(run, Top(3), on_test=True)
    assert found.by_test is not None and found.chosen is found.by_test
    assert (found.by_test.line.id, found.by_test.rank) == (3, 3) and found.by_validation.line.id == 2
    content = json.loads(json.dumps(found.to_json()))
    assert (content["chosen_on"], content["caveat"]) == ("the test set", TEST_CAVEAT)
    assert content["by_validation"]["test_accuracy"] == 63.0 and content["by_test"]["test_accuracy"] == 64.5
    assert content["published"][1]["rank"] == 416
    assert found.correlations()["all validation and test images"].n == 3


def test_runs_on_something_else_are_refused() -> None:
    with pytest.raises(InputError, match="expected a run on a frozen supernet, --on supernet:DATA"):
        rerank(report_on(lambda arch: 1.0, {"y": "max"}), Top(3))
