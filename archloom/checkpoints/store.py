"""Where checkpoints, the saved states of trainings, are kept between trials.

A checkpoint is a file named after the trial whose training it continues. Workers read what a recipe needs and write
what they made; the driver never sees the weights.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from archloom.checkpoints.budget import DiskBudget, disk_usage, format_bytes
from archloom.errors import StoreError
from archloom.types import Inherit, Weights
from archloom.utils.files import TEMPORARY, Writing, replacing

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Kind:
    """What a trial leaves in a file: a checkpoint, or another kind of thing that later trials read.

    Args:
        name: what recipes and strategies call it.
        suffix: the ending of its file names; no two kinds in a run share one.
        load: reads a file; StoreError if it is damaged, missing, or says that it is not of the given owner.
        save: writes a value into a file, which it opens with the given `Writing`. The file may say whose it is.
        noun: what one is called in errors.
        check: raises StoreError unless a file is whole and of the given owner; None: `load` finds all that is wrong.
    """

    name: str
    suffix: str
    load: Callable[[Path, str], Any]
    save: Callable[[Path, Any, Writing, str], None]
    noun: str
    check: Callable[[Path, str], object] | None = None


def _load_state(path: Path, owner: str) -> Any:
    from archloom.checkpoints.state_file import load_state

    return load_state(path, owner)


def _save_state(path: Path, state: Any, writing: Writing, owner: str) -> None:
    from archloom.checkpoints.state_file import save_state

    save_state(path, state, writing, owner)


STATE = Kind("state", SUFFIX, _load_state, _save_state, "checkpoint")


@dataclass(frozen=True)
class Place:
    """Where a trial may write what it will leave while it comes to be, beside the file in `folder` that it will be."""

    folder: CheckpointFolder
    trial: int


class CheckpointSource(Protocol):
    """Where an evaluation reads checkpoints from, by trial, and saves its own."""

    @property
    def alone(self) -> bool:
        """Whether nothing but checkpoints is kept: nobody would read it."""
        ...

    def of(self, kind: Kind) -> CheckpointSource:
        """Where it reads files of another kind from, and saves its own."""
        ...

    def load(self, trial: int) -> Weights:
        """The state in which a trial ended; StoreError if its checkpoint is missing or damaged."""
        ...

    def save(self, trial: int, state: Weights) -> None:
        """Save the state of a trial; if it is saved on disk at all, it is there when this returns.

        StoreError if there is no space: that is not the trial's fault, and the run must stop.
        """
        ...

    def place(self, trial: int) -> Place | None:
        """Where a trial may write while it is evaluated; None: nowhere but in its memory."""
        ...


class CheckpointStore(CheckpointSource, Protocol):
    """All checkpoints of a run."""

    def of(self, kind: Kind) -> CheckpointStore:
        """All files of another kind."""
        ...

    def check(self, trial: int) -> None:
        """StoreError if the checkpoint of a trial is missing or damaged in any part."""
        ...

    def drop(self, upto: int, keep: Iterable[int], evictable: Sequence[int] | None = None) -> None:
        """Drop the checkpoints of trials 0 to `upto`, and partial files of writers that were killed, except those to
        `keep`.

        Evictable ones also stay as long as there is space; when there is not, they are removed in the order given. None
        means that nothing is evictable: everything not in `keep` is dropped, and the eviction plan stays as it was.
        """
        ...

    def drop_all_but(self, trials: Collection[int]) -> None:
        """Drop all other checkpoints, and everything half-written. Nobody may be writing meanwhile."""
        ...

    def warn_if_short(self, count: int, kept: int = 0, besides: Mapping[Kind, int] | None = None) -> bool:
        """Warn and return True if `count` checkpoints of the average size of the present ones will not fit into the
        budget, or without one `kept` of them, if those are more, on the disk; with so many files of other kinds
        `besides`."""
        ...


@dataclass
class CheckpointsInMemory:
    """For runs that do not need to survive."""

    kept: dict[int, Any] = field(default_factory=dict)
    others: dict[str, CheckpointsInMemory] = field(default_factory=dict)
    """What there is of other kinds, by the kind's name."""
    alone: bool = False

    def of(self, kind: Kind) -> CheckpointsInMemory:
        return self.others.setdefault(kind.name, CheckpointsInMemory())

    def check(self, trial: int) -> None:
        self.load(trial)

    def load(self, trial: int) -> Weights:
        if trial not in self.kept:
            raise StoreError(f"the state of trial {trial} is not kept any more")
        return self.kept[trial]

    def save(self, trial: int, state: Weights) -> None:
        self.kept[trial] = state

    def place(self, trial: int) -> None:
        return None

    def drop(self, upto: int, keep: Iterable[int], evictable: Sequence[int] | None = None) -> None:
        wanted = {*keep, *(evictable or ())}
        self.kept = {trial: state for trial, state in self.kept.items() if trial > upto or trial in wanted}

    def drop_all_but(self, trials: Collection[int]) -> None:
        self.kept = {trial: state for trial, state in self.kept.items() if trial in trials}

    def warn_if_short(self, count: int, kept: int = 0, besides: Mapping[Kind, int] | None = None) -> bool:
        return False  # memory has no budget


