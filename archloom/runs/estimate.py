"""How long a search will take, and how much room its checkpoints: from its limits, and from what it has done so far.

Estimates are for people, and no part of a result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archloom.checkpoints.budget import disk_usage
from archloom.checkpoints.chains import Leaving
from archloom.checkpoints.store import STATE, Kind
from archloom.runs.budgets import Limits
from archloom.runs.history import History
from archloom.runs.record import WEIGHTS, TrialRecord, read_state
from archloom.strategies.base import BaseStrategy, Plan
from archloom.types import Resource

SOON_S = 10.0
"""Nothing is estimated from less than this."""


def share_done(limits: Sequence[Limits], queries: float, used: float) -> float | None:
    """Which share runs with these limits have done, all together; None if their limits do not tell.

    `queries` were asked and `used` units of the resource used. The limit that is nearest counts.
    """
    wanted = [[each.queries for each in limits], [each.resource for each in limits]]
    shares = [
        done / sum(number for number in numbers if number is not None)
        for done, numbers in zip((queries, used), wanted, strict=True)
        if None not in numbers
    ]
    return min(1.0, max(shares)) if shares else None


@dataclass
class Pace:
    """How fast runs go forward in this session, all together.

    `limits` are those of each run, of which `at_once` evaluations go on at the same time; `resource` is what fidelities
    count. Time counts from when the first trial began, as far as that is known: workers have to start before.
    """

    limits: Sequence[Limits]
    resource: Resource | None = None
    at_once: int = 1
    clock: Callable[[], float] = time.monotonic
    answered: int = 0
    """Queries that were answered in this session."""
    _queries: int = 0
    _used: int = 0
    _before: float = 0.0
    _fidelities: dict[tuple[int, int], int] = field(default_factory=dict)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    def add(self, run: int, known: History) -> None:
        """Count what one of the runs had done before this session."""
        self._count(run, known.lines)
        self._before = self.share or 0.0

    def count(self, run: int, lines: Sequence[TrialRecord]) -> None:
        """Count new trials of one of the runs."""
        if not self.answered and (took := max((line.cost_s for line in lines), default=0.0)):
            self._started = max(self._started, self.clock() - took)
        self.answered += self._count(run, lines)

    def _count(self, run: int, lines: Iterable[TrialRecord]) -> int:
        queries = [line for line in lines if line.query is not None]
        for line in queries:
            self._used += self._units(run, line)
        self._queries += len(queries)
        return len(queries)

    def _units(self, run: int, line: TrialRecord) -> int:
        if self.resource is None:
            return 0
        reached = self._fidelities[run, line.id] = self.resource.resolve(line.fidelity)
        base = None if line.inherit is None else self._fidelities.get((run, line.inherit.base))
        return self.resource.used(reached, base)

    @property
    def share(self) -> float | None:
        """Which share of all runs is done."""
        return share_done(self.limits, self._queries, self._used)

    @property
    def seconds(self) -> float:
        """How long this session has lasted."""
        return self.clock() - self._started

    @property
    def gained(self) -> float:
        """Which share was done in this session."""
        return (self.share or 0.0) - self._before

    @property
    def left(self) -> float | None:
        """Seconds until the limits are reached; None as long as too little is known: less than one round of trials, or
        ten seconds."""
        if self.answered < self.at_once or self.seconds < SOON_S or self.gained <= 0:
            return None
        left = self.seconds * (1 - (self.share or 0.0)) / self.gained
        times = [each.seconds for each in self.limits]
        return left if None in times else min(left, max(0.0, sum(filter(None, times)) - self.seconds))

    @property
    def open(self) -> int | None:
        """How many queries are to be answered, as long as none was in this session; None if they are not limited."""
        wanted = [each.queries for each in self.limits]
        return None if self.answered or None in wanted else sum(filter(None, wanted)) - self._queries


def left_of(path: Path, limits: Limits, lines: Sequence[TrialRecord], used: float) -> float | None:
    """Seconds that the run in a folder will still take at its pace over all sessions; None if that is not known.

    `used`: units of the resource that its trials have used.
    """
    queries = sum(line.query is not None for line in lines)
    if not queries or (share := share_done([limits], queries, used)) is None:
        return None
    try:
        seconds = float(read_state(path)["loop"]["seconds"])
    except Exception:  # noqa: BLE001 - there is none yet, or it is damaged, which resuming reports
        return None
    return seconds * (1 - share) / share if seconds >= SOON_S and share > 0 else None


def units_in_all(plan: Plan, needs_resource: bool, limits: Limits, resource: Resource | None) -> int | None:
    """Units of the resource (epochs, say) that a run's trainings take together; None if that depends on the results."""
    if resource is None:
        return None
    if limits.queries is None or needs_resource:
        return limits.resource
    if plan.trials is None or plan.epochs is None:
        units = limits.queries * resource.maximum
    else:
        units = round(plan.width * plan.epochs * min(1.0, limits.queries / plan.trials))
    return units if limits.resource is None else min(units, limits.resource)


def checkpoints_at_once(kind: type[BaseStrategy], plan: Plan, limits: Limits, keep: int | None) -> tuple[int, int]:
    """How many checkpoints of a run there will be at once, at least and at most, if nothing limits their size.

    `keep`: those of how many of the best trials stay, None for all. A population keeps between one and two of each
    member; of another strategy whose trainings continue, any may be needed again.
    """
    every = limits.queries or 1
    if keep is None or (plan.inherits and not hasattr(kind, "needed")):
        return every, every
    if plan.inherits:
        least = plan.width + keep
        return least, 2 * least if plan.population else max(least, every)
    return keep, keep + limits.width


def files_at_once(
    kind: type[BaseStrategy], plan: Plan, options: Any, leaves: Leaving | None
) -> Mapping[Kind, int] | None:
    """How many files of what trials leave besides checkpoints will be needed at once, at least; None if they leave
    nothing, or none is read."""
    if leaves is None or not plan.inherits:
        return None
    said = getattr(kind, "files_at_once", None)
    return {leaves.kind: plan.width if said is None else said(options, leaves.reach)}


def average_size(paths: Iterable[Path], kind: Kind = STATE) -> float | None:
    """The average size in bytes of the checkpoints of these runs, or of another kind of their files; None if there are
    none yet."""
    found = [disk_usage(path / WEIGHTS, kind.suffix) for path in paths]
    files, size = (sum(numbers) for numbers in zip((0, 0), *found, strict=True))
    return size / files if files else None
