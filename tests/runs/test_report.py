"""Runs read again from their folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.runs import folders
from archloom.runs.budgets import Limits
from archloom.runs.prepare import Request
from archloom.runs.report import read_report


def test_its_repr_has_no_trials(mine: ProblemSpec) -> None:
    made = folders.run_in_memory(Request("random", mine, 0, Limits(9)))
    assert repr(made).startswith("RunReport(request=Request(strategy='random'")
    assert "TrialRecord" not in repr(made)


def test_a_run_can_be_looked_at_when_its_problem_is_gone(tmp_path: Path, mine: ProblemSpec) -> None:
    made = folders.run_folder(tmp_path / "run", Request("random", mine, 0, Limits(9)))
    (tmp_path / "code" / "mine.py").unlink()
    seen = read_report(tmp_path / "run")
    assert (seen.value, seen.curve, seen.best) == (made.value, made.curve, made.best)
    with pytest.raises(InputError, match=r"mine\.py, which is not there; put it back"):
        read_report(tmp_path / "run", need_space=True)
