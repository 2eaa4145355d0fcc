from __future__ import annotations

import numpy as np
import pytest

from archloom.data.images.splits import Split
from archloom.utils import seeds

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.tasks.images.parts import NORMALISATIONS, Part, by_mean_and_deviation, to_range  # noqa: E402

CPU = torch.device("cpu")


def split(count: int = 30) -> Split:
    rng = seeds.stream(0, "test")
    images = rng.integers(0, 256, (count, 3, 4, 5), dtype=np.uint8)
    images[:, 1] //= 4
    return Split(images, rng.integers(0, 3, count))


def test_values_from_minus_one_to_one_bit_for_bit() -> None:
    found, _ = Part.of(split(), CPU, to_range(split(), CPU)).batch(slice(0, 9))
    assert torch.equal(found, torch.tensor(split().images[:9]).float().div(127.5).sub(1.0))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_mean_and_deviation_of_the_training_images() -> None:
    train = split(2500)
    whole, labels = Part.of(train, CPU, by_mean_and_deviation(train, CPU)).batch(slice(None))
    assert labels.tolist() == train.labels.tolist()
    theirs = (train.images / 255 - (train.images / 255).mean((0, 2, 3), keepdims=True)) / (train.images / 255).std(
        (0, 2, 3), keepdims=True
    )
    np.testing.assert_allclose(whole.numpy(), theirs, atol=1e-6)


def test_a_channel_of_one_value() -> None:
    images = np.full((3, 2, 2, 2), 51, np.uint8)
    images[0, 0] = 255
    whole, _ = Part.of(Split(images, np.zeros(3, np.int64)), CPU, by_mean_and_deviation(split_of(images), CPU)).batch(
        slice(None)
    )
    assert whole.isfinite().all()
    assert (whole[:, 1] == 0).all()


def split_of(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Split:
    return Split(images, np.zeros(len(images), np.int64))


def test_what_networks_see_as_a_formula() -> None:
    assert str(to_range(split(), CPU)) == "b / 127.5 - 1"
    images = np.zeros((2, 2, 1, 1), np.uint8)
    images[0, 0], images[:, 1] = 100, [[[20]], [[40]]]
    assert str(by_mean_and_deviation(split_of(images), CPU)) == "b / 50 - 1; b / 10 - 3"


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_black_is_the_value_of_the_byte_zero(name: str) -> None:
    normalisation = NORMALISATIONS[name](split(), CPU)
    black = normalisation(torch.zeros(2, 3, 2, 2, dtype=torch.uint8))
    assert torch.equal(black, torch.zeros_like(black) + normalisation.black)
