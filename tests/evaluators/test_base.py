from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from archloom import seeds
from archloom.errors import InputError, StoreError
from archloom.evaluators.base import Evaluator, FunctionEvaluator, checked, evaluate
from archloom.spaces.base import Categorical
from archloom.states import StatesInMemory
from archloom.testing import PlantedEvaluator, PlantedSpace, check_evaluator
from archloom.types import Arch, Goal, Proposal, Result

SPACE = Categorical({"kernel": (3, 5, 7), "width": (16, 32)})
PROPOSAL = Proposal(Arch((2, 1)))
ACC: dict[str, Goal] = {"acc": "max"}
BOTH: dict[str, Goal] = {"acc": "max", "size": "min"}


class Answering:
    """Answers with whatever it was given."""

    goals: Mapping[str, Goal] = BOTH
    resource = None

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def result(answer: Any) -> Result:
    return evaluate(Answering(answer), PROPOSAL, seed=0, trial_id=3)


def of(function: Any, goals: dict[str, Goal] = ACC, report: tuple[str, ...] = ()) -> Result:
    return evaluate(FunctionEvaluator(SPACE, function, goals, report), PROPOSAL, seed=0, trial_id=3)


# -- whatever happens becomes a result ----------------------------------------------------------------------------


def test_contract() -> None:
    check_evaluator(PlantedEvaluator, PlantedSpace)
    assert isinstance(PlantedEvaluator(), Evaluator)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ValueError("two\nlines"), "ValueError: two lines"),
        (KeyError(), "KeyError:"),
        (SystemExit(3), "SystemExit: 3"),
        (MemoryError("no room"), "MemoryError: no room"),
        ((Result({"acc": math.nan, "size": 1.0}), None), "acc is nan"),
        ((Result({"acc": 1.0, "size": math.inf}), None), "size is inf"),
        ((Result({"acc": 1.0, "size": -math.inf}), None), "size is -inf"),
        ((Result({"size": 1.0}), None), "the evaluator gave no score named acc"),
        ((Result(), None), "the evaluator gave no score named acc, size"),
        ((Result({"acc": 1.0, "size": 1.0, "stray": math.nan}), None), "stray is nan"),
        ((Result.failed("out of memory"), None), "out of memory"),
        ((Result({"acc": 1.0, "size": 1.0}, error="half done"), None), "half done"),
    ],
)
def test_a_bad_evaluation_is_a_failed_trial(answer: Any, error: str) -> None:
    failed = result(answer)
    assert failed.error == error
    assert failed.scores == failed.report == {}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        (None, None),
        ({"acc": 1.0}, None),
        (Result({"acc": "high", "size": 1.0}), None),  # type: ignore[dict-item]
        (Result({"acc": None, "size": 1.0}), None),  # type: ignore[dict-item]
        (Result({"acc": 1.0, "size": 1.0}, {"test": "x"}), None),  # type: ignore[dict-item]
        (Result({"acc": 1.0, "size": 1.0}, details={"a": object()}), None),
        (Result({"acc": 1.0, "size": 1.0}, details={"a": math.nan}), None),
    ],
)
def test_nonsense_is_a_failed_trial_and_not_the_end_of_the_run(answer: Any) -> None:
    failed = result(answer)
    assert not failed.ok
    assert "\n" not in str(failed.error)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), GeneratorExit()])
def test_an_interrupt_is_no_failed_trial(interrupt: BaseException) -> None:
    with pytest.raises(type(interrupt)):
        result(interrupt)


def test_numbers_of_any_type_become_plain_ones() -> None:
    kept = result((Result({"acc": np.float32(0.5), "size": 3}, {"test": np.float64(2)}, np.float32(1.5)), None))
    assert kept == Result({"acc": 0.5, "size": 3.0}, {"test": 2.0}, 1.5)
    for value in (*kept.scores.values(), *kept.report.values(), kept.cost_s):
        assert type(value) is float


def test_what_was_not_measured_is_left_out_of_the_report() -> None:
    kept = checked(Result({"acc": 1.0}, {"a": math.nan, "b": 2.0, "c": math.inf}), ACC)
    assert kept.report == {"b": 2.0}


def test_details_are_kept_as_the_record_has_them() -> None:
    kept = checked(Result({"acc": 1.0}, details={"pairs": (1, "x"), 3: None}), ACC)
    assert kept.details == {"pairs": [1, "x"], "3": None}
    assert checked(Result(details={"a": 1}, error="no"), ACC).details == {}


@pytest.mark.parametrize("cost", [math.nan, math.inf])
@pytest.mark.parametrize("error", [None, "no"])
def test_a_cost_that_cannot_be_recorded_is_none(cost: float, error: str | None) -> None:
    assert checked(Result({"acc": 1.0}, cost_s=cost, error=error), ACC).cost_s == 0.0


def test_a_trials_stream_depends_on_seed_and_id_alone() -> None:
    class Noise(PlantedEvaluator):
        def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, None]:
            return Result({"worth": rng.random()}), None

    noise = Noise()
    evaluate(noise, PROPOSAL, 0, 1)
    scores = [evaluate(noise, PROPOSAL, seed, trial).scores["worth"] for seed, trial in [(0, 3), (0, 4), (1, 3)]]
    assert scores[0] == evaluate(Noise(), PROPOSAL, 0, 3).scores["worth"]
    assert scores[0] == seeds.stream(0, "evaluate", 3).random()
    assert len(set(scores)) == 3


