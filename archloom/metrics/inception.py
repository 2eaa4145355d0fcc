"""Inception-v3 as published in December 2015: the network whose features define the FID and the Inception Score.

Szegedy et al. 2016, figures 5 to 7 and table 1. Names, shapes and three departures from the usual Inception-v3 are
those of the published weights (TensorFlow's `inception-2015-12-05.tgz`, carried over to PyTorch by torch-fidelity):
1,008 classes, means over 3 x 3 pixels that exclude the padding, and in the last block a maximum instead of the mean.
With the same weights it gives torch-fidelity's numbers, which the tests check; that library itself needs torchvision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archloom.errors import InputError
from archloom.utils.contents import refuse_web_page
from archloom.utils.text import one_line

SIDE = 299
"""Height and width to which images are resized."""
FEATURES = 2048
CLASSES = 1008
EPSILON = 1e-3
"""The epsilon of batch normalisation, as in training."""
BATCH = 50
"""How many images go through the network at once: the first layers take 12 MB for each."""

# -- blocks -------------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A convolution. Padded, it keeps height and width (but for its stride)."""

    channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padded: bool = True


class Branch(NamedTuple):
    """A chain of convolutions, which may end in a fork: 1 x 3 and 3 x 1 in parallel."""

    name: str
    steps: tuple[Step, ...]
    fork: int = 0
    """Channels of each branch of the fork."""


THREE, FIVE, WIDE, TALL = (3, 3), (5, 5), (1, 7), (7, 1)
TINES = (("a", (1, 3)), ("b", (3, 1)))

Pool = Callable[[Tensor], Tensor]

_mean: Pool = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
_maximum: Pool = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)
_shrink: Pool = partial(F.max_pool2d, kernel_size=3, stride=2)


