"""A task with a known answer: for tests of strategies that train, and as the smallest complete example of a task.

Every gene of `archloom.testing.PlantedSpace` is a layer that holds one number. An epoch moves it half-way to the
value of its option, with a little noise, so that training, inheriting and mixing all show in a network's value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from archloom.checkpoints.state import TrainingState
from archloom.types import Arch, Goal
from archloom.utils import seeds

PLANTED = 1.0
OTHERS = 0.3
"""The value of the planted option, and of any other, which a layer approaches as it trains."""
RATE = 0.5
NOISE = 1e-3


class PlantedNetwork(nn.Module):
    """One number per layer, drawn from `seed`, and one that no gene owns."""

    def __init__(self, layers: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.layers = nn.ModuleList(nn.Module() for _ in range(layers))
        for layer in self.layers:
            layer.weight = nn.Parameter(0.1 * torch.randn(1, 1, generator=generator))
        self.bias = nn.Parameter(0.1 * torch.randn(1, generator=generator))


class PlantedTraining:
    """See `archloom.tasks.base.Training`."""

    def __init__(self, arch: Arch, seed: int) -> None:
        self._targets = [PLANTED if gene == 1 else OTHERS for gene in arch.genes]
        self._network = PlantedNetwork(len(arch.genes), seed % 2**62)
        self._seed = seed
        self.epochs = 0

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            noise = seeds.stream(self._seed, "train", self.epochs).normal(0.0, NOISE, len(self._targets))
            with torch.no_grad():
                for layer, target, wobble in zip(self._weights(), self._targets, noise.tolist(), strict=True):
                    layer += RATE * (target - layer) + wobble
            self.epochs += 1

    def evaluate(self) -> Mapping[str, float]:
        """The mean of all layers, in percent."""
        worth = 100.0 * torch.cat(self._weights()).mean().item()
        return {"worth": worth, "test_worth": worth - 1.0}

    def state(self) -> TrainingState:
        tensors = {name: tensor.clone() for name, tensor in self._network.state_dict().items()}
        return TrainingState({"network": tensors}, rest={"seed": self._seed, "epochs": self.epochs})

    def resume(self, state: TrainingState) -> None:
        self._network.load_state_dict(state.networks["network"])
        self._seed, self.epochs = state.rest["seed"], state.rest["epochs"]

    def reseed(self, seed: int) -> None:
        self._seed = seed

    def _weights(self) -> list[Tensor]:
        return [layer.get_parameter("weight") for layer in self._network.layers]


class PlantedTask:
    """Trains `PlantedSpace`: a network of planted options ends near 100, one of others near 30."""

    name = "planted"
    epochs = 10
    goals: ClassVar[Mapping[str, Goal]] = {"worth": "max"}
    report: ClassVar[Sequence[str]] = ("test_worth",)

    def begin(self, arch: Arch, seed: int) -> PlantedTraining:
        return PlantedTraining(arch, seed)
