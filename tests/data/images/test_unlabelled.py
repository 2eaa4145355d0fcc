"""Images without classes. STL-10's files are written here by code of its own, with few images."""

from __future__ import annotations

import dataclasses
import io
import tarfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from archloom.data.images import labelled, unlabelled
from archloom.data.images.files import Files, files_of
from archloom.data.images.labelled import open_images, save_images
from archloom.data.images.splits import Split, Splits
from archloom.data.images.unlabelled import NAMES, UNLABELLED, UnlabelledImages, fetch_set, open_unlabelled, read_stl10
from archloom.errors import InputError

Image = pytest.importorskip("PIL.Image", reason="resizing needs the extra train")

# Smooth, so that a resized image is near to its mean over blocks; every channel and axis has its own slope.
ROWS, COLUMNS = np.mgrid[0:96, 0:96]
STL = np.stack([np.stack([i + ROWS, 2 * COLUMNS, 100 + ROWS - COLUMNS]) for i in range(7)]).astype(np.uint8)


def write_stl10(folder: Path, train: int = 2, unlabelled: int = 5) -> Path:
    """Column by column, as the official files are."""
    folder.mkdir(parents=True)
    for name, rows in (("train", STL[:train]), ("unlabeled", STL[train : train + unlabelled]), ("test", STL[:1])):
        (folder / f"{name}_X.bin").write_bytes(np.ascontiguousarray(rows.transpose(0, 1, 3, 2)).tobytes())
    (folder / "train_y.bin").write_bytes(bytes([1, 2]))
    (folder / "test_y.bin").write_bytes(bytes([1]))
    (folder / "class_names.txt").write_text("ant\nbee")
    return folder


def pack(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "stl10_binary")
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """STL-10 has 7 images to learn from here, and 1 to test."""
    official = dataclasses.replace(UNLABELLED["stl10_unlabelled"], count=(7, 0))
    monkeypatch.setitem(unlabelled.UNLABELLED, "stl10_unlabelled", official)  # type: ignore[arg-type]
    official = dataclasses.replace(labelled.OFFICIAL["stl10"], count=(2, 1))
    monkeypatch.setitem(labelled.OFFICIAL, "stl10", official)  # type: ignore[arg-type]


# -- STL-10 -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_stl10_is_its_training_images_and_then_the_unlabelled_ones(packed: bool, tmp_path: Path) -> None:
    folder = write_stl10(tmp_path / "stl10_binary")
    place = tmp_path
    if packed:
        place = tmp_path / "packed"
        place.mkdir()
        pack(folder, place / "stl10_binary.tar.gz")
    found = open_unlabelled("stl10_unlabelled", {"ARCHLOOM_DATA": str(place)})
    assert np.array_equal(found.images, STL)
    assert (found.size, found.channels) == ((96, 96), 3)
    assert found.source.startswith("STL-10, training and unlabelled images in ")
    smaller = open_unlabelled("stl10_unlabelled", {"ARCHLOOM_DATA": str(place)}, size=48)
    assert smaller.images.shape == (7, 3, 48, 48)
    blocks = STL.reshape(7, 3, 48, 2, 48, 2).mean(axis=(3, 5))
    assert np.abs(smaller.images - blocks)[:, :, 1:-1, 1:-1].max() <= 1
    assert smaller.sha256 != found.sha256


def test_the_official_set_has_105_000_images() -> None:
    assert UNLABELLED["stl10_unlabelled"].count == (5_000 + 100_000, 0)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\0" * 27_647, "unlabeled_X.bin: not a whole number of images of 27648 bytes"),
        (b"\0" * 27_648, "3 images in train_X.bin and unlabeled_X.bin; expected 7"),
        (b"\0" * 27_648 * 6, "8 images in train_X.bin and unlabeled_X.bin; expected 7"),
        (None, "unlabeled_X.bin is missing"),
    ],
)
def test_damaged_files_are_refused_in_one_line(content: bytes | None, says: str, tmp_path: Path) -> None:
    file = write_stl10(tmp_path / "stl10_binary") / "unlabeled_X.bin"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_unlabelled("stl10_unlabelled", {"ARCHLOOM_DATA": str(tmp_path)})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_most_of_a_large_file_is_never_in_memory() -> None:
    """1,000 images: 28 MB in the files."""

    @contextmanager
    def stream(count: int) -> Iterator[IO[bytes]]:
        class Zeros(io.RawIOBase):
            left = count * 27_648

            def read(self, size: int = -1) -> bytes:
                size = min(size, self.left)
                self.left -= size
                return bytes(size)

        yield Zeros()  # type: ignore[misc]

    files = Files(Path("here"), {"train_X.bin": lambda: stream(250), "unlabeled_X.bin": lambda: stream(750)})
    read_stl10(files, 1_000, 8)  # what is imported is no part of it
    tracemalloc.start()
    found = read_stl10(files, 1_000, 8)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.shape == (1_000, 3, 8, 8)
    assert peak < 14e6, f"{peak / 1e6:.0f} MB"


