"""Where the states of trainings are kept between trials, and which of them may go.

A state is a file named after the trial that ended in it. Workers read what a recipe needs and write what they made; the
driver never sees the weights.
"""

from __future__ import annotations

import json
import warnings
from bisect import insort
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

from archloom.checkpoints.budget import DiskBudget, disk_usage, format_bytes, parse_bytes, resuming
from archloom.constraints import Criteria
from archloom.errors import InputError, StoreError
from archloom.types import Inherit, Trial, Weights
from archloom.utils.files import TEMPORARY, replacing, write_json

SUFFIX = ".safetensors"

Writing = Callable[[Path, int], AbstractContextManager[BinaryIO]]
"""Begins a file of so many bytes, which is there whole or not at all."""


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


@dataclass(frozen=True)
class RetentionPolicy:
    """What a user says about the states of a run; it changes no result.

    `keep`: so many of the best trials' states stay, besides those that are needed; None for all. `disk_budget`: bytes
    that `runs` runs may take together, in equal shares; None for as many as there are.
    """

    FILE: ClassVar[str] = "keeping.json"

    keep: int | None = 1
    disk_budget: int | None = None
    runs: int = 1

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 1:
            raise InputError(f"keep={self.keep}: expected at least 1, for the best trial, or all")
        if self.disk_budget is not None and self.disk_budget < self.runs:
            raise InputError(f"disk_budget={self.disk_budget}: expected bytes for {self.runs} runs, or none")

    @classmethod
    def read(cls, folder: Path) -> RetentionPolicy:
        """What was last said about the run, or the group of runs, in a folder; the default where nothing was."""
        try:
            return cls(**json.loads((folder / cls.FILE).read_bytes()))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"{folder}/{cls.FILE} cannot be read ({error}): remove it, and say --keep and --disk-budget again"
            ) from None

    def overridden(self, said: Overrides) -> RetentionPolicy:
        """This, but for what is said now."""
        return RetentionPolicy(**{**asdict(self), **said})

    def write(self, folder: Path) -> None:
        write_json(folder / self.FILE, asdict(self))

    def states(self, folder: Path, run: Path) -> CheckpointFolder:
        """The states in `folder` of the run in `run`."""
        if self.disk_budget is None:
            return CheckpointFolder(folder)
        told = run if self.runs == 1 else next((p for p in run.parents if (p / "group.json").exists()), run)
        return CheckpointFolder(folder, DiskBudget(folder, self.disk_budget // self.runs, resuming(told), self.runs))

    def __str__(self) -> str:
        budget = "" if self.disk_budget is None else f", --disk-budget {format_bytes(self.disk_budget)}"
        return f"--keep {'all' if self.keep is None else self.keep}{budget}"


Overrides = Mapping[str, int | None]
"""Fields of `RetentionPolicy` that the user has given just now; the others are as they were."""

NO_OVERRIDES: Overrides = {}


def parse_overrides(keep: str | None, disk_budget: str | None) -> dict[str, int | None]:
    """What the texts of `--keep` and `--disk-budget` say; None for one that was not given."""
    given: dict[str, int | None] = {}
    if keep is not None:
        if keep != "all" and (not keep.isdecimal() or int(keep) < 1):
            raise InputError(f"--keep {keep}: expected how many of the best trials' states stay, at least 1, or all")
        given["keep"] = None if keep == "all" else int(keep)
    if disk_budget is not None:
        try:
            given["disk_budget"] = None if disk_budget == "none" else parse_bytes(disk_budget)
        except ValueError as error:
            raise InputError(f"--disk-budget {disk_budget}: {error}, or none") from None
        if given["disk_budget"] == 0:
            raise InputError(f"--disk-budget {disk_budget}: expected more than nothing, or none for no limit")
        given["runs"] = 1
    return given


def sources(inherit: Inherit | None, kind: str = STATE.name) -> set[int]:
    """The trials whose states, or things of another kind, a recipe needs."""
    if inherit is None:
        return set()
    if kind != STATE.name:
        return set(inherit.files.get(kind, ()))
    return {inherit.base} | {trial for trial in inherit.donors.values() if trial is not None}


class Retention:
    """Which states stay: those that the strategy needs, those of trials in flight, and the best ever; besides, as long
    as there is room, those of the `keep` best (None: of all).

    The best has the best value of the first objective, at the highest fidelity that was reached, among those that keep
    all constraints, as `History.best` says.

    Sweeping is safe: a strategy's needs follow from the trials it was told, so that what was dropped is never asked for
    again, also after a crash. While a record is replayed, states of trials that are yet to be told stay.
    """

    def __init__(
        self,
        states: CheckpointStore,
        criteria: Criteria,
        keep: int | None = 1,
        members: int = 1,
        others: Mapping[str, CheckpointStore] | None = None,
    ) -> None:
        """`members`: so many states at least will be needed at once. `others`: things of other kinds, by name; of these
        only what is needed stays."""
        self._states = states
        self._others = dict(others or {})
        self._criteria = criteria
        self._keep = keep
        self._members = self._to_foresee = members
        self._ranked: list[tuple[float, int, float, int]] = []
        """(violation, minus the fidelity, minus the gain, trial), the best first."""

    def begin(self, recorded: Collection[int]) -> None:
        """Drop what killed workers left: states of trials that are not recorded, which will be trained again."""
        for states in (self._states, *self._others.values()):
            states.drop_all_but(recorded)

    def told(self, trial: Trial, fidelity: int = 0) -> None:
        """Take note of a trial that was evaluated at a fidelity, and has a state of its own unless it failed."""
        if not trial.result.ok:
            return
        if self._to_foresee:
            self._to_foresee = 0 if self._states.warn_if_short(self._members) else self._to_foresee - 1
        violation = self._criteria.violation(trial.result)
        place = (-fidelity, -self._criteria.utilities(trial.result)[0]) if violation <= 0 else (0, 0.0)
        insort(self._ranked, (violation, *place, trial.id))
        if self._keep is not None:
            del self._ranked[self._keep :]

    def sweep(
        self, told: int, needed: Mapping[str, Iterable[int]] | Iterable[int], in_flight: Iterable[Inherit | None]
    ) -> None:
        """Drop what nobody needs now that trial `told` and all before it are told; `needed` by kind, or states
        alone."""
        by_kind = needed if isinstance(needed, Mapping) else {STATE.name: needed}
        recipes = list(in_flight)
        for name, things in self._others.items():
            things.drop(told, set(by_kind.get(name, ())).union(*(sources(recipe, name) for recipe in recipes)))
        keep = set(by_kind.get(STATE.name, ())).union(*map(sources, recipes))
        keep.update(trial for *_, trial in self._ranked[:1])
        self._states.drop(told, keep, [trial for *_, trial in reversed(self._ranked) if trial not in keep])
