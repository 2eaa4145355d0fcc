from __future__ import annotations

import itertools
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.constraints import Constraint, Criteria, Objective, Winner, criteria
from archloom.errors import InputError
from archloom.types import Goal, Result

finite = st.floats(-1e30, 1e30)
metrics = st.floats(-10, 10).map(lambda x: round(x, 1))  # coarse, so that ties happen
FAILED = Result.failed("no")


def scored(**scores: float) -> Result:
    return Result(scores)


# -- objectives and constraints, one by one -----------------------------------------------------------------------


def test_gains_turn_every_goal_into_more_is_better() -> None:
    both = Criteria((Objective("acc"), Objective("latency", "min")))
    assert both.utilities(scored(acc=90.0, latency=3.0)) == (90.0, -3.0)
    assert not both.single


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("params_m<=0.5", Constraint("params_m", 0.5)),
        ("  edge.gpu-latency  >=  -1e3 ", Constraint("edge.gpu-latency", -1000.0, at_most=False)),
        ("acc>=90", Constraint("acc", 90.0, at_most=False)),
    ],
)
def test_a_constraint_is_read(text: str, parsed: Constraint) -> None:
    assert Constraint.parse(text) == parsed


@given(bound=st.floats(allow_nan=False, allow_infinity=False), at_most=st.booleans())
def test_a_constraint_is_written_as_it_is_read(bound: float, at_most: bool) -> None:
    constraint = Constraint("params_m", bound, at_most)
    assert Constraint.parse(str(constraint)) == constraint


@pytest.mark.parametrize("text", ["", "params", "params<0.5", "params=0.5", "<=3", "a<=", "a<=1 2", "a<=b"])
def test_a_malformed_constraint_is_told_with_an_example(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Constraint.parse(text)
    message = str(caught.value)
    assert message.startswith(f"constraint {text!r}: ")
    assert "\n" not in message
    assert "expected METRIC<=NUMBER" in message or "is not a finite number" in message


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "half", "1e999"])
def test_a_bound_is_a_finite_number(number: str) -> None:
    with pytest.raises(InputError, match=f"{number!r} is not a finite number"):
        Constraint.parse(f"params<={number}")


def test_excess_is_relative_to_the_bound() -> None:
    assert Constraint("x", 2.0).excess(3.0) == 0.5
    assert Constraint("x", 200.0).excess(300.0) == 0.5
    assert Constraint("x", -4.0, at_most=False).excess(-6.0) == 0.5
    assert Constraint("x", 2.0).excess(2.0) == 0.0
    assert Constraint("x", 2.0, at_most=False).excess(1e9) == 0.0
    assert Constraint("x", 0.0).excess(0.1) > 0.0


# -- which of two results is better -------------------------------------------------------------------------------

CONSTRAINED = criteria(["acc"], {"acc": "max", "size": "min"}, ["size<=2"])


def test_debs_order() -> None:
    """Feasible before infeasible, feasible by gain, infeasible by violation alone, failed last."""
    ordered = [
        scored(acc=80.0, size=2.0),
        scored(acc=-70.0, size=0.0),
        scored(acc=99.0, size=2.1),
        scored(acc=100.0, size=50.0),
        FAILED,
    ]
    for order in itertools.permutations(range(5)):
        fitness = CONSTRAINED.fitness([ordered[i] for i in order])
        assert [order[i] for i in fitness.argsort()[::-1]] == [0, 1, 2, 3, 4]


@given(
    results=st.lists(st.tuples(metrics, metrics, metrics), min_size=1, max_size=12), failed=st.sets(st.integers(0, 11))
)
def test_standing_is_debs_rule(results: list[tuple[float, float, float]], failed: set[int]) -> None:
    """Every pair is ordered as the definition orders two results, written down here in the plainest way."""
    goals: dict[str, Goal] = {"acc": "max", "size": "min", "latency": "min"}
    wanted = criteria(["acc"], goals, ["size<=2", "latency<=-1"])
    answers = [FAILED if i in failed else scored(acc=a, size=s, latency=t) for i, (a, s, t) in enumerate(results)]

    def rank(answer: Result) -> tuple[int, float]:
        if not answer.ok:
            return 0, 0.0
        excess = max(answer.scores["size"] - 2, 0) / 2 + max(answer.scores["latency"] + 1, 0)
        return (1, -excess) if excess > 0 else (2, answer.scores["acc"])

    fitness = wanted.fitness(answers)
    for (one, a), (other, b) in itertools.combinations(zip(fitness, answers, strict=True), 2):
        if math.isclose(rank(a)[1], rank(b)[1], abs_tol=1e-9) and rank(a)[0] == rank(b)[0]:
            continue
        assert (one > other) == (rank(a) > rank(b))
    best = wanted.best(answers)
    assert fitness[best] == fitness.max()
    assert not (fitness[:best] == fitness.max()).any()


