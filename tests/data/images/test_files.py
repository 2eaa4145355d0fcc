"""Official layouts are written here by code of its own, with few images."""

from __future__ import annotations

import gzip
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archloom.data.images import files
from archloom.data.images.files import read_images
from archloom.data.images.splits import Splits
from archloom.errors import InputError

RNG = np.random.default_rng(0)
CIFAR = RNG.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
STL = RNG.integers(0, 256, (3, 3, 96, 96), dtype=np.uint8)
GREY = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8)
NAMES = ["ant", "bee", "cat"]


def cifar10(folder: Path) -> None:
    """Two images a batch, of classes 0, 1, 2, 0, ..."""
    for batch in range(6):
        content = b"".join(bytes([i % 3]) + CIFAR[i].tobytes() for i in (2 * batch, 2 * batch + 1))
        name = f"data_batch_{batch + 1}.bin" if batch < 5 else "test_batch.bin"
        (folder / name).write_bytes(content)
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")


def cifar100(folder: Path) -> None:
    for name, rows in (("train.bin", range(8)), ("test.bin", range(8, 12))):
        (folder / name).write_bytes(b"".join(bytes([19, i % 3]) + CIFAR[i].tobytes() for i in rows))
    (folder / "fine_label_names.txt").write_text("\n".join(NAMES) + "\n")
    (folder / "coarse_label_names.txt").write_text("insects\n")


def stl10(folder: Path) -> None:
    """Column by column, classes from 1."""
    for name, rows in (("train", [0, 1]), ("test", [2])):
        pixels = b"".join(STL[i][channel].T.tobytes() for i in rows for channel in range(3))
        (folder / f"{name}_X.bin").write_bytes(pixels)
        (folder / f"{name}_y.bin").write_bytes(bytes(i + 1 for i in rows))
    (folder / "class_names.txt").write_text("\n".join(NAMES))


def idx(folder: Path) -> None:
    for name, rows in (("train", [0, 1, 2]), ("t10k", [3, 4])):
        shape = b"".join(size.to_bytes(4, "big") for size in (len(rows), 28, 28))
        images = bytes([0, 0, 8, 3]) + shape + b"".join(GREY[i].tobytes() for i in rows)
        labels = bytes([0, 0, 8, 1]) + len(rows).to_bytes(4, "big") + bytes(i % 3 for i in rows)
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(labels)


def packed(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "official-folder")
    return path


def expected(name: str) -> tuple[np.ndarray, list[int], np.ndarray, list[int]]:
    return {
        "cifar10": (CIFAR[:10], [0, 1, 2, 0, 1, 2, 0, 1, 2, 0], CIFAR[10:], [1, 2]),
        "cifar100": (CIFAR[:8], [0, 1, 2, 0, 1, 2, 0, 1], CIFAR[8:], [2, 0, 1, 2]),
        "stl10": (STL[:2], [0, 1], STL[2:], [2]),
        "idx": (GREY[:3, None], [0, 1, 2], GREY[3:, None], [0, 1]),
    }[name]


def check(found: Splits, name: str) -> None:
    images, labels, test_images, test_labels = expected(name)
    assert found.test is not None
    assert found.valid is None
    assert np.array_equal(found.train.images, images)
    assert np.array_equal(found.test.images, test_images)
    assert found.train.labels.tolist() == labels
    assert found.test.labels.tolist() == test_labels
    assert found.train.labels.dtype == np.int64
    assert found.classes == (tuple("0123456789") if name == "idx" else tuple(NAMES))


@pytest.mark.parametrize("write", [cifar10, cifar100, stl10, idx])
def test_official_folders_and_archives(write: Callable[[Path], None], tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder)
    check(read_images(folder), write.__name__)
    if write is not idx:  # which is not shipped as one
        check(read_images(packed(folder, tmp_path / "set.tar.gz")), write.__name__)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def first_byte(path: Path) -> None:
    path.write_bytes(b"\xfe" + path.read_bytes()[1:])


