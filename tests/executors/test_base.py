"""What every executor promises the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from archloom.executors.base import Done, Executor, Job
from archloom.executors.process import ProcessExecutor
from archloom.executors.serial import SerialExecutor
from archloom.problems import ProblemSpec, open_evaluator
from archloom.types import Arch, Proposal

NOISY = """
import archloom

def evaluate(choices, rng):
    return {"score": choices["number"] + rng.random(), "test": rng.random()}

problem = archloom.Problem(archloom.Categorical({"number": [1, 2, 3, 4, 5]}), evaluate, {"score": "max"}, ["test"])
"""

Open = Callable[[], Executor]


@pytest.fixture(params=["serial", "process"])
def executor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Executor]:
    """Every executor. Add yours here."""
    problem = tmp_path / "noisy.py"
    problem.write_text(NOISY)
    factory = partial(open_evaluator, ProblemSpec(str(problem), report=("test",)))
    made: Executor = SerialExecutor(factory()) if request.param == "serial" else ProcessExecutor(factory, 2)
    yield made
    made.close()


def jobs(count: int, seed: int = 0) -> list[Job]:
    return [Job(number, Proposal(Arch((number % 5,))), seed) for number in range(count)]


def answers(executor: Executor, asked: Sequence[Job]) -> dict[int, Any]:
    """What each job gave, without what time it took."""
    for job in asked:
        executor.submit(job)
    found: dict[int, Any] = {}
    while done := executor.wait():
        for answer in done:
            assert isinstance(answer, Done) and answer.trial_id not in found, "each job is answered once"
            found[answer.trial_id] = (answer.result.scores, answer.result.report, answer.result.error)
    return found


def test_every_executor_keeps_the_contract(executor: Executor, tmp_path: Path) -> None:
    """In one test, so that the processes are started once."""
    assert list(executor.wait()) == [], "nothing is outstanding"
    found = answers(executor, jobs(7))
    assert sorted(found) == list(range(7))
    assert list(executor.wait()) == []
    serial = SerialExecutor(open_evaluator(ProblemSpec(str(tmp_path / "noisy.py"))))
    assert found == answers(serial, jobs(7)), "the answers are those of the trial's own random stream"
    assert found != answers(executor, jobs(7, seed=1)), "which depends on the run's seed"
    for job in jobs(3):
        executor.submit(job)
    executor.close()
    assert list(executor.wait()) == [], "closing drops what is not answered"
    executor.close()


def test_jobs_and_answers_are_frozen() -> None:
    with pytest.raises(AttributeError):
        jobs(1)[0].seed = 3  # type: ignore[misc]
