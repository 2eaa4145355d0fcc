"""Small networks and their optimisers as numpy arrays, for the checkpoints of strategies that learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer


def dump(network: nn.Module, optimiser: Optimizer) -> dict[str, Any]:
    """The weights by name, and of each parameter, in order, what the optimiser remembers (nothing before its use)."""
    return {
        "weights": {name: tensor.cpu().numpy().copy() for name, tensor in network.state_dict().items()},
        "slots": [
            {slot: value.cpu().numpy().copy() for slot, value in optimiser.state.get(parameter, {}).items()}
            for parameter in network.parameters()
        ],
    }


def restore(network: nn.Module, optimiser: Optimizer, state: Mapping[str, Any]) -> None:
    """Take back what `dump` gave, of a network and an optimiser made alike."""
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state["weights"].items()})
    for parameter, slots in zip(network.parameters(), state["slots"], strict=True):
        found = {slot: torch.from_numpy(np.array(array)) for slot, array in slots.items()}
        # A count of steps stays where optimisers keep it, on the CPU.
        optimiser.state[parameter] = {
            slot: value.to(parameter.device) if value.shape == parameter.shape else value
            for slot, value in found.items()
        }
        if not slots:
            del optimiser.state[parameter]


@contextmanager
def drawn_from(rng: np.random.Generator) -> Iterator[None]:
    """Weights drawn in here come from `rng` alone; PyTorch's global generator is left as it was."""
    seed = int(rng.integers(2**62))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: how many share a sum must not decide how it is rounded."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
