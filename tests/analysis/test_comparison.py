from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archloom.analysis.comparison import compare, early_endings
from archloom.analysis.report import format_comparison
from archloom.analysis.significance import Wanted
from archloom.errors import InputError
from archloom.runs.budgets import Limits


def ended(report: Any, queries: int, ending: str) -> Any:
    """The report of a run that was given so many queries and ended like this."""
    return replace(report, request=replace(report.request, limits=Limits(queries)), ending=ending)


def test_early_endings_are_told_by_strategy_and_reason(make_report: Any) -> None:
    reports = {
        "a": [make_report([1, 2]), ended(make_report([1], seed=1), 9, "x"), ended(make_report([1, 2], seed=2), 9, "x")],
        "b": [ended(make_report([3]), 9, "y")],
        "c": [make_report([4]), replace(ended(make_report([4], seed=1), 9, ""), ending=None)],
    }
    told = ["2 of 3 runs of a ended early, after 1 to 2 of 9 queries: x", "b ended early, after 1 of 9 queries: y"]
    assert early_endings(reports) == told
    assert [note for note in compare(reports).notes if "early" in note] == told


def test_comparison_as_data(make_reports: Any) -> None:
    comparison = compare(make_reports(seeds=4))
    data = json.loads(json.dumps(comparison.to_json()))
    assert data["seeds"] == [0, 1, 2, 3]
    assert set(data["strategies"]) == {"random", "evolution"}
    assert {(t["better"], t["worse"]) for t in data["tests"]} == {("random", "evolution"), ("evolution", "random")}
    assert data["strategies"]["random"]["values"]["n"] == 4
    assert data["strategies"]["random"]["report"]["cifar10_test_200"]["n"] == 4


def test_less_is_better_for_a_minimised_objective(make_report: Any) -> None:
    latency = {"objectives": ["cifar10_fpga_latency_ms"]}
    slow = [make_report([63 - s], seed=s, **latency) for s in range(6)]
    fast = [make_report([63 - s, 0], seed=s, **latency) for s in range(6)]
    comparison = compare({"slow": slow, "fast": fast})
    assert [s.label for s in comparison.standings] == ["fast", "slow"]
    assert {t.better: t.p for t in comparison.tests.results} == {"fast": 1 / 64, "slow": 1.0}


def test_runs_are_paired_by_seed_whatever_their_order(make_report: Any) -> None:
    a = [make_report([s, row], seed=s) for s, row in enumerate([5, 7, 63])]
    b = [make_report([s, row], seed=s) for s, row in reversed(list(enumerate([1, 3, 31])))]
    first = compare({"a": a, "b": b}).tests.results[0]
    assert (first.better, first.test, first.p) == ("a", "Wilcoxon signed-rank", 1 / 8)


def test_runs_that_do_not_begin_alike_are_not_paired(make_report: Any) -> None:
    a = [make_report([row], seed=s) for s, row in enumerate([1, 7, 63])]
    b = [make_report([0], seed=s) for s in range(3)]
    first = compare({"a": a, "b": b}).tests.results[0]
    assert (first.better, first.test, first.p) == ("a", "Mann-Whitney", 1 / 20)
    assert "(one-sided unpaired Mann-Whitney over 3 and 3 runs; Bonferroni-corrected for 2 tests" in " ".join(
        format_comparison({"a": a, "b": b}).split()
    )


def test_tests_are_chosen(make_reports: Any) -> None:
    reports = make_reports(("random", "evolution", "ours"), seeds=4)
    wanted = Wanted.parse(["ours:random", "ours:evolution"], corrected_for=4, paired=True, ddof=0)
    comparison = compare(reports, wanted)
    assert [(t.better, t.worse, t.paired) for t in comparison.tests.results] == [
        ("ours", "random", True), ("ours", "evolution", True),
    ]  # fmt: skip
    assert all(t.p_corrected == min(1.0, 4 * t.p) for t in comparison.tests.results)
    data = comparison.to_json()
    assert (data["corrected_for"], data["ddof"]) == (4, 0)
    values = [report.value for report in reports["ours"]]
    assert data["strategies"]["ours"]["values"]["std"] == pytest.approx(np.std(values))
    lines = format_comparison(reports, wanted).splitlines()
    assert lines[0].endswith("mean ± std over seeds (ddof 0)")
    heads = next(line.split() for line in lines if line.startswith("better "))
    assert heads == ["better", "worse", "test", "n", "ties", "p", "p", "x", "4"]


def test_only_shared_seeds_are_tested_and_it_is_said(make_report: Any) -> None:
    a = [make_report([s, 9], seed=s) for s in range(4)]
    b = [make_report([s], seed=s) for s in range(2)]
    comparison = compare({"a": a, "b": b})
    assert comparison.seeds == (0, 1)
    notes = " ".join(comparison.notes)
    assert "Paired tests use the seeds that both strategies ran" in notes
    assert "With 2 pairs and 2 tests no corrected p can be below 0.5" in notes
    paired = Wanted.parse([], paired=True)
    apart = compare({"a": a[:1], "b": b[1:]}, paired)
    assert apart.tests.results == ()
    assert "so there are no paired tests" in " ".join(apart.notes)


def test_runs_that_found_nothing_are_counted_and_lose(make_report: Any) -> None:
    wanted = {"constraints": ["cifar10_fpga_latency_ms>=5"]}
    a = [make_report([63], seed=s, **wanted) for s in range(3)]
    b = [make_report([0], seed=s, **wanted) for s in range(3)]
    comparison = compare({"b": b, "a": a})
    assert [(s.label, s.found) for s in comparison.standings] == [("a", 3), ("b", 0)]
    assert {t.better: t.p for t in comparison.tests.results} == {"a": 1 / 20, "b": 1.0}
    assert "3 (3 found nothing)" in format_comparison({"b": b, "a": a})


def test_a_seed_counts_once(make_report: Any) -> None:
    with pytest.raises(InputError, match="two runs of seed 0"):
        compare({"a": [make_report([1]), make_report([2])]})


def test_one_strategy_is_not_tested(make_report: Any) -> None:
    comparison = compare({"a": [make_report([1])]})
    assert (comparison.tests.results, comparison.notes) == ((), ())
