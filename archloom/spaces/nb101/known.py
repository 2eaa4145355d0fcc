"""What is known of tables of NAS-Bench-101."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from archloom.errors import InputError
from archloom.spaces.alignment import aligned
from archloom.spaces.known import BenchmarkTable, Finding, computed, row_count
from archloom.spaces.nb101.cells import CELLS
from archloom.spaces.nb101.codes import MAX_EDGES, PAIRS
from archloom.spaces.nb101.counts import macs, parameters
from archloom.spaces.nb101.hashes import md5_hashes

FIRST_HASH = "00005c142e6f48ac74fdcf73e3439874"
"""The first key of the published file."""

_PRINTED_MACS_M = 0.0051  # to two digits


def known_answers(table: BenchmarkTable, fits: bool) -> Iterator[Finding]:
    """Every row a cell of the space, in the official order (by module hash, so no two are the same), with its counts;
    metrics in the rows of their cells.

    `fits`: whether the table's genes are those of the space.
    """
    yield row_count(table, CELLS)
    if not fits:
        yield Finding(False, f"genes {', '.join(table.gene_names)[:80]}; expected those of NAS-Bench-101")
        return
    try:
        counts, hashes = parameters(table.genes), np.array(md5_hashes(table.genes))
    except InputError as error:
        yield Finding(False, str(error))
        return
    crowded = int((table.genes[:, : len(PAIRS)].sum(axis=1) > MAX_EDGES).sum())
    yield Finding(crowded == 0, f"{crowded} cells of more than {MAX_EDGES} edges, expected 0")
    unsorted = int((hashes[1:] <= hashes[:-1]).sum())
    yield Finding(unsorted == 0, f"{unsorted} rows do not follow by module hash, expected 0")
    yield Finding(hashes[0] == FIRST_HASH, f"the first module hash is {hashes[0]}, published {FIRST_HASH}")
    yield from computed(table, "params_m", counts, whole=True)
    yield from computed(table, "macs_m", macs(table.genes), rounded=_PRINTED_MACS_M)
    yield from aligned(table)
