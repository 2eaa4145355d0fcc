"""Which checkpoints of a run stay and which may go: what the user asks for, and what the search still needs."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from archloom.checkpoints.budget import DiskBudget, format_bytes, parse_bytes, resuming
from archloom.checkpoints.store import STATE, CheckpointFolder, CheckpointStore, Kind, sources
from archloom.constraints import Criteria, Scored
from archloom.errors import InputError, StoreError
from archloom.types import Inherit
from archloom.utils.documents import read_document
from archloom.utils.files import write_json


@dataclass(frozen=True)
class RetentionPolicy:
    """What a user wants to keep of a run's checkpoints; it changes no result.

    `keep`: the checkpoints of that many of the best trials stay, besides those that are needed; None for all.
    `disk_budget`: bytes that `runs` runs may take together, in equal shares; None for no limit.
    """

    FILE: ClassVar[str] = "keeping.json"

    keep: int | None = 1
    disk_budget: int | None = None
    runs: int = 1

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 1:
            raise InputError(f"keep={self.keep}: expected at least 1 (the best trial), or all")
        if self.disk_budget is not None and self.disk_budget < self.runs:
            raise InputError(f"disk_budget={self.disk_budget}: expected bytes for {self.runs} runs, or none")

    @classmethod
    def read(cls, folder: Path) -> RetentionPolicy:
        """The policy last set for the run, or the group of runs, in a folder; the default if none was."""
        try:
            return read_document(folder / cls.FILE, cls)
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise InputError(
                f"{folder}/{cls.FILE} cannot be read ({reason}): remove it, and give --keep and --disk-budget again"
            ) from None

    def overridden(self, overrides: Overrides) -> RetentionPolicy:
        """This policy with some fields replaced."""
        return RetentionPolicy(**{**asdict(self), **overrides})

    def write(self, folder: Path) -> None:
        write_json(folder / self.FILE, asdict(self))

    def checkpoints(self, folder: Path, run: Path, mark: str = "") -> CheckpointFolder:
        """The checkpoints in `folder` of the run in `run`, which `mark` tells from others."""
        if self.disk_budget is None:
            return CheckpointFolder(folder, run=mark)
        resumed = run if self.runs == 1 else next((p for p in run.parents if (p / "group.json").exists()), run)
        budget = DiskBudget(folder, self.disk_budget // self.runs, resuming(resumed), self.runs)
        return CheckpointFolder(folder, budget, run=mark)

    def __str__(self) -> str:
        budget = "" if self.disk_budget is None else f", --disk-budget {format_bytes(self.disk_budget)}"
        return f"--keep {'all' if self.keep is None else self.keep}{budget}"


Overrides = Mapping[str, int | None]
"""Fields of `RetentionPolicy` that the user has given this time; the others stay as they were."""

NO_OVERRIDES: Overrides = {}


def parse_overrides(keep: str | None, disk_budget: str | None) -> dict[str, int | None]:
    """The fields that the strings of `--keep` and `--disk-budget` set; None for an option that was not given."""
    given: dict[str, int | None] = {}
    if keep is not None:
        best = None if keep == "all" else int(keep) if keep.isdecimal() else 0
        if best is not None and best < 1:
            raise InputError(
                f"--keep {keep}: expected the number of best trials whose checkpoints to keep, at least 1, or all"
            )
        given["keep"] = best
    if disk_budget is not None:
        try:
            given["disk_budget"] = None if disk_budget == "none" else parse_bytes(disk_budget)
        except ValueError as error:
            raise InputError(f"--disk-budget {disk_budget}: {error}, or none") from None
        if given["disk_budget"] == 0:
            raise InputError(f"--disk-budget {disk_budget}: expected more than 0, or none for no limit")
        given["runs"] = 1
    return given


Needed = Mapping[str, Iterable[int]] | Iterable[int]
"""Trials by kind, or those whose checkpoints are needed."""


class Retention:
    """Which checkpoints stay: those that the strategy needs, those that trials in flight inherit from, and that of the
    best trial so far; also, as long as there is space, those of the `keep` best trials (None: of all).

    The best trial has the best value of the first objective among those that satisfy all constraints, as a rule at the
    highest fidelity that was reached (`constraints.Winner`), as in `History.best`. While a population is in the middle
    of a chunk, the best of the last one is kept because the strategy needs it.

    Sweeping is safe: a strategy's needs follow from the trials it was told, so what was dropped is never asked for
    again, even after a crash. While a record is replayed, checkpoints of trials that are yet to be told stay.
    """

    def __init__(
        self,
        checkpoints: CheckpointStore,
        criteria: Criteria,
        keep: int | None = 1,
        members: int = 1,
        others: Mapping[str, CheckpointStore] | None = None,
        kept: int = 0,
        besides: Mapping[Kind, int] | None = None,
    ) -> None:
        """`members`: at least that many checkpoints will be needed at once; `kept`: so many there will be, unless a
        budget limits them; `besides`: so many files of other kinds, too. `others`: stores of these, by name, in which
        only what is needed stays."""
        self._checkpoints = checkpoints
        self._others = dict(others or {})
        self._criteria = criteria
        self._keep, self._kept, self._besides = keep, kept, besides
        self._members = self._checks_left = members
        self._ranked: list[tuple[float, int, float, int]] = []
        """(violation, -rank, -utility, trial), the best first."""

    def check(self, needed: Needed, in_flight: Iterable[Inherit | None]) -> None:
        """StoreError if something that a trial to come may inherit is missing or damaged.

        A run that goes on asks this before it evaluates or drops anything, so that nothing has changed then.
        """
        for name, store in ((STATE.name, self._checkpoints), *self._others.items()):
            for trial in sorted(_wanted(name, needed, in_flight)):
                try:
                    store.check(trial)
                except StoreError as error:
                    raise StoreError(
                        f"{error}; the record is unchanged. If lines were removed from its end, put them back: "
                        "checkpoints that later trials did not need have been deleted"
                    ) from None

    def begin(self, recorded: Collection[int]) -> None:
        """Drop what killed workers left: checkpoints of trials that are not recorded, which will be trained again."""
        for checkpoints in (self._checkpoints, *self._others.values()):
            checkpoints.drop_all_but(recorded)

    def told(self, trial: int, answer: Scored, fidelity: int = 0) -> None:
        """Register a trial that was evaluated at a fidelity; unless it failed, it has a checkpoint."""
        if not answer.ok:
            return
        if self._checks_left:
            short = self._checkpoints.warn_if_short(self._members, self._kept, self._besides)
            self._checks_left = 0 if short else self._checks_left - 1
        violation = self._criteria.violation(answer)
        rank = self._criteria.winner.rank(fidelity)
        place = (-rank, -self._criteria.utilities(answer)[0]) if violation <= 0 else (0, 0.0)
        insort(self._ranked, (violation, *place, trial))
        if self._keep is not None:
            del self._ranked[self._keep :]

    def sweep(self, told: int, needed: Needed, in_flight: Iterable[Inherit | None]) -> None:
        """Drop what is no longer needed, now that trial `told` and all before it have been told."""
        recipes = list(in_flight)
        for name, things in self._others.items():
            things.drop(told, _wanted(name, needed, recipes))
        keep = _wanted(STATE.name, needed, recipes)
        keep.update(trial for *_, trial in self._ranked[:1])
        self._checkpoints.drop(told, keep, [trial for *_, trial in reversed(self._ranked) if trial not in keep])


def _wanted(kind: str, needed: Needed, recipes: Iterable[Inherit | None]) -> set[int]:
    """The trials whose checkpoints, or files of another kind, must stay."""
    by_kind = needed if isinstance(needed, Mapping) else {STATE.name: needed}
    return set(by_kind.get(kind, ())).union(*(sources(recipe, kind) for recipe in recipes))
