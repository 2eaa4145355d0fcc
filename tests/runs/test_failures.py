"""What there is to read on failed trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archloom.problems import ProblemSpec
from archloom.runs import failures
from archloom.runs.budgets import Ending, Limits
from archloom.runs.failures import MOST_FILES, Reason, file_of, first_file, keep, reasons
from archloom.runs.folders import run_folder
from archloom.runs.prepare import Request
from archloom.runs.record import TrialRecord, read_lines

FAILING = """
import os, time
import archloom

def evaluate(choices):
    number = choices["number"]
    print(f"about to fail at {number}")
    if number < 12:
        raise ValueError(f"no network of {number} layers")
    return float(number)

problem = archloom.Problem(archloom.Categorical({"number": list(range(SIZE))}), evaluate, {"score": "max"})
"""


@pytest.fixture
def failing(tmp_path: Path) -> Any:
    def of_size(size: int) -> ProblemSpec:
        path = tmp_path / f"failing{size}.py"
        path.write_text(FAILING.replace("SIZE", str(size)))
        return ProblemSpec(str(path))

    return of_size


def test_a_failed_trial_has_a_file_of_its_own(tmp_path: Path, failing: Any) -> None:
    report = run_folder(tmp_path / "run", Request("random", failing(3), 0, Limits(3)), isolate=False)
    assert len(report.history.failed) == 3
    trial = report.history.failed[0]
    text = file_of(tmp_path / "run", trial.id).read_text()
    assert text.startswith(f"trial {trial.id}: {trial.error}\n\nTraceback (most recent call last):")
    assert "in evaluate" in text and text.endswith(f"-- printed --\nabout to fail at {trial.genes[0]}\n\n")
    assert first_file(report.path, report.history.failed) == file_of(tmp_path / "run", trial.id)
    names = {file_of(tmp_path, line.id).name for line in report.history.failed}
    assert {path.name for path in (tmp_path / "run" / failures.FOLDER).iterdir()} == names, "none for repeats"


def test_files_are_bounded_and_never_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / failures.FOLDER).symlink_to(tmp_path / "elsewhere")
    keep(tmp_path / "linked", 0, "why", "where")
    assert not any((tmp_path / "elsewhere").iterdir())
    (tmp_path / "file").write_text("")
    keep(tmp_path / "file", 0, "why", "where")
    for trial in range(MOST_FILES + 5):
        keep(tmp_path, trial, "why", "\x1b[2J\rwhere \ud800")
    assert len(list((tmp_path / failures.FOLDER).iterdir())) == MOST_FILES
    assert file_of(tmp_path, 7).read_text() == "trial 7: why\n\n[2J\nwhere \\ud800\n"


def test_reasons_are_counted() -> None:
    lines = [
        TrialRecord(number, (number,), "a", query=None if repeat else number + 1, error=error)
        for number, (error, repeat) in enumerate(
            [("one", False), (None, False), ("other", False), ("other", False), ("other", True)]
        )
    ]
    assert reasons(lines) == [Reason("other", 2, 2), Reason("one", 1, 0)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_whose_first_trials_all_fail_alike_gives_up(tmp_path: Path, failing: Any, workers: int) -> None:
    request = Request("random", failing(12), 0, Limits(12, 2, give_up=5))
    report = run_folder(tmp_path / "run", request, workers, isolate=False)
    assert report.ending == Ending.GAVE_UP.value
    assert (report.history.queries, len(report.history.failed)) == (6, 6), "five, and what was in flight"
    record = (tmp_path / "run" / "trials.jsonl").read_bytes()
    assert run_folder(tmp_path / "run", None, isolate=False).ending == Ending.GAVE_UP.value
    assert (tmp_path / "run" / "trials.jsonl").read_bytes() == record
    on = run_folder(tmp_path / "run", None, isolate=False, limits=Limits(12, 2))
    assert (on.ending, on.history.queries) == (Ending.BUDGET.value, 12)
    assert (tmp_path / "run" / "trials.jsonl").read_bytes().startswith(record)
    whole = run_folder(tmp_path / "whole", Request("random", request.problem, 0, Limits(12, 2)), isolate=False)
    assert [(a.id, a.genes, a.error) for a in on.history.lines] == [
        (a.id, a.genes, a.error) for a in whole.history.lines
    ]


def test_a_run_in_which_something_works_does_not_give_up(tmp_path: Path, failing: Any) -> None:
    report = run_folder(tmp_path / "run", Request("random", failing(14), 0, Limits(14, give_up=10)), isolate=False)
    assert report.ending == Ending.BUDGET.value and len(report.history.failed) == 12


INTERRUPTED = """
import signal
import archloom

def evaluate(choices):
    signal.raise_signal(signal.SIGINT)
    return 1.0

problem = archloom.Problem(archloom.Categorical({"number": [0, 1, 2]}), evaluate, {"score": "max"})
"""


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_in_a_users_function_interrupts_the_run(tmp_path: Path) -> None:
    """In the run's own process; its function has surroundings of its own (`utils.surroundings`), and our handler."""
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    request = Request("random", ProblemSpec(str(tmp_path / "interrupted.py")), 0, Limits(3))
    with pytest.raises(KeyboardInterrupt):
        run_folder(tmp_path / "run", request, isolate=False)
    assert read_lines(tmp_path / "run") == []


def test_a_trial_that_takes_too_long_is_ended_with_all_that_it_started(
    tmp_path: Path, hanging: Path, wait_until: Any, is_gone: Any
) -> None:
    limits = Limits(3, trial_timeout=0.5)
    run_folder(tmp_path / "run", Request("random", ProblemSpec(str(hanging)), 0, limits), isolate=False)
    lines = {line.genes[0]: line for line in read_lines(tmp_path / "run") if line.query is not None}
    assert lines[0].error == "it took longer than 0.5 s (--trial-timeout)"
    assert lines[1].scores == lines[2].scores == {"score": 1.0}
    wait_until(lambda: is_gone(Path(f"{hanging}.pid")))
    assert "for ever" in file_of(tmp_path / "run", lines[0].id).read_text()
