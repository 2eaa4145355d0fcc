"""Discriminators of four blocks: AutoGAN's, which is fixed, and the searched one of PBT-NAS's GanHard.

Every convolution and the last linear layer have spectral normalisation. AutoGAN: Gong et al. 2019; the searched blocks:
Chebykin et al. 2023, section 4.2 and figure 7.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from archloom.nets.gan.operators import Convolve, down, normal, normalised_conv, total
from archloom.nets.gan.plans import (
    BLOCK,
    BLOCKS,
    CONVOLUTIONS,
    FROM_INPUT,
    POOLS_OF_INPUTS,
    BlockPlan,
    Convolution,
)


class Discriminator(nn.Module):
    """Blocks, ReLU, the sum over all pixels, and a linear layer without bias to one score."""

    def __init__(self, blocks: Sequence[nn.Module], channels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.linear = spectral_norm(nn.Linear(channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:  # (B, image_channels, H, W) -> (B, 1)
        for block in self.blocks:
            x = block(x)
        scores: Tensor = self.linear(torch.relu(x).sum(dim=(2, 3)))
        return scores


# -- AutoGAN's ----------------------------------------------------------------------------------------------------


class ImageBlock(nn.Module):
    """Two convolutions and a pool, beside a pool and a 1x1 convolution."""

    def __init__(self, image_channels: int, channels: int) -> None:
        super().__init__()
        self.conv1 = normalised_conv(image_channels, channels, CONVOLUTIONS["conv_3x3"])
        self.conv2 = normalised_conv(channels, channels, CONVOLUTIONS["conv_3x3"])
        self.shortcut = normalised_conv(image_channels, channels, CONVOLUTIONS["conv_1x1"])

    def forward(self, x: Tensor) -> Tensor:  # (B, image_channels, H, W) -> (B, C, H/2, W/2)
        residual = F.avg_pool2d(self.conv2(torch.relu(self.conv1(x))), 2)
        out: Tensor = residual + self.shortcut(F.avg_pool2d(x, 2))
        return out


class ResidualBlock(nn.Module):
    """ReLU and convolution, twice, beside the input itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Convolve(normalised_conv(channels, channels, CONVOLUTIONS["conv_3x3"]))
        self.conv2 = Convolve(normalised_conv(channels, channels, CONVOLUTIONS["conv_3x3"]))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        out: Tensor = x + self.conv2(self.conv1(x))
        return out


class HalvingBlock(ResidualBlock):
    """The same beside a 1x1 convolution, with a pool at the end of both."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.shortcut = normalised_conv(channels, channels, CONVOLUTIONS["conv_1x1"])

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H/2, W/2)
        return F.avg_pool2d(self.conv2(self.conv1(x)), 2) + F.avg_pool2d(self.shortcut(x), 2)


def autogan_discriminator(image_channels: int, channels: int) -> Discriminator:
    """AutoGAN's discriminator, for images whose sides are divisible by 4."""
    halving = [ImageBlock(image_channels, channels), HalvingBlock(channels)]
    return Discriminator([*halving, ResidualBlock(channels), ResidualBlock(channels)], channels)


# -- the searched one ---------------------------------------------------------------------------------------------


class SearchedBlock(nn.ModuleDict):
    """Nodes 0 to 2 come from the input by c0 to c2; c3 and c4 add node 0 to nodes 1 and 2; c5 and c6 follow these.

    The output is the sum of both branches, nodes 1 and 2. Its modules have the names of its edges; edges with `none`
    have none. A node is absent if the edge to it is `none`; c5 and c6 with `none` leave their node as it is. Where
    both branches are absent the output is node 0, and where that is absent too the input; neither is made smaller.

    With `downsample` each branch halves the resolution (rounding up): by a pool of everything that enters it, after
    c1 and c3, or of what comes out of it, after c5. down0 and down1 have their weights even if they are not used.

    The published code computes the sum, and then overwrites it by node 1 where that is there; so with `as_published`.
    """

    def __init__(
        self, plan: BlockPlan, c_in: int, channels: int, of_images: bool = False, as_published: bool = False
    ) -> None:
        super().__init__()
        for edge in BLOCK:
            first = edge in FROM_INPUT
            operation = self._edge(plan.operations[edge], c_in if first else channels, channels, first and of_images)
            if operation is not None:
                self[edge] = operation
        for edge in ("down0", "down1"):
            self[edge] = down(plan.operations[edge], channels)
        halving = [edge for edge in ("down0", "down1") if plan.downsample]
        self._at_start = {edge for edge in halving if plan.operations[edge] in POOLS_OF_INPUTS}
        self._at_end = set(halving) - self._at_start
        self.as_published = as_published

    @staticmethod
    def _edge(name: str, c_in: int, channels: int, of_images: bool) -> nn.Module | None:
        def convolve(shape: Convolution) -> nn.Module:
            return Convolve(normalised_conv(c_in, channels, shape), activation=not of_images)

        return normal(name, convolve)

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, channels, H, W) or (..., ceil(H/2), ceil(W/2))
        node0, node1, node2 = (self[edge](x) if edge in self else None for edge in FROM_INPUT)
        ends = []
        if node1 is not None:
            ends.append(self._branch(node1, node0, "c3", "c5", "down0"))
        if node2 is not None:
            ends.append(self._branch(node2, node0, "c4", "c6", "down1"))
        if not ends:
            return x if node0 is None else node0
        return ends[0] if self.as_published else total(ends)

    def _branch(self, node: Tensor, node0: Tensor | None, across: str, last: str, halve: str) -> Tensor:
        terms = [node]
        if node0 is not None and across in self:
            terms.append(self[across](node0))
        if halve in self._at_start:
            terms = [self[halve](term) for term in terms]
        node = total(terms)
        if last in self:
            node = self[last](node)
        return self[halve](node) if halve in self._at_end else node


def searched_discriminator(
    blocks: Sequence[BlockPlan], image_channels: int, channels: int, as_published: bool = False
) -> Discriminator:
    """GanHard's discriminator, for images of any size. The edges that see the image have no ReLU in front."""
    if len(blocks) != BLOCKS:
        raise ValueError(f"{len(blocks)} blocks: expected {BLOCKS}")
    first = SearchedBlock(blocks[0], image_channels, channels, of_images=True, as_published=as_published)
    later = [SearchedBlock(plan, channels, channels, as_published=as_published) for plan in blocks[1:]]
    return Discriminator([first, *later], channels)
