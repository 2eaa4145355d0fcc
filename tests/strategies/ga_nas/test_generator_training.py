from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="ga_nas needs the extra train")

from archloom.runs.record import decode_state, encode_state  # noqa: E402
from archloom.spaces.base import Categorical  # noqa: E402
from archloom.spaces.nbgraph import NbGraph  # noqa: E402
from archloom.strategies.ga_nas.generator_training import (  # noqa: E402
    REFITS,
    REWARDS,
    Adversarial,
    Discriminator,
    FitData,
    FromAccuracy,
    Generator,
    GeneratorTrainer,
    GraphView,
    standardised,
)
from archloom.strategies.ga_nas.strategy import GaNasOptions  # noqa: E402
from archloom.types import Arch  # noqa: E402

SPACE = Categorical({f"choice{i}": list("abc") for i in range(5)})
OPTIONS = GaNasOptions(width=16, layers=1, lr=1e-2, discriminator_lr=1e-2, pairs=32, pair_steps=20, episodes=32)
BRIEF = replace(OPTIONS, width=8, pair_steps=4, pairs=8, episodes=8, updates=2, rounds=1)
"""For what does not depend on learning anything."""
TRUTH = [Arch((0, 0, *rest)) for rest in ((0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 1, 1), (2, 2, 2), (0, 0, 0))]
"""Of the truth set only the first two choices are always the same."""


def fit_data(truth: Sequence[Arch] = TRUTH) -> FitData:
    rng = np.random.default_rng(3)
    latest = [SPACE.sample(rng) for _ in range(32)]
    fitness = np.array([float((np.array(arch.genes[:2]) == 0).sum()) for arch in latest])
    return FitData(truth, latest, fitness)


def refit(name: str, options: GaNasOptions = OPTIONS, space: Any = SPACE, seed: int = 0) -> GeneratorTrainer:
    return REFITS[name](space, options.settings(), np.random.default_rng(seed))


def like_the_truth(found: Sequence[Arch | None]) -> float:
    return float(np.mean([arch is not None and arch.genes[:2] == (0, 0) for arch in found]))


@pytest.mark.parametrize("name", REFITS)
def test_every_refit_draws_more_of_what_the_truth_has_in_common(name: str) -> None:
    generator = refit(name)
    shares = []
    for _ in range(4):
        generator.refit(fit_data())
        shares.append(like_the_truth(generator.draw(200, 1.0)))
    by_chance = 1 / 9
    assert shares[-1] > 3 * by_chance
    assert all(arch is None or len(arch.genes) == 5 for arch in generator.draw(3, 1.0))


def test_the_adversarial_generator_stays_open_where_the_truth_is() -> None:
    """It is to draw like the truth set, not the one architecture that the discriminator likes best."""
    generator = refit("adversarial", replace(OPTIONS, updates=3))
    for _ in range(6):
        generator.refit(fit_data())
    drawn = [arch for arch in generator.draw(300, 1.0) if arch is not None]
    assert like_the_truth(drawn) > 0.7
    assert len({arch.genes[2:] for arch in drawn if arch.genes[:2] == (0, 0)}) >= 8


def test_a_temperature_brings_others() -> None:
    generator = refit("likelihood")
    for _ in range(4):
        generator.refit(fit_data())
    assert like_the_truth(generator.draw(200, 1.0)) > like_the_truth(generator.draw(200, 16.0)) + 0.2


@pytest.mark.parametrize("options", [BRIEF, replace(BRIEF, fresh=False)], ids=["fresh", "kept"])
@pytest.mark.parametrize("name", REFITS)
def test_a_refit_goes_on_exactly_where_it_was_dumped(name: str, options: GaNasOptions) -> None:
    one, other = refit(name, options), refit(name, options, seed=1)
    one.refit(fit_data())
    other.refit(fit_data())
    other.restore(decode_state(encode_state(one.dump())))
    other.rng.bit_generator.state = one.rng.bit_generator.state
    for _ in range(2):
        assert one.draw(20, 1.2) == other.draw(20, 1.2)
        assert one.refit(fit_data()) == other.refit(fit_data())


def test_the_divergence_is_small_for_the_truth_itself_and_ln_2_where_all_is_different() -> None:
    view, rng = GraphView(SPACE), np.random.default_rng(0)
    truth = view.batch([Arch((0, 0, *rest)) for rest in np.ndindex(3, 3, 3)])
    different = view.batch([Arch((1, 2, *rest)) for rest in np.ndindex(3, 3, 3)])
    found = []
    for fakes in (truth, different):
        judge = Discriminator(view, replace(OPTIONS, pair_steps=150).settings(), rng)
        judge.train(truth, fakes)
        found.append(judge.divergence(truth, fakes))
    assert abs(found[0]) < 0.1
    assert 0.6 < found[1] <= np.log(2.0)


