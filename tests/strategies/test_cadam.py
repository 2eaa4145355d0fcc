from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import archloom
from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import InputError
from archloom.executors.serial import SerialExecutor
from archloom.learners.quantile import QuantileDdpg
from archloom.problems import ProblemSpec
from archloom.runs.budgets import Ending, Limits
from archloom.runs.folders import run_in_memory
from archloom.runs.history import History
from archloom.runs.prepare import Request
from archloom.runs.search import MemoryJournal, Search
from archloom.spaces.base import Categorical
from archloom.spaces.nb201 import Nb201
from archloom.strategies.cadam import Cadam, CadamOptions, Replay
from archloom.testing import PLANTED_CRITERIA, PlantedEvaluator, PlantedSpace, is_planted
from archloom.types import Arch, Goal, Proposal, Resource, Result, Trial, Weights
from archloom.utils import seeds

SMALL = CadamOptions(hidden=(16, 16), top_k=8)
PRINTED = CadamOptions(actor_lr=1e-8, critic_lr=1e-4, widen_tries=0, random_tries=0)


def make(
    options: CadamOptions = SMALL, criteria: Criteria = PLANTED_CRITERIA, space: Any = None, seed: int = 0
) -> Cadam:
    return Cadam(space or PlantedSpace(), criteria, seeds.stream(seed, "strategy"), options)


def run(
    options: CadamOptions, seed: int, queries: int, max_repeats: int = 5000, target: float | None = None
) -> tuple[History, int, Ending]:
    journal, space = MemoryJournal(), PlantedSpace()
    strategy = Cadam(space, PLANTED_CRITERIA, seeds.stream(seed, "strategy"), options)
    limits = Limits(queries, max_repeats=max_repeats, target=target)
    ending = Search(space, strategy, SerialExecutor(PlantedEvaluator()), journal, limits, seed).run()
    return History.of(journal.lines, PLANTED_CRITERIA), len(journal.lines), ending


def test_it_finds_the_planted_architecture_among_65536() -> None:
    """Random search would need 45,000 queries for an even chance."""
    for seed in range(3):
        history, _, _ = run(CadamOptions(), seed, 500, target=100.0)
        best = history.best()
        assert best is not None and is_planted(best.trial.proposal.arch)


def test_proposals_are_new_while_there_are_new_ones() -> None:
    history, trials, _ = run(SMALL, 0, 300)
    assert trials == history.queries == 300


def test_the_printed_settings_are_selectable_and_repeat_themselves() -> None:
    """With the printed learning rate the actor stays where it is, and only epsilon finds new architectures."""
    history, trials, _ = run(PRINTED, 0, 100)
    assert trials > 1.5 * history.queries


def test_a_small_space_is_exhausted_rather_than_searched_for_ever() -> None:
    space = Categorical({"a": [0, 1], "b": [0, 1, 2]})
    strategy = make(SMALL, space=space)
    seen = set()
    for trial_id in range(12):
        (proposal,) = strategy.ask(1)
        seen.add(proposal.arch)
        strategy.tell([Trial(trial_id, proposal, Result({"worth": 1.0}))])
    assert len(seen) == space.size == 6


def test_epsilon_schedules() -> None:
    strategy = make()
    assert strategy.epsilon() == 1.0
    strategy.steps = 87
    assert strategy.epsilon() == pytest.approx(0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * 87 / 175)))
    strategy.steps = 175
    assert strategy.epsilon() == 0.05
    warm = make(replace(SMALL, warmup=3))
    assert warm.epsilon() == 1.0
    warm.steps = 3
    assert warm.epsilon() == 0.0


class PlantedPairs:
    """The share of the planted pairs of edge and operation in a cell, in percent: a supernet whose ranking is known."""

    goals: Mapping[str, Goal] = {"worth": "max"}
    resource: Resource | None = None

    def __init__(self, space: Nb201, planted: Arch) -> None:
        self.space, self.pairs = space, space.one_hot(planted)

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        found = self.space.one_hot(proposal.arch) * self.pairs
        return Result({"worth": 100.0 * float(found.sum() / self.pairs.sum())}), None


