"""The contract of `Strategy`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import numpy as np

from archloom.checkpoints.retention import Retention
from archloom.checkpoints.store import CheckpointsInMemory, sources
from archloom.constraints import Constraint, Criteria, Objective, Scored
from archloom.errors import InputError, NoArchitectureError
from archloom.executors.base import Executor, Job
from archloom.executors.serial import SerialExecutor
from archloom.executors.simulated import SimulatedExecutor
from archloom.runs.budgets import Limits
from archloom.runs.history import History
from archloom.runs.record import TrialRecord, decode_state, encode_state
from archloom.runs.search import MemoryJournal, Search
from archloom.spaces.base import SearchSpace, is_valid
from archloom.strategies.base import EarlierRun, Strategy, StrategyError, WarmStarted, plan_of
from archloom.strategies.random_search import RandomSearch
from archloom.testing.domains import MixedSpace
from archloom.testing.planted import (
    PLANTED_CRITERIA,
    PLANTED_RESOURCE,
    ForbiddenSpace,
    PlantedCurves,
    PlantedSpace,
    PoisonedReport,
    RuledSpace,
    SmallSpace,
    SparseSpace,
    planted_worth,
)
from archloom.testing.raising import located, must_raise
from archloom.testing.randomness import check_independent
from archloom.testing.spaces import MakeSpace
from archloom.types import Proposal, Result, Trial, Weights
from archloom.utils import seeds

MakeStrategy = Callable[..., Strategy]
"""Of (space, criteria, rng), and of the keyword `resource` for a strategy that says `needs_resource`, `reference` for
one that says `takes_reference`."""


_MINIMISED = Criteria((Objective("debt", "min"),))


_OTHER_CRITERIA: Mapping[str, Criteria] = {
    "a constraint that no architecture satisfies": Criteria(
        (Objective("worth", "max"),), (Constraint("worth", 200.0, at_most=False),)
    ),
    "two objectives": Criteria((Objective("worth", "max"), Objective("cost", "min"))),
    "a minimised goal": _MINIMISED,
}
"""Of the scores that `_answer` gives."""


def check_strategy(
    make: MakeStrategy,
    *,
    beats_random: bool = True,
    queries: int = 120,
    repetitions: int = 8,
    make_space: MakeSpace = PlantedSpace,
) -> None:
    """Run the contract of `Strategy`: with one objective; with two; minimising; and if nothing satisfies a constraint.

    `make(space, criteria, rng)` is the strategy's class, or a `partial` of it that sets its options. With
    `beats_random` it must find more of the planted architecture than random search does in as many epochs, those of
    `queries` full trainings, on average over `repetitions` seeds. `make_space` replaces the planted space if a strategy
    needs another kind; then `PlantedCurves` scores its genes. A strategy that does not refuse a sparse table is tried
    on one too, and one that does not refuse numbers on a space with numbers and conditions; one that can be warm
    started (`WarmStarted`) is also tried like that.
    """
    check_independent(partial(_asked, make, make_space), "ask")
    _check_state(make, make_space)
    _check_told_once(make, make_space)
    _check_any_order(make, make_space)
    _check_failures(make, make_space)
    with located("with scores at the ends of floats"):
        _check_extremes(make, make_space)
    _check_durations(make, make_space)
    _check_valid(make, make_space)
    _check_bounded(make)
    _check_warm_started(make, make_space)
    for what, criteria in _OTHER_CRITERIA.items():
        with located(f"with {what}"):
            _check_briefly(make, make_space, criteria)
    _check_direction(make, make_space)
    for kind, where in ((SparseSpace, "on a sparse table"), (MixedSpace, "on a space with numbers and conditions")):
        if _accepts(make, kind):
            with located(where):
                _check_briefly(make, kind, PLANTED_CRITERIA)
    if beats_random:
        found = [_best(make, make_space, seed, queries) for seed in range(repetitions)]
        chance = [_best(RandomSearch, make_space, seed, queries) for seed in range(repetitions)]
        assert np.mean(found) > np.mean(chance), (
            f"in {queries} full trainings it found {np.mean(found):.2f} on average, random search {np.mean(chance):.2f}"
        )


def _new(make: MakeStrategy, make_space: MakeSpace, seed: int, criteria: Criteria = PLANTED_CRITERIA) -> Strategy:
    return _on(make_space(), make, seed, criteria)


def _on(space: SearchSpace, make: MakeStrategy, seed: int, criteria: Criteria = PLANTED_CRITERIA) -> Strategy:
    kind = make.func if isinstance(make, partial) else make
    takes = getattr(kind, "needs_resource", False) or getattr(kind, "takes_resource", False)
    more: dict[str, Any] = {"resource": PLANTED_RESOURCE} if takes else {}
    if getattr(kind, "takes_reference", False):
        more["reference"] = {}
    return make(space, criteria, seeds.stream(seed, "strategy"), **more)


def _answer(first_id: int, proposals: list[Proposal], fail_every: int = 0) -> list[Trial]:
    """Evaluate proposals, every so many failing, with a report that must not be read.

    Beside "worth" there are "debt", its negative, and "cost", the sum of the genes.
    """
    trials = []
    for trial_id, proposal in enumerate(proposals, first_id):
        worth = PlantedCurves().evaluate(proposal, None, seeds.stream(0, "unused"))[0].scores["worth"]
        scores = {"worth": worth, "debt": -worth, "cost": float(sum(proposal.arch.genes))}
        failed = bool(fail_every) and trial_id % fail_every == 0
        result = Result.failed("on purpose") if failed else Result(scores, PoisonedReport(), details=PoisonedReport())
        trials.append(Trial(trial_id, proposal, result))
    return trials


def _drive(strategy: Strategy, steps: int, width: int = 1, first_id: int = 0, fail_every: int = 0) -> list[Proposal]:
    """Ask for up to `width` and answer at once, `steps` times; all proposals."""
    asked: list[Proposal] = []
    for _ in range(steps):
        proposals = list(strategy.ask(width))
        assert len(proposals) <= width, f"ask({width}) gave {len(proposals)} proposals"
        assert proposals, "ask gave nothing although nothing is in flight"
        strategy.tell(_answer(first_id + len(asked), proposals, fail_every))
        asked += proposals
    return asked


def _plain(proposals: list[Proposal]) -> Any:
    return msgspec.to_builtins(proposals)


def _asked(make: MakeStrategy, make_space: MakeSpace) -> Any:
    return _plain(_drive(_new(make, make_space, 5), 40))


def _check_state(make: MakeStrategy, make_space: MakeSpace) -> None:
    """A state taken in the middle of things, sent through the checkpoint's format, continues exactly the same."""
    for width in (1, 4):
        _check_restored(make, make_space, PLANTED_CRITERIA, width, steps=25)


