"""Labelled images as stored on disk: the official files of public sets, folders of image files, and .npz files.

Every reader checks what it reads; a damaged, truncated or unsuitable file raises an InputError of one line.
"""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from archloom.data.images.folders import read_folders
from archloom.data.images.splits import Pixels, Split, Splits
from archloom.errors import InputError


def read_images(path: Path, size: int = 0) -> Splits:
    """The images in a file or folder, recognised by its content.

    That is a .npz file (see `read_npz`); an official set as a folder or .tar.gz: CIFAR-10 or CIFAR-100 (binary
    version), STL-10 (binary), MNIST or Fashion-MNIST (IDX files, compressed or not); or a folder of image files (see
    `archloom.data.images.folders`), which are resized to `size` x `size` pixels if a size is given.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; expected a folder of images, an official set or a .npz file")
    if path.suffix == ".npz":
        return read_npz(path)
    files = files_of(path)
    for mark, read in _FORMATS.items():
        if mark in files:
            return read(files)
    if path.is_file():
        raise InputError(f"{path}: not a known archive of images; expected an official binary set, or a folder")
    return read_folders(path, size)


# -- files in a folder or an archive ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Files:
    """Files by name, in a folder or an archive, with a function that opens each."""

    place: Path
    openers: Mapping[str, Callable[[], AbstractContextManager[IO[bytes]]]]

    def __contains__(self, name: str) -> bool:
        return name in self.openers

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """The content of a file as a stream, for files that do not fit into memory."""
        if name not in self:
            raise InputError(f"{self.place}: {name} is missing; expected all files of the official set")
        with _reading(self.place / name), self.openers[name]() as stream:
            yield stream

    def read(self, name: str) -> bytes:
        with self.open(name) as stream:
            return stream.read()

    def lines(self, name: str) -> tuple[str, ...]:
        """The names in a file with one name per line."""
        return tuple(self.read(name).decode("utf-8", "replace").split())


def files_of(path: Path) -> Files:
    """The files in a folder or an archive."""
    return open_tar(path) if path.is_file() else in_folder(path)


def in_folder(folder: Path) -> Files:
    """A folder's files; a compressed one is also known by its uncompressed name."""
    found: dict[str, Callable[[], AbstractContextManager[IO[bytes]]]] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        if path.suffix == ".gz":
            found.setdefault(path.stem, partial(_open_gzip, path))
        else:
            found[path.name] = partial(_open_plain, path)
    return Files(folder, found)