@pytest.mark.parametrize("seed", [0, 1])
def test_the_state_converges_to_the_planted_operations(seed: int) -> None:
    """The 10 best of 15,625 cells: on every edge most of them have the planted operation."""
    space = Nb201()
    planted = space.sample(seeds.stream(seed, "planted"))
    options = CadamOptions(hidden=(64, 64), top_k=10, batch_size=16, critic_lr=3e-3)
    strategy = make(options, space=space, seed=seed)
    Search(space, strategy, SerialExecutor(PlantedPairs(space, planted)), MemoryJournal(), Limits(500), seed).run()
    state = strategy.state().reshape(space.alpha_shape)
    assert space.discretise(state) == planted
    assert state.max(axis=1).min() > 0.5


def tell(strategy: Cadam, genes: list[tuple[tuple[int, ...], float]]) -> None:
    for trial_id, (gene, worth) in enumerate(genes):
        arch = Arch(gene)
        action = strategy.space.one_hot(arch).ravel().tolist()
        strategy.learn(Trial(trial_id, Proposal(arch, note={"action": action}), Result({"worth": worth})))


@pytest.mark.parametrize(
    ("distinct", "expected"),
    [(True, [0.0, 0.5, 0.5]), (False, [0.0, 1.0, 0.0])],
)
def test_state_is_the_mean_of_the_best(distinct: bool, expected: list[float]) -> None:
    strategy = make(CadamOptions(hidden=(4,), top_k=2, distinct_top=distinct), space=Categorical({"a": [0, 1, 2]}))
    np.testing.assert_array_equal(strategy.state(), [0.0, 0.0, 0.0])
    tell(strategy, [((0,), 10.0), ((1,), 50.0), ((1,), 50.0), ((2,), 30.0)])
    np.testing.assert_array_equal(strategy.state(), expected)


def test_of_equals_the_newest_leaves_the_top() -> None:
    strategy = make(CadamOptions(hidden=(4,), top_k=2), space=Categorical({"a": [0, 1, 2]}))
    tell(strategy, [((0,), 10.0), ((1,), 10.0), ((2,), 10.0)])
    np.testing.assert_array_equal(strategy.state(), [0.5, 0.5, 0.0])


def replay(utilities: list[tuple[float, ...]], violations: list[float] | None = None, capacity: int = 0) -> Replay:
    memory = Replay(2, len(utilities[0]), capacity)
    for utility, violation in zip(utilities, violations or [0.0] * len(utilities), strict=True):
        memory.add(np.zeros(2, np.float32), np.zeros(2, np.float32), utility, violation)
    return memory


def test_rewards_are_100_to_the_accuracy() -> None:
    """Eq. 4.1, with accuracies as percentages or as decimals."""
    rows = np.arange(2)
    np.testing.assert_allclose(replay([(94.0,), (50.0,)]).rewards(rows, 100.0), [100**0.94, 10.0], rtol=1e-6)
    np.testing.assert_allclose(replay([(0.94,), (0.5,)]).rewards(rows, 100.0), [100**0.94, 10.0], rtol=1e-6)


def test_rewards_of_other_metrics_span_the_range_seen() -> None:
    rewards = replay([(-3000.0,), (-1000.0,), (-2000.0,)]).rewards(np.arange(3), 100.0)
    np.testing.assert_allclose(rewards, [1.0, 100.0, 10.0], rtol=1e-6)


def test_rewards_at_the_ends_of_floats_are_numbers() -> None:
    largest = np.finfo(np.float64).max
    rewards = replay([(-largest,), (largest,), (0.0,)]).rewards(np.arange(3), 100.0)
    np.testing.assert_allclose(rewards, [1.0, 100.0, 10.0], rtol=1e-6)


