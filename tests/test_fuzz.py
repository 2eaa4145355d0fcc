"""The fuzzer itself: it finds what is wrong, and what hangs or dies takes no other case along."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

pytest.importorskip("hypothesis", reason="the fuzzer needs the extra dev")

from hypothesis import strategies as st

from benchmarks.fuzz import harness
from benchmarks.fuzz.commands import Ended, archloom, promises
from benchmarks.fuzz.harness import Kind, drawn, run_cases

HANGS, DIES, WRONG, CHANGES = 3, 5, 7, 9


def check(_: None, case: int, place: Path) -> list[str]:
    if case == HANGS:
        time.sleep(100)
    elif case == DIES:
        os._exit(0)
    elif case == CHANGES:
        (place.parent / "outside" / "precious.txt").write_text("changed")
    return [f"{case} is wrong"] if case == WRONG else []


KIND: Kind[int, None] = Kind("digits", 1.0, st.integers(0, 9), lambda home: None, check)


def test_a_case_that_hangs_or_dies_takes_no_other_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "MOST_S", 0.5)
    faults = {
        HANGS: ("hangs: more than 0 s, in ",), DIES: ("its process died",), WRONG: ("7 is wrong",),
        CHANGES: ("outside of its folders it changed ['precious.txt']",),
    }  # fmt: skip
    cases = {drawn(KIND, 0, number): number for number in range(60)}
    found = list(run_cases(KIND, cases.values(), 0, tmp_path / "home"))
    assert [outcome.number for outcome in found] == list(cases.values()), "each once, in order"
    for case, outcome in zip(cases, found, strict=True):
        expected = faults.get(case, ())
        assert len(outcome.faults) == len(expected), outcome
        assert all(fault.startswith(begin) for fault, begin in zip(outcome.faults, expected, strict=True)), outcome
        assert outcome.case == (str(case) if expected else "")


def test_a_case_is_the_same_whenever_it_is_drawn() -> None:
    assert [drawn(KIND, 0, number) for number in range(9)] == [drawn(KIND, 0, number) for number in range(9)]
    assert [drawn(KIND, 0, number) for number in range(9)] != [drawn(KIND, 1, number) for number in range(9)]


@pytest.mark.parametrize(
    ("code", "out", "err", "expected"),
    [
        (0, "{}", "", []),
        (0, '{"value": NaN}', "", ["--json prints no JSON (NaN is no JSON)"]),
        (1, "", "", ["--json prints no JSON (Expecting value: line 1 column 1 (char 0))"]),
        (2, "", "archloom: note: so\narchloom: no such file\n", []),
        (2, "run folder", "archloom: no such file\n", ["bad input, and something on standard output"]),
        (3, "", "archloom: one\narchloom: two\n", ["2 lines that say what is wrong"]),
        (3, "", "archloom: unexpected KeyError: 'x'\n", ["nobody has thought of this"]),
        (3, "", "archloom: one\nmore\n", ["1 lines that say what is wrong"]),
        (2, "", f"archloom: {'x' * 5000}\n", ["a message of 5010 characters"]),
        (2, "", "archloom: \x1b[31mred\n", ["control characters on the terminal"]),
        (130, "", "", ["exit code 130"]),
        (None, "", "Traceback (most recent call last):\n", ["a traceback"]),
    ],
)
def test_promises(code: int | None, out: str, err: str, expected: list[str]) -> None:
    found = promises(Ended(("best", "x", "--json"), code, out, err))
    assert [fault.partition(": archloom '")[0] for fault in found] == expected


def test_a_command_is_run_here_and_what_it_prints_is_taken(capfd: pytest.CaptureFixture[str]) -> None:
    done = archloom("status", "nowhere")
    assert done == Ended(
        ("status", "nowhere"), 2, "", "archloom: nowhere is not a run folder: there is no such folder\n"
    )
    assert capfd.readouterr() == ("", "")
