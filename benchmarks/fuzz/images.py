"""Folders of images: what is read is what was put there, by the documented rules, or one line refuses the folder."""

from __future__ import annotations

import io
import os
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from archloom.cli.exit_codes import Exit
from archloom.data.images.files import read_images
from archloom.data.images.labelled import open_images
from archloom.data.images.layout import is_litter, part_named
from archloom.data.images.unlabelled import open_unlabelled
from archloom.errors import InputError
from benchmarks.fuzz.arrays import begin_once
from benchmarks.fuzz.commands import archloom, promises, tree
from benchmarks.fuzz.harness import Kind

SIDE = 5

Content = dict[str, dict[str, list[int]]]
"""Part -> class -> the grey values of its images."""


@dataclass(frozen=True)
class Case:
    parts: tuple[tuple[str, str], ...]
    """Parts by the names of their folders; empty: the classes are at the top."""
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    suffixes: tuple[str, ...]
    harmless: tuple[str, ...]
    harmful: str
    at: int
    size: int


SUFFIXES = (".png", ".PNG", ".bmp", ".gif", ".pgm", ".tif")
TRAIN = ("train", "Train", "TRAIN", "training", "training_set", "train-images", "Training Data", "trn")
VALID = ("valid", "val", "Val", "validation", "dev", "val_images", "Validation")
TEST = ("test", "Test", "testing", "test-set", "eval", "TEST")
CLASSES = st.one_of(
    st.sampled_from(["cat", "dog", "0", "1", "10", "a b", "[b]", "é", "ü ber", "n0144", "x.gif", "none", "nan", "-1"]),
    st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/."), min_size=1, max_size=6),
)  # fmt: skip


def _clean(name: str) -> bool:
    """A name that is no part's, hidden, or of a system."""
    return not is_litter(name) and part_named(name) is None and name == name.strip()


@st.composite
def cases(draw: Any) -> Case:
    def plain(name: str) -> str:
        return unicodedata.normalize("NFC", name).strip().casefold()

    parts = draw(
        st.sampled_from([(), (), ("train",), ("train", "test"), ("train", "valid", "test"), ("train", "valid")])
    )
    names = {"train": TRAIN, "valid": VALID, "test": TEST}
    return Case(
        tuple((draw(st.sampled_from(names[part])), part) for part in parts),
        tuple(draw(st.lists(CLASSES.filter(_clean), min_size=2, max_size=4, unique_by=plain))),
        tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))),
        tuple(draw(st.lists(st.sampled_from(SUFFIXES), min_size=1, max_size=3))),
        tuple(draw(st.lists(st.sampled_from(sorted(HARMLESS)), max_size=3, unique=True))),
        draw(st.sampled_from([""] * 6 + sorted(HARMFUL))),
        draw(st.integers(0, 50)),
        draw(st.sampled_from([0, 0, 4, 8])),
    )  # fmt: skip


# -- what is put there --------------------------------------------------------------------------------------------


def image(value: int, suffix: str = ".png", side: int = SIDE, mode: str = "L") -> bytes:
    content = io.BytesIO()
    kinds = {".png": "PNG", ".bmp": "BMP", ".gif": "GIF", ".pgm": "PPM", ".tif": "TIFF"}
    Image.new(mode, (side, side), value).save(content, kinds[suffix.lower()])
    return content.getvalue()


def plant(case: Case, root: Path) -> Content:
    """The images, each with a grey value of its own."""
    found: Content = {}
    value, counts = 0, 0
    for folder, part in case.parts or (("", "train"),):
        for name in case.classes:
            place = root / folder / name
            place.mkdir(parents=True)
            values = found.setdefault(part, {}).setdefault(name, [])
            for number in range(case.counts[counts % len(case.counts)]):
                suffix = case.suffixes[number % len(case.suffixes)]
                value = value % 250 + 1
                (place / f"{number}{suffix}").write_bytes(image(value, suffix))
                values.append(value)
            counts += 1
    return found


def _top(case: Case, root: Path) -> Path:
    """A folder that holds the folders of classes."""
    return root / case.parts[case.at % len(case.parts)][0] if case.parts else root


def _class(case: Case, root: Path) -> Path:
    return _top(case, root) / case.classes[case.at % len(case.classes)]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _nested(case: Case, root: Path) -> None:
    folder = _class(case, root)
    inner = folder.with_name("waiting")
    folder.rename(inner)
    folder.mkdir()
    inner.rename(folder / "images")


def _linked(case: Case, root: Path) -> None:
    folder = _class(case, root)
    elsewhere = root.parent / "linked"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


def _linked_files(case: Case, root: Path) -> None:
    for number, file in enumerate(sorted(_class(case, root).iterdir())):
        if file.is_file():
            elsewhere = root.parent / f"file {number}"
            file.rename(elsewhere)
            file.symlink_to(elsewhere)


Change = Callable[[Case, Path], Any]

HARMLESS: Mapping[str, Change] = {
    "hidden file": lambda case, root: _write(_class(case, root) / ".x.png", image(255)),
    "hidden folder": lambda case, root: _write(root / ".cache" / "x.png", image(255)),
    "hidden class": lambda case, root: _write(_top(case, root) / ".ipynb_checkpoints" / "x.png", image(255)),
    "hidden folder in a class": lambda case, root: _write(_class(case, root) / ".cache" / "x.png", image(255)),
    "DS_Store": lambda case, root: _write(root / ".DS_Store", b"\0\0\0\1Bud1"),
    "Thumbs.db": lambda case, root: _write(_class(case, root) / "Thumbs.db", b"\xd0\xcf"),
    "resource forks": lambda case, root: _write(root / "__MACOSX" / "cat" / "._0.png", b"\0"),
    "forks in a class": lambda case, root: _write(_class(case, root) / "._0.png", b"\0\5\26\7"),
    "labels.csv": lambda case, root: _write(root / "labels.csv", b"file,label\n"),
    "readme in a class": lambda case, root: _write(_class(case, root) / "readme.txt", b"hello"),
    "nested": _nested,
    "linked": _linked,
    "linked files": _linked_files,
}  # fmt: skip

