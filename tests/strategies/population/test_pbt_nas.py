"""PBT-NAS proposes what the paper's algorithms say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Winner
from archloom.errors import InputError
from archloom.strategies.population.pbt_nas import PbtNas, PbtNasOptions
from archloom.testing import PLANTED_CRITERIA, PlantedSpace
from archloom.types import Result, Trial
from archloom.utils import seeds


def make(seed: int = 0, **options: Any) -> PbtNas:
    chosen = PbtNasOptions(**{"population": 8, "epochs": 30, "step": 10, **options})
    return PbtNas(PlantedSpace(), PLANTED_CRITERIA, seeds.stream(seed, "strategy"), chosen)


def chunk(strategy: PbtNas, first: int, worth: Any = None) -> list[Trial]:
    """Ask for a chunk of every member and answer it; by default a member is worth its number."""
    proposals = strategy.ask(100)
    found = [float(worth(p) if worth else p.note["member"]) for p in proposals]
    trials = [Trial(first + i, p, Result({"worth": w})) for i, (p, w) in enumerate(zip(proposals, found, strict=True))]
    strategy.tell(trials)
    return trials


def test_the_first_population_trains_from_nothing_and_all_must_answer() -> None:
    strategy = make()
    proposals = strategy.ask(100)
    assert [p.note["member"] for p in proposals] == list(range(8))
    assert all(p.inherit is None and p.fidelity == 10 for p in proposals)
    assert strategy.ask(1) == []
    strategy.tell([Trial(i, p, Result({"worth": 1.0})) for i, p in enumerate(proposals[:-1])])
    assert strategy.ask(1) == [], "one is still in training"


def test_the_worst_quarter_is_replaced_by_children_of_the_best_quarter() -> None:
    strategy = make()
    first = chunk(strategy, 0)
    second = strategy.ask(100)
    assert [p.note["member"] for p in second] == list(range(8))
    assert all(p.fidelity == 20 for p in second)
    for member in range(2, 8):
        assert second[member].arch == first[member].proposal.arch
        assert second[member].inherit is not None
        assert second[member].inherit.base == member
        assert not second[member].inherit.diverges, "a survivor goes on as it was"
        assert "parents" not in second[member].note
    for dead in (0, 1):
        inherit = second[dead].inherit
        assert inherit is not None
        assert inherit.base == 7, "the fitter of members 6 and 7"
        assert inherit.reseed
        assert set(inherit.donors.values()) <= {6}
        assert (inherit.shrink, inherit.perturb) == (0.4, 0.1)
        assert second[dead].note["parents"] == [7, 6]
        for gene, value in enumerate(second[dead].arch.genes):
            source = 6 if gene in inherit.donors else 7
            assert value == first[source].proposal.arch.genes[gene]


@pytest.mark.parametrize(
    ("population", "parents", "survivors", "many"),
    [(24, 0.25, 0.75, 6), (12, 0.25, 0.75, 3), (6, 0.4, 0.75, 2), (18, 0.25, 0.8, 4)],
)
def test_the_published_sizes(population: int, parents: float, survivors: float, many: int) -> None:
    """The authors' configurations for generators and for 12, 6 and 18 agents: as many parents as children."""
    seen, replaced = set[int](), set[int]()
    for seed in range(20):
        strategy = make(seed, population=population, parents=parents, survivors=survivors)
        chunk(strategy, 0)
        children = [p for p in strategy.ask(100) if p.inherit and p.inherit.reseed]
        seen.update(parent for child in children for parent in child.note["parents"])
        replaced.update(child.note["member"] for child in children)
        assert len(children) == many
    assert seen == {*range(population - many, population)} and replaced == {*range(many)}


def test_genes_come_from_the_donor_with_probability_p_even_where_they_are_equal() -> None:
    counts = Counter[int]()
    for seed in range(500):
        strategy = make(seed, crossover_prob=0.3)
        chunk(strategy, 0)
        for proposal in strategy.ask(2):
            assert proposal.inherit is not None
            counts.update(list(proposal.inherit.donors))
    shares = np.array([counts[gene] for gene in range(8)]) / 1_000
    assert shares == pytest.approx(0.3, abs=0.08), "1,000 draws a gene: a standard deviation of 0.015"


