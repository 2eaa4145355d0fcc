"""Which image files of a folder belong to which part and class.

Nothing is guessed: a layout that could mean two things is refused with both named, and whatever is not read is counted.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from archloom.errors import InputError

PARTS: Mapping[str, frozenset[str]] = {
    "train": frozenset({"train", "training", "trn"}),
    "valid": frozenset({"valid", "val", "validation", "validate", "dev", "development"}),
    "test": frozenset({"test", "testing", "tst", "eval", "evaluation", "holdout"}),
}
"""The usual names of the folders of each part, in lower case and without separators, "set", "data" or "images"."""

SUFFIXES = frozenset(
    {".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"}
    | {".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
_UNREADABLE = frozenset(
    {".arw", ".cr2", ".cr3", ".dcm", ".dng", ".heic", ".heif", ".jxl", ".nef", ".orf", ".psd", ".raw", ".rw2", ".svg"}
)
"""Images that Pillow alone does not read: leaving them out would train on a part of the data."""

_LITTER = frozenset(
    {"__macosx", "__pycache__", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
    | {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"}
)
"""What systems leave in folders, in lower case; names that begin with a dot besides."""

_DEEPEST = 32
_TRAIN = "train"


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or made by a system, and so never data."""
    return name.startswith(".") or name.lower() in _LITTER


def part_named(name: str) -> str | None:
    """The part ("train", "valid" or "test") that a folder of this name holds by custom; None for any other name."""
    plain = re.sub(r"[\s_.\-]+", "", name.lower())
    plain = re.sub(r"(?<=.)(set|split|data|images|imgs|img)$", "", plain)
    return next((part for part, names in PARTS.items() if plain in names), None)


# -- what is there ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Folder:
    """A folder's image files and sub-folders in the order of their names, and the suffixes of its other files."""

    path: Path
    images: tuple[Path, ...]
    folders: tuple[Folder, ...]
    others: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def every_image(self) -> list[Path]:
        """Its image files and those of all folders in it, in the order of their paths."""
        return sorted([*self.images, *(image for folder in self.folders for image in folder.every_image)])

    @cached_property
    def unread(self) -> Counter[str]:
        """How many other files there are, here and further down, by suffix."""
        return sum((folder.unread for folder in self.folders), Counter(self.others))

    @property
    def filled(self) -> list[Folder]:
        """The sub-folders that hold an image file, however far down."""
        return [folder for folder in self.folders if folder.every_image]


def scan(path: Path) -> Folder:
    """What a folder holds; links are followed. InputError for links that lead nowhere or in a circle."""
    try:
        return _scan(path, {})
    except OSError as error:
        raise InputError(f"{error.filename or path}: cannot be read ({error.strerror or error})") from error


def _scan(path: Path, above: Mapping[tuple[int, int], Path]) -> Folder:
    status = path.stat()
    own = (status.st_dev, status.st_ino)
    if own in above:
        raise InputError(f"{path}: a link to {above[own]}, in which it lies; remove it")
    if len(above) > _DEEPEST:
        raise InputError(f"{path}: more than {_DEEPEST} folders deep; expected image files in a folder for each class")
    images, folders, others = [], [], []
    for entry in sorted((entry for entry in os.scandir(path) if not is_litter(entry.name)), key=lambda e: e.name):
        place, suffix = path / entry.name, Path(entry.name).suffix.lower()
        if entry.is_dir():
            folders.append(_scan(place, {**above, own: path}))
        elif suffix in _UNREADABLE:
            raise InputError(f"{place}: {suffix} files are not read; convert it to PNG or JPEG, or move it elsewhere")
        elif entry.is_file() and suffix in SUFFIXES:
            images.append(place)
        elif entry.is_symlink() and not place.exists() and (suffix in SUFFIXES or not suffix):
            raise InputError(f"{place}: a link to {place.readlink()}, which is not there; mend or remove it")
        elif suffix in SUFFIXES:
            raise InputError(f"{place}: not a regular file; expected an image file")
        else:
            others.append(suffix or "without suffix")
    return Folder(path, tuple(images), tuple(folders), tuple(others))


# -- what it means ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """The image files of each class of each part, and remarks on what is not read."""

    parts: Mapping[str, Mapping[str, Sequence[Path]]]
    classes: tuple[str, ...]
    remarks: tuple[str, ...]


def labelled_layout(path: Path) -> Layout:
    """FOLDER/CLASS/FILE, or FOLDER/PART/CLASS/FILE with folders for training and perhaps validation and test.

    A class folder may hold its files in a single sub-folder. InputError for everything else.
    """
    root = scan(path)
    parts = {part: _classes_in(folder) for part, folder in _parts_of(root).items()}
    classes = tuple(parts[_TRAIN])
    for part, found in parts.items():
        if tuple(found) != classes:
            raise InputError(f"{path}: {_difference(part, found, classes)}; expected the same class folders in each")
    return Layout(parts, classes, _remarks(root, parts))


def unlabelled_layout(path: Path) -> Layout:
    """Every image file in a folder, however far down, as one class; folders with the names of parts are parts."""
    root = scan(path)
    parts = {part: {"": folder.every_image} for part, folder in _parts_of(root).items()}
    for part, found in parts.items():
        if not found[""]:
            raise InputError(f"{path}: {_none_among(root.unread)} to {'train on' if part == _TRAIN else part}")
    return Layout(parts, ("",), _remarks(root, parts))