# -- functions ----------------------------------------------------------------------------------------------------


def accuracy(choices: dict[str, int]) -> float:
    return choices["kernel"] + choices["width"]


def make_function_evaluator() -> FunctionEvaluator:
    return FunctionEvaluator(SPACE, accuracy, ACC)


def make_space() -> Categorical:
    return SPACE


def test_a_function_keeps_the_contract() -> None:
    check_evaluator(make_function_evaluator, make_space)


@pytest.mark.parametrize("number", [39, 39.0, np.float32(39), np.int64(39)])
def test_a_number_is_the_single_goal(number: Any) -> None:
    answer = of(lambda choices: number)
    assert answer.scores == {"acc": 39.0}
    assert type(answer.scores["acc"]) is float
    assert answer.cost_s >= 0.0


def test_it_sees_choices_by_name_or_the_architecture() -> None:
    seen: list[Any] = []
    of(lambda choices: seen.append(choices) or 1.0)
    assert seen == [{"kernel": 7, "width": 32}]

    class Plain:
        """A space without names."""

    FunctionEvaluator(Plain(), lambda arch: seen.append(arch) or 1.0, ACC).evaluate(PROPOSAL, None, None)  # type: ignore[arg-type]
    assert seen[1] == PROPOSAL.arch


def test_a_dict_is_split_into_scores_and_report() -> None:
    answer = of(lambda choices: {"test": 88, "size": 2, "acc": 90}, BOTH, ("test", "never measured"))
    assert answer.scores == {"acc": 90.0, "size": 2.0}
    assert answer.report == {"test": 88.0}
    assert list(answer.scores) == ["acc", "size"]


def test_an_objective_may_be_reported_too() -> None:
    answer = of(lambda choices: {"acc": 90}, ACC, ("acc",))
    assert answer.scores == answer.report == {"acc": 90.0}


@pytest.mark.parametrize(
    ("function", "goals", "error"),
    [
        (lambda c: {"acc": 1, "tset": 2}, ACC, "InputError: metric 'tset' is neither in goals nor in report"),
        (lambda c: {"size": 1}, BOTH, "the evaluator gave no score named acc"),
        (lambda c: 5, BOTH, "InputError: the function returned one number for the goals acc, size: return a dict"),
        (lambda c: math.nan, ACC, "acc is nan"),
        (lambda c: {"acc": math.inf}, ACC, "acc is inf"),
        (lambda c: 1 / 0, ACC, "ZeroDivisionError: division by zero"),
        (lambda c: None, ACC, "InputError: the function returned None: return a number, or a dict of metrics"),
        (lambda c: "good", ACC, "ValueError: could not convert string to float: 'good'"),
        (lambda c: c["depth"], ACC, "KeyError: 'depth'"),
    ],
)
def test_a_failing_function_is_a_failed_trial(function: Any, goals: dict[str, Goal], error: str) -> None:
    assert of(function, goals).error == error


def with_rng(choices: Any, rng: np.random.Generator) -> float:
    return rng.random()


def with_generator(choices: Any, generator: np.random.Generator) -> float:
    return generator.random()


def with_optional_rng(choices: Any, rng: np.random.Generator | None = None) -> float:
    assert rng is not None
    return rng.random()


def with_setting(choices: Any, scale: float = 2.0) -> float:
    return scale


def with_keyword(choices: Any, *, scale: float = 2.0) -> float:
    return scale


def with_more(choices: Any, **settings: Any) -> float:
    return 2.0


def scaled(choices: Any, scale: float) -> float:
    return scale


class Method:
    def score(self, choices: Any, rng: np.random.Generator) -> float:
        return rng.random()

    def __call__(self, choices: Any) -> float:
        return 2.0


@pytest.mark.parametrize("function", [with_rng, with_generator, with_optional_rng, Method().score])
def test_the_generator_goes_to_who_asks_for_it(function: Any) -> None:
    assert of(function).scores == {"acc": seeds.stream(0, "evaluate", 3).random()}


@pytest.mark.parametrize(
    "function", [with_setting, with_keyword, with_more, functools.partial(scaled, scale=2.0), Method()]
)
def test_a_setting_with_a_default_is_not_taken_for_the_generator(function: Any) -> None:
    assert of(function).scores == {"acc": 2.0}


@pytest.mark.parametrize("goals", [{}, {"acc": "up"}])
def test_goals_are_checked(goals: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        FunctionEvaluator(SPACE, accuracy, goals)
    assert str(caught.value) == f"goals {goals}: expected a metric with 'max' or 'min', e.g. {{'accuracy': 'max'}}"


class Refusing(StatesInMemory):
    """Keeps nothing, and says why."""

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason

    def save(self, trial: int, state: Any) -> None:
        raise self.reason


def test_a_state_without_room_is_no_failure_of_the_trial() -> None:
    trained = Answering((Result({"acc": 1.0, "size": 2.0}), "a state"))
    with pytest.raises(StoreError, match="no room"):
        evaluate(trained, PROPOSAL, seed=0, trial_id=3, states=Refusing(StoreError("no room")))
    found = evaluate(trained, PROPOSAL, seed=0, trial_id=3, states=Refusing(InputError("no such numbers")))
    assert found.error == "InputError: no such numbers"