@given(utilities=st.lists(finite, min_size=1, max_size=8), size=st.floats(3, 100))
def test_breaking_a_constraint_is_worse_than_any_gain(utilities: list[float], size: float) -> None:
    keep = [scored(acc=utility, size=1.0) for utility in utilities]
    breaks = [scored(acc=1e30, size=size), scored(acc=1e30, size=2 * size)]
    fitness = CONSTRAINED.fitness([*keep, *breaks, FAILED])
    assert fitness[:-3].min() > fitness[-3] > fitness[-2] > fitness[-1]


@pytest.mark.parametrize("names", [["acc"], ["acc", "size"]])
@pytest.mark.parametrize("bad", [FAILED, scored(acc=math.nan, size=1.0), scored(acc=50.0, size=math.nan)])
def test_failed_and_nan_are_never_best(names: list[str], bad: Result) -> None:
    wanted = criteria(names, {"acc": "max", "size": "min"}, ["size<=2"])
    worst = scored(acc=-100.0, size=1000.0)
    assert wanted.best([bad, worst, bad]) == 1
    assert not wanted.feasible(bad)


def test_all_failed_has_a_first_one() -> None:
    assert CONSTRAINED.best([FAILED, FAILED]) == 0


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True)) and one != other


def fronts_by_peeling(points: list[tuple[float, ...]]) -> list[int]:
    front, left = [-1] * len(points), set(range(len(points)))
    for level in range(len(points)):
        first = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        for i in first:
            front[i] = level
        left -= first
    return front


@given(points=st.lists(st.tuples(metrics, metrics, metrics), min_size=1, max_size=15), flip=st.booleans())
def test_pareto_fronts(points: list[tuple[float, float, float]], flip: bool) -> None:
    goals: dict[str, Goal] = {"a": "max", "b": "min" if flip else "max", "c": "min"}
    wanted = criteria(["a", "b", "c"], goals)
    fitness = wanted.fitness([scored(a=a, b=b, c=c) for a, b, c in points])
    turned = [(a, -b if flip else b, -c) for a, b, c in points]
    assert (-fitness).tolist() == fronts_by_peeling(turned)


# -- criteria -----------------------------------------------------------------------------------------------------


def test_metrics_are_named_once_each() -> None:
    wanted = criteria(["acc", "size"], {"acc": "max", "size": "min", "t": "min"}, ["size<=2", "t<=1"])
    assert wanted.metrics == ("acc", "size", "t")
    assert wanted.to_json() == {"objectives": {"acc": "max", "size": "min"}, "constraints": ["size<=2", "t<=1"]}


def test_objectives_are_needed_and_differ() -> None:
    with pytest.raises(InputError, match="no objective: name at least one"):
        Criteria(())
    with pytest.raises(InputError, match="objectives acc, acc: each metric may be named once"):
        criteria(["acc", "acc"], {"acc": "max"})


LARGEST = sys.float_info.max


@pytest.mark.parametrize("goal", ["max", "min"])
@pytest.mark.parametrize("bound", [5e-324, 1e-300, 0.0, 1e300, -LARGEST])
def test_the_order_holds_at_the_ends_of_floats(goal: Goal, bound: float) -> None:
    """Feasible before infeasible before failed, however large the values and the violations are."""
    wanted = criteria(["acc"], {"acc": goal, "size": "min"}, [Constraint("size", bound)])
    sign = 1.0 if goal == "max" else -1.0
    feasible = [Result({"acc": sign * acc, "size": -LARGEST}) for acc in (LARGEST, 1.0, -LARGEST)]
    breaking = Result({"acc": sign * LARGEST, "size": LARGEST})
    lacking = [Result.failed("no"), Result({"size": 0.0}), Result({"acc": 1.0})]
    fitness = wanted.fitness([*feasible, breaking, *lacking]).tolist()
    assert fitness[0] > fitness[1] > fitness[2] > fitness[3] > fitness[4] == fitness[5] == fitness[6] == -math.inf
    assert 0.0 < wanted.violation(breaking) < math.inf
    assert not any(wanted.feasible(result) for result in (breaking, *lacking))


# -- which trial of a run is its best


@pytest.mark.parametrize(
    ("fidelities", "counted"),
    [
        ([], []),
        ([10, 10, 10], [0, 0, 3]),  # a first chunk that is not over has the members that are there
        ([10, 10, 10, 20, 20], [0, 0, 3, 3, 3]),
        ([10, 10, 10, 20, 20, 20, 30], [0, 0, 3, 3, 3, 6, 6]),
    ],
)
def test_only_whole_populations_count_if_the_last_one_has_the_winner(fidelities: list[int], counted: list[int]) -> None:
    assert Winner.OF_LAST_POPULATION.counted(fidelities) == counted
    for winner in (Winner.AT_HIGHEST_FIDELITY, Winner.EVER):
        assert list(winner.counted(fidelities)) == list(range(1, len(fidelities) + 1))


def test_which_trial_is_the_best_is_no_goal() -> None:
    goal = (Objective("acc"),)
    assert Criteria(goal, winner=Winner.EVER) == Criteria(goal)
    assert Criteria(goal, winner=Winner.EVER).to_json() == Criteria(goal).to_json()
