"""Random search as PBT-NAS is compared with: a population that trains to the end, nobody replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from archloom.strategies.population.base import PopulationOptions, PopulationStrategy
from archloom.types import REST, Inherit, Trial


@dataclass(frozen=True)
class RandomPopulationOptions(PopulationOptions):
    """`shrink_perturb`: before every chunk but the first all weights are shrunk and perturbed (PBT-NAS, Table 3).

    `shrink` and `perturb` are how much. `experience`: networks that collect experience learn from their own, or from
    that of all ("shared").
    """

    shrink_perturb: bool = False
    shrink: float = 0.4
    perturb: float = 0.1
    experience: Literal["own", "shared"] = "own"


class RandomPopulation(PopulationStrategy):
    """As many random networks as a population has members, drawn as its first ones are, trained in the same chunks."""

    Options: ClassVar[type[Any]] = RandomPopulationOptions
    options: RandomPopulationOptions

    def begin_chunk(self, trials: Sequence[Trial]) -> list[Inherit | None]:
        return [None if member.trial is None else self._go_on(member.trial) for member in self.members]

    def _go_on(self, trial: int) -> Inherit:
        if not self.options.shrink_perturb:
            return Inherit(trial)
        everything = dict.fromkeys([*range(len(self.space.sizes)), REST], trial)
        return Inherit(trial, everything, self.options.shrink, self.options.perturb)
