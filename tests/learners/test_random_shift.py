from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="agents need the extra train")

import torch
from torch.nn import functional

from archloom.learners.random_shift import random_shift

PAD = 2


def images(count: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 9, height, width), dtype=np.uint8)


def shifts(count: int) -> NDArray[np.int64]:
    """(count, 2) across and down, from 0 to 2 PAD: what `shifted` draws."""
    return np.random.default_rng(1).integers(-PAD, PAD, (count, 2), endpoint=True) + PAD


def shifted(given: NDArray[Any]) -> NDArray[Any]:
    result: NDArray[Any] = random_shift(torch.from_numpy(given), PAD, np.random.default_rng(1)).numpy()
    return result


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_shift_is_a_slice_of_the_padded_image(dtype: Any) -> None:
    given = images(200, 5, 7).astype(dtype)
    padded = np.pad(given, ((0, 0), (0, 0), (PAD, PAD), (PAD, PAD)), "edge")
    found = shifted(given)
    assert found.dtype == dtype
    for image, whole, (across, down) in zip(found, padded, shifts(200), strict=True):
        np.testing.assert_array_equal(image, whole[:, down : down + 5, across : across + 7])


def test_shifts_are_uniform_over_all_that_there_are() -> None:
    counts = Counter(map(tuple, shifts(200)))
    assert len(counts) == 25, "the test above has seen each"
    place = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3).repeat(10_000, 0)
    centre = shifted(place)[:, 0, 1, 1]
    # a coordinate of the centre's origin is 0, 1 or 2 for 2, 1 and 2 of the 5 shifts
    expected = np.outer([0.4, 0.2, 0.4], [0.4, 0.2, 0.4]).ravel()
    np.testing.assert_allclose(np.bincount(centre.astype(int)) / 10_000, expected, atol=0.015)


def test_the_published_augmentation_gives_the_same() -> None:
    """RandomShiftsAug of DrQ-v2's code, with the same shifts."""
    given, side, all_of_it = torch.from_numpy(images(20, 12, 12)).float(), 12, 12 + 2 * PAD
    padded = functional.pad(given, (PAD, PAD, PAD, PAD), "replicate")
    line = torch.linspace(-1 + 1 / all_of_it, 1 - 1 / all_of_it, all_of_it)[:side].expand(side, side)[:, :, None]
    base = torch.cat([line, line.transpose(1, 0)], 2)[None]
    grid = base + torch.from_numpy(shifts(20)).float()[:, None, None] * (2 / all_of_it)
    expected = functional.grid_sample(padded, grid, padding_mode="zeros", align_corners=False)
    np.testing.assert_allclose(shifted(given.numpy()), expected.numpy(), atol=1e-3)
