"""The planted task has a known answer, and its spaces keep the contract."""

from __future__ import annotations

import numpy as np
import pytest

from archloom.spaces.base import sample_valid
from archloom.testing import (
    PLANTED_CRITERIA,
    PLANTED_RESOURCE,
    PlantedCurves,
    PlantedEvaluator,
    PlantedSpace,
    RuledSpace,
    SmallSpace,
    SparseSpace,
    check_evaluator,
    check_space,
    is_planted,
)
from archloom.types import Arch, Inherit, Proposal, Result


@pytest.mark.parametrize("kind", [PlantedSpace, RuledSpace, SmallSpace, SparseSpace])
def test_the_planted_spaces_keep_the_contract(kind: type[PlantedSpace]) -> None:
    check_space(kind)


def test_the_planted_task_has_a_known_answer() -> None:
    evaluator, best = PlantedEvaluator(), Arch((1,) * 8)
    assert is_planted(best)
    assert not is_planted(Arch((1,) * 7 + (0,)))
    result, weights = evaluator.evaluate(Proposal(best), None, np.random.default_rng(0))
    assert (result.scores, weights) == ({"worth": 100.0}, None)
    assert PlantedSpace().size == 4**8
    rng = np.random.default_rng(0)
    assert all(sample_valid(RuledSpace(), rng).genes[:2] not in {(i, i) for i in range(4)} for _ in range(50))


def test_the_planted_curves_end_where_the_answer_is_known() -> None:
    """Short trainings tell less: the correlation with the full one rises from about 0.7 to 1."""
    check_evaluator(PlantedCurves, PlantedSpace)
    rng, space = np.random.default_rng(0), PlantedSpace()
    archs = [sample_valid(space, rng) for _ in range(500)]

    def worth(fidelity: int) -> list[float]:
        results = (PlantedCurves().evaluate(Proposal(arch, fidelity), None, rng)[0] for arch in archs)
        return [result.scores["worth"] for result in results]

    full = [PlantedEvaluator().evaluate(Proposal(arch), None, rng)[0].scores["worth"] for arch in archs]
    assert worth(0) == worth(27) == worth(100) == full
    told = [float(np.corrcoef(worth(fidelity), full)[0, 1]) for fidelity in (1, 3, 9)]
    assert told == sorted(told) and 0.6 < told[0] < 0.8 < told[2] < 1.0
    state = {3: 1}
    going_on = Proposal(archs[0], 3, Inherit(3))
    assert PlantedCurves().evaluate(going_on, state, rng)[1] == 3
    assert PLANTED_RESOURCE.maximum == 27


def test_planted_criteria_maximise_worth() -> None:
    assert PLANTED_CRITERIA.best([Result({"worth": 1.0}), Result({"worth": 2.0})]) == 1
