"""What proposals inherit: as the record says it, and as whoever evaluates them needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from archloom.checkpoints.chains import Chains, Leaving
from archloom.checkpoints.store import STATE
from archloom.types import Inherit


class Recipes:
    """The recipes of a run's proposals.

    If trials leave more than their checkpoints (`leaves`), a training that goes on reads what it left itself, unless
    the strategy says what it reads.
    """

    def __init__(self, leaves: Leaving | None = None) -> None:
        self.origin: dict[int, int] = {}
        """A repeat -> the trial that answers for it and has what it left."""
        self._chains = None if leaves is None else Chains(leaves)

    def add(self, trial: int, inherit: Inherit | None, fidelity: int) -> None:
        """A trial that is evaluated with this recipe, which is complete, at a fidelity."""
        if self._chains is not None:
            self._chains.add(trial, self.mapped(inherit), fidelity)

    def completed(self, inherit: Inherit | None) -> Inherit | None:
        """A recipe of a strategy with all that it leaves open: as it is recorded."""
        if inherit is None or self._chains is None or self._chains.kind in inherit.files:
            return inherit
        read = self._chains.of(self._mapped(inherit.base))
        return replace(inherit, files={**inherit.files, self._chains.kind: read})

    def mapped(self, inherit: Inherit | None) -> Inherit | None:
        """A recipe that names the trials that have checkpoints: a repeat has none of its own."""
        if inherit is None or not self.origin:
            return inherit
        donors = {gene: t if t is None else self._mapped(t) for gene, t in inherit.donors.items()}
        files = {kind: tuple(map(self._mapped, trials)) for kind, trials in inherit.files.items()}
        return replace(inherit, base=self._mapped(inherit.base), donors=donors, files=files)

    def needed(self, by_kind: Mapping[str, Iterable[int]]) -> dict[str, set[int]]:
        """What a strategy says that it needs, with the trials that have it: where it does not say of which trials it
        needs what they left, it needs what those read that continue from the states that it needs."""
        found = {kind: set(map(self._mapped, trials)) for kind, trials in by_kind.items()}
        if self._chains is not None and self._chains.kind not in found:
            found[self._chains.kind] = set[int]().union(*map(self._chains.of, found.get(STATE.name, ())))
        return found

    def _mapped(self, trial: int) -> int:
        return self.origin.get(trial, trial)
