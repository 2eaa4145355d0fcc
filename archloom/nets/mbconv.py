"""Networks of inverted residual layers (MBConv), written to stand alone: `archloom export` ships this very code.

A 3x3 convolution of stride 2, stages of inverted residual layers (Sandler et al. 2018) with or without
squeeze-excitation, a 1x1 convolution, and a linear classifier after global average pooling: the form of MnasNet (Tan et
al. 2019), EfficientNet (Tan & Le 2019) and ProxylessNAS (Cai et al. 2019). Stochastic depth and dropout, with which
such networks are often trained, are not part of the architecture and are omitted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

Layer = tuple[int, int, int, int, bool]
"""Channels that come out, expansion of those that come in, kernel and stride of the depthwise convolution, gate."""

MakeActivation = Callable[[], nn.Module]

ACTIVATIONS: Mapping[str, MakeActivation] = {"silu": nn.SiLU, "relu6": nn.ReLU6}


def conv_bn(c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution with "same" padding, batch normalisation."""
    return [
        nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(c_out),
    ]


class SqueezeExcitation(nn.Module):
    """Every channel times a gate in (0, 1) that is computed from the averages of all (Hu et al. 2018, section 3).

    Between its two layers is SiLU, as in EfficientNet.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.SiLU(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        out: Tensor = x * self.gate(x)
        return out


class InvertedResidual(nn.Module):
    """Expand (unless the expansion is 1), filter each channel, gate, project; added to the input where shapes agree.

    The gate is squeezed to a quarter of the channels that come in, not of the expanded ones, and to one at least.
    """

    def __init__(self, c_in: int, layer: Layer, activation: MakeActivation) -> None:
        super().__init__()
        c_out, expansion, kernel, stride, gated = layer
        inner = expansion * c_in
        layers = [*conv_bn(c_in, inner), activation()] if expansion > 1 else []
        layers += [*conv_bn(inner, inner, kernel, stride, groups=inner), activation()]
        if gated:
            layers.append(SqueezeExcitation(inner, max(c_in // 4, 1)))
        self.body = nn.Sequential(*layers, *conv_bn(inner, c_out))
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:  # (B, C_in, H, W) -> (B, C_out, ceil(H / stride), ceil(W / stride))
        out: Tensor = self.body(x)
        return x + out if self.residual else out


class MbconvNetwork(nn.Module):
    """The whole network for images of any size, given its stages of layers; a layer that is None does nothing.

    `stem` and `head` are the channels after the first and the last convolution, `activation` one of `ACTIVATIONS`. The
    layer at place j of stage i is the module `body.i.j`. The weights are drawn from `seed` alone; PyTorch's global
    generator is left as it was.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Layer | None]],
        seed: int,
        *,
        stem: int = 32,
        head: int = 1280,
        activation: str = "silu",
        channels: int = 3,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        active = ACTIVATIONS[activation]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: that reseeds the GPUs as well
            self.stem = nn.Sequential(*conv_bn(channels, stem, 3, stride=2), active())
            body, c_in = [], stem
            for stage in stages:
                layers: list[nn.Module] = []
                for layer in stage:
                    layers.append(nn.Identity() if layer is None else InvertedResidual(c_in, layer, active))
                    c_in = c_in if layer is None else layer[0]
                body.append(nn.Sequential(*layers))
            self.body = nn.Sequential(*body)
            self.head = nn.Sequential(
                *conv_bn(c_in, head), active(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head, classes)
            )
            self.apply(_draw_weights)

    def forward(self, x: Tensor) -> Tensor:  # (B, channels, H, W) -> (B, classes)
        logits: Tensor = self.head(self.body(self.stem(x)))
        return logits


def _draw_weights(module: nn.Module) -> None:
    """He et al.'s normal weights by fan-out for convolutions, uniform ones for the classifier; biases are zero.

    So EfficientNet and Accel-NASBench begin; ours begin all alike.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        bound = 1.0 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -bound, bound)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
