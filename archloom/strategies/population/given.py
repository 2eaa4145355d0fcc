"""Architectures that are given, trained in chunks like a population's: nothing is searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from archloom.errors import InputError
from archloom.strategies.base import Plan
from archloom.strategies.population.base import PopulationStrategy
from archloom.strategies.starts import starts_of, texts_in
from archloom.types import Arch, Inherit, Trial
from archloom.utils.options import Options, PositiveInt


@dataclass(frozen=True)
class GivenOptions(Options):
    """`archs`: the architectures, as `archloom best` writes them; several are separated by ";". `epochs`: how many each
    trains in all. `step`: epochs of a chunk, after which it is evaluated and its state kept. These two fit the data
    unless they are given, as a population's do.
    """

    archs: str = ""
    epochs: PositiveInt = 300
    step: PositiveInt = 10

    @property
    def population(self) -> int:
        return len(texts_in(self.archs))


class Given(PopulationStrategy):
    """Trains the architectures in `archs`, each once, as a population in which nobody is replaced.

    How the training is cut into chunks changes nothing about it.
    """

    Options: ClassVar[type[Any]] = GivenOptions
    needs = ()
    options: GivenOptions

    @classmethod
    def plan(cls, options: GivenOptions) -> Plan:
        if not options.population:
            raise InputError(
                "strategy given has no architecture to train: give some as archloom best writes them, archloom train "
                "ARCH ARCH, or --set archs='ARCH; ARCH'"
            )
        return super().plan(options)

    def founders(self) -> list[Arch]:
        archs = starts_of("given", self.options.archs, self.space, "archs")
        numbers: dict[str, int] = {}
        for number, arch in enumerate(archs, start=1):
            first = numbers.setdefault(self.space.key(self.space.canonical(arch)), number)
            if first != number:
                raise InputError(
                    f"architectures {first} and {number} of {len(archs)} are the same, "
                    f"{self.space.format(self.space.canonical(arch))}: give each once (--seeds K trains each K times)"
                )
        return archs

    def begin_chunk(self, trials: Sequence[Trial]) -> list[Inherit | None]:
        return self.continued(trials)
