"""What the search loop needs of an executor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from archloom.types import Proposal, Result


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
