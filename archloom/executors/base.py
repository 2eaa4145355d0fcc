"""What the search loop needs of an executor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from archloom.checkpoints.store import CheckpointSource
from archloom.errors import StoreError
from archloom.evaluators.base import Evaluator, evaluate
from archloom.types import Proposal, Result
from archloom.utils.text import reason_of


@dataclass(frozen=True, slots=True)
class Job:
    """One trial to be evaluated, in the run that has this seed."""

    trial_id: int
    proposal: Proposal
    seed: int


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a job."""

    trial_id: int
    result: Result


class Executor(Protocol):
    """Takes jobs and gives back answers, in any order."""

    def submit(self, job: Job) -> None:
        """Take a job; returns at once."""
        ...

    def wait(self) -> Sequence[Done]:
        """Block until at least one submitted job is answered; empty only if none is outstanding."""
        ...

    def close(self) -> None:
        """Stop; unanswered jobs are dropped."""
        ...


def answer_or_stop(evaluator: Evaluator, job: Job, checkpoints: CheckpointSource | None) -> Result | StoreError:
    """What a worker sends back for a job: its result, or the error that stops the run, as it is no fault of the trial.

    StoreError, whatever it was: it is the only one of ours that is sure to survive the way between processes.
    """
    try:
        return evaluate(evaluator, job.proposal, job.seed, job.trial_id, checkpoints)
    except StoreError as error:
        return error
    except Exception as error:  # noqa: BLE001 - what the evaluator raises is a result already
        return StoreError(f"trial {job.trial_id} cannot be evaluated: {reason_of(error)}")