def test_nobody_is_replaced_after_the_last_chunk_and_then_it_is_over() -> None:
    strategy = make(epochs=25)
    chunk(strategy, 0)
    chunk(strategy, 8)
    last = strategy.ask(100)
    assert [p.fidelity for p in last] == [25] * 8
    strategy.tell([Trial(16 + i, p, Result({"worth": 1.0})) for i, p in enumerate(last)])
    assert strategy.ask(1) == []
    assert PbtNas.plan(strategy.options).trials == 24
    assert PbtNas.plan(strategy.options).width == 8


def test_in_the_warm_phase_only_every_so_often() -> None:
    strategy = make(epochs=60, warm_epochs=40, warm_step=20)
    replaced = []
    for number in range(5):
        chunk(strategy, 8 * number)
        replaced.append(any(proposal.inherit.donors for proposal in strategy.queue if proposal.inherit))
    assert replaced == [False, True, False, True, True], "after 10, 20, ... epochs"


def test_mixing_with_itself_changes_no_gene() -> None:
    strategy = make(itself=True, crossover_prob=1.0)
    first = chunk(strategy, 0)
    child = strategy.ask(1)[0]
    assert child.inherit is not None
    assert child.arch == first[child.inherit.base].proposal.arch
    assert set(child.inherit.donors.values()) == {child.inherit.base}
    assert len(child.inherit.donors) == 8


def test_a_member_whose_chunk_failed_goes_on_from_where_it_stood() -> None:
    strategy = make(survivors=1.0)
    chunk(strategy, 0)
    proposals = strategy.ask(100)
    results = [Result.failed("no memory") if p.note["member"] == 3 else Result({"worth": 1.0}) for p in proposals]
    strategy.tell([Trial(8 + i, p, r) for i, (p, r) in enumerate(zip(proposals, results, strict=True))])
    third = strategy.ask(100)
    assert third[3].inherit is not None
    assert third[3].inherit.base == 3, "the state of its first chunk"
    assert third[4].inherit is not None
    assert third[4].inherit.base == 12


def test_where_all_fail_everybody_begins_again() -> None:
    strategy = make()
    proposals = strategy.ask(100)
    strategy.tell([Trial(i, p, Result.failed("no GPU")) for i, p in enumerate(proposals)])
    again = strategy.ask(100)
    assert [p.arch for p in again] == [p.arch for p in proposals]
    assert all(p.inherit is None and p.fidelity == 20 for p in again)


def test_the_states_that_may_be_inherited_are_needed() -> None:
    strategy = make()
    chunk(strategy, 0)
    assert strategy.needed() == {2, 3, 4, 5, 6, 7}, "members 0 and 1 are dead, 6 and 7 are parents"
    asked = strategy.ask(100)
    assert strategy.needed() == {2, 3, 4, 5, 6, 7}
    strategy.tell([Trial(8, asked[2], Result({"worth": 2.0}))])
    assert strategy.needed() == {8, 3, 4, 5, 6, 7}


@pytest.mark.parametrize(("winner", "kept"), [(Winner.EVER, [7, 7, 21]), (Winner.AT_HIGHEST_FIDELITY, [7, 13, 21])])
def test_the_winners_of_the_population_with_the_best_are_needed(winner: Winner, kept: list[int]) -> None:
    """In the second chunk member 5 is best, and worse than the best of the first; in the third it is better."""
    criteria = replace(PLANTED_CRITERIA, winner=winner)
    options = PbtNasOptions(population=8, epochs=60, step=10, survivors=1.0)
    strategy = PbtNas(PlantedSpace(), criteria, seeds.stream(0, "strategy"), options)
    first = chunk(strategy, 0)
    genes = {trial.proposal.note["member"]: trial.proposal.arch.genes for trial in first}
    assert len(set(genes.values())) == 8
    for number, best in enumerate(kept):
        if number:
            chunk(strategy, 8 * number, lambda p: (0, 5, 50)[number] * (p.note["member"] == 5))  # noqa: B023
        assert strategy.winners == {best}
        twin = PbtNas(PlantedSpace(), criteria, seeds.stream(1, "strategy"), options)
        twin.load_state_dict(strategy.state_dict())
        strategy = twin
        assert best in strategy.needed()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"crossover_prob": 1.5}, "crossover_prob=1.5: expected a number from 0 to 1"),
        ({"population": 0}, "population=0: expected a whole number of at least 2"),
        ({"survivors": 0.0}, "survivors=0.0: expected a number above 0 and up to 1"),
        ({"warm_epochs": 5}, "expected 0 and 0, or both above 0"),
    ],
)
def test_bad_options(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        PbtNasOptions(**wrong)
