"""The running mean of what was sampled."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from archloom.analysis.sampled_plot import running_mean, sampled
from archloom.runs.history import History


def changed(report: Any, changes: list[dict[str, Any]]) -> Any:
    """The run with changes to its first trials."""
    lines = list(report.history.lines)
    lines = [replace(line, **change) for line, change in zip(lines, changes, strict=False)] + lines[len(changes) :]
    return dataclasses.replace(report, history=History.of(lines, report.scenario.criteria))


def test_running_mean() -> None:
    values = np.array([1.0, 3.0, 5.0, 7.0])
    assert running_mean(values, 2).tolist() == [1.0, 2.0, 4.0, 6.0]
    assert running_mean(values, 9).tolist() == [1.0, 2.0, 3.0, 4.0]


def test_the_mean_over_a_window_and_over_runs(make_two: Any, words: Any, assert_tidy: Any) -> None:
    runs = [make_two([(y, 0) for y in values], single=True) for values in ([1, 3, 5], [3, 5, 7])]
    figure = sampled({"ddas": runs}, window=2)
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(line.get_ydata(), [2, 3, 5])
    said = words(figure)
    assert "Mean over the last 2 samples." in said and "95 % bootstrap interval" in said and "ddas (n = 2)" in said
    assert len(figure.axes) == 1, "there is no noise to show"
    assert_tidy(figure)


def test_the_one_shot_network(make_two: Any, words: Any) -> None:
    """One line if all are the same, else one for each strategy; other metrics have none."""
    plain = make_two([(50, 0), (60, 0)], single=True, strategy="random")
    one = changed(plain, [{"details": {"one_shot": {"y": 55.0, "x": 1.0}}}])
    other = changed(plain, [{}, {"details": {"one_shot": {"y": 57.0}}}])
    assert "one-shot: 55.00" in words(sampled({"a": [one], "b": [one]}))
    both = words(sampled({"a": [one], "b": [other], "c": [plain]}))
    assert "one-shot, a: 55.00" in both and "one-shot, b: 57.00" in both and "one-shot, c" not in both
    assert "one-shot" not in words(sampled({"c": [plain]}))


def test_where_noise_was_on(make_two: Any, words: Any, assert_tidy: Any) -> None:
    """Noise changed 8 pairs at steps 2 and 3 of one run, and at step 2 of the other: 8, then 4 on average."""
    plain = make_two([(1, 0), (2, 0), (3, 0)], single=True)
    off: dict[str, Any] = {"note": {"stage": "fourth", "changed": 0, "action": [0.5]}}
    on: dict[str, Any] = {"note": {"stage": "fourth", "changed": 8, "action": [0.5]}}
    figure = sampled({"four": [changed(plain, [off, on, on]), changed(plain, [off, on])], "random": [plain]})
    (image,) = figure.axes[1].images
    np.testing.assert_allclose(np.asarray(image.get_array())[0, :, 3], [0.0, 1.0, 0.5], atol=0.01)
    assert [tick.get_text() for tick in figure.axes[1].get_yticklabels()] == ["four"]
    assert "how many pairs (operation, edge) the noise changed, mean over runs; darkest: 8" in words(figure)
    assert_tidy(figure)


@pytest.mark.parametrize("note", [{"stage": "explore", "changed": None}, {"changed": 3}, {"changed": "x"}, {}])
def test_other_notes_are_no_noise(note: dict[str, Any], make_two: Any) -> None:
    assert len(sampled({"a": [changed(make_two([(1, 0)], single=True), [{"note": note}])]}).axes) == 1
