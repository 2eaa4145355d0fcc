from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import archloom
from archloom.constraints import Constraint, Criteria, Objective
from archloom.executors.serial import SerialExecutor
from archloom.runs.budgets import Limits
from archloom.runs.search import MemoryJournal, Search
from archloom.spaces.base import Categorical
from archloom.spaces.darts.space import Darts
from archloom.spaces.nb201 import Nb201
from archloom.strategies.base import plan_of
from archloom.strategies.ddas.options import DdasOptions
from archloom.strategies.ddas.strategy import Ddas, DdasNote
from archloom.testing import PLANTED_CRITERIA, PlantedSpace, RuledSpace, check_strategy
from archloom.types import Arch, Goal, Inherit, Proposal, Resource, Result, Trial, Weights
from archloom.utils import seeds

BANDIT = DdasOptions(loss_weight=0.0)
TINY = DdasOptions(explore=6, exploit=6, hidden=(16, 16), patience=3, loss_weight=0.0)
FOUR = replace(TINY, setting="four_stage", fourth=12)
WITH_LOSS = replace(TINY, loss_weight=0.5)


def make(options: DdasOptions = TINY, space: Any = None, seed: int = 0, **more: Any) -> Ddas:
    criteria = more.pop("criteria", PLANTED_CRITERIA)
    return Ddas(space or PlantedSpace(), criteria, seeds.stream(seed, "strategy"), options, **more)


def step(strategy: Ddas, result: Result | None = None) -> Proposal:
    """Ask and tell once."""
    (proposal,) = strategy.ask(1)
    strategy.tell([Trial(strategy.steps - 1, proposal, result or Result({"worth": 50.0}))])
    return proposal


@pytest.mark.parametrize("setting", ["random", "noiseless", "gaussian", "four_stage"])
def test_contract_of_every_setting(setting: Any) -> None:
    fourth = 8 if setting == "four_stage" else None
    check_strategy(partial(Ddas, options=replace(TINY, setting=setting, fourth=fourth)), beats_random=False)


# -- a bandit ------------------------------------------------------------------------------------------------------


class Bandit:
    """The share of the planted pairs of decision and option that an architecture has."""

    goals: Mapping[str, Goal] = {"worth": "max"}
    resource: Resource | None = None

    def __init__(self, space: Any, seed: int) -> None:
        self.space, self.pairs = space, space.one_hot(space.sample(seeds.stream(seed, "planted")))

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        found = self.space.one_hot(proposal.arch) * self.pairs
        return Result({"worth": float(found.sum() / self.pairs.sum())}), None


def played(space: Any, options: DdasOptions, seed: int) -> list[float]:
    """What each step of a run is worth."""
    journal, strategy = MemoryJournal(), make(options, space, seed)
    plan = plan_of(strategy)
    Search(space, strategy, SerialExecutor(Bandit(space, seed)), journal, Limits(plan.trials), seed, plan=plan).run()
    return [line.scores["worth"] for line in journal.lines]


@pytest.mark.parametrize("seed", [0, 1])
def test_it_converges_to_the_planted_pairs(seed: int) -> None:
    """Random cells have a fifth of them. Smaller networks than by default, which is quicker."""
    worth = played(Nb201(), replace(BANDIT, exploit=700, hidden=(128, 128, 128)), seed)
    assert np.mean(worth[:500]) == pytest.approx(0.2, abs=0.03)
    assert np.mean(worth[-100:]) > 0.9


# -- what it learns from -------------------------------------------------------------------------------------------


CHOICE = Categorical({"a": [0, 1, 2], "b": [0, 1, 2]})
BOTH = Criteria((Objective("acc", "max"),))


def told(strategy: Ddas, results: list[Result]) -> list[Proposal]:
    return [step(strategy, result) for result in results]


def scored(accuracy: float, loss: float) -> Result:
    return Result({"acc": accuracy, "valid_loss": loss})


def test_transitions_and_rewards_by_hand() -> None:
    """The first state is all ones, the next is the last architecture; the first step's previous loss the one-shot's."""
    strategy = make(WITH_LOSS, CHOICE, criteria=BOTH, reference={"acc": 40.0, "valid_loss": 2.0})
    results = [scored(50.0, 1.5), scored(44.0, 1.75), scored(60.0, 1.0)]
    proposals = told(strategy, results)
    kept, one_hot = strategy.experiences, [CHOICE.one_hot(p.arch).ravel() for p in proposals]
    np.testing.assert_array_equal(kept.states[:3], [np.ones(6), one_hot[0], one_hot[1]])
    np.testing.assert_array_equal(kept.next_states[:3], one_hot)
    actions = [DdasNote.of(p.note).action for p in proposals]
    np.testing.assert_array_equal(kept.actions[:3], np.array(actions, np.float32))
    by_hand = [0.5 * 0.10 + 0.5 * 0.5, 0.5 * 0.04 - 0.5 * 0.25, 0.5 * 0.20 + 0.5 * 0.75]
    np.testing.assert_allclose(kept.rewards(np.arange(3)), by_hand, rtol=1e-6)


