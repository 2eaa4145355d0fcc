"""The network of NAS-Bench-201 around a cell, written to stand alone: `archloom export` ships this very code.

Dong & Yang 2020, section 2.1: a 3x3 convolution, three stages of five cells with 16, 32 and 64 channels, a residual
block of stride 2 between stages, and a linear classifier after global average pooling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, destination) of each operation of a cell, in the benchmark's order."""


class Zero(nn.Module):
    """No connection.

    A product, as in the published code: so what lies before it has a gradient, of 0, and not none at all, which
    `DistributedDataParallel` would wait for in vain.
    """

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return x.mul(0.0)


def conv_bn(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution with "same" padding, batch normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
    )


OPERATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: Zero(),
    "skip_connect": lambda channels: nn.Identity(),
    "nor_conv_1x1": lambda channels: conv_bn(channels, channels, 1),
    "nor_conv_3x3": lambda channels: conv_bn(channels, channels, 3),
    "avg_pool_3x3": lambda channels: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}


class Cell(nn.Module):
    """Four nodes: node 0 is the input, every other node the sum of its edges, node 3 the output."""

    def __init__(self, operations: Sequence[str], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(OPERATIONS[name](channels) for name, _ in zip(operations, EDGES, strict=True))
        self.sources = [source for source, _ in EDGES]
        self.completes = [edge == 5 or EDGES[edge + 1][1] > target for edge, (_, target) in enumerate(EDGES)]

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        nodes = [x]
        terms: list[Tensor] = []
        for edge, operation in enumerate(self.edges):
            terms.append(operation(nodes[self.sources[edge]]))
            if self.completes[edge]:  # it is the last one to its node
                nodes.append(torch.stack(terms).sum(dim=0))
                terms = []
        return nodes[3]


class Reduction(nn.Module):
    """A residual block that halves the resolution and doubles the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_bn(channels, 2 * channels, 3, stride=2), conv_bn(2 * channels, 2 * channels, 3))
        # The last window of an odd side is cut, so that the side is rounded up as by the strided convolution.
        pool = nn.AvgPool2d(2, ceil_mode=True)
        self.shortcut = nn.Sequential(pool, nn.Conv2d(channels, 2 * channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, 2C, ceil(H/2), ceil(W/2))
        out: Tensor = self.shortcut(x) + self.body(x)
        return out


def cifar_stem(image_channels: int, channels: int) -> nn.Sequential:
    """One convolution."""
    return nn.Sequential(nn.Conv2d(image_channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))


def imagenet_stem(image_channels: int, channels: int) -> nn.Sequential:
    """Three convolutions of stride 2, to an eighth of the resolution; `channels` must be at least 2."""
    return nn.Sequential(
        nn.Conv2d(image_channels, channels // 2, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels // 2),
        conv_bn(channels // 2, channels, 3, stride=2),
        conv_bn(channels, channels, 3, stride=2),
    )


STEMS: dict[str, Callable[[int, int], nn.Module]] = {"cifar": cifar_stem, "imagenet": imagenet_stem}
"""Channels of the image and of the first cells to what comes before them."""


def stages(cell: Callable[[int], nn.Module], channels: int, cells: int) -> nn.Sequential:
    """Three stages of cells, each made by `cell` from its channels, and reductions between them; (B, 4 C, H/4, W/4)."""
    body: list[nn.Module] = []
    for stage in range(3):
        if stage:
            body.append(Reduction(channels))
            channels *= 2
        body += [cell(channels) for _ in range(cells)]
    return nn.Sequential(*body)


def classifier(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)
    )


class Nb201Network(nn.Module):
    """The whole network, for images of any size. `operations` names the cell's six operations in the order of `EDGES`.

    `stem` is "cifar", as published, or "imagenet", which reduces large images to an eighth of their resolution. The
    weights are drawn from `seed` alone; PyTorch's global generator is left as it was.
    """

    def __init__(
        self,
        operations: Sequence[str],
        seed: int,
        channels: int = 16,
        cells: int = 5,
        classes: int = 10,
        image_channels: int = 3,
        stem: str = "cifar",
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: that reseeds the GPUs as well
            self.stem = STEMS[stem](image_channels, channels)
            self.body = stages(lambda width: Cell(operations, width), channels, cells)
            self.head = classifier(4 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:  # (B, image_channels, H, W) -> (B, classes)
        logits: Tensor = self.head(self.body(self.stem(x)))
        return logits
