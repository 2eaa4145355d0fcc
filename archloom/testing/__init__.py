"""The contracts of spaces, strategies and evaluators as test suites that every implementation runs, yours included.

    from archloom.testing import check_space, check_strategy, check_evaluator

    def test_my_space():
        check_space(MySpace)

Each function takes a factory, so that fresh copies can be made, in fresh processes too: a class or a function at module
level, or a `functools.partial` of one. A broken contract is an AssertionError that says which one and how.
"""

from __future__ import annotations

import importlib.util
import io
import json
import multiprocessing as mp
import os
import pickle
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial, reduce
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np

from archloom.checkpoints.store import CheckpointsInMemory, Retention, sources
from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import InputError, NoArchitectureError
from archloom.evaluators.base import Evaluator, checked
from archloom.executors.base import Executor, Job
from archloom.executors.serial import SerialExecutor
from archloom.executors.simulated import SimulatedExecutor
from archloom.run.budgets import Limits
from archloom.run.history import History
from archloom.run.record import TrialRecord, decode_state, encode_state
from archloom.run.search import MemoryJournal, Search
from archloom.spaces.base import (
    Buildable,
    Categorical,
    HasAlpha,
    HasConditions,
    HasModules,
    HasNeighbours,
    HasSize,
    HasUnitCube,
    SearchSpace,
    is_valid,
    mutate_valid,
    sample_valid,
)
from archloom.spaces.graphs import HasGrammar, HasGraph
from archloom.spaces.table import TableSpace
from archloom.strategies.base import Strategy, plan_of
from archloom.strategies.random_search import RandomSearch
from archloom.testing.domains import MixedSpace, check_conditions, check_unit_cube
from archloom.testing.graphs import check_grammar, check_graph
from archloom.types import Arch, Goal, Proposal, Resource, Result, Trial, Weights, resolve_fidelity
from archloom.utils import seeds

MakeSpace = Callable[[], SearchSpace]
MakeStrategy = Callable[..., Strategy]
"""Of (space, criteria, rng), and of the keyword `resource` for a strategy that says `needs_resource`."""
MakeEvaluator = Callable[[], Evaluator]


# -- a task whose answer is known ---------------------------------------------------------------------------------


class PlantedSpace(Categorical):
    """Eight choices of four options; every gene that agrees with the planted architecture (all 1) is worth 1."""

    name = "planted"

    def __init__(self) -> None:
        super().__init__({f"gene{i}": "abcd" for i in range(8)})

    def modules(self, gene: int) -> Sequence[str]:
        """The layer that a gene owns in the network of `tasks.planted`."""
        return (f"network.layers.{gene}",)


class ForbiddenSpace(PlantedSpace):
    """The planted space under a rule that no architecture satisfies."""

    name = "forbidden"

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return {"forbidden": 1.0}


class RuledSpace(PlantedSpace):
    """The planted space under a rule: the first two genes differ."""

    name = "ruled"

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return {"the first two genes are equal": float(arch.genes[0] == arch.genes[1])}


class SmallSpace(Categorical):
    """Two choices of three options: so few architectures that they are used up soon, or asked for again."""

    name = "small"

    def __init__(self) -> None:
        super().__init__({f"gene{i}": "abc" for i in range(2)})

    def modules(self, gene: int) -> Sequence[str]:
        return (f"network.layers.{gene}",)


class SparseSpace(TableSpace):
    """A thousand architectures of the planted space, drawn once and for all; the others are not valid."""

    name = "sparse"

    def __init__(self) -> None:
        planted, rng = PlantedSpace(), seeds.stream(0, "sparse")
        drawn = sorted({planted.sample(rng).genes for _ in range(1_000)})
        super().__init__(dict(zip(planted.gene_names, planted.values, strict=True)), np.array(drawn, dtype=np.uint8))


class PlantedEvaluator:
    """Tells how much of the planted architecture is there, in percent."""

    goals: Mapping[str, Goal] = {"worth": "max"}
    resource: Resource | None = None

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        resolve_fidelity(self.resource, proposal.fidelity)
        return Result({"worth": planted_worth(proposal.arch)}), None


