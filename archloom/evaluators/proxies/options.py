"""The options of zero-cost proxies, which need no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from archloom.utils.options import NonNegativeInt, Options, PositiveInt


@dataclass(frozen=True)
class ProxyOptions(Options):
    """What untrained networks are shown, and with what weights.

    A batch of `batch_size` images, drawn from the training part of `data`, a name or path as `--on images:` takes it;
    `size` resizes them to `size` x `size` pixels, 0 leaves them as they are. `init` says how the weights of
    convolutions and linear layers are drawn: as the network does itself ("default"), or from normal distributions with
    the variance of He et al. ("kaiming"), of Glorot & Bengio ("xavier") or 1 ("normal"). Weights and images follow from
    `seed` alone, whatever trial asks, so that an architecture has one score. It is the mean over `repeats` draws of
    both. `device` is PyTorch's name of one: cpu, cuda, cuda:1.
    """

    data: str = "digits"
    size: Annotated[NonNegativeInt, msgspec.Meta(description="0 leaves images as they are")] = 16
    batch_size: Annotated[int, msgspec.Meta(ge=2, description="images are told apart")] = 64
    init: Literal["default", "kaiming", "xavier", "normal"] = "default"
    repeats: PositiveInt = 1
    seed: NonNegativeInt = 0
    device: str = "cpu"


OF_IMAGES = ("data", "size", "batch_size")
"""The options that only proxies that see images use."""
