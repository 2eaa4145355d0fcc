"""Images as folders of image files, read with Pillow; which files are what is `layout`'s business."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archloom.data.images.layout import Layout, labelled_layout, unlabelled_layout
from archloom.data.images.memory import check_fits
from archloom.data.images.splits import Pixels, Split, Splits
from archloom.errors import InputError, MissingExtraError
from archloom.utils.contents import refuse_web_page
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

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

_DEEP = re.compile(r";(?:1[26]|24|32)")
"""In Pillow's name of the format of stored pixels: more than 8 bits, of which it would drop the lower ones."""


def read_folders(path: Path, size: int = 0) -> Splits:
    """Images in FOLDER/CLASS/FILE, or in FOLDER/PART/CLASS/FILE; see `layout.labelled_layout`.

    They are turned upright (EXIF) and, if `size` is given, resized to `size` x `size` pixels; otherwise all must have
    the same size. They are grey (one channel) if all of them are, else coloured (three); transparency is dropped.
    Classes are numbered in the order of their names. Of an animated file the first frame is read, and a remark says so.
    """
    return _read_layout(labelled_layout(path), size)


def read_unlabelled_folders(path: Path, size: int = 0) -> Splits:
    """Every image in a folder, however far down, as one class; see `layout.unlabelled_layout`."""
    return _read_layout(unlabelled_layout(path), size)


def _read_layout(layout: Layout, size: int) -> Splits:
    listed = {part: [(file, number) for number, files in enumerate(found.values()) for file in files]
              for part, found in layout.parts.items()}  # fmt: skip
    images, animated = _read_all([file for rows in listed.values() for file, _ in rows], size)
    splits, start = {}, 0
    for part, rows in listed.items():
        labels = np.array([number for _, number in rows], dtype=np.int64)
        splits[part] = Split(images[start : start + len(rows)], labels)
        start += len(rows)
    remarks = (*layout.remarks, *([f"of {animated:,} animated files the first frame"] if animated else []))
    return Splits(splits["train"], splits.get("valid"), splits.get("test"), layout.classes, remarks)


def _read_all(files: Sequence[Path], size: int) -> tuple[Pixels, int]:
    """(n, c, h, w) the images in the files, and how many of these are animated."""
    check_fits(str(files[0].parent), len(files) * size * size)
    images: list[Image] = []
    animated = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's, about files that it reads all the same
        for file in files:
            image, moves = _read(file, size)
            animated += moves
            if not images:
                check_fits(str(file.parent), len(files) * image.width * image.height * len(image.getbands()))
            elif image.size != images[0].size:
                shown = [f"{width} x {height}" for width, height in (images[0].size, image.size)]
                raise InputError(
                    f"{file} has {shown[1]} pixels, {files[0]} has {shown[0]}: expected one size; give one to resize "
                    "to, e.g. task.size=32"
                )
            images.append(image)
    return stack(images), animated


def _read(file: Path, size: int) -> tuple[Image, bool]:
    """One image, upright and resized, grey or coloured, and whether it is the first of several frames."""
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError:
        raise MissingExtraError("pillow", "train", "reading image files") from None
    try:
        with Image.open(file) as opened:
            mode = _MODES.get(opened.mode)
            if mode is None or _DEEP.search(_stored_as(opened)):
                raise InputError(f"{file}: pixels of kind {_kind(opened)!r}; expected 8 bits per channel; convert it")
            # Telephones store previews for other screens as further frames (MPO): the first is the photograph.
            moves = bool(getattr(opened, "is_animated", False)) and opened.format != "MPO"
            image = ImageOps.exif_transpose(opened).convert(mode)
    except InputError:
        raise
    except Exception as error:  # a decoder raises almost any kind on a damaged file
        raise _unreadable(file, error) from error
    return (image.resize((size, size), Image.Resampling.BILINEAR) if size else image), moves


def _stored_as(opened: Any) -> str:
    """Pillow's names of the formats in which an opened image's pixels are stored: "RGB;16B"."""
    arguments = [tile[3] for tile in opened.tile]
    return " ".join(str(given[0] if isinstance(given, tuple) and given else given) for given in arguments)


def _kind(opened: Any) -> str:
    return opened.mode if opened.mode not in _MODES else _stored_as(opened)


def _unreadable(file: Path, error: Exception) -> InputError:
    """What is wrong with a file that is no image."""
    refuse_web_page(file)
    if not file.stat().st_size:
        return InputError(f"{file}: an empty file; expected an image; remove it or get it again")
    return InputError(f"{file}: not a readable image ({one_line(str(error), 120)}); remove or mend it")


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
    check_fits(f"size {size}", len(images) * images.shape[1] * size * size)
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingExtraError("pillow", "train", "resizing images") from None
    rows = images[:, 0] if images.shape[1] == 1 else np.moveaxis(images, 1, 3)
    return stack(
        Image.fromarray(row).resize((size, size), Image.Resampling.BILINEAR) for row in np.ascontiguousarray(rows)
    )
