"""What a run was warm started with: trials of earlier runs, of which its folder keeps a copy of its own.

The copy, `earlier.jsonl`, is written before the run begins, and the request holds its SHA-256. So a run is resumed with
the very trials that it began with, whatever became of the runs that they are from. The file has a line for each of
these runs, which says what it optimised, each followed by a line for each of its trials, without reports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
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
    """A folder of one run or several, how many trials were taken from it, and `EarlierRun.same_problem` of them all.

    `best` is their best value of the new run's first objective, which that need not find again; None if they have none.
    """

    run: str
    trials: int
    same_problem: bool = False
    best: float | None = None

    def __str__(self) -> str:
        return self._named(self.run)

    @property
    def short(self) -> str:
        """The same with the folder's name in place of its path."""
        return self._named(Path(self.run).name)

    def _named(self, run: str) -> str:
        trials = f"{self.trials:,} {'trial' if self.trials == 1 else 'trials'}"
        problem = f"{'the same' if self.same_problem else 'another'} problem"
        best = "" if self.best is None else f", best value {self.best:.6g}"
        return one_line(f"{trials} of {run} ({problem}{best})")


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


@dataclass(frozen=True)
class TakenRun:
    """A single run whose trials are taken. See `EarlierRun`."""

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
    """The `content` of `earlier.jsonl`, byte for byte as the run began with it, and what it says: `runs`, all of whose
    trials are in `lines`."""

    content: bytes
    runs: tuple[EarlierRun, ...]
    lines: tuple[TrialRecord, ...]

    @classmethod
    def of(cls, taken: Iterable[TakenRun]) -> Earlier:
        """What a new run begins with: as it will be read when the run is resumed."""
        return cls.decode(b"".join(msgspec.json.encode(line) + b"\n" for line in _lines(taken)))

    @classmethod
    def decode(cls, content: bytes) -> Earlier:
        """ValueError for what `of` cannot have made."""
        raws = iter(content.splitlines())
        runs: list[EarlierRun] = []
        lines: list[TrialRecord] = []
        for raw in raws:
            head = msgspec.json.decode(raw, type=_Head)
            own = [msgspec.json.decode(line, type=TrialRecord) for line in islice(raws, head.trials)]
            if len(own) < head.trials:
                raise ValueError(f"{head.trials} trials announced, {len(own)} there")
            trials = tuple(line.trial.without_report() for line in own)
            runs.append(EarlierRun(head.criteria, trials, head.same_problem))
            lines += own
        return cls(content, tuple(runs), tuple(lines))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

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
        guarded(path, lambda: replace_file(path / EARLIER, self.content))


def _lines(taken: Iterable[TakenRun]) -> Iterator[_Head | TrialRecord]:
    for run in taken:
        yield _Head(run.criteria, run.same_problem, len(run.lines))
        yield from (msgspec.structs.replace(line, report={}, details={}) for line in run.lines)
