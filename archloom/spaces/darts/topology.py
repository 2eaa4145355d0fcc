"""Width and depth of DARTS cells, after Shu et al. (2020, "Understanding Architectures Learnt by Cell-based NAS").

Depth is the number of connections on the longest path from an input to the output. Width is the number of nodes that
are connected to the inputs, where a node that reads other nodes too counts in part. With two pairs a node that is half
the number of pairs whose source is an input: the average number of pairs that originate from an input, as the DDAS
thesis defines it (Fig. 3.5).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.darts.genotypes import NODES, checked


def widths(genotypes: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """(n, 2) widths of the cells of genotypes (n, 2, 8, 2), or of one (2, 8, 2), in node widths: 1.5 to 4 in halves.

    InputError if a genotype breaks a rule. The thesis names 0.5 as the smallest width, which takes pairs that are
    `none`: the first node reads both inputs, and the second one of them at least.
    """
    halves: NDArray[np.float64] = (checked(genotypes)[..., 0] < 2).sum(axis=-1) / 2.0
    return halves


def depths(genotypes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """(n, 2) depths of the cells of genotypes (n, 2, 8, 2), or of one (2, 8, 2): 2 to 5 connections.

    The connection from a node to the output counts. InputError if a genotype breaks a rule.
    """
    sources = checked(genotypes)[..., 0].astype(np.intp)  # (n, 2, 8)
    reached = np.zeros((*sources.shape[:-1], 2 + NODES), dtype=np.int64)  # the longest path to each input and node
    for node in range(NODES):
        read = np.take_along_axis(reached, sources[..., 2 * node : 2 * node + 2], axis=-1)
        reached[..., 2 + node] = 1 + read.max(axis=-1)
    longest: NDArray[np.int64] = 1 + reached.max(axis=-1)
    return longest
