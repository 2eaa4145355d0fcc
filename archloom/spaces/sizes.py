"""The sizes of networks around cells, which are options of their spaces, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import msgspec

from archloom.errors import InputError, unknown

ImageSize = Annotated[
    int | tuple[int, int], msgspec.Meta(description="the side of square images in pixels, or height and width")
]


class Grid(NamedTuple):
    """The size of images or of maps in a network, in pixels."""

    height: int
    width: int

    @property
    def pixels(self) -> int:
        return self.height * self.width

    def after(self, stride: int) -> Grid:
        """What a convolution or a pool with "same" padding leaves: sides are rounded up."""
        return Grid(-(-self.height // stride), -(-self.width // stride))


def grid_of(image_size: ImageSize) -> Grid:
    """The size of images as a grid; InputError for what is none."""
    sides = tuple(image_size) if isinstance(image_size, list | tuple) else (image_size, image_size)
    if len(sides) != 2 or any(isinstance(side, bool) or not isinstance(side, int) or side < 1 for side in sides):
        raise InputError(
            f"image_size={image_size}: expected a whole number of pixels of at least 1, or two: height and width"
        )
    return Grid(*sides)


class Convolution(NamedTuple):
    """A convolution of a stem: its channels, and the size of what it gives."""

    c_in: int
    c_out: int
    grid: Grid


def image_size_of(height: int, width: int) -> ImageSize:
    """The size of images as an option has it: the side of square ones."""
    return height if height == width else (height, width)


@dataclass(frozen=True)
class Stem:
    """What comes before the first cell: 3x3 convolutions."""

    widths: Callable[[int], tuple[int, ...]]
    """Channels of the network -> channels after each convolution."""
    strides: tuple[int, ...]
    image_size: int
    """The side of the images that it is published for."""

    def convolutions(self, image_channels: int, channels: int, image: Grid) -> Iterator[Convolution]:
        """Of a network with `channels` channels on such images."""
        c_in = image_channels
        for c_out, stride in zip(self.widths(channels), self.strides, strict=True):
            image = image.after(stride)
            yield Convolution(c_in, c_out, image)
            c_in = c_out


STEMS: Mapping[str, Stem] = {
    "cifar": Stem(lambda channels: (channels,), (1,), 32),
    "imagenet": Stem(lambda channels: (channels // 2, channels, channels), (2, 2, 2), 224),
}
"""One convolution, or three of stride 2, by name."""


@dataclass(frozen=True)
class NetworkSizes:
    """The sizes of the networks of a space.

    `channels` are those of the first cells, `cells` how many there are (in all, or in a stage: a space says which).
    InputError for sizes that make no network; `least_channels` is the fewest that the space's networks take.
    """

    channels: int
    cells: int
    classes: int
    image_channels: int
    image_size: ImageSize
    stem: str
    least_channels: int = 1

    def __post_init__(self) -> None:
        if self.stem not in STEMS:
            raise unknown("stem", self.stem, STEMS)
        narrowest = 1 if min(STEMS[self.stem].widths(1)) else 2
        least = {"channels": max(self.least_channels, narrowest), "cells": 1, "classes": 2, "image_channels": 1}
        for name, lowest in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise InputError(f"{name}={value}: expected a whole number of at least {lowest}")
        grid_of(self.image_size)

    @property
    def image(self) -> Grid:
        return grid_of(self.image_size)


class SizedNetworks:
    """What spaces have whose networks' sizes are options: each size by its name."""

    network_sizes: NetworkSizes
    proxy_sizes: Mapping[str, int]
    """The sizes at which networks are scored untrained unless others are given: small ones rank as well."""

    @property
    def channels(self) -> int:
        return self.network_sizes.channels

    @property
    def cells(self) -> int:
        return self.network_sizes.cells

    @property
    def classes(self) -> int:
        return self.network_sizes.classes

    @property
    def image_channels(self) -> int:
        return self.network_sizes.image_channels

    @property
    def image_size(self) -> ImageSize:
        return self.network_sizes.image_size

    @property
    def stem(self) -> str:
        return self.network_sizes.stem