def _check_restored(make: MakeStrategy, make_space: MakeSpace, criteria: Criteria, width: int, steps: int) -> None:
    _check_continues(partial(_new, make, make_space, criteria=criteria), width, steps)


def _check_continues(new: Callable[[int], Strategy], width: int, steps: int) -> None:
    """The state of one strategy, of a seed, makes the same of another one, of another seed, which has that very state:
    it may be resumed and stopped before it asks."""
    original = new(6)
    done = len(_drive(original, steps, width))
    in_flight = list(original.ask(2))
    encoded = encode_state(original.state_dict())
    restored = new(7)
    restored.load_state_dict(decode_state(encoded))
    assert encode_state(restored.state_dict()) == encoded, "after load_state_dict a strategy has another state"
    rest = []
    for strategy in (original, restored):
        if in_flight:
            strategy.tell(_answer(done, in_flight))
        rest.append(_plain(_drive(strategy, steps, width, done + len(in_flight))))
    assert rest[0] == rest[1], "after state_dict and load_state_dict the strategy continues differently"


def _check_briefly(make: MakeStrategy, make_space: MakeSpace, criteria: Criteria) -> None:
    """It keeps asking for valid architectures, failures or not, and its state is complete."""
    space = make_space()
    for proposal in _drive(_new(make, make_space, 14, criteria), 50, fail_every=5):
        assert is_valid(space, proposal.arch), f"it proposed {proposal.arch}, which breaks a rule of {space.name!r}"
    _check_restored(make, make_space, criteria, width=3, steps=8)


def _check_warm_started(make: MakeStrategy, make_space: MakeSpace) -> None:
    """Given trials of earlier runs, of this problem, of another or none, it goes on like that: from its state alone,
    and without asking again for what has failed on this problem."""
    if not isinstance(_new(make, make_space, 0), WarmStarted):
        return
    given = _answer(0, _drive(_new(RandomSearch, make_space, 16), 12), fail_every=2)
    trials = tuple(trial.without_report() for trial in given)
    for what, earlier in (
        ("this problem", [EarlierRun(PLANTED_CRITERIA, trials, same_problem=True)]),
        ("this problem, which has other objectives", [EarlierRun(_MINIMISED, trials, same_problem=True)]),
        ("another problem", [EarlierRun(_MINIMISED, trials, same_problem=False)] * 2),
        ("nothing", []),
    ):
        with located(f"warm started with {what}"):
            _check_continues(partial(_warm_started, make, make_space, earlier), width=2, steps=6)
    failed = {trial.proposal.arch for trial in trials if not trial.result.ok}
    same = [EarlierRun(PLANTED_CRITERIA, trials, same_problem=True)]
    asked = {proposal.arch for proposal in _drive(_warm_started(make, make_space, same, 17), 30)}
    assert not failed & asked, "it asks again for what has failed in an earlier run on the same problem"