def planted_worth(arch: Arch) -> float:
    """How much of the planted architecture is there, in percent."""
    return 100.0 * sum(gene == 1 for gene in arch.genes) / len(arch.genes)


PLANTED_RESOURCE = Resource("epochs", 27, open_ended=True)


class PlantedCurves:
    """The same along a training: after 27 epochs, or more, it tells what `PlantedEvaluator` does.

    Before, networks are worth less, and are mistaken for better or worse ones: of the share of the training that is
    missing, half of the worth is missing too, and an error with a standard deviation of `ERROR` is added, which is the
    architecture's own and stays the same. After 1 epoch the correlation with the full worth is about 0.7. Where states
    are kept it needs those that a proposal inherits; the state of a training is the number of its epochs.
    """

    goals: Mapping[str, Goal] = {"worth": "max"}
    resource: Resource | None = PLANTED_RESOURCE
    ERROR = 8.0

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        epochs = PLANTED_RESOURCE.resolve(proposal.fidelity)
        for trial in sources(proposal.inherit) if weights is not None else ():
            assert weights is not None and trial in weights, f"the state of trial {trial} is not there"
        missing = max(0.0, 1.0 - epochs / PLANTED_RESOURCE.maximum)
        error = seeds.stream(0, f"error of {proposal.arch.genes}").normal(0.0, self.ERROR)
        return Result({"worth": planted_worth(proposal.arch) * (1.0 - missing / 2) + missing * error}), epochs


PLANTED_CRITERIA = Criteria((Objective("worth", "max"),))
_MINIMISED = Criteria((Objective("debt", "min"),))
_OTHER_CRITERIA: Mapping[str, Criteria] = {
    "a constraint that no architecture keeps": Criteria(
        (Objective("worth", "max"),), (Constraint("worth", 200.0, at_most=False),)
    ),
    "two objectives": Criteria((Objective("worth", "max"), Objective("cost", "min"))),
    "a minimised goal": _MINIMISED,
}
"""Of the scores that `_answer` gives."""


class PoisonedReport(dict[str, Any]):
    """A report, or details, that a strategy must not look into."""

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("the strategy read `report` or `details`, which are for people only")

    __getitem__ = __iter__ = __contains__ = items = values = keys = get = _refuse


# -- spaces -------------------------------------------------------------------------------------------------------


def check_space(make: MakeSpace, samples: int = 40) -> None:
    """Run the contract of `SearchSpace`, and of every capability that the space has."""
    space = make()
    rng = seeds.stream(0, "check")
    archs = [sample_valid(space, rng) for _ in range(samples)]
    for arch in archs:
        _check_arch(space, arch)
        _check_mutation(space, arch)
        if isinstance(space, HasNeighbours):
            _check_neighbours(space, arch)
        if isinstance(space, HasAlpha):
            _check_one_hot(space, arch)
    _check_keys(space, archs)
    _check_modules(space, archs)
    for start in archs[:4]:
        _check_chain(space, start, wanted=len({space.key(arch) for arch in archs}) / 2)
    if isinstance(space, HasAlpha):
        _check_alpha(space)
    if isinstance(space, HasUnitCube):
        check_unit_cube(space, archs, seeds.stream(6, "check"))
    if isinstance(space, HasConditions):
        check_conditions(space, archs)
    _check_unparsable(space)
    if isinstance(space, HasGraph):
        check_graph(space, archs)
    if isinstance(space, HasGrammar):
        check_grammar(space, archs, seeds.stream(5, "check"))
    _check_independent(partial(_draws, make), "sample")


def _draws(make: MakeSpace) -> list[str]:
    space, rng = make(), seeds.stream(3, "check")
    archs = [sample_valid(space, rng) for _ in range(20)]
    return [space.format(arch) for arch in archs] + [space.key(space.mutate(arch, rng)) for arch in archs]


