"""The picture of short trainings and long ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from archloom.analysis.budgets_plot import budgets
from archloom.errors import InputError
from archloom.runs.history import History
from archloom.runs.report import RunReport
from archloom.types import Resource


def trained(make_two: Any, levels: int) -> RunReport:
    """Six architectures after 1 epoch, and after each further one as good as their number says."""
    values = [(10.0 * epoch + place, 0) for epoch in range(levels) for place in range(6)]
    report = make_two(values, single=True)
    lines = [replace(line, genes=(line.id % 6,), fidelity=line.id // 6 + 1) for line in report.history.lines]
    return dataclasses.replace(report, history=History.of(lines, report.scenario.criteria, Resource("epochs", levels)))


def test_results_by_budget_and_their_rank_correlations(make_two: Any, words: Any, assert_tidy: Any) -> None:
    figure = budgets({"bohb": [trained(make_two, 3)]}, over="resource")
    samples, matrix = figure.axes
    assert [c.get_label() for c in samples.collections] == ["1", "2", "3"]
    np.testing.assert_allclose(samples.collections[1].get_offsets()[0], [8, 10.0])
    np.testing.assert_allclose(np.asarray(matrix.images[0].get_array())[1:, :2], [[1, np.nan], [1, 1]])
    said = words(figure)
    assert "1.00 (1.00 to 1.00) n = 6" in said and "epochs of training, all trials together" in said
    assert_tidy(figure)


def test_two_budgets_are_pairs_and_one_is_none(make_two: Any, words: Any, assert_tidy: Any) -> None:
    reports = {"hyperband": [trained(make_two, 2)], "asha": [trained(make_two, 2)], "random": [trained(make_two, 1)]}
    figure = budgets(reports)
    assert len(figure.axes) == 4, "a row for each strategy with several budgets"
    np.testing.assert_allclose(figure.axes[1].collections[0].get_offsets(), [[i, 10.0 + i] for i in range(6)])
    assert "rank correlation 1.00, (1.00 to 1.00), n = 6" in words(figure)
    assert_tidy(figure)
    with pytest.raises(InputError, match=r"results at one fidelity only: expected .* asha, hyperband or bohb"):
        budgets({"random": reports["random"]})


def test_too_few_pairs_for_a_correlation(make_two: Any, words: Any) -> None:
    run = trained(make_two, 2)
    lines = [line for line in run.history.lines if line.id < 8]
    history = History.of(lines, run.scenario.criteria, Resource("epochs", 2))
    assert "rank correlation needs 3 pairs, n = 2" in words(
        budgets({"bohb": [dataclasses.replace(run, history=history)]})
    )


def test_what_is_published_of_the_same_data(make_two: Any, words: Any) -> None:
    run = trained(make_two, 2)
    asked = dataclasses.replace(run.request, problem=run.request.problem.changed(on="images:cifar10"))
    figure = budgets({"bohb": [dataclasses.replace(run, request=asked)]})
    assert "0.82 between 60 and 120 (NAGO paper (2020), Appendix I)" in words(figure)
