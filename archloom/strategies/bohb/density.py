"""The density of points with numbers and categories, estimated by kernels (statsmodels' `KDEMultivariate`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

_MOST = 600.0
"""The largest logarithm of a density: beyond, its quotient by another one would be no float."""


@dataclass(frozen=True)
class Density:
    """The mean over `data` (n, d) of products of kernels, one per coordinate.

    A number's kernel is the normal density with its bandwidth h as standard deviation. That of a category with c
    options (Aitchison and Aitken 1976) is 1 - h for the same option and h / (c - 1) for each other one.

    Attributes:
        categories: (d,) how many options a category has, whose codes are 0 to c - 1; 0 for a number.
        bandwidths: (d,) above 0, for a category at most (c - 1) / c, which is the uniform distribution.
    """

    data: Float64
    categories: NDArray[np.intp]
    bandwidths: Float64

    @classmethod
    def of(cls, data: Float64, categories: NDArray[np.intp], least: float) -> Density:
        """By the rule of thumb for bandwidths, but none below `least`; all of `data` are numbers, none is nan."""
        bandwidths = np.maximum(normal_reference(data), least)
        uniform = np.where(categories > 0, 1.0 - 1.0 / np.maximum(categories, 2), np.inf)
        return cls(data, categories, np.minimum(bandwidths, uniform))

    def at(self, points: Float64) -> Float64:
        """(k,) the density at points (k, d); more than e**600 is e**600."""
        logs = np.zeros((len(points), len(self.data)))
        for place, data, h, c in zip(points.T, self.data.T, self.bandwidths, self.categories, strict=True):
            if c:
                logs += np.where(place[:, None] == data, np.log1p(-h), np.log(h / (c - 1)))
            else:
                with np.errstate(over="ignore"):  # so far away that the density is 0
                    logs -= 0.5 * ((place[:, None] - data) / h) ** 2 + np.log(h * math.sqrt(2 * math.pi))
        density: Float64 = np.exp(np.minimum(logs, _MOST)).mean(axis=1)
        return density


def normal_reference(data: Float64) -> Float64:
    """(d,) bandwidths of data (n, d): 1.06 sd n**(-1 / (4 + d)), of categories by their codes. (Scott's rule, as
    statsmodels has it.)"""
    count, dimensions = data.shape
    found: Float64 = 1.06 * data.std(axis=0) * count ** (-1.0 / (4 + dimensions))
    return found