@pytest.mark.parametrize(
    ("write", "name", "damage", "says"),
    [
        (cifar10, "data_batch_3.bin", cut_short, "data_batch_3.bin: 6145 bytes; expected records of 3073"),
        (cifar10, "data_batch_3.bin", Path.unlink, "data_batch_3.bin is missing"),
        (cifar10, "data_batch_1.bin", first_byte, "label 254; expected 0 to 2"),
        (cifar10, "batches.meta.txt", Path.unlink, "batches.meta.txt is missing"),
        (cifar100, "test.bin", lambda path: path.write_bytes(b""), "0 bytes; expected records of 3074"),
        (stl10, "train_X.bin", cut_short, "bytes in train_X.bin; expected images of 27648"),
        (stl10, "train_y.bin", cut_short, "2 images and 1 labels"),
        (stl10, "test_y.bin", lambda path: path.write_bytes(b"\0"), "label -1; expected 0 to 2"),
        (idx, "train-labels-idx1-ubyte", cut_short, "not a whole IDX file of bytes with 1 dimensions"),
        (idx, "train-labels-idx1-ubyte", first_byte, "not a whole IDX file"),
        (idx, "train-images-idx3-ubyte.gz", cut_short, "cannot be read"),
        (idx, "train-images-idx3-ubyte.gz", lambda path: path.write_bytes(b"no gzip"), "cannot be read"),
        (idx, "t10k-labels-idx1-ubyte", Path.unlink, "t10k-labels-idx1-ubyte is missing"),
    ],
)
def test_damaged_sets_are_refused_in_one_line(
    write: Callable[[Path], None], name: str, damage: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    write(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(InputError) as caught:
        read_images(tmp_path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_pickles_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({b"data": [1]}))
    with pytest.raises(InputError, match="get the binary version"):
        read_images(tmp_path)


def test_archives_that_are_none(tmp_path: Path) -> None:
    for name, content, says in (
        ("a.tar.gz", b"no archive", "a.tar.gz: text; expected images: a folder, an official set or a .npz file"),
        ("b.tar.gz", gzip.compress(b"x" * 100), "cannot be read"),
        ("c.tar.gz", b"\n<!DOCTYPE html><html>", r"a web page \(HTML\) that was saved instead of the file"),
        ("d.csv", b"label,pixel0\n3,0\n", "d.csv: text, perhaps CSV; expected images"),
        ("e.npy", b"\x93NUMPY\x01\0", r"e.npy: a single array \(.npy\); expected images"),
        ("f.pkl", pickle.dumps([1]), "f.pkl: a pickle; expected images"),
        ("g.tgz", b"", "g.tgz: an empty file; expected images"),
        ("h.bin", bytes(range(128, 256)), "cannot be read"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=says) as caught:
            read_images(tmp_path / name)
        assert "\n" not in str(caught.value)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: not a regular file"):
        read_images(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "readme.txt").write_text("hello")
    with pytest.raises(InputError, match="not a known archive of images"):
        read_images(packed(tmp_path / "folder", tmp_path / "c.tar.gz"))
    with pytest.raises(InputError, match="no such file or folder"):
        read_images(tmp_path / "nothing")


def test_an_archive_that_holds_a_file_twice(tmp_path: Path) -> None:
    for name in ("one", "two", "one/.hidden"):
        (tmp_path / "sets" / name).mkdir(parents=True)
        cifar10(tmp_path / "sets" / name)
    (tmp_path / "sets" / "one" / "._test_batch.bin").write_bytes(b"\0\5")
    assert "data_batch_1.bin" in files.files_of(tmp_path / "sets" / "one")
    with pytest.raises(
        InputError, match=r"holds batches.meta.txt twice \(official-folder/one/b.*, official-folder/two/b.*\); expected"
    ):
        read_images(packed(tmp_path / "sets", tmp_path / "sets.tar.gz"))
    check(read_images(packed(tmp_path / "sets" / "one", tmp_path / "one.tar.gz")), "cifar10")


def test_a_compressed_file_that_expands_beyond_any_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    idx(tmp_path)
    monkeypatch.setattr(files, "_LARGEST", 1000)
    with pytest.raises(InputError, match="train-images-idx3-ubyte: more than 1000 bytes"):
        read_images(tmp_path)
