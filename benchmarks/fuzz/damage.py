"""What happens to files: cut, deleted, flipped, replaced by folders, links and FIFOs; fields that somebody changed."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

RECORD = "trials.jsonl"

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 2**70, 10**400, 0.5, 1e30, -1e308, float("nan"), float("inf"), "", "x", "../x",
    "/x", "nan", "\x1b[31mred", "[bold]", "a\nb", "é" * 3000, [], {}, [None], {"a": None}, [[]], "DEEP",
)  # fmt: skip
GARBAGE: tuple[bytes, ...] = (
    b"", b"\n", b"\0" * 100, b"null", b"[]", b"{}", b"\xff\xfe", b"<html><body>Not Found</body></html>", b"PK\x03\x04",
    b"[" * 100_000, b'{"a":' * 50_000, b'{"format": 1}',
)  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """One accident. `file` chooses among the files, `at` a place in it; `value` and `bits` are what is put there."""

    what: str
    file: int
    at: float
    bits: int
    value: Any


WAYS = (
    "flip", "flip", "flip", "delete", "truncate", "truncate", "folder", "link", "link away", "link to nothing",
    "link to itself", "fifo", "garbage", "garbage", "field", "field", "tweaked", "tweaked",
    "tweaked", "tweaked", "field gone", "sealed and tweaked", "line gone", "line twice",
    "lines swapped", "sealed", "sealed", "sealed gone", "append", "device", "folder gone", "folder linked",
    "folder is a file", "folders swapped", "folder renamed",
)  # fmt: skip

damages = st.builds(
    Damage,
    what=st.sampled_from(WAYS),
    file=st.integers(0, 10_000),
    at=st.floats(0, 1, exclude_max=True),
    bits=st.integers(1, 255),
    value=st.sampled_from(VALUES),
)


def damage(run: Path, one: Damage, outside: Path) -> str:
    """Do it; returns the file that was hit, and "" if there was nothing to hit."""
    everything = sorted(path for path in run.rglob("*") if not path.is_symlink())
    files = [path for path in everything if path.is_file()]
    # The files that matter are few among many states.
    few = [path for path in files if path.suffix in (".json", ".jsonl", ".npz")]
    hit = few if few and one.bits % 4 else files
    if one.what in _FOLDERS:
        hit = [path for path in everything if path.is_dir()]
    if not hit:
        return ""
    file = hit[one.file % len(hit)]
    _WAYS[one.what](file, one, outside)
    return str(file.relative_to(run))


def _flip(file: Path, one: Damage, outside: Path) -> None:
    content = bytearray(file.read_bytes())
    if content:
        content[int(one.at * len(content))] ^= one.bits
        file.write_bytes(content)


def _delete(file: Path, one: Damage, outside: Path) -> None:
    file.unlink()


def _truncate(file: Path, one: Damage, outside: Path) -> None:
    content = file.read_bytes()
    if file.name == RECORD and one.bits % 2:  # between two lines
        lines = content.splitlines(keepends=True)
        file.write_bytes(b"".join(lines[: int(one.at * len(lines))]))
    else:
        file.write_bytes(content[: int(one.at * len(content))])


def _append(file: Path, one: Damage, outside: Path) -> None:
    file.write_bytes(file.read_bytes() + GARBAGE[one.bits % len(GARBAGE)])


def _folder(file: Path, one: Damage, outside: Path) -> None:
    file.unlink()
    file.mkdir()


def _link(file: Path, one: Damage, outside: Path) -> None:
    """To a copy of itself elsewhere."""
    copy = outside.parent / "elsewhere" / f"copy of {file.name}"
    copy.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(copy)


def _link_away(file: Path, one: Damage, outside: Path) -> None:
    file.unlink()
    file.symlink_to(outside / ("precious.txt", "folder", "folder/trials.jsonl", ".")[one.bits % 4])


def _link_to_nothing(file: Path, one: Damage, outside: Path) -> None:
    file.unlink()
    file.symlink_to(outside / "new.txt")


def _link_to_itself(file: Path, one: Damage, outside: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def _fifo(file: Path, one: Damage, outside: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _device(file: Path, one: Damage, outside: Path) -> None:
    file.unlink()
    file.symlink_to(("/dev/zero", "/dev/full", "/dev/stdin", "/dev/random")[one.bits % 4])


def _garbage(file: Path, one: Damage, outside: Path) -> None:
    file.write_bytes(GARBAGE[one.bits % len(GARBAGE)])


def json_text(value: Any) -> str:
    """A value as JSON, with the numbers that Python adds; DEEP is nesting that no reader expects."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace('"DEEP"', "[" * 3000 + "]" * 3000)


