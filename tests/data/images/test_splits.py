from __future__ import annotations

import numpy as np

from archloom.data.images.splits import Split, Splits


def split(n: int) -> Split:
    return Split(np.arange(n * 12, dtype=np.uint8).reshape(n, 3, 2, 2), np.arange(n))


def test_rows_keep_images_and_labels_together() -> None:
    taken = split(5).take(np.array([3, 0]))
    assert len(split(5)) == 5 and len(taken) == 2
    assert taken.labels.tolist() == [3, 0]
    assert taken.images[:, 0, 0, 0].tolist() == [36, 0]


def test_only_parts_that_exist_are_named() -> None:
    train, test = split(4), split(2)
    assert Splits(train, None, test, ("a", "b")).parts() == {"train": train, "test": test}
    assert list(Splits(train, split(1), test, ("a",)).parts()) == ["train", "valid", "test"]
