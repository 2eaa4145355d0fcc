from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import archloom
from archloom.checkpoints.retention import Retention
from archloom.checkpoints.store import CheckpointsInMemory
from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import InputError
from archloom.executors.base import Done, Job
from archloom.executors.serial import SerialExecutor
from archloom.executors.simulated import SimulatedExecutor
from archloom.problems import ProblemSpec
from archloom.registry import load_strategy
from archloom.runs.budgets import Ending, Limits
from archloom.runs.folders import run_folder, run_in_memory
from archloom.runs.history import History
from archloom.runs.prepare import Request
from archloom.runs.report import read_report
from archloom.runs.search import MemoryJournal, Search
from archloom.spaces.base import Categorical, SearchSpace
from archloom.strategies.successive_halving import (
    Asha,
    AshaOptions,
    HalvingOptions,
    HalvingStrategy,
    Hyperband,
    rungs_between,
    rungs_of,
)
from archloom.testing import PLANTED_CRITERIA, PLANTED_RESOURCE, PlantedCurves, PlantedSpace, SmallSpace, is_planted
from archloom.types import Arch, Inherit, Proposal, Resource, Result, Trial
from archloom.utils import seeds


def asha(
    seed: int = 0, resource: Resource = PLANTED_RESOURCE, space: SearchSpace | None = None, **options: Any
) -> Asha:
    return _made(Asha, seed, resource, space, AshaOptions(**options))


def hyperband(
    seed: int = 0, resource: Resource = PLANTED_RESOURCE, space: SearchSpace | None = None, **options: Any
) -> Hyperband:
    return _made(Hyperband, seed, resource, space, HalvingOptions(**options))


def _made(kind: Any, seed: int, resource: Resource, space: SearchSpace | None, options: Any) -> Any:
    rng = seeds.stream(seed, "strategy")
    return kind(space or PlantedSpace(), PLANTED_CRITERIA, rng, options, resource=resource)


def worth(proposal: Proposal) -> float:
    return PlantedCurves().evaluate(proposal, None, np.random.default_rng(0))[0].scores["worth"]


def answer(trial_id: int, proposal: Proposal, value: float | None = None, **scores: float) -> Trial:
    result = Result({"worth": worth(proposal) if value is None else value, **scores})
    return Trial(trial_id, proposal, result)


def fail(trial_id: int, proposal: Proposal) -> Trial:
    return Trial(trial_id, proposal, Result.failed("on purpose"))


def base(proposal: Proposal) -> int | None:
    return None if proposal.inherit is None else proposal.inherit.base


# -- rungs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "options", "rungs"),
    [
        (Resource("epochs", 81), {}, (1, 3, 9, 27, 81)),
        (Resource("epochs", 98), {}, (1, 3, 9, 27, 98)),
        (Resource("epochs", 98), {"eta": 2}, (1, 2, 4, 8, 16, 32, 98)),
        (Resource("epochs", 98), {"eta": 10}, (1, 98)),
        (Resource("epochs", 98), {"minimum": 4, "maximum": 40}, (4, 12, 40)),
        (Resource("epochs", 98, minimum=60), {}, (60, 98)),
        (Resource("epochs", 20, open_ended=True), {"maximum": 27}, (1, 3, 9, 27)),
        (Resource.at("epochs", [4, 12, 36, 108]), {}, (4, 12, 36, 108)),
        (Resource.at("epochs", [4, 12, 36, 108]), {"eta": 2}, (4, 12, 36, 108)),
        (Resource.at("epochs", [4, 12, 36, 108]), {"eta": 4}, (4, 36, 108)),
        (Resource.at("epochs", [4, 12, 36, 108]), {"maximum": 36}, (4, 12, 36)),
        (Resource.at("epochs", [12, 200]), {}, (12, 200)),
        (Resource.at("epochs", range(1, 201)), {}, (1, 3, 9, 27, 200)),
        (Resource.at("epochs", range(2, 201, 2)), {}, (2, 6, 18, 54, 200)),
        # Levels above minimum * eta**k, whatever those of the rungs below were.
        (Resource.at("epochs", [1, 5, 9, 27, 81]), {}, (1, 5, 9, 27, 81)),
        (Resource.at("epochs", [2, 7, 10, 20, 40, 60]), {}, (2, 7, 20, 60)),
        (Resource.at("epochs", [1, 27, 81]), {}, (1, 27, 81)),
        (Resource.at("epochs", [1, 81]), {}, (1, 81)),
    ],
)
def test_rungs(resource: Resource, options: dict[str, int], rungs: tuple[int, ...]) -> None:
    assert rungs_between(resource, HalvingOptions(**options)) == rungs


