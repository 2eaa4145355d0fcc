"""How much memory a network needs to be trained: what autograd keeps of an image between forward and backward pass,
and whether this machine has enough."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from archloom.errors import InputError
from archloom.spaces.base import Buildable
from archloom.types import Arch
from archloom.utils.memory import too_large

_MEGABYTE = 1e6


def memory_of(space: Buildable, arch: Arch, image: tuple[int, int, int], auxiliary: bool = False) -> float:
    """The megabytes (10^6 bytes) that autograd saves of one image of shape (c, h, w) in a forward pass in training
    mode, of the network that a space builds.

    Everything that is saved for the backward pass counts, once if it is the same memory, parameters and buffers
    excepted. It is the difference between batches of three and of two images, so that what is saved once a batch does
    not count. The number depends on the network alone: it is counted on the CPU, on a network of its own that drops no
    paths, with its auxiliary head if that is trained.
    """
    with torch.random.fork_rng(devices=[]):  # dropout draws
        network = space.build(arch, 0).cpu().train()
        saved = [_saved(network, torch.zeros(count, *image), auxiliary) for count in (2, 3)]
    return (saved[1] - saved[0]) / _MEGABYTE


def _saved(network: nn.Module, images: Tensor, auxiliary: bool) -> int:
    """The bytes that a forward pass of a batch saves."""
    found: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage  # which keeps it, so that nothing else gets its address

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda _: torch.empty(0)):
        network.with_auxiliary(images) if auxiliary else network(images)  # type: ignore[operator]
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    return sum(storage.nbytes() for place, storage in found.items() if place not in own)


def check_training(optimisers: Iterable[torch.optim.Optimizer]) -> None:
    """InputError if this machine's memory cannot hold what optimisers train: parameters, gradients, what the optimisers
    keep of each, and a copy of all but the gradients as a state."""
    size = count = 0
    for optimiser in optimisers:
        kept = 2 if "betas" in optimiser.defaults else 1  # Adam's moments, or SGD's momentum
        for parameter in (parameter for group in optimiser.param_groups for parameter in group["params"]):
            count += parameter.numel()
            size += (1 + 2 * (1 + kept)) * parameter.numel() * parameter.element_size()
    if (why := too_large(size)) is not None:
        raise InputError(f"training {count:,} parameters takes {why}; expected a smaller network")


def check_batch(megabytes: float, batch_size: int) -> None:
    """InputError if this machine's memory cannot hold what autograd saves of a batch, so much for an image."""
    if (why := too_large(int(megabytes * _MEGABYTE * batch_size))) is not None:
        raise InputError(
            f"training on a batch of {batch_size} images takes {why}; expected a smaller network or task.batch_size"
        )