def _check_arch(space: SearchSpace, arch: Arch) -> None:
    assert all(type(gene) in (int, float) for gene in arch.genes), f"genes of {arch} are not plain numbers"
    back = msgspec.json.decode(msgspec.json.encode(arch), type=Arch)
    assert back == arch, f"{arch} does not survive JSON: {back}"
    text = space.format(arch)
    assert space.parse(text) == arch, f"parse(format) of {text!r} is {space.parse(text)}, not {arch}"
    fitness = space.canonical(arch)
    assert space.canonical(fitness) == fitness, f"canonical({fitness}) is not itself"
    assert space.key(fitness) == space.key(arch), f"{arch} and its canonical {fitness} have different keys"


def _check_keys(space: SearchSpace, archs: list[Arch]) -> None:
    fitness: dict[str, Arch] = {}
    for arch in archs:
        other = fitness.setdefault(space.key(arch), space.canonical(arch))
        assert other == space.canonical(arch), f"{arch} and {other} have one key, but are not the same"
    if isinstance(space, HasSize) and space.size is not None:
        assert len(fitness) <= space.size, f"size is {space.size}, but {len(fitness)} different ones were drawn"


def _check_mutation(space: SearchSpace, arch: Arch) -> None:
    before = arch.genes
    mutant = space.mutate(arch, seeds.stream(1, "check"))
    assert arch.genes == before, "mutate changed its argument"
    assert mutant == space.mutate(arch, seeds.stream(1, "check")), "mutate is not determined by its generator"
    _check_written(space, mutant, "mutant")


def _check_written(space: SearchSpace, arch: Arch, what: str) -> None:
    try:
        back: Arch | None = space.parse(space.format(arch))
    except InputError:
        back = None
    assert back == arch, f"the {what} {arch} cannot be written and read back"


def _check_modules(space: SearchSpace, archs: list[Arch]) -> None:
    """What genes own is there, in some network at least: a prefix that is misspelled owns nothing, silently."""
    if (
        not (isinstance(space, HasModules) and isinstance(space, Buildable))
        or importlib.util.find_spec("torch") is None
    ):
        return
    missing = {prefix: gene for gene in range(len(archs[0].genes)) for prefix in space.modules(gene)}
    names: list[str] = []
    for arch in archs:
        names = list(space.build(arch, 0).state_dict())
        # What `build` returns is either all networks as children, or the one network that the prefixes begin with.
        there = {start for name in names for start in accumulate(name.split("."), "{}.{}".format)}
        missing = {p: gene for p, gene in missing.items() if p not in there and p.partition(".")[2] not in there}
        if not missing:
            return
    prefix, gene = next(iter(missing.items()))
    raise AssertionError(
        f"gene {gene} owns {prefix!r}, below which none of {len(archs)} networks has a tensor: is it misspelled? "
        f"Names are like {names[0]!r}, after NETWORK. where there is one network"
    )


def _check_chain(space: SearchSpace, start: Arch, wanted: float, length: int = 200) -> None:
    """From anywhere, a chain of valid mutations sees at least half as many architectures as some draws did."""
    arch, rng = start, seeds.stream(4, "check")
    seen = {space.key(arch)}
    for _ in range(length):
        arch = mutate_valid(space, arch, rng)
        seen.add(space.key(arch))
        if len(seen) >= wanted:
            return
    raise AssertionError(
        f"mutations get stuck: {length} in a row from {start} led to {len(seen)} different architectures, "
        f"expected at least {wanted:g}"
    )


def _check_neighbours(space: Any, arch: Arch) -> None:
    neighbours = list(space.neighbours(arch))
    assert arch not in neighbours, f"{arch} is its own neighbour"
    assert len(set(neighbours)) == len(neighbours), f"a neighbour of {arch} is listed twice"
    for near in neighbours:
        _check_written(space, near, "neighbour")
    assert neighbours == list(space.neighbours(arch)), "neighbours come in another order the second time"
    if getattr(space, "neighbours_are_valid", False):
        wrong = next((near for near in neighbours if not is_valid(space, near)), None)
        assert wrong is None, f"neighbours are said to be valid, but {wrong} is not"


