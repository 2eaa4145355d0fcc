"""Averages of pictures."""

from __future__ import annotations

import numpy as np
import pytest

from archloom.tasks.control.frames import averaged, channels_first, resized


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_half_the_size_is_the_mean_of_two_by_two() -> None:
    full = picture(84, 84)
    means = full.reshape(42, 2, 42, 2, 3).mean(axis=(1, 3))
    assert (averaged(full, 42) == np.floor(means + 0.5)).all()
    assert averaged(full, 84) is full


@pytest.mark.parametrize("size", [1, 5, 7])
def test_other_sizes_are_means_over_areas(size: int) -> None:
    full = picture(7, 12, 1)
    fine = full.repeat(size, axis=0).repeat(size, axis=1)  # a multiple of both sizes
    means = fine.reshape(size, 7, size, 12, 1).mean(axis=(1, 3))
    assert (averaged(full, size) == np.floor(means + 0.5)).all()


def test_white_stays_white() -> None:
    assert (averaged(np.full((84, 84, 3), 255, np.uint8), 50) == 255).all()


def test_pictures_for_people_may_be_larger() -> None:
    assert resized(picture(2, 4), 4).shape == (4, 4, 3)
    assert (resized(picture(2, 4), 4)[1] == picture(2, 4)[0]).all()
    assert resized(picture(6, 4), 2).shape == (2, 2, 3)


def test_channels_come_first() -> None:
    frame = channels_first(picture(2, 4))
    assert frame.shape == (3, 2, 4) and frame.flags.c_contiguous
    assert frame[2, 1, 3] == picture(2, 4)[1, 3, 2]
