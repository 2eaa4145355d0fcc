"""Tests as text."""

from __future__ import annotations

from archloom.analysis.p_values import list_lines, matrix_lines, notes_of
from archloom.analysis.significance import Wanted, run_tests

VALUES = {
    "a": {(0, seed): 3.0 + seed for seed in range(6)},
    "b": {(0, seed): 1.0 + seed / 2 for seed in range(6)},
    "c": {(0, seed): 0.0 for seed in range(6)},
}


def test_a_matrix_says_which_tests_are_in_it() -> None:
    tests = run_tests([("", VALUES)], pairs_seeds=lambda one, other: "c" not in (one, other))
    lines = matrix_lines(tests, list(VALUES), "")
    assert " ".join(" ".join(lines[:-4]).split()) == (
        "p for the row being better than the column (one-sided Wilcoxon signed-rank over 6 pairs; u: unpaired "
        "Mann-Whitney over 6 and 6 runs; Bonferroni-corrected for 6 tests; * below 0.05)"
    )
    assert lines[-3].split() == ["a", "-", "0.094", "u", "0.0065*"]  # 6/64 and 6/924
    alone = matrix_lines(run_tests([("", VALUES)], Wanted.parse([], paired=True)), list(VALUES), "")
    assert "u" not in alone[-3].split()


def test_chosen_tests_are_listed_with_what_they_are() -> None:
    tests = run_tests([("", VALUES)], Wanted.parse(["a:b", "a:c"], corrected_for=4))
    assert [line.split() for line in list_lines(tests)[1:]] == [
        ["better", "worse", "test", "n", "ties", "p", "p", "x", "4"],
        ["a", "b", "Wilcoxon", "signed-rank", "6", "0", "0.01562", "0.062"],
        ["a", "c", "Wilcoxon", "signed-rank", "6", "0", "0.01562", "0.062"],
    ]


def test_what_cannot_be_said_is_said() -> None:
    two = {label: {run: value for run, value in values.items() if run[1] < 2} for label, values in VALUES.items()}
    tests = run_tests([("", {**two, "d": {}})], Wanted.parse(["a:b", "a:d"]))
    assert notes_of(tests) == [
        "Not tested, because there are no runs to compare: a:d.",
        "With 2 pairs and 1 test no corrected p can be below 0.25: run more seeds.",
    ]
    assert notes_of(run_tests([("", VALUES)], Wanted.parse(["a:b"]))) == []
