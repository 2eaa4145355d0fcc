"""The contract suites catch who breaks a contract: every offender below breaks exactly one."""

from __future__ import annotations

import importlib.util
import os
import random
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from archloom import registry, testing
from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.spaces.base import SearchSpace, sample_valid
from archloom.spaces.table import TableSpace
from archloom.strategies.evolution import Evolution, EvolutionOptions
from archloom.strategies.random_search import RandomSearch
from archloom.strategies.successive_halving import Asha, Hyperband
from archloom.strategies.walks import RandomWalk
from archloom.testing import (
    PLANTED_CRITERIA,
    PLANTED_RESOURCE,
    ForbiddenSpace,
    PlantedCurves,
    PlantedEvaluator,
    PlantedSpace,
    PoisonedReport,
    RuledSpace,
    SmallSpace,
    SparseSpace,
    check_evaluator,
    check_space,
    check_strategy,
    is_planted,
)
from archloom.types import Arch, Goal, Inherit, Proposal, Resource, Result, Trial, resolve_fidelity

SELF_CONTAINED = [kind for kind in registry.SPACES if kind != "table"]  # that one is made from a table


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_every_registered_space_keeps_the_contract(name: str) -> None:
    check_space(registry.load_space(name))


@pytest.mark.parametrize("kind", [PlantedSpace, RuledSpace, SmallSpace, SparseSpace])
def test_the_planted_spaces_keep_the_contract(kind: type[PlantedSpace]) -> None:
    check_space(kind)


def small_evolution(space: SearchSpace, criteria: Criteria, rng: np.random.Generator) -> Evolution:
    return Evolution(space, criteria, rng, EvolutionOptions(population=20, sample=5))


def test_a_factory_may_set_options_and_a_partial_may_be_one() -> None:
    check_strategy(small_evolution)
    check_strategy(partial(Evolution, options=EvolutionOptions(20, 5)), make_space=RuledSpace)


def test_the_planted_task_has_a_known_answer() -> None:
    evaluator, best = PlantedEvaluator(), Arch((1,) * 8)
    assert is_planted(best)
    assert not is_planted(Arch((1,) * 7 + (0,)))
    result, weights = evaluator.evaluate(Proposal(best), None, np.random.default_rng(0))
    assert (result.scores, weights) == ({"worth": 100.0}, None)
    assert PlantedSpace().size == 4**8
    rng = np.random.default_rng(0)
    assert all(sample_valid(RuledSpace(), rng).genes[:2] not in {(i, i) for i in range(4)} for _ in range(50))


def test_the_planted_curves_end_where_the_answer_is_known() -> None:
    """Short trainings tell less: the correlation with the full one rises from about 0.7 to 1."""
    check_evaluator(PlantedCurves, PlantedSpace)
    rng, space = np.random.default_rng(0), PlantedSpace()
    archs = [sample_valid(space, rng) for _ in range(500)]

    def worth(fidelity: int) -> list[float]:
        results = (PlantedCurves().evaluate(Proposal(arch, fidelity), None, rng)[0] for arch in archs)
        return [result.scores["worth"] for result in results]

    full = [PlantedEvaluator().evaluate(Proposal(arch), None, rng)[0].scores["worth"] for arch in archs]
    assert worth(0) == worth(27) == worth(100) == full
    told = [float(np.corrcoef(worth(fidelity), full)[0, 1]) for fidelity in (1, 3, 9)]
    assert told == sorted(told) and 0.6 < told[0] < 0.8 < told[2] < 1.0
    state = {3: 1}
    going_on = Proposal(archs[0], 3, Inherit(3))
    assert PlantedCurves().evaluate(going_on, state, rng)[1] == 3
    assert PLANTED_RESOURCE.maximum == 27


# -- spaces that break the contract -------------------------------------------------------------------------------


class GlobalNumpy(PlantedSpace):
    def sample(self, rng: np.random.Generator) -> Arch:
        return Arch(tuple(np.random.randint(0, 4, size=8).tolist()))  # noqa: NPY002


class GlobalPython(PlantedSpace):
    def sample(self, rng: np.random.Generator) -> Arch:
        random.random()
        return super().sample(rng)


class GlobalTorch(PlantedSpace):
    def sample(self, rng: np.random.Generator) -> Arch:
        import torch

        torch.rand(1)
        return super().sample(rng)


class HashOrder(PlantedSpace):
    """Another process has other hashes, and so another order."""

    def sample(self, rng: np.random.Generator) -> Arch:
        genes = super().sample(rng).genes
        return Arch((hash(str(genes)) % 4, *genes[1:]))


class NumpyGenes(PlantedSpace):
    def sample(self, rng: np.random.Generator) -> Arch:
        return Arch(tuple(rng.integers(0, self.sizes)))


