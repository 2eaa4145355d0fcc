"""The bookkeeping of trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from torch import nn  # noqa: E402

from archloom.checkpoints.state_file import load_state, save_state  # noqa: E402
from archloom.errors import InputError  # noqa: E402
from archloom.tasks.base import Training  # noqa: E402
from archloom.tasks.network import DivergedError, NetworkTraining  # noqa: E402
from archloom.tasks.training import EpochStreams  # noqa: E402


class Pair(NetworkTraining):
    """Two networks, an optimiser for each, and random numbers of every kind."""

    def __init__(self, seed: int, width: int = 3) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            one = nn.Sequential(nn.Linear(2, width), nn.Dropout(0.5))
            other = nn.Linear(width, 1)
        optimisers = {
            "adam": torch.optim.Adam(one.parameters(), lr=0.1),
            "sgd": torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9),
        }
        super().__init__({"one": one, "other": other}, optimisers, seed)

    def run_epoch(self, streams: EpochStreams) -> None:
        x = torch.randn(4, 2, generator=streams.order)
        loss = self.networks["other"](self.networks["one"](x)).pow(2).mean()
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()
        loss.backward()
        for optimiser in self.optimisers.values():
            optimiser.step()

    def evaluate(self) -> Mapping[str, float]:
        return {"weight": self.networks["other"].weight.sum().item()}  # type: ignore[union-attr,operator]


def same(one: NetworkTraining, other: NetworkTraining) -> bool:
    pairs = [(one.state().networks[name], other.state().networks[name]) for name in ("one", "other")]
    return all(torch.equal(a[name], b[name]) for a, b in pairs for name in a)


def test_what_the_machine_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: 400)  # 4 bytes * (9 * 7 + 4 * 5) = 332
    with pytest.raises(InputError, match=r"training 13 parameters takes .*; expected a smaller network"):
        Pair(1)


def test_going_on_from_a_state_is_never_having_stopped(tmp_path: Path) -> None:
    whole, begun = Pair(1), Pair(1)
    assert isinstance(whole, Training)
    whole.train(7)
    begun.train(3)
    path = tmp_path / "state.safetensors"
    save_state(path, begun.state())
    resumed = Pair(99)
    resumed.resume(load_state(path))
    assert resumed.epochs == 3
    resumed.train(4)
    assert same(resumed, whole)


def test_slots_belong_to_their_optimiser() -> None:
    training = Pair(1)
    training.train(2)
    state = training.state()
    assert set(state.optimisers["adam"].slots) == {"one.0.weight", "one.0.bias"}
    assert set(state.optimisers["sgd"].slots) == {"other.weight", "other.bias"}


def test_another_seed_goes_on_differently_and_the_global_generator_stays() -> None:
    one, other = Pair(1), Pair(1)
    other.reseed(2)
    before = torch.random.get_rng_state()
    one.train(1)
    other.train(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not same(one, other)


def test_a_state_of_another_architecture_is_refused() -> None:
    with pytest.raises(InputError, match="expected one architecture"):
        Pair(1).resume(Pair(1, width=4).state())


def test_states_are_copies() -> None:
    training = Pair(1)
    training.train(1)
    state = training.state()
    before = state.networks["other"]["weight"].clone()
    training.train(1)
    assert torch.equal(state.networks["other"]["weight"], before)


def test_a_parameter_that_is_not_finite_ends_a_training_and_a_buffer_does_not() -> None:
    training = Pair(1)
    training.networks["one"].register_buffer("mask", torch.full((2,), -math.inf))
    training.train(1)
    with torch.no_grad():
        training.networks["other"].weight[0, 1] = math.inf  # type: ignore[union-attr,operator,index]
    with pytest.raises(DivergedError, match=r"^(one\.0|other)\.\w+ is not finite after epoch 2$"):
        training.train(5)
    assert training.epochs == 2
