"""How long a search will take, and how much room it needs: said once, as soon as its first trials tell."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from archloom.cli.output import note
from archloom.utils.text import about, duration

if TYPE_CHECKING:
    from types import TracebackType

    from archloom.checkpoints.chains import Leaving
    from archloom.executors.backends import Backend
    from archloom.runs.history import History
    from archloom.runs.prepare import ChosenStrategy, Preparer, Request
    from archloom.runs.record import TrialRecord
    from archloom.types import Resource

LONG_S = 120.0
"""A search that takes less is not worth a note."""

SILENCE_S, START_S = 180.0, 30.0
"""If no trial has finished by then, this is said, with what follows from it if workers took so long to start."""


class Forecast:
    """Estimates for runs, by their folders, of which some go on at the same time. Use as a context manager.

    It is told the trials as they come. What a strategy plans is asked for when the first trial is there: by then its
    code has been checked.
    """

    def __init__(
        self,
        requests: Mapping[Path, Request],
        resource: Resource | None,
        backend: Backend,
        preparer: Preparer,
        leaves: Leaving | None = None,
    ) -> None:
        from archloom.runs.estimate import Pace

        self._requests, self._resource, self._preparer, self._leaves = requests, resource, preparer, leaves
        self._at_once = at_once(list(requests.values()), backend)
        self.pace = Pace([request.limits for request in requests.values()], resource, self._at_once)
        self._said = False
        self._timer = threading.Timer(SILENCE_S, self._break_silence)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def add(self, run: int, known: History) -> None:
        """Count the trials that one of the runs had already."""
        self.pace.add(run, known)

    def __call__(self, run: int, lines: Sequence[TrialRecord]) -> None:
        """Count new trials of one of the runs; the first time that they tell how long it will take, say so."""
        self._timer.cancel()
        self.pace.count(run, lines)
        if self._said or (left := self.pace.left) is None:
            return
        self._said = True
        if left >= LONG_S:
            note(self._told(left))

    @property
    def left(self) -> str:
        """How long it will still take, in words; empty if that is not known."""
        return f"{about(left)} left" if (left := self.pace.left) else ""

    def _told(self, left: float) -> str:
        chosen = {path: self._preparer.choose(r.strategy, r.options) for path, r in self._requests.items()}
        planned, amount = self._planned(chosen)
        each = self.pace.seconds * self._at_once / (amount * self.pace.gained)
        on = f"{self._at_once} worker{'s' if self._at_once > 1 else ''}"
        return f"{planned} planned; at {duration(each)} each on {on} {about(left)} left{self._room(chosen)}"

    def _planned(self, chosen: Mapping[Path, ChosenStrategy]) -> tuple[str, float]:
        """What all runs come to, in words and as a number: units of the resource if these are known, else queries."""
        from archloom.runs.estimate import units_in_all

        units = [
            units_in_all(each.plan, each.needs_resource, self._requests[path].limits, self._resource)
            for path, each in chosen.items()
        ]
        if self._resource is not None and None not in units:
            amount = sum(filter(None, units))
            return f"{self._resource.amount(amount)} of training", amount
        queries = sum(request.limits.queries or 0 for request in self._requests.values())
        return f"{queries:,} queries", queries

    def _room(self, chosen: Mapping[Path, ChosenStrategy]) -> str:
        """How much checkpoints will take, if there are any, with what else trials leave."""
        from archloom.checkpoints.budget import format_bytes
        from archloom.checkpoints.retention import RetentionPolicy
        from archloom.runs.estimate import average_size, checkpoints_at_once, files_at_once

        if (size := average_size(self._requests)) is None:
            return ""
        most, more = 0.0, "" if self._leaves is None else f" and {self._leaves.kind.noun}s"
        for path, each in chosen.items():
            policy = RetentionPolicy.read(path)
            _, count = checkpoints_at_once(each.found.kind, each.plan, self._requests[path].limits, policy.keep)
            takes = size * count
            for kind, files in (files_at_once(each.found.kind, each.plan, each.options, self._leaves) or {}).items():
                takes += files * (average_size(self._requests, kind) or 0.0)
            share = None if policy.disk_budget is None else policy.disk_budget // policy.runs
            most += takes if share is None else min(takes, share)
        return f"; checkpoints{more} of up to {format_bytes(most)}"

    def _break_silence(self) -> None:
        if (trials := self.pace.open) is not None and trials > self._at_once:
            waited = self.pace.seconds
            least = duration((waited - START_S) * trials / self._at_once)
            note(
                f"no trial has finished after {duration(waited)}; if all take as long, {trials:,} of them take more "
                f"than {least}"
            )


def at_once(requests: Sequence[Request], backend: Backend) -> int:
    """How many evaluations of these runs go on at the same time."""
    if len(requests) > 1 and backend.runs_at_once > 1:
        return min(backend.workers, len(requests))
    return max(1, min(backend.workers, *(request.limits.width for request in requests)))
