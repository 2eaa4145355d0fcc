"""The one loop: ask, execute, record, tell.

It keeps what every run promises. A query is one unique architecture; asking again is answered from the record. Results
are told one by one in the order in which they were asked, however many workers there are, so the same seed gives the
same trials. What is recorded already is answered from the record, after checking that the strategy asks for the same
again; so going on with a run is running it.
"""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import msgspec

from archloom.errors import ArchloomError, InputError
from archloom.executors.base import Executor, Job
from archloom.spaces.base import SearchSpace, Sized
from archloom.states import Retention
from archloom.store import Line
from archloom.strategies.base import Inheriting, Strategy
from archloom.types import Proposal, Result, Trial

CHECKPOINT_EVERY_S = 5.0
CHECKPOINT_SHARE = 0.02
"""Checkpoints are spaced so that writing them takes at most this share of the time."""

WORTH_A_SYNC_S = 0.001
"""Where answers take longer than this to come, each is committed at once: the next may be as long in coming."""


class ResumeError(ArchloomError):
    """A strategy does not ask again for what the record says it asked."""


class Ending(Enum):
    """Why a run is over."""

    BUDGET = "all queries asked"
    EXHAUSTED = "every architecture of the space asked"
    FINISHED = "the strategy has no more to ask"
    STALLED = "the strategy asks only for architectures it knows"


class Journal(Protocol):
    """Where the loop records trials: a `store.RunFolder`, or `MemoryJournal`."""

    lines: list[Line]

    def append(self, line: Line) -> None: ...
    def commit(self, force: bool = False) -> bool: ...
    def save_state(self, state: Mapping[str, Any]) -> None: ...
    def load_state(self) -> dict[str, Any] | None: ...


@dataclass
class MemoryJournal:
    """Keeps a run's record in memory, for runs that need not survive."""

    lines: list[Line] = field(default_factory=list)
    state: dict[str, Any] | None = None

    def append(self, line: Line) -> None:
        self.lines.append(line)

    def commit(self, force: bool = False) -> bool:
        return True

    def save_state(self, state: Mapping[str, Any]) -> None:
        self.state = dict(state)

    def load_state(self) -> dict[str, Any] | None:
        return self.state


@dataclass(frozen=True)
class Limits:
    """`queries`: unique architectures to ask for. `width`: proposals in flight at once. `max_repeats`: how many
    proposals in a row may be for known architectures before the run is called stalled."""

    queries: int
    width: int = 1
    max_repeats: int = 5_000

    def __post_init__(self) -> None:
        for name, value in (("queries", self.queries), ("width", self.width), ("max_repeats", self.max_repeats)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name}={value!r}: expected a whole number of at least 1")


@dataclass
class _Asked:
    """A proposal in flight."""

    id: int
    proposal: Proposal
    query: int | None
    same: int | None
    result: Result | None = None


Progress = Callable[[Sequence[Line]], None]
"""Called with trials newly committed to the journal, in the order in which they finished."""