def _check_one_hot(space: Any, arch: Arch) -> None:
    matrix = space.one_hot(arch)
    assert matrix.shape == space.alpha_shape, f"one_hot has shape {matrix.shape}, alpha_shape is {space.alpha_shape}"
    back = space.discretise(matrix)
    assert space.key(back) == space.key(arch), f"discretise(one_hot) of {arch} is {back}"


def _check_alpha(space: Any) -> None:
    rng = seeds.stream(2, "check")
    for _ in range(20):
        arch = space.discretise(rng.random(space.alpha_shape))
        assert space.parse(space.format(arch)) == arch, f"alpha gave {arch}, which the space cannot write"
    rows, columns = space.alpha_shape
    with _must_raise(InputError, "discretise of a wrong shape"):
        space.discretise(np.zeros((rows + 1, columns)))


def _check_unparsable(space: SearchSpace) -> None:
    for text in ("", "no architecture", "|~0|+|~0|~1|", "=", "a=b, c"):
        with _must_raise(InputError, f"parse({text!r})"):
            space.parse(text)


# -- strategies ---------------------------------------------------------------------------------------------------


def check_strategy(
    make: MakeStrategy,
    *,
    beats_random: bool = True,
    queries: int = 120,
    repetitions: int = 8,
    make_space: MakeSpace = PlantedSpace,
) -> None:
    """Run the contract of `Strategy`: with one objective; with two; minimising; and where nothing keeps a constraint.

    `make(space, criteria, rng)` is the strategy's class, or a `partial` of it that sets its options. With
    `beats_random` it must find more of the planted architecture than random search does in as many epochs, those of
    `queries` full trainings, on average over `repetitions` seeds. `make_space` replaces the planted space if a strategy
    needs another kind; then `PlantedCurves` scores its genes. A strategy that does not refuse a sparse table is tried
    on one too, and one that does not refuse numbers on a space with numbers and conditions.
    """
    _check_independent(partial(_asked, make, make_space), "ask")
    _check_state(make, make_space)
    _check_told_once(make, make_space)
    _check_any_order(make, make_space)
    _check_failures(make, make_space)
    _check_durations(make, make_space)
    _check_valid(make, make_space)
    _check_bounded(make)
    for what, criteria in _OTHER_CRITERIA.items():
        with _said(f"with {what}"):
            _check_briefly(make, make_space, criteria)
    _check_direction(make, make_space)
    for kind, where in ((SparseSpace, "on a sparse table"), (MixedSpace, "on a space with numbers and conditions")):
        if _accepts(make, kind):
            with _said(where):
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
    more = {"resource": PLANTED_RESOURCE} if getattr(kind, "needs_resource", False) else {}
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
    original = _new(make, make_space, 6, criteria)
    done = len(_drive(original, steps, width))
    in_flight = list(original.ask(2))
    state = decode_state(encode_state(original.state_dict()))
    restored = _new(make, make_space, 7, criteria)
    restored.load_state_dict(state)
    rest = []
    for strategy in (original, restored):
        if in_flight:
            strategy.tell(_answer(done, in_flight))
        rest.append(_plain(_drive(strategy, steps, width, done + len(in_flight))))
    assert rest[0] == rest[1], "after state_dict and load_state_dict the strategy goes on differently"


def _check_briefly(make: MakeStrategy, make_space: MakeSpace, criteria: Criteria) -> None:
    """It goes on asking for valid architectures, failures or not, and its state is complete."""
    space = make_space()
    for proposal in _drive(_new(make, make_space, 14, criteria), 50, fail_every=5):
        assert is_valid(space, proposal.arch), f"it proposed {proposal.arch}, which breaks a rule of {space.name!r}"
    _check_restored(make, make_space, criteria, width=3, steps=8)


def _check_direction(make: MakeStrategy, make_space: MakeSpace) -> None:
    """To minimise the negative is to maximise: strategies ask `Criteria` which result is better."""
    asked = [_plain(_drive(_new(make, make_space, 15, c), 40)) for c in (PLANTED_CRITERIA, _MINIMISED)]
    assert asked[0] == asked[1], "minimising the negative of a metric is not the same as maximising it"