def test_rungs_may_be_given() -> None:
    for kind in (asha, hyperband):
        assert kind(resource=Resource("epochs", 98), budgets=(98, 11, 33)).rungs == (11, 33, 98)
    assert rungs_of(Resource("epochs", 98), HalvingOptions(minimum=10)) == (10, 30, 98)
    assert Hyperband.plan(HalvingOptions(budgets=(60, 30))).highest == 60


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"budgets": (4, 12)}, "budgets=12: expected 4 or 36 epochs"),
        ({"budgets": (4, 4)}, "budgets=4,4: expected two or more, e.g. 30,60,120"),
        ({"budgets": (4, 36), "maximum": 36}, "budgets are all rungs: omit minimum and maximum beside them"),
        ({"minimum": 12}, "minimum=12: expected 4 or 36 epochs, or 0 for the minimum"),
        ({"maximum": 37}, "maximum=37: expected 4 or 36 epochs, or 0 for the maximum"),
        ({"minimum": -1}, "AshaOptions option minimum=-1: expected a whole number of at least 0"),
        ({"minimum": 36}, "from 36 to 36 epochs: expected a minimum below the maximum"),
        (
            {"eta": 1},
            "AshaOptions option eta=1: expected a whole number of at least 2; the best 1 in eta is promoted",
        ),
        ({"early_stopping_rate": 2}, "early_stopping_rate=2: expected 0 to 1, of the rungs 4, 36"),
    ],
)
def test_impossible_rungs_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        asha(resource=Resource.at("epochs", [4, 36]), **options)
    assert str(caught.value) == told


@pytest.mark.parametrize("kind", [Asha, Hyperband])
def test_what_is_evaluated_in_full_only_is_refused(kind: Any) -> None:
    name = kind.__name__.lower()
    for resource, told in [
        (
            None,
            f"{name} needs a problem that is evaluated in part: a metric that a table has at several fidelities, a ",
        ),
        (Resource.at("epochs", [200]), f"{name} needs several fidelities, and worth is available at 200 epochs only: "),
        (Resource("epochs", 98, minimum=98), f"{name} needs several fidelities, and worth is available at 98 epochs "),
    ]:
        with pytest.raises(InputError) as caught:
            _made(kind, 0, resource, None, None)  # type: ignore[arg-type]
        assert str(caught.value).startswith(told)


@pytest.mark.parametrize("name", ["asha", "hyperband"])
def test_a_metric_at_one_fidelity_is_refused(name: str, data_dir: Path) -> None:
    archloom.strategy(name, archloom.scenario("nb201", objective="cifar10_valid"))
    with pytest.raises(InputError, match="cifar10_valid_200 is available at 200 epochs only: if its name says so, use"):
        archloom.strategy(name, archloom.scenario("nb201", objective="cifar10_valid_200"))


# -- asynchronous successive halving ------------------------------------------------------------------------------


