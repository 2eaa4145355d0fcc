"""Experience on disk before its chunk of training has ended: drafts, which hold episodes as they end.

A training maps what it has lived itself, so that it takes no memory of its own, and where a run shares experience live,
its others read it meanwhile. A draft goes with its trial: what stays is the file that is made of it
(`checkpoints.experience`).

A draft is a row of records, each at a multiple of 64 bytes: the size of its content in 8 bytes, zeros up to 64, and the
content of an experience file with one part. The size is written last, so a record is seen whole or not at all.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import BinaryIO

import numpy as np

from archloom.checkpoints.budget import DRAFT, DiskBudget
from archloom.checkpoints.experience import EXPERIENCE, Episodes, decoded, encoded
from archloom.checkpoints.store import CheckpointFolder, Place, remove
from archloom.errors import StoreError

_ALIGN = 64

_SMALL = 1 << 16
"""Episodes of fewer bytes stay in memory: there is a limit to how many pieces of files a process may map."""

_LONG = 1 << 28
"""A draft of so many bytes is followed by another one, so that it can go when its episodes are no longer replayed."""


class EpisodeDraft:
    """What a trial lives, on disk as it comes, and what others live meanwhile. A context, at whose end it goes."""

    def __init__(self, place: Place, read: Collection[int]) -> None:
        """`read`: the trials whose experience the training reads anyway."""
        self._folder, self._trial = place.folder.of(EXPERIENCE), place.trial
        self._files: list[_DraftFile] = []
        self._holds: deque[_DraftFile | None] = deque()  # by episode, oldest first: where it is, None in memory
        newest = max(read, default=-1)
        self._others = _Others(self._folder, place.trial, newest) if place.folder.live else None

    def __enter__(self) -> EpisodeDraft:
        self._folder.path.mkdir(exist_ok=True)
        for trial, left in self._folder.numbered(DRAFT):
            if trial == self._trial:  # of a worker that was killed
                remove(left)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()
        if self._others is not None:
            self._others.close()

    def add(self, episodes: Episodes) -> Episodes:
        """Take episodes that have ended; the same ones, mapped from disk unless they are small or there is no room."""
        small = episodes.nbytes < _SMALL
        written = None if small and self._others is None else self._written(episodes)
        self._holds.append(None if written is None else self._files[-1])
        return episodes if written is None or small else written

    def drop(self) -> None:
        """The oldest ones of those that were added will not be replayed any more."""
        file = self._holds.popleft()
        if file is not None and file is not self._files[-1] and file not in self._holds:
            self._files.remove(file)
            file.close()

    def news(self) -> Sequence[Episodes]:
        """What others have lived, or left, since this was asked last, oldest first; nothing unless they share it."""
        return () if self._others is None else self._others.news()

    def _written(self, episodes: Episodes) -> Episodes | None:
        try:
            if not self._files or self._files[-1].end >= _LONG:
                self._files.append(_DraftFile(self._folder, self._trial))
            return self._files[-1].append(episodes)
        except OSError:  # a full disk: whatever is in memory can be learnt from all the same
            return None


class _DraftFile:
    def __init__(self, folder: CheckpointFolder, trial: int) -> None:
        self._owner = folder.owner(trial)
        self._budget: DiskBudget | None = folder.budget
        self._path = folder.path / f".{trial:06d}.draft.{secrets.token_hex(8)}.tmp"
        self._file = _begun(self._path) if self._budget is None else self._budget.begin_draft(self._path)
        self._mapped = self._path.open("rb")
        self.end = 0

    def append(self, episodes: Episodes) -> Episodes | None:
        """The same, mapped; None if there is no room."""
        begin, frames = encoded([episodes], self._owner)
        size = len(begin) + sum(map(len, frames))
        if self._budget is not None and not self._budget.grow(self._file, self._path, self.end + _ALIGN + size):
            return None
        place = self.end + _ALIGN
        for block in (memoryview(begin), *frames):
            place = self._write(block, place)
        self._write(memoryview(size.to_bytes(8, "little")), self.end)
        found = _record(self._mapped, self.end, self._owner, whole=False)
        self.end = -(-place // _ALIGN) * _ALIGN
        return None if found is None else found[0]

    def close(self) -> None:
        remove(self._path)
        self._file.close()
        self._mapped.close()

    def _write(self, content: memoryview, place: int) -> int:
        while content:
            written = os.pwrite(self._file.fileno(), content, place)
            content, place = content[written:], place + written
        return place


class _Others:
    """Reads what trials of the same run leave that are newer than what a training reads anyway."""

    def __init__(self, folder: CheckpointFolder, own: int, newest: int) -> None:
        self._folder, self._own, self._newest = folder, own, newest
        self._known: set[int] = set()
        """Trials whose drafts were read, or whose files."""
        self._drafts: dict[Path, tuple[int, BinaryIO, int]] = {}
        """By draft: its trial, the open file, and where the next record begins."""

    def news(self) -> Sequence[Episodes]:
        found: list[Episodes] = []
        drafts = self._newer(DRAFT)
        complete = self._newer(None)
        for draft, trial in drafts.items():
            if draft not in self._drafts:
                with suppress(FileNotFoundError):
                    self._drafts[draft] = trial, draft.open("rb"), 0
                    self._known.add(trial)
        for file, trial in complete.items():
            if trial not in self._known:
                self._known.add(trial)
                found += self._left(file, trial)
        for draft in list(self._drafts):
            found += self._continued(draft)
            if draft not in drafts:  # it has gone, and what it had at last is read
                self._drafts.pop(draft)[1].close()
        return found

    def close(self) -> None:
        for _, file, _ in self._drafts.values():
            file.close()

    def _newer(self, pattern: str | None) -> dict[Path, int]:
        numbered = sorted(self._folder.numbered(pattern))
        return {file: trial for trial, file in numbered if trial > self._newest and trial != self._own}

    def _left(self, file: Path, trial: int) -> Sequence[Episodes]:
        try:
            left: Sequence[Episodes] = self._folder.load(trial)
        except StoreError:
            if file.exists():
                raise
            return ()  # nobody will read it any more: newer ones are all that a replay holds
        return left

    def _continued(self, draft: Path) -> Sequence[Episodes]:
        found = []
        trial, file, place = self._drafts[draft]
        while record := _record(file, place, self._folder.owner(trial), whole=True):
            episodes, place = record
            found.append(episodes)
        self._drafts[draft] = trial, file, place
        return found


def _record(file: BinaryIO, place: int, owner: str, whole: bool) -> tuple[Episodes, int] | None:
    """The record at a place, and where the next one begins; None if it is not there yet."""
    size = int.from_bytes(os.pread(file.fileno(), 8, place), "little")
    if not size:
        return None
    try:
        episodes, said = decoded(np.memmap(file, np.uint8, "r", place + _ALIGN, (size,)), whole)
    except ValueError:  # on a shared file system parts of a file may come late
        return None
    if said != owner:
        return None
    if episodes.nbytes < _SMALL:
        episodes = Episodes(*(np.array(getattr(episodes, field.name)) for field in fields(episodes)))
    return episodes, place + _ALIGN + -(-size // _ALIGN) * _ALIGN


def _begun(path: Path) -> BinaryIO:
    file = path.open("xb")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file
