"""Labelled images as stored on disk: the official files of public sets; folders of image files and .npz files.

Every reader checks what it reads; a damaged, truncated or unsuitable file raises an InputError of one line.
"""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

import numpy as np

from archloom.data.images.arrays import read_npz
from archloom.data.images.folders import read_folders, read_unlabelled_folders
from archloom.data.images.layout import is_litter
from archloom.data.images.splits import Pixels, Split, Splits, checked_split
from archloom.errors import InputError
from archloom.utils.contents import kind_of_file
from archloom.utils.files import open_regular
from archloom.utils.text import one_line


def read_images(path: Path, size: int = 0, labelled: bool = True) -> Splits:
    """The images in a file or folder, recognised by its content.

    That is a .npz file (see `arrays.read_npz`); an official set as a folder or .tar.gz: CIFAR-10 or CIFAR-100 (binary
    version), STL-10 (binary), MNIST or Fashion-MNIST (IDX files, compressed or not); or a folder of image files (see
    `archloom.data.images.folders`), which are resized to `size` x `size` pixels if a size is given. Unless they should
    be `labelled`, folders and .npz files need no classes.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; expected a folder of images, an official set or a .npz file")
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: not a regular file; expected a folder of images, an official set or a .npz file")
    if path.suffix == ".npz" or (path.is_file() and _begins(path, b"PK")):
        return read_npz(path, labelled)
    files = files_of(path)
    for mark, read in _FORMATS.items():
        if mark in files:
            return read(files)
    if path.is_file():
        raise InputError(f"{path}: not a known archive of images; expected an official binary set, or a folder")
    return read_folders(path, size) if labelled else read_unlabelled_folders(path, size)


_LARGEST = 2**30
"""Bytes of the largest file that is read at once: an official one has 250 MB, and compressed ones may hold anything."""

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
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise InputError(f"{self.place / name}: more than {_LARGEST} bytes; expected a file of an official set")
        return content

    def lines(self, name: str) -> tuple[str, ...]:
        """The names in a file with one name per line."""
        return tuple(self.read(name).decode("utf-8", "replace").split())


def files_of(path: Path) -> Files:
    """The files in a folder or an archive."""
    return open_tar(path) if path.is_file() else in_folder(path)


def in_folder(folder: Path) -> Files:
    """A folder's files; a compressed one is also known by its uncompressed name."""
    found: dict[str, Callable[[], AbstractContextManager[IO[bytes]]]] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not is_litter(path.name)):
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
        names = [
            member.name for member in archive if member.isfile() and not any(map(is_litter, member.name.split("/")))
        ]
    twice = next((name for name, count in Counter(Path(name).name for name in names).items() if count > 1), None)
    if twice is not None:
        places = ", ".join(name for name in names if Path(name).name == twice)
        raise InputError(
            f"{path}: holds {twice} twice ({one_line(places, 200)}); expected one set of images; unpack it"
        )
    return Files(path, {Path(name).name: partial(_open_member, path, name) for name in names})


def _begins(path: Path, mark: bytes) -> bool:
    with _reading(path), open_regular(path) as stream:
        return stream.read(len(mark)) == mark


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """While a file is read: any error in it is bad input."""
    try:
        yield
    except InputError:
        raise
    except (OSError, EOFError, ValueError, OverflowError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        kind = kind_of_file(path)
        if kind is not None and not kind.endswith("archive"):
            raise InputError(f"{path}: {kind}; expected images: a folder, an official set or a .npz file") from error
        said = one_line(str(getattr(error, "strerror", None) or error), 120)
        raise InputError(f"{path}: cannot be read ({said}); get the file again") from error


# -- official sets ------------------------------------------------------------------------------------------------


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
    return checked_split(f"{files.place / names[0]}", np.ascontiguousarray(images), rows[:, labels - 1], classes)


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
        parts.append(checked_split(place, stl10_images(pixels), labels.astype(np.int64) - 1, len(names)))
    return Splits(parts[0], None, parts[1], names)


def _idx(files: Files) -> Splits:
    """MNIST's own files: two arrays of bytes per part, each preceded by its shape."""
    parts = []
    for part in ("train", "t10k"):
        images = _idx_array(files, f"{part}-images-idx3-ubyte", 3)[:, None]
        labels = _idx_array(files, f"{part}-labels-idx1-ubyte", 1)
        parts.append(checked_split(f"{files.place / part}-labels", images, labels, 10))
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
