"""Runs that lack what most have, and values at the ends of what a float holds: every text, plot and JSON of them."""

from __future__ import annotations

import io
import itertools
import json
import sys
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from archloom.analysis.comparison import compare
from archloom.analysis.plots import KINDS
from archloom.analysis.report import format_best, format_comparison
from archloom.analysis.significance import Wanted
from archloom.analysis.trade_off import trade_off
from archloom.analysis.trade_off_report import format_trade_off
from archloom.cli import output
from archloom.errors import InputError
from archloom.runs.history import History
from archloom.runs.report import summarise
from archloom.types import Resource
from archloom.utils.json_text import dumps

LARGEST = sys.float_info.max
FAILED = None
ODD = {
    "huge": [(1e200, 1e200), (3e200, 2e200), (-1e200, 5.0)],
    "the largest": [(LARGEST, -LARGEST), (-LARGEST, LARGEST), (0.0, 0.0)],
    "subnormal": [(5e-324, 1e-320), (1e-323, 2e-320), (0.0, 5e-324)],
    "tiny": [(1e-200, 3e-200), (2e-200, 4e-200)],
    "negative zero": [(-0.0, 0.0), (0.0, -0.0)],
    "equal": [(94.5, 1.0)] * 5,
    "nearly equal": [(0.1 + 0.2, 1.0), (0.3, 1.0 + 1e-16), (0.3 - 1e-17, 1.0)],
    "mixed": [(1e308, 1e-308), (1.0, 2.0), FAILED, (-1e308, 1e308)],
    "one query": [(1.0, 1.0)],
    "one among failures": [FAILED, FAILED, (1.0, 2.0), FAILED],
}
CURVES = ("anytime", "box", "pareto", "hypervolume", "sampled")


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def drawn(kind: str, reports: Any) -> Any:
    """The figure; every axis is finite. Whoever asks for its words lays it out."""
    figure = KINDS[kind].draw(reports)
    for axes in figure.axes:
        ends = [*axes.get_xlim(), *axes.get_ylim()]
        assert all(abs(end) < 1e155 for end in ends) and ends[0] != ends[1] and ends[2] != ends[3]
    return figure


def assert_short(text: str) -> None:
    words = text.replace("(", " ").replace(")", " ").split()
    assert max(len(word.strip("0123456789.+-e")) or len(word) for word in words) < 40
    assert not any(len(word) > 15 for word in words if word.strip("+-.,e0123456789") == "")
    assert "inf" not in words and "nan" not in words


@pytest.mark.parametrize("values", ODD.values(), ids=list(ODD))
def test_every_output_of_odd_values(values: Any, make_two: Any, words: Any) -> None:
    reports = {"a": [make_two(values, seed=0), make_two(values[::-1], seed=1)], "b": [make_two(values[:1], seed=1)]}
    for kind in CURVES:
        assert_short(words(drawn(kind, reports)))
    assert_short(format_comparison(reports))
    found = trade_off(reports)
    assert_short(format_trade_off(found, reports))
    json.loads(dumps(found.to_json()), parse_constant=refuse)
    for label, runs in reports.items():
        assert_short(format_best(runs[0], label))
        for content in (output.search_object(runs), summarise(runs[0]), compare(reports).to_json()):
            json.loads(dumps(content), parse_constant=refuse)


def test_what_is_not_shown_as_it_is_is_said(make_two: Any, words: Any) -> None:
    beyond = {"a": [make_two([(1e200, 1e200), (3e200, 5.0)])], "b": [make_two([(2.0, 3.0)], seed=1)]}
    for kind in CURVES:
        assert "Values beyond ±1e+150 are drawn at ±1e+150." in words(drawn(kind, beyond)).replace("\n", " ")
    assert "A hypervolume that exceeds the largest float is shown as -." in format_comparison(beyond)
    assert "- if it exceeds the largest float" in words(drawn("pareto", beyond)).replace("\n", " ")
    usual = {"a": [make_two([(1e140, 2.0), (3.0, 1.0)])], "b": [make_two([(2.0, 3.0)], seed=1)]}
    assert "largest float" not in format_comparison(usual)
    for kind in CURVES:
        assert "largest float" not in (text := words(drawn(kind, usual))) and "Values beyond" not in text


