"""States by hand on the table of 64 cells, and CADAM's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.analysis.sampled import Top
from archloom.analysis.state import State, exhaustive, layout_of
from archloom.errors import InputError
from archloom.problems import ProblemSpec, open_scenario
from archloom.runs.budgets import Limits
from archloom.runs.folders import run_in_memory
from archloom.runs.history import History
from archloom.runs.prepare import Request
from archloom.runs.report import RunReport
from archloom.spaces.convnet import ConvNet


def test_a_state_is_the_mean_of_the_best(make_report: Any) -> None:
    """Rows 63, 62 and 0 have convolutions everywhere, everywhere but on the last edge, and nowhere."""
    report = make_report([0, 63, 62])
    state = State.of(report, Top(2))
    np.testing.assert_allclose(state.matrix, [[0, 1]] * 5 + [[0.5, 0.5]])
    assert state.archs == tuple(line.arch for line in (report.history.lines[1], report.history.lines[2]))
    chosen = state.discretised(report.scenario.space)
    assert chosen.tolist() == [[False, True]] * 5 + [[True, False]], "ties go to the first option"


def test_exhaustive_is_what_a_run_over_everything_comes_to(make_report: Any) -> None:
    every = make_report(list(range(64)))
    whole = exhaustive(every, 7)
    assert whole is not None and set(whole.archs) == set(State.of(every, Top(7)).archs)
    np.testing.assert_allclose(whole.matrix, State.of(every, Top(7)).matrix)
    limited = exhaustive(make_report([0], constraints=["cifar10_fpga_latency_ms<=1.5"]), 7)
    assert limited is not None and limited.archs == (make_report([0]).history.lines[0].arch,)


def test_runs_without_a_table_have_no_exhaustive_one(make_two: Any) -> None:
    assert exhaustive(make_two([(1, 1)]), 3) is None


def test_the_state_of_cadam_is_that_of_its_record(small_table: Any) -> None:
    options = {"top_k": 8}
    spec = ProblemSpec("table", small_table)
    report = run_in_memory(Request("cadam", spec, 0, Limits(30), options))
    own = _cadam_after(report, options)
    np.testing.assert_allclose(State.of(report, Top(8)).matrix.ravel(), own, atol=1e-6)


def _cadam_after(report: RunReport, options: dict[str, Any]) -> Any:
    """The state of an agent that was told a run's trials."""
    from archloom.strategies.cadam import Cadam, CadamOptions

    scenario = open_scenario(report.request.problem)
    agent = Cadam(scenario.space, scenario.criteria, np.random.default_rng(0), CadamOptions(**options))
    for line in report.history.lines:
        agent.enter_top(line.trial)
    return agent.state()


def test_spaces_without_alpha(make_report: Any) -> None:
    with pytest.raises(InputError, match="space 'own' has no architecture parameters"):
        State.over(type("Own", (), {"name": "own"})(), [])


def test_layouts_have_names(make_report: Any) -> None:
    assert layout_of(make_report([0]).scenario.space).edges[3] == "in→out"
    assert len(layout_of(ConvNet()).edges) == ConvNet().alpha_shape[0]

    class Plain:
        alpha_shape = (2, 3)

    assert layout_of(Plain()).edges == ("1", "2") and layout_of(Plain()).operations == ("1", "2", "3")


def test_the_top_of_nas_bench_201_is_what_the_thesis_describes(real_table: Any) -> None:
    """Section 4.2.1, of CIFAR-100 test accuracy: `none` and pooling are rare, both convolutions are not, 3x3 more than
    1x1, and skips are on the edge from the input to the output only. The state discretises to the best cell."""
    spec = ProblemSpec("nb201", str(real_table("nb201.npz")), ("cifar100_test_200",))
    scenario = open_scenario(spec)
    report = RunReport(Request("cadam", spec, 0, Limits(1)), scenario, History.of([], scenario.criteria), 0, None, 0.0)
    whole = exhaustive(report, 64)
    assert whole is not None
    none, skip, small, large, pool = whole.matrix.T
    assert skip[3] > 0.95 and (np.delete(skip, 3) < 0.1).all()
    assert (none < 0.15).all() and (pool < 0.1).all()
    assert (np.delete(large, 3) > np.delete(small, 3)).all() and (np.delete(small, 3) > 0.15).all()
    assert scenario.space.format(scenario.space.discretise(whole.matrix)) == whole.archs[0]
