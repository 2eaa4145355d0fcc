"""What is said of how long a search will take."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from archloom.cli import forecast
from archloom.cli.forecast import Forecast, at_once
from archloom.executors.backends import Processes
from archloom.problems import ProblemSpec
from archloom.runs.budgets import Limits
from archloom.runs.prepare import Preparer, Request
from archloom.runs.record import TrialRecord
from archloom.types import Resource


def asked(queries: int = 720, width: int = 24) -> Request:
    return Request("pbt_nas", ProblemSpec("images:digits"), limits=Limits(queries, width))


def test_it_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "000000.safetensors").write_bytes(bytes(1_000_000))
    view = Forecast({tmp_path: asked()}, Resource("epochs", 300), Processes(2), Preparer())
    now = [0.0]
    view.pace.clock = lambda: now[0]
    view.pace._started = 0.0
    for number in range(4):
        now[0] += 20.5
        view(0, [TrialRecord(number, (0,), "x", number + 1, fidelity=10)])
    said = capsys.readouterr().err
    assert said == (
        "archloom: note: 7,200 epochs of training planned; at 4.1 s each on 2 workers about 4 h 5 min left; "
        "checkpoints of up to 50 MB\n"
    )
    assert view.left == "about 4 h 5 min left"


def test_a_search_of_seconds_is_not_worth_a_word(cli: Any, trained_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archloom.runs import estimate

    line = ("search", "pbt_nas", "--on", trained_here, "--set", "population=4", "--set", "epochs=4", "--set", "step=2")
    monkeypatch.setattr(estimate, "SOON_S", 0.0)
    assert "planned" not in cli(*line, "--out", "a").err
    monkeypatch.setattr(forecast, "LONG_S", 0.0)
    said = cli(*line, "--out", "b").err
    assert "note: 16 epochs of training planned; at " in said and " each on 1 worker about " in said
    assert said.count("planned") == 1
    assert "planned" not in cli(*line, "--out", "c", "--quiet").err


def test_silence_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(forecast, "SILENCE_S", 0.0)
    view = Forecast({tmp_path: asked()}, None, Processes(), Preparer())
    view.pace.clock, view.pace._started = lambda: 180.0, 0.0
    with view:
        while not (said := capsys.readouterr().err):
            time.sleep(0.001)
    assert said == (
        "archloom: note: no trial has finished after 3 min; if all take as long, 720 of them take more than 1 d 6 h\n"
    )


def test_how_many_go_on_at_once() -> None:
    assert at_once([asked()], Processes(2)) == 2
    assert at_once([asked(width=1)], Processes(2)) == 1
    assert at_once([asked(), asked(), asked()], Processes(2)) == 2, "a run for each worker"
    assert at_once([asked(), asked()], Processes()) == 1
