"""Architectures that are given, or several networks of each, trained in chunks like a population's: nothing is
searched."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from archloom.errors import InputError
from archloom.spaces.base import SearchSpace, is_valid, sample_valid
from archloom.spaces.coordinates import Coordinates, coordinates_of
from archloom.strategies.base import Plan
from archloom.strategies.population.base import Member, PopulationStrategy
from archloom.strategies.population.note import MemberNote, NetworkNote
from archloom.strategies.starts import starts_of, texts_in
from archloom.types import Arch, Inherit, Trial
from archloom.utils.options import NonNegativeInt, Options, PositiveInt

_DRAWS = 1000
"""How often seeds are drawn for one network, if the space has rules that they may break."""


@dataclass(frozen=True)
class GivenOptions(Options):
    """`archs`: the architectures, as `archloom best` writes them; several are separated by ";". `epochs`: how many each
    trains in all. `step`: epochs of a chunk, after which it is evaluated and its state kept. These two fit the data
    unless they are given, as a population's do. `networks`: if more than 1, each architecture is a generator, of which
    so many networks are trained: the architecture with other seeds, drawn at random. `random`: so many random
    architectures are trained, too.
    """

    archs: str = ""
    epochs: PositiveInt = 300
    step: PositiveInt = 10
    networks: PositiveInt = 1
    random: NonNegativeInt = 0

    @property
    def population(self) -> int:
        return (len(texts_in(self.archs)) + self.random) * self.networks


class Given(PopulationStrategy):
    """Trains the architectures in `archs` and `random` others, each once, or `networks` networks of each, as a
    population in which nobody is replaced.

    How the training is cut into chunks changes nothing about it. A network's seeds depend on the run's seed, on its
    number and on the place of its generator alone, not on how many there are.
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
        draws, *streams = self.rng.spawn(1 + len(archs) + self.options.random)
        if self.options.networks == 1:
            _check_different(archs, [_key(self.space, arch) for arch in archs], self.space, "the same")
            return [*archs, *(sample_valid(self.space, draws) for _ in range(self.options.random))]
        coordinates = coordinates_of(self.space)
        points = [coordinates.of(arch).tobytes() for arch in archs]
        _check_different(archs, points, self.space, "the same but for their seeds")
        archs += [sample_valid(self.space, draws) for _ in range(self.options.random)]
        return [
            network
            for arch, rng in zip(archs, streams, strict=True)
            for network in networks_of(self.space, coordinates, arch, self.options.networks, rng)
        ]

    def note(self, member: Member) -> MemberNote:
        if self.options.networks == 1:
            return super().note(member)
        generator, network = divmod(member.id, self.options.networks)
        return NetworkNote(member.id, generator=generator + 1, network=network + 1)

    def begin_chunk(self, trials: Sequence[Trial]) -> list[Inherit | None]:
        return self.continued(trials)


def networks_of(
    space: SearchSpace, coordinates: Coordinates, arch: Arch, count: int, rng: np.random.Generator
) -> list[Arch]:
    """So many networks of one generator: `arch` with its seeds drawn again, all different.

    InputError if it has no seeds.
    """
    own, found = _key(space, arch), dict[str, Arch]()
    if all(_key(space, coordinates.reseeded(arch, rng)) == own for _ in range(3)):
        raise InputError(
            f"networks={count}: {space.format(arch)} of space {space.name!r} has no seed by which networks differ: "
            f"omit it (--seeds {count} trains the same network {count} times)"
        )
    for _ in range(count * _DRAWS):
        network = coordinates.reseeded(arch, rng)
        if is_valid(space, network):
            found.setdefault(_key(space, network), network)
        if len(found) == count:
            return list(found.values())
    raise InputError(
        f"networks={count}: only {len(found)} of {count * _DRAWS:,} draws of the seeds of {space.format(arch)} are "
        f"valid in space {space.name!r}: give fewer networks, or another architecture"
    )


def _key(space: SearchSpace, arch: Arch) -> str:
    return space.key(space.canonical(arch))


def _check_different(archs: Sequence[Arch], keys: Sequence[Hashable], space: SearchSpace, alike: str) -> None:
    """InputError if two architectures have the same key."""
    numbers: dict[Hashable, int] = {}
    for number, (arch, key) in enumerate(zip(archs, keys, strict=True), start=1):
        first = numbers.setdefault(key, number)
        if first != number:
            raise InputError(
                f"architectures {first} and {number} of {len(archs)} are {alike}, "
                f"{space.format(space.canonical(arch))}: give each once (--seeds K trains each K times)"
            )