class Conv(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, c_in: int, step: Step) -> None:
        super().__init__()
        padding = (step.kernel[0] // 2, step.kernel[1] // 2) if step.padded else (0, 0)
        self.conv = nn.Conv2d(c_in, step.channels, step.kernel, step.stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(step.channels, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """Parallel branches; the last one pools the input, followed by a 1 x 1 convolution to `pooled` channels."""

    def __init__(self, c_in: int, branches: Sequence[Branch], pool: Pool, pooled: int = 0) -> None:
        super().__init__()
        self._chains = [self._chain(c_in, branch) for branch in branches]
        self._pool = pool
        self._projects = pooled > 0
        if self._projects:
            self.branch_pool = Conv(c_in, Step(pooled))

    def _chain(self, c_in: int, branch: Branch) -> tuple[list[str], list[str]]:
        """Make a branch's convolutions; their names: of those in a row, and of those in the fork."""
        row, tines = [], []
        for number, step in enumerate(branch.steps, 1):
            row.append(branch.name if len(branch.steps) == 1 and not branch.fork else f"{branch.name}_{number}")
            self.add_module(row[-1], Conv(c_in, step))
            c_in = step.channels
        for letter, kernel in TINES if branch.fork else ():
            tines.append(f"{branch.name}_{len(branch.steps) + 1}{letter}")
            self.add_module(tines[-1], Conv(c_in, Step(branch.fork, kernel)))
        return row, tines

    def forward(self, x: Tensor) -> Tensor:
        parts = []
        for row, tines in self._chains:
            part = x
            for name in row:
                part = self.get_submodule(name)(part)
            parts += [self.get_submodule(name)(part) for name in tines] if tines else [part]
        pooled = self._pool(x)
        return torch.cat([*parts, self.branch_pool(pooled) if self._projects else pooled], dim=1)


def _block_a(c_in: int, pooled: int) -> Mixed:
    """35 x 35 pixels, to 224 channels and those of the pooled branch."""
    branches = (
        Branch("branch1x1", (Step(64),)),
        Branch("branch5x5", (Step(48), Step(64, FIVE))),
        Branch("branch3x3dbl", (Step(64), Step(96, THREE), Step(96, THREE))),
    )
    return Mixed(c_in, branches, _mean, pooled)


def _block_b(c_in: int) -> Mixed:
    """35 x 35 pixels to 17 x 17."""
    branches = (
        Branch("branch3x3", (Step(384, THREE, 2, padded=False),)),
        Branch("branch3x3dbl", (Step(64), Step(96, THREE), Step(96, THREE, 2, padded=False))),
    )
    return Mixed(c_in, branches, _shrink)


def _block_c(inner: int) -> Mixed:
    """17 x 17 pixels, 768 channels to 768."""
    branches = (
        Branch("branch1x1", (Step(192),)),
        Branch("branch7x7", (Step(inner), Step(inner, WIDE), Step(192, TALL))),
        Branch(
            "branch7x7dbl",
            (Step(inner), Step(inner, TALL), Step(inner, WIDE), Step(inner, TALL), Step(192, WIDE)),
        ),
    )
    return Mixed(768, branches, _mean, 192)


def _block_d() -> Mixed:
    """17 x 17 pixels to 8 x 8."""
    branches = (
        Branch("branch3x3", (Step(192), Step(320, THREE, 2, padded=False))),
        Branch("branch7x7x3", (Step(192), Step(192, WIDE), Step(192, TALL), Step(192, THREE, 2, padded=False))),
    )
    return Mixed(768, branches, _shrink)


def _block_e(c_in: int, pool: Pool) -> Mixed:
    """8 x 8 pixels to 2,048 channels."""
    branches = (
        Branch("branch1x1", (Step(320),)),
        Branch("branch3x3", (Step(384),), fork=384),
        Branch("branch3x3dbl", (Step(448), Step(384, THREE)), fork=384),
    )
    return Mixed(c_in, branches, pool, 192)


# -- the network --------------------------------------------------------------------------------------------------


def resized(images: Tensor, side: int = SIDE) -> Tensor:
    """Images (..., h, w) to (..., side, side), as TensorFlow 1 does it: row i is the input's at i h / side.

    Between rows it is linear, below the last one constant; so unlike in PyTorch the corners are treated differently.
    How images are resized affects the FID, and this is the method of the published one (Parmar et al. 2022).
    """
    height, width = images.shape[-2:]
    return _positions(height, side, images) @ images @ _positions(width, side, images).T


def _positions(size: int, side: int, like: Tensor) -> Tensor:
    """(side, size) the weight of each row of the input in each row of the output."""
    at = torch.arange(side, dtype=torch.float64) * (size / side)
    above = at.long()
    below = (above + 1).clamp(max=size - 1)
    share = at - above
    rows = torch.arange(side)
    weights = torch.zeros(side, size, dtype=torch.float64)
    weights[rows, above] = 1 - share
    weights[rows, below] += share
    return weights.to(like)


class Inception(nn.Module):
    """Images (B, 1 or 3, h, w), of values from 0 to 255, to features (B, 2048), which are means over all pixels.

    Images are rounded to 8 bits, as if they had been stored, and grey ones converted to RGB.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, Step(32, THREE, 2, padded=False))
        self.Conv2d_2a_3x3 = Conv(32, Step(32, THREE, padded=False))
        self.Conv2d_2b_3x3 = Conv(32, Step(64, THREE))
        self.Conv2d_3b_1x1 = Conv(64, Step(80))
        self.Conv2d_4a_3x3 = Conv(80, Step(192, THREE, padded=False))
        self.Mixed_5b = _block_a(192, 32)
        self.Mixed_5c = _block_a(256, 64)
        self.Mixed_5d = _block_a(288, 64)
        self.Mixed_6a = _block_b(288)
        self.Mixed_6b = _block_c(128)
        self.Mixed_6c = _block_c(160)
        self.Mixed_6d = _block_c(160)
        self.Mixed_6e = _block_c(192)
        self.Mixed_7a = _block_d()
        self.Mixed_7b = _block_e(1280, _mean)
        self.Mixed_7c = _block_e(2048, _maximum)
        self.fc = nn.Linear(FEATURES, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self._features(some) for some in torch.split(images, BATCH)])

    def _features(self, images: Tensor) -> Tensor:
        x = (resized(images.round()) - 128) / 128
        x = x.expand(-1, 3, -1, -1)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_shrink(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(_shrink(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        out: Tensor = x.mean(dim=(2, 3))
        return out

    def logits(self, features: Tensor) -> Tensor:
        """(B, 2048) to (B, 1008) logits of classes; without the bias, as is usual for the Inception Score."""
        return F.linear(features, self.fc.weight)


def load_inception(file: Path) -> Inception:
    """The network with the published weights in a file, for evaluation; InputError if they do not fit."""
    with torch.device("meta"):  # no weights are drawn: they would all be replaced
        network = Inception()
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True), assign=True)
    except Exception as error:  # torch.load raises almost any kind on a file that is no state
        refuse_web_page(file)
        reason = one_line(str(error), 200)
        raise InputError(f"{file}: not the published Inception weights: {reason}; download them again") from error
    return network.eval()