def test_without_a_reference_the_first_step_has_no_loss_term() -> None:
    strategy = make(WITH_LOSS, CHOICE, criteria=BOTH)
    told(strategy, [scored(50.0, 1.5), scored(50.0, 1.0)])
    np.testing.assert_allclose(strategy.experiences.rewards(np.arange(2)), [0.0, 0.25])


def test_what_it_learns_from_depends_on_its_options() -> None:
    assert Ddas.learns_from(WITH_LOSS) == ("valid_loss",)
    assert Ddas.learns_from(replace(WITH_LOSS, loss="regret")) == ("regret",)
    assert Ddas.learns_from(TINY) == ()


def test_a_failure_teaches_nothing_and_the_chain_goes_on_from_the_last_state() -> None:
    strategy = make(replace(WITH_LOSS, explore=1), CHOICE, criteria=BOTH)
    first, _, after = told(strategy, [scored(50.0, 1.5), Result.failed("on purpose"), scored(50.0, 1.0)])
    kept = strategy.experiences
    assert len(kept) == 2 and kept.gains[:2].tolist() == [0.0, 0.5]
    np.testing.assert_array_equal(kept.states[1], CHOICE.one_hot(first.arch).ravel())
    assert after.inherit == Inherit(0)
    assert DdasNote.of(after.note).changed is None, "after a failure it draws at random: the actor would repeat itself"
    (proposal,) = strategy.ask(1)
    assert proposal.inherit == Inherit(2) and DdasNote.of(proposal.note).changed is not None


def test_constraints_are_part_of_the_reward() -> None:
    bounded = Criteria((Objective("acc", "max"),), (Constraint("acc", 40.0),))
    strategy = make(replace(WITH_LOSS, loss_weight=0.0), CHOICE, criteria=bounded)
    told(strategy, [Result({"acc": 40.0}), Result({"acc": 80.0})])
    assert strategy.experiences.rewards(np.arange(2))[1] == -1.5


# -- acting and learning -------------------------------------------------------------------------------------------


def test_exploring_learns_nothing_then_every_step_is_an_update() -> None:
    strategy = make(TINY)
    before = strategy.net.state_dict()
    stages = [DdasNote.of(step(strategy).note) for _ in range(6)]
    assert {note.stage for note in stages} == {"explore"} and all(note.changed is None for note in stages)
    for name, array in strategy.net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    for updates in range(1, 9):  # two steps more than planned
        note = DdasNote.of(step(strategy).note)
        assert note.stage == "exploit" and strategy.net.critic_adam.steps == updates


def test_random_never_learns() -> None:
    strategy = make(replace(TINY, setting="random"))
    assert all(DdasNote.of(step(strategy).note).stage == "explore" for _ in range(20))
    assert strategy.net.critic_adam.steps == 0
    assert plan_of(strategy).random == 0, "it never uses what it has learnt"


def test_actions_are_the_actors_output_with_noise_and_clipped() -> None:
    for clip, low, high in ((True, 0.0, 1.0), (False, -np.inf, np.inf)):
        strategy = make(replace(TINY, explore=0, setting="gaussian", noise_sigma=1.0, clip=clip))
        actions = [DdasNote.of(step(strategy).note).action for _ in range(6)]
        assert np.min(actions) >= low and np.max(actions) <= high
        assert (np.min(actions) < 0.0 < 1.0 < np.max(actions)) is not clip
        np.testing.assert_array_equal(strategy.experiences.actions[:6], np.array(actions, np.float32))
    strategy = make(replace(TINY, explore=0))
    centre = strategy.net.action(strategy.state)
    action = np.array(DdasNote.of(step(strategy).note).action)
    assert 0 < np.abs(action - centre).max() < 1.1e-5


class Scripted(Ddas):
    """An actor of the test's: its output has the best entries of the architecture that stands in `script`."""

    script: Arch

    def act(self, noise: Any) -> Any:
        self.net.action = lambda _: 0.4 + 0.2 * self.one_hot(self.script)  # type: ignore[method-assign]
        return super().act(noise)


