"""The serial executor: evaluates in this process, one job at a time, when the loop waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from archloom.checkpoints.store import CheckpointStore
from archloom.evaluators.base import Evaluator, evaluate
from archloom.executors.base import Done, Job


class SerialExecutor:
    """Evaluates in the order of submission."""

    def __init__(self, evaluator: Evaluator, checkpoints: CheckpointStore | None = None) -> None:
        self._evaluator = evaluator
        self._checkpoints = checkpoints
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        self._jobs.append(job)

    def wait(self) -> Sequence[Done]:
        if not self._jobs:
            return ()
        job = self._jobs.popleft()
        return (Done(job.trial_id, evaluate(self._evaluator, job.proposal, job.seed, job.trial_id, self._checkpoints)),)

    def close(self) -> None:
        self._jobs.clear()
