"""What is kept of a search."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.pbt_nas.searches import every


def test_values_when_so_much_had_been_spent() -> None:
    curve = [(2.0, 10.0), (3.0, 11.0), (6.0, 9.0), (9.0, 12.0)]
    assert every(3, 4, curve) == [11.0, 9.0, 12.0, 12.0]
    first, *others = every(1, 3, curve)
    assert math.isnan(first) and np.array_equal(others, [10.0, 11.0])
