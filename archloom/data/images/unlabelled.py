"""Sets of images without classes: what generators learn from.

They learn from all training images; nothing is set aside for validation, and test images are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from archloom.data.cache import cache_dir, make_folder
from archloom.data.images.files import STL_SIDE, Files, files_of, stl10_images
from archloom.data.images.folders import resized
from archloom.data.images.labelled import (
    NAMED,
    OFFICIAL,
    OfficialSet,
    fetch_archive,
    fetch_images,
    find,
    find_images,
    how_to_get,
)
from archloom.data.images.splits import Pixels
from archloom.data.progress import Progress
from archloom.errors import InputError
from archloom.utils.files import replacing
from archloom.utils.text import one_line


@dataclass(frozen=True)
class UnlabelledImages:
    """Images (n, c, h, w) of bytes; `source` describes where they come from, `sha256` identifies them.

    `remarks` are for people: how many there are, and what was left out.
    """

    name: str
    images: Pixels
    source: str
    sha256: str
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, images: Pixels, source: str, left_out: Sequence[str] = ()) -> UnlabelledImages:
        """Identify a set."""
        digest = hashlib.sha256(repr(images.shape).encode())
        digest.update(np.ascontiguousarray(images).data)
        counted = f"{one_line(name)}: {len(images):,} images to learn from"
        return cls(name, images, source, digest.hexdigest(), ("; ".join([counted, *left_out]),))

    @property
    def channels(self) -> int:
        return int(self.images.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every image."""
        height, width = self.images.shape[2:]
        return int(height), int(width)


UNLABELLED: Mapping[str, OfficialSet] = {
    "stl10_unlabelled": replace(OFFICIAL["stl10"], title="STL-10, training and unlabelled images", count=(105_000, 0)),
}
"""Public sets most of whose images have no classes, by name."""

NAMES = (*NAMED, *UNLABELLED)
"""The names of all sets of unlabelled images."""


def open_unlabelled(name: str, environ: Mapping[str, str], size: int = 0) -> UnlabelledImages:
    """The training images, and the validation images if there are any, of the set with this name or path.

    Names are `NAMES`; paths are those of `archloom.data.images.labelled.open_images`. With `size` every image is
    resized to `size` x `size` pixels. InputError for a set that is missing or cannot be read.
    """
    if name in UNLABELLED:
        return _open_official(name, UNLABELLED[name], environ, size)
    found, source = find_images(name, environ, size, tuple(UNLABELLED), labelled=False)
    parts = [part.images for part in (found.train, found.valid) if part is not None]
    if len({part.shape[1:] for part in parts}) > 1:
        raise InputError(f"{source}: training and validation images of different shapes; give a size to resize to")
    tests = [] if found.test is None else [f"{len(found.test):,} test images are left out"]
    return UnlabelledImages.of(name, np.concatenate(parts), source, [*tests, *found.remarks])


def _open_official(name: str, official: OfficialSet, environ: Mapping[str, str], size: int) -> UnlabelledImages:
    path = find(official, environ)
    if path is None:
        raise InputError(how_to_get(name, official))
    images = read_stl10(files_of(path), official.count[0], size)
    return UnlabelledImages.of(name, images, f"{official.title} in {path}")


_STL_FILES = ("train_X.bin", "unlabeled_X.bin")
_AT_ONCE = 100
"""Images of STL-10 that are in memory at full size: 3 MB."""


def read_stl10(files: Files, count: int, size: int = 0) -> Pixels:
    """STL-10's training images, then its unlabelled ones, `count` in all, each of `size` x `size` pixels if given.

    They are read a few at a time: at 48 pixels all of them take 0.7 GB, the files 2.9 GB. InputError if there are
    more or fewer.
    """
    side = size or STL_SIDE
    images = np.empty((count, 3, side, side), np.uint8)
    start = 0
    for batch in (batch for name in _STL_FILES for batch in _read_batches(files, name)):
        if start + len(batch) <= count:
            images[start : start + len(batch)] = resized(batch, side)
        start += len(batch)
    if start != count:
        raise InputError(
            f"{files.place}: {start:,} images in {' and '.join(_STL_FILES)}; expected {count:,}; get them again"
        )
    return images


def _read_batches(files: Files, name: str) -> Iterator[Pixels]:
    each = 3 * STL_SIDE**2
    for content in _read_chunks(files, name, _AT_ONCE * each):
        if len(content) % each:
            raise InputError(f"{files.place / name}: not a whole number of images of {each} bytes; get it again")
        yield stl10_images(np.frombuffer(content, np.uint8))


def _read_chunks(files: Files, name: str, size: int) -> Iterator[bytes]:
    """A file in pieces of `size` bytes, the last one shorter."""
    with files.open(name) as stream:
        while content := stream.read(size):
            yield content


def fetch_set(
    name: str,
    environ: Mapping[str, str],
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> Path:
    """Download a public set into the cache, check it, and return its path; see `labelled.fetch_images`.

    An archive with images that have no classes is unpacked, which takes as much space again while it is done.
    """
    if name not in UNLABELLED:
        return fetch_images(name, environ, progress, notify)
    official = UNLABELLED[name]
    archive = fetch_archive(name, official, environ, progress, notify)
    folder = cache_dir(environ) / official.folder
    _unpack(files_of(archive), make_folder(folder))
    archive.unlink()
    return folder


def _unpack(files: Files, folder: Path) -> None:
    """Write every file of an archive into a folder, under its own name alone."""
    for name in files.openers:
        with replacing(folder / name) as target:
            target.writelines(_read_chunks(files, name, 1 << 24))
