"""The contract of strategies catches who breaks it: every offender below breaks exactly one promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.spaces.base import SearchSpace
from archloom.spaces.table import TableSpace
from archloom.strategies.base import EarlierRun
from archloom.strategies.evolution import Evolution, EvolutionOptions
from archloom.strategies.random_search import RandomSearch
from archloom.strategies.successive_halving import Asha, Hyperband
from archloom.strategies.walks import RandomWalk
from archloom.testing import (
    PoisonedReport,
    RuledSpace,
    check_strategy,
)
from archloom.types import Arch, Inherit, Proposal, Result, Trial


def small_evolution(space: SearchSpace, criteria: Criteria, rng: np.random.Generator) -> Evolution:
    return Evolution(space, criteria, rng, EvolutionOptions(population=20, sample=5))


def test_a_factory_may_set_options_and_a_partial_may_be_one() -> None:
    check_strategy(small_evolution)
    check_strategy(partial(Evolution, options=EvolutionOptions(20, 5)), make_space=RuledSpace)


class PeeksAtReports(RandomSearch):
    def learn(self, trial: Trial) -> None:
        if trial.result.report.get("test", 0.0) > 1.0:
            self.sample_valid()


class OwnRandomness(RandomSearch):
    def propose(self) -> Proposal:
        return Proposal(Arch(tuple(np.random.randint(0, 4, size=8).tolist())))  # noqa: NPY002


class AsksTooMuch(RandomSearch):
    def ask(self, n: int) -> Sequence[Proposal]:
        return super().ask(n + 1)


class FallsSilent(RandomSearch):
    def ask(self, n: int) -> Sequence[Proposal]:
        self.asked = getattr(self, "asked", 0) + 1
        return super().ask(n) if self.asked < 10 else []


class ForgetsItsWalk(RandomWalk):
    """It walks on from somewhere else after a checkpoint."""

    def dump(self) -> dict[str, Any]:
        return {"current": [], "taken": self.taken}


class ForgetsItsGenerator(RandomSearch):
    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict({**state, "rng": self.rng.bit_generator.state})


class MindsTheOrder(RandomSearch):
    """Draws as often as the first trial told says, in whatever order they come."""

    def tell(self, trials: Sequence[Trial]) -> None:
        super().tell(trials)
        for _ in range(trials[0].id + 1):
            self.sample_valid()


class NeedsSuccess(Evolution):
    def learn(self, trial: Trial) -> None:
        assert trial.result.ok, "no failures, please"
        super().learn(trial)


class GivesUp(RandomSearch):
    """Where everything fails it stops asking."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.successes, self.failures = 0, 0

    def learn(self, trial: Trial) -> None:
        self.successes += trial.result.ok
        self.failures += not trial.result.ok

    def ask(self, n: int) -> Sequence[Proposal]:
        return [] if self.failures > 20 and not self.successes else super().ask(n)


class IgnoresRules(RandomSearch):
    def propose(self) -> Proposal:
        return Proposal(self.space.sample(self.rng))


class TriesForALittle(RandomSearch):
    """It keeps the rules where it can, and breaks them where it cannot."""

    def sample_valid(self) -> Arch:
        archs = [self.space.sample(self.rng) for _ in range(50)]
        valid = [arch for arch in archs if not any(self.space.violations(arch).values())]
        return [*valid, archs[0]][0]


