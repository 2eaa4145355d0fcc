from __future__ import annotations

from archloom.constraints import Criteria, Objective
from archloom.strategies.base import EarlierRun
from archloom.strategies.suggestions import best_architectures
from archloom.testing.planted import RuledSpace
from archloom.types import Arch, Proposal, Result, Trial

CRITERIA = Criteria((Objective("worth", "max"),))


def test_the_best_at_the_highest_fidelity_come_last_and_those_of_lower_ones_fill_up() -> None:
    """Of architectures that differ in the last gene; the first two genes must differ, and do not in the best."""
    answers = [
        ((0, 1, 0), 0, 2.0), ((0, 1, 1), 0, 3.0), ((0, 1, 2), 0, None), ((0, 0, 3), 0, 9.0), ((0, 1, 1), 5, 8.0),
        ((0, 1, 2), 5, 7.0),
    ]  # fmt: skip
    trials = tuple(
        Trial(i, Proposal(Arch((*genes, 0, 0, 0, 0, 0)), fidelity), Result({"worth": w}) if w else Result.failed("x"))
        for i, (genes, fidelity, w) in enumerate(answers)
    )
    found = best_architectures(RuledSpace(), EarlierRun(CRITERIA, trials, same_problem=False), 3)
    assert [arch.genes[2] for arch in found] == [2, 0, 1]
    assert [arch.genes[2] for arch in best_architectures(RuledSpace(), EarlierRun(CRITERIA, trials, False), 1)] == [1]
