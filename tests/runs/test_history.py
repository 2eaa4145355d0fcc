from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from archloom.constraints import Winner, criteria
from archloom.errors import InputError
from archloom.runs.history import History
from archloom.runs.record import TrialRecord
from archloom.types import Goal, Inherit, Resource

GOALS: dict[str, Goal] = {"acc": "max", "size": "min"}
ACC = criteria(["acc"], GOALS)
SMALL = criteria(["acc"], GOALS, ["size<=2"])
BOTH = criteria(["acc", "size"], GOALS)
numbers = st.integers(-5, 5).map(float)


def line(query: int | None, acc: float = 0.0, size: float = 0.0, *, error: str | None = None) -> TrialRecord:
    scores = {} if error else {"acc": acc, "size": size}
    return TrialRecord(
        id=query or 99, genes=(query or 0,), arch=f"arch {query}", query=query, scores=scores, error=error
    )


def test_queries_come_in_their_order_and_repeats_are_left_out() -> None:
    history = History.of([line(3, 30), line(None, 99), line(1, 10), line(2, 20)], ACC)
    assert [kept.query for kept in history.lines] == [1, 2, 3]
    assert history.queries == 3
    best = history.best()
    assert best is not None
    assert best.query == 3


def test_the_first_of_equal_bests_stands() -> None:
    best = History.of([line(3, 30), line(2, 30), line(1, 10)], ACC).best()
    assert best is not None
    assert best.query == 2


def test_the_best_keeps_the_constraints() -> None:
    history = History.of([line(1, 10, 1), line(2, 20, 2), line(3, 30, 3), line(4, error="no")], SMALL)
    best = history.best()
    assert best is not None
    assert best.query == 2
    assert [kept.query for kept in history.feasible()] == [1, 2]
    assert [kept.query for kept in history.failed] == [4]


def test_the_curve_starts_at_the_first_feasible_query() -> None:
    history = History.of(
        [line(1, 90, 5), line(2, error="no"), line(3, 10), line(4, 5), line(5, 99, 5), line(6, 11)], SMALL
    )
    assert history.curve() == [(3, 10.0), (4, 10.0), (5, 10.0), (6, 11.0)]


def test_the_curve_of_what_is_minimised_goes_down() -> None:
    history = History.of([line(1, 0, 5), line(2, 0, 7), line(3, 0, 4)], criteria(["size"], GOALS))
    assert history.curve() == [(1, 5.0), (2, 5.0), (3, 4.0)]


@pytest.mark.parametrize("lines", [[], [line(1, error="no")], [line(1, 5, 9)]])
def test_nothing_feasible(lines: list[TrialRecord]) -> None:
    history = History.of(lines, criteria(["acc", "size"], GOALS, ["size<=2"]))
    assert history.best() is None
    assert history.curve() == []
    assert history.pareto() == []
    assert history.hypervolume((0.0, 0.0)) == 0.0


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=15))
def test_the_pareto_set_by_brute_force(points: list[tuple[float, float]]) -> None:
    history = History.of([line(i, *point) for i, point in enumerate(points, 1)], BOTH)
    front = [(kept.scores["acc"], kept.scores["size"]) for kept in history.pareto()]
    expected = {(a, s) for a, s in points if not any(x >= a and y <= s and (x, y) != (a, s) for x, y in points)}
    assert len(front) == len(set(front))
    assert set(front) == expected
    assert front == sorted(front, reverse=True)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=10))
def test_the_hypervolume_by_counting_cells(points: list[tuple[float, float]]) -> None:
    """On integers the dominated area is the number of unit squares below and right of some point."""
    history = History.of([line(i, *point) for i, point in enumerate(points, 1)], BOTH)
    squares = itertools.product(range(-5, 5), range(-5, 5))  # acc from a to a + 1, size from s to s + 1
    area = sum(any(acc >= a + 1 and size <= s for acc, size in points) for a, s in squares)
    assert history.hypervolume((-5.0, 5.0)) == pytest.approx(area)


def test_points_beyond_the_reference_count_nothing() -> None:
    history = History.of([line(1, 10, 9), line(2, -1, 1)], BOTH)
    assert history.hypervolume((0.0, 5.0)) == 0.0


def test_one_objective_has_a_pareto_set_of_its_best() -> None:
    history = History.of([line(1, 10), line(2, 30), line(3, 30)], ACC)
    assert [kept.scores["acc"] for kept in history.pareto()] == [30.0]


# -- fidelities -----------------------------------------------------------------------------------------------------

RUNGS = Resource("epochs", 9)


def rung(
    query: int, acc: float, fidelity: int, base: int | None = None, cost: float = 0.0, details: Any = None
) -> TrialRecord:
    return TrialRecord(
        id=query, genes=(base or query,), arch=f"arch {query}", query=query, fidelity=fidelity, cost_s=cost,
        inherit=None if base is None else Inherit(base), scores={"acc": acc, "size": acc}, details=details or {},
    )  # fmt: skip


def test_the_best_is_the_best_at_the_highest_fidelity_reached() -> None:
    history = History.of([rung(1, 90, 1), rung(2, 50, 9), rung(3, 60, 0), rung(4, 99, 3)], ACC, RUNGS)
    best = history.best()
    assert best is not None and best.query == 3, "0 stands for all there is"
    assert [line.query for line in history.comparable()] == [2, 3]
    assert [line.query for line in History.of([rung(1, 90, 1), rung(4, 99, 3)], ACC, RUNGS).comparable()] == [4]
    pareto = History.of([rung(1, 1, 1), rung(2, 5, 9), rung(3, 6, 9)], BOTH, RUNGS).pareto()
    assert [line.query for line in pareto] == [3, 2]


