"""The one loop: ask, execute, record, tell.

It keeps what every run promises. A query is one unique architecture; one that was asked before is answered from the
record. Results are told one by one in the order in which they were asked, however many workers there are, so the same
seed gives the same trials; a run may ask for results as they come instead (`Limits.as_completed`), and is then told
them in the order of its record. What is already recorded is answered from the record, after checking that the strategy
asks for the same again, so resuming a run is the same as running it.

From time to time the loop saves the run's state, its own and the strategy's (`Journal.save_state`, `state.npz` in a
folder). That only saves time when the run is resumed; it is not a checkpoint, which is the saved state of a training.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import msgspec

from archloom.checkpoints.chains import Leaving
from archloom.checkpoints.retention import Retention
from archloom.checkpoints.store import STATE, sources
from archloom.constraints import Criteria
from archloom.errors import ArchloomError, InputError
from archloom.executors.base import Executor, Job
from archloom.runs.budgets import LIMITED, Ending, Limits, Spending
from archloom.runs.recipes import Recipes
from archloom.runs.record import TrialRecord
from archloom.spaces.base import SearchSpace, says_size, size_of
from archloom.strategies.base import Plan, Strategy, StrategyError, called, kept_states, plan_of
from archloom.types import Arch, Inherit, Proposal, Resource, Result, Trial, resolve_fidelity
from archloom.utils.options import NonNegativeFloat, NonNegativeInt
from archloom.utils.text import reason_of

SAVE_EVERY_S = 5.0
SAVE_SHARE = 0.02
"""The run's state is saved so rarely that saving takes at most this share of the time."""

WORTH_A_SYNC_S = 0.001
"""If answers take longer than this to arrive, each is committed at once: the next may take as long."""


class ResumeError(ArchloomError):
    """A strategy does not ask for what the record says it asked."""


class Journal(Protocol):
    """Where the loop records trials: a `runs.record.RunFolder`, or `MemoryJournal`."""

    lines: list[TrialRecord]

    def append(self, line: TrialRecord) -> None: ...
    def commit(self, force: bool = False) -> bool: ...
    def save_state(self, state: Mapping[str, Any]) -> None: ...
    def load_state(self) -> dict[str, Any] | None: ...
    def explain(self, line: TrialRecord, trace: str) -> None: ...


@dataclass
class MemoryJournal:
    """Keeps a run's record in memory, for runs that do not need to survive."""

    lines: list[TrialRecord] = field(default_factory=list)
    state: dict[str, Any] | None = None

    def append(self, line: TrialRecord) -> None:
        self.lines.append(line)

    def commit(self, force: bool = False) -> bool:
        return True

    def save_state(self, state: Mapping[str, Any]) -> None:
        self.state = dict(state)

    def load_state(self) -> dict[str, Any] | None:
        return self.state

    def explain(self, line: TrialRecord, trace: str) -> None:
        pass  # the record has the reason


@dataclass(slots=True)
class _Asked:
    """A proposal in flight: as the strategy made it, and as it is recorded, with a complete recipe. `price`: the units
    of the resource that it is expected to use."""

    id: int
    proposal: Proposal
    recorded: Proposal
    query: int | None
    same: int | None
    price: int = 0
    result: Result | None = None


Progress = Callable[[Sequence[TrialRecord]], None]
"""Called with trials newly committed to the journal, in the order in which they finished."""


