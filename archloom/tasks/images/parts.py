"""The parts of a set of images on the device, and the values with which networks see their pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from archloom.data.images.splits import Split

Values = float | Tensor
"""One number, or one for each channel, of shape (c, 1, 1)."""


@dataclass(frozen=True)
class Normalisation:
    """A byte b of an image is the value b / `divisor` - `offset` for the network."""

    divisor: Values
    offset: Values

    def __call__(self, images: Tensor) -> Tensor:
        """Values (B, c, h, w) of images of bytes, whose channels are adjacent in memory."""
        values = images.float().div_(self.divisor).sub_(self.offset)
        return values.contiguous(memory_format=torch.channels_last)

    def __str__(self) -> str:
        """The formula, for each channel if these differ: b / 127.5 - 1."""
        pairs = zip(*(np.ravel(torch.as_tensor(each).cpu()) for each in (self.divisor, self.offset)), strict=True)
        return "; ".join(f"b / {divisor:.6g} - {offset:.6g}" for divisor, offset in pairs)

    @property
    def black(self) -> Values:
        """The value of the byte 0."""
        return -self.offset


def to_range(train: Split, device: torch.device) -> Normalisation:
    """Values in [-1, 1]."""
    return Normalisation(127.5, 1.0)


def by_mean_and_deviation(train: Split, device: torch.device) -> Normalisation:
    """Values with mean 0 and standard deviation 1 over all pixels of each channel of the training images.

    A channel with one value throughout is divided by 255.
    """
    counts = _byte_counts(train)
    total, values = counts.sum(axis=1), np.arange(256.0)
    mean = counts @ values / total
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / total
    divisor = np.where(variance > 0, np.sqrt(variance), 255.0)
    columns = (torch.tensor(column, dtype=torch.float32, device=device) for column in (divisor, mean / divisor))
    return Normalisation(*(column[:, None, None] for column in columns))


_AT_ONCE = 1000
"""Images that are counted at once: counting takes eight bytes a pixel."""


def _byte_counts(split: Split) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """How often each byte occurs in each channel (c, 256)."""
    channels = split.images.shape[1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(split), _AT_ONCE):
        for channel in range(channels):
            pixels = split.images[start : start + _AT_ONCE, channel]
            counts[channel] += np.bincount(pixels.ravel(), minlength=256)
    return counts


NORMALISATIONS: Mapping[str, Callable[[Split, torch.device], Normalisation]] = {
    "range": to_range,
    "mean_std": by_mean_and_deviation,
}
"""The functions that make a normalisation from the training images, by name."""


@dataclass(frozen=True)
class Part:
    """One part of the images as tensors on the device, with the normalisation of what networks see."""

    images: Tensor  # (n, c, h, w) bytes
    labels: Tensor  # (n,)
    normalisation: Normalisation

    @classmethod
    def of(cls, split: Split, device: torch.device, normalisation: Normalisation) -> Part:
        return cls(torch.tensor(split.images).to(device), torch.tensor(split.labels).to(device), normalisation)

    def batch(self, rows: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Images (B, c, h, w) as networks see them, and their classes (B,)."""
        return self.normalisation(self.images[rows]), self.labels[rows]
