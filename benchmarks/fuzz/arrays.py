"""Images as arrays in an `.npz` file: what is read is what was written, or one line, before memory is taken."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from archloom.cli.exit_codes import Exit
from archloom.data.images.files import read_images
from archloom.data.images.labelled import open_images
from archloom.errors import InputError
from benchmarks.fuzz.commands import archloom, promises, tree
from benchmarks.fuzz.damage import GARBAGE
from benchmarks.fuzz.harness import Kind

NAMES = ("images", "labels", "valid_images", "valid_labels", "test_images", "test_labels", "classes")


@dataclass(frozen=True)
class Array:
    name: str
    shape: tuple[int, ...]
    kind: str
    low: int
    high: int


@dataclass(frozen=True)
class Case:
    arrays: tuple[Array, ...]
    seed: int
    damage: str
    at: float
    bits: int
    size: int
    suffix: str


COUNTS = st.integers(0, 12)
SIDES = st.sampled_from([0, 1, 2, 3, 5, 8, 8])


@st.composite
def arrays(draw: Any) -> tuple[Array, ...]:
    """A right set, of which some arrays are changed, left out or added."""
    count = draw(st.integers(1, 30))
    sides = (draw(SIDES.filter(bool)), draw(SIDES.filter(bool)))
    shape = (*draw(st.sampled_from([(), (1,), (3,)])), *sides)
    classes = draw(st.integers(2, 4))
    found = [Array("images", (count, *shape), "u1", 0, 256), Array("labels", (count,), "i8", 0, classes)]
    for part in ("valid", "test"):
        if draw(st.booleans()):
            more = draw(st.integers(1, 9))
            found += [
                Array(f"{part}_images", (more, *shape), "u1", 0, 256),
                Array(f"{part}_labels", (more,), "u1", 0, classes),
            ]
    if draw(st.booleans()):
        found.append(Array("classes", (classes,), draw(st.sampled_from(["U5", "S5", "i4"])), 0, 1))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        at = draw(st.integers(0, len(found) - 1))
        way = draw(st.sampled_from(["gone", "shape", "kind", "label", "more", "name"]))
        one = found[at]
        if way == "gone":
            del found[at]
            if not found:
                break
        elif way == "shape":
            found[at] = Array(
                one.name, tuple(draw(st.lists(st.integers(0, 9), max_size=5))), one.kind, one.low, one.high
            )
        elif way == "kind":
            kind = draw(
                st.sampled_from(["u1", "f4", "f8", "i1", "i8", "b1", "U3", "O", "c8", ">u2", "M8[s]", "S2", "V3"])
            )
            found[at] = Array(one.name, one.shape, kind, one.low, one.high)
        elif way == "label":
            high = draw(st.sampled_from([1, 2, 2**7, 2**31, 2**40, 2**62]))
            found[at] = Array(one.name, one.shape, "i8", draw(st.sampled_from([0, -5])), high)
        elif way == "more":
            found.append(
                Array(
                    draw(st.sampled_from(["x_train", "y", "val_images", "readme", "images2", "é"])),
                    one.shape,
                    one.kind,
                    0,
                    2,
                )
            )
        else:
            found[at] = Array(
                draw(st.sampled_from([*NAMES, "Images", "x_train"])), one.shape, one.kind, one.low, one.high
            )
    return tuple({one.name: one for one in found}.values())


WAYS = ("", "", "", "", "flip", "truncate", "garbage", "npy", "claims", "text", "folder", "append")

cases = st.builds(
    Case,
    arrays=arrays(),
    seed=st.integers(0, 2**31),
    damage=st.sampled_from(WAYS),
    at=st.floats(0, 1, exclude_max=True),
    bits=st.integers(1, 255),
    size=st.sampled_from([0, 0, 0, 4]),
    suffix=st.sampled_from([".npz", ".npz", ".npz", ".NPZ", ".bin", ""]),
)


def made(case: Case) -> dict[str, Any]:
    rng = np.random.default_rng(case.seed)
    found: dict[str, Any] = {}
    for one in case.arrays:
        values = rng.integers(one.low, one.high, one.shape)
        if one.name == "classes" and one.kind[0] in "US":
            found[one.name] = (
                np.array([f"c{j}" for j in range(int(np.prod(one.shape)))]).reshape(one.shape).astype(one.kind)
            )
        elif one.name == "classes" and one.kind[0] in "iu":
            found[one.name] = np.arange(int(np.prod(one.shape))).reshape(one.shape).astype(one.kind)
        elif one.kind.startswith("V"):
            found[one.name] = np.zeros(one.shape, one.kind)
        else:
            found[one.name] = values.astype(one.kind)
    return found


def write(case: Case, path: Path, arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if case.seed % 2 else zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=True)
            raw = content.getvalue()
            if case.damage == "claims" and name == case.arrays[case.bits % len(case.arrays)].name:
                header = io.BytesIO()
                shape = (2**40, 3) if case.bits % 2 else (2**62, 2**62)
                np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
                raw = header.getvalue() + b"\0" * 100
            archive.writestr(f"{name}.npy", raw)
    content_of_file = bytearray(buffer.getvalue())
    at = int(case.at * len(content_of_file))
    if case.damage == "flip":
        content_of_file[at] ^= case.bits
    elif case.damage == "truncate":
        del content_of_file[at:]
    elif case.damage == "garbage":
        content_of_file = bytearray(GARBAGE[case.bits % len(GARBAGE)])
    elif case.damage == "append":
        content_of_file += GARBAGE[case.bits % len(GARBAGE)]
    elif case.damage == "npy":
        single = io.BytesIO()
        np.save(single, next(iter(arrays.values())), allow_pickle=True)
        content_of_file = bytearray(single.getvalue())
    elif case.damage == "text":
        content_of_file = bytearray(b"label,pixel0\n1,0\n")
    if case.damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(content_of_file)


def check(_: None, case: Case, place: Path) -> list[str]:
    path = place / f"mine{case.suffix}"
    arrays = made(case)
    write(case, path, arrays)
    before = tree(place)
    faults: list[str] = []
    try:
        found = read_images(path, case.size)
    except InputError as error:
        if not case.damage and _right(case):
            faults.append(f"right arrays are refused: {error}")
        done = archloom("search", "pbt_nas", "--on", f"images:{path}", "--out", place / "run", "--json")
        faults += promises(done)
        if done.code != Exit.BAD_INPUT or tree(place) != before:
            faults.append(f"refused with another code, or something written: {done.said}")
        return faults
    for part, split in found.parts().items():
        prefix = "" if part == "train" else f"{part}_"
        images, labels = arrays.get(f"{prefix}images"), arrays.get(f"{prefix}labels")
        if images is None or labels is None:
            faults.append(f"{part} is read and was not written")
        elif not np.array_equal(split.images, images if images.ndim == 4 else images[:, None]):
            faults.append(f"other {part} images are read than were written: {images.dtype} {images.shape}")
        elif not np.array_equal(split.labels, labels) or labels.dtype.kind not in "iu":
            faults.append(f"{part} labels are read as {split.labels.tolist()}, and {labels.tolist()} was written")
        elif split.labels.max() >= len(found.classes):
            faults.append("labels without a class")
    given = {name for name in arrays if name.endswith("images")}
    read = {"images" if part == "train" else f"{part}_images" for part in found.parts()}
    if given != read:
        faults.append(f"{sorted(given)} was written, and {sorted(read)} is read")
    try:
        data = open_images(str(path), {}, case.size)
    except InputError as error:
        faults += [f"a message of {len(str(error))} characters"] if len(str(error)) > 4000 else []
    else:
        count = len(data.train) + len(data.valid) + len(data.test)
        if count != sum(len(split) for split in found.parts().values()):
            faults.append("images are lost or doubled in the three parts")
    return faults


def _right(case: Case) -> bool:
    """Whether this is what is documented, by names, types and shapes."""
    by_name = {one.name: one for one in case.arrays}
    if not {"images", "labels"} <= by_name.keys() <= set(NAMES):
        return False
    for part in ("", "valid_", "test_"):
        images, labels = by_name.get(f"{part}images"), by_name.get(f"{part}labels")
        if (images is None) != (labels is None):
            return False
        if images is None or labels is None:
            continue
        known = images.kind == "u1" and images.low == 0 and 0 not in images.shape
        known &= len(images.shape) == 3 or (len(images.shape) == 4 and images.shape[1] in (1, 3))
        known &= len(images.shape) == 3 or images.shape[-1:] not in ((1,), (3,))  # which of them counts channels?
        known &= (
            labels.kind in ("i8", "u1") and labels.shape == images.shape[:1] and (labels.low, labels.high) in ((0, 2),)
        )
        if not known:
            return False
    drawn = made(case)
    if len(np.unique(drawn["labels"])) < 2:
        return False
    classes = by_name.get("classes")
    return classes is None or (len(classes.shape) == 1 and classes.shape[0] >= 2 and classes.kind in ("U5", "S5", "i4"))


def begin_once(home: Path) -> None:
    """Import what trains before processes are forked: each would do it again."""
    done = archloom("search", "pbt_nas", "--on", f"images:{home / 'nothing.npz'}")
    if done.code != Exit.BAD_INPUT:
        raise RuntimeError(done.said)


KIND = Kind("arrays", 1.0, cases, begin_once, check)
