"""What the tests of the GAN networks share: the operators written out once more, from their description."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # the tests skip themselves where there is no PyTorch
    from torch import Tensor, nn

PADDINGS = {"conv_1x1": (0, 1), "conv_3x3": (1, 1), "conv_5x5": (2, 1), "dil_conv_3x3": (2, 2), "dil_conv_5x5": (4, 2)}
"""Padding and dilation of each convolution."""


def _noise(*shape: int, seed: int = 0) -> Tensor:
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _weight_in_use(layer: nn.Module) -> Tensor:
    """A layer's weight in evaluation: divided by u^T W v where it is normalised."""
    tensors = dict(layer.named_parameters()) | dict(layer.named_buffers())
    if "weight_orig" not in tensors:
        return tensors["weight"]
    weight = tensors["weight_orig"]
    return weight / (tensors["weight_u"] @ weight.flatten(1) @ tensors["weight_v"])


def _applied(owner: nn.Module, edge: str, name: str, x: Tensor, stride: int = 1, activation: bool = True) -> Tensor:
    """What operation `name` makes of x, with the weights that `owner` has for the edge."""
    from torch.nn import functional

    if name == "skip_connect":
        return x
    padding, dilation = PADDINGS[name]
    layer = owner.get_submodule(f"{edge}.conv")
    x = x.clamp(min=0) if activation else x
    return functional.conv2d(x, _weight_in_use(layer), layer.get_parameter("bias"), stride, padding, dilation)


@pytest.fixture(autouse=True)
def _the_same_weights_every_time() -> Iterator[None]:
    """Modules that a test builds itself are drawn from one seed."""
    torch = pytest.importorskip("torch", reason="networks need PyTorch")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


@pytest.fixture
def noise() -> Callable[..., Tensor]:
    return _noise


@pytest.fixture
def weight_in_use() -> Callable[..., Tensor]:
    return _weight_in_use


@pytest.fixture
def applied() -> Callable[..., Tensor]:
    return _applied
