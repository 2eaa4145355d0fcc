"""Labelled images in memory, in the parts that they are published in."""

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
    """What was found on disk; a validation or test part that it does not have is None."""

    train: Split
    valid: Split | None
    test: Split | None
    classes: tuple[str, ...]

    def parts(self) -> dict[str, Split]:
        """The parts that there are."""
        named = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}
