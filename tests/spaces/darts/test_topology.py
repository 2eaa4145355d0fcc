"""Widths and depths of published DARTS cells, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.darts.genotypes import random_genotypes
from archloom.spaces.darts.texts import from_text
from archloom.spaces.darts.topology import depths, widths


def genotype(*sources: int) -> np.ndarray:
    """Both cells with these sources and any operations."""
    return np.array([[(source, 0) for source in sources]] * 2)


def test_published_cells(darts_v1: str, darts_v2: str) -> None:
    """Seven of the eight pairs of both normal cells read an input, five of both reduction cells'. Shu et al. give
    DARTS's normal cell a width of 3.5 and a depth of 3."""
    genotypes = np.stack([from_text(darts_v1), from_text(darts_v2)])
    np.testing.assert_array_equal(widths(genotypes), [[3.5, 2.5], [3.5, 2.5]])
    np.testing.assert_array_equal(depths(genotypes), [[3, 3], [3, 3]])


def test_extremes() -> None:
    widest, deepest = genotype(0, 1, 0, 1, 0, 1, 0, 1), genotype(0, 1, 0, 2, 0, 3, 0, 4)
    narrowest = genotype(0, 1, 1, 2, 2, 3, 3, 4)
    assert widths(widest).tolist() == [[4.0, 4.0]] and depths(widest).tolist() == [[2, 2]]
    assert widths(deepest).tolist() == [[2.5, 2.5]] and depths(deepest).tolist() == [[5, 5]]
    assert widths(narrowest).tolist() == [[1.5, 1.5]] and depths(narrowest).tolist() == [[5, 5]]


def test_widths_are_1_5_to_4() -> None:
    """The first node reads both inputs, and the second one of them at least: it has only one other source."""
    found = widths(random_genotypes(20_000, np.random.default_rng(0)))
    assert sorted(np.unique(found)) == [1.5, 2.0, 2.5, 3.0, 3.5, 4.0]


def test_broken_genotypes_are_refused() -> None:
    for function in (widths, depths):
        with pytest.raises(InputError, match="takes sources 0 and 0"):
            function(genotype(0, 0, 0, 1, 0, 1, 0, 1))
