from __future__ import annotations

import asyncio
import functools
import math
import pickle
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archloom.checkpoints.store import CheckpointsInMemory
from archloom.errors import InputError, StoreError
from archloom.evaluators.base import Evaluator, FunctionEvaluator, checked, evaluate
from archloom.spaces.base import Categorical
from archloom.testing import PlantedEvaluator, PlantedSpace, check_evaluator
from archloom.types import Arch, Goal, Inherit, Proposal, Resource, Result
from archloom.utils import seeds

SPACE = Categorical({"kernel": [3, 5, 7], "width": [16, 32]})
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


def test_a_state_that_is_missing_is_no_failure_of_the_trial() -> None:
    answering = Answering((Result({"acc": 1.0, "size": 1.0}), None))
    with pytest.raises(StoreError, match="the state of trial 2 is not kept any more"):
        evaluate(answering, replace(PROPOSAL, inherit=Inherit(2)), 0, 3, CheckpointsInMemory())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ValueError("two\nlines"), "ValueError: two lines"),
        (KeyError(), "KeyError"),
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


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


class NoString(BaseException):
    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


class Sealed(BaseException):
    __slots__ = ()

    def __reduce__(self) -> str:
        raise TypeError("not to be pickled")


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit("over"), "GeneratorExit: over"),
        (asyncio.CancelledError(), "CancelledError"),
        (SystemExit({"code": 1}), "SystemExit: {'code': 1}"),
        (SystemExit(), "SystemExit"),
        (Hostile(), "Hostile (its message cannot be shown: RuntimeError)"),
        (NoString(), "NoString (its message cannot be shown: TypeError)"),
        (Sealed("shut"), "Sealed: shut"),
        (ValueError("\x1b[31mred\x1b[0m\x00 \ud800"), "ValueError: red \\ud800"),
        (BaseExceptionGroup("two", [KeyError("a"), KeyboardInterrupt()]), "BaseExceptionGroup: two (2 sub-exceptions)"),
    ],
)
@pytest.mark.parametrize("midway", [False, True])
def test_whatever_a_function_raises_is_its_trials_failure(raised: BaseException, error: str, midway: bool) -> None:
    def function(choices: Any, rng: Any, report: Any) -> float:
        if midway:
            report(1, 0.5)
        raise raised

    failed = evaluate(FunctionEvaluator(SPACE, function, ACC, resource=Resource("epochs", 9)), PROPOSAL, 0, 3)
    assert failed.error == error
    assert pickle.loads(pickle.dumps(failed)) == failed
    assert failed.details == ({"steps": 1} if midway else {})
    assert "in function" in failed.trace and "raise raised" in failed.trace


def test_a_long_message_is_cut_and_its_traceback_kept() -> None:
    failed = result(ValueError("x" * 2_000_000))
    assert failed.error is not None and len(failed.error) == 500 and failed.error.endswith("(2,000,012 characters)")
    assert "in evaluate" in failed.trace and len(failed.trace) < 70_000

    def deep(choices: Any) -> float:
        return deep(choices)

    assert of(deep).error == "RecursionError: maximum recursion depth exceeded"


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_while_something_is_evaluated_is_no_failed_trial() -> None:
    before = signal.getsignal(signal.SIGINT)

    def interrupted(choices: Any) -> float:
        signal.raise_signal(signal.SIGINT)
        return 1.0

    def wrapped(choices: Any) -> float:
        try:
            return interrupted(choices)
        except KeyboardInterrupt:
            raise ValueError("a library made this of it") from None

    def handled(choices: Any) -> float:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    for function in (interrupted, wrapped):
        with pytest.raises(KeyboardInterrupt):
            of(function)
    assert of(handled).error == "KeyboardInterrupt"
    assert signal.getsignal(signal.SIGINT) is before


def test_what_a_failed_trial_printed_is_kept_and_still_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def function(choices: Any) -> float:
        print("out")  # noqa: T201
        print("err", file=sys.stderr)  # noqa: T201
        sys.stdout = None  # type: ignore[assignment]
        return math.nan

    streams = sys.stdout, sys.stderr
    failed = of(function)
    assert (failed.error, failed.trace) == ("acc is nan", "-- printed --\nout\nerr\n")
    assert (sys.stdout, sys.stderr) == streams
    assert capsys.readouterr() == ("out\n", "err\n")


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
    assert checked(Result(details={"a": 1}, error="no"), ACC).details == {"a": 1}


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
        (
            lambda c: "good",
            ACC,
            "InputError: metric 'acc': expected a number, got a str (could not convert string to float: 'good')",
        ),
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


async def deferred(choices: Any) -> float:
    return 1.0


def generated(choices: Any) -> Any:
    yield 1.0


async def streamed(choices: Any) -> Any:
    yield 1.0


@pytest.mark.parametrize("function", [deferred, generated, streamed])
def test_a_function_that_would_not_run_is_refused(function: Any) -> None:
    with pytest.raises(InputError, match=f"evaluate={function.__name__}: expected a function that returns metrics"):
        FunctionEvaluator(SPACE, function, ACC)


class Refusing(CheckpointsInMemory):
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


# -- functions that report on the way ---------------------------------------------------------------------------------

NINE = Resource("epochs", 9)


def trained(choices: Any, rng: Any, report: Any) -> dict[str, float]:
    """Nine epochs, each a tenth better, and a test at the end."""
    for epoch in range(1, 10):
        report(epoch, {"acc": epoch / 10, "size": 1.0})
    return {"acc": 0.95, "size": 1.0, "test": 0.9}


