"""Table 3: the memory of the networks of the generators that are published, beside the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archloom.analysis.published_generators import Generator
from archloom.analysis.stats import Summary, summarise
from archloom.registry import load_space
from archloom.spaces.coordinates import coordinates_of
from archloom.strategies.population.given import networks_of
from archloom.utils import seeds
from archloom.utils.numbers import spread
from benchmarks.study import Study


@dataclass(frozen=True)
class Found:
    """The networks of a generator, which the `seed` is the number of: megabytes for an image, and parameters in
    millions."""

    setting: str
    seed: int
    memory_mb: list[float]
    params_m: list[float]


def measure(study: Table3, number: int) -> Found:
    from archloom.tasks.memory import memory_of  # imports torch

    generator = study.generators[number]
    size = generator.image_size
    space = load_space("hnag")(params_m=generator.params_m, image_size=size)
    rng = seeds.stream(0, "networks of Table 3", number)
    networks = networks_of(space, coordinates_of(space), space.parse(generator.arch()), study.networks, rng)
    return Found(
        _name(generator), number, [memory_of(space, arch, (3, size, size)) for arch in networks],
        [sum(p.numel() for p in space.build(arch, 0).parameters()) / 1e6 for arch in networks],
    )  # fmt: skip


def _name(generator: Generator) -> str:
    return f"{generator.search} {generator.data}"


@dataclass(frozen=True)
class Printed:
    generator: str
    networks: int
    memory_mb: Summary
    published: float
    params_m: Summary


@dataclass(frozen=True)
class Table3(Study):
    generators: tuple[Generator, ...]
    networks: int = 8
    found = Found
    measure = staticmethod(measure)

    @property
    def text(self) -> str:
        return f"{self.networks} networks of each generator"

    def jobs(self) -> Iterable[tuple[tuple[str, int], Sequence[object]]]:
        return (((_name(each), number), (self, number)) for number, each in enumerate(self.generators))

    def rows(self, found: Sequence[Found]) -> list[Printed]:
        known = {each.setting: each for each in found}
        return [
            Printed(name, len(own.memory_mb), summarise(own.memory_mb), each.memory_mb, summarise(own.params_m))
            for each in self.generators
            if (own := known[name := _name(each)])
        ]

    def show(self, rows: Sequence[Printed]) -> None:
        print(f"{self.text}: mean ± std of the memory of an image in training, in MB; published: NAGO, Table 3")
        print(f"{'generator':<24}{'networks':>9}{'MB':>16}{'published':>11}{'params, m':>16}")
        for row in rows:
            cells = [spread(each.mean, each.std) for each in (row.memory_mb, row.params_m)]
            print(f"{row.generator:<24}{row.networks:>9}{cells[0]:>16}{row.published:>11.0f}{cells[1]:>16}")
