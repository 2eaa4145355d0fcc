"""The one loop, driven with strategies and executors made for the purpose."""

from __future__ import annotations

import asyncio
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from archloom.constraints import criteria
from archloom.errors import InputError
from archloom.evaluators.base import FunctionEvaluator, evaluate
from archloom.executors.base import Done, Job
from archloom.executors.serial import SerialExecutor
from archloom.registry import load_strategy
from archloom.runs.budgets import Ending, Limits
from archloom.runs.folders import make_strategy
from archloom.runs.record import RunFolder, TrialRecord, decode_state, encode_state, read_lines
from archloom.runs.search import MemoryJournal, ResumeError, Search
from archloom.spaces.base import Categorical
from archloom.spaces.domains import Integer, Real
from archloom.spaces.space import Space
from archloom.strategies.base import BaseStrategy, Plan, StrategyError, plan_of
from archloom.strategies.evolution import Evolution, EvolutionOptions
from archloom.testing import PLANTED_CRITERIA, PLANTED_RESOURCE, PlantedEvaluator, PlantedSpace, PoisonedReport
from archloom.types import Arch, Inherit, Proposal, Resource, Result, Trial
from archloom.utils import seeds
from archloom.utils.text import reason_of


class Scripted:
    """Asks for the genes it was given, one after another, and remembers what it was told."""

    def __init__(self, *script: Sequence[int] | Proposal | None) -> None:
        self.script = [item if item is None or isinstance(item, Proposal) else Proposal(cell(*item)) for item in script]
        self.told: list[Trial] = []
        self.rooms: list[int] = []
        self.at = 0

    @classmethod
    def plan(cls, options: None) -> Plan:
        return Plan(inherits=True)

    def ask(self, n: int) -> Sequence[Proposal]:
        self.rooms.append(n)
        proposals: list[Proposal] = []
        while self.at < len(self.script) and len(proposals) < n:
            proposal, self.at = self.script[self.at], self.at + 1
            if proposal is None:
                break
            proposals.append(proposal)
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        self.told += trials

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["at"]


def cell(*genes: int) -> Arch:
    """An architecture of the planted space; genes that are not given are 0."""
    return Arch(genes + (0,) * (8 - len(genes)))


class ShuffledExecutor:
    """Answers in an order of its own, several at a time, as parallel workers might."""

    def __init__(self, evaluator: Any, seed: int) -> None:
        self._evaluator, self._rng = evaluator, random.Random(seed)
        self.jobs: list[Job] = []
        self.finished: list[int] = []
        self.most = 0

    def submit(self, job: Job) -> None:
        self.jobs.append(job)
        self.most = max(self.most, len(self.jobs))

    def wait(self) -> Sequence[Done]:
        self._rng.shuffle(self.jobs)
        ready = [self.jobs.pop() for _ in range(self._rng.randint(1, len(self.jobs)))]
        self.finished += [job.trial_id for job in ready]
        return [Done(j.trial_id, evaluate(self._evaluator, j.proposal, j.seed, j.trial_id)) for j in ready]

    def close(self) -> None:
        pass


class NoisyEvaluator(PlantedEvaluator):
    """Its answers depend on the trial's own random stream, and on no fidelity."""

    resource = PLANTED_RESOURCE

    def evaluate(self, proposal: Proposal, weights: Any, rng: Any) -> tuple[Result, None]:
        result, _ = super().evaluate(proposal, weights, rng)
        return Result({"worth": result.scores["worth"] + float(rng.normal())}, {"test": float(rng.normal())}), None


def search(
    strategy: Any,
    queries: int = 100,
    *,
    width: int = 1,
    max_repeats: int = 5000,
    executor: Any = None,
    journal: MemoryJournal | None = None,
    space: Any = None,
    seed: int = 0,
    progress: Callable[[Sequence[TrialRecord]], None] | None = None,
    counts: Resource | None = None,
    **limits: Any,
) -> tuple[Ending, list[TrialRecord]]:
    journal = MemoryJournal() if journal is None else journal
    resource = counts or counted(strategy)
    if executor is None:
        evaluator = PlantedEvaluator()
        evaluator.resource = resource
        executor = SerialExecutor(evaluator)
    bounds = Limits(queries, width, max_repeats, **limits)
    run = Search(
        space or PlantedSpace(), strategy, executor, journal, bounds, seed, progress, criteria=PLANTED_CRITERIA,
        resource=resource,
    )  # fmt: skip
    return run.run(), journal.lines


