from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.utils.numbers import finite, scaled, short, spread

LARGEST = sys.float_info.max


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"), (94.3712, "94.37"), (0.40031, "0.4003"), (0.0, "0.00"), (-0.0, "0.00"), (9.9999, "10"),
        (9_999_999.0, "9999999.00"), (1e7, "1e+07"), (LARGEST, "1.798e+308"), (-1e200, "-1e+200"),
        (5e-324, "4.941e-324"), (math.inf, "-"), (math.nan, "-"),
    ],
)  # fmt: skip
def test_short(value: float | None, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        (94.3712, 0.123, "94.37 ± 0.12"), (0.4, 0.0123, "0.4 ± 0.012"), (94.3, None, "94.30"), (None, None, "-"),
        (1e200, 1e199, "1e+200 ± 1e+199"), (50.0, 1e199, "50.00 ± 1e+199"),
    ],
)  # fmt: skip
def test_spread(mean: float | None, std: float | None, text: str) -> None:
    assert spread(mean, std) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_short(value: float) -> None:
    assert len(short(value)) <= 12


def test_statistics_of_what_overflows_and_underflows() -> None:
    def std(values: list[float]) -> float:
        return float(scaled(lambda sample: sample.std(ddof=1), np.array(values)))

    root = math.sqrt(2)
    assert std([1e200, 3e200]) == pytest.approx(root * 1e200)
    assert std([1e-200, 3e-200]) == pytest.approx(root * 1e-200)
    assert std([LARGEST, LARGEST]) == 0.0
    assert std([-LARGEST, LARGEST]) == math.inf  # it is beyond the largest float
    assert std([5e-324, 1.5e-323]) > 0.0
    assert float(scaled(np.mean, np.array([LARGEST, LARGEST]))) == LARGEST
    assert float(scaled(np.mean, np.array([-LARGEST, LARGEST]))) == 0.0
    assert std([1.0, 2.0, 4.0]) == np.std([1.0, 2.0, 4.0], ddof=1)
    assert finite(math.inf) is None and finite(math.nan) is None and finite(1.0) == 1.0
