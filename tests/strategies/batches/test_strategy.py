from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Criteria, Objective
from archloom.errors import InputError
from archloom.runs.record import decode_state, encode_state
from archloom.spaces.base import SearchSpace, sample_valid
from archloom.spaces.domains import Integer, Seed
from archloom.spaces.space import Space
from archloom.strategies.base import EarlierRun
from archloom.strategies.batches.strategy import BatchOptions, BatchStrategy, Chosen, Known
from archloom.testing import PLANTED_CRITERIA, PlantedSpace
from archloom.testing.planted import PLANTED_RESOURCE, SmallSpace
from archloom.types import Arch, Proposal, Resource, Result, Trial
from archloom.utils import seeds

WITH_SEEDS = Space({"size": Integer(1, 3), "seed": Seed()})


class Drawing(BatchStrategy):
    """Chooses new architectures at random; it notes how many results it knew."""

    def chosen(self, known: Known, count: int, rng: np.random.Generator) -> Sequence[Chosen]:
        found: dict[str, Chosen] = {}
        for _ in range(20 * count):
            arch = sample_valid(self.space, rng)
            if self.is_open(arch) and len(found) < count:
                found.setdefault(repr(self._names(arch)[1]), (arch, {"known": len(known.rows)}))
        return list(found.values())


def made(space: SearchSpace, resource: Resource | None = None, **options: Any) -> Drawing:
    return Drawing(space, PLANTED_CRITERIA, seeds.stream(3, "strategy"), BatchOptions(**options), resource=resource)


def answered(proposals: Sequence[Proposal], first: int) -> list[Trial]:
    return [Trial(i, p, Result({"worth": float(sum(p.arch.genes))})) for i, p in enumerate(proposals, first)]


def searched(strategy: Drawing, queries: int, width: int) -> list[Trial]:
    trials: list[Trial] = []
    while len(trials) < queries and (asked := strategy.ask(width)):
        new = answered(asked, len(trials))
        strategy.tell(new)
        trials += new
    return trials


def test_a_batch_waits_for_all_of_the_last_one() -> None:
    strategy = made(PlantedSpace(), initial=5, batch=3)
    first = answered(strategy.ask(20), 0)
    assert len(first) == 5
    strategy.tell(first[1:])
    assert not strategy.ask(20)
    strategy.tell(first[:1])
    assert [proposal.note for proposal in strategy.ask(20)] == [{"known": 5}] * 3


def test_the_width_does_not_show() -> None:
    runs = [searched(made(PlantedSpace(), initial=5, batch=4), 21, width) for width in (1, 3, 7)]
    assert [t.proposal for t in runs[0]] == [t.proposal for t in runs[1]][:21] == [t.proposal for t in runs[2]][:21]


def test_its_state_has_what_is_left_of_a_batch() -> None:
    strategy, restored = made(PlantedSpace(), initial=2, batch=4), made(PlantedSpace(), initial=2, batch=4)
    searched(strategy, 2, 1)
    asked = strategy.ask(2)
    restored.load_state_dict(decode_state(encode_state(strategy.state_dict())))
    assert restored.ask(5) == strategy.ask(5)
    for each in (strategy, restored):
        each.tell(answered(asked, 2))
    assert not restored.ask(1)


FINE = Result({"worth": 1.0})


class TestSeeds:
    def test_another_seed_makes_no_new_architecture_until_all_are_used_up(self) -> None:
        trials = searched(made(WITH_SEEDS, initial=2, batch=2), 6, 1)
        assert sorted(t.proposal.arch.genes[0] for t in trials[:3]) == [1, 2, 3]
        assert [t.proposal.arch.genes[0] for t in trials[3:]] == [trials[0].proposal.arch.genes[0]] * 3
        assert len({t.proposal.arch.genes[1] for t in trials}) == 6

    def test_without_seeds_what_is_used_up_is_asked_again(self) -> None:
        trials = searched(made(SmallSpace(), initial=2, batch=4), 12, 3)
        assert len({t.proposal.arch for t in trials[:9]}) == 9
        assert {t.proposal.arch for t in trials[9:]} == {trials[0].proposal.arch}


class TestBudget:
    def test_all_are_evaluated_at_it(self) -> None:
        strategy = made(PlantedSpace(), PLANTED_RESOURCE, budget=9)
        assert {proposal.fidelity for proposal in strategy.ask(20)} == {9}
        assert Drawing.plan(strategy.options).highest == 9

    def test_one_that_there_is_not_is_refused(self) -> None:
        with pytest.raises(InputError, match="fidelity 9: expected 3 or 27 epochs"):
            made(PlantedSpace(), Resource.at("epochs", (3, 27)), budget=9)
        with pytest.raises(InputError, match="budget=9: this problem is evaluated in full only; expected 0"):
            made(PlantedSpace(), budget=9)


class TestWarmStart:
    TRIALS = tuple(
        Trial(
            i, Proposal(Arch((i, 0, 0, 0, 0, 0, 0, 0)), fidelity), Result({"worth": 1.0}) if ok else Result.failed("x")
        )
        for i, (fidelity, ok) in enumerate(((27, True), (9, True), (0, True), (9, False)))
    )

    def started(self, run: EarlierRun, **options: Any) -> Drawing:
        strategy = made(PlantedSpace(), PLANTED_RESOURCE, **options)
        strategy.warm_start([run])
        return strategy

    @pytest.mark.parametrize(("budget", "used"), [(0, {0, 2, 3}), (9, {1, 3})])
    def test_results_at_its_budget_are_its_own(self, budget: int, used: set[int]) -> None:
        """And what has failed, which is not asked again."""
        strategy = self.started(EarlierRun(PLANTED_CRITERIA, self.TRIALS, True), initial=6, budget=budget)
        assert {trial.id for trial in strategy.earlier} == used
        assert len(strategy.ask(20)) == 6 - len(used)
        assert not any(strategy.is_open(self.TRIALS[i].proposal.arch) for i in used)

    def test_if_they_are_enough_nothing_is_drawn(self) -> None:
        strategy = self.started(EarlierRun(PLANTED_CRITERIA, self.TRIALS, True), initial=3, batch=2)
        assert [proposal.note for proposal in strategy.ask(20)] == [{"known": 3}] * 2

    def test_the_best_of_another_problem_are_evaluated_first(self) -> None:
        criteria = Criteria((Objective("debt", "min"),))
        debts = (3.0, 1.0, 2.0, 0.5)
        trials = tuple(
            replace(trial, proposal=Proposal(trial.proposal.arch), result=Result({"debt": debt}))
            for trial, debt in zip(self.TRIALS, debts, strict=True)
        )
        strategy = self.started(EarlierRun(criteria, trials, False), initial=4)
        asked = strategy.ask(4)
        assert [proposal.arch.genes[0] for proposal in asked[:2]] == [3, 1]
        assert not strategy.earlier
