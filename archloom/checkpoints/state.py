"""Everything that a training resumes from, as one value that can be stored, sent and mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
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

    `measured`: metrics are those of the network with these tensors in place of its own; a tensor that the copy lacks
    (batch normalisation's statistics, say) is the network's. None: so it is unless this is a target.
    """

    of: str
    tensors: Tensors
    target: bool = False
    measured: bool | None = None

    @property
    def stands_in(self) -> bool:
        """Whether it is what is measured in the network's place."""
        return not self.target if self.measured is None else self.measured

    def with_tensors(self, tensors: Tensors) -> Average:
        """The same kind of copy, of other tensors."""
        return replace(self, tensors=tensors)


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

    def measured(self) -> dict[str, Tensors]:
        """The networks that were measured: each with the tensors of the copy that stands in for it, if one does.

        InputError if several do, or if a copy has tensors that its network lacks.
        """
        found = dict(self.networks)
        stand_ins = {name: average for name, average in self.averages.items() if average.stands_in}
        for name, average in stand_ins.items():
            others = [other for other, rival in stand_ins.items() if rival.of == average.of]
            if len(others) > 1:
                raise InputError(
                    f"averages {listed(others)} of network {average.of!r}: expected one that is measured in its place; "
                    "give the others measured=False"
                )
            own = self.networks.get(average.of, {})
            unknown = sorted(average.tensors.keys() - own.keys())
            if unknown:
                raise InputError(f"average {name!r} has {unknown[0]}, which its network {average.of!r} lacks")
            found[average.of] = {**own, **average.tensors}
        return found

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
