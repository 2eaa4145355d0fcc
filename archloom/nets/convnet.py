"""Chains of interchangeable image layers, written to stand alone: `archloom export` ships this very code.

A network is a stem, stages of layers, and a head. Stem, strided convolutions between stages and head are fixed. Every
layer keeps the width and the size of what it is given, so that any layer can replace any other of its stage; what
a layer's tensors are called, and their shapes, depend on nothing but its own kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

Layer = tuple[str, str]
"""The kind of a layer, of `LAYERS`, and its activation, of `ACTIVATIONS`."""

Stage = tuple[str, Sequence[Layer]]
"""How values are normalised in a stage, of `RULES`, and its layers."""


class Norm(nn.Module):
    """Scale and shift each channel after normalising, which is a subclass's.

    All have the same tensors, used or not: so a layer can move, with its scale and shift, between networks that
    normalise differently. Only `BatchNorm` uses and updates the running mean and variance.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.running_mean = nn.Buffer(torch.zeros(channels))
        self.running_var = nn.Buffer(torch.ones(channels))


class NoNorm(Norm):
    """Scale and shift alone."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return torch.addcmul(self.bias[:, None, None], x, self.weight[:, None, None])


class BatchNorm(Norm):
    """Ioffe & Szegedy 2015; running statistics move by a tenth with each batch."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=self.training, momentum=0.1
        )


class LayerNorm(Norm):
    """Ba et al. 2016: over all values of an image (group normalisation with one group)."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return functional.group_norm(x, 1, self.weight, self.bias)


RULES: dict[str, Callable[[int], nn.Module]] = {"none": NoNorm, "batch": BatchNorm, "layer": LayerNorm}

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "id": nn.Identity,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "swish": nn.SiLU,
}


def conv(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution with "same" padding and no bias: a `Norm` comes after it."""
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


def identity(channels: int, rule: str, activation: str) -> nn.Module:
    """No layer at all, and no activation either."""
    return nn.Identity()


def plain(channels: int, rule: str, activation: str, kernel: int) -> nn.Module:
    """Convolution, norm, activation."""
    return nn.Sequential(conv(channels, channels, kernel), RULES[rule](channels), ACTIVATIONS[activation]())


def separable(channels: int, rule: str, activation: str, kernel: int) -> nn.Module:
    """Depthwise convolution, 1x1 convolution, norm, activation."""
    return nn.Sequential(
        conv(channels, channels, kernel, groups=channels),
        conv(channels, channels, 1),
        RULES[rule](channels),
        ACTIVATIONS[activation](),
    )


class Residual(nn.Module):
    """Convolution, norm, activation, convolution, norm; added to the input; activation."""

    def __init__(self, channels: int, rule: str, activation: str, kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            plain(channels, rule, activation, kernel), conv(channels, channels, kernel), RULES[rule](channels)
        )
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        out: Tensor = self.activation(x + self.body(x))
        return out


KERNELS = (3, 5, 7)

LAYERS: dict[str, Callable[[int, str, str], nn.Module]] = {
    "id": identity,
    **{f"conv_{kernel}": partial(plain, kernel=kernel) for kernel in KERNELS},
    **{f"residual_{kernel}": partial(Residual, kernel=kernel) for kernel in KERNELS},
    **{f"sep_conv_{kernel}": partial(separable, kernel=kernel) for kernel in KERNELS},
}
"""What makes a layer, given its width, its stage's rule and its activation."""


class ImageStage(nn.Module):
    """The fixed convolution that sets the width, and from the second stage on halves the size; then the layers."""

    def __init__(self, stage: Stage, c_in: int, channels: int, stride: int) -> None:
        super().__init__()
        rule, layers = stage
        self.entry = nn.Sequential(conv(c_in, channels, 3, stride), RULES[rule](channels), nn.ReLU())
        self.layers = nn.Sequential(*(LAYERS[kind](channels, rule, activation) for kind, activation in layers))

    def forward(self, x: Tensor) -> Tensor:  # (B, C_in, H, W) -> (B, C, ceil(H / stride), ceil(W / stride))
        out: Tensor = self.layers(self.entry(x))
        return out


class ConvNetwork(nn.Module):
    """The whole network, for images of any size; stage s has `width` * 2**s channels, the first stage `stride`.

    The weights are drawn from `seed` alone; PyTorch's global generator is left as it was.
    """

    def __init__(
        self, stages: Sequence[Stage], seed: int, channels: int = 3, width: int = 16, stride: int = 1, classes: int = 10
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: that reseeds the GPUs as well
            body: list[nn.Module] = []
            for index, stage in enumerate(stages):
                wider = width * 2**index
                body.append(ImageStage(stage, channels, wider, stride=2 if index else stride))
                channels = wider
            self.stages = nn.Sequential(*body)
            self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
            self.apply(_draw_weights)

    def forward(self, x: Tensor) -> Tensor:  # (B, channels, H, W), values in [-1, 1] -> (B, classes)
        logits: Tensor = self.head(self.stages(x))
        return logits


def _draw_weights(module: nn.Module) -> None:
    """He et al. 2015: normal weights whose variance is 2 / fan-in, for convolutions; others keep PyTorch's."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
