"""Everything that a training resumes from, as one value that can be stored, sent and mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from torch import Tensor

from archloom.errors import InputError

Tensors = dict[str, Tensor]
"""Tensors by name, as in a module's `state_dict`."""


@dataclass
class Average:
    """A copy that follows a network: a running average of its weights, a target network. Names are the network's.

    `target`: the training learns from it, as from a target network, so it is mutated as networks are; a running average
    is not.
    """

    of: str
    tensors: Tensors
    target: bool = False


@dataclass
class Optimiser:
    """An optimiser's state: settings of each parameter group, and slots (momentum, say) by parameter.

    A parameter is called `NETWORK.NAME`, with its name within the network.
    """

    groups: list[dict[str, Any]]
    slots: dict[str, dict[str, Tensor]]

    def with_slots(self, parameters: Iterable[str]) -> Optimiser:
        """A copy with the slots of these parameters only; the tensors are shared."""
        return Optimiser(deepcopy(self.groups), {name: dict(self.slots[name]) for name in parameters})


@dataclass
class TrainingState:
    """A member of a population between two chunks of training.

    `networks` are state dicts (parameters and buffers) by the network's name; `arrays` are other tensors that belong to
    the training (a random generator's state, a replay buffer); `rest` is plain data (epochs done, a scheduler's
    numbers): nested dicts and lists of numbers, strings, booleans and None.
    """

    networks: dict[str, Tensors]
    averages: dict[str, Average] = field(default_factory=dict)
    optimisers: dict[str, Optimiser] = field(default_factory=dict)
    arrays: Tensors = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)

    def with_weights(
        self,
        networks: dict[str, Tensors],
        averages: dict[str, Average],
        optimisers: dict[str, Optimiser] | None = None,
    ) -> TrainingState:
        """This state with other weights. Its data is copied: reseeding a child must not affect its parent."""
        if optimisers is None:
            optimisers = {name: optimiser.with_slots(optimiser.slots) for name, optimiser in self.optimisers.items()}
        return TrainingState(networks, averages, optimisers, dict(self.arrays), deepcopy(self.rest))


def labelled(networks: Mapping[str, Tensors]) -> dict[str, Tensor]:
    """Tensors by `NETWORK.NAME`."""
    return {f"{network}.{name}": tensor for network, tensors in networks.items() for name, tensor in tensors.items()}


def prefixes_of(label: str) -> list[str]:
    """ "a.b.c" -> "a", "a.b", "a.b.c"."""
    return list(accumulate(label.split("."), "{}.{}".format))


def check_prefix(prefix: str, networks: Iterable[str], what: str) -> None:
    if set(networks).isdisjoint(prefixes_of(prefix)):
        raise InputError(
            f"{what}, which is in no network: expected NETWORK.module.path with one of the networks {listed(networks)}"
        )


def listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names)) or "(there are none)"


def is_real(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()
