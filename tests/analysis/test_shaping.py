"""Pictures of shaped rewards."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")

from matplotlib.patches import StepPatch

from archloom.analysis.shaping import middle_width, shaped, shaping_functions, shaping_histogram


def test_shaped_by_hand() -> None:
    assert shaped(np.array([100.0, 50.0, 0.0]), 6.0).tolist() == pytest.approx([1, math.exp(-3), math.exp(-6)])


def test_the_middle_nine_in_ten() -> None:
    assert middle_width(np.linspace(0, 2, 1_001)) == pytest.approx(1.8)


def test_the_histogram_counts_every_architecture_twice(words: Any, assert_tidy: Any) -> None:
    accuracies = np.random.default_rng(0).normal(91, 1.5, 5_000).clip(0, 100)
    figure = shaping_histogram("On nb101", accuracies, 6.0, ["All of them."])
    before, after = figure.axes[0].findobj(StepPatch)
    assert before.get_data()[0].sum() == after.get_data()[0].sum() == 5_000
    widths = f"{middle_width(accuracies / 100):.3f} wide before, {middle_width(shaped(accuracies, 6.0)):.3f} after"
    said = words(figure)
    assert widths in said and "exp(6 · accuracy)" in said and "All of them." in said
    assert figure.axes[0].get_yscale() == "log"
    assert_tidy(figure)


def test_the_functions_end_at_one(words: Any, assert_tidy: Any) -> None:
    figure = shaping_functions({2.0: "ablation", 32.0: ""}, ["As in Fig. 4."])
    flat, two, many = figure.axes[0].lines
    assert [float(line.get_ydata()[-1]) for line in (flat, two, many)] == [1, 1, 1]
    assert float(two.get_ydata()[0]) == pytest.approx(math.exp(-2))
    assert "alpha = 2: ablation" in words(figure) and len({line.get_linestyle() for line in (two, many)}) == 2
    assert_tidy(figure)
