"""Regularised evolution (Real et al. 2019, "Regularized Evolution for Image Classifier Architecture Search")."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.spaces.base import SearchSpace
from archloom.strategies.base import BaseStrategy, Plan, pack_trials, unpack_trials
from archloom.types import Proposal, Trial
from archloom.utils.options import Options, PositiveInt


@dataclass(frozen=True)
class EvolutionOptions(Options):
    """`population`: how many of the newest trials live. `sample`: how many of them a tournament draws."""

    population: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100
    sample: PositiveInt = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sample > self.population:
            raise InputError(f"population={self.population}, sample={self.sample}: expected sample <= population")


class Evolution(BaseStrategy):
    """Fill the population at random; then mutate the best of a random sample, and let the oldest die.

    The sample is drawn with replacement (Real et al., Algorithm 1). Failed trials are members like others: they lose
    every tournament and age out.
    """

    Options: ClassVar[type[Any]] = EvolutionOptions
    options: EvolutionOptions

    def __init__(
        self, space: SearchSpace, criteria: Criteria, rng: np.random.Generator, options: EvolutionOptions | None = None
    ) -> None:
        super().__init__(space, criteria, rng, options)
        self.population: deque[Trial] = deque(maxlen=self.options.population)
        self.drawn = 0

    @classmethod
    def plan(cls, options: EvolutionOptions) -> Plan:
        return Plan(random=options.population)

    def propose(self) -> Proposal:
        if self.drawn < self.options.population or not self.population:
            self.drawn += 1
            return Proposal(self.sample_valid())
        return Proposal(self.mutate_valid(self.select().proposal.arch))

    def select(self) -> Trial:
        """The winner of one tournament."""
        picks = self.rng.integers(len(self.population), size=self.options.sample)
        sample = [self.population[i] for i in picks]
        return sample[self.criteria.best([trial.result for trial in sample])]

    def learn(self, trial: Trial) -> None:
        self.population.append(trial)

    def dump(self) -> dict[str, Any]:
        return {"population": pack_trials(tuple(self.population)), "drawn": self.drawn}

    def restore(self, own: dict[str, Any]) -> None:
        self.population = deque(unpack_trials(own["population"]), maxlen=self.options.population)
        self.drawn = own["drawn"]
