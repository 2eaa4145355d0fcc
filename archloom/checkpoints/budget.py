"""Disk budgets: the files of a folder never take more space than allowed, however many processes write there at once.

Every writer takes one lock, counts the files, and creates its own, which has its full size before the first byte is
written, so a file that is being written is counted from the beginning. A writer holds a lock on its file as long as it
lives; this is how files left by killed writers are told apart from files that are being written.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO

import msgspec

from archloom.errors import StoreError
from archloom.utils.documents import read_document
from archloom.utils.files import TEMPORARY, open_owned, open_regular, replacing
from archloom.utils.text import quoted

DRAFT = ".*.draft.*.tmp"
"""Names of drafts: files that grow while a trial is evaluated, and go when it is."""

POLL_EVERY_S = 0.05
"""How often a waiting writer checks for space."""

HEADROOM = 1.25
"""The factor by which the advised budget exceeds the present need: networks to come may be larger."""

_UNITS = {
    "": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip


def parse_bytes(text: str) -> int:
    """Bytes from a size as people write it: 500MB, 1.5 GiB, 2000000; ValueError with what was expected."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError("expected a size in bytes, or with a unit: 500MB, 2GB, 1.5GiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def format_bytes(size: float) -> str:
    """A size for people, three digits, in a unit that `parse_bytes` reads."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.0f} TB" if size >= 999.5 else f"{size:.3g} TB"


def disk_usage(folder: Path, suffix: str = "") -> tuple[int, int]:
    """The number of files in a folder whose names end like this, and their total size in bytes."""
    sizes = [size for name, size in _sizes(folder).items() if name.endswith(suffix)]
    return len(sizes), sum(sizes)


@dataclass(frozen=True)
class DiskBudget:
    """A folder whose files take at most `limit` bytes. Each file has a number, and files are told in that order.

    `command` is what a user types to resume with a larger budget; `runs` is how many runs share the budget given there.
    """

    folder: Path
    limit: int
    command: str = ""
    runs: int = 1

    @contextmanager
    def writing(self, path: Path, size: int, order: int, what: str = "checkpoint") -> Iterator[BinaryIO]:
        """A file of exactly `size` bytes to write to, which replaces `path` at the end; `what` errors call it.

        Waits for space unless `order` is next, the number after the last one that `plan` marked as done: only telling
        trials in order frees space, so waiting for it would be in vain then, and StoreError is raised if there is none.
        A writer that is not next leaves as much space free as the largest file takes: that of each kind, together.
        """

        def open_new(temporary: Path) -> BinaryIO:
            while (file := self._open(temporary, path, size, order, what)) is None:
                time.sleep(POLL_EVERY_S)
            return file

        with replacing(path, open_new, self._locked) as file:
            yield file

    def begin_draft(self, path: Path) -> BinaryIO:
        """An empty draft, locked while it is open.

        It grows only by `grow`, and goes when a checkpoint needs the room: whoever has mapped it can still read it.
        """
        with self._locked():
            return _claim(path, 0)

    def grow(self, draft: BinaryIO, path: Path, size: int) -> bool:
        """Let a draft have `size` bytes; False if there is no room for these and the largest file of each kind, or if
        it had to go."""
        with self._locked():
            sizes = self._clean()
            there = path.name in sizes
            if not there or sum(sizes.values()) - sizes[path.name] + size + _largest(sizes.items()) > self.limit:
                return False
            draft.truncate(size)
        return True

    def plan(self, done: int, evictable: Sequence[str]) -> None:
        """Record which numbers are done (all up to `done`), and which files may be evicted for space, in that order.

        Evicts as many of them now as the limit requires. StoreError if the plan cannot be written.
        """
        try:
            with self._locked():
                _write(self._plan_file, _Plan(done, list(evictable)))
                sizes = self._clean()
                self._remove(evictable, sizes, sum(sizes.values()) - self.limit)
        except OSError as error:
            raise StoreError(
                f"{self._plan_file}: {error.strerror or error}; everything finished is on disk; mend that or free some "
                f"space, then: {self.command}"
            ) from error

    @property
    def _plan_file(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.json")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = open_owned(self.folder.with_name(f"{self.folder.name}.lock"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open(self, temporary: Path, path: Path, size: int, order: int, what: str) -> BinaryIO | None:
        """The new file with its full size; None if there is no space yet."""
        with self._locked():
            path.unlink(missing_ok=True)  # of an attempt that was never recorded
            done, evictable = self._read_plan()
            sizes = self._clean()
            evictable = [*evictable, *(name for name in sizes if fnmatch(name, DRAFT))]
            used, free = sum(sizes.values()), sum(sizes.get(name, 0) for name in evictable)
            first = done is None or order <= done + 1
            margin = 0 if first else _largest([*sizes.items(), (path.name, size)])
            if used - free + size + margin > self.limit:
                if first:
                    raise StoreError(self._too_little(what, used - free, size))
                return None
            self._remove(evictable, sizes, used + size - self.limit)
            return _claim(temporary, size)

    def _read_plan(self) -> tuple[int | None, list[str]]:
        try:
            plan = read_document(self._plan_file, _Plan)
        except (OSError, ValueError):  # nobody plans, or the planner was killed, and so are we
            return None, []
        return plan.done, plan.spare

    def _clean(self) -> dict[str, int]:
        """The size of every file; those whose writer was killed are removed first."""
        for left in self.folder.glob(TEMPORARY):
            if _abandoned(left):
                left.unlink(missing_ok=True)
        return _sizes(self.folder)

    def _remove(self, evictable: Sequence[str], sizes: dict[str, int], excess: int) -> None:
        for name in filter(sizes.__contains__, evictable):  # never a name that leads out of the folder
            if excess <= 0:
                return
            (self.folder / name).unlink(missing_ok=True)
            excess -= sizes[name]

    def _too_little(self, what: str, needed: int, more: int) -> str:
        total = needed + more
        share = f", of which this run may take {format_bytes(self.limit)}" if self.runs > 1 else ""
        return (
            f"no space for the next {what} of {format_bytes(more)}: those needed take {format_bytes(needed)}, "
            f"--disk-budget is {format_bytes(self.limit * self.runs)}{share}; everything finished is on disk; resume "
            f"with: {self.advice(total)}"
        )

    def advice(self, needed: int) -> str:
        """The command that resumes with enough space if one run needs `needed` bytes."""
        return f"{self.command} --disk-budget {_rounded_up(HEADROOM * needed * self.runs)}"


class _Plan(msgspec.Struct):
    """What the driver writes down for the writers: trials 0 to `done` are done, and which files may go for space."""

    done: int
    spare: list[str]


def _write(path: Path, plan: _Plan) -> None:
    file = open_owned(path, os.O_WRONLY | os.O_CREAT)
    with os.fdopen(file, "wb") as opened:
        opened.truncate(0)
        opened.write(msgspec.json.encode(plan))


def resuming(folder: Path) -> str:
    """The command that resumes the run in a folder."""
    return f"archloom resume {quoted(folder)}"


def _sizes(folder: Path) -> dict[str, int]:
    found = {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed in the meantime
                found[entry.name] = entry.stat(follow_symlinks=False).st_size
    return found


def _largest(sizes: Iterable[tuple[str, int]]) -> int:
    """The sizes of the largest files of each kind in total: so much may a trial leave that must come first."""
    found: dict[str, int] = {}
    for name, size in sizes:
        if fnmatch(name, DRAFT):
            continue
        kind = name.removeprefix(".").partition(".")[2].partition(".")[0]  # while it is written, there is more around
        found[kind] = max(found.get(kind, 0), size)
    return sum(found.values())


def _claim(temporary: Path, size: int) -> BinaryIO:
    """A new file of that size, locked while it is open."""
    file = temporary.open("xb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(size)
    except BaseException:
        file.close()
        raise
    return file


def _abandoned(path: Path) -> bool:
    try:
        with open_regular(path, follow=False) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is being written, gone, or no file
        return False
    return True


def _rounded_up(size: float) -> str:
    """The size rounded up to two digits, as it is typed."""
    step = 10 ** max(0, math.floor(math.log10(size)) - 1)
    return format_bytes(math.ceil(size / step) * step).replace(" ", "")
