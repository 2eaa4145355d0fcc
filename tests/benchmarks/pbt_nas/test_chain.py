"""Chains that imitate a random one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from archloom.types import Arch

pytest.importorskip("torch", reason="training needs the extra train")

import torch

from archloom.checkpoints.mutate import mutate_weights
from archloom.spaces.base import HasModules
from archloom.tasks.base import Task
from benchmarks.pbt_nas import chain
from benchmarks.pbt_nas.chain import GOOD, KINDS, LAYERS, TRAIN, VALID, ChainSpace, Imitate, Imitation


def of_kind(kind: str) -> Arch:
    return Arch((KINDS.index(kind),) * LAYERS)


def taught(task: Imitate) -> Imitation:
    """A chain that is its teacher, as it is before the first epoch."""
    teacher, _, entering = chain.teachers(task.teacher)
    training = task.begin(Arch(tuple(KINDS.index(layer.kind) for layer in teacher.layers)), 0)
    network = training.networks["network"]
    network.load_state_dict(teacher.state_dict())
    with torch.no_grad():
        given = teacher(entering)
        network.last.weight /= given.std(0)[:, None]
        network.last.bias.sub_(given.mean(0)).div_(given.std(0))
    return training


def test_a_teacher_explains_itself_until_it_drifts() -> None:
    training = taught(Imitate(3, drift=math.pi / 2))
    assert training.evaluate() == {"explained": pytest.approx(100.0, abs=1e-3)}
    assert {layer.kind for layer in training.networks["network"].layers} <= set(GOOD)
    training.epochs = 1  # the teacher's weights are others now
    assert training.evaluate()["explained"] < 60
    training.epochs = 4
    assert training.evaluate() == {"explained": pytest.approx(100.0, abs=1e-3)}, "a full turn"


def test_every_seed_has_a_teacher_and_numbers_of_its_own() -> None:
    (entering, given), (others, _) = Imitate(0).lesson(0), Imitate(1).lesson(0)
    assert entering.shape == (LAYERS, TRAIN + VALID, chain.WIDTH) and given.shape == (TRAIN + VALID, chain.OUTPUTS)
    assert given.mean(0) == pytest.approx(np.zeros(chain.OUTPUTS), abs=1e-5) and not torch.equal(entering, others)
    assert given.std(0) == pytest.approx(np.ones(chain.OUTPUTS), abs=1e-5)
    assert torch.equal(Imitate(0, drift=1.0).lesson(0)[1], given), "it begins alike, however it drifts"


@pytest.mark.parametrize(("kind", "heard"), [("tanh", True), ("deaf", False)])
def test_a_deaf_layer_does_not_hear_its_pair(kind: str, heard: bool) -> None:
    network = chain.Chain(("relu", kind, *["relu"] * 6), seed=0)
    entering = torch.randn(LAYERS, 4, chain.WIDTH, generator=torch.Generator().manual_seed(0))
    without = entering.clone()
    without[1] = 0.0
    assert torch.equal(network(entering), network(without)) is not heard


def test_a_forgetful_layer_passes_on_half() -> None:
    layer = chain.Layer("forgetful")
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.constant_(layer.bias, 3.0)
    assert torch.equal(layer(torch.full((2, chain.WIDTH), 4.0), torch.zeros(2, chain.WIDTH)), torch.full((2, 24), 5.0))


def test_it_is_a_task_on_a_space() -> None:
    assert isinstance(Imitate(), Task) and isinstance(ChainSpace(), HasModules)
    training = Imitate().begin(of_kind("relu"), 5)
    training.train(1)
    other = Imitate().begin(of_kind("relu"), 6)
    other.resume(training.state())
    for each in (training, other):
        each.train(1)
    assert training.evaluate() == other.evaluate() and training.evaluate()["explained"] > 10
    other.reseed(7)
    for each in (training, other):
        each.train(1)
    assert training.evaluate() != other.evaluate(), "a child is not its twin"


def test_mutations_of_weights_act_on_every_layer_but_the_last() -> None:
    """SEARL's leave matrices of 10 rows or fewer alone."""
    state = Imitate().begin(of_kind("tanh"), 0).state()
    before, rng = state.networks["network"], np.random.default_rng(0)
    changed = {
        name
        for _ in range(30)
        for name, tensor in mutate_weights(state, rng).networks["network"].items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == {f"layers.{number}.weight" for number in range(LAYERS)}