def test_the_divergence_of_few_architectures_reads_too_high_and_is_told_to() -> None:
    """Two samples of one distribution: learned by heart. It still tells them from what is different."""
    rng = np.random.default_rng(0)
    view = GraphView(SPACE)
    one, other = (view.batch([SPACE.sample(rng) for _ in range(25)]) for _ in range(2))
    apart = view.batch([Arch((2, 2, 2, *rng.integers(0, 2, 2).tolist())) for _ in range(25)])
    found = []
    for fakes in (other, apart):
        judge = Discriminator(view, replace(OPTIONS, pair_steps=60).settings(), rng)
        judge.train(one, fakes)
        found.append(judge.divergence(one, fakes))
    assert 0.05 < found[0] < found[1] <= np.log(2.0)


def test_an_expert_keeps_both_kinds_of_a_truth_set() -> None:
    """Most truths begin with 0, 0 and a few with 2, 2; the expert's gradient keeps the few."""
    few = [Arch((2, 2, *rest)) for rest in ((0, 1, 2), (1, 2, 0))]
    shares = []
    for weight in (0.0, 4.0):
        generator = refit("adversarial", replace(OPTIONS, expert=weight))
        for _ in range(5):
            generator.refit(fit_data([*TRUTH, *few]))
        drawn = generator.draw(400, 1.0)
        shares.append(float(np.mean([arch is not None and arch.genes[:2] == (2, 2) for arch in drawn])))
    assert shares[1] > 0.1 and shares[1] > shares[0]


def test_a_kept_discriminator_takes_its_truth_along() -> None:
    """It is used where nothing that is drawn is valid."""
    one = refit("adversarial", replace(OPTIONS, fresh=False))
    one.refit(fit_data())
    other = refit("adversarial", replace(OPTIONS, fresh=False), seed=1)
    other.restore(decode_state(encode_state(one.dump())))
    assert isinstance(one, Adversarial) and isinstance(other, Adversarial)
    assert one.discriminator is not None and other.discriminator is not None
    assert len(one.discriminator.truth) == len(TRUTH)
    assert torch.equal(one.discriminator.truth, other.discriminator.truth)


def test_a_truth_set_of_one_is_paired_with_itself() -> None:
    generator = refit("adversarial")
    divergence = generator.refit(fit_data(TRUTH[:1]))
    assert divergence is not None and np.isfinite(divergence)


def test_rewards_rise_with_the_discriminator_s_belief() -> None:
    logits = torch.tensor([-3.0, 0.0, 3.0])
    d = torch.sigmoid(logits)
    expected = {"logit": (d / (1 - d)).log(), "probability": d, "log": d.log(), "minimax": -(1 - d).log()}
    assert set(REWARDS) == set(expected)
    for name, reward in REWARDS.items():
        torch.testing.assert_close(reward(logits), expected[name], atol=1e-5, rtol=1e-5)


def test_what_breaks_rules_of_the_space_is_no_architecture_and_costs() -> None:
    space = NbGraph()
    skips = space.options[1].index("skip")
    generator = Adversarial(space, replace(OPTIONS, penalty=7.0).settings(), np.random.default_rng(0))
    with torch.no_grad():  # nothing but skips
        for parameter in generator.generator.policy.label_head.parameters():
            parameter.zero_()
        for gene in range(1, 5):
            label = space.graph_labels.index(f"op{gene}=skip")
            generator.generator.policy.label_head[-1].bias[label] = 50.0
    assert skips >= 0 and generator.draw(5, 1.0) == [None] * 5
    episodes = generator.generator.draw(4)
    judge = Discriminator(generator.view, generator.settings, generator.rng)
    np.testing.assert_array_equal(generator._judge(episodes, judge), [-7.0] * 4)
    assert generator.refit(FitData([space.sample(np.random.default_rng(0))], [], np.array([]))) is None


def test_illegal_choices_cost_at_their_step() -> None:
    generator = Generator(GraphView(SPACE), replace(OPTIONS, masked=False).settings(), np.random.default_rng(0))
    before = generator.draw(200).illegal.mean()
    for _ in range(15):
        generator.reinforce(episodes := generator.draw(64), np.zeros(len(episodes)))
    assert before > 0.5  # of 15 labels three are legal at a step
    assert generator.draw(200).illegal.mean() < 0.3 * before