class ForgetfulParse(PlantedSpace):
    def parse(self, text: str) -> Arch:
        return Arch((0, *super().parse(text).genes[1:]))


class GullibleParse(PlantedSpace):
    def parse(self, text: str) -> Arch:
        try:
            return super().parse(text)
        except InputError:
            return Arch((0,) * 8)


class RudeParse(PlantedSpace):
    def parse(self, text: str) -> Arch:
        return Arch(tuple("abcd".index(part.split("=")[1]) for part in text.split(", ")))


class RestlessCanonical(PlantedSpace):
    def canonical(self, arch: Arch) -> Arch:
        return Arch(tuple(reversed(arch.genes)))


class CanonicalWithoutKey(PlantedSpace):
    def canonical(self, arch: Arch) -> Arch:
        return Arch(tuple(sorted(arch.genes)))

    def key(self, arch: Arch) -> str:
        return self.format(arch)


class OneKey(PlantedSpace):
    def key(self, arch: Arch) -> str:
        return "all the same"


class TooSmall(PlantedSpace):
    @property
    def size(self) -> int:
        return 3


class UnseededMutation(PlantedSpace):
    def __init__(self) -> None:
        super().__init__()
        self.own = np.random.default_rng(0)

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        return super().mutate(arch, self.own)


class OffTheEdge(PlantedSpace):
    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        return Arch((*arch.genes[:-1], 1.5))


class Islands(PlantedSpace):
    """Mutations change the last gene only."""

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        return Arch((*arch.genes[:-1], int(rng.integers(4))))


class OwnNeighbour(PlantedSpace):
    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        return [*super().neighbours(arch), arch]


class TwiceNeighbour(PlantedSpace):
    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        near = super().neighbours(arch)
        return [*near, near[3]]


class RestlessNeighbours(PlantedSpace):
    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        self.turned = not getattr(self, "turned", False)
        near = super().neighbours(arch)
        return near[::-1] if self.turned else near


class BrokenNeighbours(RuledSpace):
    neighbours_are_valid = True


class UnwritableNeighbour(PlantedSpace):
    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        return [*super().neighbours(arch), Arch((*arch.genes[:-1], 2.5))]


class WideOneHot(PlantedSpace):
    def one_hot(self, arch: Arch) -> Any:
        return np.pad(super().one_hot(arch), 1)


class WrongOneHot(PlantedSpace):
    def one_hot(self, arch: Arch) -> Any:
        return np.ones(self.alpha_shape, dtype=np.float32)


class AnyShape(PlantedSpace):
    def discretise(self, alpha: Any) -> Arch:
        return Arch(tuple(alpha[:8].argmax(axis=1).tolist()))


