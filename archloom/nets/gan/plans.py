"""What generators and discriminators are made from: names of operations and their shapes. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Convolution(NamedTuple):
    """A dense convolution with "same" padding."""

    kernel: int
    dilation: int

    def weights(self, c_in: int, c_out: int) -> int:
        """How many parameters it has, biases included."""
        return c_in * c_out * self.kernel**2 + c_out


CONVOLUTIONS: Mapping[str, Convolution] = {
    "conv_1x1": Convolution(1, 1),
    "conv_3x3": Convolution(3, 1),
    "conv_5x5": Convolution(5, 1),
    "dil_conv_3x3": Convolution(3, 2),
    "dil_conv_5x5": Convolution(5, 2),
}

NORMAL = ("none", "skip_connect", *CONVOLUTIONS)
"""Operations on an edge that keeps the resolution."""

UPS = ("nearest", "bilinear", "ConvTranspose")
"""Operations that double the resolution."""

POOLS_OF_INPUTS = ("avg_pool_input", "max_pool_input")
"""Operations that halve the resolution at the start of a discriminator's branch; the others do it at its end."""

DOWNS = (*POOLS_OF_INPUTS, "avg_pool", "max_pool", *list(CONVOLUTIONS)[1:])
"""Operations that halve the resolution."""

CELL = ("up0", "up1", "c0", "c1", "c2", "c3", "c4")
"""The edges of a generator's cell, in the order of genes."""

CELLS = 3
"""Cells of a generator; each doubles the resolution."""

BLOCK = ("c0", "c1", "c2", "c3", "c4", "c5", "c6")
"""The edges of a discriminator's block that keep the resolution, in the order of genes."""

FROM_INPUT = BLOCK[:3]
"""Those that start at the block's input."""

BLOCKS = 4
"""Blocks of a discriminator."""


class ProjectionPlan(NamedTuple):
    """Entries `first` to `last` - 1 of the latent vector become a map of `width` x `width` pixels.

    It is resized to `target` x `target` by `mode` ("nearest" or "bilinear") where that is larger. `dropout` is the
    share of its values that are set to 0 in training. One that is not `enabled` adds nothing, but has its weights.
    """

    first: int
    last: int
    width: int
    target: int
    mode: str = "nearest"
    dropout: float = 0.0
    enabled: bool = True

    def weights(self, channels: int) -> int:
        """How many parameters its linear layer has, biases included."""
        return (self.last - self.first + 1) * channels * self.width**2


class BlockPlan(NamedTuple):
    """A searched block: the operations of the edges in `BLOCK`, `down0` and `down1`, and whether those two are used."""

    operations: Mapping[str, str]
    downsample: bool
