from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="the reference is in the extra dev")

import scipy.stats

from archloom.analysis.significance import RANK_SUM, SIGNED_RANK, Sample, Wanted, rank_sum_p, run_tests, signed_rank_p
from archloom.errors import InputError


def sample(values: Sequence[float], setting: int = 0) -> Sample:
    return {(setting, seed): value for seed, value in enumerate(values)}


def p_of(samples: dict[str, list[float]], **wanted: Any) -> dict[tuple[str, str], float]:
    made = run_tests([("", {label: sample(values) for label, values in samples.items()})], Wanted(**wanted))
    return {(test.better, test.worse): test.p for test in made.results}


# -- signed ranks


@pytest.mark.parametrize("n", [1, 5, 9, 10])
def test_all_better_has_the_smallest_possible_p(n: int) -> None:
    assert signed_rank_p(np.arange(1.0, n + 1)) == 0.5**n


def test_the_p_values_that_pbt_nas_prints() -> None:
    """Table 7: of nine pairs all are better (1/512); the smallest difference is worse (2/512); the sum of the ranks of
    those that are worse is 2 (3/512)."""
    better = np.arange(1.0, 10.0)
    one_worse, two_worse = better * [-1, *[1] * 8], better * [1, -1, *[1] * 7]
    assert [signed_rank_p(each) for each in (better, one_worse, two_worse)] == [0.001953125, 0.00390625, 0.005859375]


def test_a_run_that_found_nothing_loses() -> None:
    nothing = -math.inf
    samples = {"a": [1.0, 2.0, 3.0, nothing], "b": [0.5, nothing, nothing, nothing]}
    made = run_tests([("", {label: sample(values) for label, values in samples.items()})])
    a, b = made.results
    assert (a.p, a.ties, b.p) == (1 / 8, 1, 1.0)


def test_differences_that_round_apart_are_ties() -> None:
    """94.3 - 94.2 and 94.2 - 94.1 are not the same float; nor are 0.1 + 0.2 and 0.3."""
    assert p_of({"a": [94.3, 94.1], "b": [94.2, 94.2]})["a", "b"] == 0.75  # ranks 1.5 and 1.5: P(W+ >= 1.5) = 3/4
    assert RANK_SUM(sample([0.1 + 0.2, 1.0]), sample([0.3, 0.0])).ties == 1  # type: ignore[union-attr]


@given(st.lists(st.floats(-100, 100).filter(lambda x: abs(x) > 1e-3), min_size=1, max_size=14, unique_by=abs))
def test_as_scipy_without_ties(differences: list[float]) -> None:
    expected = scipy.stats.wilcoxon(differences, alternative="greater", method="exact").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_exact_with_ties_and_zeros(differences: list[int]) -> None:
    """Against all 2**n assignments of signs."""
    values = np.array([d for d in differences if d], dtype=float)
    sizes = np.abs(values)
    ranks = np.array([(sizes < s).sum() + ((sizes == s).sum() + 1) / 2 for s in sizes])
    signs = (np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1  # (2**n, n)
    expected = float((signs @ ranks >= ranks[values > 0].sum()).mean())
    assert signed_rank_p(differences) == pytest.approx(expected)


# -- rank sums


FLOATS = st.floats(-100, 100)


@given(st.lists(FLOATS, min_size=2, max_size=16, unique=True), st.data())
def test_rank_sums_as_scipy_without_ties(values: list[float], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(values) - 1))
    expected = scipy.stats.mannwhitneyu(values[:n], values[n:], alternative="greater", method="exact").pvalue
    assert rank_sum_p(values[:n], values[n:]) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.data())
def test_rank_sums_exact_with_ties(values: list[int], data: st.DataObject) -> None:
    """Against all divisions of the values."""
    n = data.draw(st.integers(1, len(values) - 1))
    ranks = scipy.stats.rankdata(values)
    sums = [sum(ranks[list(chosen)]) for chosen in combinations(range(len(values)), n)]
    assert rank_sum_p(values[:n], values[n:]) == pytest.approx(np.mean(np.array(sums) >= sum(ranks[:n]) - 1e-9))


def test_many_rank_sums_as_scipy_with_ties() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 40, 70) + 3, rng.integers(0, 40, 60)
    expected = scipy.stats.mannwhitneyu(a, b, alternative="greater", method="asymptotic").pvalue
    assert rank_sum_p(a, b) == pytest.approx(expected, rel=1e-9)
    assert rank_sum_p([1.0] * 70, [1.0] * 60) == 1.0


def test_rank_sums_of_settings_compare_within_each() -> None:
    """Two of two are better in either setting, whose values are far apart: 1/6 * 1/6."""
    better, worse = {**sample([2, 3]), **sample([102, 103], 1)}, {**sample([0, 1]), **sample([100, 101], 1)}
    found = RANK_SUM(better, worse)
    assert found is not None
    assert (found.n, found.n_worse, found.ties, found.p, found.least) == (4, 4, 0, pytest.approx(1 / 36), 1 / 36)
    assert RANK_SUM(sample([1.0]), sample([0.0], 1)) is None, "no setting in common"


