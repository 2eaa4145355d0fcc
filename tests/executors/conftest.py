"""What tests of executors share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from archloom.executors.base import Executor, Job
from archloom.types import Arch, Proposal, Result

Evaluated = Callable[[Executor, Sequence[int]], dict[int, Result]]


@pytest.fixture
def evaluated() -> Evaluated:
    """Submits an architecture of one gene for each of these, closes the executor, and gives the results by number."""

    def collect(executor: Executor, genes: Sequence[int]) -> dict[int, Result]:
        try:
            for number, gene in enumerate(genes):
                executor.submit(Job(number, Proposal(Arch((gene,))), 0))
            found = {}
            while done := executor.wait():
                found |= {answer.trial_id: answer.result for answer in done}
            return found
        finally:
            executor.close()

    return collect
