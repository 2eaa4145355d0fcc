"""Where evaluations run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from archloom.executors.backends import Evaluations, Processes
from archloom.executors.process import ProcessExecutor
from archloom.executors.serial import SerialExecutor
from archloom.problems import ProblemSpec, open_evaluator


@pytest.mark.parametrize(
    ("backend", "users_code", "kind"),
    [
        (Processes(1), False, SerialExecutor),
        (Processes(1), True, ProcessExecutor),
        (Processes(1, isolate=False), True, SerialExecutor),
        (Processes(2, isolate=False), False, ProcessExecutor),
    ],
)
def test_a_users_code_runs_in_a_process_of_its_own(
    backend: Processes, users_code: bool, kind: type[object], planted: Path
) -> None:
    make = partial(open_evaluator, ProblemSpec(str(planted)))
    with backend.ready(), backend.ready():
        executor = backend.executor(Evaluations(make, make, users_code))
        assert type(executor) is kind
        executor.close()
    assert backend.runs_at_once == backend.workers
