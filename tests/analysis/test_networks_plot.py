"""The picture of several networks of each generator."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from archloom.analysis.networks_plot import networks
from archloom.errors import InputError
from archloom.runs.history import History
from archloom.runs.report import RunReport


def test_generators_by_their_means_and_against_costs(trained_networks: RunReport, words: Any, assert_tidy: Any) -> None:
    figure = networks({"given": [trained_networks]}, against=["seconds", "y"])
    by_mean, by_time, by_y = figure.axes
    np.testing.assert_allclose([c.get_offsets() for c in by_mean.collections[:1]], [[[1.0, 80.0], [1.0, 90.0]]])
    mean, _, bars = by_mean.containers[0].lines
    assert (mean.get_xdata()[0], mean.get_ydata()[0]) == (1, 85.0)
    np.testing.assert_allclose([path[:, 1] for path in bars[1].get_segments()], [[85 - 50**0.5, 85 + 50**0.5]])
    low, high = by_mean.get_ylim()
    assert all(low < y < high for path in bars[1].get_segments() for y in path[:, 1]), "bars are in view"
    assert all(tick == round(tick) for tick in by_mean.get_xticks()), "generators are counted"
    assert by_time.get_xlabel() == "seconds of training" and by_y.get_xlabel() == "y"
    said = words(figure)
    assert "test of the networks of 2 generators" in said and "(2 each, after 2 epochs)" in said
    assert "1 network: failed." in said
    assert_tidy(figure)
    with pytest.raises(InputError, match="unknown metric 'flops'"):
        networks({"given": [trained_networks]}, against=["flops"])


def test_published_networks_are_marked(trained_networks: RunReport, words: Any, assert_tidy: Any) -> None:
    """The runs as if they were on CIFAR-10; of the two that NAGO prints both numbers, and they are in view."""
    names = {"y": "valid_accuracy", "test": "test_accuracy"}
    lines = [
        replace(
            line, scores={names[name]: value for name, value in line.scores.items()},
            report={names[name]: value for name, value in line.report.items()} | {"memory_mb": 20.0 + line.id},
        )
        for line in trained_networks.history.lines
        if line.ok
    ]  # fmt: skip
    first = trained_networks.scenario.criteria
    criteria = dataclasses.replace(
        first, objectives=(dataclasses.replace(first.objectives[0], metric="valid_accuracy"),)
    )
    report = dataclasses.replace(
        trained_networks,
        request=dataclasses.replace(
            trained_networks.request, problem=trained_networks.request.problem.changed(on="images:cifar10")
        ),
        scenario=dataclasses.replace(trained_networks.scenario, criteria=criteria),
        history=History.of(lines, criteria, trained_networks.history.resource),
    )
    figure = networks({"given": [report]})
    said = words(figure)
    assert "HNAG-BOHB: 96.60 ± 0.15 at 17.00 [1]" in said and "[1] NAGO paper (2020), Table 4" in said
    assert [axes.get_xlabel() for axes in figure.axes[1:]] == ["memory_mb (MB)", "seconds of training"]
    assert figure.axes[0].get_ylim()[1] > 96.6 and figure.axes[1].get_xlim()[1] > 57.9
    assert_tidy(figure)