def counted(strategy: Any) -> Resource | None:
    """What fidelities count for a strategy that chooses them."""
    chooses = plan_of(strategy).epochs or getattr(strategy, "needs_resource", False)
    return PLANTED_RESOURCE if chooses else None


def make(asked: Any, seed: int = 0) -> Any:
    """A strategy by its name, or one of the shared fixture."""
    name, options = (asked, {}) if isinstance(asked, str) else (asked.name, asked.options_on(PlantedSpace()))
    return make_strategy(name, PlantedSpace(), PLANTED_CRITERIA, seed, options, PLANTED_RESOURCE)


# -- queries and repeats ------------------------------------------------------------------------------------------


def test_asking_again_is_answered_from_the_record() -> None:
    evaluated: list[Arch] = []

    class Counting(PlantedEvaluator):
        def evaluate(self, proposal: Proposal, weights: Any, rng: Any) -> tuple[Result, Any]:
            evaluated.append(proposal.arch)
            return super().evaluate(proposal, weights, rng)

    strategy = Scripted([1], [2], [1], [1], [1, 1])
    ending, lines = search(strategy, queries=3, executor=SerialExecutor(Counting()))
    assert ending is Ending.BUDGET
    assert [(line.id, line.query, line.same) for line in lines] == [
        (0, 1, None), (1, 2, None), (2, None, 0), (3, None, 0), (4, 3, None),
    ]  # fmt: skip
    assert evaluated == [cell(1), cell(2), cell(1, 1)]
    assert [trial.result for trial in strategy.told] == [line.trial.result for line in lines]
    assert strategy.told[2].result == strategy.told[0].result


def test_a_repeat_of_something_still_in_flight_waits_for_its_answer() -> None:
    strategy = Scripted([1], [1], [2], [1])
    _, lines = search(strategy, width=4, executor=ShuffledExecutor(NoisyEvaluator(), 1))
    by_id = {line.id: line for line in lines}
    assert [by_id[i].same for i in range(4)] == [None, 0, None, 0]
    assert by_id[1].scores == by_id[0].scores == by_id[3].scores
    assert [trial.id for trial in strategy.told] == [0, 1, 2, 3]


def test_a_repeat_of_a_failure_fails_for_the_same_reason() -> None:
    class Broken(PlantedEvaluator):
        def evaluate(self, proposal: Proposal, weights: Any, rng: Any) -> tuple[Result, Any]:
            raise ValueError("no such layer")

    _, lines = search(Scripted([1], [1]), executor=SerialExecutor(Broken()))
    assert [line.error for line in lines] == ["ValueError: no such layer"] * 2
    assert [line.query for line in lines] == [1, None]


def test_another_fidelity_or_inherited_weights_are_another_query() -> None:
    low, high = Proposal(cell(1), fidelity=1), Proposal(cell(1), fidelity=3)
    going_on = Proposal(cell(1), inherit=Inherit(0))
    mixed = Proposal(cell(1), inherit=Inherit(0, {1: None}))
    reseeded = Proposal(cell(1), inherit=Inherit(0, reseed=True))
    script = Scripted([1], low, high, low, going_on, mixed, mixed, reseeded, reseeded, [1])
    _, lines = search(script, counts=Resource("epochs", 9))
    assert [line.query for line in lines] == [1, 2, 3, None, None, 4, 5, 6, 7, None]
    assert [line.same for line in lines] == [None, None, None, 1, 0, *[None] * 4, 0], "a promotion is no other training"


def test_no_fidelity_is_ignored() -> None:
    levels = Resource.at("epochs", [12, 200])
    _, lines = search(Scripted(Proposal(cell(1), 200), Proposal(cell(1)), Proposal(cell(1), 12)), counts=levels)
    assert [line.query for line in lines] == [1, None, 2], "0 stands for all there is"
    with pytest.raises(InputError, match="fidelity 7: expected 12 or 200 epochs, or 0 for the maximum"):
        search(Scripted(Proposal(cell(1), 7)), counts=levels)
    with pytest.raises(InputError, match="fidelity 7: this evaluator has only one fidelity; expected 0"):
        search(Scripted(Proposal(cell(1), 7)))