class NeedsAnyGood(RandomSearch):
    """Where nothing keeps the constraints it stops asking."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.good, self.bad = 0, 0

    def learn(self, trial: Trial) -> None:
        self.good += self.criteria.feasible(trial.result)
        self.bad += trial.result.ok and not self.criteria.feasible(trial.result)

    def ask(self, n: int) -> Sequence[Proposal]:
        return [] if self.bad > 20 and not self.good else super().ask(n)


class OneObjective(RandomSearch):
    def learn(self, trial: Trial) -> None:
        if trial.result.ok:
            (_gain,) = self.criteria.utilities(trial.result)


class SpansTheRange(RandomSearch):
    """The difference of two floats may be larger than any float."""

    low = high = np.float64(0.0)

    def learn(self, trial: Trial) -> None:
        if trial.result.ok:
            worth = np.float64(trial.result.scores[self.criteria.objectives[0].metric])
            self.low, self.high = min(self.low, worth), max(self.high, worth)
            assert np.isfinite(self.high - self.low)


class RawScores(RandomSearch):
    """More is better, it believes, whatever the goal."""

    def learn(self, trial: Trial) -> None:
        if trial.result.ok and trial.result.scores[self.criteria.objectives[0].metric] > 0:
            self.sample_valid()


class LearnsFromAnybody(RandomSearch):
    """It takes what it did not ask for."""

    def tell(self, trials: Sequence[Trial]) -> None:
        pass


class LearnsFirst(Evolution):
    """It refuses what it did not ask for when it has learnt of it."""

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            self.learn(trial)
        super().tell(trials)


class DropsTooMuch(Asha):
    """It promotes trials whose states it said nobody needs."""

    def needed(self) -> set[int]:
        return set(list(super().needed())[:1])


class PromotesStrangers(Asha):
    """It promotes from the future."""

    def promotion(self, trial: Trial, rung: int) -> Proposal:
        return replace(super().promotion(trial, rung), inherit=Inherit(trial.id + 20))


class PromotesFailures(Asha):
    """A training that failed goes on from where it is not."""

    def learn(self, trial: Trial) -> None:
        super().learn(trial if trial.result.ok else replace(trial, result=Result({"worth": 1000.0})))


class DrawsAgain(Hyperband):
    """An architecture that was asked for long ago has no state any more."""

    def fresh(self) -> Arch:
        return self.sample_valid()


class InventsRows(RandomSearch):
    def propose(self) -> Proposal:
        return Proposal(Arch((0,) * 8)) if isinstance(self.space, TableSpace) else super().propose()


class RefusesTables(RandomSearch):
    def __init__(self, space: SearchSpace, *arguments: Any) -> None:
        if isinstance(space, TableSpace):
            raise InputError("no tables, please")
        super().__init__(space, *arguments)


class RepeatsFailures(RandomSearch):
    """Begins with the architectures of earlier runs."""

    earlier: tuple[Arch, ...] = ()

    def warm_start(self, earlier: Sequence[EarlierRun]) -> None:
        self.earlier = tuple(trial.proposal.arch for run in earlier for trial in run.trials)

    def propose(self) -> Proposal:
        return Proposal(self.earlier[0]) if self.earlier else super().propose()


class ForgetsWhereItWas(RepeatsFailures):
    def propose(self) -> Proposal:
        proposal = super().propose()
        self.earlier = self.earlier[1:]
        return proposal


def test_a_strategy_may_refuse_sparse_tables() -> None:
    check_strategy(RefusesTables, beats_random=False)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (PeeksAtReports, "the strategy read `report` or `details`, which are for people only"),
        (OwnRandomness, "the global random generator of numpy was used"),
        (AsksTooMuch, r"ask\(1\) gave 2 proposals"),
        (FallsSilent, "ask gave nothing although nothing is in flight"),
        (ForgetsItsWalk, "after state_dict and load_state_dict the strategy continues differently"),
        (ForgetsItsGenerator, "after load_state_dict a strategy has another state"),
        (MindsTheOrder, "the order of trials within one tell changes what follows"),
        (NeedsSuccess, "no failures, please"),
        (GivesUp, "ask gave nothing although nothing is in flight"),
        (IgnoresRules, "it proposed .*, which breaks a rule of 'ruled'"),
        (TriesForALittle, "asking in a space without valid architectures did not raise NoArchitectureError"),
        (NeedsAnyGood, "with a constraint that no architecture satisfies: ask gave nothing although"),
        (OneObjective, "with two objectives: ValueError.'too many values to unpack"),
        (SpansTheRange, "with scores at the ends of floats: RuntimeWarning.'overflow"),
        (RawScores, "minimising the negative of a metric is not the same as maximising it"),
        (LearnsFromAnybody, "telling a trial that was not asked for did not raise InputError"),
        (LearnsFirst, "telling a trial that was not asked for changed the strategy"),
        (DropsTooMuch, "it inherits from trial [0-9]+, whose state `needed` did not keep"),
        (PromotesStrangers, "it inherits from trial [0-9]+, which was not told, or has failed"),
        (PromotesFailures, "it inherits from trial [0-9]+, which was not told, or has failed"),
        (DrawsAgain, "it inherits from trial [0-9]+, whose state `needed` did not keep"),
        (InventsRows, "on a sparse table: it proposed .*, which breaks a rule of 'sparse'"),
        (RepeatsFailures, "it asks again for what has failed in an earlier run on the same problem"),
        (ForgetsWhereItWas, "warm started with this problem: after state_dict and load_state_dict the strategy"),
        (RandomSearch, "in 120 full trainings it found .* on average, random search"),
    ],
)
def test_an_offending_strategy_is_caught(kind: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_strategy(kind)


def test_random_search_need_not_beat_itself() -> None:
    check_strategy(RandomSearch, beats_random=False)


@pytest.mark.parametrize(
    "look",
    [
        lambda report: report["test"],
        lambda report: "test" in report,
        lambda report: list(report),
        lambda report: dict(report),
        lambda report: report.items(),
        lambda report: report.values(),
        lambda report: report.get("test"),
        lambda report: max(report.keys()),
    ],
)
def test_every_look_into_a_poisoned_report_is_noticed(look: Callable[[Any], Any]) -> None:
    with pytest.raises(AssertionError, match="the strategy read `report`"):
        look(PoisonedReport())
