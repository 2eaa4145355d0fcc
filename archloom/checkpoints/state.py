"""Everything that a training goes on from, as one value that can be stored, sent and mixed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Tensors = dict[str, Tensor]
"""Tensors by name, as in a module's `state_dict`."""


@dataclass
class Average:
    """A copy that follows a network: a running average of its weights, a target network. Names are the network's.

    `target`: it is learnt from, as a target network is, so that it is mutated as networks are; a running average is
    not.
    """

    of: str
    tensors: Tensors
    target: bool = False


@dataclass
class Optimiser:
    """An optimiser's state: settings of each parameter group, and slots (momentum, say) by parameter.

    A parameter is called `NETWORK.NAME`, with the name that it has in the network.
    """

    groups: list[dict[str, Any]]
    slots: dict[str, dict[str, Tensor]]


@dataclass
class TrainingState:
    """A member of a population between two chunks of training.

    `networks` are state dicts (parameters and buffers) by the network's name; `arrays` are other tensors that belong to
    the training (a random generator's state, a replay buffer); `rest` is plain data (epochs done, a scheduler's
    numbers): nested dicts and lists of numbers, texts, booleans and None.
    """

    networks: dict[str, Tensors]
    averages: dict[str, Average] = field(default_factory=dict)
    optimisers: dict[str, Optimiser] = field(default_factory=dict)
    arrays: Tensors = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
