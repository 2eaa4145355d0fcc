"""What runs sampled, and accuracies against costs that they did not optimise."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from archloom.analysis.sampled import Top, against, costs, measured, samples, step_of, two_objectives
from archloom.errors import InputError
from archloom.runs.history import History

LATENCY = "cifar10_fpga_latency_ms"


def test_repeats_are_samples_too(make_report: Any) -> None:
    """Rows 1 and 3, then 1 again, which costs no query."""
    report = make_report([1, 3])
    first, second = report.history.lines
    again = replace(first, id=2, query=None, same=0)
    failed = replace(first, id=3, query=3, scores={}, error="broken")
    history = History.of([second, failed, first, again], report.scenario.criteria)
    assert [(step_of(line), line.genes) for line in samples(history)] == [
        (1, first.genes), (2, second.genes), (3, first.genes),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "steps"), [("2", [2, 4]), ("100%", [2, 4, 1]), ("40%", [2]), ("1 %", [2])])
def test_the_top(text: str, steps: list[int], make_report: Any) -> None:
    """Rows 0, 63, 7 (twice, as where every trial is a query) by their numbers of convolutions: 0, 6, 3."""
    report = make_report([0, 63, 0, 7, 7])
    assert [step_of(line) for line in Top.parse(text).of(report)] == steps


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "0%", "101%", "nan%", ""])
def test_no_top(text: str) -> None:
    with pytest.raises(InputError, match=r"--top .*: expected a number of architectures, e\.g\. 64"):
        Top.parse(text)


def test_costs_by_what_is_in_their_names(make_two: Any) -> None:
    names = {"m_params": 1.0, "other_flops_m": 2.0, "y_macs_m": 3.0, "loss": 4.0}
    report = make_two([(1, 1)], names=("y_acc", "x"), single=True, report=[names])
    assert costs(report) == ["y_macs_m", "m_params"]
    assert costs(make_two([(1, 1)])) == []


def test_costs_that_only_later_trials_recorded_are_known(make_two: Any) -> None:
    report = make_two([(1, 1), (2, 2)], names=("y_acc", "x"), single=True, report=[{}, {"m_params": 2.0}])
    found = measured(report, list(report.history.lines), "m_params")
    assert np.isnan(found[0]) and found[1] == 2.0


def test_what_was_not_recorded_is_looked_up(make_report: Any) -> None:
    report = make_report([0, 1, 63])
    lines = list(report.history.lines)
    assert LATENCY not in {**lines[0].scores, **lines[0].report}
    np.testing.assert_allclose(measured(report, lines, LATENCY), [1.0, 2.01, 7.63], rtol=1e-6)
    shorter = [replace(line, fidelity=12) for line in lines]
    np.testing.assert_allclose(measured(report, shorter, LATENCY), [1.0, 2.01, 7.63], rtol=1e-6)
    np.testing.assert_allclose(measured(report, lines, "cifar10_valid_200"), [87.0, 87.7, 91.2], rtol=1e-6)
    with pytest.raises(InputError, match="unknown metric 'latency'"):
        measured(report, lines, "latency")


def test_two_objectives_keep_everything_else(make_report: Any) -> None:
    report = make_report([0, 1, 63], constraints=[f"{LATENCY}<=5"])
    (found,) = against({"a": [report]}, "cifar10_baseline")["a"]
    assert [(o.metric, o.goal) for o in found.scenario.criteria.objectives] == [
        ("cifar10_valid_200", "max"), ("cifar10_baseline", "max"),
    ]  # fmt: skip
    assert found.scenario.criteria.constraints == report.scenario.criteria.constraints
    assert [line.scores["cifar10_baseline"] for line in found.history.lines] == pytest.approx([89.7, 90.4, 93.9])
    assert len(found.history.feasible()) == 2 and found.request is report.request


def test_a_cost_that_only_some_trials_have(make_two: Any) -> None:
    report = make_two([(1, 1), (2, 1), None], single=True, report=[{"params_m": 0.5}])
    with pytest.raises(InputError, match="--against params_m: it is not known of 1; name a metric that every trial"):
        against({"a": [report]}, "params_m")
    known = make_two([(1, 1), (2, 1), None], single=True, report=[{"params_m": 0.5}, {"params_m": 0.7}])
    (found,) = against({"a": [known]}, "params_m")["a"]
    assert [line.scores.get("params_m") for line in found.history.lines] == [0.5, 0.7, None]
    assert len(found.history.pareto()) == 2 and len(found.history.failed) == 1


def test_what_a_table_lacks_is_not_asked_of_it(make_report: Any) -> None:
    """A run that reports a cost that its table does not have: hypervolumes are measured from the queries."""
    report = make_report([0, 63])
    lines = [replace(line, report={"params_m": float(line.id + 1)}) for line in report.history.lines]
    report = dataclasses.replace(report, history=History.of(lines, report.scenario.criteria))
    assert two_objectives({"a": [report]}, [])[0]["a"][0].reference_point == pytest.approx([87.0, 2.0])
