"""How alike networks of one generator are."""

from __future__ import annotations

import math

import pytest

from benchmarks.nago.networks import alike


def test_the_share_of_variance_between_groups() -> None:
    assert alike([[1, 1], [2, 2], [5, 5]]) == 1.0
    assert alike([[1, 5], [1, 5]]) == 0.0, "groups are less different than chance would make them"
    assert math.isnan(alike([[1, 1], [1, 1]]))
    # Between: 2 var(2, 5) = 9; within: (2 + 2) / 2 = 2; (9 - 2) / (9 + 2).
    assert alike([[1, 3], [4, 6]]) == pytest.approx(7 / 11)