class RudeShape(PlantedSpace):
    def discretise(self, alpha: Any) -> Arch:
        return Arch(tuple((alpha + np.zeros(self.alpha_shape)).argmax(axis=1).tolist()))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (GlobalNumpy, "the global random generator of numpy was used"),
        (GlobalPython, "the global random generator of random was used"),
        (HashOrder, "sample gives something else in a fresh process"),
        (NumpyGenes, "are not plain numbers"),
        (ForgetfulParse, r"parse\(format\) of 'gene0=.*' is Arch"),
        (GullibleParse, r"parse\(''\) did not raise InputError"),
        (RudeParse, r"parse\(''\) raised IndexError instead of InputError"),
        (RestlessCanonical, r"canonical\(.*\) is not itself"),
        (CanonicalWithoutKey, "have different keys"),
        (OneKey, "have one key, but are not the same"),
        (TooSmall, "size is 3, but 40 different ones were drawn"),
        (UnseededMutation, "mutate is not determined by its generator"),
        (OffTheEdge, "the mutant .* cannot be written and read back"),
        (Islands, r"mutations get stuck: 200 in a row from .* led to 4 different architectures, expected at least 20"),
        (OwnNeighbour, "is its own neighbour"),
        (TwiceNeighbour, "is listed twice"),
        (RestlessNeighbours, "neighbours come in another order the second time"),
        (BrokenNeighbours, "neighbours are said to be valid, but .* is not"),
        (UnwritableNeighbour, "the neighbour .* cannot be written and read back"),
        (WideOneHot, r"one_hot has shape \(10, 6\), alpha_shape is \(8, 4\)"),
        (WrongOneHot, r"discretise\(one_hot\) of"),
        (AnyShape, "discretise of a wrong shape did not raise InputError"),
        (RudeShape, "discretise of a wrong shape raised ValueError instead of InputError"),
    ],
)
def test_an_offending_space_is_caught(kind: type[PlantedSpace], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_space(kind)


class Built(PlantedSpace):
    """Its networks have a layer for each gene but where the gene is 0."""

    misspelled = ""

    def modules(self, gene: int) -> tuple[str, ...]:
        return (f"network.layers{self.misspelled if gene == 3 else ''}.{gene}",)

    def build(self, arch: Arch, seed: int) -> Any:
        from torch import nn

        layers = {str(gene): nn.Linear(1, 1) for gene, option in enumerate(arch.genes) if option}
        return nn.ModuleDict({"layers": nn.ModuleDict(layers)})


class Misspelled(Built):
    misspelled = "_"


def test_a_gene_that_owns_nothing_in_any_network_is_caught() -> None:
    pytest.importorskip("torch")
    check_space(Built)
    with pytest.raises(AssertionError, match=r"gene 3 owns 'network\.layers_\.3', below which none of 40 networks"):
        check_space(Misspelled)


def test_pytorchs_generator_is_watched_too() -> None:
    pytest.importorskip("torch")
    with pytest.raises(AssertionError, match="the global random generator of torch was used"):
        check_space(GlobalTorch)


def test_a_rule_that_nothing_satisfies_is_told() -> None:
    with pytest.raises(InputError, match="none of 1000 architectures drawn is valid"):
        check_space(ForbiddenSpace)


# -- strategies that break the contract ---------------------------------------------------------------------------


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

    def draw(self) -> Arch:
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


def test_a_strategy_may_refuse_sparse_tables() -> None:
    check_strategy(RefusesTables, beats_random=False)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (PeeksAtReports, "the strategy read `report` or `details`, which are for people only"),
        (OwnRandomness, "the global random generator of numpy was used"),
        (AsksTooMuch, r"ask\(1\) gave 2 proposals"),
        (FallsSilent, "ask gave nothing although nothing is in flight"),
        (ForgetsItsWalk, "after state_dict and load_state_dict the strategy goes on differently"),
        (ForgetsItsGenerator, "after state_dict and load_state_dict the strategy goes on differently"),
        (MindsTheOrder, "the order of trials within one tell changes what follows"),
        (NeedsSuccess, "no failures, please"),
        (GivesUp, "ask gave nothing although nothing is in flight"),
        (IgnoresRules, "it proposed .*, which breaks a rule of 'ruled'"),
        (TriesForALittle, "asking in a space without valid architectures did not raise NoArchitectureError"),
        (NeedsAnyGood, "with a constraint that no architecture keeps: ask gave nothing although"),
        (OneObjective, "with two objectives: ValueError.'too many values to unpack"),
        (RawScores, "minimising the negative of a metric is not the same as maximising it"),
        (LearnsFromAnybody, "telling a trial that was not asked for did not raise InputError"),
        (LearnsFirst, "telling a trial that was not asked for changed the strategy"),
        (DropsTooMuch, "it inherits from trial [0-9]+, whose state `needed` did not keep"),
        (PromotesStrangers, "it inherits from trial [0-9]+, which was not told, or has failed"),
        (PromotesFailures, "it inherits from trial [0-9]+, which was not told, or has failed"),
        (DrawsAgain, "it inherits from trial [0-9]+, whose state `needed` did not keep"),
        (InventsRows, "on a sparse table: it proposed .*, which breaks a rule of 'sparse'"),
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


# -- evaluators that break the contract ---------------------------------------------------------------------------


class Answers(PlantedEvaluator):
    """Answers with a score, a report and nothing else."""

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": 1.0})

    def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, None]:
        resolve_fidelity(self.resource, proposal.fidelity)
        return self.answer(proposal, rng), None


class NoGoals(Answers):
    goals: Mapping[str, Goal] = {}


class OddGoals(Answers):
    goals: Mapping[str, Goal] = {"worth": "up"}  # type: ignore[dict-item]


class MissesAScore(Answers):
    goals: Mapping[str, Goal] = {"worth": "max", "size": "min"}


class NotANumber(Answers):
    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": float("nan")})


class StrayScore(Answers):
    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": 1.0, "test": 1.0}, {"test": 1.0})


class ChangesTheProposal(Answers):
    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        proposal.note["seen"] = True  # type: ignore[index]
        return Result({"worth": 1.0})


class GlobalNoise(Answers):
    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": np.random.rand()})  # noqa: NPY002


class DependsOnTheProcess(Answers):
    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": float(os.getpid())})


class Remembers(Answers):
    """Something is left of each evaluation."""

    calls = 0

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        self.calls += 1
        return Result({"worth": float(self.calls)})


class Outlives(Answers):
    """A second fresh one answers differently, from its first evaluation on."""

    made: ClassVar[list[int]] = [0]

    def __init__(self) -> None:
        self.made[0] += 1
        self.number = self.made[0]

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": float(self.number)})


class AnyFidelity(Answers):
    """What there is not is answered, too."""

    def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, None]:
        return self.answer(proposal, rng), None


