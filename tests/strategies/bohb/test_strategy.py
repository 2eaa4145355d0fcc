from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from archloom.checkpoints.retention import Retention
from archloom.checkpoints.store import CheckpointsInMemory
from archloom.constraints import Criteria, Objective
from archloom.errors import InputError
from archloom.executors.base import Done
from archloom.executors.serial import SerialExecutor
from archloom.registry import load_strategy
from archloom.runs.budgets import Ending, Limits
from archloom.runs.record import TrialRecord
from archloom.runs.search import MemoryJournal, Search
from archloom.spaces.base import SearchSpace, is_valid
from archloom.spaces.domains import Real, Seed
from archloom.spaces.space import Space
from archloom.strategies.base import EarlierRun
from archloom.strategies.bohb.strategy import Bohb, BohbNote, BohbOptions
from archloom.testing import PLANTED_CRITERIA, PLANTED_RESOURCE, PlantedCurves, PlantedSpace, SmallSpace, check_strategy
from archloom.types import Arch, Inherit, Proposal, Resource, Result, Trial
from archloom.utils import seeds

SEEDED = Space({"x": Real(0.0, 1.0), "y": Real(0.0, 1.0), "graph_seed": Seed()})


def bohb(
    seed: int = 0, space: SearchSpace | None = None, resource: Resource = PLANTED_RESOURCE, **options: Any
) -> Bohb:
    rng = seeds.stream(seed, "strategy")
    return Bohb(space or PlantedSpace(), PLANTED_CRITERIA, rng, BohbOptions(**options), resource=resource)


def tell(strategy: Bohb, first: int, proposals: Sequence[Proposal], values: Sequence[float | None]) -> None:
    """None is a failure."""
    results = [Result.failed("on purpose") if value is None else Result({"worth": value}) for value in values]
    answered = enumerate(zip(proposals, results, strict=True), first)
    strategy.tell([Trial(number, proposal, result) for number, (proposal, result) in answered])


def test_contract() -> None:
    check_strategy(Bohb, queries=40, repetitions=3)


def test_contract_without_states() -> None:
    check_strategy(partial(Bohb, options=BohbOptions(promote="again", budgets=(1, 27))), beats_random=False)


# -- brackets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budgets", "eta", "brackets"),
    [
        ((30, 60, 120), 2, [{30: 4, 60: 2, 120: 1}, {60: 2, 120: 1}, {120: 3}]),  # of NAGO
        ((1, 3, 9, 27, 81), 3, [{1: 81, 3: 27, 9: 9, 27: 3, 81: 1}, {3: 27, 9: 9, 27: 3, 81: 1}, {9: 9, 27: 3, 81: 1},
                                {27: 6, 81: 2}, {81: 5}]),
        ((200, 12), 3, [{12: 3, 200: 1}, {200: 2}]),  # of NAS-Bench-201
        ((1, 2, 500, 501), 2, [{1: 8, 2: 4, 500: 2, 501: 1}, {2: 4, 500: 2, 501: 1}, {500: 4, 501: 2}, {501: 4}]),
    ],
)  # fmt: skip
def test_brackets_are_those_of_the_formula(budgets: tuple[int, ...], eta: int, brackets: list[dict[int, int]]) -> None:
    strategy = bohb(resource=Resource("epochs", 600), budgets=budgets, eta=eta)
    asked: dict[int, dict[int, int]] = {}
    for number in range(2 * sum(sum(bracket.values()) for bracket in brackets)):
        (proposal,) = strategy.ask(1)
        bracket = asked.setdefault(BohbNote.of(proposal.note).bracket, {})
        bracket[proposal.fidelity] = bracket.get(proposal.fidelity, 0) + 1
        tell(strategy, number, [proposal], [float(number % 7)])
    assert list(asked.values()) == 2 * brackets, "and over again"


