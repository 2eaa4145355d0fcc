"""Pictures of environments as networks see them: averaged down, channels first."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(h, w, c) bytes."""


def averaged(picture: Picture, size: int) -> Picture:
    """A picture (h, w, c) averaged down to (size, size, c), each pixel the mean over its area; halves are rounded up.

    Means are exact, so they are the same on every machine. h and w are at least `size`.
    """
    height, width, channels = picture.shape
    if (height, width) == (size, size):
        return picture
    # sums of integers below 2^53, which float64 has exactly whatever the order; halves are far from all other means
    rows = _shares(height, size) @ picture.reshape(height, width * channels).astype(np.float64)
    by_column = rows.reshape(size, width, channels).swapaxes(0, 1).reshape(width, size * channels)
    means = (_shares(width, size) @ by_column).reshape(size, size, channels) / (height * width)
    rounded: Picture = (means + 0.5).astype(np.uint8)
    return rounded.swapaxes(0, 1)


@cache
def _shares(length: int, size: int) -> NDArray[np.float64]:
    """(size, length): how much of each of `length` pixels, in parts of 1 / size, lies in each of `size` equal spans."""
    starts = np.arange(length) * size
    spans = np.arange(size)[:, None] * length
    overlaps = np.minimum(starts + size, spans + length) - np.maximum(starts, spans)
    shares: NDArray[np.float64] = np.maximum(overlaps, 0).astype(np.float64)
    return shares


def resized(picture: Picture, size: int) -> Picture:
    """A picture (h, w, c) of (size, size, c) for people: averaged down, or with the nearest pixels if it is smaller."""
    height, width, _ = picture.shape
    if min(height, width) >= size:
        return averaged(picture, size)
    places = np.arange(size)
    nearest: Picture = picture[(places * height // size)[:, None], places * width // size]
    return nearest


def channels_first(picture: Picture) -> NDArray[Any]:
    """A picture (h, w, c) as an array (c, h, w) of its own."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1))
