from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
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
    with pytest.raises(InputError, match=r"1 sub-folders \(a\); expected at least 2"):
        read_images(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="no image files"):
        read_images(tmp_path)
    (tmp_path / "b" / "x.png").write_bytes((tmp_path / "a" / "x.png").read_bytes()[:60])
    with pytest.raises(InputError, match="not a readable image") as caught:
        read_images(tmp_path)
    assert "\n" not in str(caught.value)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def sixteen_bits(path: Path) -> None:
    """A coloured PNG with 16 bits a channel, which Pillow would read as 8."""
    head = struct.pack(">IIBBBBB", 6, 4, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(6 * 3 * 2)) * 4)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def damaged(path: Path) -> None:
    """The first bytes of its pixels changed."""
    put(path)
    content = path.read_bytes()
    at = content.index(b"IDAT")
    path.write_bytes(content[: at + 6] + bytes(20) + content[at + 26 :])


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        (
            "x.png",
            lambda path: Image.fromarray(np.full((4, 6), 40_000, np.uint16)).save(path),
            "'I;16'; expected 8",
        ),
        ("x.tif", lambda path: Image.fromarray(np.ones((4, 6), np.float32)).save(path), "'F'; expected 8"),
        ("x.tif", lambda path: Image.fromarray(np.ones((4, 6), np.int32)).save(path), "'I'; expected 8"),
        ("x.png", sixteen_bits, "'RGB;16B'; expected 8 bits per channel"),
        ("x.jpg", lambda path: path.write_text("<html><body>Not found"), "a web page"),
        ("x.jpg", Path.touch, "x.jpg: an empty file; expected an image"),
        ("x.jpg", lambda path: path.write_text("no image"), "x.jpg: not a readable image"),
        ("x.png", damaged, "x.png: not a readable image"),
        ("x.bmp", lambda path: path.write_bytes(b"BM" + bytes(40)), "x.bmp: not a readable image"),
        ("x.gif", lambda path: path.write_bytes(b"GIF89a" + b"\xff" * 40), "x.gif: not a readable image"),
        ("x.tga", lambda path: path.write_bytes(bytes(18)), "x.tga: not a readable image"),
        ("x.ppm", lambda path: path.write_bytes(b"P6 100000 100000 255 "), "x.ppm: not a readable image"),
    ],
)
def test_files_that_are_no_images_of_8_bits(
    name: str, make: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    put(tmp_path / "a" / "x.png")
    (tmp_path / "b").mkdir()
    make(tmp_path / "b" / name)
    with pytest.raises(InputError, match=says) as caught:
        read_images(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "b" / name) in str(caught.value)


@pytest.mark.parametrize("mode", ["1", "L", "P", "PA", "LA", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_modes_with_8_bits_are_read(mode: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    put(tmp_path / "b" / "x.png")
    suffix = "tif" if mode in ("PA", "CMYK", "YCbCr") else "png"
    made = (
        Image.new("RGB", (6, 4), 3 * (255 if mode == "1" else 204,))
        .convert("P" if mode == "PA" else mode)
        .convert(mode)
    )
    made.save(tmp_path / "a" / f"x.{suffix}")
    assert np.abs(read_images(tmp_path).train.images[0].astype(int) - (255 if mode == "1" else 204)).max() <= 1


def test_of_an_animated_file_the_first_frame_and_a_remark(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    (tmp_path / "a").mkdir()
    frames[0].save(tmp_path / "a" / "x.gif", save_all=True, append_images=frames[1:])
    put(tmp_path / "b" / "x.png")
    found = read_images(tmp_path)
    assert found.train.images[0, :, 0, 0].tolist() == [255, 0, 0]
    assert found.remarks == ("of 1 animated files the first frame",)


def test_a_broken_note_on_orientation_is_no_obstacle(tmp_path: Path) -> None:
    for name in "ab":
        put(tmp_path / name / "x.png")
    Image.open(tmp_path / "a" / "x.png").save(tmp_path / "a" / "x.jpg", exif=b"Exif\0\0II*\0" + b"\xff" * 30)
    (tmp_path / "a" / "x.png").unlink()
    assert read_images(tmp_path).train.images.shape == (2, 3, 4, 6)


def test_sizes_that_no_memory_holds(tmp_path: Path) -> None:
    for name in "ab":
        put(tmp_path / name / "x.png")
    for call in (lambda: read_images(tmp_path, 10**7), lambda: resized(np.zeros((2, 1, 4, 4), np.uint8), 10**7)):
        with pytest.raises(InputError, match="GB of pixels; this machine has"):
            call()


def test_flat_folders_for_generators(tmp_path: Path) -> None:
    first, second = put(tmp_path / "1.png"), put(tmp_path / "more" / "2.png")
    found = read_images(tmp_path, labelled=False)
    assert np.array_equal(found.train.images, np.moveaxis(np.stack([first, second]), 3, 1))
    with pytest.raises(InputError, match="beside the folders more"):
        read_images(tmp_path)


def test_resizing() -> None:
    images = RNG.integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    assert resized(images, 8) is images
    assert resized(images, 4).shape == (3, 3, 4, 4)
    assert resized(images[:, :1], 16).shape == (3, 1, 16, 16)
    flat = np.full((2, 3, 5, 7), 9, np.uint8)
    assert np.array_equal(resized(flat, 4), np.full((2, 3, 4, 4), 9))
