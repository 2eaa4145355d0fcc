"""They run in one process, with other tests of BoTorch: importing it takes seconds."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Constraint, Criteria, Objective
from archloom.strategies.batches.targets import Targets
from archloom.strategies.qnehvi.acquisition import Float64, NoisyImprovement, closed_room, reference_point
from archloom.types import Result

pytestmark = [
    pytest.mark.xdist_group("botorch"),
    pytest.mark.skipif(find_spec("botorch") is None, reason="qnehvi needs the extra botorch"),
]

TWO = Criteria((Objective("left", "min"), Objective("right", "max")))
GRID = np.linspace(0.0, 1.0, 101)[:, None]


def test_a_closed_room_is_seeded_and_leaves_everything_as_it_was() -> None:
    """Even if something goes wrong in it."""
    import torch

    with closed_room(0):
        from botorch.acquisition.multi_objective import logei

    kernel: Any = logei
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        before, held = torch.get_rng_state(), (kernel._C, kernel._load_attempted)
        drawn = []
        for seed in (7, 7, 8):
            with pytest.raises(ZeroDivisionError), closed_room(seed):
                assert (torch.get_num_threads(), kernel._C, kernel._load_attempted) == (1, None, True)
                drawn.append(torch.rand(3).tolist())
                raise ZeroDivisionError
        assert drawn[0] == drawn[1] != drawn[2]
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.get_num_threads() == 2
        assert (kernel._C, kernel._load_attempted) == held
    finally:
        torch.set_num_threads(threads)


def of_parabola(rows: Float64) -> NoisyImprovement:
    """Fitted to (x - 0.3)^2, which is minimised."""
    values = (rows - 0.3) ** 2
    targets = Targets((values - values.mean()) / values.std(), 1, (), np.ones(len(rows), dtype=bool))
    return NoisyImprovement(rows, targets, samples=16, seed=0)


def test_improvement_is_expected_where_the_best_must_be_and_gradients_lead_there() -> None:
    with closed_room(1):
        function = of_parabola(np.linspace(0.0, 1.0, 6)[:, None])
        found = function.of(GRID)
        assert found.shape == (101,) and abs(GRID[found.argmax(), 0] - 0.3) < 0.1
        maxima = function.maxima(restarts=2, raw=4, seed=1)
        assert maxima.shape == (2, 1) and np.abs(maxima - 0.3).min() < 0.1
        assert function.of(maxima).max() > np.quantile(found, 0.9)


def test_where_something_is_evaluated_no_more_is_to_be_gained() -> None:
    with closed_room(1):
        function = of_parabola(np.linspace(0.0, 1.0, 6)[:, None])
        before = function.of(GRID)
        best = int(before.argmax())
        function.add(GRID[best])
        after = function.of(GRID)
    assert after[best] < before[best] - 1.0, "a logarithm"
    assert after.argmax() != best


def test_the_improvement_of_two_objectives_is_along_the_front() -> None:
    """Both are best at y = 0, for any x, along which they are against each other."""
    rows = np.random.default_rng(0).random((9, 2))
    results = [Result({"left": x + 2.0 * y, "right": x - 2.0 * y}) for x, y in rows.tolist()]
    with closed_room(2):
        function = NoisyImprovement(rows, Targets.of(TWO, results), samples=8, seed=0)
        near, far = (function.of(np.column_stack([GRID[::25, 0], np.full(5, y)])) for y in (0.0, 0.9))
    assert near.min() > far.max()


def test_the_reference_is_a_tenth_of_the_front_beyond_it() -> None:
    """In utilities; the third result is not on the front, the last not feasible."""
    criteria = Criteria(TWO.objectives, (Constraint("x", 1.0),))
    values = [(1.0, 0.0, 1.0), (3.0, 6.0, 1.0), (3.5, 0.0, 0.0), (0.0, 9.0, 2.0)]
    targets = Targets.of(criteria, [Result(dict(zip(("left", "right", "x"), v, strict=True))) for v in values])
    gains = -targets.values
    with closed_room(0):
        found = reference_point(targets)
    assert np.allclose(found, np.minimum(gains[0], gains[1])[:2] - 0.1 * np.abs(gains[0] - gains[1])[:2])
