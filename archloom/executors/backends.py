"""Where evaluations run, as something to pass around: it makes the executor of a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from archloom.checkpoints.store import CheckpointFolder
from archloom.evaluators.base import Evaluator
from archloom.executors.base import Executor
from archloom.executors.process import ProcessExecutor
from archloom.executors.serial import SerialExecutor


@dataclass(frozen=True)
class Evaluations:
    """What a run has evaluated.

    `evaluator` gives it for use in this process; `make`, which is picklable, makes the same elsewhere. `users_code` may
    take down the process that it runs in. `states` are the run's, if anything is trained.
    """

    evaluator: Callable[[], Evaluator]
    make: Callable[[], Evaluator]
    users_code: bool = False
    states: CheckpointFolder | None = None


class Backend(Protocol):
    """Where evaluations run. None changes a result."""

    @property
    def workers(self) -> int:
        """How many evaluations go on at once."""
        ...

    @property
    def runs_at_once(self) -> int:
        """How many runs of a group go on at once: several have a process each; a single one has all the workers."""
        ...

    def ready(self) -> AbstractContextManager[object]:
        """While its executors are in use. Entered before anything is written; may be entered again meanwhile.

        InputError or WorkerError where it cannot be had.
        """
        ...

    def executor(self, evaluations: Evaluations) -> Executor:
        """An executor for one run."""
        ...


@dataclass(frozen=True)
class Processes:
    """This machine: this process alone, or worker processes.

    A user's code runs in a process of its own, even with one worker, unless `isolate` is False.
    """

    workers: int = 1
    isolate: bool = True

    @property
    def runs_at_once(self) -> int:
        return self.workers

    def ready(self) -> AbstractContextManager[object]:
        return nullcontext()

    def executor(self, evaluations: Evaluations) -> Executor:
        if self.workers == 1 and not (self.isolate and evaluations.users_code):
            return SerialExecutor(evaluations.evaluator(), evaluations.states)
        return ProcessExecutor(evaluations.make, self.workers, evaluations.states)