def test_the_best_are_promoted_and_the_next_bracket_begins_while_a_rung_waits() -> None:
    strategy = bohb(budgets=(3, 9), eta=3)
    first = list(strategy.ask(3))
    waiting = list(strategy.ask(4))
    assert [(p.fidelity, p.note["bracket"]) for p in first + waiting] == [
        (3, 0), (3, 0), (3, 0), (9, 1), (9, 1), (3, 2), (3, 2),
    ]  # fmt: skip
    tell(strategy, 0, first[:2], [1.0, 2.0])
    assert strategy.needed() == {1}, "only one is promoted"
    tell(strategy, 2, first[2:], [1.5])
    promoted, other = strategy.ask(2)
    assert (promoted.arch, promoted.fidelity, promoted.inherit) == (first[1].arch, 9, Inherit(1))
    assert (other.fidelity, other.note["bracket"]) == (3, 2)
    assert strategy.needed() == set()


def test_places_that_failures_leave_are_filled_with_new_ones() -> None:
    strategy = bohb(budgets=(3, 9, 27), eta=2)
    first = list(strategy.ask(4))
    tell(strategy, 0, first, [None, 5.0, None, None])
    promoted, new = strategy.ask(2)
    assert (promoted.arch, promoted.inherit, new.fidelity, new.inherit) == (first[1].arch, Inherit(1), 9, None)
    assert new.arch not in {proposal.arch for proposal in first}
    tell(strategy, 4, [promoted, new], [None, None])
    (last,) = strategy.ask(1)
    assert (last.fidelity, last.inherit, last.note["bracket"]) == (27, None, 0)


def test_evaluated_again_means_from_nothing_with_other_seeds() -> None:
    strategy = bohb(space=SEEDED, budgets=(3, 9), eta=3, promote="again")
    first = list(strategy.ask(3))
    tell(strategy, 0, first, [1.0, 3.0, 2.0])
    (promoted,) = strategy.ask(1)
    assert promoted.inherit is None and promoted.fidelity == 9
    assert promoted.arch.genes[:2] == first[1].arch.genes[:2]
    assert promoted.arch.genes[2] != first[1].arch.genes[2]
    assert strategy.needed() == set()
    assert not Bohb.plan(strategy.options).inherits and Bohb.plan(BohbOptions()).inherits
    assert Bohb.plan(strategy.options).highest == 9
    plain = bohb(budgets=(3, 9), eta=3, promote="again")
    first = list(plain.ask(3))
    tell(plain, 0, first, [1.0, 3.0, 2.0])
    assert plain.ask(1)[0] == Proposal(first[1].arch, 9, None, {"bracket": 0})


def test_a_small_space_is_used_up() -> None:
    journal = MemoryJournal()
    search = Search(
        SmallSpace(), bohb(space=SmallSpace()), SerialExecutor(PlantedCurves()), journal, Limits(500, 4), 0,
        resource=PLANTED_RESOURCE,
    )  # fmt: skip
    assert search.run() is Ending.FINISHED
    started = [line.arch for line in journal.lines if line.inherit is None]
    assert len(set(started)) == len(started) == 9 and all(line.same is None for line in journal.lines)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"budgets": (3, 9), "minimum": 3}, "budgets are all rungs: omit minimum and maximum beside them"),
        ({"budgets": (3,)}, "budgets=3: expected two or more, e.g. 30,60,120"),
        ({"top_n_percent": 100}, "BohbOptions option top_n_percent=100: expected a whole number from 1 to 99"),
    ],
)
def test_impossible_options_are_refused(options: Any, told: str) -> None:
    with pytest.raises(InputError) as caught:
        bohb(**options)
    assert str(caught.value) == told


def test_budgets_must_be_there() -> None:
    with pytest.raises(InputError, match=r"^budgets=13: expected 12 or 200 epochs$"):
        bohb(resource=Resource.at("epochs", [12, 200]), budgets=(13, 200))


# -- where it searches --------------------------------------------------------------------------------------------

QUADRATIC = Space({**{f"x{i}": Real(0.0, 1.0) for i in range(4)}, "a": ["r", "g", "b"], "b": ["on", "off"]})
CENTRE = np.array([0.3, 0.7, 0.2, 0.6])
LOSS = Criteria((Objective("loss", "min"),))


