from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

pytest.importorskip("numba", reason="the sum tree needs the extra envs")

from archloom.errors import InputError
from archloom.learners.replay import PrioritisedReplay, _find

COLUMNS = {"states": (np.int32, (3, 2)), "actions": (np.int16, ()), "returns": (np.float32, ())}
Columns = dict[str, NDArray[Any]]


def numbered(start: int, stop: int) -> Columns:
    """The transitions with these numbers, which all columns tell."""
    numbers = np.arange(start, stop)
    states = np.broadcast_to(numbers[:, None, None], (len(numbers), 3, 2)).astype(np.int32)
    return {"states": states, "actions": numbers.astype(np.int64), "returns": numbers.astype(np.float32)}


def filled(errors: Any, capacity: int | None = None, alpha: float = 0.6, eps: float = 1e-6) -> PrioritisedReplay:
    errors = np.asarray(errors)
    replay = PrioritisedReplay(capacity or len(errors), COLUMNS, alpha, eps)
    replay.add(numbered(0, len(errors)), errors)
    return replay


def same(one: PrioritisedReplay, other: PrioritisedReplay) -> None:
    """They hold the same, and draw the same."""
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    for n in (1, 64) if len(one) else ():
        drawn, again = (replay.sample(n, 0.4, np.random.default_rng(5)) for replay in (one, other))
        np.testing.assert_array_equal(drawn.rows, again.rows)
        np.testing.assert_array_equal(drawn.weights, again.weights)


# --- what is drawn


def test_draws_one_at_a_time_are_as_frequent_as_priorities() -> None:
    errors = np.random.default_rng(1).exponential(size=37)  # no power of two
    replay, rng = filled(errors), np.random.default_rng(2)
    drawn = np.concatenate([replay.sample(1, 0.4, rng).rows for _ in range(20_000)])
    expected = (errors + 1e-6) ** 0.6
    p = stats.chisquare(np.bincount(drawn, minlength=37), 20_000 * expected / expected.sum()).pvalue
    assert 0.001 < p < 0.999


def test_a_sample_has_each_row_as_often_as_its_priority_says() -> None:
    errors = np.random.default_rng(1).exponential(size=100) ** 3
    replay, rng = filled(errors), np.random.default_rng(2)
    expected = 512 * (errors + 1e-6) ** 0.6 / ((errors + 1e-6) ** 0.6).sum()
    counts = np.array([np.bincount(replay.sample(512, 0.4, rng).rows, minlength=100) for _ in range(2_000)])
    assert np.abs(counts - expected).max() < 2, "one draw from each segment"
    deviations = (counts.mean(axis=0) - expected) / np.maximum(counts.std(axis=0, ddof=1), 1e-9) * np.sqrt(2_000)
    assert stats.chi2.sf((deviations**2).sum(), 99) > 0.001, "no row is drawn too often or too rarely in the mean"


