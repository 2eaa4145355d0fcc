"""The levels of a search that fits a generator: a record made by hand, every quantile of which is known."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from archloom.analysis.levels import Levels
from archloom.errors import InputError
from archloom.runs.budgets import Ending
from archloom.runs.history import History

# -- a record


def accuracy(*convolutions: float) -> Any:
    return pytest.approx([87.0 + 0.7 * count for count in convolutions], nan_ok=True, rel=1e-6)


def test_a_record_by_hand(make_fitted: Any) -> None:
    """Two of four are the first truth set, then two of seven.

    The draws of iteration 1 have 3, 3, 2 and, known, 2 and 0 convolutions: half of five is the third. Those of
    iteration 2 have 6, 5, 4, 4 and, known, three times 3: two sevenths of seven is the second.
    """
    found = Levels.of(make_fitted())
    assert found.queries.tolist() == [4, 7, 10]
    assert found.gamma == accuracy(1, 2, 5)
    assert found.threshold == accuracy(math.nan, 1, 2)
    assert found.best == accuracy(2, 3, 6)
    assert found.js == pytest.approx([math.nan, 0.6, -0.01], nan_ok=True)
    assert found.left_out == 0
    assert found.gamma[0] == found.threshold[1], "what of the starting set becomes the truth set"


def test_less_is_better_where_the_objective_falls(make_fitted: Any) -> None:
    """Latency is 1 and 1 for each convolution, and 0.01 for each row; the generator finds ever worse cells here."""
    found = Levels.of(make_fitted(objectives=["cifar10_fpga_latency_ms"]))
    assert found.gamma == pytest.approx([2.01, 3.05, 4.07], rel=1e-6)
    assert found.threshold == pytest.approx([math.nan, 2.01, 2.01], nan_ok=True, rel=1e-6)
    assert found.best == pytest.approx([1.0, 1.0, 1.0])


def test_a_gap_where_the_quantile_falls_on_what_breaks_a_constraint(make_fitted: Any) -> None:
    """At least four convolutions: nothing before the last iteration, and of its seven draws four."""
    wanted = {"constraints": ["cifar10_fpga_latency_ms>=5"]}
    found = Levels.of(make_fitted(**wanted))
    assert found.gamma == accuracy(math.nan, math.nan, 5)
    assert found.threshold == accuracy(math.nan, math.nan, math.nan)
    assert found.best == accuracy(math.nan, math.nan, 6)


def test_failed_trials_are_the_worst(make_fitted: Any) -> None:
    """Without 7 (6 convolutions) the second is 4; without 0 to 2 only one of four can be in the truth set."""
    assert Levels.of(make_fitted(failed=[7])).gamma == accuracy(1, 2, 4)
    found = Levels.of(make_fitted(failed=[0, 1, 2]))
    assert found.gamma == accuracy(math.nan, 2, 5)
    assert found.threshold == accuracy(math.nan, 2, 2)


def test_an_iteration_that_is_not_complete_is_left_out(make_fitted: Any) -> None:
    for ending in (None, Ending.BUDGET.value):
        for count in (7, 8, 9):
            found = Levels.of(make_fitted(count, ending))
            assert found.queries.tolist() == [4, 7] and found.left_out == count - 7
            assert found.gamma == accuracy(1, 2)
        assert Levels.of(make_fitted(10, ending)).queries.tolist() == [4, 7, 10]


def test_nothing_more_comes_of_a_strategy_that_has_no_more_to_ask(make_fitted: Any) -> None:
    found = Levels.of(make_fitted(9, Ending.FINISHED.value))
    assert found.queries.tolist() == [4, 7, 9] and found.left_out == 0


def test_iterations_that_brought_nothing_new_are_gaps(make_fitted: Any) -> None:
    report = make_fitted()
    late = [replace(line, note=line.note | {"iteration": 3}) for line in report.history.lines[7:]]
    history = History.of([*report.history.lines[:7], *late], report.scenario.criteria)
    found = Levels.of(dataclasses.replace(report, history=history))
    assert found.queries.tolist() == [4, 7, 7, 10]
    assert found.gamma == accuracy(1, 2, math.nan, 5)
    assert found.best == accuracy(2, 3, 3, 6)


def without(report: Any, *names: str) -> Any:
    """The report without some entries of its notes."""
    lines = [
        replace(line, note={name: value for name, value in line.note.items() if name not in names})
        for line in report.history.lines
    ]
    return dataclasses.replace(report, history=History.of(lines, report.scenario.criteria))


def test_a_divergence_that_was_not_estimated_is_a_gap(make_fitted: Any) -> None:
    found = Levels.of(without(make_fitted(), "js"))
    assert np.isnan(found.js).all() and found.gamma == accuracy(1, 2, 5)


def test_a_generator_that_had_nothing_to_be_fitted_to_has_no_level(make_fitted: Any) -> None:
    found = Levels.of(without(make_fitted(ending=Ending.BUDGET.value), "rho", "js"))
    assert len(found.queries) == 3 and np.isnan(found.gamma).all() and np.isnan(found.threshold).all()
    assert found.best == accuracy(2, 3, 6)


def test_runs_without_levels_are_told(make_report: Any, make_fitted: Any) -> None:
    with pytest.raises(InputError, match=r"random fits no generator, so it has no levels: show .*, e\.g\. ga_nas"):
        Levels.of(make_report([1, 2]))
    for count, ending in ((3, Ending.BUDGET.value), (4, None), (6, None)):
        with pytest.raises(InputError, match=f"completed no iteration after its starting set, in {count} queries"):
            Levels.of(make_fitted(count, ending=ending))
    with pytest.raises(InputError, match=r"one objective, this run has 2 \(cifar10_valid_200, cifar10_fpga"):
        Levels.of(make_fitted(objectives=["cifar10_valid_200", "cifar10_fpga_latency_ms"]))
