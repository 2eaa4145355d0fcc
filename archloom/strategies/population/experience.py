"""Whose experience the members of a population learn from, where networks act and learn from that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from archloom.checkpoints.chains import Chains, Leaving
from archloom.types import Inherit, Trial


class Reading(ABC):
    """Which trials' experience the next chunks read, or whatever else trials leave (`checkpoints.chains.Leaving`)."""

    shares: ClassVar[bool] = False
    """Whether all read what all leave."""

    def __init__(self, leaving: Leaving) -> None:
        self.chains = Chains(leaving)

    @staticmethod
    def at_once(population: int, chain: int, pool: int) -> int:
        """How many files there are at once in the long run, if a member's own reach back over `chain` chunks, and what
        is read of all over `pool`."""
        return population * chain

    @property
    def kind(self) -> str:
        return self.chains.kind

    def learn(self, trial: Trial) -> None:
        """A chunk that succeeded."""
        self.chains.add(trial.id, trial.proposal.inherit, trial.proposal.fidelity)

    def born(self, inherit: Inherit, donor: int | None) -> Inherit:
        """The recipe of a child with what it reads; `donor` is the trial of its other parent, if it has one."""
        return self._reads(inherit, self.child(inherit.base, donor))

    def goes_on(self, inherit: Inherit) -> Inherit:
        """The recipe of any next chunk with what it reads; a child's, which has yet to be made, says it already."""
        return inherit if self.kind in inherit.files else self._reads(inherit, self.chains.of(inherit.base))

    @abstractmethod
    def child(self, base: int, donor: int | None) -> tuple[int, ...]:
        """The trials whose files a child of these two trials reads, oldest first."""

    def needed(self, bases: Iterable[int]) -> set[int]:
        """The trials whose files may still be read, if these are those that trainings continue from."""
        return set[int]().union(*map(self.chains.of, bases))

    def forget(self, bases: Iterable[int], read: Iterable[int]) -> None:
        """Nothing continues from others than these any more, and what is asked for reads these."""
        self.chains.keep(bases, read)

    def dump(self) -> dict[str, Any]:
        return self.chains.dump()

    def restore(self, dumped: Mapping[str, Any]) -> None:
        self.chains.restore(dumped)

    def _reads(self, inherit: Inherit, trials: tuple[int, ...]) -> Inherit:
        return replace(inherit, files={**inherit.files, self.kind: trials})


class Own(Reading):
    """What a member, and those whose training it goes on with, experienced."""

    def child(self, base: int, donor: int | None) -> tuple[int, ...]:
        return self.chains.of(base)


class OfDonor(Reading):
    """The same, but a child begins with what its other parent had."""

    def child(self, base: int, donor: int | None) -> tuple[int, ...]:
        return self.chains.of(base if donor is None else donor)


class Shared(Reading):
    """What all members experienced in all chunks so far, the latest."""

    shares = True

    @staticmethod
    def at_once(population: int, chain: int, pool: int) -> int:
        return min(pool + population, population * (chain + 1))

    def __init__(self, leaving: Leaving) -> None:
        super().__init__(leaving)
        self.pool: tuple[int, ...] = ()

    def learn(self, trial: Trial) -> None:
        super().learn(trial)
        self.pool = self.chains.latest(sorted((*self.pool, trial.id)))

    def goes_on(self, inherit: Inherit) -> Inherit:
        return self._reads(inherit, self.pool)

    def child(self, base: int, donor: int | None) -> tuple[int, ...]:
        return self.pool

    def needed(self, bases: Iterable[int]) -> set[int]:
        return set(self.pool)

    def forget(self, bases: Iterable[int], read: Iterable[int]) -> None:
        self.chains.keep(bases, {*read, *self.pool})

    def dump(self) -> dict[str, Any]:
        return {**super().dump(), "pool": list(self.pool)}

    def restore(self, dumped: Mapping[str, Any]) -> None:
        super().restore(dumped)
        self.pool = tuple(dumped["pool"])


READINGS: Mapping[str, type[Reading]] = {"own": Own, "donor": OfDonor, "shared": Shared}
"""By the value of the option `experience`."""
