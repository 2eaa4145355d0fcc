from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archloom.data.images.files import read_images
from archloom.errors import InputError

Image = pytest.importorskip("PIL.Image", reason="image files need the extra train")

from archloom.data.images.folders import resized  # noqa: E402 - it needs Pillow

RNG = np.random.default_rng(0)


def put(path: Path, mode: str = "RGB", size: tuple[int, int] = (6, 4)) -> np.ndarray:
    """An image file of `size` = (width, height) pixels; its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    two, one = put(tmp_path / "b" / "x.png"), put(tmp_path / "a" / "deep" / "y.png")
    three = put(tmp_path / "b" / "z.BMP")
    put(tmp_path / ".hidden" / "x.png")
    (tmp_path / "b" / "notes.txt").write_text("no image")
    found = read_images(tmp_path)
    assert found.classes == ("a", "b")
    assert (found.valid, found.test) == (None, None)
    assert found.train.labels.tolist() == [0, 1, 1]
    assert np.array_equal(found.train.images, np.moveaxis(np.stack([one, two, three]), 3, 1))


def test_parts_of_their_own(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("valid", 2), ("test", 1)):
        for name in "ab":
            for i in range(count):
                put(tmp_path / part / name / f"{i}.png")
    found = read_images(tmp_path)
    assert {part: split.labels.tolist() for part, split in found.parts().items()} == {
        "train": [0, 0, 0, 1, 1, 1],
        "valid": [0, 0, 1, 1],
        "test": [0, 1],
    }
    put(tmp_path / "test" / "c" / "0.png")
    with pytest.raises(InputError, match="class 'c' is not in every part"):
        read_images(tmp_path)


def test_grey_only_if_all_are_grey(tmp_path: Path) -> None:
    grey = put(tmp_path / "a" / "x.png", "L")
    put(tmp_path / "b" / "x.png", "L")
    found = read_images(tmp_path)
    assert found.train.images.shape == (2, 1, 4, 6)
    assert np.array_equal(found.train.images[0, 0], grey)
    colours = put(tmp_path / "b" / "x.png", "RGBA")
    found = read_images(tmp_path)
    assert found.train.images.shape == (2, 3, 4, 6)
    assert np.array_equal(found.train.images[0], np.stack([grey] * 3))
    assert np.array_equal(found.train.images[1], np.moveaxis(colours[:, :, :3], 2, 0))


def test_sizes(tmp_path: Path) -> None:
    put(tmp_path / "a" / "x.png")
    put(tmp_path / "b" / "x.png", size=(5, 5))
    with pytest.raises(InputError, match=r"has 5 x 5 pixels, .* has 6 x 4"):
        read_images(tmp_path)
    assert read_images(tmp_path, size=3).train.images.shape == (2, 3, 3, 3)


def test_an_image_that_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (4, 6), dtype=np.uint8)
    for name in "ab":
        (tmp_path / name).mkdir()
        exif = Image.Exif()
        exif[0x0112] = 6  # turn by 90 degrees clockwise to show
        Image.fromarray(pixels).save(tmp_path / name / "x.png", exif=exif)
    assert np.array_equal(read_images(tmp_path).train.images[0, 0], np.rot90(pixels, -1))


def test_what_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "a" / "x.png")
    with pytest.raises(InputError, match="1 sub-folders; expected at least 2"):
        read_images(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="no image files"):
        read_images(tmp_path)
    (tmp_path / "b" / "x.png").write_bytes((tmp_path / "a" / "x.png").read_bytes()[:60])
    with pytest.raises(InputError, match="not a readable image") as caught:
        read_images(tmp_path)
    assert "\n" not in str(caught.value)
    Image.fromarray(np.full((4, 6), 40_000, np.uint16)).save(tmp_path / "b" / "x.png")
    with pytest.raises(InputError, match="expected 8 bits per channel"):
        read_images(tmp_path)


def test_resizing() -> None:
    images = RNG.integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    assert resized(images, 8) is images
    assert resized(images, 4).shape == (3, 3, 4, 4)
    assert resized(images[:, :1], 16).shape == (3, 1, 16, 16)
    flat = np.full((2, 3, 5, 7), 9, np.uint8)
    assert np.array_equal(resized(flat, 4), np.full((2, 3, 4, 4), 9))
