"""Plain convolutional networks whose sizes vary: a space in which accuracy costs memory."""

from __future__ import annotations

import torch
from torch import nn

import archloom
from archloom.types import Arch


class PlainNetworks(archloom.Space):
    """Chains of convolutions for images of one channel and ten classes, each with normalisation and ReLU.

    The first layer has `width` channels, each next one `growth` times as many; after the first `pooled` layers the
    resolution is halved, and the last layer's channels are averaged over the image.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "width": archloom.Integer(2, 32, log=True),
                "growth": archloom.Real(0.7, 1.5),
                "layers": archloom.Integer(1, 6),
                "kernel": archloom.Choice([1, 3, 5], ordered=True),
                "pooled": archloom.Integer(0, 6),
                "dropout": archloom.Real(0.0, 0.5),
            }
        )

    def build(self, arch: Arch, seed: int) -> nn.Module:
        chosen = self.choices(arch)
        made: list[nn.Module] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            channels, kernel = 1, chosen["kernel"]
            for layer in range(chosen["layers"]):
                width = max(2, round(chosen["width"] * chosen["growth"] ** layer))
                convolution = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False)
                made += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
                if layer + 1 == chosen["pooled"]:
                    made.append(nn.MaxPool2d(2, ceil_mode=True))
                channels = width
            head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(chosen["dropout"]), nn.Linear(channels, 10)]
            return nn.Sequential(*made, *head)
