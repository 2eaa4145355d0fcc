"""What tests found, as text."""

from __future__ import annotations

from collections.abc import Sequence

from archloom.analysis.layout import align, counted, wrap
from archloom.analysis.significance import SIGNIFICANT, Tested, Tests
from archloom.utils.text import one_line


def matrix_lines(tests: Tests, labels: Sequence[str], metric: str) -> list[str]:
    """Corrected p-values of every ordered pair of strategies: is the row's better than the column's?"""
    found = {(test.better, test.worse): test for test in tests.results if test.metric == metric}
    mixed = len({test.paired for test in found.values()}) > 1
    rows = [[one_line(a), *(_entry(found.get((a, b)), mixed) for b in labels)] for a in labels]
    title = (
        f"p for the row being better than the column{_by(tests, metric)} (one-sided "
        f"{_tests_of(list(found.values()))}; Bonferroni-corrected for {tests.corrected_for} tests; "
        f"* below {SIGNIFICANT})"
    )
    return [wrap(title), *align([["", *map(one_line, labels)], *rows])]


def list_lines(tests: Tests) -> list[str]:
    """A line for each test."""
    by = len({test.metric for test in tests.results}) > 1
    heads = ["better", "worse", *(["by"] * by), "test", "n", "ties", "p", f"p x {tests.corrected_for}"]
    rows = [
        [
            one_line(test.better), one_line(test.worse), *([one_line(test.metric)] * by), test.test, _sizes(test),
            str(test.ties), f"{test.p:.4g} ", _shown(test.p_corrected),
        ]
        for test in tests.results
    ]  # fmt: skip
    title = f"one-sided tests, Bonferroni-corrected for {tests.corrected_for} (* below {SIGNIFICANT})"
    return [title, *align([heads, *rows], left=(1, *([2] * by), 2 + by))]


def notes_of(tests: Tests) -> list[str]:
    """What was not tested, and what the sizes of the samples do not allow."""
    pairs = ", ".join(f"{better}:{worse}" for better, worse in tests.skipped)
    notes = [f"Not tested, because there are no runs to compare: {pairs}."] if pairs else []
    if tests.results and tests.least > SIGNIFICANT:
        sizes = " or ".join(dict.fromkeys(map(_size_in_words, tests.results)))
        made = counted(tests.corrected_for, "test")
        notes.append(f"With {sizes} and {made} no corrected p can be below {tests.least:.2g}: run more seeds.")
    return notes


def _by(tests: Tests, metric: str) -> str:
    return f" by {one_line(metric)}" if any(test.metric != metric for test in tests.results) else ""


def _tests_of(tests: Sequence[Tested]) -> str:
    """Which tests these are, and of how many runs."""
    said = []
    mixed = len({test.paired for test in tests}) > 1
    for name, paired in dict.fromkeys((test.test, test.paired) for test in tests):
        sizes = dict.fromkeys(_size_in_words(test) for test in tests if test.paired is paired)
        unpaired = "" if paired else "unpaired "
        said.append(f"{'u: ' if mixed and not paired else ''}{unpaired}{name} over {' or '.join(sizes)}")
    return "; ".join(said)


def _size_in_words(test: Tested) -> str:
    return counted(test.n, "pair") if test.paired else f"{test.n} and {test.n_worse} runs"


def _sizes(test: Tested) -> str:
    return str(test.n) if test.paired else f"{test.n}, {test.n_worse}"


def _entry(test: Tested | None, mixed: bool) -> str:
    if test is None:
        return "-"
    return ("u " if mixed and not test.paired else "") + _shown(test.p_corrected)


def _shown(p: float) -> str:
    return f"{p:.2g}" + ("*" if p < SIGNIFICANT else " ")
