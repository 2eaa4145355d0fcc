"""What all trainings share: saving and restoring networks and optimisers, and random streams by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from archloom.checkpoints.state import Optimiser, Tensors
from archloom.errors import InputError
from archloom.utils import seeds


def on_cpu(tensor: Tensor) -> Tensor:
    """A detached copy, contiguous in memory."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def network_state(network: nn.Module) -> Tensors:
    """Copies of all parameters and buffers, on the CPU."""
    return {name: on_cpu(tensor) for name, tensor in network.state_dict().items()}


def load_network(name: str, network: nn.Module, tensors: Tensors) -> None:
    """Load tensors into a network; InputError, and nothing changed, if one is missing, unknown or of another shape."""
    own = network.state_dict()
    for tensor in sorted({*own, *tensors}):
        here = tuple(own[tensor].shape) if tensor in own else "nothing"
        there = tuple(tensors[tensor].shape) if tensor in tensors else "nothing"
        if here != there:
            raise InputError(
                f"{name}.{tensor} is {there} in the state and {here} in the network; expected one architecture"
            )
    network.load_state_dict(tensors)


def optimiser_state(optimiser: torch.optim.Optimizer, names: Mapping[str, nn.Parameter]) -> Optimiser:
    """The settings and slots of an optimiser; `names` maps `NETWORK.NAME` to each parameter."""
    groups = [{key: value for key, value in group.items() if key != "params"} for group in optimiser.param_groups]
    slots = {
        name: {slot: on_cpu(value) for slot, value in optimiser.state[parameter].items() if isinstance(value, Tensor)}
        for name, parameter in names.items()
        if parameter in optimiser.state
    }
    return Optimiser(groups, {name: found for name, found in slots.items() if found})


def load_optimiser(
    optimiser: torch.optim.Optimizer, names: Mapping[str, nn.Parameter], state: Optimiser | None
) -> None:
    """Restore slots. Those that are missing in the state or have another shape there are initialised again.

    Settings are the optimiser's own, not the state's: they come from the task.
    """
    numbers = {parameter: number for number, parameter in enumerate(names.values())}
    slots = {} if state is None else state.slots
    fitting = {
        numbers[parameter]: {slot: _laid_out(value, parameter) for slot, value in slots[name].items()}
        for name, parameter in names.items()
        if name in slots and all(value.dim() == 0 or value.shape == parameter.shape for value in slots[name].values())
    }
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": fitting, "param_groups": groups})


def _laid_out(value: Tensor, parameter: nn.Parameter) -> Tensor:
    """A copy of a slot in the parameter's memory format; a step counter stays as it is."""
    return torch.empty_like(parameter, requires_grad=False).copy_(value) if value.dim() else value.clone()


@dataclass(frozen=True)
class EpochStreams:
    """The random numbers of one epoch of one training."""

    order: torch.Generator
    """For the order of the data, on the CPU."""
    augment: torch.Generator
    """For changes of the data, on the CPU."""


@contextmanager
def epoch_streams(seed: int, epoch: int, device: torch.device) -> Iterator[EpochStreams]:
    """Streams that depend only on the training's seed and the number of the epoch.

    So a training that continues from its seed and number of epochs draws what it would have drawn. Inside, PyTorch's
    global generators (dropout uses them) are seeded in the same way; afterwards they are restored.
    """
    numbers = seeds.stream(seed, "train", epoch).integers(2**63, size=3).tolist()
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(numbers[0])  # not torch.manual_seed: that reseeds all GPUs as well
        for gpu in devices:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(numbers[0])
        yield EpochStreams(torch.Generator().manual_seed(numbers[1]), torch.Generator().manual_seed(numbers[2]))


def device_of(name: str, what: str = "task option device") -> torch.device:
    """The device with this name, which `what` asked for; InputError if PyTorch has no such device here."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{what}={name}: not usable here ({reason}); expected cpu, or a GPU") from None
    return device
