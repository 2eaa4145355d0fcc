"""Continuous architecture parameters of the DARTS space: 14 edges of the normal cell, then 14 of the reduction cell.

Edges are ordered by node, then source: node 2 has rows 0-1, node 3 rows 2-4, node 4 rows 5-8, node 5 rows 9-13 of each
cell. A row has one column per operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.darts.genotypes import EDGES, FIRST_EDGE, NODES, OPERATIONS, SHAPE, Genotypes, checked

ALPHA_SHAPE = (2 * EDGES, len(OPERATIONS))
_EXPECTED = f"(n, {ALPHA_SHAPE[0]}, {ALPHA_SHAPE[1]})"


def discretise(alphas: NDArray[Any]) -> Genotypes:
    """Architecture parameters (n, 28, 7), or those of one (28, 7), -> genotypes (n, 2, 8, 2), canonical.

    InputError for another shape, for what are no real numbers, and for NaN; infinite ones are as large as can be.

    For each node: the largest entry of its rows, and the largest one of another row. Ties go to the first in row-major
    order. CADAM thesis, Algorithm 2, with the slices [0, 2), [2, 5), [5, 9), [9, 14): the printed indices are right for
    inclusive ends only.
    """
    edges = _read(alphas).reshape(-1, 2, EDGES, len(OPERATIONS))
    best, operations = edges.max(axis=-1), edges.argmax(axis=-1)
    out = np.empty((len(edges), *SHAPE), dtype=np.uint8)
    for node in range(NODES):
        rows = slice(FIRST_EDGE[node], FIRST_EDGE[node] + node + 2)
        # The best of each row in falling order; the sort is stable, so the first of equal ones stays first.
        two = np.argsort(-best[..., rows], axis=-1, kind="stable")[..., :2]
        two.sort(axis=-1)
        out[:, :, 2 * node : 2 * node + 2, 0] = two
        out[:, :, 2 * node : 2 * node + 2, 1] = np.take_along_axis(operations[..., rows], two, axis=-1)
    return out


def _read(alphas: NDArray[Any]) -> NDArray[np.floating]:
    """(n, 28, 7) floats, none of them NaN."""
    try:
        given = np.asarray(alphas)
    except ValueError:  # lists of unequal lengths
        raise InputError(f"alpha with rows of unequal lengths: expected shape {_EXPECTED}") from None
    if given.shape[-2:] != ALPHA_SHAPE or given.ndim not in (2, 3):
        raise InputError(f"alpha of shape {given.shape}: expected {_EXPECTED}")
    if given.dtype.kind not in "biuf":
        raise InputError(f"alpha of type {given.dtype}: expected numbers")
    numbers: NDArray[np.floating] = given if given.dtype.kind == "f" else given.astype(np.float64)
    if np.isnan(numbers).any():
        raise InputError(f"alpha has {int(np.isnan(numbers).sum())} entries that are NaN: expected numbers")
    return numbers


def one_hot(genotypes: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """0/1 matrices (n, 28, 7), with sixteen ones each, that discretise to genotypes (n, 2, 8, 2), or to one (2, 8, 2).

    InputError if a genotype breaks a rule.
    """
    batch = checked(genotypes).astype(np.intp)
    starts = np.repeat(FIRST_EDGE, 2) + EDGES * np.arange(2)[:, None]  # (2, 8)
    out = np.zeros((len(batch), *ALPHA_SHAPE), dtype=np.float32)
    out[np.arange(len(batch))[:, None, None], starts + batch[..., 0], batch[..., 1]] = 1.0
    return out
