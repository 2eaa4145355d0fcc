"""The SEARL-like baseline proposes copies, noise and single changes of the better parent."""

from __future__ import annotations

from archloom.strategies.population.base import Selection
from archloom.strategies.population.searl import Searl
from archloom.testing import PLANTED_CRITERIA, PlantedSpace
from archloom.types import Result, Trial
from archloom.utils import seeds


def test_a_child_is_a_copy_or_noisy_or_has_one_gene_changed_that_begins_anew() -> None:
    kinds = {"copy": 0, "noise": 0, "change": 0}
    for seed in range(150):
        options = Selection(population=8, epochs=30, step=10)
        strategy = Searl(PlantedSpace(), PLANTED_CRITERIA, seeds.stream(seed, "strategy"), options)
        first = strategy.ask(8)
        strategy.tell([Trial(i, p, Result({"worth": float(i)})) for i, p in enumerate(first)])
        for proposal in strategy.ask(2):
            inherit = proposal.inherit
            assert inherit is not None
            assert inherit.base == 7, "the better of the two parents, members 6 and 7"
            assert inherit.reseed
            changed = [g for g in range(8) if proposal.arch.genes[g] != first[7].arch.genes[g]]
            assert dict(inherit.donors) == dict.fromkeys(changed)
            assert len(changed) <= 1
            assert not (changed and inherit.mutate)
            kinds["change" if changed else "noise" if inherit.mutate else "copy"] += 1
    assert all(70 <= count <= 130 for count in kinds.values()), f"each a third of 300: {kinds}"
