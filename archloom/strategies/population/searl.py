"""The evolutionary baseline of PBT-NAS: mutation in the manner of SEARL (Franke et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from archloom.spaces.base import mutate_valid
from archloom.strategies.population.base import Child, Member, SelectingStrategy, Selection
from archloom.types import Inherit


@dataclass(frozen=True)
class SearlOptions(Selection):
    """Those of any selection. `experience`: networks that collect experience learn from their own, a child from its
    parent's, or all from that of all ("shared").
    """

    experience: Literal["own", "shared"] = "own"


class Searl(SelectingStrategy):
    """The better of two of the best members is copied, and then, each with probability 1/3, left alone, its weights
    are mutated, or one choice is changed, whose layer is initialised again (PBT-NAS, section 4.4).
    """

    Options: ClassVar[type[Any]] = SearlOptions

    def offspring(self, parents: Sequence[Member], fitness: Mapping[int, float]) -> Child:
        base, _ = self.fitter(*self.two(parents), fitness)
        assert base.trial is not None  # noqa: S101 - parents have been evaluated
        kinds: list[Callable[[Member, int], Child]] = [self._copied, self._noisy, self._changed]
        return kinds[int(self.rng.integers(len(kinds)))](base, base.trial)

    def _copied(self, base: Member, trial: int) -> Child:
        return Child(base.arch, Inherit(trial), (base.id,))

    def _noisy(self, base: Member, trial: int) -> Child:
        return Child(base.arch, Inherit(trial, mutate=True), (base.id,))

    def _changed(self, base: Member, trial: int) -> Child:
        arch = mutate_valid(self.space, base.arch, self.rng)
        changed = [gene for gene, (old, new) in enumerate(zip(base.arch.genes, arch.genes, strict=True)) if old != new]
        return Child(arch, Inherit(trial, dict.fromkeys(changed)), (base.id,))
