"""Statistics of episodes that are written down by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.analysis import episodes as module
from archloom.analysis.episodes import (
    Setting,
    best_after,
    best_curves,
    best_values,
    common_end,
    format_report,
    improvement,
    pooled,
    report,
    skew,
)
from archloom.envs.episodes import Episodes, Outcome, Plan
from archloom.errors import InputError
from archloom.problems import DataIdentity

Find = tuple[int, float]
"""At which query of its episode, and its accuracy."""


def made(
    finds: Sequence[Sequence[Find]], *, queries: Sequence[int] | None = None, sets: int = 1, **how: Any
) -> Episodes:
    """Episodes with these finds, each starting at 50; the metric for people is 100 - the one that is climbed."""
    flat = [(number, query, value) for number, episode in enumerate(finds) for query, value in episode]
    episode, query, found = (np.array(column) for column in zip(*flat, strict=True))
    final = np.array([one[-1][1] for one in finds], dtype=float)
    start = np.full(len(finds), 50.0)
    climbed = Outcome("valid_108", start, final, found.astype(float))
    spent = [one[-1][0] for one in finds] if queries is None else queries
    return Episodes(
        policy=how.get("policy", "local_search"),
        set=np.repeat(np.arange(sets), len(finds) // sets),
        moves=np.zeros(len(finds), dtype=np.int64),
        queries=np.array(spent),
        final_states=np.array(how.get("states", [[0]] * len(finds))),
        episode=episode,
        query=query,
        climbed=climbed,
        reported=Outcome("test_108", 100 - start, 100 - final, 100 - found.astype(float)) if how.get("test") else None,
    )


def single(values: Sequence[float], **how: Any) -> Episodes:
    """Episodes of one query each."""
    return made([[(1, value)] for value in values], **how)


# -- improvement --------------------------------------------------------------------------------------------------


def test_improvement_by_hand() -> None:
    found = single([50, 51, 52, 53, 54, 60, 49, 55], sets=2)
    change = improvement(found, found.climbed)
    assert (change.n, change.median, change.mean) == (8, 2.5, 3.0)
    assert (change.improved, change.worse, change.mean_end) == (6 / 8, 1 / 8, 53.0)
    assert change.set_medians == (1.5, 4.5)
    assert change.intervals[50] == (0.75, 4.25)
    assert set(change.intervals) == {50, 80, 95}


def test_intervals_hold_so_many_of_the_episodes() -> None:
    values = 50 + np.random.default_rng(0).exponential(size=4_000)
    found = single(values.tolist())
    change = improvement(found, found.climbed)
    for share, (low, high) in change.intervals.items():
        inside = (found.climbed.improvement >= low) & (found.climbed.improvement <= high)
        assert inside.mean() == pytest.approx(share / 100, abs=0.001)
        assert (found.climbed.improvement < low).mean() == pytest.approx((100 - share) / 200, abs=0.001)


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=30), st.integers(0, 3))
def test_skew_is_that_of_scipy(values: list[float], decimals: int) -> None:
    scipy = pytest.importorskip("scipy.stats", reason="the reference of the skew")
    sample = np.round(values, decimals)
    found = skew(sample)
    if len(set(sample.tolist())) == 1:
        assert found is None
    else:
        assert found == pytest.approx(float(scipy.skew(sample)), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_equal_values_have_no_skew(value: float) -> None:
    assert skew(np.full(7, value)) is None


def test_the_most_common_end() -> None:
    states = [[1, 2], [1, 3], [1, 2], [2, 2], [1, 2]]
    assert common_end(single([1.0] * 5, states=states)) == (0, 3 / 5)
    assert common_end(single([1.0] * 5, states=[[9], [1], [2], [3], [1]])) == (1, 2 / 5)


# -- best by number of queries -----------------------------------------------------------------------------------


def test_pooled_episodes_are_all_of_them() -> None:
    climbs = made([[(1, 60), (4, 70)], [(2, 80)]], test=True, sets=2, states=[[1], [2]])
    walks = made([[(1, 90)], [(1, 91)], [(3, 55), (5, 58)], [(1, 52)]], test=True, sets=2, states=[[2], [3], [2], [5]])
    both = pooled("apex", [climbs, walks])
    assert both.policy == "apex" and len(both) == 6
    assert both.set.tolist() == [0, 1, 0, 0, 1, 1]
    assert both.queries.tolist() == [4, 2, 1, 1, 5, 1]
    assert both.episode.tolist() == [0, 0, 1, 2, 3, 4, 4, 5]
    assert both.query.tolist() == [1, 4, 2, 1, 1, 3, 5, 1]
    assert both.climbed.found.tolist() == [60, 70, 80, 90, 91, 55, 58, 52]
    assert both.climbed.final.tolist() == [70, 80, 90, 91, 58, 52]
    assert both.reported is not None and both.reported.final.tolist() == [30, 20, 10, 9, 42, 48]
    assert common_end(both).share == 0.5
    assert improvement(both, both.climbed).set_medians == (40, 8)  # of 20, 40, 41 and of 30, 8, 2
    assert both.player is not None and both.player.tolist() == [0, 0, 1, 1, 1, 1]
    assert best_values(both, 8, np.random.default_rng(0)).tolist() == [9], "the second has as many queries, alone"


def test_pooling_one_policy_changes_its_name_only() -> None:
    walks = single([60, 70, 80])
    alone = pooled("apex", [walks])
    assert alone.policy == "apex" and alone.reported is None
    for name in ("set", "moves", "queries", "final_states", "episode", "query"):
        assert getattr(alone, name).tolist() == getattr(walks, name).tolist()


def test_what_cannot_be_pooled() -> None:
    with pytest.raises(InputError, match="at least one policy"):
        pooled("apex", [])
    with pytest.raises(InputError, match="the same metrics"):
        pooled("apex", [single([60]), single([60], test=True)])


def test_the_best_of_as_many_episodes_as_there_are_queries() -> None:
    values = list(range(100))
    best = best_values(single(values), 10, np.random.default_rng(0))
    order = np.random.default_rng(0).permutation(100).reshape(10, 10)
    assert best.tolist() == order.max(axis=1).tolist()
    assert len(best_values(single(values), 30, np.random.default_rng(0))) == 3, "what is left over is no repetition"
    assert len(best_values(single(values), 101, np.random.default_rng(0))) == 0


def test_what_is_found_after_the_budget_does_not_count() -> None:
    climb = made([[(1, 60.0), (5, 70.0), (9, 80.0)]], queries=[12])
    found = [best_values(climb, queries, np.random.default_rng(0)).tolist() for queries in (1, 4, 5, 8, 9, 12, 13)]
    assert found == [[60], [60], [70], [70], [80], [80], []]


def test_an_episode_begins_where_the_last_one_ended() -> None:
    climbs = made([[(1, 60.0), (4, 70.0)], [(1, 60.0), (4, 70.0)]], queries=[6, 6])
    climbs.climbed.found[[1, 3]] = 90.0, 95.0
    assert np.random.default_rng(0).permutation(2).tolist() == [0, 1]
    for queries, expected in [
        (3, [60, 60]),
        (4, [90, 95]),
        (6, [90, 95]),
        (7, [90]),
        (9, [90]),
        (10, [95]),
        (12, [95]),
    ]:
        assert best_values(climbs, queries, np.random.default_rng(0)).tolist() == expected


def test_the_best_is_chosen_by_what_was_climbed() -> None:
    found = best_values(single([60.0, 80.0, 70.0], test=True), 3, np.random.default_rng(0))
    assert found.tolist() == [20.0], "the test accuracy of the best on validation, not the best test accuracy"


@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=25), queries=st.integers(1, 30), seed=st.integers(0, 99)
)
def test_repetitions_as_a_plain_loop_makes_them(lengths: list[int], queries: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    finds, spent = [], []
    for length in lengths:
        at = [1, *(1 + np.cumsum(rng.integers(1, 5, length - 1))).tolist()]
        finds.append([(query, float(rng.random())) for query in at])
        spent.append(at[-1] + int(rng.integers(0, 4)))
    best, expected = None, []
    used = 0
    for episode in np.random.default_rng(seed).permutation(len(lengths)):
        for query, value in finds[episode]:
            if used + query <= queries:
                best = value if best is None else max(best, value)
        used += spent[episode]
        if used >= queries:
            expected.append(best)
            best, used = None, 0
    made_up = made(finds, queries=spent)
    assert best_values(made_up, queries, np.random.default_rng(seed)).tolist() == expected
    curves = best_curves(made_up, queries, np.random.default_rng(seed))
    assert curves.shape == (len(expected), queries)
    for curve in curves:
        assert (np.diff(curve) >= 0).all()


def test_a_curve_changes_when_something_better_is_found() -> None:
    climb = made([[(1, 60.0), (3, 70.0), (6, 65.0)]], queries=[6], test=True)
    assert best_curves(climb, 6, np.random.default_rng(0)).tolist() == [[40, 40, 30, 30, 30, 30]]
    assert best_curves(climb, 7, np.random.default_rng(0)).shape == (0, 7)


def test_mean_std_and_interval() -> None:
    values = np.random.default_rng(1).normal(90, 2, 400)
    found = best_after(single(values.tolist()), 4, seed=0)
    assert found is not None and (found.queries, found.repetitions) == (4, 100)
    assert found.std is not None and found.low < found.mean < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.std / 10, rel=0.15)
    assert best_after(single(values.tolist()), 4, seed=0) == found, "the same seed says the same"
    assert best_after(single(values.tolist()), 401, seed=0) is None


def test_each_repetition_is_of_one_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = single([90.0] * 25), single([60.0] * 12)
    both = pooled("apex", [good, bad])
    assert best_values(both, 10, np.random.default_rng(0)).tolist() == [90, 90, 60], "7 are left over, 5 and 2"
    monkeypatch.setattr(module, "MOST_REPETITIONS", 4)
    assert best_values(both, 2, np.random.default_rng(0)).tolist() == [90, 90, 60, 60], "an equal part of each"


def test_repetitions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REPETITIONS", 6)
    assert len(best_values(single(list(range(100))), 2, np.random.default_rng(0))) == 6


def test_a_budget_of_nothing() -> None:
    with pytest.raises(InputError, match="queries=0: expected at least 1"):
        best_values(single([1.0]), 0, np.random.default_rng(0))


# -- all together -------------------------------------------------------------------------------------------------


def setting(metric: str = "valid_108", reported: str | None = None, on: str = "nb101") -> Setting:
    return Setting(on, Plan(2, 60), metric, reported, DataIdentity("small.npz", "ab" * 32, "made for a test"))


def walks(**how: Any) -> dict[str, Episodes]:
    rng = np.random.default_rng(0)
    return {
        policy: single(rng.normal(50 + shift, 3, 120).tolist(), sets=2, policy=policy, **how)
        for policy, shift in (("local_search", 4.0), ("random", 0.0), ("mine", 1.0))
    }


def test_published_numbers_stand_in_rows_of_their_own() -> None:
    lines = format_report(report(setting(), walks())).splitlines()
    heads = [line for line in lines if line.startswith("policy")]
    assert len(heads) == 2
    rows = [line.split() for line in lines if line.startswith("  published*")]
    assert [row[1:3] for row in rows[:2]] == [["+3.77", "-2.09"], ["+0.00", "+0.22"]]
    assert rows[2][1:6] == ["93.61", "±", "0.55", "[93.57,", "93.66]"]
    assert rows[2][16:] == ["94.05", "±", "0.17", "[94.04,", "94.07]"]
    assert len(rows) == 4, "nothing is published of mine"
    assert any("test accuracy of NAS-Bench-101" in line and line.startswith("* Cassimon") for line in lines)
    assert "data: small.npz: made for a test" in lines
    assert not any("surrogate" in line for line in lines)


def test_budgets_that_the_episodes_do_not_reach_stay_empty() -> None:
    found = report(setting(), walks())
    assert [best.queries for best in found.policies[0].best_after] == [50, 100]
    row = next(line for line in format_report(found).split("best valid_108")[1].splitlines() if "random" in line)
    assert row.split()[-2:] == ["-", "-"]


def test_the_metric_for_people_stands_last_beside_what_was_published() -> None:
    text = format_report(report(setting(reported="test_108"), walks(test=True)))
    first, second, best = text.split("\n\n")[1:4]
    assert "improvement of valid_108" in first and "what the policies saw" in first and "published" not in first
    assert "improvement of test_108" in second and "published*" in second
    assert best.startswith("best test_108")


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("valid_108_surrogate", "Values of valid_108_surrogate are predictions of a surrogate, not measurements."),
        ("test_108", "Policies climbed a test metric (test_108)."),
    ],
)
def test_what_a_reader_must_know(metric: str, says: str) -> None:
    found = report(setting(metric), walks())
    assert found.to_json()["notes"] == [says]
    assert f"note: {says}" in format_report(found)


def test_where_nothing_is_published() -> None:
    found = report(setting(on="table"), walks())
    assert found.budgets == (50, 100, 150, 300) and "published" not in format_report(found)


def test_json() -> None:
    found = json.loads(json.dumps(report(setting(reported="test_108"), walks(test=True)).to_json(), allow_nan=False))
    assert (found["on"], found["objective"], found["report"]) == ("nb101", "valid_108", "test_108")
    assert (found["table"], found["sets"], found["starts"], found["steps"]) == ("small.npz", 2, 60, 32)
    first, _, mine = found["policies"]
    assert first["policy"] == "local_search" and mine["published"] is None
    assert first["published"]["median"] == 3.77 and first["published"]["best_after"][0]["queries"] == 50
    assert set(first["improvement"]) == {"valid_108", "test_108"}
    change = first["improvement"]["valid_108"]
    assert change["n"] == 120 and [one["percent"] for one in change["intervals"]] == [50, 80, 95]
    assert first["improvement"]["test_108"]["median"] == pytest.approx(-change["median"])
    assert first["best_after"][0]["repetitions"] == 2
