"""Labelled images as folders of image files, a folder for each class; read with Pillow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archloom.data.images.splits import Pixels, Split, Splits
from archloom.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image

PARTS = ("train", "valid", "test")
"""Folders with these names are parts, each with the folders of the classes; without `train` they are classes."""

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_MODES = {
    "1": "L",
    "L": "L",
    "P": "RGB",
    "PA": "RGB",
    "LA": "L",
    "RGB": "RGB",
    "RGBA": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
}
"""How images in each of Pillow's modes are read; others (16 bits per pixel) would lose information."""


def read_folders(path: Path, size: int = 0) -> Splits:
    """Images in FOLDER/CLASS/FILE, or in FOLDER/train/CLASS/FILE with `test` and `valid` folders beside `train`.

    They are turned upright (EXIF) and, if `size` is given, resized to `size` x `size` pixels; otherwise all must have
    the same size. They are grey (one channel) if all of them are, else coloured (three); transparency is dropped.
    Classes are numbered in the order of their names.
    """
    parts = [name for name in PARTS if (path / name).is_dir()] if (path / PARTS[0]).is_dir() else [""]
    folders = {part: _class_folders(path / part) for part in parts}
    classes = tuple(folders[parts[0]])
    for part, found in folders.items():
        if tuple(found) != classes:
            odd = sorted(set(found).symmetric_difference(classes))[0]
            raise InputError(f"{path / part}: class {odd!r} is not in every part; expected the same folders in each")
    listed = {part: [(file, number) for number, files in enumerate(found.values()) for file in files]
              for part, found in folders.items()}  # fmt: skip
    images = _read_all([file for rows in listed.values() for file, _ in rows], size)
    splits, start = {}, 0
    for part, rows in listed.items():
        labels = np.array([number for _, number in rows], dtype=np.int64)
        splits[part or PARTS[0]] = Split(images[start : start + len(rows)], labels)
        start += len(rows)
    return Splits(splits[PARTS[0]], splits.get("valid"), splits.get("test"), classes)


def _class_folders(path: Path) -> Mapping[str, list[Path]]:
    """The image files of each class."""
    found = {
        folder.name: sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        for folder in sorted(path.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
    }
    if len(found) < 2:
        raise InputError(f"{path}: {len(found)} sub-folders; expected at least 2, one with image files for each class")
    for name, files in found.items():
        if not files:
            raise InputError(f"{path / name}: no image files; expected some of {', '.join(sorted(SUFFIXES))}")
    return found


def _read_all(files: list[Path], size: int) -> Pixels:
    """(n, c, h, w) the images in the files."""
    images = [_read(file, size) for file in files]
    first = images[0].size
    for file, image in zip(files, images, strict=True):
        if image.size != first:
            shown = [f"{width} x {height}" for width, height in (first, image.size)]
            raise InputError(
                f"{file} has {shown[1]} pixels, {files[0]} has {shown[0]}: expected one size; give one to resize to"
            )
    return stack(images)


def _read(file: Path, size: int) -> Image:
    """One image, upright and resized, grey or coloured."""
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError:
        raise MissingExtraError("pillow", "train", "reading image files") from None
    try:
        with Image.open(file) as opened:
            mode = _MODES.get(opened.mode)
            if mode is None:
                raise InputError(f"{file}: pixels of kind {opened.mode!r}; expected 8 bits per channel; convert it")
            image = ImageOps.exif_transpose(opened).convert(mode)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: not a readable image ({' '.join(str(error).split())}); remove or mend it") from error
    return image.resize((size, size), Image.Resampling.BILINEAR) if size else image


def stack(images: Iterable[Image]) -> Pixels:
    """(n, c, h, w) images of one size; grey ones become colours unless all are grey."""
    listed = list(images)
    mode = "L" if all(image.mode == "L" for image in listed) else "RGB"
    array = np.stack([np.asarray(image.convert(mode)) for image in listed])
    return array[:, None] if array.ndim == 3 else np.ascontiguousarray(np.moveaxis(array, 3, 1))


def resized(images: Pixels, size: int) -> Pixels:
    """Images (n, c, h, w) with 1 or 3 channels as (n, c, size, size), bilinear with antialiasing."""
    if images.shape[2:] == (size, size):
        return images
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingExtraError("pillow", "train", "resizing images") from None
    rows = images[:, 0] if images.shape[1] == 1 else np.moveaxis(images, 1, 3)
    return stack(
        Image.fromarray(row).resize((size, size), Image.Resampling.BILINEAR) for row in np.ascontiguousarray(rows)
    )