def _accepts(make: MakeStrategy, make_space: MakeSpace) -> bool:
    """Whether the strategy can do with what the space is able to."""
    try:
        _new(make, make_space, 0)
    except InputError:
        return False
    return True


@contextmanager
def _said(where: str) -> Iterator[None]:
    """Whatever goes wrong is told together with where it did."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{where}: {error if isinstance(error, AssertionError) else repr(error)}") from error


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
    """What was not asked for, and what was told already, is refused, and nothing is learnt of it."""
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
    with _must_raise(InputError, f"telling {what}"):
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
        told = "told in the order of trials, it asks for something else if they take other times"
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
    evaluations = executor(_Failing(), states=states if plan.inherits else None)
    limits = Limits(queries, width, max_repeats=100, as_completed=as_completed)
    Search(
        space, strategy, evaluations, journal, limits, 0, retention=retention, plan=plan, resource=PLANTED_RESOURCE
    ).run()
    assert not strategy.strangers, (
        f"it inherits from trial {min(strategy.strangers)}, which was not told, or has failed"
    )
    assert not states.missing, f"it inherits from trial {min(states.missing)}, whose state `needed` did not keep"
    return journal.lines


class _Watched:
    """A strategy under watch: it inherits from trials that it was told of only."""

    def __init__(self, inner: Strategy) -> None:
        self.inner = inner
        self.strangers: set[int] = set()  # inherited from when they had not been told, or had failed
        self.succeeded: set[int] = set()

    def ask(self, n: int) -> Sequence[Proposal]:
        proposals = self.inner.ask(n)
        self.strangers.update(*(sources(proposal.inherit) - self.succeeded for proposal in proposals))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        self.succeeded.update(trial.id for trial in trials if trial.result.ok)
        self.inner.tell(trials)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _Shelf(CheckpointsInMemory):
    """Notes which states were asked for and were not there."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: set[int] = set()

    def load(self, trial: int) -> Weights:
        if trial not in self.kept:
            self.missing.add(trial)
        return super().load(trial)


class _OnlyNeeded(Retention):
    """Keeps what is needed, and not the best ever besides."""

    def told(self, trial: Trial, fidelity: int = 0) -> None:
        pass


def _check_failures(make: MakeStrategy, make_space: MakeSpace) -> None:
    """Failures are told like other trials, even when there is nothing else."""
    _drive(_new(make, make_space, 10), 60, fail_every=1)
    _drive(_new(make, make_space, 11), 60, fail_every=3)


def _check_valid(make: MakeStrategy, make_space: MakeSpace) -> None:
    """Only valid architectures are proposed, also where the space has rules."""
    for kind in (make_space, RuledSpace) if make_space is PlantedSpace else (make_space,):
        space = kind()
        for proposal in _drive(_new(make, kind, 13), 60):
            assert is_valid(space, proposal.arch), f"it proposed {proposal.arch}, which breaks a rule of {space.name!r}"


def _check_bounded(make: MakeStrategy) -> None:
    """Where no architecture is valid, a strategy says so instead of looking for ever."""
    with _must_raise(NoArchitectureError, "asking in a space without valid architectures"):
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


# -- evaluators ---------------------------------------------------------------------------------------------------