def chunks(*populations: list[float | None]) -> list[TrialRecord]:
    """A population's chunks of 10 epochs; None for a member that failed."""
    values = [(10 * (number + 1), acc) for number, found in enumerate(populations) for acc in found]
    return [
        rung(query, acc or 0, epoch) if acc is not None else replace(rung(query, 0, epoch), scores={}, error="x")
        for query, (epoch, acc) in enumerate(values, 1)
    ]


STOPPED = chunks([10, 40, 20], [50, 30, None], [20, None, 45], [15, 60])


@pytest.mark.parametrize(
    ("winner", "best", "compared", "settled", "curve"),
    [
        (Winner.AT_HIGHEST_FIDELITY, 11, [10, 11], 10, [10, 40, 40, 50, 50, 50, 20, 20, 45, 15, 60]),
        (Winner.EVER, 11, [1, 2, 3, 4, 5, 7, 9, 10, 11], 1, [10, 40, 40, 50, 50, 50, 50, 50, 50, 50, 60]),
        (Winner.OF_LAST_POPULATION, 9, [7, 9], 7, [40, 40, 40, 50, 50, 50, 45, 45, 45]),
    ],
)
def test_the_best_of_a_population(
    winner: Winner, best: int, compared: list[int], settled: float, curve: list[float]
) -> None:
    counted = Resource("epochs", 10, open_ended=True)
    history = History.of(STOPPED, dataclasses.replace(ACC, winner=winner), counted)
    found = history.best()
    assert found is not None and found.query == best
    assert [line.query for line in history.comparable()] == compared
    assert history.settled() == settled
    assert [value for _, value in history.curve()] == curve
    assert [spent for spent, _ in history.curve()] == list(range(12 - len(curve), 12))
    several = History.of(STOPPED, dataclasses.replace(BOTH, winner=winner), counted)
    assert several.hypervolume_curve([0.0, 100.0])[-1][1] == several.hypervolume([0.0, 100.0])


def test_the_best_ever_is_told_where_the_best_is_of_the_last_population() -> None:
    last = dataclasses.replace(ACC, winner=Winner.OF_LAST_POPULATION)
    ever = History.of(chunks([10, 40], [50, 30], [20, 45]), last).best_ever()
    assert ever is not None and ever.query == 3
    assert History.of(chunks([None, None]), last).best_ever() is None
    for other in (Winner.EVER, Winner.AT_HIGHEST_FIDELITY):
        assert History.of(STOPPED, dataclasses.replace(ACC, winner=other)).best_ever() is None


def test_a_last_population_that_failed_has_no_winner() -> None:
    last = dataclasses.replace(ACC, winner=Winner.OF_LAST_POPULATION)
    best = History.of(chunks([10, 40], [None, None]), last).best()
    assert best is not None and best.query == 2
    assert History.of(chunks([None, None]), last).best() is None
    stopped = History.of(chunks([10, 40]), last).best()
    assert stopped is not None and stopped.query == 2, "the first one, as far as it is"


def test_a_curve_is_at_the_highest_fidelity_so_far_over_what_was_spent() -> None:
    lines = [rung(1, 10, 1, cost=2.0), rung(2, 30, 1, cost=2.0), rung(3, 20, 9, base=2, cost=20.0), rung(4, 40, 1)]
    history = History.of(lines, ACC, RUNGS)
    assert history.curve() == [(1, 10), (2, 30), (3, 20), (4, 20)]
    assert history.curve("resource") == [(1, 10), (2, 30), (10, 20), (11, 20)], "a promotion uses the difference"
    assert history.curve("seconds") == [(2, 10), (4, 30), (24, 20), (24, 20)]
    assert history.resource_used == 11
    from_start = History.of(lines, ACC, Resource("epochs", 9, cost_from_start=True))
    assert from_start.curve("seconds")[-1] == (22, 20), "what was looked up counts the whole training"


def test_what_continued_a_repeat_used_the_difference() -> None:
    first = rung(1, 10, 3, cost=6.0)
    repeat = replace(first, id=2, query=None, same=1)
    promoted = replace(rung(3, 20, 9, base=2, cost=12.0), genes=first.genes, query=2)
    history = History.of([first, repeat, promoted], ACC, RUNGS)
    assert history.resource_used == 9 and history.queries == 2
    looked_up = History.of([first, repeat, promoted], ACC, Resource("epochs", 9, cost_from_start=True))
    assert looked_up.curve("seconds")[-1] == (12, 20)


def test_what_stopped_by_itself_used_what_it_says() -> None:
    assert History.of([rung(1, 10, 9, details={"steps": 4})], ACC, RUNGS).resource_used == 4
    assert History.of([rung(1, 10, 0)], ACC).resource_used == 0


def test_what_is_looked_up_did_not_go_on_from_another_architecture() -> None:
    lines = [rung(1, 10, 9, cost=20.0), replace(rung(2, 30, 9, base=1, cost=25.0), genes=(2,))]
    looked_up = History.of(lines, ACC, Resource("epochs", 9, cost_from_start=True))
    assert looked_up.resource_used == 18 and looked_up.curve("seconds") == [(20, 10), (45, 30)]
    assert History.of(lines, ACC, RUNGS).resource_used == 9, "a training may have changed its architecture"


def test_an_unknown_axis_is_told() -> None:
    with pytest.raises(InputError, match="unknown axis 'epochs'"):
        History.of([rung(1, 10, 9)], ACC, RUNGS).curve("epochs")  # type: ignore[arg-type]
