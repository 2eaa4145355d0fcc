"""What a network costs: its parameters, and the FLOPs of one image, counted in a forward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from archloom.spaces.base import Buildable
from archloom.types import Arch

_MILLION = 1e6


def costs_of(space: Buildable, arch: Arch, image: tuple[int, int, int]) -> dict[str, float]:
    """`params_m` and `flops_m`, both in millions, of the network that a space builds, on an image of shape (c, h, w).

    FLOPs as the DDAS thesis counts them (Table 3.1): 2 * (multiply-adds of convolutions and linear layers + 2 per
    element of a batch normalisation's output), without an auxiliary head, which evaluation does not need. The
    parameters of such a head count, as they do there, if the space's networks have one.
    """
    network = space.build(arch, 0).eval()
    tally = [0, 0]  # multiply-adds, normalised elements
    hooks = [module.register_forward_hook(_counter(tally)) for module in network.modules() if _counts(module)]
    with torch.no_grad():
        network(torch.zeros(1, *image))
    for hook in hooks:
        hook.remove()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return {"params_m": parameters / _MILLION, "flops_m": 2 * (tally[0] + 2 * tally[1]) / _MILLION}


def _counts(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d)


def _counter(tally: list[int]) -> Any:
    def count(module: nn.Module, _: Any, out: Tensor) -> None:
        if isinstance(module, nn.BatchNorm2d):
            tally[1] += out.numel()
        else:
            weight = module.weight
            assert isinstance(weight, Tensor)  # noqa: S101 - of a convolution or a linear layer
            tally[0] += out.numel() * weight[0].numel()

    return count
