"""Labelled images in memory, in the parts in which they are published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Images (n, c, h, w) and their classes (n,), numbers from 0."""

    images: Pixels
    labels: Labels

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[np.integer]) -> Split:
        return Split(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class Splits:
    """A set as found on disk; `valid` and `test` are None if it has no such part.

    `remarks` say what of it was not read.
    """

    train: Split
    valid: Split | None
    test: Split | None
    classes: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def parts(self) -> dict[str, Split]:
        """The parts that exist, by name."""
        named = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}


def checked_split(place: str, images: Pixels, labels: NDArray[np.integer[Any]], classes: int) -> Split:
    """A part, its images and labels checked against each other and against the number of classes."""
    if not len(images) or len(images) != len(labels):
        raise InputError(
            f"{place}: {len(images)} images and {len(labels)} labels; expected as many of each; get it again"
        )
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        raise InputError(f"{place}: label {int(wrong[0])}; expected 0 to {classes - 1}; get the file again")
    return Split(images, labels.astype(np.int64))