def edited(document: Any, one: Damage, gone: bool) -> Any:
    """A document with one of its values changed, or left out."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            places.append((node, key))
            walk(value)

    walk(document)
    if not places:
        return one.value
    node, key = places[int(one.at * len(places))]
    if gone:
        del node[key]
    elif one.what.endswith("tweaked"):
        node[key] = _tweaked(node[key], one.bits)
    else:
        node[key] = one.value
    return document


def _tweaked(value: Any, bits: int) -> Any:
    """Another value of the same type, which nobody would take for damage."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + (bits % 3 or -1)
    if isinstance(value, float):
        return value * (0.5 if bits % 2 else 1.25)
    if isinstance(value, str):
        return {"max": "min", "min": "max"}.get(value, f"{value[: bits % 7]}{value[bits % 7 + 1 :]}")
    return [value, value] if value is None else value


def _field(file: Path, one: Damage, outside: Path, gone: bool = False) -> None:
    """A value of a JSON file, or of a line of the record, whose checksum then is wrong."""
    content = file.read_bytes()
    try:
        if file.name == RECORD:
            lines = content.splitlines()
            at = one.bits % len(lines)
            lines[at] = json_text(edited(json.loads(lines[at]), one, gone)).encode()
            file.write_bytes(b"\n".join(lines) + b"\n")
        else:
            file.write_bytes(json_text(edited(json.loads(content), one, gone)).encode())
    except (ValueError, ZeroDivisionError, RecursionError):
        _flip(file, one, outside)


def _sealed(file: Path, one: Damage, outside: Path, gone: bool = False) -> None:
    """A line of a record that somebody wrote by hand, checksum and all; a JSON file of theirs has no checksum."""
    lines = file.read_bytes().splitlines()
    try:
        if file.name != RECORD:
            document = json.loads(file.read_bytes())
            document.pop("checksum", None)
            file.write_text(json_text(edited(document, one, gone)))
            return
        at = one.bits % len(lines)
        line = json.loads(lines[at])
        line.pop("crc")
        body = json_text(edited(line, one, gone))[:-1].encode()
        lines[at] = body + b',"crc":"%08x"}' % zlib.crc32(body)
        file.write_bytes(b"\n".join(lines) + b"\n")
    except (ValueError, ZeroDivisionError, RecursionError, KeyError, AttributeError, TypeError):
        _flip(file, one, outside)


def _lines(change: Callable[[list[bytes], int], list[bytes]]) -> Callable[[Path, Damage, Path], None]:
    def changed(file: Path, one: Damage, outside: Path) -> None:
        lines = file.read_bytes().splitlines(keepends=True)
        if len(lines) > 1:
            file.write_bytes(b"".join(change(lines, one.bits % (len(lines) - 1))))

    return changed


def _folder_gone(folder: Path, one: Damage, outside: Path) -> None:
    shutil.rmtree(folder)


def _folder_linked(folder: Path, one: Damage, outside: Path) -> None:
    """A link to what it was, or to a stranger's folder."""
    target = outside / "folder"
    if one.bits % 2:
        target = outside.parent / "elsewhere" / f"was {folder.name}"
        shutil.copytree(folder, target, dirs_exist_ok=True)
    shutil.rmtree(folder)
    folder.symlink_to(target)


def _folder_is_file(folder: Path, one: Damage, outside: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(GARBAGE[one.bits % len(GARBAGE)])


def _folders_swapped(folder: Path, one: Damage, outside: Path) -> None:
    """With the folder beside it, a member's with another member's."""
    others = [path for path in sorted(folder.parent.iterdir()) if path.is_dir() and path != folder]
    if others:
        other, between = others[one.bits % len(others)], folder.with_name("between")
        folder.rename(between)
        other.rename(folder)
        between.rename(other)


def _folder_renamed(folder: Path, one: Damage, outside: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}-old"))


_FOLDERS: Mapping[str, Callable[[Path, Damage, Path], None]] = {
    "folder gone": _folder_gone, "folder linked": _folder_linked, "folder is a file": _folder_is_file,
    "folders swapped": _folders_swapped, "folder renamed": _folder_renamed,
}  # fmt: skip

_WAYS: Mapping[str, Callable[[Path, Damage, Path], None]] = {
    **_FOLDERS,
    "flip": _flip, "delete": _delete, "truncate": _truncate, "append": _append, "folder": _folder, "link": _link,
    "link away": _link_away, "link to nothing": _link_to_nothing, "link to itself": _link_to_itself, "fifo": _fifo,
    "device": _device, "garbage": _garbage, "field": _field,
    "field gone": lambda file, one, outside: _field(file, one, outside, gone=True),
    "tweaked": _field, "sealed and tweaked": _sealed,
    "sealed": _sealed, "sealed gone": lambda file, one, outside: _sealed(file, one, outside, gone=True),
    "line gone": _lines(lambda lines, at: lines[:at] + lines[at + 1 :]),
    "line twice": _lines(lambda lines, at: [*lines[: at + 1], *lines[at:]]),
    "lines swapped": _lines(lambda lines, at: [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]),
}  # fmt: skip