class Search:
    """One run of one strategy on one space. `run` continues from wherever the journal ends.

    Args:
        space, strategy, executor, journal, limits, seed: what runs where, and how far.
        progress: called with trials that were committed.
        retention: which checkpoints are kept, if anything is trained.
        plan: what the strategy needs of the loop; by default what it declares itself.
        resource: what fidelities count, as the evaluator declares.
        criteria: defines the objective that `limits.target` is a value of.
        clock: gives seconds, from any zero; a simulated executor has its own.
        leaves: what trials leave besides checkpoints, for later ones to read.
    """

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
        plan: Plan | None = None,
        resource: Resource | None = None,
        criteria: Criteria | None = None,
        clock: Callable[[], float] = time.monotonic,
        leaves: Leaving | None = None,
    ) -> None:
        self._retention = retention
        self._space = space
        self._strategy = strategy
        self._executor = executor
        self._journal = journal
        self._limits = limits
        self._seed = seed
        self._progress = progress
        self._plan = plan_of(strategy) if plan is None else plan
        self._resource = resource
        self._clock = clock
        self._recorded = {line.id: line for line in journal.lines}
        self._order = [line.id for line in journal.lines]  # the order of telling, if results are told as completed
        self._looked_up = resource is not None and resource.cost_from_start
        self._spending = Spending(limits, resource, criteria)
        self._asked = 0
        self._told = 0
        self._repeats = 0  # in a row
        self._held: deque[Proposal] = deque()  # asked for but not started: a limit was reached
        self._flight: dict[int, _Asked] = {}
        self._ready: deque[int] = deque()  # answered but not yet told, if results are told as completed
        self._keys: dict[int, str] = {}  # of the architecture of each trial
        self._genes: dict[int, tuple[int | float, ...]] = {}  # the same, where the price of a promotion needs them
        self._first: dict[str, int] = {}  # what makes a query unique -> the trial that asked first
        self._recipes = Recipes(leaves if self._plan.inherits else None)
        self._at_fidelity: Counter[int] = Counter()  # queries
        self._answers: dict[int, Result | TrialRecord] = {}  # of queries that were told: as they stand in the record
        self._unreported: list[TrialRecord] = []
        self._postponed: list[Job] | None = []  # jobs that wait until the record has been replayed
        self._seconds_before = 0.0
        self._started, self._saved_at = clock(), time.monotonic()
        self._save_cost = 0.0
        self._slow = False  # whether the last wait for an answer took longer than a sync
        self._reached: Ending | None = None  # the limit that was reached, where the state was saved

    def run(self) -> Ending:
        """Search to the end. Whatever happens, everything that finished is committed."""
        self._started = self._clock()
        saved = self._restore(self._journal.load_state())
        try:
            if saved is not None:
                self._take_up(saved)
            elif self._retention is not None:
                self._drop_checkpoints()
            while True:
                ending = self._fill()
                if ending in LIMITED and self._reached is None:
                    self._save()  # a longer run continues from here, as if asked for from the start
                    self._reached = ending
                if not self._flight:
                    self._leave_the_record()
                    self._commit(force=True)
                    if self._reached is None:
                        self._save()
                    return ending or Ending.FINISHED
                self._tell(self._next())
                if self._save_due():
                    self._save()
        finally:
            self._commit(force=True)

    @property
    def seconds(self) -> float:
        """How long the run has searched, over all its sessions; time that was lost to a kill is not included."""
        return self._seconds_before + self._clock() - self._started

    # -- asking ---------------------------------------------------------------------------------------------------

    def _fill(self) -> Ending | None:
        """Ask until `width` proposals are in flight; returns the reason if there will be no more.

        Once a limit is reached nothing more is asked, even if what is in flight uses less than it was expected to: a
        longer run asked for something else by then.
        """
        if self._reached is not None:
            return self._reached
        while (room := self._limits.width - len(self._flight)) > 0:
            if (ending := self._ended()) is not None:
                return ending
            if not self._held:
                # Always as many as there is room for, whatever limits say: a longer run asks for the same.
                asked = called(self._strategy, self._strategy.ask, room)
                if not isinstance(asked, Sequence) or not all(isinstance(p, Proposal) for p in asked):
                    raise InputError(
                        f"{type(self._strategy).__name__} asked for {asked!r}: expected a list of Proposals"
                    )
                self._held.extend(asked)
            if not self._held:
                return None
            self._check_inherits(self._held[0])
            if not self._affords(self._held[0]):
                return Ending.RESOURCE
            self._admit(self._held.popleft())
        return None

    def _ended(self) -> Ending | None:
        if (ending := self._spending.ending(self.seconds)) is not None:
            return ending
        full = 0 if self._resource is None else self._resource.maximum
        # What was asked at a lower fidelity may be asked again at a higher one.
        if not self._plan.unique and set(self._at_fidelity) == {full} and self._all_asked():
            return Ending.EXHAUSTED
        return Ending.STALLED if self._repeats >= self._limits.max_repeats else None

    @cached_property
    def _size(self) -> int | None:
        return size_of(self._space)

    def _all_asked(self) -> bool:
        """Whether the space has no other architecture. If they have to be counted, that is once one is repeated."""
        if self._repeats == 0 and not says_size(self._space):
            return False
        return self._size is not None and self._spending.queries >= self._size

    def _affords(self, proposal: Proposal) -> bool:
        if self._limits.resource is None:
            return True
        fidelity = resolve_fidelity(self._resource, proposal.fidelity)
        known = self._query(proposal.inherit, self._space.key(proposal.arch), fidelity, self._asked) in self._first
        return known or self._spending.affords(self._price(proposal.arch, proposal.inherit, fidelity))

    def _admit(self, proposal: Proposal) -> None:
        """Give a proposal its number, and its job to the executor unless its answer is known."""
        recorded = replace(proposal, inherit=self._recipes.completed(proposal.inherit))
        trial_id, same, price = self._number(proposal.arch, proposal.fidelity, recorded.inherit)
        query = self._spending.queries if same is None else None
        asked = self._flight[trial_id] = _Asked(trial_id, proposal, recorded, query, same, price)
        line = self._recorded.get(asked.id)
        if line is not None:
            self._check_same(line, recorded)
            asked.result = line.result
        elif asked.same is None:
            self._submit(Job(asked.id, replace(proposal, inherit=self._recipes.mapped(recorded.inherit)), self._seed))

    def _submit(self, job: Job) -> None:
        if self._postponed is None:
            self._executor.submit(job)
        else:
            self._postponed.append(job)

    def _leave_the_record(self) -> None:
        """When the record has told all it can: check that what is to come has its checkpoints, then begin with it.

        The moment matters. Before, the strategy may name states that later trials of the record made unnecessary;
        afterwards something would already be evaluated, recorded or dropped.
        """
        if self._postponed is None:
            return
        jobs, self._postponed = self._postponed, None
        if self._retention is not None:
            if jobs and self._recorded and self._plan.inherits:
                needed, recipes = self._inheritable()
                untold = {asked.id for asked in self._flight.values() if asked.result and asked.same is None}
                failed = {line.id for line in self._recorded.values() if line.error is not None}
                kinds = {STATE.name: set[int](), **needed}
                there = {kind: {*trials, *untold} - failed for kind, trials in kinds.items()}
                self._retention.check(there, recipes)
            self._retention.begin(self._recorded.keys())
        for job in jobs:
            self._executor.submit(job)

    def _number(self, arch: Arch, asked_for: int, inherit: Inherit | None) -> tuple[int, int | None, int]:
        """Give a proposal its number, and account for it: (its number, the trial that answers it if it is a repeat,
        the units of the resource that it is expected to use)."""
        trial_id, self._asked = self._asked, self._asked + 1
        fidelity = resolve_fidelity(self._resource, asked_for)
        price = 0 if self._resource is None else self._price(arch, inherit, fidelity)
        key = self._keys[trial_id] = self._space.key(arch)
        if self._looked_up:
            self._genes[trial_id] = arch.genes
        query = self._query(inherit, key, fidelity, trial_id)
        self._spending.fidelities[trial_id] = fidelity
        same = self._first.get(query)
        if same is not None:
            self._repeats += 1
            self._recipes.origin[trial_id] = same
            return trial_id, same, 0
        self._recipes.add(trial_id, inherit, fidelity)
        self._first[query] = trial_id
        self._at_fidelity[fidelity] += 1
        self._spending.asked(price)
        self._repeats = 0
        return trial_id, None, price

    def _price(self, arch: Arch, inherit: Inherit | None, fidelity: int) -> int:
        base = inherit.base if inherit else None
        # Where nothing trains, only the same architecture can have been trained before.
        if base is not None and self._looked_up and self._genes.get(base) != arch.genes:
            base = None
        return self._spending.price(fidelity, base)

    def _check_inherits(self, proposal: Proposal) -> None:
        """InputError for a proposal that inherits what it cannot."""
        if proposal.inherit is None:
            return
        name = type(self._strategy).__name__
        if not self._plan.inherits:
            raise InputError(
                f"{name} asks to continue from trial {proposal.inherit.base}, and its plan does not say that it "
                "inherits, so no states are kept for it: give it a class method plan(cls, options) that returns "
                "Plan(inherits=True)"
            )
        read = set[int]().union(*proposal.inherit.files.values())
        for doing, named in (("continue from", sources(proposal.inherit)), ("read what was left by", read)):
            for trial in sorted(named):
                answer = self._answers.get(self._recipes.origin.get(trial, trial))
                if answer is None:
                    raise InputError(f"{name} asks to {doing} trial {trial}, which it has not been told")
                if self._retention is not None and not answer.ok:
                    raise InputError(f"{name} asks to {doing} trial {trial}, which failed and left nothing")

    def _query(self, inherit: Inherit | None, key: str, fidelity: int, trial_id: int) -> str:
        """What makes a query unique; `key` is that of its architecture.

        A promotion is the training that it continues, in however many steps; weights from elsewhere, or random streams
        of its own, make it another training, which is never a repeat.
        """
        own = inherit is not None and (inherit.diverges or self._keys.get(inherit.base) != key)
        return f"{key}#{trial_id}" if self._plan.unique or own else f"{key}@{fidelity}"

    def _check_same(self, line: TrialRecord, proposal: Proposal) -> None:
        recorded = line.trial.proposal
        # Proposals pass through JSON on their way to the record; compare what comes back.
        asked = msgspec.json.decode(msgspec.json.encode(proposal), type=Proposal)
        if recorded == asked or recorded == _without_reseed(asked):
            return
        now = self._space.format(proposal.arch)
        if recorded.arch == asked.arch:
            now = "the same architecture with another fidelity, weights or note"
        raise ResumeError(
            f"trial {line.id} is recorded as {line.arch}, but the strategy now asks for {now}: the run was made by "
            "another version of the strategy or of its libraries, or with other thread counts (run.json names them); "
            "resume it with those, or start a new run"
        )

    # -- answering ------------------------------------------------------------------------------------------------

    def _next(self) -> _Asked:
        """Wait for the proposal whose answer is to be told next."""
        return self._next_completed() if self._limits.as_completed else self._oldest()

    def _oldest(self) -> _Asked:
        head = next(iter(self._flight.values()))
        if head.same is not None and head.result is None:
            self._finish(head, self._answer(head.same))
        while head.result is None:
            self._wait()
        return head

    def _answer(self, trial: int) -> Result:
        """The answer of a query that was told."""
        answer = self._answers[trial]
        return answer.result if isinstance(answer, TrialRecord) else answer

    def _next_completed(self) -> _Asked:
        """The next one in the order of the record; after its end, whichever is answered first."""
        if self._told < len(self._order):
            known = self._order[self._told]
            if known not in self._flight:
                raise ResumeError(
                    f"trial {known} is recorded after {self._told} others, but the strategy has not asked for it yet: "
                    "the run was made by another version of the strategy, or with another width; start a new run"
                )
            return self._flight[known]
        while not self._ready:
            for asked in self._flight.values():
                if asked.result is None and asked.same in self._answers:
                    self._finish(asked, self._answer(asked.same))
            if not self._ready:
                self._wait()
        return self._flight[self._ready.popleft()]

    def _wait(self) -> None:
        """Take answers from the executor when there are any."""
        self._leave_the_record()
        # If answers are slow, nothing finished may wait for the next answer before it is synced.
        self._commit(force=self._slow)
        asked_at = time.monotonic()
        done = self._executor.wait()
        self._slow = time.monotonic() - asked_at > WORTH_A_SYNC_S
        for answer in done:
            self._finish(self._flight[answer.trial_id], answer.result)
        self._commit(force=self._slow)

    def _tell(self, asked: _Asked) -> None:
        """Tell the strategy an answer."""
        assert asked.result is not None  # noqa: S101 - it was waited for
        del self._flight[asked.id]
        self._told += 1
        if asked.same is None:
            self._note(asked.id, asked.result, asked.price)
        trial = Trial(asked.id, asked.proposal, asked.result).without_report()
        called(self._strategy, self._strategy.tell, [trial])
        self._drop_checkpoints()

    def _note(self, trial: int, answer: Result | TrialRecord, price: int) -> None:
        """Account for a query that was told; it was expected to use `price` units."""
        self._answers[trial] = answer
        self._spending.told(trial, answer, price)
        if self._retention is not None:
            self._retention.told(trial, answer, self._spending.fidelities[trial])

    def _drop_checkpoints(self) -> None:
        """Drop the checkpoints that no proposal, in flight or to come, can inherit; all that was told is synced
        first."""
        if self._retention is None:
            return
        self._commit(force=True)
        self._retention.sweep(min(self._flight, default=self._asked) - 1, *self._inheritable())

    def _inheritable(self) -> tuple[Mapping[str, set[int]], list[Inherit | None]]:
        """The trials, by kind, whose checkpoints a strategy may still ask for, and the recipes that wait."""
        needed = kept_states(self._strategy, self._answers) if self._plan.inherits else {}
        waiting = [asked.recorded.inherit for asked in self._flight.values()]
        waiting += [self._recipes.completed(proposal.inherit) for proposal in self._held]
        return self._recipes.needed(needed), list(map(self._recipes.mapped, waiting))

    def _finish(self, asked: _Asked, result: Result) -> None:
        """Record an answer as soon as it arrives, even if it is not its turn to be told."""
        asked.result = result
        trial = Trial(asked.id, asked.recorded, result)
        line = TrialRecord.of(trial, self._space.format(asked.proposal.arch), asked.query, asked.same)
        if result.trace and asked.same is None:
            self._journal.explain(line, result.trace)
        self._journal.append(line)
        self._unreported.append(line)
        if self._limits.as_completed:
            self._ready.append(asked.id)
        self._commit()

    def _commit(self, force: bool = False) -> None:
        if self._journal.commit(force) and self._unreported:
            reported, self._unreported = self._unreported, []
            if self._progress is not None:
                self._progress(reported)

    # -- the run's state ------------------------------------------------------------------------------------------

    def _save_due(self) -> bool:
        wait = max(SAVE_EVERY_S, self._save_cost / SAVE_SHARE)
        return self._reached is None and time.monotonic() - self._saved_at >= wait

    def _save(self) -> None:
        started = time.monotonic()
        self._commit(force=True)
        state = {"loop": self._dump(), "strategy": called(self._strategy, self._strategy.state_dict)}
        try:
            self._journal.save_state(state)
        except (TypeError, ValueError, RecursionError) as error:
            name = type(self._strategy).__name__
            raise StrategyError(
                f"the state of strategy {name} cannot be saved: {reason_of(error)}; state_dict (dump) must return "
                "dicts and lists of numbers, strings and numpy arrays"
            ) from error
        self._saved_at = time.monotonic()
        self._save_cost = time.monotonic() - started

    def _dump(self) -> dict[str, Any]:
        return {
            "asked": self._asked,
            "repeats": self._repeats,
            "seconds": self.seconds,
            "ids": list(self._flight),
            "flight": [msgspec.to_builtins(asked.proposal) for asked in self._flight.values()],
            "held": msgspec.to_builtins(list(self._held)),
        }

    def _restore(self, state: Mapping[str, Any] | None) -> _SavedLoop | None:
        """Restore the strategy from the run's saved state, if there is one that fits; where the loop was then.

        Without it the strategy starts again, and its trials are answered from the record.
        """
        if state is None:
            return None
        pristine = called(self._strategy, self._strategy.state_dict)
        try:
            saved = _SavedLoop.of(state["loop"])
            if saved.asked > len(self._recorded) + len(saved.flight):
                raise ValueError(f"{saved.asked} trials asked, {len(self._recorded)} recorded")
            for trial_id in saved.told:
                _ = self._recorded[trial_id]
            self._strategy.load_state_dict(state["strategy"])
        except Exception as error:  # noqa: BLE001 - any code of a strategy's reads it, and the record has everything
            warnings.warn(
                f"the saved state does not fit this record or version of archloom ({reason_of(error)}); replaying the "
                "record",
                stacklevel=3,
            )
            called(self._strategy, self._strategy.load_state_dict, pristine)
            return None
        return saved

    def _take_up(self, saved: _SavedLoop) -> None:
        """Return to where the state was saved: number everything, account for what was told, put the rest in flight."""
        self._seconds_before = saved.seconds
        prices: dict[int, int] = {}  # of the queries that were told
        for trial_id in range(saved.asked):
            if trial_id in saved.flight:
                self._admit(saved.flight[trial_id])
                continue
            line = self._recorded[trial_id]
            _, same, price = self._number(Arch(line.genes), line.fidelity, line.inherit)
            if same is None:
                prices[trial_id] = price
        for trial_id in filter(prices.__contains__, self._order) if self._limits.as_completed else prices:
            self._note(trial_id, self._recorded[trial_id], prices[trial_id])
        self._told = saved.asked - len(saved.flight)
        self._held.extend(saved.held)
        self._drop_checkpoints()
        self._repeats = saved.repeats