def _parts_of(root: Folder) -> dict[str, Folder]:
    """The folder of each part, the training part first; the root itself is the training part if there are none."""
    named = [(folder, part) for folder in root.folders if (part := part_named(folder.name)) is not None]
    others = [folder for folder in root.filled if part_named(folder.name) is None]
    if not named:
        return {_TRAIN: root}
    names = _listed(folder.name for folder, _ in named)
    if others:
        (first, part), *more = named
        if part == _TRAIN and not more and first.images and not first.filled:
            return {_TRAIN: root}  # a class of trains
        raise InputError(
            f"{root.path}: {names} {'is the name of a part' if not more else 'are names of parts'} of a set, and "
            f"{_listed(folder.name for folder in others)} {'is' if len(others) == 1 else 'are'} not; expected "
            "PART/CLASS/FILE throughout, or CLASS/FILE: move what does not belong, or rename a class"
        )
    if root.images:
        raise InputError(f"{root.images[0]}: beside the folders {names}; expected images in these alone; move it")
    for part in PARTS:
        same = [folder.name for folder, known in named if known == part]
        if len(same) > 1:
            raise InputError(f"{root.path}: {_listed(same)} both mean the {part} part; expected one of them")
    parts = {part: folder for part in PARTS for folder, known in named if known == part}
    if _TRAIN not in parts:
        raise InputError(
            f"{root.path}: {names} and nothing to train on; expected a folder train beside it; if these are classes, "
            "rename them"
        )
    return parts


def _classes_in(folder: Folder) -> dict[str, Sequence[Path]]:
    """The image files of each class folder, in the order of the classes' names."""
    if folder.images and folder.folders:
        raise InputError(
            f"{folder.images[0]}: beside the folders {_listed(each.name for each in folder.folders)}; expected every "
            "image in the folder of its class; move it"
        )
    if folder.images:
        raise InputError(
            f"{folder.path}: {len(folder.images):,} images and no sub-folders; expected at least 2, one for each class "
            "(generators, --on gan:FOLDER, need none)"
        )
    if len(folder.folders) < 2:
        inner = folder.folders[0] if folder.folders else None
        hint = f"; if {inner.path} is the set, name that" if inner is not None and len(inner.folders) > 1 else ""
        found = f" ({inner.name})" if inner is not None else ""
        raise InputError(
            f"{folder.path}: {len(folder.folders)} sub-folders{found}; expected at least 2, one with image files for "
            f"each class{hint}"
        )
    seen: dict[str, str] = {}
    for each in folder.folders:
        other = seen.setdefault(_plain(each.name), each.name)
        if other != each.name:
            raise InputError(f"{folder.path}: classes {other!r} and {each.name!r}; expected one folder for one class")
    return {unicodedata.normalize("NFC", each.name): _files_of(each) for each in folder.folders}


def _files_of(folder: Folder) -> Sequence[Path]:
    """The image files of one class: its own, or those of its only sub-folder."""
    deepest = folder
    while not deepest.images and len(deepest.filled) == 1:
        deepest = deepest.filled[0]
    if deepest.filled:
        beside = f"{len(deepest.images):,} images and " if deepest.images else ""
        raise InputError(
            f"{deepest.path}: {beside}folders with images ({_listed(each.name for each in deepest.filled)}) in the "
            "folder of a class; expected image files alone (CLASS/FILE or PART/CLASS/FILE)"
        )
    if not deepest.images:
        raise InputError(f"{folder.path}: {_none_among(folder.unread)}; expected some of {', '.join(sorted(SUFFIXES))}")
    return deepest.images


def _plain(name: str) -> str:
    """Equal for names that differ in case, in how accents are written, or in spaces around them."""
    return unicodedata.normalize("NFC", name).strip().casefold()


def _difference(part: str, found: Iterable[str], classes: Iterable[str]) -> str:
    """The first difference between the classes of a part and those of the training part."""
    odd = sorted(set(found).symmetric_difference(classes))[0]
    others = classes if odd in found else found
    near = next((name for name in others if _plain(name) == _plain(odd)), None)
    if near is not None:
        return f"class {odd!r} is {near!r} in another part"
    return f"class {odd!r} is not in every part ({part!r} is missing it)" if odd in classes else (
        f"class {odd!r} is not in every part ({part!r} has it)"
    )  # fmt: skip


def _none_among(unread: Mapping[str, int]) -> str:
    return f"no image files (but {_counted(unread)})" if unread else "no image files"


def _remarks(root: Folder, parts: Mapping[str, object]) -> tuple[str, ...]:
    return (f"not read: {_counted(root.unread)}",) if root.unread else ()


def _counted(unread: Mapping[str, int]) -> str:
    """ "3 other files (.txt, .xml)"."""
    count = sum(unread.values())
    return f"{count:,} other {'file' if count == 1 else 'files'} ({_listed(sorted(unread))})"


def _listed(names: Iterable[str], most: int = 5) -> str:
    """Names with commas; only the first few if there are many."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
