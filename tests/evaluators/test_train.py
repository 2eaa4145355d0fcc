"""Evaluation by training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from archloom.checkpoints.experience import EXPERIENCE, Episodes
from archloom.checkpoints.store import CheckpointsInMemory
from archloom.errors import InputError, StoreError
from archloom.evaluators.base import evaluate
from archloom.spaces.base import Categorical
from archloom.testing import PlantedSpace
from archloom.types import MIXED, REST, Arch, Inherit, Proposal
from archloom.utils import seeds

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.evaluators.train import TrainingEvaluator  # noqa: E402
from archloom.tasks.planted import PlantedTask, PlantedTraining  # noqa: E402

BEST, OTHER = Arch((1,) * 8), Arch((0,) * 8)


def make(space: Any = None) -> TrainingEvaluator:
    return TrainingEvaluator(PlantedTask(), space or PlantedSpace(), ["worth"], ["test_worth"])


def run(*proposals: Proposal, states: CheckpointsInMemory | None = None) -> list[Any]:
    kept = states or CheckpointsInMemory()
    return [evaluate(make(), proposal, 0, trial, kept) for trial, proposal in enumerate(proposals)]


def weights(states: CheckpointsInMemory, trial: int) -> Any:
    tensors = states.load(trial).networks["network"]
    return torch.cat([tensors[f"layers.{gene}.weight"] for gene in range(8)]).flatten().numpy()


def test_scores_and_report_are_kept_apart() -> None:
    (result,) = run(Proposal(BEST))
    assert result.scores["worth"] == pytest.approx(100, abs=0.5)
    assert result.report == {"test_worth": result.scores["worth"] - 1}
    assert result.cost_s > 0


def test_fidelity_is_epochs_in_all_and_zero_the_tasks_own() -> None:
    states = CheckpointsInMemory()
    run(Proposal(BEST, 3), Proposal(BEST), Proposal(BEST, 5, Inherit(0)), states=states)
    assert [states.load(trial).rest["epochs"] for trial in range(3)] == [3, 10, 5]


def test_chunks_are_one_training() -> None:
    """Going on from a state is what an uninterrupted training does, bit for bit."""
    states = CheckpointsInMemory()
    run(Proposal(BEST, 2), Proposal(BEST, 5, Inherit(0)), Proposal(BEST, 9, Inherit(1)), states=states)
    whole = PlantedTask().begin(BEST, int(seeds.stream(0, "evaluate", 0).integers(1 << 62)))
    whole.train(9)
    expected = whole.state().networks["network"]
    assert all(torch.equal(states.load(2).networks["network"][name], expected[name]) for name in expected)


def test_a_child_has_its_donors_layers_shrunk_and_perturbed_and_goes_on_with_its_own_random_numbers() -> None:
    states = CheckpointsInMemory()
    run(Proposal(BEST, 10), Proposal(OTHER, 10), states=states)
    child = Arch((1,) * 6 + (0, 0))
    recipe = Inherit(0, {6: 1, 7: 1}, shrink=0.4, perturb=0.0)
    result = evaluate(make(), Proposal(child, 10, recipe), 0, 2, states)
    assert result.ok
    assert weights(states, 2)[:6] == pytest.approx(weights(states, 0)[:6])
    assert weights(states, 2)[6:] == pytest.approx(0.4 * weights(states, 1)[6:])
    assert states.load(2).rest["seed"] != states.load(0).rest["seed"]


def test_a_reseeded_training_goes_on_and_is_another_one() -> None:
    states = CheckpointsInMemory()
    copied = Proposal(BEST, 5, Inherit(0, reseed=True))
    run(Proposal(BEST, 3), Proposal(BEST, 5, Inherit(0)), copied, copied, states=states)
    assert [states.load(trial).rest["epochs"] for trial in range(4)] == [3, 5, 5, 5]
    ends = {trial: tuple(weights(states, trial)) for trial in (1, 2, 3)}
    assert len(set(ends.values())) == 3
    assert ends[2] == pytest.approx(ends[1], abs=0.02), "two epochs with a noise of 0.001 from the same state"
    whole = PlantedTask().begin(BEST, int(seeds.stream(0, "evaluate", 0).integers(1 << 62)))
    whole.train(3)
    whole.reseed(int(seeds.stream(0, "evaluate", 2).integers(1 << 62)))
    whole.train(2)
    assert torch.equal(whole.state().networks["network"]["bias"], states.load(2).networks["network"]["bias"])
    assert states.load(2).rest == whole.state().rest


class Listening(PlantedTraining):
    """What it has experienced is one step for each epoch; its rewards are how many steps it may read."""

    read: Sequence[Episodes] = ()
    before = 0

    def recall(self, episodes: Sequence[Episodes]) -> None:
        self.read, self.before = episodes, self.epochs

    def experience(self) -> Sequence[Episodes]:
        steps, heard = self.epochs - self.before, sum(each.transitions for each in self.read)
        left = Episodes(
            np.zeros((2 * steps, 1), np.float32),
            np.zeros((steps, 1), np.float32),
            np.full(steps, heard, np.float32),
            np.ones(steps, np.float32),
            np.ones(steps, np.int64),
        )
        return [left]


class ListeningTask(PlantedTask):
    experience_epochs = 10

    def begin(self, arch: Arch, seed: int) -> Listening:
        return Listening(arch, seed)


def test_trainings_leave_what_they_experience_for_those_whose_recipes_name_it() -> None:
    states = CheckpointsInMemory()
    evaluator = TrainingEvaluator(ListeningTask(), PlantedSpace(), ["worth"])
    told = {EXPERIENCE.name: (1, 0)}
    proposals = [Proposal(BEST, 2), Proposal(OTHER, 3), Proposal(BEST, 6, Inherit(0, files=told)), Proposal(BEST, 1)]
    for trial, proposal in enumerate(proposals):
        assert evaluate(evaluator, proposal, 0, trial, states).ok
    left = states.of(EXPERIENCE)
    assert [left.load(trial)[0].rewards.tolist() for trial in range(4)] == [[0, 0], [0] * 3, [5] * 4, [0]]
    assert evaluator.leaves is EXPERIENCE and make().leaves is None
    with pytest.raises(StoreError, match="trial 9 is not kept any more"):
        evaluate(evaluator, Proposal(BEST, 6, Inherit(0, files={EXPERIENCE.name: (9,)})), 0, 4, states)
    assert evaluate(evaluator, Proposal(BEST, 2), 0, 5).ok, "without a store nothing is kept"


def test_what_a_recipe_could_not_give_is_in_the_details() -> None:
    states = CheckpointsInMemory()
    run(Proposal(BEST, 2), Proposal(OTHER, 2), Proposal(BEST, 4, Inherit(0)), states=states)
    narrow = states.load(1)
    del narrow.networks["network"]["layers.3.weight"]
    states.save(1, narrow)
    mixed = evaluate(make(), Proposal(BEST, 4, Inherit(0, {2: 1, 3: 1, 4: None})), 0, 3, states)
    assert mixed.details == {
        MIXED: {
            "counts": {"base": 6, "donor": 1, "fresh": 1, "missing": 1}, "missing": {"3": ["network.layers.3"]},
        }
    }  # fmt: skip
    assert evaluate(make(), Proposal(BEST, 4, Inherit(0)), 0, 4, states).details == {}, "nothing was mixed"


class Misspelt(PlantedSpace):
    def modules(self, gene: int) -> tuple[str, ...]:
        return (f"network.layer.{gene}",)


def test_networks_of_which_no_gene_owns_a_tensor_are_not_mixed() -> None:
    states = CheckpointsInMemory()
    run(Proposal(BEST, 2), Proposal(OTHER, 2), states=states)
    proposal = Proposal(BEST, 4, Inherit(0, {3: 1}))
    assert evaluate(make(Misspelt()), proposal, 0, 2, states).ok, "equal networks may have no tensors to own"
    narrow = states.load(1)
    del narrow.networks["network"]["layers.3.weight"]
    states.save(1, narrow)
    refused = evaluate(make(Misspelt()), proposal, 0, 3, states)
    assert refused.error is not None
    assert "modules(gene) gives 'network.layer.0', and names are like 'network.bias'" in refused.error
    assert evaluate(make(), proposal, 0, 4, states).ok


def test_a_layer_of_nobody_begins_anew() -> None:
    states = CheckpointsInMemory()
    run(Proposal(BEST, 10), Proposal(BEST, 10, Inherit(0, {3: None})), states=states)
    assert abs(weights(states, 1)[3]) < 0.5, "a fresh layer is drawn around 0"
    assert weights(states, 1)[2] == pytest.approx(weights(states, 0)[2])


def test_everything_that_no_gene_owns_can_be_shrunk_too() -> None:
    states = CheckpointsInMemory()
    everything = dict.fromkeys([*range(8), REST], 0)
    run(Proposal(BEST, 10), Proposal(BEST, 10, Inherit(0, everything, 0.5, 0.0)), states=states)
    for name, tensor in states.load(1).networks["network"].items():
        assert torch.allclose(tensor, 0.5 * states.load(0).networks["network"][name]), name


def test_a_state_ahead_of_the_fidelity_is_refused() -> None:
    _, result = run(Proposal(BEST, 10), Proposal(BEST, 5, Inherit(0)))
    assert result.error is not None
    assert "fidelity 5: the inherited state has already trained for 10 epochs" in result.error


def test_a_failed_trial_leaves_no_state() -> None:
    states = CheckpointsInMemory()
    run(Proposal(BEST, 10), Proposal(BEST, 5, Inherit(0)), states=states)
    assert set(states.kept) == {0}


def test_an_inherited_state_that_is_gone_fails_no_trial() -> None:
    with pytest.raises(StoreError, match="the state of trial 7 is not kept any more"):
        run(Proposal(BEST, 5, Inherit(7)))


def test_a_space_that_owns_no_modules_cannot_mix() -> None:
    space = Categorical({f"gene{i}": list("abcd") for i in range(8)})
    states = CheckpointsInMemory()
    evaluate(make(space), Proposal(BEST, 1), 0, 0, states)
    assert evaluate(make(space), Proposal(BEST, 2, Inherit(0)), 0, 1, states).ok, "going on needs no modules"
    result = evaluate(make(space), Proposal(BEST, 2, Inherit(0, {1: 0})), 0, 2, states)
    assert result.error is not None
    assert "give it modules(gene)" in result.error


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(InputError, match="unknown metric 'accuracy'"):
        TrainingEvaluator(PlantedTask(), PlantedSpace(), ["accuracy"])


def test_without_states_it_trains_all_the_same() -> None:
    result = evaluate(make(), Proposal(BEST), 0, 0)
    assert result.scores["worth"] == pytest.approx(100, abs=0.5)
    assert np.isfinite(result.cost_s)