def check_evaluator(make: MakeEvaluator, make_space: MakeSpace, samples: int = 5) -> None:
    """Run the contract of `Evaluator` on random architectures of a space."""
    evaluator, space = make(), make_space()
    resource: Any = evaluator.resource
    assert resource is None or isinstance(resource, Resource), f"resource is {resource!r}: expected a Resource or None"
    assert evaluator.goals, "goals is empty: nothing can be optimised"
    assert set(evaluator.goals.values()) <= {"max", "min"}, f"goals are {dict(evaluator.goals)}: expected max or min"
    rng = seeds.stream(0, "check")
    for index in range(samples):
        proposal = Proposal(sample_valid(space, rng))
        before = msgspec.to_builtins(proposal)
        result, _ = evaluator.evaluate(proposal, None, seeds.stream(0, "evaluate", index))
        assert msgspec.to_builtins(proposal) == before, "evaluate changed the proposal"
        kept = checked(result, evaluator.goals)
        assert kept.ok or result.error, f"a result without error is not usable: {kept.error}"
        stray = sorted(set(result.scores) - set(evaluator.goals))
        assert not stray, f"{', '.join(stray)} is in scores, but not in goals"
        json.dumps([dict(result.scores), dict(result.report), dict(result.details)])
    _check_independent(partial(_scores, make, make_space), "evaluate")
    archs = [sample_valid(space, rng) for _ in range(samples)]
    _check_repeats(evaluator, archs)
    _check_fidelities(evaluator, archs)


def _told(evaluator: Evaluator, proposal: Proposal, index: int = 0) -> Any:
    """What an evaluation comes to, without its seconds."""
    answer, _ = evaluator.evaluate(proposal, None, seeds.stream(2, "evaluate", index))
    kept = checked(answer, evaluator.goals)
    return [dict(kept.scores), dict(kept.report), dict(kept.details), kept.error]


def _check_repeats(evaluator: Evaluator, archs: Sequence[Arch]) -> None:
    """No evaluation depends on those before it."""
    first, again = ([_told(evaluator, Proposal(arch), index) for index, arch in enumerate(archs)] for _ in range(2))
    assert first == again, (
        "the same proposal is answered differently after others: nothing may be left of an evaluation"
    )


