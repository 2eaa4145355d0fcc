"""Images as an `.npz` file of arrays. Headers are checked before anything is allocated; nothing is unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from archloom.data.images.memory import check_fits
from archloom.data.images.splits import Split, Splits, checked_split
from archloom.data.npz import Header, NpzError, read_headers
from archloom.errors import InputError
from archloom.utils.contents import BEGINNING, kind_of
from archloom.utils.files import open_regular
from archloom.utils.text import one_line

IMAGES, LABELS, CLASSES = "images", "labels", "classes"
_PREFIXES = {"train": "", "valid": "valid_", "test": "test_"}
_EXPECTED = "expected images, uint8 (n, c, h, w) or (n, h, w), and labels, integers (n,)"

Array = NDArray[Any]


def read_npz(path: Path, labelled: bool = True) -> Splits:
    """Arrays `images`, uint8 of shape (n, h, w) or (n, c, h, w), and `labels` (n,), whole numbers from 0.

    `valid_images` with `valid_labels` and `test_images` with `test_labels` are separate parts; `classes` are the
    names of the classes. Unless they should be `labelled`, images alone will do. Nothing in it is unpickled. InputError
    for arrays that do not fit, before they are unpacked.
    """
    try:
        with open_regular(path) as stream:
            return _read(path, stream, labelled)
    except InputError:
        raise
    except Exception as error:  # zipfile and numpy raise a dozen kinds on garbage, none of them for people
        said = one_line(str(getattr(error, "strerror", None) or error), 120)
        raise InputError(f"{path}: cannot be read ({said}); get the file again") from error


def _read(path: Path, stream: BinaryIO, labelled: bool) -> Splits:
    beginning = stream.read(BEGINNING)
    if not beginning.startswith(b"PK"):
        raise InputError(f"{path}: {kind_of(beginning) or 'no .npz file'}; {_EXPECTED}, saved by numpy.savez")
    stream.seek(0)
    with zipfile.ZipFile(stream) as archive:
        try:
            headers = read_headers(archive)
        except NpzError as error:
            raise InputError(f"{path}: {error}; a zip of image files must be unpacked") from None
        names = _known_names(path, headers, labelled)
        for name in names:
            _check_header(f"{path}: {name}", headers[name], name)
        check_fits(str(path), sum(headers[name].data_bytes for name in names))
        arrays = {name: _unpacked(archive, name) for name in names}
    classes = _class_names(path, arrays)
    if labelled and len(classes) < 2:
        raise InputError(f"{path}: {len(classes)} class; expected at least 2 to tell apart")
    parts = {part: _part(path, prefix, arrays, classes) for part, prefix in _PREFIXES.items()}
    train = parts["train"]
    assert train is not None  # noqa: S101 - its arrays are not missing
    return Splits(train, parts["valid"], parts["test"], classes, _remarks(headers, names))


def _unpacked(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(f"{name}.npy") as stream:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
    return array


# -- which arrays -------------------------------------------------------------------------------------------------


def _known_names(path: Path, headers: Mapping[str, Header], labelled: bool) -> list[str]:
    """The arrays to read, of which none is missing; InputError for a part under another name."""
    held = ", ".join(headers) or "nothing"
    needed = (IMAGES, LABELS) if labelled else (IMAGES,)
    missing = [name for name in needed if name not in headers]
    if missing:
        raise InputError(f"{path}: array {missing[0]!r} is missing, it holds {one_line(held, 200)}; {_EXPECTED}")
    known = [f"{prefix}{what}" for prefix in _PREFIXES.values() for what in (IMAGES, LABELS)]
    for name in headers:
        if name not in known and name.endswith((IMAGES, LABELS)):
            raise InputError(f"{path}: array {name!r}: expected one of {', '.join(known)}, {CLASSES}; rename it")
    for prefix in _PREFIXES.values():
        images, labels = f"{prefix}{IMAGES}", f"{prefix}{LABELS}"
        if labels in headers and images not in headers:
            raise InputError(f"{path}: array {labels!r} without {images!r}; expected both or none")
        if labelled and images in headers and labels not in headers:
            raise InputError(f"{path}: array {images!r} without {labels!r}; expected both or none")
    wanted = known if labelled else [name for name in known if name.endswith(IMAGES)]
    return [name for name in (*wanted, *([CLASSES] if labelled else [])) if name in headers]


def _remarks(headers: Mapping[str, Header], names: list[str]) -> tuple[str, ...]:
    unread = [name for name in headers if name not in names]
    return (f"not read: arrays {one_line(', '.join(unread), 100)}",) if unread else ()


# -- what they must be --------------------------------------------------------------------------------------------


def _check_header(place: str, header: Header, name: str) -> None:
    """InputError for a type or shape that cannot be used."""
    shown = f"{header.dtype} of shape {header.shape}"
    if header.dtype.hasobject:
        raise InputError(f"{place} is pickled objects ({shown}), which are not read; {_EXPECTED}")
    if name == CLASSES:
        if len(header.shape) != 1 or not header.shape[0] or header.dtype.kind not in "USiu":
            raise InputError(f"{place} is {shown}; expected the names of the classes (k,), in the order of the labels")
    elif name.endswith(LABELS):
        if len(header.shape) != 1 or header.dtype.kind not in "iu":
            raise InputError(f"{place} is {shown}; expected integers (n,){_cure_of_labels(header)}")
    else:
        _check_images(place, header, shown)


def _cure_of_labels(header: Header) -> str:
    if header.dtype.kind in "US":
        return ": classes, labels = numpy.unique(labels, return_inverse=True)"
    if len(header.shape) == 2:
        return ": labels[:, 0]" if header.shape[1] == 1 else " numbers of classes: labels.argmax(axis=1)"
    return ": labels.astype('int64')" if header.dtype.kind in "bf" else ""


def _check_images(place: str, header: Header, shown: str) -> None:
    shape = header.shape
    expected = "expected uint8 of shape (n, h, w), or (n, c, h, w) with 1 or 3 channels"
    if header.dtype != np.uint8:
        cure = {"f": ": (255 * images).round().astype('uint8') if they are from 0 to 1", "b": ": 255 * images"}
        raise InputError(f"{place} is {shown}; {expected}{cure.get(header.dtype.kind, '')}")
    if len(shape) == 4 and shape[3] in (1, 3) and (shape[1] not in (1, 3) or shape[2] != shape[3]):
        raise InputError(f"{place} is {shown}, channels last; {expected}: images.transpose(0, 3, 1, 2)")
    if len(shape) != 3 and not (len(shape) == 4 and shape[1] in (1, 3)):
        raise InputError(f"{place} is {shown}; {expected}")
    if not shape[0]:
        raise InputError(f"{place} is {shown}: no images; {expected}")
    if 0 in shape:
        raise InputError(f"{place} is {shown}: images of {shape[-2]} x {shape[-1]} pixels; expected at least 1 x 1")


def _class_names(path: Path, arrays: Mapping[str, Array]) -> tuple[str, ...]:
    """The names given, or else the numbers from 0 to the largest label; InputError for more than there are images."""
    if LABELS not in arrays:
        return ("",)
    if CLASSES in arrays:
        given = arrays[CLASSES]
        try:
            names = tuple(each.decode() if isinstance(each, bytes) else str(each) for each in given.tolist())
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: {CLASSES} is not UTF-8 ({error.reason}); expected names") from None
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise InputError(f"{path}: {CLASSES} holds {one_line(twice, 80)!r} twice; expected different names")
        return names
    labels = [arrays[f"{prefix}{LABELS}"] for prefix in _PREFIXES.values() if f"{prefix}{LABELS}" in arrays]
    largest = max((int(part.max()) for part in labels if len(part)), default=0)
    # Before a name is made for each: a label may be any number.
    if largest >= len(arrays[LABELS]):
        raise InputError(
            f"{path}: {LABELS}: label {largest} of {len(arrays[LABELS])} images; expected the numbers of the classes, "
            "0, 1, 2 ... (numpy.unique(labels, return_inverse=True) makes them)"
        )
    return tuple(str(number) for number in range(largest + 1))


def _part(path: Path, prefix: str, arrays: Mapping[str, Array], classes: tuple[str, ...]) -> Split | None:
    images = arrays.get(f"{prefix}{IMAGES}")
    if images is None:
        return None
    pixels = images if images.ndim == 4 else images[:, None]
    labels = arrays.get(f"{prefix}{LABELS}", np.zeros(len(images), np.int64))
    return checked_split(f"{path}: {prefix}{LABELS}", np.ascontiguousarray(pixels), labels, len(classes))
