"""Random networks in a population's chunks."""

from __future__ import annotations

from archloom.strategies.population.random_population import RandomPopulation, RandomPopulationOptions
from archloom.testing import PLANTED_CRITERIA, PlantedSpace
from archloom.types import REST, Inherit, Result, Trial
from archloom.utils import seeds


def second_chunk(shrink_perturb: bool) -> tuple[list[Inherit | None], list[tuple[int | float, ...]]]:
    options = RandomPopulationOptions(population=4, epochs=20, step=10, shrink_perturb=shrink_perturb)
    strategy = RandomPopulation(PlantedSpace(), PLANTED_CRITERIA, seeds.stream(0, "strategy"), options)
    first = strategy.ask(10)
    strategy.tell([Trial(i, p, Result({"worth": float(i)})) for i, p in enumerate(first)])
    second = strategy.ask(10)
    assert [p.arch for p in second] == [p.arch for p in first], "nobody is replaced"
    return [p.inherit for p in second], [p.arch.genes for p in second]


def test_everybody_goes_on_alone() -> None:
    inherits, _ = second_chunk(shrink_perturb=False)
    assert inherits == [Inherit(member) for member in range(4)]


def test_with_shrink_perturb_all_weights_are_shrunk_before_every_chunk_but_the_first() -> None:
    inherits, _ = second_chunk(shrink_perturb=True)
    for member, inherit in enumerate(inherits):
        assert inherit == Inherit(member, dict.fromkeys([*range(8), REST], member), 0.4, 0.1)


def test_a_chunk_that_failed_is_shrunk_again() -> None:
    options = RandomPopulationOptions(population=2, epochs=30, step=10, shrink_perturb=True)
    strategy = RandomPopulation(PlantedSpace(), PLANTED_CRITERIA, seeds.stream(0, "strategy"), options)
    for number in range(2):
        asked = strategy.ask(10)
        results = [Result({"worth": 1.0}), Result.failed("no room") if number else Result({"worth": 1.0})]
        strategy.tell([Trial(2 * number + i, p, r) for i, (p, r) in enumerate(zip(asked, results, strict=True))])
    again = strategy.ask(10)
    assert again[1].inherit == asked[1].inherit
    assert again[1].fidelity == 30
    assert again[0].inherit is not None and again[0].inherit.base == 2
