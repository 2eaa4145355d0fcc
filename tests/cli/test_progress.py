"""What a person sees while a run goes on."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from archloom.agents.training_log import TrainingRow
from archloom.cli import progress
from archloom.cli.progress import CountView, ProgressView, TotalView, TrainingView, what_begins
from archloom.constraints import Criteria, Objective
from archloom.problems import RecordedProblem
from archloom.problems.base import DataIdentity
from archloom.problems.scenario import Scenario
from archloom.problems.spec import ProblemSpec
from archloom.runs.budgets import Limits
from archloom.runs.history import History
from archloom.runs.prepare import Request
from archloom.runs.record import TrialRecord
from archloom.utils.text import one_line

CRITERIA = Criteria((Objective("loss", "min"),))


def line(number: int, loss: float | None = None, query: bool = True) -> TrialRecord:
    error = "broken" if loss is None else None
    scores = {} if loss is None else {"loss": loss}
    return TrialRecord(number, (0,), "cell", number + 1 if query else None, scores=scores, error=error)


def test_a_line_now_and_then_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", -1.0)
    with ProgressView("random", 10, CRITERIA) as view:
        view(0, [line(0)])
        view.add(History.of([line(1, 0.5), line(2, 0.25), line(3, 0.75), line(4, 0.25, query=False)], CRITERIA))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "random: 1 of 10 queries, nothing feasible yet, 1 failed",
        "random: 4 of 10 queries, best loss 0.25, 1 failed",
    ]


def test_not_too_often_and_not_when_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with ProgressView("random", 10, CRITERIA) as view:
        view(0, [line(0, 1.0)])
    monkeypatch.setattr(progress, "LINE_EVERY_S", -1.0)
    with ProgressView("random", 10, CRITERIA, quiet=True) as view:
        view(0, [line(0, 1.0)])
    assert capsys.readouterr() == ("", "")


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is written to standard error from now on, which is a person's terminal."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return terminal


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    with ProgressView("random", 2, CRITERIA) as view:
        view(0, [line(0, 1.0), line(1, 0.5)])
    assert "2/2" in terminal.getvalue() and "best loss 0.5" in terminal.getvalue()


BEGINS = "training architectures on digits"


def test_what_takes_long_is_said_at_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for total, quiet, said in (
        (1_200, False, "random: training architectures on digits, 1,200 queries in all\n"),
        (1, False, "random: training architectures on digits, 1 query in all\n"),
        (None, False, "random: training architectures on digits\n"),
        (1_200, True, ""),
    ):
        with ProgressView("random", total, CRITERIA, quiet, begins=BEGINS):
            assert capsys.readouterr() == ("", said)
    terminal = on_a_terminal(monkeypatch)
    with ProgressView("random", 2, CRITERIA, begins=BEGINS):
        pass
    assert "0/2" in terminal.getvalue() and BEGINS in terminal.getvalue()


def test_what_trains_takes_long(tmp_path: Path) -> None:
    spec = ProblemSpec("images:digits")
    new = {tmp_path / "new": Request("random", spec, 0, Limits(queries=1))}
    recorded = RecordedProblem("convnet", {"loss": "min"}, None)
    assert what_begins(Scenario(spec, recorded, CRITERIA, ()), new) == "training architectures on images:digits"
    recorded.trained_on = DataIdentity("digits", "", "")
    assert what_begins(Scenario(spec, recorded, CRITERIA, ()), new) == BEGINS
    assert what_begins(Scenario(ProblemSpec("nb201"), recorded, CRITERIA, ()), new) == ""


def test_nothing_begins_where_runs_are_over(cli: Any, trained_here: Path) -> None:
    search = "search", "random", "--on", str(trained_here), "--seeds", "2", "--queries", "2", "--out", "runs"
    begins = "training architectures on trained.py, {} queries in all"
    assert begins.format(4) in cli(*search).err
    assert "training" not in cli("resume", "runs").err
    assert begins.format(6) in cli("resume", "runs", "--queries", "3").err
    (Path("runs/seed-1/run.json")).write_text("{")
    assert begins.format(6) in cli("resume", "runs").err, "what is damaged is not over"


def test_what_an_evaluator_prints_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressView("random", 2, CRITERIA, quiet=True):
        print("epoch 1")  # noqa: T201 - as an evaluator might
    assert capsys.readouterr() == ("", "epoch 1\n")


# -- an agent's training

ROW = TrainingRow(
    steps=21_000, updates=40, seconds=9.5, episodes=5, best=73.494, steps_per_second=2210.3, mean_value=70.123,
    mean_end=72.0, episode_length=12.42, stopped=0.33, td_error=0.0123, loss=0.1,
)  # fmt: skip
NOTHING_YET = TrainingRow(
    steps=1_000, updates=0, seconds=0.5, episodes=0, best=None, steps_per_second=2000.0, mean_value=61.0, mean_end=None,
    episode_length=None, stopped=None, td_error=None, loss=None,
)  # fmt: skip
LEARNED = "2,210 steps/s, mean 70.12, best 73.49, 12.4 steps an episode, 33% stop, TD error 0.012"


def test_how_a_training_goes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", -1.0)
    with TrainingView("apex", 64_000) as view:
        view(NOTHING_YET)
        view(ROW)
    assert capsys.readouterr().err.splitlines() == [
        "apex: 1,000 of 64,000 steps, 2,000 steps/s, mean 61.00",
        f"apex: 21,000 of 64,000 steps, {LEARNED}",
    ]


def test_how_a_training_goes_below_its_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    with TrainingView("apex", 64_000) as view:
        view(ROW)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "21000/64000" in plain
    assert LEARNED in [line.strip() for line in plain.splitlines()]


# -- counting


def test_nothing_to_do_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    with TotalView("supernet", "batches"):
        pass
    assert terminal.getvalue() == ""
    with TotalView("supernet", "batches") as view:
        view(3, 40)
    assert "3/40" in terminal.getvalue()


def test_counts_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with CountView(3_000, "episodes") as view:
        view("random", 1_000)
        monkeypatch.setattr(progress, "LINE_EVERY_S", -1.0)
        view("random_walk", 500)
        print("epoch 1")  # noqa: T201
    assert capsys.readouterr() == ("", "random_walk: 1,500 of 3,000 episodes\nepoch 1\n")
    with CountView(3_000, "episodes", quiet=True) as view:
        view("random", 1_000)
    assert capsys.readouterr() == ("", "")


def test_counts_in_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    with CountView(7, "episodes") as view:
        view("random", 3)
        view("random_walk", 4)
    said = terminal.getvalue()
    assert "7/7" in said and "episodes" in said and "random_walk" in said


@pytest.mark.parametrize(
    "name", ["[bold]x", "[/red]", "acc[0]", "[link=file:///]", ":smile:", "{task.id}", "\x1b[2Jx\x07", "a\nb"]
)
def test_a_name_is_no_markup(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    criteria = Criteria((Objective(name, "min"),))
    with ProgressView(name, 10, criteria) as view:
        view(0, [TrialRecord(0, (0,), "cell", 1, scores={name: 0.5})])
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    shown = one_line(name)
    assert f"{shown} " in plain and f"best {shown} 0.5" in plain
    assert "\x1b[2J" not in terminal.getvalue() and "\x07" not in terminal.getvalue()