@contextmanager
def _open_plain(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as stream:
        yield stream


@contextmanager
def _open_gzip(path: Path) -> Iterator[IO[bytes]]:
    with gzip.open(path, "rb") as stream:
        yield cast("IO[bytes]", stream)


@contextmanager
def _open_member(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Reads an archive once, up to the file: looking up a name would first read a compressed one to its end."""
    with tarfile.open(path) as archive:
        content = archive.extractfile(next(member for member in archive if member.name == name))
        assert content is not None  # noqa: S101 - it is a file
        yield content


def open_tar(path: Path) -> Files:
    """The files of a .tar or .tar.gz by the last part of their names; nothing is unpacked to disk."""
    with _reading(path), tarfile.open(path) as archive:
        names = [member.name for member in archive if member.isfile()]
    return Files(path, {Path(name).name: partial(_open_member, path, name) for name in names})


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """While a file is read: any error in it is bad input."""
    try:
        yield
    except InputError:
        raise
    except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())}); get the file again") from error


# -- official sets ------------------------------------------------------------------------------------------------


def _split(place: str, images: Pixels, labels: NDArray[np.integer], classes: int) -> Split:
    """A part, its images and labels checked against each other and against the number of classes."""
    if not len(images) or len(images) != len(labels):
        raise InputError(
            f"{place}: {len(images)} images and {len(labels)} labels; expected as many of each; get it again"
        )
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        raise InputError(f"{place}: label {int(wrong[0])}; expected 0 to {classes - 1}; get the file again")
    return Split(images, labels.astype(np.int64))


_CIFAR_SIDE = 32
STL_SIDE = 96


def _cifar(files: Files, names: Sequence[str], labels: int, classes: int) -> Split:
    """Records of one byte per label, of which the last counts, and 3 x 32 x 32 bytes: red, green, blue, row by row."""
    size = labels + 3 * _CIFAR_SIDE**2
    records = []
    for name in names:
        content = np.frombuffer(files.read(name), np.uint8)
        if not len(content) or len(content) % size:
            raise InputError(f"{files.place / name}: {len(content)} bytes; expected records of {size}; get it again")
        records.append(content.reshape(-1, size))
    rows = np.concatenate(records)
    images = rows[:, labels:].reshape(-1, 3, _CIFAR_SIDE, _CIFAR_SIDE)
    return _split(f"{files.place / names[0]}", np.ascontiguousarray(images), rows[:, labels - 1], classes)


def _cifar10(files: Files) -> Splits:
    names = files.lines("batches.meta.txt")
    train = _cifar(files, [f"data_batch_{batch}.bin" for batch in range(1, 6)], 1, len(names))
    return Splits(train, None, _cifar(files, ["test_batch.bin"], 1, len(names)), names)


def _cifar100(files: Files) -> Splits:
    """With its 100 fine classes."""
    names = files.lines("fine_label_names.txt")
    return Splits(_cifar(files, ["train.bin"], 2, len(names)), None, _cifar(files, ["test.bin"], 2, len(names)), names)


def stl10_images(content: Pixels) -> Pixels:
    """Images (n, 3, 96, 96) from the bytes of a file, which stores them column by column."""
    return np.ascontiguousarray(content.reshape(-1, 3, STL_SIDE, STL_SIDE).swapaxes(2, 3))


def _stl10(files: Files) -> Splits:
    """The labelled parts; images are stored column by column, labels count from 1."""
    names = files.lines("class_names.txt")
    parts = []
    for part in ("train", "test"):
        pixels, labels = (np.frombuffer(files.read(f"{part}_{what}.bin"), np.uint8) for what in "Xy")
        size = 3 * STL_SIDE**2
        if len(pixels) % size:
            raise InputError(
                f"{files.place}: {len(pixels)} bytes in {part}_X.bin; expected images of {size}; get it again"
            )
        place = f"{files.place / part}_y.bin"
        parts.append(_split(place, stl10_images(pixels), labels.astype(np.int64) - 1, len(names)))
    return Splits(parts[0], None, parts[1], names)


def _idx(files: Files) -> Splits:
    """MNIST's own files: two arrays of bytes per part, each preceded by its shape."""
    parts = []
    for part in ("train", "t10k"):
        images = _idx_array(files, f"{part}-images-idx3-ubyte", 3)[:, None]
        labels = _idx_array(files, f"{part}-labels-idx1-ubyte", 1)
        parts.append(_split(f"{files.place / part}-labels", images, labels, 10))
    return Splits(parts[0], None, parts[1], tuple("0123456789"))


def _idx_array(files: Files, name: str, rank: int) -> Pixels:
    """An IDX file of bytes: 0, 0, 8 (bytes), the rank; then each size as 4 bytes, big-endian; then the values."""
    content = files.read(name)
    start = 4 + 4 * rank
    shape = np.frombuffer(content[4:start].ljust(4 * rank, b"\0"), ">u4").tolist()
    wanted = start + int(np.prod(shape, dtype=np.float64))
    if content[:4] != bytes((0, 0, 8, rank)) or len(content) != wanted:
        raise InputError(f"{files.place / name}: not a whole IDX file of bytes with {rank} dimensions; get it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _python_version(files: Files) -> Splits:
    raise InputError(
        f"{files.place}: CIFAR's Python version, which is pickled; get the binary version, which is plain bytes"
    )


_FORMATS: Mapping[str, Callable[[Files], Splits]] = {
    "data_batch_1.bin": _cifar10,
    "fine_label_names.txt": _cifar100,
    "train_X.bin": _stl10,
    "train-images-idx3-ubyte": _idx,
    "data_batch_1": _python_version,
    "file.txt~": _python_version,  # beside CIFAR-100's pickles
}
"""The reader of a set, by a file that only this set has."""


# -- .npz ---------------------------------------------------------------------------------------------------------


def read_npz(path: Path) -> Splits:
    """Arrays `images`, uint8 of shape (n, h, w) or (n, c, h, w), and `labels` (n,), whole numbers from 0.

    `valid_images` with `valid_labels` and `test_images` with `test_labels` are separate parts; `classes` are the
    names of the classes. Nothing in it is unpickled.
    """
    with _reading(path), path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    missing = [name for name in ("images", "labels") if name not in arrays]
    if missing:
        raise InputError(f"{path}: array {missing[0]!r} is missing; expected images (n, c, h, w) and labels (n,)")
    names = arrays.get("classes")
    classes = int(arrays["labels"].max(initial=0)) + 1 if names is None else len(names)
    parts: dict[str, Split | None] = {"valid": None, "test": None}
    for part in ("", "valid", "test"):
        prefix = f"{part}_" if part else ""
        if f"{prefix}images" in arrays:
            parts[part] = _npz_part(path, prefix, arrays, classes)
    train = parts[""]
    assert train is not None  # noqa: S101 - its arrays are not missing
    labels = range(classes) if names is None else names.tolist()
    return Splits(train, parts["valid"], parts["test"], tuple(str(label) for label in labels))


def _npz_part(path: Path, prefix: str, arrays: Mapping[str, NDArray[np.generic]], classes: int) -> Split:
    images, labels = arrays[f"{prefix}images"], arrays.get(f"{prefix}labels", np.zeros(0, np.int64))
    has_channels = images.ndim == 4 and images.shape[1] in (1, 3)
    if images.dtype != np.uint8 or not (images.ndim == 3 or has_channels):
        raise InputError(
            f"{path}: {prefix}images is {images.dtype} of shape {images.shape}; "
            "expected uint8 of shape (n, h, w), or (n, c, h, w) with 1 or 3 channels"
        )
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{path}: {prefix}labels is {labels.dtype} of shape {labels.shape}; expected integers (n,)")
    pixels = images.astype(np.uint8)
    place = f"{path}: {prefix}labels"
    return _split(place, pixels if has_channels else pixels[:, None], labels.astype(np.int64), classes)