def stopped(function: Any, fidelity: int, goals: dict[str, Goal] = BOTH, resource: Resource | None = NINE) -> Result:
    evaluator = FunctionEvaluator(SPACE, function, goals, ("test",), resource)
    return evaluate(evaluator, Proposal(Arch((2, 1)), fidelity), seed=0, trial_id=3)


def test_a_function_is_stopped_at_the_fidelity_and_goes_to_its_end_in_full() -> None:
    assert stopped(trained, 3).scores == {"acc": 0.3, "size": 1.0} and stopped(trained, 3).report == {}
    full = stopped(trained, 0)
    assert full == replace(stopped(trained, 9), cost_s=full.cost_s)
    assert full.scores["acc"] == 0.95 and full.report == {"test": 0.9}


def test_a_training_loop_that_survives_errors_is_stopped_all_the_same() -> None:
    seen = []

    def stubborn(choices: Any, report: Any) -> float:
        for epoch in range(1, 10):
            try:
                report(epoch, epoch / 10)
            except Exception:  # noqa: BLE001 - as careless loops do
                seen.append("an error")
            seen.append(epoch)
        return 1.0

    assert stopped(stubborn, 2, ACC).scores == {"acc": 0.2}
    assert seen == [1]


@pytest.mark.parametrize(
    ("steps", "fidelity", "acc", "used"),
    [
        ([2, 4, 6], 5, 0.4, 6),  # it was stopped at 6, and 4 is what five epochs gave
        ([4, 8], 3, 0.4, 4),  # nothing was told before
        ([2, 4], 5, 0.4, 4),  # it ended by itself
        ([5], 5, 0.5, None),
    ],
)
def test_what_was_reported_last_within_the_fidelity_counts(
    steps: list[int], fidelity: int, acc: float, used: int | None
) -> None:
    def coarse(choices: Any, *, report: Any) -> None:
        for step in steps:
            report(step, step / 10)

    found = stopped(coarse, fidelity, ACC)
    assert found.scores == {"acc": acc}
    assert found.details == ({} if used is None else {"steps": used}), "what was stopped costs what it used"


@pytest.mark.parametrize("error", [ValueError("diverged"), SystemExit(3), float("nan")])
def test_what_failed_midway_used_what_it_had_trained(error: object) -> None:
    def fails(choices: Any, report: Any) -> float:
        report(1, 0.1)
        report(4, 0.4)
        if isinstance(error, BaseException):
            raise error
        return float("nan")

    found = stopped(fails, 0, ACC)
    assert found.error in ("ValueError: diverged", "SystemExit: 3", "acc is nan")
    assert found.details == {"steps": 4}
    assert stopped(lambda c, report: 1 / 0, 0, ACC).details == {}, "how far it came is not known"
    assert stopped(fails, 0, ACC, None).details == {}


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda c, report: report(0, 1.0), "InputError: report(0, ...): expected whole numbers that rise, from 1 on"),
        (lambda c, report: [report(2, 1.0), report(2, 1.0)], "InputError: report(2, ...) after step 2: expected"),
        (lambda c, report: report(10**30, 1.0), f"InputError: report({10**30}, ...): expected"),
        (lambda c, report: report(1.5, 1.0), "InputError: report(1.5, ...): expected"),
        (lambda c, report: report(1, None), "InputError: the function returned None"),
        (lambda c, report: None, "InputError: the function returned None: return a number, or a dict of metrics"),
        (lambda c, report: report(9, {"loss": 1.0}), "InputError: metric 'loss' is neither in goals nor in report"),
        (lambda c, report: report(9, float("nan")), "acc is nan"),
    ],
)
def test_what_cannot_be_reported(function: Any, error: str) -> None:
    found = stopped(function, 0, ACC).error
    assert found is not None and found.startswith(error)


def test_a_function_may_see_to_the_fidelity_itself() -> None:
    assert stopped(lambda choices, fidelity: fidelity / 10, 3, ACC).scores == {"acc": 0.3}
    assert stopped(lambda choices, rng, fidelity=1: fidelity / 10, 0, ACC).scores == {"acc": 0.9}
    assert stopped(lambda choices, generator, *, fidelity: float(generator.random() < fidelity), 9, ACC).ok


def test_a_function_gets_what_it_names() -> None:
    def every(choices: Any, report: Any, seed: int = 7, *, rng: Any) -> float:
        assert isinstance(rng, np.random.Generator)
        report(1, 0.1)
        return float(seed)

    assert stopped(every, 0, ACC).scores == {"acc": 7.0}
    assert stopped(lambda choices, extra=3: float(extra), 0, ACC, None).scores == {"acc": 3.0}


def test_a_resource_that_the_function_cannot_know_of() -> None:
    with pytest.raises(InputError, match="resource 1 to 9 epochs: expected a function with a parameter report"):
        FunctionEvaluator(SPACE, lambda choices, rng: 1.0, ACC, resource=NINE)


def test_a_fidelity_that_there_is_not() -> None:
    assert stopped(trained, 10).error == "InputError: fidelity 10: expected 1 to 9 epochs, or 0 for the maximum"
    assert stopped(trained, 1, resource=None).error == (
        "InputError: fidelity 1: this evaluator has only one fidelity; expected 0"
    )
