from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.problems import (
    Problem,
)
from archloom.spaces.base import Categorical
from archloom.testing import PlantedEvaluator, PlantedSpace
from archloom.types import Arch, Proposal

SPACE = Categorical({"kernel": [3, 5, 7], "width": [16, 32]})


ARCH = Arch((2, 1))


def metrics(choices: Mapping[str, Any]) -> dict[str, float]:
    return {"acc": choices["kernel"], "size": choices["width"], "test": 1.0}


def user_problem() -> Problem:
    return Problem(SPACE, metrics, {"acc": "max", "size": "min"}, report=("test",))


def test_the_first_goal_is_optimised_and_everything_else_reported() -> None:
    problem = user_problem()
    assert problem.default_objectives() == ("acc",)
    assert problem.default_report(("acc",)) == ("test",)
    assert list(problem.reportable()) == ["acc", "size", "test"]
    assert problem.rank("acc", 7.0) is None
    result = evaluate(problem.evaluator(("acc",), ()), Proposal(ARCH), 0, 0)
    assert result.scores == {"acc": 7.0}
    assert result.report == {"test": 1.0, "size": 32.0}


def test_a_complete_evaluator_is_taken_as_it_is() -> None:
    evaluator = PlantedEvaluator()
    problem = Problem(PlantedSpace(), evaluator, {"worth": "max"})
    assert problem.evaluator(("worth",), ()) is evaluator


@pytest.mark.parametrize(
    ("space", "evaluate", "goals", "message"),
    [
        (PlantedSpace, PlantedEvaluator(), {"worth": "max"}, "expected a search space, e.g. archloom.Categorical("),
        ("nb201", PlantedEvaluator(), {"worth": "max"}, "space 'nb201': expected a search space"),
        (SPACE, metrics, {}, "goals {}: expected a metric with 'max' or 'min'"),
        (SPACE, metrics, ["acc"], "goals ['acc']: expected a metric with 'max' or 'min'"),
        (SPACE, metrics, {"acc": "up"}, "expected a metric with 'max' or 'min', e.g. {'accuracy': 'max'}"),
        (PlantedSpace(), PlantedEvaluator(), {}, "goals {}: expected a metric with 'max' or 'min'"),
        (PlantedSpace(), PlantedEvaluator(), {"wroth": "max"}, "unknown goal 'wroth'; did you mean 'worth'"),
        (PlantedSpace(), PlantedEvaluator(), {"worth": "min"}, "goal 'worth' is 'min', but its evaluator says 'max'"),
    ],
)
def test_a_wrong_problem_is_told_where_it_is_made(space: Any, evaluate: Any, goals: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Problem(space, evaluate, goals)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_evaluates_nothing_is_refused_in_one_line() -> None:
    class Forgetful:
        goals: ClassVar[dict[str, str]] = {"worth": "max"}

        def evaluate(self, proposal: object, weights: object, rng: object) -> None:
            raise NotImplementedError

    with pytest.raises(InputError, match=r"expected a function, or an evaluator, .*; this has no resource$"):
        Problem(PlantedSpace(), Forgetful(), {"worth": "max"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="this has no goals and no resource and no evaluate"):
        Problem(PlantedSpace(), 3, {"worth": "max"})  # type: ignore[arg-type]
