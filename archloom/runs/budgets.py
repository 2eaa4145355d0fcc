"""What ends a run: its limits, how much of them it has used, and a name for each ending."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from archloom.constraints import Criteria, Scored
from archloom.errors import InputError
from archloom.evaluators.base import units_used
from archloom.types import Resource


class Ending(Enum):
    """Why a run is over."""

    BUDGET = "all queries asked"
    RESOURCE = "all of the resource used"
    TIME = "the time is up"
    TARGET = "the target is reached"
    FAILURES = "too many trials failed"
    GAVE_UP = "the first trials all failed for the same reason"
    EXHAUSTED = "every architecture of the space asked"
    FINISHED = "the strategy has no more to ask"
    STALLED = "the strategy asks only for architectures it knows"


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


LIMITED = frozenset({Ending.BUDGET, Ending.RESOURCE, Ending.TIME, Ending.TARGET, Ending.FAILURES, Ending.GAVE_UP})
"""Endings by a limit, which a user may raise to let the run continue."""


@dataclass(frozen=True)
class Limits:
    """How far a run goes: it ends at whichever limit is reached first. None means no limit.

    Attributes:
        queries: unique architectures to ask for; one that is asked for at another fidelity counts again.
        width: proposals in flight at once.
        max_repeats: how many proposals in a row may be for known architectures before the run counts as stalled.
        resource: units of the evaluator's resource (epochs, say) to use in total. A proposal that would exceed this is
            not evaluated.
        seconds: how long to search, over all sessions; what is in flight then is finished.
        target: the value of the first objective that the best trial is to reach, as a rule that at the highest fidelity
            (`constraints.Winner`); evaluated in full, unless trainings may go on for longer than that
            (`Resource.open_ended`).
        max_failures: so many failed queries end the run.
        give_up: the run ends if so many first queries all fail, for one reason but for the numbers in it.
        trial_timeout: seconds that the evaluation of a trial may take; then it is ended and has failed.
        as_completed: results are told as they come, not in the order of trials, so that no worker waits for another.
            The run can be resumed, but differs with another number of workers, and from one time to the next.
    """

    queries: int | None
    width: int = 1
    max_repeats: int = 5_000
    resource: int | None = None
    seconds: float | None = None
    target: float | None = None
    max_failures: int | None = None
    as_completed: bool = False
    give_up: int | None = None
    trial_timeout: float | None = None

    def __post_init__(self) -> None:
        for field_ in fields(self):
            if isinstance(value := getattr(self, field_.name), np.generic):
                object.__setattr__(self, field_.name, value.item())
        for name in ("queries", "width", "max_repeats", "resource", "max_failures", "give_up"):
            value = getattr(self, name)
            missing = value is None and name not in ("width", "max_repeats")
            if not missing and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InputError(f"{name}={value!r}: expected a whole number of at least 1")
        for name in ("seconds", "trial_timeout"):
            value = getattr(self, name)
            if value is not None and not (_is_finite(value) and value > 0):
                raise InputError(f"{name}={value!r}: expected a number above 0")
        if not isinstance(self.as_completed, bool):
            raise InputError(f"as_completed={self.as_completed!r}: expected True or False")
        if self.target is not None and not _is_finite(self.target):
            raise InputError(f"target={self.target!r}: expected a finite number")

    def raised(self, changes: Changes, spent: Mapping[str, float]) -> Limits:
        """The limits of a run that goes on further; None takes one away. `spent`: what it has used of each so far.

        InputError for what cannot be changed any more, and for less than was used.
        """
        if fixed := next((name for name in changes if name not in RAISABLE), None):
            raise InputError(f"{fixed}={changes[fixed]}: a run keeps what it was started with; start a new one")
        for name, used in spent.items():
            value = changes.get(name)
            if value is not None and value < used:
                raise InputError(f"{name}={value}: the run has used {used:,g} already; expected more")
        return replace(self, **changes)

    @property
    def bounded(self) -> bool:
        """Whether the run ends even if its strategy always asks for more, finds nothing, and nothing fails."""
        return not (self.queries is None and self.resource is None and self.seconds is None)


GIVE_UP = 10
"""After so many first trials that all failed for the same reason a run ends, unless told otherwise."""

Changes = Mapping[str, Any]
"""Fields of `Limits` that the user has given."""

RAISABLE = frozenset(
    {"queries", "resource", "seconds", "target", "max_failures", "max_repeats", "give_up", "trial_timeout"}
)
"""What may be changed after a run has started."""


def check_countable(limits: Limits, resource: Resource | None) -> None:
    """InputError if units are limited that nothing counts."""
    if limits.resource is not None and resource is None:
        raise InputError(
            f"resource={limits.resource}: nothing here is evaluated in part; limit queries or time instead"
        )


_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


def parse_duration(text: str) -> float:
    """Seconds: "90", "90s", "10m", "1h30m", "2d"; InputError for anything else."""
    match = _DURATION.fullmatch(text.strip().lower())
    days, hours, minutes, seconds = match.groups("0") if match else ("0",) * 4
    total = 86_400 * int(days) + 3_600 * int(hours) + 60 * int(minutes) + float(seconds)
    if total <= 0 or not math.isfinite(total):
        raise InputError(f"time {text!r}: expected a duration such as 90s, 10m, 1h30m or 2d")
    return total


class Answer(Scored, Protocol):
    """A `Result`, or a line of a record."""

    @property
    def error(self) -> str | None: ...
    @property
    def details(self) -> Mapping[str, Any]: ...


@dataclass
class Spending:
    """How much of its limits a run has used, by what was asked and told.

    `used` counts units of the resource: for proposals in flight as asked for, for trials as actually used.
    """

    limits: Limits
    resource: Resource | None
    criteria: Criteria | None
    queries: int = 0
    used: int = 0
    failures: int = 0
    alike: int | None = 0
    """How many of the first queries have failed, all for the same reason; None once one did not."""
    reason: str = ""
    fidelities: dict[int, int] = field(default_factory=dict)
    """The resolved fidelity of each trial that was asked for."""
    best: tuple[int, float] | None = None
    """(rank, utility) of the best trial so far (`constraints.Winner`), if there is a target."""
    waiting: list[tuple[int, float]] = field(default_factory=list)
    """The same of trials that do not count yet."""
    told_at: list[int] = field(default_factory=list)
    """The fidelities of the trials told so far, if there is a target."""

    def __post_init__(self) -> None:
        check_countable(self.limits, self.resource)

    @cached_property
    def _target(self) -> float | None:
        """The utility of the target."""
        if self.criteria is None or self.limits.target is None:
            return None
        return self.criteria.objectives[0].utility(self.limits.target)

    def price(self, fidelity: int, base: int | None) -> int:
        """The units that a proposal will use; `base` is the trial whose training it continues, if any."""
        if self.resource is None:
            return 0
        return self.resource.used(fidelity, None if base is None else self.fidelities.get(base))

    def affords(self, price: int) -> bool:
        return self.limits.resource is None or self.used + price <= self.limits.resource

    def asked(self, price: int) -> None:
        """Account for a query that was asked."""
        self.queries += 1
        self.used += price

    def told(self, trial: int, answer: Answer, price: int) -> None:
        """Account for the answer to a query, which was expected to use `price` units."""
        self.failures += not answer.ok
        self._compare(answer)
        if answer.details:
            self.used += units_used(answer.details, price) - price
        # Only a target needs the best value, and a run that is resumed may have hundreds of thousands of trials.
        if self._target is not None and self.criteria is not None:
            self._rank(self.criteria, self.fidelities[trial], answer, self._in_full(trial))

    def _rank(self, criteria: Criteria, fidelity: int, answer: Answer, in_full: bool) -> None:
        """Find the best trial, now that this one is told too."""
        objective, winner = criteria.objectives[0], criteria.winner
        self.told_at.append(fidelity)
        if in_full and criteria.feasible(answer):
            self.waiting.append((winner.rank(fidelity), objective.utility(answer.scores[objective.metric])))
        if winner.counted(self.told_at)[-1] == len(self.told_at):
            self.best = max([*self.waiting, *([] if self.best is None else [self.best])], default=None)
            self.waiting.clear()

    def _compare(self, answer: Answer) -> None:
        """Count a failure that is like all before it."""
        if self.alike is None or answer.ok:
            self.alike = None
            return
        # Numbers differ from one trial to the next: a seed, an address, the line that a generated file failed at.
        reason = re.sub(r"0x[0-9a-fA-F]+|\d+", "#", answer.error or "")
        if self.alike and reason != self.reason:
            self.alike = None
        else:
            self.alike, self.reason = self.alike + 1, reason

    def _in_full(self, trial: int) -> bool:
        """Whether a result may reach the target: one of a short training may not, unless trainings have no end."""
        if self.resource is None or self.resource.open_ended:
            return True
        return self.fidelities[trial] >= self.resource.maximum

    def ending(self, seconds: float) -> Ending | None:
        """The limit that is reached, if any."""
        limits = self.limits
        if self._target is not None and self.best is not None and self.best[1] >= self._target:
            return Ending.TARGET
        if limits.max_failures is not None and self.failures >= limits.max_failures:
            return Ending.FAILURES
        if limits.queries is not None and self.queries >= limits.queries:
            return Ending.BUDGET
        if limits.resource is not None and self.used >= limits.resource:
            return Ending.RESOURCE
        if limits.give_up is not None and self.alike is not None and self.alike >= limits.give_up:
            return Ending.GAVE_UP
        return Ending.TIME if limits.seconds is not None and seconds >= limits.seconds else None