def regret(arch: Arch) -> float:
    genes = np.array(arch.genes)
    return float(((genes[:4] - CENTRE) ** 2).sum() + 0.1 * (genes[4] != 1) + 0.1 * (genes[5] != 0))


def misleading(arch: Arch, fidelity: int) -> float:
    """The worse, the better it looks before the end."""
    return regret(arch) if fidelity == 27 else -regret(arch)


def best_of(name: str, seed: int, full: int, loss: Callable[[Arch, int], float], **options: Any) -> float:
    """The regret of the best full training within the epochs of so many."""
    kind, used, best = load_strategy(name), 0, math.inf
    more: dict[str, Any] = {"resource": PLANTED_RESOURCE} if kind.needs_resource else {}
    strategy = kind(QUADRATIC, LOSS, seeds.stream(seed, "strategy"), kind.Options(**options), **more)
    before: dict[int, int] = {}
    for number in range(10_000):
        (proposal,) = strategy.ask(1)
        before[number] = proposal.fidelity or 27
        used += before[number] - (0 if proposal.inherit is None else before[proposal.inherit.base])
        if used > full * 27:
            break
        result = Result({"loss": loss(proposal.arch, before[number])})
        strategy.tell([Trial(number, proposal, result)])
        best = min(best, regret(proposal.arch)) if before[number] == 27 else best
    return best


def test_on_a_quadratic_it_is_three_times_as_near_as_random_search() -> None:
    """Four numbers and two choices, the epochs of 60 full trainings, 20 seeds."""
    found = [best_of("bohb", seed, 60, lambda arch, fidelity: regret(arch), budgets=(9, 27)) for seed in range(20)]
    chance = [best_of("random", seed, 60, lambda arch, fidelity: regret(arch)) for seed in range(20)]
    assert np.median(found) < np.median(chance) / 3


def test_if_low_fidelities_mislead_it_is_no_worse_than_hyperband() -> None:
    found, theirs = (
        np.array([best_of(name, seed, 20, misleading, budgets=(9, 27)) for seed in range(10)])
        for name in ("bohb", "hyperband")
    )
    assert found.mean() < theirs.mean() + 1.96 * theirs.std() / math.sqrt(10)


def test_failures_are_bad_places() -> None:
    """Half of the space fails: what the model proposes is seldom there."""
    strategy, asked = bohb(space=SEEDED, budgets=(3, 9)), list[Proposal]()
    for number in range(150):
        (proposal,) = strategy.ask(1)
        tell(strategy, number, [proposal], [None if proposal.arch.genes[0] > 0.5 else 1.0])
        asked.append(proposal)
    model = [p.arch.genes[0] > 0.5 for p in asked[50:] if "model" in p.note]
    chance = [p.arch.genes[0] > 0.5 for p in asked if "model" not in p.note and p.inherit is None]
    assert len(model) > 40 and np.mean(model) < 0.1 < 0.35 < np.mean(chance)
    assert 0.25 < np.mean(["model" not in p.note for p in asked[20:] if p.inherit is None]) < 0.45


def test_a_model_is_made_as_soon_as_there_are_enough() -> None:
    strategy = bohb(space=SEEDED, budgets=(3, 9), random_fraction=0.0, min_points_in_model=4)
    models = []
    for number in range(40):
        (proposal,) = strategy.ask(1)
        models.append(proposal.note.get("model"))
        tell(strategy, number, [proposal], [proposal.arch.genes[0]])
    # Brackets of 3 + 1 and 2 over again. Seven results at a fidelity are four good ones and three bad ones.
    assert models[:18] == 13 * [None] + [3, 3, None, 9, 9], "the seventh at 3 is number 12, that at 9 number 15"
    assert set(models[18:]) == {9, None}


# -- earlier runs -------------------------------------------------------------------------------------------------


def earlier(metric: str, same_problem: bool, fidelity: int) -> EarlierRun:
    """Ten good architectures, at x < 0.1, ten bad ones, and one that has failed."""
    archs = [Arch((0.01 * n if n < 10 else 0.05 * n, 0.5, n)) for n in range(20)]
    trials = [Trial(n, Proposal(arch, fidelity), Result({metric: -float(n)})) for n, arch in enumerate(archs)]
    failed = Trial(20, Proposal(Arch((0.02, 0.5, 20)), fidelity), Result.failed("no GPU"))
    return EarlierRun(Criteria((Objective(metric, "max"),)), (*trials, failed), same_problem)


