from __future__ import annotations

import numpy as np
import pytest

from archloom.data.images.labelled import ImageData, in_parts
from archloom.data.images.splits import Split, Splits
from archloom.spaces.nb201 import Nb201
from archloom.utils import seeds

pytest.importorskip("torch", reason="training needs the extra train")


def bars(count: int = 150) -> ImageData:
    """Three classes: a bright bar at the left, in the middle, or at the right of 8 x 8 noisy pixels."""
    rng = seeds.stream(0, "test")
    labels = np.arange(count) % 3
    images = rng.integers(0, 100, (count, 1, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, :, 2 * label : 2 * label + 3] += 120
    return in_parts("bars", Splits(Split(images, labels.astype(np.int64)), None, None, ("a", "b", "c")), "a test")


@pytest.fixture(scope="session")
def space() -> Nb201:
    """One cell of two channels in each stage."""
    return Nb201(channels=2, cells=1, classes=3, image_channels=1, image_size=8)


@pytest.fixture(scope="session")
def images() -> ImageData:
    return bars()