def test_rewards_of_several_objectives_are_of_their_mean() -> None:
    rewards = replay([(0.0, -5.0), (10.0, -5.0), (10.0, -1.0)]).rewards(np.arange(3), 100.0)
    np.testing.assert_allclose(rewards, [1.0, 10.0, 100.0], rtol=1e-6)


def test_rewards_of_broken_constraints_and_failures_are_below_all_others() -> None:
    utilities, violations = [(1.0,), (99.0,), (99.0,), (math.nan,)], [0.0, 0.1, 3.0, math.inf]
    rewards = replay(utilities, violations).rewards(np.arange(4), 100.0)
    assert rewards[0] > rewards[1] > rewards[2] > rewards[3] == 0.0


def test_replay_keeps_the_latest_and_grows_without_a_bound() -> None:
    kept = replay([(float(i),) for i in range(10)], capacity=4)
    assert len(kept) == 4 and sorted(kept.utilities[:, 0]) == [6.0, 7.0, 8.0, 9.0]
    grown = replay([(float(i),) for i in range(1100)])
    assert len(grown) == 1100 and grown.utilities[:1100, 0].tolist() == [float(i) for i in range(1100)]
    other = Replay(2, 1, 0)
    other.load_state_dict(grown.state_dict())
    for memory in (grown, other):
        memory.add(np.ones(2, np.float32), np.ones(2, np.float32), (5.0,), 0.0)
    np.testing.assert_array_equal(other.utilities[:1101], grown.utilities[:1101])


def test_it_steers_by_constraints() -> None:
    """Architectures within the bound are found more often than chance finds them."""
    criteria = Criteria((Objective("worth", "max"),), (Constraint("worth", 50.0),))
    journal, space = MemoryJournal(), PlantedSpace()
    strategy = Cadam(space, criteria, seeds.stream(1, "strategy"))
    Search(space, strategy, SerialExecutor(PlantedEvaluator()), journal, Limits(400), 1).run()
    late = [line for line in journal.lines[200:] if line.scores["worth"] <= 50.0]
    at_bound = [line for line in late if line.scores["worth"] == 50.0]
    assert len(at_bound) / 200 > 3 * 0.0865, "0.0865: the share of architectures with half the genes right"


@pytest.mark.parametrize(
    "option",
    [
        {"top_k": 0}, {"batch_size": 0}, {"tau": 1.5}, {"actor_lr": 0.0}, {"critic_lr": math.nan}, {"noise": -1.0},
        {"hidden": ()}, {"hidden": (8, 0)}, {"beta1": 1.0}, {"capacity": 3}, {"epsilon_end": -0.1},
        {"growth": math.inf},
    ],
)  # fmt: skip
def test_impossible_options_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"^(CadamOptions option )?{next(iter(option))}="):
        CadamOptions(**option)


def test_it_finds_the_best_cells_of_nas_bench_201(data_dir: Any) -> None:
    """Rank 20 or better with 300 queries, three seeds; random search is at rank 60 on average."""
    ranks = []
    for seed in range(3):
        spec = ProblemSpec("nb201", str(data_dir / "nb201.npz"), ("cifar100_valid_200",))
        ranks.append(run_in_memory(Request("cadam", spec, seed, Limits(300))).rank)
    assert sorted(rank or 999 for rank in ranks)[1] <= 20, ranks


@pytest.mark.usefixtures("data_dir")
def test_the_number_of_threads_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """With networks and batches so large that a numerical library would share the work among threads."""
    used: list[int] = []
    update = QuantileDdpg.update_actor

    def watched(self: QuantileDdpg, *states: Any) -> Any:
        if not used:
            used.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return update(self, *states)

    monkeypatch.setattr(QuantileDdpg, "update_actor", watched)
    asked = []
    for threads in (1, 2):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        with threadpool_limits(threads, user_api="blas"):
            found = archloom.run("cadam", queries=80, hidden=(512, 512, 512), batch_size=64)
        asked.append([line.note["action"] for line in found.history.lines])
        assert used and set(used) == {1}, "BLAS, while it learns"
        used.clear()
    assert len(asked[0]) == 80 and asked[0] == asked[1]
