from __future__ import annotations

import sys

import numpy as np
import pytest

from archloom.constraints import Constraint, Criteria, Objective
from archloom.strategies.batches.targets import Targets
from archloom.types import Result

BOTH = Criteria((Objective("worth", "max"), Objective("cost", "min")))


def test_of_every_objective_less_is_better() -> None:
    targets = Targets.of(BOTH, [Result({"worth": w, "cost": c}) for w, c in ((1.0, 10.0), (2.0, 20.0), (3.0, 60.0))])
    worth, cost = targets.values.T
    assert np.allclose(worth, np.array([1.0, 0.0, -1.0]) / np.sqrt(2 / 3))
    assert np.allclose(cost, np.array([-20.0, -10.0, 30.0]) / np.sqrt(1400 / 3))
    assert targets.objectives == 2


def test_what_has_failed_is_the_worst() -> None:
    results = [Result({"worth": 1.0, "cost": 5.0}), Result.failed("broken"), Result({"worth": 4.0, "cost": 2.0})]
    values = Targets.of(BOTH, [*results, Result({"worth": 2.0, "cost": float("nan")})]).values
    assert values[1].tolist() == values[3].tolist() == values[0].tolist()


@pytest.mark.parametrize(
    ("bound", "kept"),
    [("size<=3", [True, True, False]), ("size>=2", [False, True, True]), ("worth>=5", [False, True, True]),
     ("worth<=5", [True, True, False]), ("cost<=2", [True, True, False])],
)  # fmt: skip
def test_bounds_are_in_the_units_of_the_targets(bound: str, kept: list[bool]) -> None:
    criteria = Criteria(BOTH.objectives, (Constraint.parse(bound),))
    results = [Result({"worth": w, "cost": c, "size": s}) for w, c, s in ((4.0, 1.0, 1.0), (5.0, 2.0, 2.5), (7, 3, 4))]
    targets = Targets.of(criteria, results)
    assert targets.feasible.tolist() == kept
    (limit,) = targets.bounds
    assert ((limit.excess(targets.values) <= 1e-9) == kept).all()
    assert ((targets.violation(targets.values) <= 1e-9) == kept).all()
    assert (targets.violation(targets.values)[~np.array(kept)] > 0.1).all()


def test_the_ends_of_floats() -> None:
    largest = sys.float_info.max
    values = Targets.of(BOTH, [Result({"worth": w, "cost": 1.0}) for w in (largest, -largest, 5e-324)]).values
    assert np.allclose(values[:, 0], [-np.sqrt(1.5), np.sqrt(1.5), 0.0])
    assert values[:, 1].tolist() == [0.0, 0.0, 0.0]