def test_isomorphic_architectures_are_one_query() -> None:
    class Unordered(PlantedSpace):
        def key(self, arch: Arch) -> str:
            return str(sorted(arch.genes))

    _, lines = search(Scripted([1, 2], [2, 1], [1, 1]), space=Unordered())
    assert [line.query for line in lines] == [1, None, 2]


# -- endings ------------------------------------------------------------------------------------------------------


def test_a_run_ends_when_all_queries_are_asked() -> None:
    ending, lines = search(make("random"), queries=7)
    assert ending is Ending.BUDGET and [line.query for line in lines] == list(range(1, 8))


@pytest.mark.parametrize("width", [1, 3])
def test_a_run_ends_when_the_space_is_exhausted(width: int) -> None:
    space = Categorical({"a": [1, 2, 3], "b": [1, 2]})
    strategy = load_strategy("random")(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    ending, lines = search(strategy, queries=50, space=space, width=width)
    assert ending is Ending.EXHAUSTED
    assert sum(line.query is not None for line in lines) == 6


class Even(Categorical):
    def violations(self, arch: Arch) -> Mapping[str, float]:
        return super().violations(arch) or {"odd": float(sum(arch.genes) % 2)}


class Unordered(Categorical):
    def canonical(self, arch: Arch) -> Arch:
        return Arch(tuple(sorted(arch.genes)))


@pytest.mark.parametrize("name", ["random", "local_search", "random_walk", "cadam"])
@pytest.mark.parametrize(("kind", "size"), [(Even, 8), (Unordered, 10)])
def test_architectures_that_rules_leave_are_counted(name: str, kind: type[Categorical], size: int) -> None:
    """A subclass need not say its size: every architecture is asked once, and the run says that these were all."""
    space = kind({"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]})
    space = space if kind is Unordered else kind({"a": [0, 1, 2, 3], "b": [0, 1], "c": [0, 1]})
    strategy = load_strategy(name)(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    ending, lines = search(strategy, queries=50, space=space)
    assert ending is Ending.EXHAUSTED
    assert sum(line.query is not None for line in lines) == size
    assert len(lines) < 500


def test_a_population_trains_on_where_the_space_has_fewer_architectures_than_it_asks_for() -> None:
    space = Categorical({"a": [1, 2, 3], "b": [1, 2]})
    strategy = load_strategy("pbt_nas")
    options = strategy.Options(population=4, epochs=3, step=1)
    ending, lines = search(
        strategy(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"), options), queries=12, space=space, width=4,
        counts=Resource("epochs", 3),
    )  # fmt: skip
    assert ending is Ending.BUDGET and [line.query for line in lines] == list(range(1, 13))


def test_a_run_ends_when_the_strategy_has_no_more() -> None:
    ending, lines = search(Scripted([1], [2], None, [3], None), width=2)
    assert ending is Ending.FINISHED and len(lines) == 3


@pytest.mark.parametrize("width", [1, 2])
def test_a_run_that_only_repeats_itself_is_stalled(width: int) -> None:
    ending, lines = search(Scripted([1], *[[1]] * 50), max_repeats=10, width=width)
    assert ending is Ending.STALLED
    assert 11 <= len(lines) <= 11 + width, "one query and ten repeats"


def test_something_new_puts_the_stall_off() -> None:
    ending, lines = search(Scripted([1], *[[1]] * 9, [2], *[[1]] * 9, [3]), max_repeats=10)
    assert ending is Ending.FINISHED and len(lines) == 21


def test_never_more_is_asked_for_than_there_is_room_and_budget() -> None:
    strategy = Scripted(*[[i % 4, i // 4] for i in range(10)])
    search(strategy, queries=6, width=4)
    assert max(strategy.rooms) == 4
    assert strategy.at == 6


@pytest.mark.parametrize("bad", [{"queries": 0}, {"queries": -1}, {"queries": True}, {"width": 0}, {"max_repeats": 0}])
def test_impossible_limits_are_refused(bad: Mapping[str, int]) -> None:
    name, value = next(iter(bad.items()))
    with pytest.raises(InputError, match=f"{name}={value}: expected a whole number of at least 1"):
        Limits(**{"queries": 10, **bad})


# -- order and independence ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 4, 9])
def test_results_are_told_in_order_however_they_finish(strategy: Any, width: int) -> None:
    _, expected = search(make(strategy), 80, width=width, executor=SerialExecutor(NoisyEvaluator()))
    told: list[int] = []
    out_of_order, side_by_side = False, False
    for order in range(3):
        subject, executor = make(strategy), ShuffledExecutor(NoisyEvaluator(), order)
        tell = subject.tell
        told.clear()
        subject.tell = lambda trials, tell=tell: (told.extend(t.id for t in trials), tell(trials))
        _, lines = search(subject, 80, width=width, executor=executor)
        assert told == list(range(len(lines)))
        assert sorted(lines, key=lambda line: line.id) == sorted(expected, key=lambda line: line.id)
        out_of_order |= executor.finished != sorted(executor.finished)
        side_by_side |= executor.most > 1
    assert out_of_order == side_by_side, "the executor has not tried"


def test_the_report_never_reaches_a_strategy(strategy: Any) -> None:
    """Whoever looks at what is in the report fails: here it holds one number, and is empty when told."""
    subject = make(strategy)
    reports: list[Mapping[str, float]] = []
    tell = subject.tell
    subject.tell = lambda trials: (reports.extend(t.result.report for t in trials), tell(trials))
    _, lines = search(subject, 50, executor=SerialExecutor(NoisyEvaluator()))
    assert reports and all(report == {} for report in reports)
    assert all(set(line.report) == {"test"} for line in lines), "it is in the record, for people"


def test_a_trial_as_a_strategy_sees_it() -> None:
    trial = Trial(3, Proposal(cell(1)), Result({"worth": 1.0}, PoisonedReport(test=2.0), details={"a": 1}))
    assert trial.without_report().result == Result({"worth": 1.0})


def test_a_run_is_determined_by_its_seed(strategy: Any) -> None:
    assert search(make(strategy), 60)[1] == search(make(strategy), 60)[1]
    assert search(make(strategy), 60)[1] != search(make(strategy, seed=1), 60)[1]


# -- failures -----------------------------------------------------------------------------------------------------


def test_failures_are_told_and_the_run_goes_on(strategy: Any) -> None:
    class Moody(PlantedEvaluator):
        resource = PLANTED_RESOURCE

        def evaluate(self, proposal: Proposal, weights: Any, rng: Any) -> tuple[Result, Any]:
            mood = int(rng.integers(5))
            if mood == 0:
                raise RuntimeError("out of memory")
            if mood < 3:
                return Result({"worth": float("nan") if mood == 1 else float("inf")}), None
            return super().evaluate(proposal, weights, rng)

    ending, lines = search(make(strategy), 60, executor=SerialExecutor(Moody()))
    assert ending is Ending.BUDGET
    reasons = {line.error for line in lines}
    assert reasons == {"RuntimeError: out of memory", "worth is nan", "worth is inf", None}
    assert all(line.scores == {} for line in lines if line.error)


def test_what_finished_is_committed_when_the_run_is_interrupted() -> None:
    class Interrupted(SerialExecutor):
        def wait(self) -> Sequence[Done]:
            if self._jobs[0].trial_id == 5:
                raise KeyboardInterrupt
            return super().wait()

    class Lazy(MemoryJournal):
        pending = 0

        def append(self, line: TrialRecord) -> None:
            super().append(line)
            self.pending += 1

        def commit(self, force: bool = False) -> bool:
            if force:
                self.pending = 0
            return force

    journal, heard = Lazy(), list[TrialRecord]()
    with pytest.raises(KeyboardInterrupt):
        search(make("random"), executor=Interrupted(PlantedEvaluator()), journal=journal, progress=heard.extend)
    assert len(journal.lines) == 5 and journal.pending == 0
    assert heard == journal.lines, "and told to whoever watches"


def test_where_answers_take_long_each_is_committed_before_the_next_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next answer, which would commit it too, may be hours away."""
    now = [0.0]
    monkeypatch.setattr("archloom.runs.search.time.monotonic", lambda: now[0])

    class Slow(SerialExecutor):
        def wait(self) -> Sequence[Done]:
            done = super().wait()
            now[0] += 3600.0 if done[0].trial_id == 1 else 0.0
            return done

    forced: list[bool] = []

    class Watched(MemoryJournal):
        def commit(self, force: bool = False) -> bool:
            forced.append(force)
            return True

    search(Scripted([1], [2], [3]), executor=Slow(PlantedEvaluator()), journal=Watched())
    # Before a wait, when the answer is there, after the wait; the second answer takes an hour, so a checkpoint follows.
    assert forced[:10] == [False, False, False, False, False, True, True, True, False, False]


# -- going on -----------------------------------------------------------------------------------------------------


class Stop(BaseException):
    """Ends a run in the middle."""


def stopped(name: Any, queries: int, at: int, width: int, checkpoint: bool) -> MemoryJournal:
    """The journal of a run that was stopped after `at` trials, with a checkpoint some trials older or with none."""

    class Stopping(SerialExecutor):
        waited = 0

        def wait(self) -> Sequence[Done]:
            self.waited += 1
            if checkpoint and self.waited == at - 3:
                run._save()
                journal.state = decode_state(encode_state(journal.state or {}))
            if self.waited > at:
                raise Stop
            return super().wait()

    journal = MemoryJournal()
    strategy, executor = make(name), Stopping(NoisyEvaluator())
    run = Search(
        PlantedSpace(), strategy, executor, journal, Limits(queries, width), seed=0, resource=counted(strategy)
    )
    with pytest.raises(Stop):
        run.run()
    return journal


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize(("width", "at"), [(1, 4), (1, 33), (4, 5), (4, 34)])
def test_going_on_is_running(strategy: Any, width: int, at: int, checkpoint: bool) -> None:
    executor = SerialExecutor(NoisyEvaluator())
    _, expected = search(make(strategy), 60, width=width, executor=executor)
    journal = stopped(strategy, 60, at, width, checkpoint)
    recorded = len(journal.lines)
    assert 0 < recorded < len(expected)
    assert (journal.state is not None) == checkpoint
    ending, lines = search(
        make(strategy, seed=0), 60, width=width, journal=journal, executor=SerialExecutor(NoisyEvaluator())
    )
    assert ending is Ending.BUDGET
    assert lines == expected


def test_going_on_with_a_finished_run_changes_nothing(strategy: Any) -> None:
    journal = MemoryJournal()
    first = search(make(strategy), 40, journal=journal)
    before = list(journal.lines)
    for state in (journal.state, None):
        journal.state = state
        again = search(make(strategy), 40, journal=journal, executor=NoExecutor())
        assert again[0] is first[0] and journal.lines == before


class NoExecutor:
    """For runs whose every answer is in the record."""

    def submit(self, job: Job) -> None:
        raise AssertionError(f"{job} was asked again")

    def wait(self) -> Sequence[Done]:
        raise AssertionError("waited for nothing")

    def close(self) -> None:
        pass


def test_a_checkpoint_ahead_of_the_record_is_not_used() -> None:
    journal = MemoryJournal()
    _, expected = search(make("evolution"), 40, journal=journal)
    expected = list(expected)
    del journal.lines[25:]
    with pytest.warns(UserWarning, match="the saved state does not fit this record or version"):
        _, lines = search(make("evolution"), 40, journal=journal)
    assert lines == expected


def test_a_strategy_that_asks_for_something_else_is_noticed() -> None:
    journal = MemoryJournal()
    search(Scripted([1], [2]), journal=journal)
    journal.state = None
    with pytest.raises(ResumeError, match=r"trial 1 is recorded as .*gene0=c.*now asks for .*gene0=d"):
        search(Scripted([1], [3]), journal=journal)


def test_a_record_that_does_not_say_what_was_reseeded_is_gone_on_with() -> None:
    """Once, whatever had donors or was mutated was reseeded, and nothing of it was recorded."""
    journal = MemoryJournal()
    old, new = (Proposal(cell(1), inherit=Inherit(0, {1: 0}, reseed=reseed)) for reseed in (False, True))
    search(Scripted([1], old), queries=2, journal=journal)
    before, journal.state = list(journal.lines), None
    _, lines = search(Scripted([1], new, [3]), queries=3, journal=journal)
    assert lines[:2] == before
    journal.state = None
    with pytest.raises(ResumeError, match="the same architecture with another fidelity, weights or note"):
        search(Scripted([1], Proposal(cell(1), inherit=Inherit(0, {2: 0}, reseed=True))), queries=3, journal=journal)


def test_notes_are_compared_as_they_were_written_down() -> None:
    class Recorded(MemoryJournal):
        def append(self, line: TrialRecord) -> None:
            super().append(msgspec.json.decode(msgspec.json.encode(line), type=TrialRecord))

    journal = Recorded()
    proposal = Proposal(cell(1), note={"tuple": (1, 2), "nested": {3: "key"}})
    _, lines = search(Scripted(proposal, [2]), queries=2, journal=journal)
    before, journal.state = list(lines), None
    assert search(Scripted(proposal, [2]), queries=2, journal=journal)[1] == before


@pytest.mark.parametrize("state", [{}, {"loop": {}, "strategy": {}}, {"loop": {"asked": 1, "flight": [3]}}])
def test_a_checkpoint_of_another_version_is_not_used(state: dict[str, Any]) -> None:
    _, expected = search(make("evolution"), 12)
    with pytest.warns(UserWarning, match="the saved state does not fit this record or version"):
        _, lines = search(make("evolution"), 12, journal=MemoryJournal(state=state))
    assert lines == expected


def test_checkpoints_are_taken_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archloom.runs.search.SAVE_EVERY_S", 0.0)
    monkeypatch.setattr("archloom.runs.search.SAVE_SHARE", float("inf"))

    class Saving(MemoryJournal):
        saves = 0

        def save_state(self, state: Mapping[str, Any]) -> None:
            super().save_state(state)
            self.saves += 1

    journal = Saving()
    with warnings.catch_warnings():
        search(make("random"), 10, journal=journal)
    assert journal.saves == 11, "after every trial, and at the end"


# -- limits ---------------------------------------------------------------------------------------------------------


class Failing(PlantedEvaluator):
    """Every third architecture fails."""

    def evaluate(self, proposal: Proposal, weights: Any, rng: Any) -> tuple[Result, None]:
        if sum(proposal.arch.genes) % 3 == 0:
            return Result.failed("on purpose"), None
        return super().evaluate(proposal, weights, rng)[0], None


EPOCHS = Resource("epochs", 9)
LONGER: Mapping[str, tuple[dict[str, Any], Ending]] = {
    "queries": ({"queries": 15}, Ending.BUDGET),
    "resource": ({"queries": 1000, "resource": 160}, Ending.RESOURCE),
    "target": ({"queries": 1000, "target": 50.0}, Ending.TARGET),
    "max_failures": ({"queries": 1000, "max_failures": 4}, Ending.FAILURES),
}


@pytest.mark.parametrize("name", ["random", "evolution", "local_search"])
@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("limit", LONGER)
@pytest.mark.parametrize("saved", [True, False], ids=["from its checkpoint", "replayed"])
def test_a_longer_run_is_the_one_that_was_asked_for_at_once(name: str, width: int, limit: str, saved: bool) -> None:
    limits, expected = LONGER[limit]
    journal = MemoryJournal()
    executor = lambda: SerialExecutor(Failing())  # noqa: E731
    ending, first = search(make(name), width=width, journal=journal, executor=executor(), counts=EPOCHS, **limits)
    assert ending is expected
    before = list(first)
    if not saved:
        journal.state = None
    ending, lines = search(make(name), 60, width=width, journal=journal, executor=executor(), counts=EPOCHS)
    assert ending is Ending.BUDGET and lines[: len(before)] == before
    _, at_once = search(make(name), 60, width=width, executor=executor(), counts=EPOCHS)
    assert [(line.id, line.genes, line.query) for line in lines] == [(a.id, a.genes, a.query) for a in at_once]


def test_a_strategy_that_asks_in_batches_goes_on_as_if_never_stopped() -> None:
    """`ask` is always given the room there is, not what a limit leaves of it."""
    journal, script = MemoryJournal(), [[i] for i in range(4)]
    search(Scripted(*script), 2, width=3, journal=journal)
    strategy = Scripted(*script)
    ending, lines = search(strategy, 4, width=3, journal=journal)
    assert ending is Ending.BUDGET and [line.genes[0] for line in lines] == [0, 1, 2, 3]


def test_a_proposal_that_exceeds_the_resource_is_not_evaluated() -> None:
    journal = MemoryJournal()
    script = [Proposal(cell(1), 3), Proposal(cell(1), 3), Proposal(cell(2), 9), Proposal(cell(3), 1)]
    ending, lines = search(Scripted(*script), journal=journal, counts=EPOCHS, resource=11)
    assert ending is Ending.RESOURCE and [line.query for line in lines] == [1, None], "a repeat costs nothing"
    ending, lines = search(Scripted(*script), journal=journal, counts=EPOCHS, resource=13)
    assert ending is Ending.RESOURCE and [line.query for line in lines] == [1, None, 2, 3]


def test_time_is_up_when_the_clock_says_so() -> None:
    now = iter(range(1000))
    journal = MemoryJournal()
    limits = Limits(None, seconds=12.0)
    search_ = Search(
        PlantedSpace(), make("random"), SerialExecutor(PlantedEvaluator()), journal, limits, 0, clock=lambda: next(now)
    )
    assert search_.run() is Ending.TIME
    assert 3 <= len(journal.lines) <= 12


# -- as completed ---------------------------------------------------------------------------------------------------


def as_completed(
    name: str, queries: int, executor_seed: int, journal: MemoryJournal | None = None
) -> tuple[Ending, list[TrialRecord]]:
    return search(
        make(name), queries, width=5, executor=ShuffledExecutor(NoisyEvaluator(), executor_seed), journal=journal,
        as_completed=True,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["random", "evolution", "local_search", "cadam"])
def test_results_are_told_as_they_come_and_the_record_says_how(name: str) -> None:
    journal = MemoryJournal()
    ending, lines = as_completed(name, 40, 1, journal)
    assert ending is Ending.BUDGET
    assert sorted(line.id for line in lines) == list(range(len(lines)))
    assert [line.id for line in lines] != sorted(line.id for line in lines), "they came in another order"


@pytest.mark.parametrize("name", ["random", "evolution", "local_search", "cadam"])
@pytest.mark.parametrize("cut", [0, 1, 7, 23, 39])
@pytest.mark.parametrize("state", ["checkpoint", "none"])
def test_what_is_told_as_completed_goes_on_from_any_cut(name: str, cut: int, state: str) -> None:
    """Killed after any number of lines, the record goes on; its beginning is what it was, and every trial is there."""
    whole = MemoryJournal()
    as_completed(name, 40, 1, whole)
    journal = MemoryJournal(whole.lines[:cut])
    if state == "checkpoint" and cut == 39:  # a checkpoint never runs ahead of the record
        journal = MemoryJournal(list(whole.lines), whole.state)
    before = list(journal.lines)
    ending, lines = as_completed(name, 40, 2, journal)
    assert ending is Ending.BUDGET and lines[: len(before)] == before
    assert sorted(line.id for line in lines) == list(range(len(lines)))
    assert sum(line.query is not None for line in lines) == 40
    # Told in this order, a fresh strategy asks for the same again.
    again = MemoryJournal(list(lines))
    assert as_completed(name, 40, 3, again) == (Ending.BUDGET, lines)


def test_what_a_strategy_may_not_inherit() -> None:
    class Undeclared(Scripted):
        @classmethod
        def plan(cls, options: None) -> Plan:
            return Plan()

    with pytest.raises(InputError, match=r"Undeclared asks to continue from trial 0, and its plan does not say that"):
        search(Undeclared([1], Proposal(cell(1), inherit=Inherit(0))))
    with pytest.raises(InputError, match="Scripted asks to continue from trial 7, which it has not been told"):
        search(Scripted([1], Proposal(cell(1), inherit=Inherit(7))))
    with pytest.raises(InputError, match="trial 0, which it has not been told"):
        search(Scripted([1], Proposal(cell(2), inherit=Inherit(0))), width=2)


def test_what_is_looked_up_goes_on_from_the_same_architecture_only() -> None:
    table = Resource.at("epochs", [1, 9], cost_from_start=True)
    others = [Proposal(cell(number), 9, Inherit(number - 1) if number else None) for number in range(5)]
    ending, lines = search(Scripted(*others), counts=table, resource=20)
    assert ending is Ending.RESOURCE and len(lines) == 2, "each costs all of its epochs"
    promoted = [Proposal(cell(1), 1), Proposal(cell(1), 9, Inherit(0)), Proposal(cell(2), 9)]
    ending, lines = search(Scripted(*promoted), counts=table, resource=18)
    assert ending is Ending.RESOURCE and len(lines) == 3


class Vague(Scripted):
    def ask(self, n: int) -> Any:
        return [5]


def test_what_is_no_proposal_is_told() -> None:
    with pytest.raises(InputError, match=r"Vague asked for \[5\]: expected a list of Proposals"):
        search(Vague())


def _stops_early(choices: Any, rng: np.random.Generator, report: Any) -> float | None:
    """Some trainings stop, and some fail, before the epochs that they were charged for."""
    error, stop, fails = 1.0, int(rng.integers(1, 55)), rng.random() < 0.2
    for epoch in range(1, 28):
        error *= 1 - 0.001 * choices["width"] ** 0.5 * choices["depth"] - 0.001 * rng.random()
        report(epoch, error)
        if epoch == stop:
            if fails:
                raise ValueError("diverged")
            return error
    return None


@pytest.mark.parametrize("as_completed", [False, True])
def test_a_limit_stays_reached_when_what_is_in_flight_uses_less(as_completed: bool) -> None:
    space = Space({"width": Integer(16, 128), "depth": [1, 2, 3, 4], "rate": Real(0.0, 0.3)})
    resource, wanted = Resource("epochs", 27), criteria(["error"], {"error": "min"})
    evaluator = FunctionEvaluator(space, _stops_early, {"error": "min"}, resource=resource)

    def searched(units: int, journal: MemoryJournal) -> list[tuple[int, tuple[float, ...]]]:
        options = EvolutionOptions(population=5, sample=3)
        strategy = Evolution(space, wanted, seeds.stream(0, "strategy"), options)
        limits = Limits(None, 4, resource=units, as_completed=as_completed)
        executor = SerialExecutor(evaluator)
        Search(space, strategy, executor, journal, limits, 0, resource=resource, criteria=wanted).run()
        return sorted((line.id, line.genes) for line in journal.lines)

    whole = searched(600, MemoryJournal())
    for units in range(60, 420, 7):
        journal = MemoryJournal()
        cut = searched(units, journal)
        assert cut == whole[: len(cut)], units
        if units % 2:
            journal.state = None  # replayed from the record
        assert searched(600, journal) == whole, units


class Faulty(BaseStrategy):
    """Raises something in one of its methods, from the third trial on."""

    def __init__(self, method: str, raised: BaseException) -> None:
        super().__init__(PlantedSpace(), PLANTED_CRITERIA, np.random.default_rng(0))
        self.method, self.raised, self.count = method, raised, 0

    def reach(self, method: str) -> None:
        if method == self.method and self.count >= 2:
            raise self.raised

    def propose(self) -> Proposal:
        self.reach("propose")
        self.count += 1
        return Proposal(self.sample_valid())

    def learn(self, trial: Trial) -> None:
        self.reach("learn")

    def dump(self) -> dict[str, Any]:
        self.reach("dump")
        return {"what": object()} if self.method == "object" else {}


@pytest.mark.parametrize("raised", [RuntimeError("at\x1b[31m fault"), SystemExit(3), asyncio.CancelledError()])
@pytest.mark.parametrize(("method", "within"), [("propose", "ask"), ("learn", "tell"), ("dump", "state_dict")])
def test_a_strategy_that_raises_stops_the_run_and_its_record_is_whole(
    method: str, within: str, raised: BaseException
) -> None:
    journal = MemoryJournal()
    with pytest.raises(StrategyError) as stopped:
        search(Faulty(method, raised), 5, journal=journal)
    assert str(stopped.value).startswith(f"strategy Faulty failed in {within}: {reason_of(raised)} ({__file__}, line ")
    assert ", in reach); what was recorded is whole" in str(stopped.value)
    assert stopped.value.__cause__ is raised
    assert [line.id for line in journal.lines] == list(range(5 if method == "dump" else 2))


def test_a_state_that_cannot_be_saved_is_the_strategys_fault(tmp_path: Path) -> None:
    with (
        RunFolder.create(tmp_path / "run", {}) as folder,
        pytest.raises(StrategyError, match="the state of strategy Faulty cannot be saved: TypeError: Object of type"),
    ):
        search(Faulty("object", ValueError()), 5, journal=cast("Any", folder))
    assert [line.id for line in read_lines(tmp_path / "run")] == [0, 1, 2, 3, 4]
