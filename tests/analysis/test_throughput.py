"""Pictures of how fast objectives are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")

from archloom.analysis.throughput import throughput


def test_a_curve_for_each_objective_on_logarithmic_axes(words: Any, assert_tidy: Any) -> None:
    sizes, rates = np.array([1.0, 8, 64]), np.array([[1e4, 7e4, 3e5], [1e2, 5e2, 1e3]])
    figure = throughput("Bare objectives", sizes, {"a table": rates[0], "a model": rates[1]}, ["On one core."])
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [line.get_ydata().tolist() for line in axes.lines] == rates.tolist()
    assert all(line.get_xdata().tolist() == sizes.tolist() for line in axes.lines)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a table", "a model"]
    assert "Bare objectives" in words(figure) and "On one core." in words(figure)
    assert_tidy(figure)
