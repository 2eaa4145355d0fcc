"""The process executor."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from archloom.checkpoints.store import CheckpointFolder
from archloom.errors import StoreError
from archloom.executors.base import Done, Job
from archloom.executors.process import ProcessExecutor
from archloom.problems import ProblemSpec, open_evaluator
from archloom.types import Arch, Inherit, Proposal, Result
from archloom.workers.pool import Answer, WorkerError, WorkerPool

PROBLEM = """
import os
import archloom
from pathlib import Path

def evaluate(choices):
    with open(Path(__file__).parent / "workers", "a") as file:
        file.write(f"{os.getpid()}\\n")
    if choices["number"] == 0:
        os._exit(4)
    return float(choices["number"])

problem = archloom.Problem(archloom.Categorical({"number": [0, 1, 2, 3]}), evaluate, {"score": "max"})
"""


@pytest.fixture
def factory(tmp_path: Path) -> partial[object]:
    (tmp_path / "problem.py").write_text(PROBLEM)
    return partial(open_evaluator, ProblemSpec(str(tmp_path / "problem.py")))


def test_a_dead_worker_is_a_failed_trial_and_the_others_are_answered(
    factory: partial[object], tmp_path: Path, evaluated: Any
) -> None:
    found = evaluated(ProcessExecutor(factory, 2), [1, 0, 2, 3])  # type: ignore[arg-type]
    assert found[1].error == "the worker died 3 times: exit code 4, exit code 4, exit code 4"
    assert {number: result.scores for number, result in found.items() if result.ok} == {
        0: {"score": 1.0}, 2: {"score": 2.0}, 3: {"score": 3.0},
    }  # fmt: skip


def test_an_evaluator_that_cannot_be_made_stops_the_run_and_fails_no_trial(tmp_path: Path, evaluated: Any) -> None:
    factory = partial(open_evaluator, ProblemSpec(str(tmp_path / "missing.py")))
    with pytest.raises(WorkerError, match="there is no file"):
        evaluated(ProcessExecutor(factory, 1), [1, 2])


class Refusing(CheckpointFolder):
    """Has no room."""

    def save(self, trial: int, state: object) -> None:
        raise StoreError(f"no room for {trial}")


def test_what_was_answered_together_with_it_is_answered(
    factory: partial[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = ProcessExecutor(factory, 2)  # type: ignore[arg-type]
    result = Result({"score": 1.0})
    heard = [[Answer(0, StoreError("no room for 0")), Answer(1, result)]]
    monkeypatch.setattr(WorkerPool, "wait", lambda _pool: heard.pop())
    assert executor.wait() == [Done(1, result)]
    with pytest.raises(StoreError, match=r"^no room for 0$"):
        executor.wait()


def test_where_a_state_is_missing_the_run_stops(trained: Path, tmp_path: Path) -> None:
    factory = partial(open_evaluator, ProblemSpec(str(trained)))
    executor = ProcessExecutor(factory, 1, checkpoints=CheckpointFolder(tmp_path / "weights"))
    try:
        executor.submit(Job(1, Proposal(Arch((0,) * 8), 2, Inherit(0)), 0))
        with pytest.raises(StoreError, match=r"000000.safetensors is not there; restore"):
            executor.wait()
    finally:
        executor.close()


def test_where_a_state_has_no_room_the_run_stops(trained: Path, tmp_path: Path) -> None:
    factory = partial(open_evaluator, ProblemSpec(str(trained)))
    executor = ProcessExecutor(factory, 1, checkpoints=Refusing(tmp_path / "weights"))
    try:
        executor.submit(Job(0, Proposal(Arch((0,) * 8), 1), 0))
        with pytest.raises(StoreError, match=r"^no room for 0$"):
            executor.wait()
    finally:
        executor.close()