class WordyResource(Answers):
    resource: Any = "epochs"


class OneFidelity(Answers):
    """Its resource has more than it answers to."""

    resource: Resource | None = Resource.at("epochs", [4, 12, 36])

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        if proposal.fidelity not in (0, 36):
            raise InputError("36 epochs only")
        return super().answer(proposal, rng)


class IgnoresFidelity(Answers):
    resource: Resource | None = Resource("epochs", 9)


class AnotherMaximum(Answers):
    """With 0 it goes on for longer."""

    resource: Resource | None = Resource("epochs", 9)

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": float(proposal.fidelity or 10)})


class GapsAreFilled(Answers):
    """Between its levels it answers as well."""

    resource: Resource | None = Resource.at("epochs", [4, 12, 36])

    def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, None]:
        if proposal.fidelity and not 4 <= proposal.fidelity <= 36:
            raise InputError("4 to 36 epochs")
        return Result({"worth": float(proposal.fidelity or 36)}), None


class Noisy(Answers):
    """Not an offender: noise from the trial's own stream, and a report that is not always measured."""

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": rng.normal()}, {"test": float("nan")})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NoGoals, "goals is empty"),
        (OddGoals, "expected max or min"),
        (MissesAScore, "a result without error is not usable: the evaluator gave no score named size"),
        (NotANumber, "a result without error is not usable: worth is nan"),
        (StrayScore, "test is in scores, but not in goals"),
        (ChangesTheProposal, "evaluate changed the proposal"),
        (GlobalNoise, "the global random generator of numpy was used"),
        (DependsOnTheProcess, "evaluate gives something else in a fresh process"),
        (Outlives, "evaluate depends on a global random seed"),
        (AnyFidelity, "fidelity -1, with the resource None did not raise InputError"),
        (WordyResource, "resource is 'epochs': expected a Resource or None"),
        (OneFidelity, "the resource is 4 or 12 or 36 epochs, and one of these is refused: 36 epochs only"),
        (IgnoresFidelity, "fidelities 1 and 9 are answered the same: is it ignored?"),
        (AnotherMaximum, "fidelity 0 is answered differently from the maximum, 9"),
        (GapsAreFilled, "fidelity 5, with the resource 4 or 12 or 36 epochs did not raise InputError"),
        (Remembers, "the same proposal is answered differently after others"),
    ],
)
def test_an_offending_evaluator_is_caught(kind: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_evaluator(kind, PlantedSpace)


def test_noise_from_the_trials_own_stream_is_no_offence() -> None:
    check_evaluator(Noisy, PlantedSpace)


# -- the machinery ------------------------------------------------------------------------------------------------


def test_the_global_generators_are_put_back() -> None:
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = testing._global_states()
    check_evaluator(PlantedEvaluator, PlantedSpace)
    for roll in (random.random, np.random.rand):
        with pytest.raises(AssertionError, match="was used"):
            testing._check_independent(roll, "it")
    assert testing._global_states() == before


def test_a_factory_that_no_other_process_can_make_is_told() -> None:
    class Local(PlantedSpace):
        pass

    for make in (Local, lambda: PlantedSpace()):
        with pytest.raises(AssertionError, match="the factory cannot go to a fresh process: define it at module level"):
            check_space(make)


def test_a_factory_is_found_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pytest's import mode "importlib" loads tests: under a name that no other process can import."""
    path = tmp_path / "test_mine.py"
    path.write_text(
        "from archloom.testing import PlantedSpace\n"
        "class Mine(PlantedSpace): name = 'mine'\n"
        "class Nest:\n"
        "    class Egg(Mine): pass\n"
    )
    spec = importlib.util.spec_from_file_location("no.such.package.test_mine", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    for name in ("no", "no.such", "no.such.package"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    check_space(module.Mine)
    check_space(module.Nest.Egg)


def die() -> None:
    os._exit(3)


def test_a_fresh_process_that_dies_is_told_and_not_waited_for() -> None:
    with pytest.raises(AssertionError, match="the fresh process died"):
        testing._in_fresh_process(die)


def hash_seed() -> tuple[str | None, int]:
    return os.environ.get("PYTHONHASHSEED"), os.getpid()


@pytest.mark.parametrize("before", [None, "7"])
def test_a_fresh_process_has_a_hash_seed_of_its_own(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    if before is None:
        monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    else:
        monkeypatch.setenv("PYTHONHASHSEED", before)
    seed, process = testing._in_fresh_process(hash_seed)
    assert seed not in (None, before)
    assert process != os.getpid()
    assert os.environ.get("PYTHONHASHSEED") == before


def test_planted_criteria_maximise_worth() -> None:
    assert PLANTED_CRITERIA.best([Result({"worth": 1.0}), Result({"worth": 2.0})]) == 1
