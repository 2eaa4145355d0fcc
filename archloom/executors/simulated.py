"""The simulated executor: evaluations are looked up at once, and take their time on a virtual clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from archloom.checkpoints.store import CheckpointStore
from archloom.errors import InputError
from archloom.evaluators.base import Evaluator, evaluate
from archloom.executors.base import Done, Job
from archloom.types import Result

Duration = Callable[[Job, Result], float]
"""The seconds that a job takes, of a job and its result."""


class SimulatedExecutor:
    """Evaluates with so many workers on a virtual clock.

    A job begins on the first worker that is free, in the order of submission, and takes what `duration` says: by
    default the seconds of its result, less those of the trial that it goes on from if the evaluator's times count from
    the start of a training (`Resource.cost_from_start`). Give `now` to the search as its clock:
    `Search(..., clock=executor.now)`.

    Raises:
        InputError: fewer than one worker, or a job that takes less than no time.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        workers: int,
        duration: Duration | None = None,
        states: CheckpointStore | None = None,
    ) -> None:
        if workers < 1:
            raise InputError(f"workers={workers}: expected at least 1")
        self._evaluator = evaluator
        self._duration = duration or self._measured
        self._states = states
        self._now = 0.0
        self._free = [0.0] * workers  # when each worker is free; a heap
        self._running: list[tuple[float, int, float, Done]] = []  # (end, number, begin, answer); a heap
        self._submitted = 0
        self._worked = 0.0  # in all by jobs that have ended
        self._costs: dict[int, float] = {}  # by trial, as their results say

    def submit(self, job: Job) -> None:
        result = evaluate(self._evaluator, job.proposal, job.seed, job.trial_id, self._states)
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
        """Go on to when the next job ends; those that end then, in the order of submission."""
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
        """Seconds since the beginning, on the virtual clock."""
        return self._now

    @property
    def busy(self) -> float:
        """The share of the workers' time up to now in which they worked; 0 at the beginning."""
        if self._now == 0.0:
            return 0.0
        running = sum(max(0.0, self._now - begin) for _, _, begin, _ in self._running)
        return (self._worked + running) / (len(self._free) * self._now)

    def _measured(self, job: Job, result: Result) -> float:
        resource, inherit = self._evaluator.resource, job.proposal.inherit
        if resource is None or not resource.cost_from_start or inherit is None:
            return result.cost_s
        return max(0.0, result.cost_s - self._costs.get(inherit.base, 0.0))
