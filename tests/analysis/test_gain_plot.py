"""The picture of what was found among random samples."""

from __future__ import annotations

from typing import Any

import pytest

from archloom.analysis.gain_plot import gain
from archloom.errors import InputError


def test_the_best_of_a_search_among_random_samples(make_two: Any, words: Any, assert_tidy: Any) -> None:
    """Of ten samples 0 to 9, nine are worse than 8.5, whose architecture has 3 of the other objective."""
    samples = make_two([(i, 10 - i) for i in range(10)])
    found = [make_two([(8, 4), (5, 1)], seed=0), make_two([(9, 2)], seed=1)]
    figure = gain({"random": [samples], "bohb": found})
    y, x = figure.axes
    assert y.lines[0].get_xdata()[0] == 4.5 and y.lines[1].get_xdata()[0] == 8.5 and x.lines[1].get_xdata()[0] == 3
    assert sum(bar.get_height() for bar in y.patches[:8]) == 10
    said = words(figure)
    assert "bohb (n = 2): 8.5 ± 0.71 (+4; 90 %)" in said and "bohb (n = 2): 3 ± 1.4 (-2.5; 70 %)" in said
    assert_tidy(figure)


def test_samples_of_another_name(make_two: Any, words: Any) -> None:
    reports = {"hnag": [make_two([(1, 0), (2, 0)], single=True)], "bohb": [make_two([(3, 0)], single=True)]}
    assert "bohb (n = 1): 3 (+1.5; 100 %)" in words(gain(reports, samples="hnag"))
    with pytest.raises(InputError, match=r"unknown --samples 'random' .*archloom compare STRATEGY random"):
        gain(reports)