def cells(module: str, name: str) -> Any:
    pytest.importorskip("numba", reason=f"{name} cells need the extra bench")
    return getattr(importlib.import_module(module), name)()


SPACES: Mapping[str, Callable[[], Any]] = {
    "choices": lambda: SPACE,
    "nbgraph": NbGraph,
    "nb101": lambda: cells("archloom.spaces.nb101.space", "Nb101"),
    "darts": lambda: cells("archloom.spaces.darts", "Darts"),
}


@pytest.mark.parametrize("make", SPACES.values(), ids=SPACES)
def test_a_graph_with_an_illegal_choice_is_no_architecture(make: Callable[[], Any]) -> None:
    """R_final is minus the number of such choices, although the graph is drawn to its end with legal ones instead."""
    space = make()
    untrained = Adversarial(space, replace(OPTIONS, masked=False, penalty=2.0).settings(), np.random.default_rng(0))
    episodes = untrained.generator.draw(60)
    counts = episodes.illegal.sum(axis=1)
    assert (counts > 0).mean() > 0.5
    archs, violations = untrained.view.read(episodes)
    np.testing.assert_array_equal(violations[counts > 0], counts[counts > 0])
    assert all(arch is None for arch, count in zip(archs, counts, strict=True) if count)
    judge = Discriminator(untrained.view, untrained.settings, untrained.rng)
    np.testing.assert_array_equal(untrained._judge(episodes, judge)[counts > 0], -2.0 * counts[counts > 0])


def test_a_generator_without_masks_learns_what_is_legal() -> None:
    """By its rewards alone (section 3.2): at first hardly one graph in a thousand has no illegal choice."""
    generator = refit("adversarial", replace(OPTIONS, masked=False, rounds=1))
    legal = []
    for _ in range(7):
        legal.append(sum(arch is not None for arch in generator.draw(200, 1.0)))
        generator.refit(fit_data())
    assert legal[0] < 5 and legal[-1] > 100


def test_accuracy_as_the_reward_is_one_long_update_of_ppo() -> None:
    """The clipped ratio is to the policy that drew the episodes, so that more updates do not go ever farther."""

    def moved(clip_range: float, updates: int) -> float:
        options = replace(OPTIONS, clip_range=clip_range, updates=updates, entropy=0.0, value_coef=0.0, expert=0.0)
        trainer = refit("accuracy", replace(options, rounds=1, lr=3e-3))
        assert isinstance(trainer, FromAccuracy)
        episodes = trainer.retraced(fit_data().latest)
        before = trainer.generator.policy.judge(episodes).log_probs.detach()
        trainer.refit(fit_data())
        after = trainer.generator.policy.judge(episodes).log_probs.detach()
        return float((after - before).abs()[torch.from_numpy(episodes.live)].mean())

    assert moved(0.02, 15) < 1.5 * moved(0.02, 5) < 0.5 * moved(10.0, 5)
    assert moved(10.0, 15) > 4 * moved(10.0, 5)


def test_fitness_as_a_reward_is_standardised() -> None:
    """So that it does not matter whether accuracies are in percent."""
    np.testing.assert_allclose(standardised(np.array([1.0, 3.0, 5.0])), np.array([-1.0, 0.0, 1.0]) * np.sqrt(1.5))
    largest = np.finfo(np.float64).max
    np.testing.assert_allclose(standardised(np.array([-largest, largest])), [-1.0, 1.0])
    for same in ([94.1, 94.1], [0.0, 0.0, 0.0], [7.0]):
        np.testing.assert_array_equal(standardised(np.array(same)), np.zeros(len(same)))
    data, learned = fit_data(), []
    for standardise, scale in ((True, 1.0), (True, 64.0), (False, 1.0), (False, 64.0)):
        trainer = refit("accuracy", replace(BRIEF, standardise=standardise))
        trainer.refit(replace(data, fitness=scale * data.fitness))
        learned.append(trainer.draw(50, 1.0))
    assert learned[0] == learned[1] and learned[2] != learned[3]


def test_equal_architectures_look_the_same() -> None:
    """The view shows canonical architectures, however they were written."""
    space = NbGraph()
    rng = np.random.default_rng(0)
    pairs = [(arch, space.canonical(arch)) for arch in (space.sample(rng) for _ in range(200))]
    changed = [pair for pair in pairs if pair[0] != pair[1]]
    assert changed
    view = GraphView(space)
    for arch, canonical in changed:
        assert torch.equal(view.batch([arch]).labels, view.batch([canonical]).labels)
