"""What there is to read on failed trials: `failures/TRIAL.txt` in a run's folder, and their reasons with counts.

A file has the reason, the traceback and what the trial printed; it is no part of the record, and nothing reads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

FOLDER = "failures"

MOST_FILES = 100
"""How many failed trials of a run are kept like this: the first ones."""

# What a terminal would obey: a file is read with cat.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Line(Protocol):
    """What is asked of a line of the record (`runs.record.TrialRecord`)."""

    @property
    def id(self) -> int: ...
    @property
    def query(self) -> int | None: ...
    @property
    def error(self) -> str | None: ...


def file_of(run: Path, trial: int) -> Path:
    return run / FOLDER / f"{trial:06d}.txt"


def keep(run: Path, trial: int, reason: str, trace: str) -> None:
    """Write the file of a failed trial, unless there are `MOST_FILES`. Never fails: the record has the reason."""
    path = file_of(run, trial)
    text = _CONTROLS.sub("", f"trial {trial}: {reason}\n\n{trace}\n".replace("\r", "\n"))
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        if path.parent.is_symlink() or len(list(path.parent.iterdir())) >= MOST_FILES:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
            file.write(text.encode(errors="backslashreplace"))


@dataclass(frozen=True)
class Reason:
    """A reason for which trials failed: how many, and the first of them."""

    text: str
    count: int
    first: int


def reasons(lines: Iterable[Line]) -> list[Reason]:
    """The reasons of failed queries, the most frequent first."""
    found: dict[str, list[int]] = {}
    for line in lines:
        if line.error is not None and line.query is not None:
            found.setdefault(line.error, []).append(line.id)
    return sorted((Reason(text, len(ids), min(ids)) for text, ids in found.items()), key=lambda r: (-r.count, r.first))


def first_file(run: Path | None, failed: Sequence[Line]) -> Path | None:
    """The file of the first failed trial that has one."""
    if run is None:
        return None
    return next((path for line in failed if (path := file_of(run, line.id)).is_file()), None)
