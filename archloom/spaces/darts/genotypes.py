"""Genotypes of the DARTS space as arrays: the rules they obey, and sampling them; as strings: `texts`."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.utils.jit import compiled

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""In the order of DARTS, without its `none`."""

CELLS = ("normal", "reduce")
SHAPE = (2, 8, 2)
"""Of one genotype: cell, pair, (source, operation)."""
NODES = 4

FIRST_EDGE = (0, 2, 5, 9)
"""Node k = 0..3 has an edge from each of the k + 2 sources before it; these are numbered on from here."""
EDGES = 14
"""Of a cell."""

REPEATED, BEYOND, STRANGE = "nodes with one source twice", "sources that come too late", "unknown operations"
"""The rules of the space, as `Darts.violations` names them."""

Genotypes = NDArray[np.uint8]
Whole = TypeVar("Whole", bound=np.integer[Any])


def checked(genotypes: NDArray[np.integer[Any]]) -> Genotypes:
    """Genotypes (n, 2, 8, 2), or one (2, 8, 2), as a C-contiguous uint8 array (n, 2, 8, 2).

    InputError for another shape or type, or a broken rule. Compiled code does not look where it reads, so every
    function on batches begins here.
    """
    given = _shaped(genotypes)
    if given.dtype.kind not in "iu":
        raise InputError(f"genotypes {given.dtype} {given.shape}: expected whole numbers of shape (n, 2, 8, 2)")
    batch = _small(given)
    row = _first_broken(batch)
    if row >= 0:
        raise InputError(f"genotype {row} of the batch: {explain(given[row])}")
    return batch


def valid(genotypes: NDArray[Any]) -> NDArray[np.bool_]:
    """(n,) which genotypes (n, 2, 8, 2), or one (2, 8, 2), keep the rules: those that `checked` takes.

    InputError for another shape alone; of a type that holds other things than whole numbers, none is valid.
    """
    given = _shaped(genotypes)
    answers = np.zeros(len(given), dtype=np.bool_)
    if given.dtype.kind in "iu":
        _keep_rules(_small(given), answers)
    return answers


def _shaped(genotypes: NDArray[Any]) -> NDArray[Any]:
    try:
        given = np.asarray(genotypes)
    except ValueError:  # lists of unequal lengths
        raise InputError("genotypes of unequal lengths: expected shape (n, 2, 8, 2)") from None
    batch = given[None] if given.shape == SHAPE else given
    if batch.ndim != 4 or batch.shape[1:] != SHAPE:
        raise InputError(f"genotypes {given.dtype} {given.shape}: expected whole numbers of shape (n, 2, 8, 2)")
    return batch


def _small(given: NDArray[np.integer[Any]]) -> Genotypes:
    """Whole numbers as C-contiguous uint8; what does not fit becomes 255, which breaks the rules as well."""
    fits = given if given.dtype == np.uint8 else np.where((given >= 0) & (given < 255), given, 255).astype(np.uint8)
    return np.ascontiguousarray(fits)


@compiled
def _keeps_rules(genotypes: Genotypes, row: int) -> bool:
    for cell in range(2):
        for node in range(4):
            # Number by number: a view of a pair would cost more than all the rest.
            one, other = genotypes[row, cell, 2 * node, 0], genotypes[row, cell, 2 * node + 1, 0]
            if one == other or one > node + 1 or other > node + 1:
                return False
            if genotypes[row, cell, 2 * node, 1] > 6 or genotypes[row, cell, 2 * node + 1, 1] > 6:
                return False
    return True


@compiled
def _first_broken(genotypes: Genotypes) -> int:
    """The first row that breaks a rule of the space; -1 if all keep them."""
    for row in range(len(genotypes)):
        if not _keeps_rules(genotypes, row):
            return row
    return -1


@compiled
def _keep_rules(genotypes: Genotypes, answers: NDArray[np.bool_]) -> None:
    for row in range(len(genotypes)):
        answers[row] = _keeps_rules(genotypes, row)


def broken(genotype: NDArray[np.integer[Any]]) -> dict[str, int]:
    """How often one genotype (2, 8, 2) breaks each rule."""
    sources, operations = genotype[..., 0].reshape(2, NODES, 2), genotype[..., 1]
    latest = np.arange(1, NODES + 1)[:, None]
    return {
        REPEATED: int((sources[..., 0] == sources[..., 1]).sum()),
        BEYOND: int(((sources < 0) | (sources > latest)).sum()),
        STRANGE: int(((operations < 0) | (operations >= len(OPERATIONS))).sum()),
    }


def explain(genotype: NDArray[np.integer[Any]]) -> str:
    """The first broken rule of one genotype (2, 8, 2) in words; empty if there is none."""
    for cell, name in enumerate(CELLS):
        for node in range(NODES):
            (a, first), (b, second) = genotype[cell, 2 * node : 2 * node + 2].tolist()
            if a == b or not 0 <= min(a, b) <= max(a, b) <= node + 1:
                return (
                    f"node {node + 2} of the {name} cell takes sources {a} and {b}: "
                    f"expected two different ones of 0 to {node + 1}"
                )
            if not 0 <= min(first, second) <= max(first, second) < len(OPERATIONS):
                return f"node {node + 2} of the {name} cell has operations {first} and {second}: expected 0 to 6"
    return ""


def canonical(genotypes: NDArray[Whole]) -> NDArray[Whole]:
    """A copy of genotypes (or cells) (..., 8, 2) with the two pairs of each node in the order of their sources."""
    nodes = genotypes.reshape(*genotypes.shape[:-2], NODES, 2, 2)
    turned = nodes[..., 0, 0] > nodes[..., 1, 0]
    return np.where(turned[..., None, None], nodes[..., ::-1, :], nodes).reshape(genotypes.shape)


def random_genotypes(count: int, rng: np.random.Generator) -> Genotypes:
    """(count, 2, 8, 2) canonical genotypes: for each node two different sources and two operations, all uniform.

    This is the random sampler of the NAS-Bench-301 baselines.
    """
    rows = np.empty((count, 2, NODES, 2, 2), dtype=np.uint8)
    for node in range(NODES):
        first = rng.integers(0, node + 2, (count, 2))
        second = rng.integers(0, node + 1, (count, 2))
        rows[:, :, node, 0, 0] = first
        rows[:, :, node, 1, 0] = second + (second >= first)
    rows[..., 1] = rng.integers(0, len(OPERATIONS), rows.shape[:-1])
    return canonical(rows.reshape(count, *SHAPE))
