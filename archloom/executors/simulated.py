"""The simulated executor: evaluations are looked up at once, and take time on a virtual clock only."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from archloom.checkpoints.store import CheckpointStore
from archloom.errors import InputError
from archloom.evaluators.base import Evaluator, evaluate
from archloom.executors.base import Done, Job
from archloom.types import Result

Duration = Callable[[Job, Result], float]
"""The seconds that a job takes, as a function of the job and its result."""


class SimulatedExecutor:
    """Evaluates with a number of workers on a virtual clock.

    A job starts on the first free worker, in the order of submission, and takes as long as `duration` says: by default
    the seconds of its result, less those of the trial that it continues if the evaluator's times count from the start
    of a training (`Resource.cost_from_start`). Pass `now` to the search as its clock:
    `Search(..., clock=executor.now)`.

    Raises:
        InputError: fewer than one worker, or a job that takes a negative time.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        workers: int,
        duration: Duration | None = None,
        checkpoints: CheckpointStore | None = None,
    ) -> None:
        if workers < 1:
            raise InputError(f"workers={workers}: expected at least 1")
        self._evaluator = evaluator
        self._duration = duration or self._measured
        self._checkpoints = checkpoints
        self._now = 0.0
        self._free = [0.0] * workers  # when each worker is free; a heap
        self._running: list[tuple[float, int, float, Done]] = []  # (end, number, begin, answer); a heap
        self._submitted = 0
        self._worked = 0.0  # in total, by jobs that have ended
        self._costs: dict[int, float] = {}  # by trial, as their results say

    def submit(self, job: Job) -> None:
        result = evaluate(self._evaluator, job.proposal, job.seed, job.trial_id, self._checkpoints)
        self._costs[job.trial_id] = result.cost_s
        seconds = self._duration(job, result)
        if not seconds >= 0:
            raise InputError(f"trial {job.trial_id} takes {seconds} seconds: expected 0 or more")
        begin = max(self._now, self._free[0])
        end = begin + seconds
        heapq.heapreplace(self._free, end)
        heapq.heappush(self._running, (end, self._submitted, begin, Done(job.trial_id, result)))
        self._submitted += 1

    def wait(self) -> Sequence[Done]:
        """Advance the clock to the end of the next job; those that end then, in the order of submission."""
        if not self._running:
            return ()
        self._now = self._running[0][0]
        done = []
        while self._running and self._running[0][0] == self._now:
            end, _, begin, answer = heapq.heappop(self._running)
            self._worked += end - begin
            done.append(answer)
        return done

    def close(self) -> None:
        self._running.clear()

    def now(self) -> float:
        """Seconds since the start, on the virtual clock."""
        return self._now

    @property
    def busy(self) -> float:
        """The share of the workers' time up to now in which they were busy; 0 at the start."""
        if self._now == 0.0:
            return 0.0
        running = sum(max(0.0, self._now - begin) for _, _, begin, _ in self._running)
        return (self._worked + running) / (len(self._free) * self._now)

    def _measured(self, job: Job, result: Result) -> float:
        resource, inherit = self._evaluator.resource, job.proposal.inherit
        if resource is None or not resource.cost_from_start or inherit is None:
            return result.cost_s
        return max(0.0, result.cost_s - self._costs.get(inherit.base, 0.0))
