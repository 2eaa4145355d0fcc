"""Numbers in words, and in arithmetic that neither overflows nor underflows on the way to a finite result."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SMALL, _LARGE = 1e-100, 1e100
"""Between these, squares and sums of floats are exact enough as they are."""
_LONG = 1e7
"""From here on a number is written with an exponent."""


def short(value: float | None) -> str:
    """Two decimals from 10 up, four significant digits below and from ten million up; "-" for None.

    >>> short(94.3712), short(0.40031), short(1e200), short(None)
    ('94.37', '0.4003', '1e+200', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value + 0.0:.2f}" if 10 <= abs(value) < _LONG or value == 0 else f"{value:.4g}"


def spread(mean: float | None, std: float | None) -> str:
    """Mean ± std, the mean alone if there is no std, "-" if there is neither."""
    if mean is None or std is None:
        return short(mean)
    return f"{short(mean)} ± {std:{'.2f' if 10 <= abs(mean) < _LONG and std < _LONG else '.2g'}}"


def scaled(statistic: Callable[[NDArray[np.float64]], Any], values: NDArray[np.float64]) -> Any:
    """A statistic that scales with its values (a mean, a quantile, a standard deviation), taken in a range in which
    sums and squares stay finite.

    Values of usual size are taken as they are. The result is infinite only if it is beyond the largest float itself.
    """
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    if largest == 0.0 or _SMALL <= largest <= _LARGE:
        return statistic(values)
    # A power of two: dividing by it rounds nothing. Twice, because the inverse of a subnormal number is infinite.
    half = 2.0 ** (math.frexp(largest)[1] // 2)
    rest = 2.0 ** (math.frexp(largest)[1] - math.frexp(largest)[1] // 2)
    with np.errstate(over="ignore", under="ignore"):
        return statistic(values / half / rest) * half * rest


def finite(value: float) -> float | None:
    """The value, None if it is NaN or infinite."""
    return value if math.isfinite(value) else None