def _without_reseed(proposal: Proposal) -> Proposal:
    """A proposal as it was recorded before recipes said that a newborn member is reseeded."""
    inherit = proposal.inherit
    return proposal if inherit is None else replace(proposal, inherit=replace(inherit, reseed=False))


class _Counts(msgspec.Struct):
    """The numbers in what was saved of a loop."""

    asked: NonNegativeInt
    repeats: NonNegativeInt
    seconds: NonNegativeFloat


@dataclass(frozen=True)
class _SavedLoop:
    """Where the loop was: `flight` by trial; all others asked were told. `held` was asked for but not started."""

    asked: int
    repeats: int
    seconds: float
    flight: Mapping[int, Proposal]
    held: Sequence[Proposal]

    @classmethod
    def of(cls, loop: Mapping[str, Any]) -> _SavedLoop:
        """From plain data; KeyError, TypeError or ValueError if it was saved by another version."""
        counts = msgspec.convert({name: loop[name] for name in ("asked", "repeats", "seconds")}, _Counts)
        flight = [msgspec.convert(item, Proposal, strict=False) for item in loop["flight"]]
        ids = list(map(int, loop.get("ids", range(counts.asked - len(flight), counts.asked))))
        if not all(0 <= trial_id < counts.asked for trial_id in ids):
            raise ValueError(f"of {counts.asked} trials asked, {ids} in flight")
        held = [msgspec.convert(item, Proposal, strict=False) for item in loop.get("held", ())]
        return cls(counts.asked, counts.repeats, counts.seconds, dict(zip(ids, flight, strict=True)), held)

    @property
    def told(self) -> list[int]:
        return [trial_id for trial_id in range(self.asked) if trial_id not in self.flight]
