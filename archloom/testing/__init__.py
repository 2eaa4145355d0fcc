"""The contracts of spaces, strategies and evaluators as test suites that every implementation runs, yours included.

    from archloom.testing import check_space, check_strategy, check_evaluator

    def test_my_space():
        check_space(MySpace)

Each function takes a factory, so that fresh copies can be made, in fresh processes too: a class or a function at module
level, or a `functools.partial` of one. A broken contract is an AssertionError that says which one and how.
"""

from __future__ import annotations

from archloom.spaces.base import is_valid
from archloom.testing.domains import MixedSpace
from archloom.testing.evaluators import MakeEvaluator, check_evaluator
from archloom.testing.planted import (
    PLANTED_CRITERIA,
    PLANTED_RESOURCE,
    ForbiddenSpace,
    PlantedCurves,
    PlantedEvaluator,
    PlantedSpace,
    PoisonedReport,
    RuledSpace,
    SmallSpace,
    SparseSpace,
    is_planted,
    planted_worth,
)
from archloom.testing.spaces import MakeSpace, check_space
from archloom.testing.strategies import MakeStrategy, check_strategy

__all__ = [
    "PLANTED_CRITERIA",
    "PLANTED_RESOURCE",
    "ForbiddenSpace",
    "MakeEvaluator",
    "MakeSpace",
    "MakeStrategy",
    "MixedSpace",
    "PlantedCurves",
    "PlantedEvaluator",
    "PlantedSpace",
    "PoisonedReport",
    "RuledSpace",
    "SmallSpace",
    "SparseSpace",
    "check_evaluator",
    "check_space",
    "check_strategy",
    "is_planted",
    "is_valid",
    "planted_worth",
]