@dataclass(frozen=True)
class CheckpointFolder:
    """A folder with one file per checkpoint. Several processes may use it; each file appears whole or not at all.

    With a `budget`, which must be for the same folder, its files never take more space than that allows. Files of
    another `kind` may be in the same folder, under the same limit, unless it is for checkpoints `alone`. `run` tells
    the run from others: a checkpoint of another one, or of another trial, is refused. If it is `live`, a trial may also
    read what others leave while it is evaluated itself.
    """

    path: Path
    budget: DiskBudget | None = None
    kind: Kind = STATE
    run: str = ""
    alone: bool = False
    live: bool = False

    def of(self, kind: Kind) -> CheckpointFolder:
        """The files of another kind in the same folder."""
        return replace(self, kind=kind)

    def load(self, trial: int) -> Weights:
        return self.kind.load(self.file(trial), self.owner(trial))

    def check(self, trial: int) -> None:
        (self.kind.check or self.kind.load)(self.file(trial), self.owner(trial))

    def save(self, trial: int, state: Weights) -> None:
        self.path.mkdir(exist_ok=True)
        self.kind.save(self.file(trial), state, self._writing(trial), self.owner(trial))

    def place(self, trial: int) -> Place:
        return Place(self, trial)

    def save_content(self, trial: int, content: memoryview) -> None:
        """`save` for the bytes of a checkpoint's file; StoreError if they are damaged."""
        from archloom.checkpoints.state_file import check_content

        check_content(content, f"the checkpoint of trial {trial}")
        self.path.mkdir(exist_ok=True)
        try:
            with self._writing(trial)(self.file(trial), content.nbytes) as file:
                file.write(content)
        except OSError as error:
            raise StoreError(
                f"{self.file(trial)}: {error.strerror or error}; the checkpoint was not written"
            ) from error

    def _writing(self, trial: int) -> Writing:
        """Opens the file of a trial's checkpoint for writing, given its size in bytes."""
        if self.budget is None:
            return lambda path, _size: replacing(path)
        return partial(self.budget.writing, order=trial, what=self.kind.noun)

    def drop(self, upto: int, keep: Iterable[int], evictable: Sequence[int] | None = None) -> None:
        wanted = {*keep, *(evictable or ())}
        for trial, file in self.numbered():
            if trial <= upto and trial not in wanted:
                remove(file)
        for trial, file in self.numbered(TEMPORARY):
            if trial <= upto:  # the trial was told, so whoever was writing this was killed
                remove(file)
        if self.budget is not None and evictable is not None:
            self.budget.plan(upto, [self.file(trial).name for trial in evictable])

    def drop_all_but(self, trials: Collection[int]) -> None:
        kept = {file for trial, file in self.numbered() if trial in trials}
        for _, file in (*self.numbered(), *self.numbered(TEMPORARY)):
            if file not in kept:
                remove(file)

    def warn_if_short(self, count: int, kept: int = 0, besides: Mapping[Kind, int] | None = None) -> bool:
        if not disk_usage(self.path, self.kind.suffix)[0]:
            return False
        wanted = {self.kind: count, **(besides or {})}
        needed = self._needed(wanted)
        if self.budget is not None and sum(needed.values()) > self.budget.limit:
            warnings.warn(
                f"{_so_far(wanted, needed)} will be needed at once: this run will exceed its --disk-budget of "
                f"{format_bytes(self.budget.limit)} and stop; to raise it, stop the run, then: "
                f"{self.budget.advice(int(sum(needed.values())))}",
                stacklevel=2,
            )
            return True
        wanted[self.kind], free = count if self.budget else max(count, kept), shutil.disk_usage(self.path).free
        needed = self._needed(wanted)
        if sum(needed.values()) - disk_usage(self.path)[1] <= free:
            return False
        warnings.warn(
            f"{_so_far(wanted, needed)} will be there at once, {format_bytes(sum(needed.values()))}, but only "
            f"{format_bytes(free)} are free at {self.path}: it will be full and the run stop; free some space now, or "
            "then, and continue it (archloom resume)",
            stacklevel=2,
        )
        return True

    def _needed(self, wanted: Mapping[Kind, int]) -> dict[Kind, float]:
        """The bytes of so many files of each kind, if they are as large as the present ones; of kinds there are."""
        found = {kind: disk_usage(self.path, kind.suffix) for kind in wanted}
        return {kind: wanted[kind] * size / files for kind, (files, size) in found.items() if files}

    def file(self, trial: int) -> Path:
        """The file of a trial's checkpoint."""
        return self.path / f"{trial:06d}{self.kind.suffix}"

    def owner(self, trial: int) -> str:
        """Whose a trial's checkpoint is, as its file says it."""
        return f"{self.run}/{trial}"

    def numbered(self, pattern: str | None = None) -> list[tuple[int, Path]]:
        """Files with the ids of their trials: "000012.safetensors", or by a pattern ".000012.safetensors.x.tmp"."""
        pattern = f"*{self.kind.suffix}" if pattern is None else pattern
        found = [(file.name.lstrip(".").partition(".")[0], file) for file in self.path.glob(pattern)]
        return [(int(number), file) for number, file in found if number.isdecimal()]


def _so_far(wanted: Mapping[Kind, int], needed: Mapping[Kind, float]) -> str:
    """In words, how large files of each kind are on average, and how many there will be."""
    sizes = [f"{kind.noun}s take {format_bytes(size / wanted[kind])} each" for kind, size in needed.items()]
    return f"{' and '.join(sizes)} so far, and {' and '.join(f'{wanted[kind]:,}' for kind in needed)} of them"


def remove(file: Path) -> None:
    """Remove a file, if there is one; a folder in its place is none of ours, and stays."""
    try:
        file.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):
        if not file.is_dir():
            raise


def sources(inherit: Inherit | None, kind: str = STATE.name) -> set[int]:
    """The trials whose checkpoints, or files of another kind, a recipe needs."""
    if inherit is None:
        return set()
    if kind != STATE.name:
        return set(inherit.files.get(kind, ()))
    return {inherit.base} | {trial for trial in inherit.donors.values() if trial is not None}
