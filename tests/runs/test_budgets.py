"""Limits, what is spent of them, and the endings that follow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Constraint, Criteria, Objective, Winner
from archloom.errors import InputError
from archloom.evaluators.base import STEPS
from archloom.runs.budgets import LIMITED, Ending, Limits, Spending, parse_duration
from archloom.runs.history import History
from archloom.runs.record import TrialRecord
from archloom.types import Resource, Result

ACC = Criteria((Objective("acc", "max"),))
LOSS = Criteria((Objective("loss", "min"),))


def told(spending: Spending, number: int, result: Result, fidelity: int = 0, base: int | None = None) -> None:
    """Ask and tell one query."""
    spending.fidelities[number] = fidelity
    price = spending.price(fidelity, base)
    spending.asked(price)
    spending.told(number, result, price)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"queries": 0}, "queries=0: expected a whole number of at least 1"),
        ({"queries": True}, "queries=True"),
        ({"queries": 3, "width": None}, "width=None"),
        ({"queries": 3, "max_repeats": 0}, "max_repeats=0"),
        ({"queries": None, "resource": 1.5}, "resource=1.5"),
        ({"queries": None, "max_failures": -1}, "max_failures=-1"),
        ({"queries": None, "seconds": 0.0}, "seconds=0.0: expected a number above 0"),
        ({"queries": None, "seconds": float("inf")}, "seconds=inf"),
        ({"queries": None, "target": float("nan")}, "target=nan: expected a finite number"),
    ],
)
def test_limits_that_make_no_sense(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Limits(**wrong)


def test_whether_anything_ends_a_run() -> None:
    assert not Limits(None).bounded
    assert Limits(3).bounded
    assert all(Limits(None, **{name: 2}).bounded for name in ("resource", "seconds"))
    assert not any(Limits(None, **{name: 2}).bounded for name in ("target", "max_failures")), "which may never come"


def test_every_limit_has_an_ending_of_its_own() -> None:
    cases = {
        Ending.BUDGET: Limits(2),
        Ending.RESOURCE: Limits(None, resource=18),
        Ending.TARGET: Limits(None, target=0.5),
        Ending.FAILURES: Limits(None, max_failures=1),
        Ending.GAVE_UP: Limits(None, give_up=2),
        Ending.TIME: Limits(None, seconds=10.0),
    }
    assert set(cases) == LIMITED
    for ending, limits in cases.items():
        spending = Spending(limits, Resource("epochs", 9), ACC)
        assert spending.ending(0.0) is None
        failing = ending in (Ending.FAILURES, Ending.GAVE_UP)
        told(spending, 0, Result.failed("why 1") if ending is Ending.GAVE_UP else Result({"acc": 0.4}), 9)
        assert spending.ending(9.9) is None
        told(spending, 1, Result.failed("why 2") if failing else Result({"acc": 0.5}), 9)
        assert spending.ending(10.0) is ending


@pytest.mark.parametrize(
    "errors",
    [["no", None, "no", "no"], ["no", "nope", "no", "no"], [None, "no", "no", "no"]],
    ids=["one worked", "another reason", "the first worked"],
)
def test_only_first_failures_that_are_all_alike_end_a_run(errors: list[str | None]) -> None:
    spending = Spending(Limits(None, give_up=2), None, ACC)
    for number, error in enumerate(errors):
        told(spending, number, Result({"acc": 1.0}) if error is None else Result.failed(error), 0)
        assert spending.ending(0.0) is None


def test_a_promotion_uses_the_difference_unless_it_starts_over() -> None:
    going_on, again = (
        Spending(Limits(None, resource=30), Resource("epochs", 27, resumable=r), None) for r in (True, False)
    )
    for spending, used in ((going_on, 27), (again, 36)):
        told(spending, 0, Result({"acc": 0.1}), 9)
        told(spending, 1, Result({"acc": 0.2}), 27, base=0)
        assert spending.used == used
    assert going_on.affords(3) and not going_on.affords(4)


def test_what_stopped_by_itself_costs_what_it_used() -> None:
    spending = Spending(Limits(None, resource=30), Resource("epochs", 27), ACC)
    told(spending, 0, Result({"acc": 0.1}, details={STEPS: 5}), 27)
    assert spending.used == 5


@pytest.mark.parametrize("own", ["many", None, [], {}, True, 2.5, -3, 10**30])
def test_steps_in_the_details_of_a_users_own_evaluator_are_no_costs_unless_they_can_be(own: object) -> None:
    result = Result({"acc": 0.1}, details={STEPS: own})
    spending = Spending(Limits(None, resource=30), Resource("epochs", 27), ACC)
    told(spending, 0, result, 27)
    assert spending.used == 27
    line = TrialRecord(0, (0,), "x", 1, scores={"acc": 0.1}, fidelity=27, details={STEPS: own})
    assert History.of([line], ACC, Resource("epochs", 27)).resource_used == 27


def test_the_target_is_reached_by_the_best_at_the_highest_fidelity() -> None:
    spending = Spending(Limits(None, target=0.9), Resource("epochs", 9), ACC)
    told(spending, 0, Result({"acc": 0.95}), 3)
    assert spending.ending(0.0) is None, "a short training is not what the target is about"
    told(spending, 1, Result({"acc": 0.5}), 9)
    assert spending.ending(0.0) is None
    told(spending, 2, Result({"acc": 0.9}), 9)
    assert spending.ending(0.0) is Ending.TARGET
    on_and_on = Spending(Limits(None, target=0.9), Resource("epochs", 9, open_ended=True), ACC)
    told(on_and_on, 0, Result({"acc": 0.95}), 3)
    assert on_and_on.ending(0.0) is Ending.TARGET, "a network that is there, however long it was trained"


def test_the_target_is_reached_by_a_whole_population_if_the_last_one_has_the_winner() -> None:
    last = replace(ACC, winner=Winner.OF_LAST_POPULATION)
    spending = Spending(Limits(None, target=0.9), Resource("epochs", 9, open_ended=True), last)
    for trial, (acc, epoch) in enumerate([(0.5, 3), (0.6, 3), (0.95, 6)]):
        told(spending, trial, Result({"acc": acc}), epoch)
    assert spending.ending(0.0) is None, "not all members have been through the chunk"
    told(spending, 3, Result.failed("no room"), 6)
    assert spending.ending(0.0) is Ending.TARGET


def test_limits_are_raised_and_taken_away() -> None:
    limits = Limits(10, target=0.9, seconds=5.0)
    spent = {"queries": 10, "resource": 0, "seconds": 5.5, "max_failures": 1}
    assert limits.raised({"queries": 20, "target": None, "seconds": 6.0}, spent) == Limits(20, seconds=6.0)
    for changes, message in (
        ({"queries": 9}, "queries=9: the run has used 10 already; expected more"),
        ({"seconds": 5.0}, r"seconds=5.0: the run has used 5.5 already"),
        ({"width": 3}, "width=3: a run keeps what it was started with"),
        ({"as_completed": True}, "as_completed=True: a run keeps"),
    ):
        with pytest.raises(InputError, match=message):
            limits.raised(changes, spent)
    with pytest.raises(InputError, match="target='90': expected a finite number"):
        Limits(3, target="90")  # type: ignore[arg-type]
    assert Limits(np.int64(3)).queries == 3 and type(Limits(np.int64(3)).queries) is int  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "0s", "1 h", "nan", "5x"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InputError, match="expected a duration such as 90s, 10m, 1h30m or 2d"):
        parse_duration(text)


def test_a_target_of_what_is_minimised_and_constrained() -> None:
    bound = Criteria(LOSS.objectives, (Constraint("size", 3.0),))
    spending = Spending(Limits(None, target=0.2), None, bound)
    told(spending, 0, Result({"loss": 0.1, "size": 9.0}))
    told(spending, 1, Result({"loss": 0.3, "size": 1.0}))
    assert spending.ending(0.0) is None
    told(spending, 2, Result({"loss": 0.2, "size": 1.0}))
    assert spending.ending(0.0) is Ending.TARGET


def test_units_cannot_be_limited_where_nothing_counts_them() -> None:
    with pytest.raises(InputError, match="resource=5: nothing here is evaluated in part; limit queries or time"):
        Spending(Limits(None, resource=5), None, ACC)
