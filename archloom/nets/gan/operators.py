"""The operators of generators and discriminators, with their initial weights.

Convolutions begin with Glorot's uniform weights; biases, linear and transposed convolutions as in PyTorch (PBT-NAS's
code, models/gan/advnas.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from archloom.nets.gan.plans import CONVOLUTIONS, Convolution


def conv(c_in: int, c_out: int, shape: Convolution, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution with "same" padding: ceil(H / stride) rows come out of H."""
    kernel, dilation = shape
    layer = nn.Conv2d(c_in, c_out, kernel, stride, dilation * (kernel // 2), dilation, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    return layer


def normalised_conv(c_in: int, c_out: int, shape: Convolution, stride: int = 1) -> nn.Conv2d:
    """A convolution whose weight is divided by its largest singular value, with one power iteration a pass.

    Spectral normalisation: Miyato et al. 2018.
    Its tensors are `weight_orig`, `weight_u`, `weight_v` and `bias`. PyTorch's newer parametrisation computes the same,
    but hides them three levels deeper, iterates 15 times when it is built and again at every look at `weight`. With
    these, a network that was loaded or mixed continues exactly from the tensors it is given.
    """
    return spectral_norm(conv(c_in, c_out, shape, stride))


def total(terms: Sequence[Tensor]) -> Tensor:
    """The sum of at least one tensor; a single one is given back itself."""
    return reduce(torch.add, terms)


class Convolve(nn.Module):
    """ReLU (unless the input is an image), then a convolution."""

    def __init__(self, layer: nn.Conv2d, activation: bool = True) -> None:
        super().__init__()
        self.conv = layer
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, ceil(H / stride), ceil(W / stride))
        out: Tensor = self.conv(torch.relu(x) if self.activation else x)
        return out


class Interpolate(nn.Module):
    """Twice the resolution by interpolation, ReLU, 1x1 convolution."""

    def __init__(self, channels: int, mode: str) -> None:
        super().__init__()
        self.conv = conv(channels, channels, CONVOLUTIONS["conv_1x1"])
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, 2H, 2W)
        out: Tensor = self.conv(torch.relu(F.interpolate(x, scale_factor=2, mode=self.mode)))
        return out


class Transposed(nn.Module):
    """Twice the resolution: ReLU, depth-wise transposed 3x3 convolution, 1x1 convolution, both without bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.ConvTranspose2d(
            channels, channels, 3, stride=2, padding=1, output_padding=1, groups=channels, bias=False
        )
        self.conv = conv(channels, channels, CONVOLUTIONS["conv_1x1"], bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, 2H, 2W)
        out: Tensor = self.conv(self.depthwise(torch.relu(x)))
        return out


MakeConvolution = Callable[[Convolution], nn.Module]

_WEIGHTLESS: Mapping[str, Callable[[], nn.Module | None]] = {"none": lambda: None, "skip_connect": nn.Identity}


def normal(name: str, make: MakeConvolution) -> nn.Module | None:
    """The operation of an edge that keeps the resolution, its convolution from `make`; None for `none`."""
    return make(CONVOLUTIONS[name]) if name in CONVOLUTIONS else _WEIGHTLESS[name]()


_UPS: Mapping[str, Callable[[int], nn.Module]] = {
    "nearest": lambda channels: Interpolate(channels, "nearest"),
    "bilinear": lambda channels: Interpolate(channels, "bilinear"),
    "ConvTranspose": Transposed,
}


def up(name: str, channels: int) -> nn.Module:
    """An operation of `plans.UPS`."""
    return _UPS[name](channels)


# Windows at the border may be cut, so that odd sizes are halved as strided convolutions halve them: rounded up.
_POOLS: Mapping[str, Callable[[], nn.Module]] = {
    "avg_pool": lambda: nn.AvgPool2d(2, ceil_mode=True),
    "max_pool": lambda: nn.MaxPool2d(2, ceil_mode=True),
}


def down(name: str, channels: int) -> nn.Module:
    """An operation of `plans.DOWNS`, with spectral normalisation."""
    if name in CONVOLUTIONS:
        return Convolve(normalised_conv(channels, channels, CONVOLUTIONS[name], stride=2))
    return _POOLS[name.removesuffix("_input")]()