@pytest.mark.parametrize("size", [1.0, 1e200, 2.0**1000, 2.0**-1070])
def test_no_p_depends_on_the_size_of_the_values(size: float) -> None:
    values, others = [1.0, 2.0, 4.0, 8.0], [0.0, 4.0, 1.0, 1.0]
    sized = {"a": [size * value for value in values], "b": [size * value for value in others]}
    for procedure in (SIGNED_RANK, RANK_SUM):
        assert p_of(sized, procedure=procedure) == p_of({"a": values, "b": others}, procedure=procedure)
    largest = sys.float_info.max
    ends = {"a": [largest] * 3, "b": [-largest] * 3}
    assert p_of(ends) == {("a", "b"): 1 / 8, ("b", "a"): 1.0}
    assert p_of(ends, procedure=RANK_SUM)["a", "b"] == pytest.approx(1 / 20)


# -- which tests


def test_every_ordered_pair_is_tested_and_corrected() -> None:
    better = [float(i) for i in range(1, 11)]
    samples = {"a": sample(better), "b": sample([0.0] * 10), "c": sample([0.5] * 10)}
    made = run_tests([("x", samples)])
    tests = {(t.better, t.worse): t for t in made.results}
    assert (len(tests), made.corrected_for, made.least) == (6, 6, 6 / 1024)
    assert tests["a", "b"].p_corrected == 6 / 1024
    assert tests["b", "a"].p == tests["b", "a"].p_corrected == 1.0
    assert json.loads(json.dumps(tests["a", "b"].to_json())) == {
        "better": "a", "worse": "b", "test": "Wilcoxon signed-rank", "paired": True, "n": 10, "n_worse": 10, "ties": 0,
        "p": 1 / 1024, "p_corrected": 6 / 1024, "metric": "x",
    }  # fmt: skip
    assert run_tests([("x", {"a": sample([1.0])})]).results == ()


def test_the_tests_of_pbt_nas() -> None:
    """Nine pairs, two of the four tests: alpha is 0.05 / 4 = 0.0125."""
    ours = {(setting, seed): 10.0 * setting + seed + 3 for setting in range(3) for seed in range(3)}
    gains = dict(zip(ours, range(1, 10), strict=True))
    samples = {
        "pbt_nas": ours,
        "random": {run: value - gains[run] for run, value in ours.items()},
        "searl": {run: value - (gains[run] if gains[run] > 1 else -1) for run, value in ours.items()},
    }
    wanted = Wanted.parse(["pbt_nas:random", "pbt_nas:searl"], corrected_for=4)
    made = run_tests([("FID", samples)], wanted)
    assert [(t.worse, t.n, t.p, t.p_corrected) for t in made.results] == [
        ("random", 9, 0.001953125, 4 / 512), ("searl", 9, 0.00390625, 8 / 512),
    ]  # fmt: skip


def test_seeds_that_pair_nothing_are_not_paired() -> None:
    samples = {label: sample(values) for label, values in (("a", [3.0, 4.0]), ("b", [1.0, 2.0]), ("c", [0.0, 0.0]))}
    made = run_tests([("", samples)], Wanted.parse(["a:b", "a:c"]), lambda one, other: "c" not in (one, other))
    assert [(t.test, t.p) for t in made.results] == [("Wilcoxon signed-rank", 1 / 4), ("Mann-Whitney", 1 / 6)]
    for paired, expected in ((True, 1 / 4), (False, pytest.approx(1 / 6))):
        made = run_tests([("", samples)], Wanted.parse([], paired=paired), lambda one, other: False)
        assert made.results[0].p == expected
        assert {t.paired for t in made.results} == {paired}


def test_without_a_seed_in_common_nothing_is_paired() -> None:
    samples = [("", {"a": {(0, 0): 1.0}, "b": {(0, 1): 0.0}})]
    assert [t.test for t in run_tests(samples).results] == ["Mann-Whitney"] * 2
    tests = run_tests(samples, Wanted.parse([], paired=True))
    assert (tests.results, tests.skipped) == ((), (("a", "b"), ("b", "a")))


@pytest.mark.parametrize(
    ("pairs", "corrected_for", "says"),
    [
        (["a"], None, "--test a: expected BETTER:WORSE"),
        (["a:a"], None, "expected BETTER:WORSE"),
        (["a:b", "a:b"], None, "each test once"),
        (["a:b", "b:a"], 1, "at least the number of tests made, 2"),
        ([], 0, "at least the number of tests made, 1"),
    ],
)
def test_what_cannot_be_wanted(pairs: list[str], corrected_for: int | None, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Wanted.parse(pairs, corrected_for)


def test_samples_and_labels_are_checked() -> None:
    with pytest.raises(InputError, match="'a'"):
        run_tests([("", {"a": sample([math.nan]), "b": sample([1.0])})])
    with pytest.raises(InputError, match="--test names c: expected one of a, b"):
        run_tests([("", {"a": sample([0.0]), "b": sample([1.0])})], Wanted.parse(["a:c"]))
    with pytest.raises(InputError, match="--correct-for 1: expected at least the number of tests made, 2"):
        run_tests([("", {"a": sample([0.0]), "b": sample([1.0])})], Wanted.parse([], corrected_for=1))