class Search:
    """One run of one strategy on one space. `run` goes from wherever the journal stands to the end."""

    def __init__(
        self,
        space: SearchSpace,
        strategy: Strategy,
        executor: Executor,
        journal: Journal,
        limits: Limits,
        seed: int,
        progress: Progress | None = None,
        retention: Retention | None = None,
    ) -> None:
        self._retention = retention
        self._space = space
        self._strategy = strategy
        self._executor = executor
        self._journal = journal
        self._limits = limits
        self._seed = seed
        self._progress = progress
        self._recorded = {line.id: line for line in journal.lines}
        # Where weights are passed on, the same architecture trains again and again: no space is ever used up.
        self._size = space.size if isinstance(space, Sized) and not isinstance(strategy, Inheriting) else None
        self._asked = 0
        self._queries = 0
        self._repeats = 0  # in a row
        self._flight: deque[_Asked] = deque()
        self._by_id: dict[int, _Asked] = {}
        self._first: dict[str, int] = {}  # key -> the trial that asked first
        self._answers: dict[int, Result] = {}  # of queries that were told
        self._unreported: list[Line] = []
        self._repeats_at_checkpoint = 0
        self._seconds_before = 0.0
        self._started = self._saved_at = time.monotonic()
        self._save_cost = 0.0
        self._slow = False  # whether the last wait for an answer took longer than a sync

    def run(self) -> Ending:
        """Search to the end. Whatever happens, everything that finished is committed."""
        self._started = time.monotonic()
        flight = self._restore(self._journal.load_state())
        if self._retention is not None:
            self._retention.begin(self._recorded.keys())
        try:
            for proposal in flight:
                self._admit(proposal)
            self._drop_states(self._asked - len(flight) - 1)
            self._repeats = self._repeats_at_checkpoint
            while True:
                ending = self._fill()
                if not self._flight:
                    self._commit(force=True)
                    self._save()
                    return ending or Ending.FINISHED
                self._tell(self._flight[0])
                if self._checkpoint_due():
                    self._save()
        finally:
            self._commit(force=True)

    @property
    def seconds(self) -> float:
        """How long the run has searched, over all its sessions; what a kill took with it is not in."""
        return self._seconds_before + time.monotonic() - self._started

    # -- asking ---------------------------------------------------------------------------------------------------

    def _fill(self) -> Ending | None:
        """Ask until `width` proposals are in flight; says why there will be no more, if so."""
        while (room := self._limits.width - len(self._flight)) > 0:
            if (ending := self._ended()) is not None:
                return ending
            proposals = self._strategy.ask(min(room, self._limits.queries - self._queries))
            if not proposals:
                return None
            for proposal in proposals:
                self._admit(proposal)
        return None

    def _ended(self) -> Ending | None:
        if self._queries >= self._limits.queries:
            return Ending.BUDGET
        if self._size is not None and self._queries >= self._size:
            return Ending.EXHAUSTED
        if self._repeats >= self._limits.max_repeats:
            return Ending.STALLED
        return None

    def _admit(self, proposal: Proposal) -> None:
        """Give a proposal its number, and its job to the executor unless its answer is known."""
        asked = self._number(proposal)
        self._flight.append(asked)
        self._by_id[asked.id] = asked
        line = self._recorded.get(asked.id)
        if line is not None:
            self._check_same(line, proposal)
            asked.result = line.trial.result
        elif asked.same is None:
            self._executor.submit(Job(asked.id, proposal, self._seed))

    def _number(self, proposal: Proposal) -> _Asked:
        trial_id, self._asked = self._asked, self._asked + 1
        key = self._key(proposal, trial_id)
        same = self._first.get(key)
        if same is not None:
            self._repeats += 1
            return _Asked(trial_id, proposal, None, same)
        self._first[key] = trial_id
        self._queries += 1
        self._repeats = 0
        return _Asked(trial_id, proposal, self._queries, None)

    def _key(self, proposal: Proposal, trial_id: int) -> str:
        """What makes a query unique. Where weights are passed on, every training is its own: it is never a repeat."""
        key = self._space.key(proposal.arch)
        if proposal.inherit is not None or isinstance(self._strategy, Inheriting):
            return f"{key}#{trial_id}"
        return f"{key}@{proposal.fidelity}" if proposal.fidelity else key

    def _check_same(self, line: Line, proposal: Proposal) -> None:
        recorded = line.trial.proposal
        # Proposals pass through JSON on their way to the record; compare what comes back.
        asked = msgspec.json.decode(msgspec.json.encode(proposal), type=Proposal)
        if recorded == asked:
            return
        now = self._space.format(proposal.arch)
        if recorded.arch == asked.arch:
            now = "the same in another way (its fidelity, weights or note differ)"
        raise ResumeError(
            f"trial {line.id} is recorded as {line.arch}, but the strategy now asks for {now}: the run was made by "
            "another version of the strategy or of its libraries, or with other thread counts (run.json names them); "
            "go on with those, or start a new run"
        )

    # -- answering ------------------------------------------------------------------------------------------------

    def _tell(self, head: _Asked) -> None:
        """Wait for the oldest proposal's answer and tell it to the strategy."""
        if head.same is not None and head.result is None:
            self._finish(head, self._answers[head.same])
        while head.result is None:
            # Where answers take their time, nothing finished may wait for the next one to be synced.
            self._commit(force=self._slow)
            asked_at = time.monotonic()
            done = self._executor.wait()
            self._slow = time.monotonic() - asked_at > WORTH_A_SYNC_S
            for answer in done:
                self._finish(self._by_id[answer.trial_id], answer.result)
            self._commit(force=self._slow)
        self._flight.popleft()
        del self._by_id[head.id]
        if head.same is None:
            self._answers[head.id] = head.result
        trial = Trial(head.id, head.proposal, head.result).without_report()
        self._strategy.tell([trial])
        if self._retention is not None and head.same is None:
            self._retention.told(trial)
        self._drop_states(head.id)

    def _drop_states(self, told: int) -> None:
        """Drop the states that no proposal, in flight or to come, can inherit; all that was told must be on disk."""
        if self._retention is None:
            return
        needed = self._strategy.needed() if isinstance(self._strategy, Inheriting) else ()
        self._commit(force=True)
        self._retention.sweep(told, needed, [asked.proposal.inherit for asked in self._flight])

    def _finish(self, asked: _Asked, result: Result) -> None:
        """Record an answer as soon as it is there, even if it is not its turn to be told."""
        asked.result = result
        trial = Trial(asked.id, asked.proposal, result)
        line = Line.of(trial, self._space.format(asked.proposal.arch), asked.query, asked.same)
        self._journal.append(line)
        self._unreported.append(line)
        self._commit()

    def _commit(self, force: bool = False) -> None:
        if self._journal.commit(force) and self._unreported:
            reported, self._unreported = self._unreported, []
            if self._progress is not None:
                self._progress(reported)

    # -- checkpoints ----------------------------------------------------------------------------------------------

    def _checkpoint_due(self) -> bool:
        wait = max(CHECKPOINT_EVERY_S, self._save_cost / CHECKPOINT_SHARE)
        return time.monotonic() - self._saved_at >= wait

    def _save(self) -> None:
        started = time.monotonic()
        self._commit(force=True)
        self._journal.save_state({"loop": self._dump(), "strategy": self._strategy.state_dict()})
        self._saved_at = time.monotonic()
        self._save_cost = self._saved_at - started

    def _dump(self) -> dict[str, Any]:
        return {
            "asked": self._asked,
            "repeats": self._repeats,
            "seconds": self.seconds,
            "flight": [msgspec.to_builtins(asked.proposal) for asked in self._flight],
        }

    def _restore(self, state: Mapping[str, Any] | None) -> list[Proposal]:
        """Go on from a checkpoint, if there is one that fits: the proposals that were in flight then.

        A checkpoint only saves time. Without it the strategy starts anew, and its trials are answered from the record.
        """
        if state is None:
            return []
        pristine = self._strategy.state_dict()
        try:
            loop = state["loop"]
            flight = [msgspec.convert(item, Proposal, strict=False) for item in loop["flight"]]
            told = [self._recorded[trial_id].trial for trial_id in range(loop["asked"] - len(flight))]
            self._seconds_before = float(loop["seconds"])
            repeats = int(loop["repeats"])
            self._strategy.load_state_dict(state["strategy"])
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            warnings.warn(
                f"the checkpoint fits this record or version no more ({error!r}); replaying the record instead",
                stacklevel=3,
            )
            self._strategy.load_state_dict(pristine)
            return []
        for trial in told:
            asked = self._number(trial.proposal)
            self._answers[trial.id] = trial.result
            if self._retention is not None and asked.same is None:
                self._retention.told(trial)
        self._repeats_at_checkpoint = repeats
        return flight