@pytest.mark.usefixtures("small")
def test_it_is_downloaded_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(write_stl10(tmp_path / "made"), tmp_path / "made.tar.gz")
    monkeypatch.setattr(labelled, "download", lambda url, target, **_: target.write_bytes(archive.read_bytes()))
    cache = {"ARCHLOOM_CACHE": str(tmp_path / "cache")}
    folder = fetch_set("stl10_unlabelled", cache)
    assert sorted(path.name for path in folder.iterdir()) == sorted(files_of(archive).openers)
    assert list((tmp_path / "cache" / "downloads").iterdir()) == []
    assert np.array_equal(open_unlabelled("stl10_unlabelled", cache).images, STL)
    found, _ = labelled.find_images("stl10", cache)
    assert found.train.labels.tolist() == [0, 1], "the labelled part is there too"


# -- sets with classes --------------------------------------------------------------------------------------------


def test_of_a_set_with_classes_all_but_the_test_images(tmp_path: Path) -> None:
    def part(first: int, count: int) -> Split:
        return Split(STL[first : first + count], np.arange(count) % 2)

    save_images(Splits(part(0, 4), part(4, 2), part(6, 1), ("a", "b")), tmp_path / "set.npz")
    assert np.array_equal(open_unlabelled(str(tmp_path / "set.npz"), {}).images, STL[:6])
    assert open_unlabelled(str(tmp_path / "set.npz"), {}, size=8).images.shape == (6, 3, 8, 8)
    save_images(Splits(part(0, 4), Split(STL[:1, :, :8], np.zeros(1, int)), None, ("a", "b")), tmp_path / "odd.npz")
    with pytest.raises(InputError, match="different shapes; give a size"):
        open_unlabelled(str(tmp_path / "odd.npz"), {})


def test_a_flat_folder(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(STL[i, 0]).save(tmp_path / f"{i}.png")
    (tmp_path / ".DS_Store").touch()
    found = open_unlabelled(str(tmp_path), {})
    assert np.array_equal(found.images, STL[:3, :1])
    assert found.remarks == (f"{tmp_path}: 3 images to learn from",)
    for part in ("Training", "val", "test"):
        (tmp_path / part).mkdir()
        (tmp_path / f"{('Training', 'val', 'test').index(part)}.png").rename(tmp_path / part / "x.png")
    found = open_unlabelled(str(tmp_path), {})
    assert np.array_equal(found.images, STL[:2, :1])
    assert found.remarks == (f"{tmp_path}: 2 images to learn from; 1 test images are left out",)


def test_all_digits_are_there_to_learn_from() -> None:
    pytest.importorskip("sklearn", reason="the digits are in scikit-learn")
    assert open_unlabelled("digits", {}).images.shape == (1797, 1, 8, 8)


def test_the_digest_identifies_images() -> None:
    one, other = (UnlabelledImages.of("x", STL[:count], "here").sha256 for count in (2, 3))
    assert one != other
    assert one == UnlabelledImages.of("y", STL[:2].copy(), "there").sha256


def test_names() -> None:
    assert {"digits", "cifar10", "stl10", "stl10_unlabelled"} <= set(NAMES)
    with pytest.raises(InputError, match="did you mean 'stl10_unlabelled'"):
        open_unlabelled("stl10_unlabeled", {})
    with pytest.raises(InputError, match="unknown images 'stl10_unlabelled'"):
        open_images("stl10_unlabelled", {})


def test_what_cannot_be_had_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"stl10_unlabelled.*fetch images:stl10_unlabelled, or put stl10_binary\.tar\.gz from .* into the folder",
    ):
        open_unlabelled("stl10_unlabelled", {"ARCHLOOM_CACHE": str(tmp_path)})