def test_values_that_can_be_told_are_told(make_two: Any) -> None:
    runs = {"a": [make_two([(1e200, 1.0)], single=True), make_two([(3e200, 1.0)], seed=1, single=True)]}
    (standing,) = compare(runs).standings
    assert standing.values is not None and standing.values.std == pytest.approx(2**0.5 * 1e200)
    assert "2e+200 ± 1.4e+200" in format_comparison(runs)
    beyond = {"a": [make_two([(LARGEST, 1.0)], single=True), make_two([(-LARGEST, 1.0)], seed=1, single=True)]}
    (standing,) = compare(beyond).standings
    assert standing.values is not None and (standing.values.mean, standing.values.std) == (0.0, None)


# -- fields that only some have -----------------------------------------------------------------------------------


def test_a_metric_that_only_some_trials_have(make_two: Any) -> None:
    front = [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
    report = make_two(front, report=[{}, {"test": 7.5}, {"other": 1.5}])
    lines = [line.split() for line in format_best(report).splitlines()]
    assert lines[1] == ["y", "x", "test", "other", "query", "architecture"] or set(lines[1]) >= {"test", "other"}
    names = lines[1]
    row = dict(zip(names, lines[2], strict=True))
    assert (row["y"], row["test"], row["other"]) == ("3", "-", "1.5")
    single = make_two(front, report=[{"test": 7.5}], single=True)
    assert "test      -" in format_best(single)


def test_a_metric_that_only_some_runs_have_says_how_many(make_two: Any) -> None:
    runs = [make_two([(1.0, 1.0)], seed=s, single=True, report=[{"test": float(s)} if s < 2 else {}]) for s in range(3)]
    other = [make_two([(1.0, 1.0)], seed=s, single=True) for s in range(3)]
    reports = {"a": runs, "b": other}
    text = format_comparison(reports)
    (row,) = [line for line in text.splitlines() if line.startswith("a ") and "(2 of 3)" in line]
    assert "0.5 ± 0.71 (2 of 3)" in row
    (row,) = [line.split() for line in text.splitlines() if line.startswith("b  ") and "±" in line]
    assert "-" in row
    assert output.search_object(runs)["report"] == {"test": {"mean": 0.5, "std": pytest.approx(0.5**0.5), "n": 2}}
    assert compare(reports).to_json()["strategies"]["a"]["report"]["test"]["n"] == 2


def test_runs_without_success_among_others(make_two: Any, words: Any) -> None:
    reports = {
        "none": [make_two([FAILED, FAILED], seed=s) for s in range(2)],
        "some": [make_two([FAILED], seed=0), make_two([(1.0, 1.0), (2.0, 2.0)], seed=1)],
        "all": [make_two([(2.0, 1.0)], seed=s) for s in range(2)],
    }
    text = format_comparison(reports)
    assert "2 (2 found nothing)" in text and "2 (1 found nothing)" in text
    for kind in CURVES:
        said = words(drawn(kind, reports))
        assert "none (n = 0; 2 found nothing)" in said and "some (n = 1; 1 found nothing)" in said, kind
    assert "nothing found: all 2 trials failed; the last one: broken" in format_best(reports["none"][0])


@pytest.mark.parametrize(
    ("values", "constraints", "reason"),
    [
        ([FAILED, FAILED], (), "all 2 trials failed; the last one: broken"),
        ([FAILED], (), "the only trial failed: broken"),
        ([(1.0, 1.0)], ("x>=2",), "no architecture asked for met the constraints"),
        ([(1.0, 1.0), FAILED], ("x>=2",), r"succeeded and met the constraints \(1 of 2 trials failed\)"),
        ([], (), "no trial has finished"),
    ],
)
def test_nothing_found_says_why(values: Any, constraints: Any, reason: str, make_two: Any) -> None:
    report = make_two(values, constraints=constraints)
    for kind in (*CURVES, "cell"):
        with pytest.raises(InputError, match=f"nothing to show: .*{reason}"):
            KINDS[kind].draw({"a": [report]})
    text = format_comparison({"a": [report], "b": [report]})
    assert "1 (1 found nothing)" in text
    assert output.search_object([report])["mean"] is None


def test_unequal_and_unfinished_runs(make_two: Any, words: Any) -> None:
    reports = {
        "a": [make_two([(1.0, 1.0)], seed=0), make_two([(2.0, 1.0)], seed=1)],
        "b": [replace(make_two([(1.0, 2.0)], seed=1), ending=None)],
    }
    text = format_comparison(reports)
    assert "Mann-Whitney over 2 and 1 runs" in " ".join(text.split()), "they do not begin alike"
    assert "1 of 3 runs are not finished." in text
    for kind in CURVES:
        said = words(drawn(kind, reports))
        assert "Seeds: a 2, b 1." in said and "1 of 3 runs are not finished." in said


# -- several objectives -------------------------------------------------------------------------------------------


def test_several_objectives_are_compared_by_all(make_two: Any) -> None:
    """By y alone the first strategy is the better one, by x and by the hypervolume the second."""
    first = [make_two([(10.0, 9.0)], seed=s) for s in range(6)]
    second = [make_two([(9.0, 1.0), (1.0, 0.5), (0.0, 10.0)], seed=s) for s in range(6)]
    found = compare({"first": first, "second": second}, Wanted.parse([], paired=True))
    assert [s.label for s in found.standings] == ["second", "first"]
    p = {(t.metric, t.better): t.p for t in found.tests.results}
    least = 1 / 64
    assert p == {
        ("hypervolume", "first"): 1.0, ("hypervolume", "second"): least, ("y", "first"): least, ("y", "second"): 1.0,
        ("x", "first"): 1.0, ("x", "second"): least,
    }  # fmt: skip
    assert {t.p_corrected for t in found.tests.results} == {1.0, 6 * least}
    by_label = {s.label: s for s in found.standings}
    assert by_label["second"].objectives["x"].mean == 0.5 and by_label["second"].objectives["y"].mean == 9.0
    assert by_label["first"].hypervolume is not None and by_label["second"].hypervolume is not None
    assert by_label["first"].hypervolume.mean == 10.0  # from (0, 10)
    assert by_label["second"].hypervolume.mean == 9 * 9 + 1 * 0.5
    text = format_comparison({"first": first, "second": second})
    assert text.startswith("best y, x on own.py; mean ± std over seeds")
    assert "note: Hypervolumes are measured from y = 0.00, x = 10.00." in text
    for metric in ("hypervolume", "y", "x"):
        assert f"better than the column by {metric} (one-sided" in " ".join(text.split())


def test_a_metric_may_be_called_hypervolume(make_two: Any) -> None:
    runs = [make_two([(1.0, 2.0)], seed=s, names=("hypervolume", "x")) for s in range(2)]
    metrics = [test.metric for test in compare({"a": runs, "b": runs}).tests.results]
    assert [name for name, _ in itertools.groupby(metrics)] == ["hypervolume", "x"] and len(metrics) == 6


def test_the_best_run_of_several_objectives_has_the_largest_hypervolume(make_two: Any) -> None:
    runs = [make_two([(10.0, 9.0), (0.0, 10.0)], seed=0), make_two([(9.0, 1.0)], seed=1)]
    assert output.best_of(runs) is runs[1]
    assert output.search_object(runs)["hypervolume"] == {
        "mean": (10.0 + 81.0) / 2, "std": pytest.approx(71 / 2**0.5), "reference_point": [0.0, 10.0],
    }  # fmt: skip


@pytest.mark.parametrize("values", ["the largest", "subnormal"])
def test_the_picture_of_odd_values_can_be_written(values: str, make_two: Any) -> None:
    """Without a warning: here they are errors."""
    drawn("pareto", {"a": [make_two(ODD[values])]}).savefig(io.BytesIO(), dpi=20)


def test_unequal_budgets_are_said_wherever_strategies_are_compared(make_two: Any, words: Any) -> None:
    def run(fidelity: int, seed: int) -> Any:
        report = make_two([(1.0, 2.0), (2.0, 3.0)], seed=seed, single=True)
        lines = [msgspec.structs.replace(line, fidelity=fidelity) for line in report.history.lines]
        history = History.of(lines, report.scenario.criteria, Resource("epochs", 100))
        return replace(report, history=history)

    note = "Budgets differ: a 100, b 18 epochs per run; --resource N limits all strategies alike."
    reports = {"a": [run(50, s) for s in range(2)], "b": [run(9, s) for s in range(2)]}
    assert note in " ".join(format_comparison(reports).split()) and note in words(drawn("anytime", reports))
    assert "Budgets" not in format_comparison({"a": reports["a"]})
    assert "Budgets" not in format_comparison({"a": reports["a"], "b": [run(49, s) for s in range(2)]})