class Published:
    """Li et al. 2020, Algorithm 2, as printed; architectures are drawn as `Asha` draws them."""

    def __init__(self, rungs: tuple[int, ...], eta: int, seed: int) -> None:
        self.fidelities, self.eta = rungs, eta
        self.space, self.rng = PlantedSpace(), seeds.stream(seed, "strategy")
        self.drawn: set[str] = set()
        self.rungs: list[list[Trial]] = [[] for _ in rungs]
        self.promoted: list[set[int]] = [set() for _ in rungs]

    def get_job(self) -> Proposal:
        for k in reversed(range(len(self.rungs) - 1)):
            top = sorted(self.rungs[k], key=lambda t: (-t.result.scores["worth"], t.id))
            candidates = top[: len(self.rungs[k]) // self.eta]
            promotable = [t for t in candidates if t.id not in self.promoted[k]]
            if promotable:
                self.promoted[k].add(promotable[0].id)
                return Proposal(promotable[0].proposal.arch, self.fidelities[k + 1], Inherit(promotable[0].id))
        while True:
            arch = self.space.sample(self.rng)
            if self.space.key(arch) not in self.drawn:
                self.drawn.add(self.space.key(arch))
                return Proposal(arch, self.fidelities[0])

    def tell(self, trial: Trial) -> None:
        self.rungs[self.fidelities.index(trial.proposal.fidelity)].append(trial)


@pytest.mark.parametrize("eta", [2, 3, 4])
@pytest.mark.parametrize("workers", [1, 7])
def test_asha_is_the_published_algorithm(eta: int, workers: int) -> None:
    for seed in range(3):
        ours = asha(seed, eta=eta)
        published = Published(ours.rungs, eta, seed)
        order, flight = np.random.default_rng(seed), []
        for trial_id in range(1_000):
            (proposal,) = ours.ask(1)
            assert proposal == published.get_job()
            flight.append(answer(trial_id, proposal))
            if len(flight) == workers:
                trial = flight.pop(int(order.integers(len(flight))))
                ours.tell([trial])
                published.tell(trial)
        assert {trial.proposal.fidelity for rung in published.rungs for trial in rung} == set(ours.rungs)


def test_who_waits_for_a_promotion_is_among_the_best() -> None:
    """Of 900 trials on the lowest rung at most 60 wait, and on all rungs together fewer than 120."""
    strategy = asha()
    told = [0, 0, 0, 0]
    for trial_id in range(1_400):
        (proposal,) = strategy.ask(1)
        strategy.tell([answer(trial_id, proposal)])
        told[strategy.rungs.index(proposal.fidelity)] += 1
        assert all(len(rung.best) <= n // 3 + 2 * math.sqrt(n) for n, rung in zip(told, strategy.states, strict=True))
    assert told[0] > 850
    assert len(strategy.states[0].waiting()) <= 60
    assert len(strategy.needed()) < 120


def test_a_trial_is_promoted_once_and_from_rung_to_rung() -> None:
    strategy, asked = asha(eta=2, maximum=4), list[Proposal]()
    for trial_id, value in enumerate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]):
        (proposal,) = strategy.ask(1)
        asked.append(proposal)
        strategy.tell([answer(trial_id, proposal, value)])
    # Of two on a rung the better one goes on; then whoever is new among the best half.
    assert [(p.fidelity, base(p)) for p in asked] == [
        (1, None), (1, None), (2, 1), (1, None), (2, 3), (4, 4), (1, None), (2, 6),
    ]  # fmt: skip
    assert asked[5].arch == asked[4].arch == asked[3].arch
    assert strategy.needed() == {0, 2, 7}, "of those on a lower rung that were not promoted"


def test_ties_go_to_whoever_was_asked_first() -> None:
    strategy = asha()
    proposals = list(strategy.ask(6))
    for trial_id in (5, 3, 4, 0, 2, 1):
        strategy.tell([answer(trial_id, proposals[trial_id], 1.0)])
    assert [base(p) for p in strategy.ask(3)] == [0, 1, None]


@pytest.mark.parametrize("two", [False, True])
def test_failures_count_and_are_not_promoted(two: bool) -> None:
    strategy = asha()
    proposals = list(strategy.ask(6))
    strategy.tell([fail(number, proposal) for number, proposal in enumerate(proposals[:5])])
    strategy.tell([answer(5, proposals[5])])
    assert strategy.needed() == {5}
    assert [base(p) for p in strategy.ask(3)] == [5, None, None]


@pytest.mark.parametrize("kind", [Asha, Hyperband])
def test_constraints_and_several_objectives_say_who_is_better(kind: Any) -> None:
    bounded = Criteria((Objective("worth", "max"),), (Constraint("cost", 2.0),))
    two = Criteria((Objective("worth", "max"), Objective("cost", "min")))
    for criteria, promoted in [(bounded, [1]), (two, [0])]:
        resource, options = Resource("epochs", 3), kind.Options()
        strategy = kind(PlantedSpace(), criteria, seeds.stream(0, "strategy"), options, resource=resource)
        proposals = list(strategy.ask(3))
        found = zip([5.0, 4.0, 3.0], [3.0, 2.0, 4.0], strict=True)
        strategy.tell([answer(n, p, w, cost=c) for n, (p, (w, c)) in enumerate(zip(proposals, found, strict=True))])
        assert [base(p) for p in strategy.ask(1)] == promoted


