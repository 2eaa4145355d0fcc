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
from archloom.workers.pool import check_may_start


@dataclass(frozen=True)
class Evaluations:
    """What an executor needs of a run.

    `evaluator` gives the evaluator for use in this process; `make`, which is picklable, makes the same one elsewhere.
    `users_code` may crash the process that it runs in. `checkpoints` are those of the run, if anything is trained.
    `timeout`: the seconds that a trial may take, which only a process of its own can be held to.
    """

    evaluator: Callable[[], Evaluator]
    make: Callable[[], Evaluator]
    users_code: bool = False
    checkpoints: CheckpointFolder | None = None
    timeout: float | None = None


class Backend(Protocol):
    """Where evaluations run. None affects a result."""

    @property
    def workers(self) -> int:
        """The number of evaluations at the same time."""
        ...

    @property
    def runs_at_once(self) -> int:
        """The number of runs of a group at the same time: several have a process each; a single one has all workers."""
        ...

    def ready(self) -> AbstractContextManager[object]:
        """A context in which its executors can be used. Entered before anything is written; it may be nested.

        InputError or WorkerError if it is not available.
        """
        ...

    def executor(self, evaluations: Evaluations) -> Executor:
        """An executor for one run."""
        ...


@dataclass(frozen=True)
class Processes:
    """This machine: this process alone, or worker processes.

    A user's code runs in a process of its own, even with one worker, unless `isolate` is False. So does whatever has
    a limited time.
    """

    workers: int = 1
    isolate: bool = True

    @property
    def runs_at_once(self) -> int:
        return self.workers

    def ready(self) -> AbstractContextManager[object]:
        if self.workers > 1:
            check_may_start()
        return nullcontext()

    def executor(self, evaluations: Evaluations) -> Executor:
        here = evaluations.timeout is None and not (self.isolate and evaluations.users_code)
        if self.workers == 1 and here:
            return SerialExecutor(evaluations.evaluator(), evaluations.checkpoints)
        return ProcessExecutor(evaluations.make, self.workers, evaluations.checkpoints, evaluations.timeout)
