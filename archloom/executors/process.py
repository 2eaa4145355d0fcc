"""The process executor: evaluations in worker processes on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archloom.checkpoints.store import CheckpointFolder, CheckpointStore
from archloom.errors import StoreError
from archloom.evaluators.base import Evaluator
from archloom.executors.base import Done, Job, answer_or_stop
from archloom.types import Result
from archloom.workers.pool import Answer, Send, Work, WorkerPool


@dataclass(frozen=True)
class _Setup:
    """Builds a worker's evaluator once; picklable if `factory` is."""

    factory: Callable[[], Evaluator]
    checkpoints: CheckpointStore | None

    def __call__(self) -> Work:
        evaluator = self.factory()

        def work(job: Job, send: Send) -> Result | StoreError:
            return answer_or_stop(evaluator, job, self.checkpoints)

        return work


class ProcessExecutor:
    """Evaluates in up to `workers` processes. Each makes its own evaluator with `factory`, a picklable callable, and
    saves checkpoints in `checkpoints`, a folder that all of them see.

    A worker that dies is replaced and its job tried again, three times in total; then the trial fails with the reason.
    A job that takes longer than `timeout` seconds is ended with all processes that it has started, and has failed.
    """

    def __init__(
        self,
        factory: Callable[[], Evaluator],
        workers: int,
        checkpoints: CheckpointFolder | None = None,
        timeout: float | None = None,
    ) -> None:
        self._pool = WorkerPool(_Setup(factory, checkpoints), workers, timeout)
        self._stopped: StoreError | None = None

    def submit(self, job: Job) -> None:
        self._pool.submit(job.trial_id, job)

    def wait(self) -> Sequence[Done]:
        """See `Executor`. StoreError if a worker could not read or save a checkpoint; what was answered at the same
        time comes first, so that it is recorded.
        """
        if self._stopped is not None:
            raise self._stopped
        answers = [answer for answer in self._pool.wait() if isinstance(answer, Answer)]
        self._stopped = next((a.value for a in answers if isinstance(a.value, StoreError)), None)
        answers = [answer for answer in answers if not isinstance(answer.value, StoreError)]
        if self._stopped is not None and not answers:
            raise self._stopped
        return [Done(a.task, a.value if a.error is None else Result.failed(a.error, trace=a.trace)) for a in answers]

    def close(self) -> None:
        self._pool.close()
