"""Which files of earlier trials a training reads, where trials leave some beside their checkpoints.

A training that goes on is to read what it left itself: the files of the trial that it continues from, of the one that
this continued from, and so on, as far back as they matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archloom.checkpoints.store import Kind
from archloom.types import Inherit


@dataclass(frozen=True)
class Leaving:
    """What the trials of a problem leave besides checkpoints, for later trainings to read.

    `reach`: a training reads what was left in at most so many units of the resource (epochs, say), the latest ones.
    """

    kind: Kind
    reach: int


class Chains:
    """For each trial that something may continue from: the trials whose files are read then, oldest first, at the end
    itself."""

    def __init__(self, leaving: Leaving) -> None:
        self.kind = leaving.kind.name
        self._reach = leaving.reach
        self._trained: dict[int, int] = {}
        """By trial: for how many units its training had been trained in all."""
        self._units: dict[int, int] = {}
        """By trial: in how many of these it left its file."""
        self._chains: dict[int, tuple[int, ...]] = {}

    def add(self, trial: int, inherit: Inherit | None, trained: int) -> None:
        """A trial with this recipe, which is trained for so many units in all when it ends."""
        before = 0 if inherit is None else self._trained.get(inherit.base, 0)
        self._trained[trial], self._units[trial] = trained, trained - before
        read = () if inherit is None else inherit.files.get(self.kind, ())
        self._chains[trial] = self.latest((*read, trial))

    def of(self, trial: int) -> tuple[int, ...]:
        """The chain that ends with a trial."""
        return self._chains.get(trial, ())

    def latest(self, trials: Sequence[int]) -> tuple[int, ...]:
        """Of these trials, oldest first, as many of the last as together reach as far back as is read."""
        units, first = 0, len(trials)
        while first and units < self._reach:
            first -= 1
            units += self._units.get(trials[first], 0)
        return tuple(trials[first:])

    def keep(self, ends: Iterable[int], others: Iterable[int] = ()) -> None:
        """Forget all chains but those that end with these trials, and all trials that are in none, but these others."""
        self._chains = {trial: self._chains[trial] for trial in ends if trial in self._chains}
        known = set(others).union(*self._chains.values())
        for numbers in (self._trained, self._units):
            for trial in numbers.keys() - known:
                del numbers[trial]

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "trained": [[trial, self._trained[trial], self._units[trial]] for trial in self._trained],
            "chains": [[trial, list(chain)] for trial, chain in self._chains.items()],
        }

    def restore(self, dumped: Mapping[str, Any]) -> None:
        """Take back what `dump` gave."""
        self._trained = {trial: trained for trial, trained, _ in dumped["trained"]}
        self._units = {trial: units for trial, _, units in dumped["trained"]}
        self._chains = {trial: tuple(chain) for trial, chain in dumped["chains"]}
