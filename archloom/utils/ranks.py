"""Ranks of numbers, where ties share their mean rank, for rank correlations and signed-rank tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mean_ranks(values: NDArray[np.number[Any]]) -> NDArray[np.float64]:
    """(n,) the rank of each of the values (n,), from 1 for the smallest; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    return ranks