def _warm_started(make: MakeStrategy, make_space: MakeSpace, earlier: Sequence[EarlierRun], seed: int) -> Strategy:
    strategy = _new(make, make_space, seed)
    assert isinstance(strategy, WarmStarted)
    strategy.warm_start(earlier)
    return strategy


def _check_direction(make: MakeStrategy, make_space: MakeSpace) -> None:
    """To minimise the negative is to maximise: strategies ask `Criteria` which result is better."""
    asked = [_plain(_drive(_new(make, make_space, 15, c), 40)) for c in (PLANTED_CRITERIA, _MINIMISED)]
    assert asked[0] == asked[1], "minimising the negative of a metric is not the same as maximising it"


def _accepts(make: MakeStrategy, make_space: MakeSpace) -> bool:
    """Whether the strategy accepts a space with these capabilities."""
    try:
        _new(make, make_space, 0)
    except InputError:
        return False
    return True


def _check_any_order(make: MakeStrategy, make_space: MakeSpace) -> None:
    """Trials told in one call may come in any order; trials of several asks may be told late and shuffled."""
    futures = []
    for backwards in (False, True):
        strategy = _new(make, make_space, 8)
        trials = _answer(0, list(strategy.ask(6)))
        strategy.tell(trials[::-1] if backwards else trials)
        futures.append(_plain(_drive(strategy, 15, 1, len(trials))))
    assert futures[0] == futures[1], "the order of trials within one tell changes what follows"
    strategy, rng, done = _new(make, make_space, 9), np.random.default_rng(0), 0
    flight: list[Trial] = []
    for _ in range(60):
        new = _answer(done, list(strategy.ask(3)), fail_every=7)
        done += len(new)
        flight += new
        assert flight, "ask gave nothing although nothing is in flight"
        for _ in range(int(rng.integers(1, len(flight) + 1))):
            strategy.tell([flight.pop(int(rng.integers(len(flight))))])


def _check_told_once(make: MakeStrategy, make_space: MakeSpace) -> None:
    """What was not asked for, and what was told already, is refused, and nothing is learnt from it."""
    strategy = _new(make, make_space, 16)
    done = len(_drive(strategy, 10))
    (trial,) = _answer(done, list(strategy.ask(1)))
    stray = Trial(done + 1, replace(trial.proposal, note={**trial.proposal.note, "asked": "by nobody"}), trial.result)
    _check_refused(strategy, [stray], "a trial that was not asked for")
    _check_refused(strategy, [trial, stray], "a trial that was not asked for, beside one that was,")
    _check_refused(strategy, [trial, trial], "a trial twice in one call")
    strategy.tell([trial])
    _check_refused(strategy, [trial], "a trial twice")
    _drive(strategy, 5, 1, done + 1)


def _check_refused(strategy: Strategy, trials: Sequence[Trial], what: str) -> None:
    before = encode_state(strategy.state_dict())
    with must_raise(InputError, f"telling {what}"):
        strategy.tell(trials)
    assert encode_state(strategy.state_dict()) == before, f"telling {what} changed the strategy"


def _check_durations(make: MakeStrategy, make_space: MakeSpace) -> None:
    """On workers whose trainings take unequal times and fail now and then, told in order and as they come.

    States stay for as long as the loop keeps them: as the strategy's `needed` says. What is told in order does not
    depend on how long it took.
    """
    inherits = _inherits(make, make_space)
    queries = 60 if inherits else 30
    for space in (make_space, SmallSpace) if inherits and _accepts(make, SmallSpace) else (make_space,):
        serial = _searched(make, space, queries, 4, SerialExecutor)
        timed = _searched(make, space, queries, 4, partial(SimulatedExecutor, workers=4, duration=_seconds))
        told = "told in the order of trials, it asks for something else if evaluations take other times"
        assert sorted(timed, key=lambda line: line.id) == sorted(serial, key=lambda line: line.id), told
        for workers in (1, 4, 16):
            executor = partial(SimulatedExecutor, workers=workers, duration=_seconds)
            _searched(make, space, queries, workers, executor, as_completed=True)


def _inherits(make: MakeStrategy, make_space: MakeSpace) -> bool:
    return plan_of(_new(make, make_space, 0)).inherits


def _seconds(job: Job, result: Result) -> float:
    """An epoch takes as long as the genes say, and a promotion as long as a training from the start."""
    return PLANTED_RESOURCE.resolve(job.proposal.fidelity) * (1.0 + sum(job.proposal.arch.genes) % 7)


