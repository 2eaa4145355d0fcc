from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from archloom.analysis.report import format_best, format_comparison
from archloom.constraints import Winner
from archloom.runs.budgets import Limits
from archloom.runs.history import History
from archloom.runs.report import summarise
from archloom.types import Resource


def test_best_says_what_was_found_where_and_how(make_report: Any) -> None:
    text = format_best(make_report([0, 63, 5], seed=3, repeats=7))
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "|nor_conv_3x3~0|+|nor_conv_3x3~0|" in lines["best"]
    assert "91.20 % (rank 1 of 64)" in lines["cifar10_valid_200"]
    assert "94.20 %" in lines["cifar10_test_200"]
    assert "query 2 of 3" in lines["found at"]
    assert "random, seed 3" in lines["run"]
    assert "3 unique architectures, 7 repeats for free; all queries asked" in lines["asked"]
    assert "made for tests" in lines["data"]
    assert "note" not in text


def test_the_rank_is_among_those_that_are_measured(make_report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    report = make_report([0, 63, 5])
    monkeypatch.setattr(report.scenario.problem, "ranked", lambda metric, fidelity: 30_001)
    assert "(rank 1 of 30,001 measured)" in format_best(report)


def ended(report: Any, queries: int, ending: str) -> Any:
    """The report of a run that was given so many queries and ended like this."""
    return replace(report, request=replace(report.request, limits=Limits(queries)), ending=ending)


def test_best_says_that_a_run_ended_early(make_report: Any) -> None:
    stalled = ended(make_report([0, 63, 5], repeats=7), 40, "it stalled")
    assert "3 of 40 unique architectures, 7 repeats for free; ended early: it stalled" in format_best(stalled)
    going = replace(stalled, ending=None)
    assert "3 of 40 unique architectures, 7 repeats for free; not finished" in format_best(going)


def test_the_best_ever_stands_beside_that_of_the_last_population(make_report: Any) -> None:
    """Of three chunks with two members each."""
    found = make_report([0, 1, 63, 5, 7, 2])
    lines = tuple(structs.replace(line, fidelity=1 + at // 2) for at, line in enumerate(found.history.lines))
    judged = replace(found.scenario.criteria, winner=Winner.OF_LAST_POPULATION)
    history = History(judged, lines, Resource("epochs", 9, open_ended=True))
    report = replace(found, history=history)
    said = {line.split("  ")[0]: line for line in format_best(report).splitlines()}
    assert "query 5 of 6" in said["found at"] and "after" in said
    assert said["best ever"].endswith("91.20 %, query 3 after 2 epochs")
    assert summarise(report)["best_ever"]["query"] == 3
    table = format_comparison({"one": [report], "two": [replace(report, request=replace(report.request, seed=1))]})
    head, row = table.splitlines()[1:3]
    assert "best ever" in head and "91.20" in row
    assert "best ever" not in format_best(found) and "best_ever" not in summarise(found)


def test_a_label_stands_beside_its_strategy(make_report: Any) -> None:
    assert "slow (random), seed 0" in format_best(make_report([1]), "slow")
    assert "random, seed 0" in format_best(make_report([1]), "random")


def test_best_says_when_a_test_metric_was_used(make_report: Any) -> None:
    text = format_best(make_report([1], objectives=["cifar10_test_200"]))
    assert "note: Selection used a test metric (cifar10_test_200)." in text


def test_best_under_constraints_has_no_rank(make_report: Any) -> None:
    text = format_best(make_report([1], constraints=["cifar10_fpga_latency_ms<=4"]))
    assert "rank" not in text
    assert "2.01 ms" in text


def test_nothing_found_is_said(make_report: Any) -> None:
    text = format_best(make_report([0], constraints=["cifar10_fpga_latency_ms>=9"]))
    assert "nothing found" in text
    assert "1 unique architecture, 0 repeats" in text


def test_pareto_set_is_listed_best_first(make_report: Any) -> None:
    report = make_report([0, 63, 32, 16], objectives=["cifar10_valid_200", "cifar10_fpga_latency_ms"])
    lines = format_best(report).splitlines()
    assert lines[0].startswith("Pareto set: 3 architectures")
    assert "cifar10_valid_200 (%)" in lines[1] and "cifar10_fpga_latency_ms (ms)" in lines[1]
    assert [line.split()[0] for line in lines[2:5]] == ["91.20", "87.70", "87.00"]  # row 16 dominates row 32
    assert lines[5] == "hypervolume 3.829, measured from cifar10_valid_200 = 87.00, cifar10_fpga_latency_ms = 7.63"
    assert lines[6] == ""


def test_comparison_ranks_tests_and_cites(make_report: Any) -> None:
    good = [make_report([1 + s % 2, 62, 63][: 2 + s % 2], seed=s) for s in range(9)]
    bad = [make_report([1 + s % 2, 0], seed=s, repeats=2) for s in range(9)]
    text = format_comparison({"bad": bad, "good": good})
    table = [line.split() for line in text.splitlines()]
    order = [row[0] for row in table if row and row[0] in {"good", "bad"}]
    assert order == ["good", "bad", "good", "good", "bad"]  # best mean first; then the matrix with its head
    bad_row = next(row for row in table if row[:2] == ["bad", "9"])
    assert bad_row[2:5] == ["87.70", "±", "0.00"]
    assert bad_row[-2:] == ["18", "18"]  # queries and repeats
    good_test = next(row for row in table if row[:2] == ["good", "-"])
    assert good_test[2] == "0.0039*"  # 1/512, two tests
    assert "cifar10_test_200" in text
    assert "91.36 ± 0.19" in text and "CADAM-500" in text
    assert "best in the table: 91.20 %" in text
    assert "made for tests" in text
