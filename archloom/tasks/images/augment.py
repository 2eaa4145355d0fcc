"""Random changes of images that preserve their class, drawn for every image separately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class AugmentSettings:
    """What augmentations need to know: the value of `black`, one for all channels or of shape (C, 1, 1), and the side
    of the square that `cutout` blanks, in pixels (0: half of each side of the image).
    """

    black: float | Tensor = -1.0
    cutout: int = 0


DEFAULTS = AugmentSettings()


class Augmentation(Protocol):
    """Changes a batch (B, C, H, W) of normalised images, with random numbers from a generator on the CPU."""

    def __call__(self, x: Tensor, rng: torch.Generator, settings: AugmentSettings = DEFAULTS, /) -> Tensor: ...


SHIFT_PART = 8
"""Images are shifted by up to an eighth of their side: four pixels of 32, as is usual for CIFAR."""

CROP_LEAST = 0.75
"""The smallest part of the side that a crop keeps."""


def none(x: Tensor, rng: torch.Generator, settings: AugmentSettings = DEFAULTS) -> Tensor:
    return x


def flip(x: Tensor, rng: torch.Generator, settings: AugmentSettings = DEFAULTS) -> Tensor:
    """Each image mirrored left to right with probability 1/2."""
    mirrored = torch.rand(len(x), generator=rng).lt(0.5).to(x.device)
    return torch.where(mirrored[:, None, None, None], x.flip(3), x)


def shift(x: Tensor, rng: torch.Generator, settings: AugmentSettings = DEFAULTS) -> Tensor:
    """Images shifted vertically and horizontally by whole pixels; the uncovered border is black."""
    count, channels, height, width = x.shape
    reach = [max(1, side // SHIFT_PART) for side in (height, width)]
    offsets = [torch.randint(0, 2 * most + 1, (count, 1), generator=rng).to(x.device) for most in reach]
    padded = x.new_empty(count, channels, height + 2 * reach[0], width + 2 * reach[1])
    padded[:] = settings.black
    padded[:, :, reach[0] : reach[0] + height, reach[1] : reach[1] + width] = x
    rows = offsets[0] + torch.arange(height, device=x.device)  # (B, H)
    columns = offsets[1] + torch.arange(width, device=x.device)  # (B, W)
    images = torch.arange(count, device=x.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[images, rows[:, :, None], columns[:, None, :]]  # (B, H, W, C)
    return moved.permute(0, 3, 1, 2).contiguous()


def crop(x: Tensor, rng: torch.Generator, settings: AugmentSettings = DEFAULTS) -> Tensor:
    """A random part of the image, with sides of 3/4 to 1 of its own, resized to its size (bilinear)."""
    draws = torch.rand(3, len(x), generator=rng).to(x.device)
    part = CROP_LEAST + (1.0 - CROP_LEAST) * draws[0]
    centre = (1.0 - part) * (2.0 * draws[1:] - 1.0)  # in the coordinates of grid_sample, where an image is [-1, 1]
    zero = torch.zeros_like(part)
    affine = torch.stack([part, zero, centre[0], zero, part, centre[1]], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(affine, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def cutout(x: Tensor, rng: torch.Generator, settings: AugmentSettings = DEFAULTS) -> Tensor:
    """Each image with a square of zeros around a random pixel, cut off at the border (DeVries & Taylor 2017)."""
    covered = []
    for side, place in ((x.shape[2], 2), (x.shape[3], 3)):
        length = settings.cutout or max(1, side // 2)
        first = torch.randint(0, side, (len(x), 1), generator=rng).to(x.device) - length // 2
        pixels = torch.arange(side, device=x.device)
        inside = (pixels >= first) & (pixels < first + length)  # (B, side)
        covered.append(inside[:, None, :, None] if place == 2 else inside[:, None, None, :])
    return x.masked_fill(covered[0] & covered[1], 0.0)


AUGMENTATIONS: Mapping[str, Augmentation] = {
    "none": none,
    "flip": flip,
    "shift": shift,
    "crop": crop,
    "cutout": cutout,
}