class _Failing(PlantedCurves):
    """One in five evaluations fails."""

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        if rng.random() < 0.2:
            return Result.failed("on purpose"), None
        return super().evaluate(proposal, weights, rng)


def _searched(
    make: MakeStrategy,
    make_space: MakeSpace,
    queries: int,
    width: int,
    executor: Callable[..., Executor],
    as_completed: bool = False,
) -> list[TrialRecord]:
    """The record of a search with states that are kept for no longer than they are needed."""
    space, states, journal = make_space(), _Shelf(), MemoryJournal()
    strategy = _Watched(_new(make, make_space, 17))
    plan = plan_of(strategy.inner)
    retention = _OnlyNeeded(states, PLANTED_CRITERIA) if plan.inherits else None
    evaluations = executor(_Failing(), checkpoints=states if plan.inherits else None)
    limits = Limits(queries, width, max_repeats=100, as_completed=as_completed)
    search = Search(
        space, strategy, evaluations, journal, limits, 0, retention=retention, plan=plan, resource=PLANTED_RESOURCE
    )
    try:
        search.run()
    except StrategyError as error:
        if isinstance(error.__cause__, AssertionError):  # of `_Watched`, which the loop takes for the strategy
            raise error.__cause__ from None
        raise
    return journal.lines


class _Watched:
    """A strategy that is watched: it may inherit only from trials that it was told."""

    def __init__(self, inner: Strategy) -> None:
        self.inner = inner
        self.succeeded: set[int] = set()

    def ask(self, n: int) -> Sequence[Proposal]:
        proposals = self.inner.ask(n)
        strangers = set[int]().union(*(sources(proposal.inherit) for proposal in proposals)) - self.succeeded
        assert not strangers, f"it inherits from trial {min(strangers)}, which was not told, or has failed"
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        self.succeeded.update(trial.id for trial in trials if trial.result.ok)
        self.inner.tell(trials)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _Shelf(CheckpointsInMemory):
    """Raises AssertionError for a state that is missing."""

    def load(self, trial: int) -> Weights:
        assert trial in self.kept, f"it inherits from trial {trial}, whose state `needed` did not keep"
        return super().load(trial)


class _OnlyNeeded(Retention):
    """Keeps what is needed, and not the best ever besides."""

    def told(self, trial: int, answer: Scored, fidelity: int = 0) -> None:
        pass


def _check_failures(make: MakeStrategy, make_space: MakeSpace) -> None:
    """Failures are told like other trials, even when there is nothing else."""
    _drive(_new(make, make_space, 10), 60, fail_every=1)
    _drive(_new(make, make_space, 11), 60, fail_every=3)


def _check_extremes(make: MakeStrategy, make_space: MakeSpace) -> None:
    """Scores at both ends of what floats can hold, and all the same, are scores like others."""
    largest = sys.float_info.max
    for scores in ((largest, -largest, 5e-324, 0.0), (1.0,)):
        strategy, done = _new(make, make_space, 18), 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(25):
                proposals = list(strategy.ask(1))
                assert proposals, "ask gave nothing although nothing is in flight"
                result = Result({name: scores[done % len(scores)] for name in ("worth", "debt", "cost")})
                strategy.tell([Trial(done, proposals[0], result)])
                done += 1


def _check_valid(make: MakeStrategy, make_space: MakeSpace) -> None:
    """Only valid architectures are proposed, even if the space has rules."""
    for kind in (make_space, RuledSpace) if make_space is PlantedSpace else (make_space,):
        space = kind()
        for proposal in _drive(_new(make, kind, 13), 60):
            assert is_valid(space, proposal.arch), f"it proposed {proposal.arch}, which breaks a rule of {space.name!r}"


def _check_bounded(make: MakeStrategy) -> None:
    """If no architecture is valid, a strategy raises an error instead of searching for ever."""
    with must_raise(NoArchitectureError, "asking in a space without valid architectures"):
        _drive(_on(ForbiddenSpace(), make, 12), 1)


def _best(make: MakeStrategy, make_space: MakeSpace, seed: int, queries: int) -> float:
    journal, space = MemoryJournal(), make_space()
    limits = Limits(None, resource=queries * PLANTED_RESOURCE.maximum)
    Search(
        space, _on(space, make, seed), SerialExecutor(PlantedCurves()), journal, limits, seed, resource=PLANTED_RESOURCE
    ).run()
    best = History.of(journal.lines, PLANTED_CRITERIA, PLANTED_RESOURCE).best()
    assert best is not None, "it found nothing"
    return planted_worth(best.trial.proposal.arch)