@given(
    quarters=st.lists(st.integers(0, 40), min_size=1, max_size=40),
    spare=st.integers(0, 30),
    n=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_the_tree_finds_what_a_cumulated_sum_does(quarters: list[int], spare: int, n: int, seed: int) -> None:
    """Priorities are multiples of 1/4, so that sums are exact."""
    errors = np.array(quarters) / 4
    replay = filled(errors, len(errors) + spare, alpha=1.0, eps=0.25)
    priorities = errors + 0.25
    masses = (np.arange(n) + np.random.default_rng(seed).random(n)) * (priorities.sum() / n)
    right = np.searchsorted(np.cumsum(priorities), masses, side="right")
    found = replay.sample(n, 1.0, np.random.default_rng(seed))
    np.testing.assert_array_equal(found.rows, right)
    np.testing.assert_array_equal(found.columns["actions"], right)
    np.testing.assert_array_equal(found.columns["returns"], right)
    np.testing.assert_array_equal(found.columns["states"], numbered(0, len(errors))["states"][right])


def test_where_a_row_begins_and_that_rounding_never_finds_an_empty_one() -> None:
    replay = filled([0.0, 1.0, 2.0], 6, alpha=1.0, eps=0.25)
    masses = np.array([0.0, 0.25, 1.5, np.nextafter(1.5, 0), np.nextafter(3.75, 0), 3.75, 9.0])
    rows, relative = np.empty(len(masses), np.intp), np.empty(len(masses))
    _find(replay._tree, masses, rows, relative)
    assert rows.tolist() == [0, 1, 2, 1, 2, 2, 2]
    assert relative.tolist() == [1, 5, 9, 5, 9, 9, 9]


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_weights_are_those_of_the_formula_divided_by_the_largest_in_the_buffer(beta: float) -> None:
    errors = np.array([0.5, 3.0, 0.1, 0.0, 2.0, 7.0, 1.0])
    p = (errors + 1e-6) ** 0.6 / ((errors + 1e-6) ** 0.6).sum()
    weights = (7 * p) ** -beta
    drawn = filled(errors, 10).sample(100, beta, np.random.default_rng(0))
    assert 3 not in drawn.rows, "the row with the largest weight is not in this sample"
    np.testing.assert_allclose(drawn.weights, (weights / weights.max())[drawn.rows], rtol=1e-6)
    assert drawn.weights.dtype == np.float32


def test_without_alpha_all_are_drawn_alike_with_a_weight_of_one() -> None:
    drawn = filled([0.0, 1e9, 3.0, 1.0], alpha=0.0).sample(400, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(drawn.rows), [100] * 4)
    assert (drawn.weights == 1).all()


def test_columns_have_their_types_and_stay_as_they_were_drawn() -> None:
    replay = filled(np.ones(4))
    drawn = replay.sample(4, 0.4, np.random.default_rng(0))
    replay.add(numbered(10, 14), np.ones(4))
    assert {name: array.dtype for name, array in drawn.columns.items()} == {
        "states": np.int32, "actions": np.int16, "returns": np.float32
    }  # fmt: skip
    assert drawn.columns["actions"].tolist() == [0, 1, 2, 3]


# --- what is kept


@given(sizes=st.lists(st.integers(0, 17), max_size=12), capacity=st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_the_last_rows_are_kept_however_many_come_at_once(sizes: list[int], capacity: int) -> None:
    """More than what is left before the ring's end, and more than there is room for."""
    together, singly = (PrioritisedReplay(capacity, COLUMNS) for _ in range(2))
    right: deque[int] = deque(maxlen=capacity)
    errors = np.random.default_rng(0).exponential(size=sum(sizes))
    start = 0
    for size in sizes:
        together.add(numbered(start, start + size), errors[start : start + size])
        for number in range(start, start + size):
            singly.add(numbered(number, number + 1), errors[number : number + 1])
            right.append(number)
        start += size
        same(together, singly)
    state = together.state_dict()
    assert len(together) == len(right)
    order = np.argsort(state["column_actions"])
    kept = state["column_actions"][order]  # type: ignore[index]
    assert kept.tolist() == list(right)
    np.testing.assert_array_equal(state["priorities"][order], (errors[kept] + 1e-6) ** 0.6)  # type: ignore[index]


def test_the_oldest_rows_are_overwritten_first() -> None:
    replay = PrioritisedReplay(5, COLUMNS)
    replay.add(numbered(0, 3), np.ones(3))
    replay.add(numbered(3, 7), np.ones(4))
    assert replay.state_dict()["column_actions"].tolist() == [5, 6, 2, 3, 4]  # type: ignore[union-attr]
    assert replay.state_dict()["next"] == 2
    replay.add(numbered(7, 7), np.ones(0))
    assert len(replay) == 5


# --- updates


def test_a_row_sampled_twice_gets_its_last_error() -> None:
    replay = filled(np.ones(6))
    replay.update(np.array([4, 1, 4, 0]), np.array([-9.0, 2.0, 5.0, 0.0]))
    same(replay, filled([0.0, 2.0, 1.0, 1.0, 5.0, 1.0]))


def test_rows_without_error_are_still_drawn_and_huge_errors_do_not_break_sums() -> None:
    drawn = filled(np.zeros(8)).sample(8, 0.4, np.random.default_rng(0))
    assert drawn.rows.tolist() == list(range(8))
    replay = filled(np.array([0.0, 1.0, 3e38, 1e-30], np.float32))
    assert set(replay.sample(1_000, 0.4, np.random.default_rng(0)).rows.tolist()) == {2}
    replay = filled([1e308] * 3 + [1.0], alpha=1.0)
    drawn = replay.sample(300, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(drawn.rows), [100] * 3)
    assert (drawn.weights == 0).all(), "beside the row that is never drawn"
    replay.update(np.arange(3), np.ones(3))
    same(replay, filled(np.ones(4), alpha=1.0))


@pytest.mark.parametrize("capacity", [1, 2, 3, 1_000])
def test_after_ten_million_updates_the_tree_is_the_one_of_its_leaves(capacity: int) -> None:
    """Errors of very different sizes: were differences added, the large ones would leave their rounding behind."""
    rng = np.random.default_rng(0)
    replay = filled(np.ones(capacity), alpha=1.0)
    batches, size = (500, 20_000) if capacity == 1_000 else (10, 1_000)
    errors = 10.0 ** rng.uniform(-6, 12, size)
    for _ in range(batches):
        replay.update(rng.integers(0, capacity, size), rng.permutation(errors))
    afresh = PrioritisedReplay(capacity, COLUMNS, alpha=1.0)
    afresh.load_state_dict(replay.state_dict())
    np.testing.assert_array_equal(replay._tree, afresh._tree)
    small = rng.exponential(size=capacity)
    replay.update(np.arange(capacity), small)
    same(replay, filled(small, alpha=1.0))


# --- states


def test_a_buffer_continues_from_its_state() -> None:
    errors = np.random.default_rng(1).exponential(size=200)
    for stored in (0, 5, 13, 14, 40):
        one, other = PrioritisedReplay(13, COLUMNS), filled(np.ones(9), 13)
        one.add(numbered(0, stored), errors[:stored])
        state = one.state_dict()
        before = {name: np.copy(value) for name, value in state.items()}
        other.load_state_dict(state)
        same(one, other)
        for replay in (one, other):
            replay.add(numbered(stored, stored + 7), errors[stored : stored + 7])
            rows = replay.sample(32, 0.4, np.random.default_rng(3)).rows
            replay.update(rows, errors[:32])
        same(one, other)
        for name, value in before.items():
            np.testing.assert_array_equal(state[name], value, "the state is a copy")


@pytest.mark.parametrize("capacity", [5, 7, 20])
def test_a_state_is_for_a_buffer_of_the_same_capacity(capacity: int) -> None:
    state = filled(np.ones(9), 6).state_dict()
    replay = PrioritisedReplay(capacity, COLUMNS)
    with pytest.raises(InputError, match=f"6 rows, the next at 3: expected one of the capacity {capacity}"):
        replay.load_state_dict(state)
    assert len(replay) == 0


def test_a_state_is_for_a_buffer_of_the_same_columns() -> None:
    state = filled(np.ones(9), 6).state_dict()
    replay = PrioritisedReplay(6, {**COLUMNS, "states": (np.int32, (4, 2))})
    with pytest.raises(InputError, match=r"column 'states' of shape \(6, 3, 2\).*expected \(6, 4, 2\)"):
        replay.load_state_dict(state)
    assert len(replay) == 0


# --- what is not as it must be


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_errors_that_are_not_finite_are_refused_and_nothing_is_written(bad: float) -> None:
    replay = filled(np.ones(3), 5)
    with pytest.raises(InputError, match=r"of transition 1: expected a finite number"):
        replay.add(numbered(3, 5), np.array([1.0, bad]))
    with pytest.raises(InputError, match=r"of transition 0: expected a finite number"):
        replay.update(np.array([0, 1]), np.array([bad, 3.0]))
    same(replay, filled(np.ones(3), 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": np.ones(2)}, "unknown column 'state'; did you mean 'states'"),
        ({"actions": np.ones(3, np.int16)}, r"'actions' of shape \(3,\) and type int16: expected \(2,\) and int16"),
        ({"actions": np.ones(2)}, r"'actions' of shape \(2,\) and type float64: expected \(2,\) and int16"),
        ({"states": np.ones((2, 2, 3), np.int32)}, r"expected \(2, 3, 2\) and int32"),
    ],
)
def test_columns_that_do_not_fit_are_refused_and_nothing_is_written(change: Columns, message: str) -> None:
    replay = filled(np.ones(3), 5)
    with pytest.raises(InputError, match=message):
        replay.add({**numbered(3, 5), **change}, np.ones(2))
    columns = numbered(3, 5)
    del columns["returns"]
    with pytest.raises(InputError, match="column 'returns' is missing: expected states, actions, returns"):
        replay.add(columns, np.ones(2))
    with pytest.raises(InputError, match="expected one for each row"):
        replay.add(numbered(3, 5), np.ones((2, 1)))
    same(replay, filled(np.ones(3), 5))


def test_rows_that_there_are_not_are_refused() -> None:
    replay = filled(np.ones(3), 5)
    for row in (-1, 3):
        with pytest.raises(InputError, match=f"row {row}: expected 0 to 2"):
            replay.update(np.array([0, row]), np.array([5.0, 5.0]))
    with pytest.raises(InputError, match=r"rows \(2,\) and errors \(1,\)"):
        replay.update(np.array([0, 1]), np.array([5.0]))
    same(replay, filled(np.ones(3), 5))


def test_settings_that_make_no_sense_are_refused() -> None:
    for setting in (
        (0, 0.6, 1e-6),
        (5, -0.1, 1e-6),
        (5, 1.1, 1e-6),
        (5, 0.6, 0.0),
        (5, 0.6, np.nan),
        (5, 0.6, np.inf),
    ):
        with pytest.raises(InputError, match="expected"):
            PrioritisedReplay(setting[0], COLUMNS, *setting[1:])
    replay, rng = PrioritisedReplay(5, COLUMNS), np.random.default_rng(0)
    with pytest.raises(InputError, match="empty replay buffer"):
        replay.sample(1, 0.4, rng)
    replay.add(numbered(0, 1), np.ones(1))
    for n, beta in ((0, 0.4), (1, -0.1), (1, 1.1), (1, np.nan)):
        with pytest.raises(InputError, match="expected"):
            replay.sample(n, beta, rng)