def test_the_lowest_rungs_may_be_omitted() -> None:
    strategy = asha(early_stopping_rate=2)
    assert strategy.rungs == (9, 27)
    assert {p.fidelity for p in strategy.ask(5)} == {9}
    top = asha(early_stopping_rate=3)
    assert {p.fidelity for p in top.ask(5)} == {27}, "random search"


# -- Hyperband ----------------------------------------------------------------------------------------------------


def test_hyperband_is_the_published_algorithm() -> None:
    """Li et al. 2018, Table 1 (R = 81, eta = 3): how many trials of how many epochs each bracket has."""
    strategy, asked = hyperband(resource=Resource("epochs", 81)), list[tuple[int, int | None]]()
    brackets: list[dict[int, int]] = []
    while len(brackets) < 6:
        proposals = list(strategy.ask(1_000))
        if base(proposals[0]) is None:
            brackets.append({})
        brackets[-1][proposals[0].fidelity] = len(proposals)
        first = len(asked)
        asked += [(p.fidelity, base(p)) for p in proposals]
        strategy.tell([answer(number, p) for number, p in enumerate(proposals, first)])
    assert brackets[:5] == [
        {1: 81, 3: 27, 9: 9, 27: 3, 81: 1},
        {3: 34, 9: 11, 27: 3, 81: 1},
        {9: 15, 27: 5, 81: 1},
        {27: 8, 81: 2},
        {81: 5},
    ]
    assert list(brackets[5]) == [1], "and over again"


def test_hyperband_promotes_the_best_when_all_are_told() -> None:
    strategy = hyperband(maximum=9)
    proposals = list(strategy.ask(100))
    assert [p.fidelity for p in proposals] == [1] * 9
    values = [3.0, 9.0, 1.0, 9.0, 5.0, 9.0, 8.0, 2.0, 9.0]
    for trial_id in (8, 0, 5, 1, 2, 3, 4, 6):
        assert list(strategy.ask(1)) == [], "the rung is not complete"
        strategy.tell([answer(trial_id, proposals[trial_id], values[trial_id])])
        assert len(strategy.needed()) <= 3, "of any more none will be promoted"
    strategy.tell([answer(7, proposals[7], values[7])])
    assert strategy.needed() == {1, 3, 5}
    assert [(p.fidelity, base(p)) for p in strategy.ask(2)] == [(3, 1), (3, 3)]
    assert strategy.needed() == {5}
    assert [(p.fidelity, base(p)) for p in strategy.ask(2)] == [(3, 5)]


def test_a_bracket_goes_on_with_those_that_succeed() -> None:
    strategy = hyperband(maximum=9)
    proposals = list(strategy.ask(9))
    strategy.tell([fail(n, p) if n != 4 else answer(n, p) for n, p in enumerate(proposals)])
    (promoted,) = strategy.ask(9)
    assert (promoted.fidelity, base(promoted)) == (3, 4)
    strategy.tell([fail(9, promoted)])
    assert [p.fidelity for p in strategy.ask(9)] == [3] * 5, "nobody is left: the next bracket"


def test_a_state_that_0_1_0_wrote_is_read() -> None:
    """Bracket 1 of 4 rungs, on its second of two: two are told, one is asked for, another waits to be."""
    archs = [Arch((n, *(0,) * 7)) for n in range(4)]
    asked = [Proposal(arch, 27, Inherit(n)) for n, arch in enumerate(archs)]
    queued = [{"arch": {"genes": asked[3].arch.genes}, "fidelity": 27, "inherit": {"base": 3}}]
    told = [msgspec.to_builtins(answer(9 + n, asked[n], float(n))) for n in range(2)]
    strategy = hyperband()
    state = strategy.state_dict()
    state["own"] = {
        "drawn": [], "used_up": False, "bracket": 1, "rung": 3, "to_draw": 0, "expected": 4, "told": told,
        "queue": queued,
    }  # fmt: skip
    state["in_flight"] = [msgspec.to_builtins(asked[2])]
    strategy.load_state_dict(state)
    assert list(strategy.ask(2)) == [asked[3]]
    assert strategy.state_dict()["own"].keys() == state["own"].keys()
    strategy.tell([answer(11, asked[2], 5.0), answer(12, asked[3], 4.0)])
    assert [p.fidelity for p in strategy.ask(9)] == [27] * 4, "bracket 0"