def test_the_fourth_stage_on_a_scripted_actor() -> None:
    """A similar step changes fewer than 6 of 16 pairs; 32 of them bring noise that changes most, for 32 steps."""
    space = Darts()
    options = replace(BANDIT, setting="four_stage", explore=1, exploit=1, fourth=200, hidden=(8,))
    strategy = Scripted(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"), options)
    strategy.script = space.sample(np.random.default_rng(0))
    notes = [DdasNote.of(step(strategy).note) for _ in range(200)]
    assert [note.stage for note in notes] == ["explore", "exploit"] + ["fourth"] * 198
    changed = [note.changed or 0 for note in notes[2:]]
    # The first step of the stage leaves what Gaussian noise made of the script.
    quiet = 33 if strategy.pairs_changed(*map(strategy.one_hot, (noisy_arch(notes[1]), strategy.script))) >= 6 else 32
    assert not any(changed[:quiet]) and all(changed[quiet : quiet + 32])
    assert np.mean(changed[quiet + 5 : quiet + 32]) == pytest.approx(12, abs=1.5), "about 12 of 16"
    # Going quiet, the script is back at once, which is not similar to the last noisy step.
    assert not any(changed[quiet + 32 : quiet + 65]) and all(changed[quiet + 65 : quiet + 97])


def noisy_arch(note: DdasNote) -> Arch:
    return Darts().discretise(np.reshape(note.action, Darts().alpha_shape))


def test_gaussian_noise_changes_a_quarter_of_the_pairs_of_a_random_alpha() -> None:
    """Standard deviation 0.05: 4.2 of 16 pairs on average."""
    space, rng = Darts(), np.random.default_rng(0)
    strategy = make(replace(TINY, setting="gaussian", explore=0), space)
    noise = strategy.stage(0).noise
    changed = []
    for _ in range(200):
        alpha = rng.random(strategy.entries).astype(np.float32)
        strategy.net.action = lambda _, alpha=alpha: alpha  # type: ignore[method-assign, misc]
        changed.append(strategy.act(noise)[2])
    assert np.mean(changed) == pytest.approx(4.2, abs=0.5)  # type: ignore[arg-type]


def test_invalid_architectures_are_never_proposed() -> None:
    strategy, space = make(FOUR, RuledSpace()), RuledSpace()
    for _ in range(24):
        assert not sum(space.violations(step(strategy).arch).values())


# -- going on from the last state ----------------------------------------------------------------------------------


def test_one_proposal_at_a_time() -> None:
    strategy = make()
    assert len(strategy.ask(5)) == 1 and not strategy.ask(5)


def test_it_goes_on_only_where_no_resource_counts_an_architectures_own_training() -> None:
    chained, alone = make(), make(resource=Resource("epochs", 9))
    assert [step(chained).inherit for _ in range(3)] == [None, Inherit(0), Inherit(1)]
    assert chained.needed() == {2}
    assert [step(alone).inherit for _ in range(3)] == [None] * 3
    assert alone.needed() == set()


class Shared:
    """A network that all architectures share: each step trains the pairs of its architecture a third of their way.

    The accuracy is the mean training of the pairs, in percent, of those that are planted up to 1, of others up to 0.3.
    One step in ten fails.
    """

    goals: Mapping[str, Goal] = {"valid_accuracy": "max", "valid_loss": "min"}
    resource: Resource | None = None

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        import torch

        from archloom.checkpoints.state import TrainingState

        if proposal.inherit is None:
            trained = torch.full((8, 4), 0.1)
        else:
            assert weights is not None
            trained = weights[proposal.inherit.base].networks["pairs"]["trained"].clone()
        if rng.random() < 0.1:
            return Result.failed("on purpose"), None
        for row, gene in enumerate(proposal.arch.genes):
            trained[row, gene] += ((1.0 if gene == 1 else 0.3) - trained[row, gene]) / 3
        mean = float(np.mean([trained[row, gene].item() for row, gene in enumerate(proposal.arch.genes)]))
        scores = {"valid_accuracy": 100 * mean, "valid_loss": -float(np.log(mean))}
        return Result(scores), TrainingState({"pairs": {"trained": trained}})


class SharedProblem(archloom.Problem):
    trains = True
    reference: Mapping[str, float] = {"valid_accuracy": 10.0, "valid_loss": 2.3}

    def __init__(self) -> None:
        super().__init__(PlantedSpace(), Shared(), Shared.goals)


def test_a_run_trains_one_network_on_and_on() -> None:
    """Each step inherits from the last that succeeded, trials are never repeats, and accuracies are above what a step
    reaches from the start: a third of the way from 0.1."""
    pytest.importorskip("torch", reason="training needs the extra train")
    found = archloom.run("ddas", on=SharedProblem(), explore=30, exploit=30, hidden=(32, 32))
    lines, last = found.history.lines, None
    assert len(lines) == 60
    for line in lines:
        assert line.inherit == (None if last is None else Inherit(last))
        last = line.id if line.error is None else last
    assert any(line.error for line in lines) and not all(line.error for line in lines[-20:])
    assert min(line.scores["valid_accuracy"] for line in lines[-20:] if line.error is None) > 40.0 / 3
