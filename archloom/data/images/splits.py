"""Labelled images in memory, in the parts in which they are published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """A set as found on disk; `valid` and `test` are None if it has no such part."""

    train: Split
    valid: Split | None
    test: Split | None
    classes: tuple[str, ...]

    def parts(self) -> dict[str, Split]:
        """The parts that exist, by name."""
        named = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}
