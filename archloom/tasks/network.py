"""The bookkeeping of a training of networks, done once: your own task writes an epoch and an evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import nn

from archloom.checkpoints.state import TrainingState
from archloom.tasks.memory import check_training
from archloom.tasks.training import (
    EpochStreams,
    epoch_streams,
    load_network,
    load_optimiser,
    network_state,
    optimiser_state,
)
from archloom.utils import seeds


class DivergedError(ArithmeticError):
    """A training has left the numbers: its trial has failed."""


class NetworkTraining(ABC):
    """A `Training` (see `archloom.tasks.base`) of some networks with some optimisers.

    A subclass writes `run_epoch`, which may draw from the streams it is given and from PyTorch's global generator, and
    `evaluate`. Seeded like this, it continues from a state as if it had never stopped, bit for bit. Anything else that
    an epoch depends on belongs into `state` and `resume`, which a subclass then extends. InputError for networks that
    this machine's memory cannot hold in training.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        optimisers: Mapping[str, torch.optim.Optimizer],
        seed: int,
        device: torch.device | None = None,
    ) -> None:
        self.networks = dict(networks)
        self.optimisers = dict(optimisers)
        self.device = device or torch.device("cpu")
        if self.device.type == "cpu":  # a GPU says so itself, and nobody kills the process
            check_training(self.optimisers.values())
        self.epochs = 0
        self._seed = seeds.check_seed(seed)
        self._names = {
            f"{network}.{name}": parameter
            for network, module in self.networks.items()
            for name, parameter in module.named_parameters()
        }

    @abstractmethod
    def run_epoch(self, streams: EpochStreams) -> None:
        """Train for one epoch."""

    @abstractmethod
    def evaluate(self) -> Mapping[str, float]:
        """Every metric by name; nothing that training depends on may change."""

    def train(self, epochs: int) -> None:
        """Train for so many epochs; DivergedError after the first one that leaves a parameter that is not finite."""
        for _ in range(epochs):
            with epoch_streams(self._seed, self.epochs, self.device) as streams:
                self.run_epoch(streams)
            self.epochs += 1
            self._check_finite()

    def _check_finite(self) -> None:
        # Parameters only: a buffer may hold infinities by design, a mask say.
        if not self._names:
            return
        finite = torch.stack([parameter.detach().isfinite().all() for parameter in self._names.values()]).tolist()
        for name, is_finite in zip(self._names, finite, strict=True):
            if not is_finite:
                raise DivergedError(f"{name} is not finite after epoch {self.epochs}")

    def state(self) -> TrainingState:
        return TrainingState(
            networks={name: network_state(network) for name, network in self.networks.items()},
            optimisers={name: optimiser_state(found, self._owned(found)) for name, found in self.optimisers.items()},
            rest={"seed": self._seed, "epochs": self.epochs},
        )

    def resume(self, state: TrainingState) -> None:
        for name, network in self.networks.items():
            load_network(name, network, state.networks[name])
        for name, optimiser in self.optimisers.items():
            load_optimiser(optimiser, self._owned(optimiser), state.optimisers.get(name))
        self._seed = seeds.check_seed(state.rest["seed"])
        self.epochs = int(state.rest["epochs"])

    def reseed(self, seed: int) -> None:
        self._seed = seeds.check_seed(seed)

    def _owned(self, optimiser: torch.optim.Optimizer) -> dict[str, nn.Parameter]:
        """The parameters of one optimiser by their full names."""
        own = {id(parameter) for group in optimiser.param_groups for parameter in group["params"]}
        return {name: parameter for name, parameter in self._names.items() if id(parameter) in own}
