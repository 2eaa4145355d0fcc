"""Where checkpoints, the saved states of trainings, are kept between trials.

A checkpoint is a file named after the trial whose training it continues. Workers read what a recipe needs and write
what they made; the driver never sees the weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
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
    """What a trial leaves in a file: states of trainings, or another kind of thing that later trials read.

    Args:
        name: what recipes and strategies call it.
        suffix: what its files' names end in; no two kinds of a run share one.
        load: reads a file; StoreError if it is damaged or not there.
        save: writes a value into a file that it begins with the given `Writing`.
    """

    name: str
    suffix: str
    load: Callable[[Path], Any]
    save: Callable[[Path, Any, Writing], None]


def _load_state(path: Path) -> Any:
    from archloom.checkpoints.state_file import load_state

    return load_state(path)


def _save_state(path: Path, state: Any, writing: Writing) -> None:
    from archloom.checkpoints.state_file import save_state

    save_state(path, state, writing)


STATE = Kind("state", SUFFIX, _load_state, _save_state)


class CheckpointSource(Protocol):
    """Where an evaluation takes states of trainings from, by trial, and puts its own."""

    def load(self, trial: int) -> Weights:
        """The state in which a trial ended; StoreError where it is not there or damaged."""
        ...

    def save(self, trial: int, state: Weights) -> None:
        """Keep the state of a trial, on disk when this returns if it is kept on disk at all.

        StoreError where there is no room: no fault of the trial's, the run must stop.
        """
        ...


class CheckpointStore(CheckpointSource, Protocol):
    """All states of a run."""

    def drop(self, upto: int, keep: Iterable[int], evictable: Sequence[int] | None = None) -> None:
        """Drop the states of trials 0 to `upto`, and whatever killed writers left of them, but for those to keep.

        Those to spare stay too as long as there is room; if there is not, the first of them go first. None says nothing
        of them, as for kinds that are needed or not.
        """
        ...

    def drop_all_but(self, trials: Collection[int]) -> None:
        """Drop all other states, whatever their trial, and everything half-written. Nobody may be writing."""
        ...

    def warn_if_short(self, count: int) -> bool:
        """Warn, and return True, if so many states of the size of those that are there will not fit."""
        ...


@dataclass
class CheckpointsInMemory:
    """For runs that need not survive."""

    kept: dict[int, Any] = field(default_factory=dict)

    def load(self, trial: int) -> Weights:
        return self.kept[trial]

    def save(self, trial: int, state: Weights) -> None:
        self.kept[trial] = state

    def drop(self, upto: int, keep: Iterable[int], evictable: Sequence[int] | None = None) -> None:
        wanted = {*keep, *(evictable or ())}
        self.kept = {trial: state for trial, state in self.kept.items() if trial > upto or trial in wanted}

    def drop_all_but(self, trials: Collection[int]) -> None:
        self.kept = {trial: state for trial, state in self.kept.items() if trial in trials}

    def warn_if_short(self, count: int) -> bool:
        return False  # memory has no budget


@dataclass(frozen=True)
class CheckpointFolder:
    """A folder with one file a state. Several processes may use it; each file is there whole or not at all.

    With a `room`, which is for that folder, its files never take more than that allows. Things of another `kind` may
    stand in the same folder, under the same limit.
    """

    path: Path
    room: DiskBudget | None = None
    kind: Kind = STATE

    def of(self, kind: Kind) -> CheckpointFolder:
        """What is of another kind in the same folder."""
        return replace(self, kind=kind)

    def load(self, trial: int) -> Weights:
        return self.kind.load(self.file(trial))

    def save(self, trial: int, state: Weights) -> None:
        self.path.mkdir(exist_ok=True)
        self.kind.save(self.file(trial), state, self._writing(trial))

    def save_content(self, trial: int, content: memoryview) -> None:
        """`save` for the bytes of a state's file."""
        self.path.mkdir(exist_ok=True)
        try:
            with self._writing(trial)(self.file(trial), content.nbytes) as file:
                file.write(content)
        except OSError as error:
            raise StoreError(f"{self.file(trial)}: {error.strerror or error}; the state was not written") from error

    def _writing(self, trial: int) -> Writing:
        """What begins the file of a state of so many bytes."""
        if self.room is None:
            return lambda path, _size: replacing(path)
        return partial(self.room.writing, order=trial)

    def drop(self, upto: int, keep: Iterable[int], evictable: Sequence[int] | None = None) -> None:
        wanted = {*keep, *(evictable or ())}
        for trial, file in self._numbered(f"*{self.kind.suffix}"):
            if trial <= upto and trial not in wanted:
                file.unlink(missing_ok=True)
        for trial, file in self._numbered(TEMPORARY):
            if trial <= upto:  # told: whoever was writing this was killed
                file.unlink(missing_ok=True)
        if self.room is not None and evictable is not None:
            self.room.plan(upto, [self.file(trial).name for trial in evictable])

    def drop_all_but(self, trials: Collection[int]) -> None:
        kept = {file for trial, file in self._numbered(f"*{self.kind.suffix}") if trial in trials}
        for pattern in (f"*{self.kind.suffix}", TEMPORARY):
            for _, file in self._numbered(pattern):
                if file not in kept:
                    file.unlink(missing_ok=True)

    def warn_if_short(self, count: int) -> bool:
        files, size = disk_usage(self.path)
        if self.room is None or not files or size * count <= self.room.limit * files:
            return False
        warnings.warn(
            f"states take {format_bytes(size / files)} each so far, and {count} of them will be needed at once: with a "
            f"--disk-budget of {format_bytes(self.room.limit)} for the run it will stop for want of room; to give it "
            f"more, stop it, then: {self.room.advice(size * count // files)}",
            stacklevel=2,
        )
        return True

    def file(self, trial: int) -> Path:
        """Where a trial's state is."""
        return self.path / f"{trial:06d}{self.kind.suffix}"

    def _numbered(self, pattern: str) -> list[tuple[int, Path]]:
        """Files with the trials that they are of: "000012.safetensors" and ".000012.safetensors.x.tmp"."""
        found = [(file.name.lstrip(".").partition(".")[0], file) for file in self.path.glob(pattern)]
        return [(int(number), file) for number, file in found if number.isdecimal()]


def sources(inherit: Inherit | None, kind: str = STATE.name) -> set[int]:
    """The trials whose states, or things of another kind, a recipe needs."""
    if inherit is None:
        return set()
    if kind != STATE.name:
        return set(inherit.files.get(kind, ()))
    return {inherit.base} | {trial for trial in inherit.donors.values() if trial is not None}
