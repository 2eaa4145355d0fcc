"""Histograms of some samples."""

from __future__ import annotations

from typing import Any

from archloom.analysis.histograms import histograms


def test_samples_share_their_bins(words: Any, assert_tidy: Any) -> None:
    figure = histograms({"hnag": [1.0, 1.0, 100.0], "darts": [50.0]}, "memory (MB)", "Memory", ["Three networks."])
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and axes.get_ylim()[1] > 2
    assert "hnag (n = 3)" in words(figure) and "darts (n = 1)" in words(figure)
    assert_tidy(figure)
    assert histograms({"a": [1.0, 2.0]}, "x", "y", []).axes[0].get_xscale() == "linear"