# -- both ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [asha, hyperband])
def test_no_architecture_is_drawn_twice(make: Callable[..., HalvingStrategy]) -> None:
    """A small space is used up: every architecture starts once, and the run is finished."""
    journal, space = MemoryJournal(), SmallSpace()
    search = Search(
        space, make(space=space), SerialExecutor(PlantedCurves()), journal, Limits(500, 4), 0, resource=PLANTED_RESOURCE
    )
    assert search.run() is Ending.FINISHED
    started = [line.arch for line in journal.lines if line.inherit is None]
    assert len(set(started)) == len(started) == 9
    assert all(line.same is None for line in journal.lines)
    assert len(journal.lines) > 9


class Equal(Categorical):
    """Of 100,000 combinations 10 are valid, which draws find once in 10,000 times."""

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return super().violations(arch) or {"different": float(len(set(arch.genes)) - 1)}


@pytest.mark.parametrize("make", [asha, hyperband])
def test_what_draws_do_not_find_is_taken_from_the_list(
    make: Callable[..., HalvingStrategy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archloom.spaces.base.MAX_TRIES", 5)
    strategy = make(space=Equal({name: range(10) for name in "abcde"}))
    found = [strategy.fresh() for _ in range(11)]
    assert found[10] is None
    assert len(set(found[:10])) == 10


def searched(kind: str, space: SearchSpace, resource: int, seed: int, retention: bool = False) -> History:
    strategy_class = load_strategy(kind)
    more = {"resource": PLANTED_RESOURCE} if strategy_class.needs_resource else {}
    strategy = strategy_class(space, PLANTED_CRITERIA, seeds.stream(seed, "strategy"), **more)
    journal, states = MemoryJournal(), CheckpointsInMemory()
    kept = Retention(states, PLANTED_CRITERIA) if retention else None
    executor = SerialExecutor(PlantedCurves(), states if retention else None)
    limits = Limits(None, resource=resource)
    Search(space, strategy, executor, journal, limits, seed, retention=kept, resource=PLANTED_RESOURCE).run()
    return History.of(journal.lines, PLANTED_CRITERIA, PLANTED_RESOURCE)


def test_they_find_the_planted_architecture_more_often_than_random_search() -> None:
    """256 architectures, epochs for 16 full trainings: random search finds it once in 16 times."""
    space = Categorical({f"gene{i}": list("abcd") for i in range(4)})
    found: dict[str, int] = {}
    for kind in ("random", "asha", "hyperband"):
        best = [searched(kind, space, 16 * 27, seed).best() for seed in range(40)]
        full = [line for line in best if line is not None and line.fidelity in (0, 27)]
        found[kind] = sum(is_planted(line.trial.proposal.arch) for line in full)
    assert found["random"] < found["hyperband"] < found["asha"], "of 40 seeds 3, 8 and 14"
    assert found["random"] <= 4


@pytest.mark.parametrize("kind", ["asha", "hyperband"])
def test_promotions_use_the_difference_only(kind: str) -> None:
    history = searched(kind, PlantedSpace(), 400, 0, retention=True)
    assert not history.failed, "every state that was asked for was there"
    used = {line.id: history.used(line) for line in history.lines}
    by_fidelity = {(line.fidelity, line.inherit is None): used[line.id] for line in history.lines}
    steps = {(1, True): 1, (3, False): 2, (9, False): 6, (27, False): 18}
    assert by_fidelity.items() >= steps.items()
    assert history.resource_used <= 400


SHAPES = """
import archloom

space = archloom.Categorical({"width": [8, 16, 32, 64], "depth": [1, 2, 3, 4], "rate": [1, 2, 3, 4]})


def evaluate(choices, rng, report):
    for epoch in range(1, 28):
        report(epoch, choices["width"] * choices["depth"] * (1 - 2.0 ** -epoch) - choices["rate"])


problem = archloom.Problem(space, evaluate, {"worth": "max"}, resource=archloom.Resource("epochs", maximum=27))
"""


@pytest.mark.parametrize("kind", ["asha", "hyperband"])
def test_a_users_function_is_stopped_early(kind: str, tmp_path: Path) -> None:
    (tmp_path / "shapes.py").write_text(SHAPES)
    spec = ProblemSpec(str(tmp_path / "shapes.py"))
    report = run_in_memory(Request(kind, spec, limits=Limits(60)))
    assert not report.history.failed
    assert {line.fidelity for line in report.history.lines} == {1, 3, 9, 27}
    assert report.best is not None and report.best.fidelity == 27
    assert report.history.resource_used == sum(line.fidelity for line in report.history.lines), "it starts over"


@pytest.mark.parametrize("kind", ["asha", "hyperband"])
def test_on_a_surrogate(kind: str, nb301_file: Path) -> None:
    spec = ProblemSpec("nb301", table=str(nb301_file))
    report = run_in_memory(Request(kind, spec, limits=Limits(None, resource=500)))
    assert {line.fidelity for line in report.history.lines} >= {1, 3, 9, 27}
    assert 400 < report.history.resource_used <= 500


@pytest.mark.parametrize("kind", ["asha", "hyperband"])
def test_on_a_table(kind: str, data_dir: Path) -> None:
    report = run_in_memory(Request(kind, ProblemSpec("nb201", objectives=("cifar10_valid",)), limits=Limits(60)))
    assert {line.fidelity for line in report.history.lines} == {12, 200}
    assert report.best is not None and report.best.fidelity == 200
    assert list(report.best.scores) == ["cifar10_valid"]


@pytest.mark.parametrize("kind", ["asha", "hyperband"])
def test_trainings_go_on_and_only_needed_states_stay(kind: str, trained: Path, tmp_path: Path) -> None:
    spec = ProblemSpec(str(trained))  # of 10 epochs
    request = Request(kind, spec, limits=Limits(40), options={"eta": "2"})
    report = run_folder(tmp_path / "run", request, isolate=False)
    assert not report.history.failed
    assert {line.fidelity for line in report.history.lines} == {1, 2, 4, 10}
    again = run_in_memory(Request(kind, spec, limits=Limits(40), options={"eta": "2"}))
    assert [line.scores for line in again.history.lines] == [line.scores for line in report.history.lines]
    states = {int(path.stem) for path in (tmp_path / "run" / "weights").glob("*.safetensors")}
    best = read_report(tmp_path / "run").best
    assert best is not None and best.id in states
    assert len(states) < 30


class Stop(BaseException):
    """Ends a run in the middle."""


class Stopping(SimulatedExecutor):
    """Ends the run when so many answers were waited for."""

    left = 40

    def wait(self) -> Sequence[Done]:
        self.left -= 1
        if not self.left:
            raise Stop
        return super().wait()


@pytest.mark.parametrize("as_completed", [False, True])
@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("make", [asha, hyperband])
def test_going_on_is_running(make: Callable[..., HalvingStrategy], checkpoint: bool, as_completed: bool) -> None:
    """States that were dropped before a crash are not asked for afterwards."""

    def search(executor: type[SimulatedExecutor], journal: MemoryJournal, states: CheckpointsInMemory) -> Search:
        def seconds(job: Job, result: Result) -> float:
            return float(job.proposal.fidelity * (1 + job.trial_id % 5))

        limits = Limits(120, 4, as_completed=as_completed)
        return Search(
            PlantedSpace(), make(), executor(PlantedCurves(), 4, seconds, states), journal, limits, 0,
            retention=Retention(states, PLANTED_CRITERIA), resource=PLANTED_RESOURCE,
        )  # fmt: skip

    journal, states = MemoryJournal(), CheckpointsInMemory()
    run = search(Stopping, journal, states)
    with pytest.raises(Stop):
        run.run()
    assert 30 < len(journal.lines) < 120
    if checkpoint:
        run._save()
    search(SimulatedExecutor, journal, states).run()
    assert len(journal.lines) == 120
    assert [line.error for line in journal.lines if line.error] == []
    if not as_completed:
        whole = MemoryJournal()
        search(SimulatedExecutor, whole, CheckpointsInMemory()).run()
        by_id = [sorted(lines, key=lambda line: line.id) for lines in (journal.lines, whole.lines)]
        assert by_id[0] == by_id[1]
