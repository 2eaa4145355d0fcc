"""The scores of a table of proxies that is not finished: a file of lines beside it, added to as they come."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from archloom.errors import InputError
from archloom.utils.files import guarded, open_owned, sync_folder


class Scored(msgspec.Struct, frozen=True):
    """A row's scores, and the reasons of the proxies that it has no score by. A line of the file."""

    row: int
    values: dict[str, float]
    failed: dict[str, str] = {}


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    """The first line: which table it is part of."""

    proxy_table: str


class Part:
    """What is scored so far, by row; `add` keeps more."""

    def __init__(self, path: Path, descriptor: int, table: str) -> None:
        self.scored: dict[int, Scored] = {}
        self._path, self._descriptor = path, descriptor
        content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        kept = self._read(content, table) if b"\n" in content else 0
        os.ftruncate(descriptor, kept)  # a line that was being written when its process was killed has no end
        os.lseek(descriptor, 0, os.SEEK_END)
        if not kept:
            self._write(_Head(table))

    def add(self, scored: Scored) -> None:
        """Keep a row's scores; they survive this process from now on."""
        self.scored[scored.row] = scored
        self._write(scored)

    def remove(self) -> None:
        """Remove the file, when the table is written."""
        self._path.unlink(missing_ok=True)
        sync_folder(self._path.parent)

    def _read(self, content: bytes, table: str) -> int:
        """Take what there is, as far as it is whole: so many bytes. InputError if it is of another table."""
        head, *lines = content[: content.rindex(b"\n")].split(b"\n")
        try:
            found = msgspec.json.decode(head, type=_Head).proxy_table
        except msgspec.DecodeError:
            raise InputError(
                f"{self._path}: not the scores of a table that is not finished; remove it, or name another table"
            ) from None
        if found != table:
            raise InputError(
                f"{self._path} holds scores by other proxies, or with other settings: give the same ones to go on, "
                "remove it, or name another table"
            )
        size = len(head) + 1
        for line in lines:
            try:
                scored = msgspec.json.decode(line, type=Scored)
            except msgspec.DecodeError:
                break
            self.scored[scored.row] = scored
            size += len(line) + 1
        return size

    def _write(self, line: msgspec.Struct) -> None:
        content = msgspec.json.encode(line) + b"\n"
        while content:
            content = content[guarded(self._path, lambda: os.write(self._descriptor, content)) :]  # noqa: B023


@contextmanager
def open_part(path: Path, table: str) -> Iterator[Part]:
    """The part of the table with this identity at `path`, for this process alone; made if it is missing.

    InputError if it is of another table, or another process has it; StoreError if the file system refuses.
    """
    descriptor = guarded(path, lambda: open_owned(path, os.O_RDWR | os.O_CREAT))
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{path}: another process makes this table; wait for it, or name another") from None
        yield Part(path, descriptor, table)
    finally:
        os.close(descriptor)
