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
    s = Nb201()
    s.channels, s.cells, s.classes, s.image_channels, s.image_size = 2, 1, 3, 1, 8
    return s


@pytest.fixture(scope="session")
def images() -> ImageData:
    return bars()
