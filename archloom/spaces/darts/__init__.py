"""The DARTS cell space (Liu et al. 2019), which NAS-Bench-301 answers for: a normal and a reduction cell.

A cell has two inputs (0 and 1: the outputs of the two cells before it) and four nodes (2 to 5). Each node adds up two
operations, each applied to another earlier input or node; the cell's output is the concatenation of its nodes.

Functions on batches take *genotypes*: a uint8 array (n, 2, 8, 2) of cell (normal, reduce), pair (two consecutive ones a
node) and (source, index in `OPERATIONS`). Nothing here needs PyTorch before a network is built.
"""

from archloom.spaces.darts.alpha import discretise, one_hot
from archloom.spaces.darts.counts import (
    CIFAR,
    DDAS_COUNTING,
    IMAGENET,
    MULTIPLY_ADDS,
    NB301_COUNTING,
    Counting,
    Images,
    flops,
    parameters,
)
from archloom.spaces.darts.encoding import WIDTH, encode, encode_into
from archloom.spaces.darts.genotypes import (
    CELLS,
    OPERATIONS,
    canonical,
    checked,
    random_genotypes,
    valid,
)
from archloom.spaces.darts.moves import NEIGHBOURS, draw_neighbours, neighbours
from archloom.spaces.darts.space import Darts
from archloom.spaces.darts.texts import from_text, to_text

__all__ = [
    "CELLS",
    "CIFAR",
    "DDAS_COUNTING",
    "IMAGENET",
    "MULTIPLY_ADDS",
    "NB301_COUNTING",
    "NEIGHBOURS",
    "OPERATIONS",
    "WIDTH",
    "Counting",
    "Darts",
    "Images",
    "canonical",
    "checked",
    "discretise",
    "draw_neighbours",
    "encode",
    "encode_into",
    "flops",
    "from_text",
    "neighbours",
    "one_hot",
    "parameters",
    "random_genotypes",
    "to_text",
    "valid",
]