def _check_fidelities(evaluator: Evaluator, archs: Sequence[Arch]) -> None:
    """Every fidelity that there is is answered, any other refused; 0 is the maximum."""
    resource = evaluator.resource
    for fidelity in _foreign(resource):
        with _must_raise(InputError, f"fidelity {fidelity}, with the resource {resource}"):
            _told(evaluator, Proposal(archs[0], fidelity))
    if resource is None:
        return
    middle = resource.levels[1:-1] or [(resource.minimum + resource.maximum) // 2]
    try:
        lowest, full, spelt_out = (
            [_told(evaluator, Proposal(arch, fidelity), index) for index, arch in enumerate(archs)]
            for fidelity in (resource.minimum, 0, resource.maximum)
        )
        for fidelity in middle:
            _told(evaluator, Proposal(archs[0], fidelity))
    except InputError as error:
        raise AssertionError(f"the resource is {resource}, and one of these is refused: {error}") from error
    assert full == spelt_out, f"fidelity 0 is answered differently from the maximum, {resource.maximum}"
    same = resource.minimum < resource.maximum and lowest == full
    assert not same, f"fidelities {resource.minimum} and {resource.maximum} are answered the same: is it ignored?"


def _foreign(resource: Resource | None) -> list[int]:
    """Some fidelities that a resource has not."""
    if resource is None:
        return [-1, 1]
    levels, ceiling = set(resource.levels), resource.maximum + 1
    gaps = [level + 1 for level in resource.levels if level + 1 not in levels][:1]
    below = [resource.minimum - 1] if resource.minimum > 1 else []
    return [-1, *below, *gaps, *([] if resource.open_ended else [ceiling])]


def _scores(make: MakeEvaluator, make_space: MakeSpace) -> list[Any]:
    evaluator, space, rng = make(), make_space(), seeds.stream(4, "check")
    results = []
    for index in range(5):
        answer, _ = evaluator.evaluate(Proposal(sample_valid(space, rng)), None, seeds.stream(1, "evaluate", index))
        results.append(checked(answer, evaluator.goals))  # without NaN, which is unequal to itself
    return [[dict(r.scores), dict(r.report), dict(r.details), r.error] for r in results]


# -- randomness ---------------------------------------------------------------------------------------------------


def _check_independent(observe: Callable[[], Any], what: str) -> None:
    """What is observed depends on no global seed, changes no global stream, and is the same in a fresh process."""
    outcomes = []
    for global_seed in (1, 2):
        with _global_seeds(global_seed):
            outcomes.append(observe())
    assert outcomes[0] == outcomes[1], f"{what} depends on a global random seed"
    fresh = _in_fresh_process(observe)
    assert fresh == outcomes[0], f"{what} gives something else in a fresh process"


@contextmanager
def _global_seeds(seed: int) -> Iterator[None]:
    """Seed the global generators; afterwards they must not have been used, and are put back."""
    before = _global_states()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the point is to watch it
    if "torch" in before:
        sys.modules["torch"].default_generator.manual_seed(seed)
    expected = _global_states()
    try:
        yield
        for name, state in _global_states().items():
            # What was first imported meanwhile was not watched.
            assert state == expected.get(name, state), f"the global random generator of {name} was used"
    finally:
        random.setstate(before["random"])
        np.random.set_state(before["numpy"])  # noqa: NPY002
        if "torch" in before:
            torch = sys.modules["torch"]
            torch.set_rng_state(torch.tensor(before["torch"], dtype=torch.uint8))


def _global_states() -> dict[str, Any]:
    """The states of the global generators, PyTorch's where it is loaded, in forms that compare."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    states: dict[str, Any] = {"random": random.getstate(), "numpy": (kind, np.asarray(keys).tolist(), *rest)}
    if "torch" in sys.modules:
        states["torch"] = sys.modules["torch"].get_rng_state().tolist()
    return states


def _in_fresh_process(observe: Callable[[], Any]) -> Any:
    """What `observe` returns in a new interpreter with another hash seed."""
    try:
        task = pickle.dumps(observe)
        reader = _Reader(task, {})
        reader.load()
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(
            f"the factory cannot go to a fresh process: define it at module level ({error})"
        ) from error
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = "12345"
    try:
        with ProcessPoolExecutor(1, mp_context=mp.get_context("spawn")) as pool:
            return pool.submit(_observe, task, reader.files).result()
    except BrokenProcessPool as error:
        raise AssertionError("the fresh process died; what it said is on standard error") from error
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def _observe(task: bytes, files: Mapping[str, str]) -> Any:
    return _Reader(task, files).load()()


class _Reader(pickle.Unpickler):
    """Reads a factory, and finds modules by their file where their name is of no use.

    pytest with `--import-mode=importlib` gives test modules names that another process may not be able to import.
    """

    def __init__(self, task: bytes, files: Mapping[str, str]) -> None:
        super().__init__(io.BytesIO(task))
        self.files = dict(files)

    def find_class(self, module: str, name: str) -> Any:
        if module not in sys.modules and module in self.files and not _importable(module, self.files[module]):
            spec = importlib.util.spec_from_file_location(module, self.files[module])
            assert spec is not None and spec.loader is not None, f"{self.files[module]} cannot be imported"
            sys.modules[module] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[module])
        if module not in sys.modules:
            importlib.import_module(module)
        file = getattr(sys.modules[module], "__file__", None)
        if file is not None:
            self.files[module] = file
        return reduce(getattr, name.split("."), sys.modules[module])


def _importable(module: str, file: str) -> bool:
    """Whether this name imports that very file."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return False
    return spec is not None and spec.origin == file


@contextmanager
def _must_raise(kind: type[Exception], what: str) -> Iterator[None]:
    try:
        yield
    except kind:
        return
    except Exception as error:
        raise AssertionError(f"{what} raised {type(error).__name__} instead of {kind.__name__}: {error}") from error
    raise AssertionError(f"{what} did not raise {kind.__name__}")


def is_planted(arch: Arch) -> bool:
    """Whether this is the architecture that `PlantedSpace` hides."""
    return all(gene == 1 for gene in arch.genes)


__all__ = [
    "PLANTED_CRITERIA",
    "PLANTED_RESOURCE",
    "ForbiddenSpace",
    "MixedSpace",
    "PlantedCurves",
    "PlantedEvaluator",
    "PlantedSpace",
    "RuledSpace",
    "SmallSpace",
    "SparseSpace",
    "check_evaluator",
    "check_space",
    "check_strategy",
    "is_planted",
    "is_valid",
]