DEEP = np.full((SIDE, SIDE), 40_000, np.uint16)


def _deep() -> bytes:
    content = io.BytesIO()
    Image.fromarray(DEEP).save(content, "PNG")
    return content.getvalue()


def _folders(case: Case, root: Path) -> None:
    for name in ("p", "q"):
        _write(_class(case, root) / name / "x.png", image(255))


def _fifo(case: Case, root: Path) -> None:
    os.mkfifo(_class(case, root) / "x.png")


def _circle(case: Case, root: Path) -> None:
    (_class(case, root) / "again").symlink_to(root)


def _dangling(case: Case, root: Path) -> None:
    (_class(case, root) / "x.png").symlink_to(root.parent / "nothing")


HARMFUL: Mapping[str, Change] = {
    "empty class": lambda case, root: (_top(case, root) / "zzz").mkdir(),
    "class of text": lambda case, root: _write(_top(case, root) / "zzz" / "a.txt", b"x"),
    "16 bits": lambda case, root: _write(_class(case, root) / "x.png", _deep()),
    "web page": lambda case, root: _write(_class(case, root) / "x.png", b"<!DOCTYPE html><html>Not found</html>"),
    "empty file": lambda case, root: _write(_class(case, root) / "x.png", b""),
    "half a file": lambda case, root: _write(_class(case, root) / "x.png", image(7)[:50]),
    "garbage": lambda case, root: _write(_class(case, root) / "x.bmp", bytes(range(256))),
    "image beside classes": lambda case, root: _write(_top(case, root) / "x.png", image(255)),
    "fifo": _fifo,
    "circle": _circle,
    "dangling": _dangling,
    "part beside others": lambda case, root: _write(
        root / ("zzz" if case.parts else "Test/cat") / "x.png", image(255)
    ),
    "the same twice": lambda case, root: (
        _write(_top(case, root) / f"{case.classes[0]} " / "x.png", image(255))
    ),
    "folders in a class": _folders,
    "heic": lambda case, root: _write(_class(case, root) / "x.heic", b"\0\0\0\x18ftypheic"),
}  # fmt: skip
NOT_FOR_SETS_WITHOUT_CLASSES = frozenset(
    {"16 bits", "web page", "empty file", "half a file", "garbage", "fifo", "circle", "dangling", "heic"}
)
"""What is refused where there are no classes, too."""


# -- what must be true --------------------------------------------------------------------------------------------


def check(_: None, case: Case, place: Path) -> list[str]:
    root = place / "set"
    content = plant(case, root)
    for name in case.harmless:
        HARMLESS[name](case, root)
    if case.harmful:
        HARMFUL[case.harmful](case, root)
    before = tree(place)
    faults = _labelled(case, root, content) + _unlabelled(case, root, content)
    if tree(place) != before:
        faults.append("reading changed the folder")
    return faults


def _labelled(case: Case, root: Path, content: Content) -> list[str]:
    try:
        found = read_images(root, case.size)
        data = open_images(str(root), {}, case.size) if all(len(v) > 2 for v in content["train"].values()) else None
    except InputError as error:
        if not case.harmful:
            return [f"a right folder is refused: {error}"]
        done = archloom("search", "pbt_nas", "--on", f"images:{root}", "--out", root.parent / "run", "--json")
        faults = promises(done)
        if done.code != Exit.BAD_INPUT:
            faults.append(f"refused with another code: {done.said}")
        return faults
    if case.harmful:
        return [f"{case.harmful!r} is not refused: {found.classes}, {found.remarks}"]
    faults = []
    names = sorted(content["train"])
    parts = found.parts()
    if parts.keys() != content.keys():
        return [f"the parts {list(parts)} are read, and {list(content)} are there"]
    for part, split in parts.items():
        pairs = zip(split.labels, _values(split.images), strict=True)
        read = sorted((found.classes[label], value) for label, value in pairs)
        there = sorted((_nfc(name), value) for name in names for value in content[part][name])
        if read != there:
            faults.append(f"in {part} {read} is read, and {there} is there")
    if data is not None:
        together = sorted(v for split in (data.train, data.valid, data.test) for v in _values(split.images))
        if together != sorted(v for named in content.values() for values in named.values() for v in values):
            faults.append("images are lost or doubled in the three parts")
    return faults


def _unlabelled(case: Case, root: Path, content: Content) -> list[str]:
    refused = case.harmful in NOT_FOR_SETS_WITHOUT_CLASSES
    try:
        found = open_unlabelled(str(root), {}, case.size)
    except InputError as error:
        return [] if case.harmful else [f"a right folder is refused for gan: {error}"]
    if refused:
        return [f"{case.harmful!r} is not refused for gan:"]
    learnt = [v for part in ("train", "valid") for values in content.get(part, {}).values() for v in values]
    if not case.harmful and sorted(_values(found.images)) != sorted(learnt):
        return [f"for gan: {sorted(_values(found.images))} is read, and {sorted(learnt)} is there"]
    return []


def _values(images: Any) -> list[int]:
    """The grey value of each image, all of whose pixels are the same."""
    return [int(value) for value in images.reshape(len(images), -1)[:, 0]]


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


KIND = Kind("images", 1.0, cases(), begin_once, check)
