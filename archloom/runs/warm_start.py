"""What a run was warm started with: trials of earlier runs, of which its folder keeps a copy of its own.

The copy, `earlier.jsonl`, is written before the run begins, and the request holds its SHA-256. So a run is resumed with
the very trials that it began with, whatever became of the runs that they are from. The file has a line for each of
these runs, which says what it optimised, each followed by a line for each of its trials, without reports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from archloom.constraints import Criteria
from archloom.errors import StoreError
from archloom.runs.record import EARLIER, TrialRecord
from archloom.strategies.base import EarlierRun
from archloom.utils.files import guarded, read_file, replace_file, unreadable
from archloom.utils.options import NonNegativeInt
from archloom.utils.text import one_line


@dataclass(frozen=True)
class Source:
    """A folder of one run or several, how many trials were taken from it, and `EarlierRun.same_problem` of them all."""

    run: str
    trials: int
    same_problem: bool = False

    def __str__(self) -> str:
        return self._named(self.run)

    @property
    def short(self) -> str:
        """The same with the folder's name in place of its path."""
        return self._named(Path(self.run).name)

    def _named(self, run: str) -> str:
        trials = f"{self.trials:,} {'trial' if self.trials == 1 else 'trials'}"
        return one_line(f"{trials} of {run} ({'the same' if self.same_problem else 'another'} problem)")


@dataclass(frozen=True)
class WarmStart:
    """What a run was warm started with; `sha256` is that of the copy of the trials."""

    sources: tuple[Source, ...]
    sha256: str

    def __str__(self) -> str:
        return ", ".join(map(str, self.sources))

    @property
    def short(self) -> str:
        """The same with folders' names in place of their paths."""
        return ", ".join(source.short for source in self.sources)


class TakenRun(msgspec.Struct, frozen=True):
    """A single run whose trials were taken. See `EarlierRun`."""

    criteria: Criteria
    same_problem: bool
    lines: tuple[TrialRecord, ...]


class _Head(msgspec.Struct, frozen=True):
    """The line of a run."""

    criteria: Criteria
    same_problem: bool
    trials: NonNegativeInt


@dataclass(frozen=True)
class Earlier:
    """The content of `earlier.jsonl`."""

    taken: tuple[TakenRun, ...]

    @property
    def runs(self) -> tuple[EarlierRun, ...]:
        """What a strategy gets."""
        return tuple(
            EarlierRun(run.criteria, tuple(line.trial.without_report() for line in run.lines), run.same_problem)
            for run in self.taken
        )

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.encode()).hexdigest()

    def encode(self) -> bytes:
        return b"".join(msgspec.json.encode(line) + b"\n" for line in self._lines())

    def _lines(self) -> Iterator[_Head | TrialRecord]:
        for run in self.taken:
            yield _Head(run.criteria, run.same_problem, len(run.lines))
            yield from (msgspec.structs.replace(line, report={}, details={}) for line in run.lines)

    @classmethod
    def decode(cls, content: bytes) -> Earlier:
        """ValueError for what `encode` cannot have written."""
        lines = iter(content.splitlines())
        taken = []
        for raw in lines:
            head = msgspec.json.decode(raw, type=_Head)
            trials = tuple(msgspec.json.decode(line, type=TrialRecord) for line in islice(lines, head.trials))
            if len(trials) < head.trials:
                raise ValueError(f"{head.trials} trials announced, {len(trials)} there")
            taken.append(TakenRun(head.criteria, head.same_problem, trials))
        return cls(tuple(taken))

    @classmethod
    def read(cls, path: Path, known: WarmStart) -> Earlier:
        """The copy in the folder at `path`; StoreError if it is not what that run, or group of runs, began with."""
        file = path / EARLIER
        cure = "it holds the trials of the warm start: restore it from a copy, or start a new run"
        try:
            content = read_file(file)
        except FileNotFoundError:
            raise StoreError(f"{file} is lost; {cure}") from None
        except OSError as error:
            raise unreadable(file, error) from error
        if hashlib.sha256(content).hexdigest() != known.sha256:
            raise StoreError(f"{file} has changed since archloom wrote it; {cure}")
        try:
            return cls.decode(content)
        except ValueError as error:
            raise StoreError(f"{file} cannot be read ({one_line(str(error), 200)}); {cure}") from None

    def write(self, path: Path) -> None:
        """Keep a copy in the folder at `path`."""
        content = self.encode()
        guarded(path, lambda: replace_file(path / EARLIER, content))
