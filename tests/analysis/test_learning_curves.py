"""The picture of learning curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")

from archloom.analysis.learning_curves import LearningCurve, learning_curves, moving_average
from archloom.errors import InputError


def test_the_moving_average_by_hand() -> None:
    assert moving_average(np.array([1.0, 3.0, 5.0, 10.0]), 2).tolist() == [1, 2, 4, 7.5]
    assert moving_average(np.array([1.0, 3.0, 5.0]), 10).tolist() == [1, 2, 3], "of fewer at the beginning"


def rising(slope: float, last: int = 1_000) -> LearningCurve:
    steps = np.arange(0, last + 1, 100)
    return LearningCurve(steps.astype(float), 90 + slope * steps / 1_000)


def test_the_mean_over_trainings_as_far_as_all_went(words: Any, assert_tidy: Any) -> None:
    curves = {"gamma = 0.9": [rising(2.0), rising(4.0, 2_000)], "gamma = 0.99": [rising(0.0), rising(0.0)]}
    figure = learning_curves("Ablation", "mean valid_108 (%)", curves, ["On nb101."], window=1)
    first, second = figure.axes[0].lines
    assert (first.get_xdata()[0], first.get_xdata()[-1]) == (0, 1_000)
    assert np.allclose(first.get_ydata(), 90 + 3 * np.asarray(first.get_xdata()) / 1_000)
    assert np.allclose(second.get_ydata(), 90)
    assert first.get_linestyle() != second.get_linestyle()
    said = words(figure)
    assert "Mean over 2 trainings of each setting" in said and "On nb101." in said
    assert "moving average" not in said, "over one value"
    assert_tidy(figure)


def test_one_training_each(words: Any) -> None:
    said = words(learning_curves("A", "value", {"a": [rising(1.0)]}, []))
    assert "Mean over 1 training of each" in said and "a moving average over 10 values" in said


@pytest.mark.parametrize("runs", [[], [LearningCurve(np.zeros(0), np.zeros(0))]])
def test_a_setting_without_values(runs: Any) -> None:
    with pytest.raises(InputError, match="learning curves of a: expected at least one training"):
        learning_curves("A", "value", {"a": runs}, [])