@pytest.mark.parametrize(
    ("runs", "model"),
    [
        ([earlier("worth", True, 0)], 27),
        ([earlier("worth", True, 5)], 5),  # no rung of this run's
        ([earlier("worth", True, 5), earlier("worth", True, 9)], 9),
        ([earlier("other", True, 27), earlier("worth", True, 3)], 3),
        ([earlier("other", False, 0)], 0),
    ],
)
def test_earlier_runs_say_where_to_begin(runs: list[EarlierRun], model: int) -> None:
    strategy = bohb(space=SEEDED, budgets=(3, 9, 27))
    strategy.warm_start(runs)
    asked = list(strategy.ask(60))
    proposed = [p for p in asked if "model" in p.note]
    assert {p.note["model"] for p in proposed} == {model}
    assert len(proposed) > 30 and np.mean([p.arch.genes[0] < 0.2 for p in proposed]) > 0.8


def test_what_earlier_runs_answered_in_full_is_not_asked_again() -> None:
    archs = [Arch((x, y)) for x in range(3) for y in range(3)]
    trials = [Trial(n, Proposal(arch, 27 if n < 4 else 3), Result({"worth": 1.0})) for n, arch in enumerate(archs[:8])]
    strategy = bohb(space=SmallSpace())
    strategy.warm_start([EarlierRun(PLANTED_CRITERIA, tuple(trials), same_problem=True)])
    assert {proposal.arch for proposal in strategy.ask(9)} == set(archs[4:])


# -- going on -----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Ends a run in the middle."""


class Killing(SerialExecutor):
    left = 61

    def wait(self) -> Sequence[Done]:
        self.left -= 1
        if not self.left:
            raise Killed
        return super().wait()


@pytest.mark.parametrize("promote", ["continue", "again"])
@pytest.mark.parametrize("saved", [False, True])
def test_killed_in_mid_rung_it_goes_on_to_the_same_record(promote: str, saved: bool) -> None:
    def search(executor: type[SerialExecutor], journal: MemoryJournal, states: CheckpointsInMemory) -> Search:
        kept = Retention(states, PLANTED_CRITERIA) if promote == "continue" else None
        return Search(
            PlantedSpace(), bohb(promote=promote, maximum=9), executor(PlantedCurves(), states if kept else None),
            journal, Limits(100, 4), 0, retention=kept, resource=PLANTED_RESOURCE,
        )  # fmt: skip

    def in_order(journal: MemoryJournal) -> list[TrialRecord]:
        return sorted(journal.lines, key=lambda line: line.id)

    whole, journal, states = MemoryJournal(), MemoryJournal(), CheckpointsInMemory()
    search(SerialExecutor, whole, CheckpointsInMemory()).run()
    run = search(Killing, journal, states)
    with pytest.raises(Killed):
        run.run()
    assert 50 < len(journal.lines) < 70
    if saved:
        run._save()
    search(SerialExecutor, journal, states).run()
    assert in_order(journal) == in_order(whole) and len(journal.lines) == 100


def test_a_space_whose_rules_many_points_break() -> None:
    pytest.importorskip("numba", reason="the space needs the extra bench")
    from archloom.spaces.nb101.space import Nb101

    space = Nb101()
    strategy = bohb(space=space, budgets=(1, 27))
    found: dict[str, list[float]] = {"random": [], "model": [], "promoted": []}
    for number in range(160):
        (proposal,) = strategy.ask(1)
        assert is_valid(space, proposal.arch)
        worth = float(proposal.arch.genes[21:].count(1))  # so many convolutions of 1 x 1
        drawn = "model" if BohbNote.of(proposal.note).model is not None else "random"
        found["promoted" if proposal.inherit else drawn].append(worth)
        tell(strategy, number, [proposal], [worth])
    assert min(map(len, found.values())) > 20
    assert np.mean(found["model"]) > np.mean(found["random"])
