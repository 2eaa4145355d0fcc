"""A space's architectures as rows that models see and as points between which an optimiser of numbers moves.

A point of the unit cube has a place for every coordinate (`spaces.coordinates`): of a number its own, of a category
with c options (j + 1/2) / c for option j. A row has a column for each number and one for each option of a category,
one-hot. Whatever the optimiser proposes is rounded to an architecture before a model sees it (Garrido-Merchán and
Hernández-Lobato 2020), so that all points of one architecture are worth the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.base import SearchSpace
from archloom.spaces.coordinates import coordinates_of
from archloom.types import Arch

Float64 = NDArray[np.float64]

MIDDLE = 0.5
"""The column of a number that does not count; all columns of a category that does not are 0."""


class Relaxation:
    """Rows and points of a space's architectures; `places` numbers make a point, `width` a row, all from 0 to 1."""

    def __init__(self, space: SearchSpace) -> None:
        self.coordinates = coordinates_of(space)
        categories = self.coordinates.categories
        if not len(categories):
            raise InputError(
                f"space {space.name!r}: a model cannot tell its architectures apart, as no gene but seeds has "
                "alternatives; expected at least one number or choice"
            )
        self._options = np.maximum(categories, 1)
        self._first = np.concatenate([[0], np.cumsum(self._options)[:-1]])
        self._numbers = np.flatnonzero(categories == 0)
        self._choices = np.flatnonzero(categories > 0)
        self.places = len(categories)
        self.width = int(self._options.sum())

    def rows(self, archs: Sequence[Arch]) -> Float64:
        """(n, width) what models see of architectures. InputError for genes that are not of their domains."""
        points = self.coordinates.matrix(archs)
        rows = np.zeros((len(archs), self.width))
        numbers = points[:, self._numbers]
        rows[:, self._first[self._numbers]] = np.where(np.isnan(numbers), MIDDLE, numbers)
        codes = points[:, self._choices]
        which, choice = np.nonzero(~np.isnan(codes))
        rows[which, self._first[self._choices][choice] + codes[which, choice].astype(np.intp)] = 1.0
        return rows

    def points(self, archs: Sequence[Arch]) -> Float64:
        """(n, places) their points in the unit cube; what does not count is in the middle."""
        points = self.coordinates.matrix(archs)
        points[:, self._choices] = (points[:, self._choices] + 0.5) / self._options[self._choices]
        return np.where(np.isnan(points), MIDDLE, points)

    def at_point(self, point: Float64, rng: np.random.Generator) -> Arch:
        """The architecture to which a point (places,) of the unit cube is rounded, its seeds drawn from `rng`."""
        found = np.clip(point, 0.0, 1.0)
        codes = np.floor(found[self._choices] * self._options[self._choices])
        found[self._choices] = np.minimum(codes, self._options[self._choices] - 1)
        return self.coordinates.arch(found, rng)

    def at_row(self, row: Float64, rng: np.random.Generator) -> Arch:
        """The same of a row (width,): of a category it is the option with the largest number, the first of equals."""
        found = np.empty(self.places)
        for place, (first, options) in enumerate(zip(self._first.tolist(), self._options.tolist(), strict=True)):
            found[place] = row[first] if options == 1 else np.argmax(row[first : first + options])
        return self.coordinates.arch(found, rng)
