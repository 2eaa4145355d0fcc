"""The simulated executor: asynchrony in milliseconds."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.executors.base import Job
from archloom.executors.simulated import SimulatedExecutor
from archloom.runs.budgets import Ending, Limits
from archloom.runs.search import MemoryJournal, Search
from archloom.strategies.random_search import RandomSearch
from archloom.strategies.successive_halving import Asha
from archloom.testing import PLANTED_CRITERIA, PLANTED_RESOURCE, PlantedCurves, PlantedEvaluator, PlantedSpace
from archloom.types import Arch, Inherit, Proposal, Resource, Result, Weights
from archloom.utils import seeds


class Measured(PlantedEvaluator):
    """A training takes as many seconds as its first gene says, for each of its epochs, counted from the start."""

    resource: Resource | None = Resource("epochs", 9, cost_from_start=True)

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        return Result({"worth": 1.0}, cost_s=float((proposal.fidelity or 9) * proposal.arch.genes[0])), None


class Tasks(Measured):
    """The same, and a promotion is measured by itself."""

    resource: Resource | None = Resource("epochs", 9)


def job(trial: int, seconds: float, fidelity: int = 1, base: int | None = None) -> Job:
    inherit = None if base is None else Inherit(base)
    return Job(trial, Proposal(Arch((seconds,)), fidelity, inherit), seed=0)


def finish(executor: SimulatedExecutor) -> list[tuple[float, list[int]]]:
    """(when, which) until all are done."""
    ends = []
    while done := executor.wait():
        ends.append((executor.now(), [answer.trial_id for answer in done]))
    return ends


def test_jobs_queue_for_workers() -> None:
    executor = SimulatedExecutor(Measured(), workers=2)
    for trial, seconds in enumerate([5.0, 2.0, 1.0, 4.0]):
        executor.submit(job(trial, seconds))
    assert executor.now() == 0.0
    # 0 on one worker; 1, 2 and 3 on the other, until 0 is over as well.
    assert finish(executor) == [(2.0, [1]), (3.0, [2]), (5.0, [0]), (7.0, [3])]
    assert executor.wait() == ()
    assert executor.busy == pytest.approx(12 / 14)


def test_what_ends_together_is_told_together() -> None:
    executor = SimulatedExecutor(Measured(), workers=3)
    for trial, seconds in [(7, 2.0), (5, 2.0), (6, 3.0)]:
        executor.submit(job(trial, seconds))
    assert finish(executor) == [(2.0, [7, 5]), (3.0, [6])]


def test_a_job_begins_when_it_is_submitted_at_the_earliest() -> None:
    executor = SimulatedExecutor(Measured(), workers=2)
    executor.submit(job(0, 4.0))
    executor.wait()
    executor.submit(job(1, 3.0))
    assert executor.busy == 0.5, "up to now one of two worked"
    assert finish(executor) == [(7.0, [1])]
    assert executor.busy == 0.5


def test_what_is_running_counts_up_to_now() -> None:
    executor = SimulatedExecutor(Measured(), workers=2)
    executor.submit(job(0, 1.0))
    executor.submit(job(1, 100.0))
    assert executor.busy == 0.0, "nothing has happened yet"
    executor.wait()
    assert executor.busy == 1.0


def test_a_promotion_takes_the_difference_if_times_count_from_the_start() -> None:
    for evaluator, end in [(Measured(), 9.0), (Tasks(), 12.0)]:
        executor = SimulatedExecutor(evaluator, workers=1)
        executor.submit(job(0, 1.0, 3))
        executor.wait()
        executor.submit(job(1, 1.0, 9, base=0))
        assert finish(executor) == [(end, [1])]


def test_durations_may_be_given() -> None:
    executor = SimulatedExecutor(Measured(), 1, lambda job, result: 10.0 * job.trial_id + result.scores["worth"])
    executor.submit(job(3, 5.0))
    assert finish(executor) == [(31.0, [3])]


def test_a_failure_takes_the_time_that_it_took() -> None:
    class Broken(PlantedEvaluator):
        def evaluate(self, *_: object) -> tuple[Result, None]:
            return Result.failed("out of memory", 8.0), None

    executor = SimulatedExecutor(Broken(), workers=1)
    executor.submit(job(0, 1.0))
    (done,) = executor.wait()
    assert (done.result.error, executor.now()) == ("out of memory", 8.0)


def test_what_was_dropped_is_not_answered() -> None:
    executor = SimulatedExecutor(Measured(), workers=1)
    executor.submit(job(0, 1.0))
    executor.close()
    assert executor.wait() == ()


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(workers: int) -> None:
    with pytest.raises(InputError, match=f"workers={workers}: expected at least 1"):
        SimulatedExecutor(Measured(), workers)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_a_job_that_takes_less_than_no_time_is_refused(seconds: float) -> None:
    executor = SimulatedExecutor(Measured(), 1, lambda job, result: seconds)
    with pytest.raises(InputError, match=re.escape(f"trial 4 takes {seconds} seconds: expected 0 or more")):
        executor.submit(job(4, 1.0))


def rung_of(job: Job, result: Result) -> float:
    return float(job.proposal.fidelity)


def busy(workers: int, queries: int, as_completed: bool) -> float:
    """How busy workers are in a search with rungs of 1, 3, 9 and 27 seconds, up to its very end."""
    space, limits = PlantedSpace(), Limits(queries, workers, as_completed=as_completed)
    strategy = Asha(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"), resource=PLANTED_RESOURCE)
    executor = SimulatedExecutor(PlantedCurves(), workers, rung_of)
    Search(space, strategy, executor, MemoryJournal(), limits, 0, resource=PLANTED_RESOURCE, clock=executor.now).run()
    return executor.busy


@pytest.mark.parametrize(("workers", "percent"), [(4, 46), (16, 24)])
def test_results_as_completed_keep_workers_busy(workers: int, percent: int) -> None:
    assert round(100 * busy(workers, 1_000, as_completed=False)) == percent, "each waits for the oldest"
    assert busy(workers, 3_000, as_completed=True) > 0.95


def test_the_virtual_clock_ends_a_run() -> None:
    space = PlantedSpace()
    executor = SimulatedExecutor(PlantedEvaluator(), 2, lambda job, result: 60.0)
    journal = MemoryJournal()
    search = Search(
        space, RandomSearch(space, PLANTED_CRITERIA, seeds.stream(0, "strategy")), executor, journal,
        Limits(None, 2, seconds=600.0), 0, clock=executor.now,
    )  # fmt: skip
    assert search.run() is Ending.TIME
    assert len(journal.lines) == 20 and search.seconds == 600.0
