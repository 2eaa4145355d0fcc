from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Constraint, Criteria, Objective
from archloom.spaces.domains import Integer, Real, Seed
from archloom.spaces.space import Space
from archloom.strategies.mobo.note import MoboNote
from archloom.strategies.mobo.options import MoboOptions
from archloom.strategies.mobo.strategy import Mobo
from archloom.testing import PLANTED_CRITERIA, PlantedSpace, check_strategy
from archloom.testing.planted import planted_worth
from archloom.types import Arch, Proposal, Result, Trial
from archloom.utils import seeds

TINY = {"burn_in": 20, "samples": 5, "keep_every": 1, "population": 8, "evaluations": 16, "restarts": 1}
"""For how it behaves, whatever it finds."""
SMALL = {"burn_in": 600, "samples": 30, "keep_every": 5, "population": 40, "evaluations": 400, "restarts": 2}
"""For what it finds."""
MIXED = Space({"x": Real(0.0, 1.0), "n": Integer(0, 4), "kind": ["a", "b", "c"], "seed": Seed()})
LINE = Space({"x": Real(0.0, 1.0), "y": Real(0.0, 1.0)})
TWO = Criteria((Objective("left", "min"), Objective("right", "max")))

Answer = Callable[[Proposal], Result]


def chosen(
    space: Space, criteria: Criteria, answer: Answer, batches: int = 1, **options: Any
) -> Sequence[Sequence[int | float]]:
    """The genes of the last of so many batches, after 16 at random."""
    strategy = Mobo(space, criteria, seeds.stream(3, "strategy"), MoboOptions(**{**SMALL, **options}))
    asked: Sequence[Proposal] = ()
    for batch in range(batches + 1):
        asked = strategy.ask(16)
        strategy.tell([Trial(100 * batch + i, proposal, answer(proposal)) for i, proposal in enumerate(asked)])
    assert all(MoboNote.find(proposal.note) is not None for proposal in asked)
    return [proposal.arch.genes for proposal in asked]


def test_contract() -> None:
    """With networks that learn hardly anything; what real ones find is tested below."""
    check_strategy(partial(Mobo, options=MoboOptions(initial=24, batch=24, **TINY)), beats_random=False)


def test_more_of_the_planted_architecture_is_found_than_at_random() -> None:
    """Eight genes with four options each: of 40 at random the best one has 5 right; here a whole batch has more."""

    def answer(proposal: Proposal) -> Result:
        return Result({"worth": planted_worth(proposal.arch)})

    genes = chosen(PlantedSpace(), PLANTED_CRITERIA, answer, batches=3)
    rng = seeds.stream(4, "random")
    best = max(planted_worth(PlantedSpace().sample(rng)) for _ in range(40))
    assert np.mean([planted_worth(Arch(tuple(each))) for each in genes]) > best + 10.0


@pytest.mark.parametrize("acquisition", ["ei", "lcb", "ucb"])
def test_two_objectives(acquisition: str) -> None:
    """The front are all x at y = 0."""

    def answer(proposal: Proposal) -> Result:
        x, y = proposal.arch.genes
        return Result({"left": x + 2.0 * y, "right": x - 2.0 * y})

    genes = np.array(chosen(LINE, TWO, answer, batch=6, acquisition=acquisition))
    assert np.median(genes[:, 1]) < 0.1
    assert np.ptp(genes[:, 0]) > 0.4


def test_a_batch_keeps_its_distance() -> None:
    def answer(proposal: Proposal) -> Result:
        x, y = proposal.arch.genes
        return Result({"left": x + 2.0 * y, "right": x - 2.0 * y})

    genes = np.array(chosen(LINE, TWO, answer, batch=4))
    apart = np.linalg.norm(genes[:, None] - genes, axis=2)[np.triu_indices(4, 1)]
    assert apart.min() > 0.05


def test_a_bound_comes_first() -> None:
    """Both objectives want to be at x = 0, which the bound forbids."""
    criteria = Criteria(TWO.objectives, (Constraint("x", 0.5, at_most=False),))

    def answer(proposal: Proposal) -> Result:
        x, y = proposal.arch.genes
        return Result({"left": x + y, "right": -x - 2.0 * y, "x": x})

    genes = np.array(chosen(LINE, criteria, answer, batch=4))
    assert (genes[:, 0] > 0.4).all()


def test_a_single_objective_with_numbers_choices_seeds_and_failures() -> None:
    def answer(proposal: Proposal) -> Result:
        x, n, kind, _ = proposal.arch.genes
        return Result({"worth": -x - n + 2.0 * (kind == 1)}) if n < 4 else Result.failed("too many")

    genes = chosen(MIXED, Criteria((Objective("worth", "max"),)), answer, batches=2, batch=4)
    assert len({tuple(each[:3]) for each in genes}) == 4
    assert sum(each[2] == 1 for each in genes) >= 3
    assert np.mean([each[1] for each in genes]) < 1.5


def test_chains_that_have_not_mixed_are_noted() -> None:
    strategy = Mobo(LINE, TWO, seeds.stream(3, "strategy"), MoboOptions(initial=8, batch=1, **TINY))
    asked = strategy.ask(8)
    strategy.tell([Trial(i, p, Result({"left": p.arch.genes[0], "right": 1.0})) for i, p in enumerate(asked)])
    (proposal,) = strategy.ask(8)
    assert "have not mixed (split R-hat" in MoboNote.of(proposal.note).unmixed
