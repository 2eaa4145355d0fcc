"""The picture of the model behind a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archloom
from archloom.analysis.surrogate import Surrogate
from archloom.analysis.surrogate_plot import surrogate
from archloom.errors import InputError
from archloom.runs.report import RunReport


def run(table: Path, queries: int = 12, wanted: Any = None, **settings: Any) -> RunReport:
    return archloom.run(
        "graph_bo", on=archloom.scenario("nb201", table=table, **wanted or {}), queries=queries, **settings
    )


def test_predictions_importance_and_expectations(small_table: Path, assert_tidy: Any, words: Any) -> None:
    report = run(small_table)
    found = Surrogate.of(report)
    (model,) = found.explanation.objectives
    figure = surrogate({"graph_bo": [report]})
    left, genes, statistics, below, best = figure.axes
    (points, diagonal) = left.lines
    np.testing.assert_array_equal(points.get_xdata(), model.targets)
    np.testing.assert_array_equal(points.get_ydata(), model.predicted)
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata())
    assert left.get_title(loc="left") == f"12 results, leave-one-out:\nSpearman {model.spearman:.2f}, R² {model.r2:.2f}"
    for axes, every in ((genes, model.genes), (statistics, model.statistics)):
        shown = every[: len(axes.patches)]
        assert [bar.get_width() for bar in axes.patches] == [each.weight for each in shown]
        assert [label.get_text() for label in axes.get_yticklabels()] == [each.name for each in shown]
    assert len(genes.patches) == 6 and len(statistics.patches) == 8
    assert below.lines[0].get_xydata().tolist() == [list(pair) for pair in found.expected]
    assert best.lines[0].get_xydata().tolist() == [list(pair) for pair in report.curve]
    said = words(figure)
    assert "The model of graph_bo, seed 0 on nb201" in said and "made for a test" in said
    assert_tidy(figure)


def test_ticks_are_values_of_results(small_table: Path) -> None:
    report = run(small_table)
    (model,) = Surrogate.of(report).explanation.objectives
    left = surrogate({"graph_bo": [report]}).axes[0]
    places, labels = left.get_xticks().tolist(), [label.get_text() for label in left.get_xticklabels()]
    values = {f"{value:.2f}": target for value, target in zip(model.values, model.targets, strict=True)}
    assert len(places) >= 2 and [values[label] for label in labels] == places
    assert labels[0] == f"{report.value:.2f}", "the best has its tick"


def test_a_model_for_each_objective_and_constraint(small_table: Path, assert_tidy: Any) -> None:
    report = run(
        small_table,
        10,
        {"objective": ["valid", "params"], "constraint": ["test<=69"]},
    )
    figure = surrogate({"graph_bo": [report]})
    names = [axes.get_xlabel() for axes in figure.axes]
    assert sum("observed" in name for name in names) == 3
    assert figure.axes[-1].get_ylabel() == "hypervolume so far"
    assert_tidy(figure)


def test_long_names_and_large_numbers_have_room(assert_tidy: Any) -> None:
    names = {
        f"gene {number} with a name that goes on and on and ends with ${number}$": ["a", "b", "c"]
        for number in range(9)
    }

    def evaluate(choices: dict[str, str]) -> float:
        return -1e200 * sum(place * (value == "a") for place, value in enumerate(choices.values()))

    space = archloom.Categorical({name: ["a", "b", "c"] for name in names})
    problem = archloom.Problem(space, evaluate, {"worth of it all": "max"})
    assert_tidy(surrogate({"graph_bo": [archloom.run("graph_bo", on=problem, queries=14)]}))


def test_terms_that_the_kernel_lacks_have_no_bars(small_table: Path) -> None:
    titles = [axes.get_title(loc="right") for axes in surrogate({"bo": [run(small_table, 8, statistics=False)]}).axes]
    assert any(title.startswith("Genes: ") for title in titles)
    assert not any(title.startswith("Statistics") for title in titles)


def test_several_runs_are_refused(small_table: Path) -> None:
    one = run(small_table, 6)
    with pytest.raises(InputError, match="a model is that of one run, these are 2"):
        surrogate({"graph_bo": [one, one]})
