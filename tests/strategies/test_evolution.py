from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Criteria, criteria
from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.runs.budgets import Limits
from archloom.runs.folders import run_in_memory
from archloom.runs.prepare import Request
from archloom.spaces.base import SearchSpace
from archloom.strategies.evolution import Evolution, EvolutionOptions
from archloom.testing import PLANTED_CRITERIA, PlantedEvaluator, PlantedSpace, RuledSpace
from archloom.types import Arch, Proposal, Result, Trial
from archloom.utils import seeds


def worth(arch: Arch) -> float:
    return PlantedEvaluator().evaluate(Proposal(arch), None, np.random.default_rng(0))[0].scores["worth"]


def evolution(population: int, sample: int, seed: int = 0, space: SearchSpace | None = None) -> Evolution:
    options = EvolutionOptions(population, sample)
    return Evolution(space or PlantedSpace(), PLANTED_CRITERIA, seeds.stream(seed, "strategy"), options)


def drive(strategy: Evolution, steps: int, first_id: int = 0, fails: Any = lambda trial_id: False) -> list[Arch]:
    asked = []
    for trial_id in range(first_id, first_id + steps):
        (proposal,) = strategy.ask(1)
        asked.append(proposal.arch)
        result = Result.failed("no") if fails(trial_id) else Result({"worth": worth(proposal.arch)})
        strategy.tell([Trial(trial_id, proposal, result)])
    return asked


def published(population: int, sample: int, steps: int, rng: np.random.Generator) -> list[Arch]:
    """Real et al. 2019, Algorithm 1, as printed: a queue of models, tournaments of a sample drawn with replacement."""
    space = PlantedSpace()
    queue: deque[tuple[Arch, float]] = deque()
    history = []
    while len(queue) < population:
        arch = space.sample(rng)
        queue.append((arch, worth(arch)))
        history.append(arch)
    while len(history) < steps:
        picked = rng.integers(len(queue), size=sample)
        parent = max((queue[i] for i in picked), key=lambda model: model[1])
        child = space.mutate(parent[0], rng)
        queue.append((child, worth(child)))
        history.append(child)
        queue.popleft()
    return history


@pytest.mark.parametrize(("population", "sample"), [(1, 1), (5, 2), (20, 10), (20, 20)])
def test_it_is_the_published_algorithm(population: int, sample: int) -> None:
    for seed in range(3):
        expected = published(population, sample, 150, seeds.stream(seed, "strategy"))
        assert drive(evolution(population, sample, seed), 150) == expected


def test_the_oldest_dies_however_good_it_is() -> None:
    strategy = evolution(3, 3)
    best = Arch((1,) * 8)
    told = [best, Arch((0,) * 8), Arch((2,) * 8), Arch((3,) * 8)]
    for trial_id, arch in enumerate(told[:3]):
        strategy.learn(Trial(trial_id, Proposal(arch), Result({"worth": worth(arch)})))
    assert [t.id for t in strategy.population] == [0, 1, 2]
    strategy.learn(Trial(3, Proposal(told[3]), Result({"worth": worth(told[3])})))
    assert [t.id for t in strategy.population] == [1, 2, 3]
    assert all(strategy.select().proposal.arch != best for _ in range(50))


def test_children_differ_from_a_living_parent_in_one_gene() -> None:
    strategy = evolution(10, 5)
    drive(strategy, 10)
    for trial_id in range(10, 60):
        living = [t.proposal.arch.genes for t in strategy.population]
        (child,) = drive(strategy, 1, trial_id)
        assert any(sum(a != b for a, b in zip(child.genes, genes, strict=True)) == 1 for genes in living)


def test_a_tournament_of_all_takes_the_best_and_of_one_any() -> None:
    keen, random = evolution(30, 30), evolution(30, 1)
    for strategy in (keen, random):
        drive(strategy, 30)
    scores = [t.result.scores["worth"] for t in keen.population]
    wins = [keen.select().result.scores["worth"] for _ in range(200)]
    # Drawn with replacement: the best is missing from a sample of 30 with probability (1 - 1/30)**30, a third.
    assert wins.count(max(scores)) > 100
    assert {t.id for t in (random.select() for _ in range(600))} == set(range(30))


def test_failed_trials_lose_every_tournament_and_age_out() -> None:
    strategy = evolution(4, 2)
    drive(strategy, 4, fails=lambda trial_id: trial_id % 2 == 0)
    twin = np.random.Generator(np.random.PCG64())
    twin.bit_generator.state = strategy.rng.bit_generator.state
    outcomes = set()
    for _ in range(100):
        sample = [strategy.population[i] for i in twin.integers(4, size=2)]
        wins = strategy.select().result.ok
        assert wins == any(trial.result.ok for trial in sample)
        outcomes.add(wins)
    assert outcomes == {True, False}
    drive(strategy, 4, first_id=4)
    assert all(t.result.ok for t in strategy.population)


def test_constraints_decide_before_objectives() -> None:
    wanted: Criteria = criteria(["worth"], {"worth": "max", "size": "min"}, ["size<=1"])
    strategy = Evolution(PlantedSpace(), wanted, seeds.stream(0, "strategy"), EvolutionOptions(2, 2))
    results = [Result({"worth": 99.0, "size": 2.0}), Result({"worth": 1.0, "size": 1.0})]
    for i, result in enumerate(results):
        strategy.learn(Trial(i, Proposal(Arch((i,) * 8)), result))
    winners = [strategy.select().id for _ in range(100)]
    assert 60 < winners.count(1) < 90  # three of the four equally likely samples hold trial 1


def test_with_many_in_flight_it_fills_the_population_first() -> None:
    strategy, rng = evolution(6, 3), seeds.stream(0, "strategy")
    space = PlantedSpace()
    assert [p.arch for p in strategy.ask(6)] == [space.sample(rng) for _ in range(6)]
    assert len(strategy.ask(4)) == 4  # nothing is told yet: more at random rather than waiting


def test_mutants_keep_the_spaces_rules() -> None:
    assert all(arch.genes[0] != arch.genes[1] for arch in drive(evolution(5, 5, space=RuledSpace()), 300))


@pytest.mark.parametrize(
    ("population", "sample", "says"),
    [
        (0, 0, "EvolutionOptions option population=0: expected a whole number from 1 to 1,000,000"),
        (-1, -1, "EvolutionOptions option population=-1: expected a whole number from 1 to 1,000,000"),
        (1_000_001, 10, "EvolutionOptions option population=1000001: expected a whole number from 1 to 1,000,000"),
        (10, 0, "EvolutionOptions option sample=0: expected a whole number of at least 1"),
        (10, 11, "population=10, sample=11: expected sample <= population"),
    ],
)
def test_impossible_tournaments_are_told(population: int, sample: int, says: str) -> None:
    with pytest.raises(InputError) as caught:
        EvolutionOptions(population, sample)
    assert str(caught.value) == says


def test_a_sparse_table_is_searched_to_the_end(data_dir: Any) -> None:
    """5,125 rows, six or more genes from each other: it finds as many new ones as it may, and better than chance."""
    spec = ProblemSpec("table", str(data_dir / "accel_imagenet.npz"), ("valid_top1",))
    ranks: dict[str, list[int]] = {"evolution": [], "random": []}
    for strategy, found in ranks.items():
        for seed in range(4):
            report = run_in_memory(Request(strategy, spec, seed, Limits(500)))
            assert report.history.queries == 500
            found.append(report.rank or 9999)
    assert np.mean(ranks["evolution"]) < np.mean(ranks["random"]) / 2, ranks
