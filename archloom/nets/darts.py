"""The evaluation networks of DARTS around two cells, written to stand alone: `archloom export` ships this very code.

Liu, Simonyan & Yang 2019, section 3 and appendix A: a stem, a stack of cells of which the one at a third and the one at
two thirds of the depth halve the resolution and double the channels, and a linear classifier after global average
pooling. A cell is two inputs (the outputs of the two cells before it), four nodes that each add up two operations, and
the concatenation of its nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Pairs = Sequence[tuple[str, int]]
"""The eight (operation, source) of a cell, two consecutive ones a node; sources 0 and 1 are the inputs, 2 is node 0."""


def relu_conv_bn(c_in: int, c_out: int) -> nn.Sequential:
    """ReLU, 1x1 convolution, batch normalisation."""
    return nn.Sequential(nn.ReLU(), nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out))


class FactorisedReduction(nn.Module):
    """Half the resolution: one half of the channels is made from the even pixels, the other from the odd ones.

    A side of odd length is rounded up, as by the other operations of stride 2; its last odd pixel is 0.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(c_in, c_out // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(c_in, c_out - c_out // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, ceil(H/2), ceil(W/2))
        x = self.relu(x)
        shifted = functional.pad(x[:, :, 1:, 1:], (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        out: Tensor = self.norm(torch.cat([self.even(x), self.odd(shifted)], dim=1))
        return out


def depthwise(channels: int, kernel: int, stride: int, dilation: int = 1) -> nn.Sequential:
    """ReLU, depth-wise convolution with "same" padding, 1x1 convolution, batch normalisation."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def separable(channels: int, kernel: int, stride: int) -> nn.Sequential:
    """Two depth-wise separable convolutions, the first one with the stride."""
    return nn.Sequential(depthwise(channels, kernel, stride), depthwise(channels, kernel, 1))


OPERATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "max_pool_3x3": lambda channels, stride: nn.MaxPool2d(3, stride, padding=1),
    "avg_pool_3x3": lambda channels, stride: nn.AvgPool2d(3, stride, padding=1, count_include_pad=False),
    "skip_connect": lambda channels, stride: nn.Identity() if stride == 1 else FactorisedReduction(channels, channels),
    "sep_conv_3x3": lambda channels, stride: separable(channels, 3, stride),
    "sep_conv_5x5": lambda channels, stride: separable(channels, 5, stride),
    "dil_conv_3x3": lambda channels, stride: depthwise(channels, 3, stride, dilation=2),
    "dil_conv_5x5": lambda channels, stride: depthwise(channels, 5, stride, dilation=2),
}
"""Channels and stride to a layer."""

MakeOperation = Callable[[str, int, int], nn.Module]
"""An operation's name, channels and stride to a layer."""


def plain_operation(name: str, channels: int, stride: int) -> nn.Module:
    """One of `OPERATIONS`."""
    return OPERATIONS[name](channels, stride)


NODES = 4


def is_whole(number: object) -> bool:
    return hasattr(number, "__index__") and not isinstance(number, bool)


def check_cell(pairs: Pairs) -> None:
    """ValueError unless these are the eight pairs of a cell."""
    if len(pairs) != 2 * NODES:
        raise ValueError(f"a cell of {len(pairs)} pairs: expected {2 * NODES}, two consecutive ones a node")
    for pair, (name, source) in enumerate(pairs):
        if name not in OPERATIONS:
            raise ValueError(f"operation {name!r}: expected one of {', '.join(OPERATIONS)}")
        if not is_whole(source) or not 0 <= source < pair // 2 + 2:
            raise ValueError(f"source {source!r} of pair {pair}: expected a whole number from 0 to {pair // 2 + 1}")


def check_size(name: str, size: int, least: int = 1) -> None:
    """ValueError unless a number of things is whole and at least `least`."""
    if not is_whole(size) or size < least:
        raise ValueError(f"{name} {size!r}: expected a whole number, at least {least}")


def drop_path(x: Tensor, probability: float) -> Tensor:  # (B, C, H, W)
    """Zero whole samples with this probability and scale up the others (Larsson et al. 2017)."""
    kept = torch.empty(len(x), 1, 1, 1, dtype=x.dtype, device=x.device).bernoulli_(1.0 - probability)
    return x * kept / (1.0 - probability)


class Place(NamedTuple):
    """Where a cell stands in its network.

    `older`, `newer` and `own` are the channels of the older input, of the other one, and of the nodes. With `halved`
    the older input is twice as large as the other. In a reduction cell operations on the inputs have stride 2.
    """

    older: int
    newer: int
    own: int
    reduction: bool
    halved: bool

    def stride(self, source: int) -> int:
        return 2 if self.reduction and source < 2 else 1

    def preprocessing(self) -> tuple[nn.Module, nn.Module]:
        """What brings the older and the other input to the cell's own size."""
        older = (FactorisedReduction if self.halved else relu_conv_bn)(self.older, self.own)
        return older, relu_conv_bn(self.newer, self.own)


class Cell(nn.Module):
    """Four nodes over two inputs."""

    def __init__(self, pairs: Pairs, place: Place, operation: MakeOperation = plain_operation) -> None:
        super().__init__()
        self.prepare_older, self.prepare_newer = place.preprocessing()
        self.sources = [int(source) for _, source in pairs]
        self.operations = nn.ModuleList(operation(name, place.own, place.stride(source)) for name, source in pairs)
        self.droppable = [not isinstance(operation, nn.Identity) for operation in self.operations]

    def forward(self, older: Tensor, newer: Tensor, drop: float) -> Tensor:  # (B, c, H, W) twice -> (B, 4 own, H', W')
        states = [self.prepare_older(older), self.prepare_newer(newer)]
        terms: list[Tensor] = []
        for pair, operation in enumerate(self.operations):
            term = operation(states[self.sources[pair]])
            if self.training and drop > 0.0 and self.droppable[pair]:
                term = drop_path(term, drop)
            terms.append(term)
            if pair % 2:  # both of a node are there
                states.append(terms[pair - 1] + term)
        return torch.cat(states[2:], dim=1)


class CifarStem(nn.Module):
    """One convolution to three times the channels; both inputs of the first cell are its output."""

    halved = False

    def __init__(self, channels: int, image_channels: int = 3) -> None:
        super().__init__()
        self.widths = (3 * channels, 3 * channels)
        self.body = nn.Sequential(
            nn.Conv2d(image_channels, 3 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * channels)
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, c, H, W) -> (B, 3C, H, W) twice
        out = self.body(x)
        return out, out


class ImageNetStem(nn.Module):
    """Three convolutions of stride 2; the inputs of the first cell are the outputs of the second and of the third."""

    halved = True

    def __init__(self, channels: int, image_channels: int = 3) -> None:
        super().__init__()
        check_size("channels", channels, least=2)
        self.widths = (channels, channels)
        half = channels // 2
        self.first = nn.Sequential(
            nn.Conv2d(image_channels, half, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.second = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, c, 224, 224) -> (B, C, 56, 56), (B, C, 28, 28)
        older = self.first(x)
        return older, self.second(older)


class AuxiliaryPool(nn.Module):
    """The pool of an auxiliary head, to 2 x 2 pixels or more; images smaller than the published ones are enlarged."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.least = kernel + stride

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        height, width = x.shape[2], x.shape[3]
        if height < self.least or width < self.least:
            x = functional.interpolate(x, size=(max(height, self.least), max(width, self.least)))
        return functional.avg_pool2d(x, self.kernel, self.stride, count_include_pad=False)


def cifar_auxiliary(c_in: int, classes: int) -> nn.Sequential:
    """(B, c_in, 8, 8) -> (B, classes)"""
    return _auxiliary(c_in, classes, stride=3, norm=nn.BatchNorm2d(768))


def imagenet_auxiliary(c_in: int, classes: int) -> nn.Sequential:
    """(B, c_in, 7, 7) -> (B, classes). As published it has no second normalisation."""
    return _auxiliary(c_in, classes, stride=2, norm=nn.Identity())


def _auxiliary(c_in: int, classes: int, stride: int, norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        AuxiliaryPool(5, stride),
        nn.Conv2d(c_in, 128, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Conv2d(128, 768, 2, bias=False),
        norm,
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),  # larger images leave more than the published 1 x 1
        nn.Flatten(),
        nn.Linear(768, classes),
    )


class Images(NamedTuple):
    """What depends on the size of the images."""

    stem: Callable[[int, int], CifarStem | ImageNetStem]
    auxiliary: Callable[[int, int], nn.Module]


CIFAR = Images(CifarStem, cifar_auxiliary)
"""For images of 32 x 32."""
IMAGENET = Images(ImageNetStem, imagenet_auxiliary)
"""For images of 224 x 224; DARTS has 48 channels and 14 layers there."""
STEMS = {"cifar": CIFAR, "imagenet": IMAGENET}
"""By the name of the stem."""


def places(layers: int, channels: int, stem: CifarStem | ImageNetStem) -> Iterator[Place]:
    """The cells of a network, first to last."""
    (older, newer), halved = stem.widths, stem.halved
    for layer in range(layers):
        reduction = layer in (layers // 3, 2 * layers // 3)
        channels *= 1 + reduction
        yield Place(older, newer, channels, reduction, halved)
        older, newer, halved = newer, NODES * channels, reduction


def classifier(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class DartsNetwork(nn.Module):
    """The whole network of a normal and a reduction cell, for images of any size.

    `network(x)` are the logits, always. With `auxiliary` the network has an auxiliary head, and
    `network.with_auxiliary(x)` are the logits and those of that head, whose loss DARTS adds with weight 0.4 in
    training; evaluation does not need it. In `DistributedDataParallel` only `forward` may be called: wrap
    `WithAuxiliary(network)`.

    `drop_path`, 0 <= p < 1, may be set at any time: in training every operation's output, identities excepted, is
    dropped for each sample with this probability. DARTS raises it from 0 to 0.2 in the course of training.

    `operation` makes the layers of the cells (those of DARTS's search network differ).

    ValueError for what is no cell, for a size below 1 (`channels` below 2 with `images=IMAGENET`), and for another
    `drop_path`. The weights are drawn from `seed` alone, the same ones with and without auxiliary head; PyTorch's
    global generator is left as it was.
    """

    def __init__(
        self,
        normal: Pairs,
        reduce: Pairs,
        seed: int,
        channels: int = 36,
        layers: int = 20,
        classes: int = 10,
        auxiliary: bool = False,
        drop_path: float = 0.0,
        images: Images = CIFAR,
        image_channels: int = 3,
        operation: MakeOperation = plain_operation,
    ) -> None:
        super().__init__()
        for pairs in (normal, reduce):
            check_cell(pairs)
        sizes = {"channels": channels, "layers": layers, "classes": classes, "image_channels": image_channels}
        for name, size in sizes.items():
            check_size(name, size)
        self.drop_path = drop_path
        self.branch = 2 * layers // 3
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: that reseeds the GPUs as well
            self.stem = images.stem(channels, image_channels)
            self.cells = nn.ModuleList()
            self.auxiliary: nn.Module | None = None
            width = 0
            for layer, place in enumerate(places(layers, channels, self.stem)):
                self.cells.append(Cell(reduce if place.reduction else normal, place, operation))
                width = NODES * place.own
                if layer == self.branch:
                    head = images.auxiliary(width, classes)  # made in any case: what comes after it draws the same
                    self.auxiliary = head if auxiliary else None
            self.head = classifier(width, classes)

    @property
    def drop_path(self) -> float:
        return self._drop_path

    @drop_path.setter
    def drop_path(self, probability: float) -> None:
        if not 0.0 <= probability < 1.0:
            raise ValueError(f"drop_path {probability}: expected a probability from 0 up to, but not, 1")
        self._drop_path = probability

    def forward(self, x: Tensor) -> Tensor:  # (B, image_channels, H, W) -> (B, classes)
        logits: Tensor = self.head(self._features(x)[1])
        return logits

    def with_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and those of the auxiliary head; ValueError if the network was made without one."""
        if self.auxiliary is None:
            raise ValueError("this network has no auxiliary head; make it with auxiliary=True")
        branch, last = self._features(x)
        return self.head(last), self.auxiliary(branch)

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output of the second reduction, and the last cell's."""
        older, newer = self.stem(x)
        branch = newer
        for layer, cell in enumerate(self.cells):
            older, newer = newer, cell(older, newer, self.drop_path)
            if layer == self.branch:
                branch = newer
        return branch, newer


class WithAuxiliary(nn.Module):
    """`network.with_auxiliary` as a module of its own: what to train where only `forward` can be called."""

    def __init__(self, network: DartsNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, image_channels, H, W) -> (B, classes) twice
        return self.network.with_auxiliary(x)
