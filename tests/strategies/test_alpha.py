from __future__ import annotations

import numpy as np
import pytest

from archloom.errors import NoArchitectureError, TrainingError
from archloom.spaces.base import is_valid
from archloom.strategies.alpha import AlphaStrategy, Decimals, rounded
from archloom.testing import PLANTED_CRITERIA, ForbiddenSpace, RuledSpace, SparseSpace
from archloom.types import Proposal
from archloom.utils import seeds


def decimals(seen: list[tuple[float, ...]]) -> list[float]:
    """Of everything seen."""
    known = Decimals(len(seen[0]))
    for utilities in seen:
        known.saw(utilities)
    other = Decimals(len(seen[0]))
    other.load_state_dict(known.state_dict())
    found: list[float] = other.of(np.array(seen)).tolist()
    assert found == known.of(np.array(seen)).tolist()
    return found


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([(0.5,), (1.0,)], [0.5, 1.0]),
        ([(0.5,), (50.0,)], [0.005, 0.5]),
        ([(-3.0,), (-1.0,), (-2.0,)], [0.0, 1.0, 0.5]),
        ([(50.0,), (250.0,)], [0.0, 1.0]),
        ([(7.0, -1.0), (9.0, -3.0), (9.0, -1.0)], [0.5, 0.5, 1.0]),
        ([(-1.7e308,), (1.7e308,), (0.0,)], [0.0, 1.0, 0.5]),
    ],
)
def test_utilities_as_decimals(seen: list[tuple[float, ...]], expected: list[float]) -> None:
    """Decimals, percentages, and what lies in neither range, or has several objectives: by the range seen."""
    assert decimals(seen) == pytest.approx(expected, abs=1e-12)


class Drawing(AlphaStrategy):
    def propose(self) -> Proposal:
        return Proposal(self.any_valid()[1])


@pytest.mark.parametrize("kind", [RuledSpace, SparseSpace])
def test_any_action_stands_for_a_valid_architecture(kind: type[RuledSpace]) -> None:
    """Also on a sparse table, where hardly any action does: then it is the matrix of an architecture drawn from it."""
    space = kind()
    strategy = Drawing(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    for _ in range(20):
        alpha, arch = strategy.any_valid()
        assert is_valid(space, arch) and space.discretise(alpha) == arch
        np.testing.assert_array_equal(alpha, rounded(alpha))


def test_a_space_without_valid_architectures_ends_the_search() -> None:
    with pytest.raises(NoArchitectureError):
        Drawing(ForbiddenSpace(), PLANTED_CRITERIA, seeds.stream(0, "strategy")).any_valid()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_actions_that_are_not_finite_end_a_search(value: float) -> None:
    with pytest.raises(TrainingError, match="no longer finite"):
        rounded(np.array([0.5, value]))
