"""How many parameters and multiply-adds the networks of NAS-Bench-101 cells have, without building them.

The network is that of `archloom.nets.nb101` (Ying et al. 2019, section 2). A convolution of kernel k from c to d
channels has k*k*c*d weights, a normalisation of d channels 2*d (scale and offset), the classifier its weights and
biases. Multiply-adds are those of convolutions and classifier: k*k*c*d a pixel.

Counts belong to a matrix, not to its class of isomorphic cells: where three vertices share the output's channels, the
first get one more (128 = 43 + 43 + 42), and which these are depends on the order of vertices. Counted is the canonical
matrix, which is the published one and the one that `Nb101.build` makes a network of.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.nb101.codes import (
    ABSENT,
    LABELS,
    VERTICES,
    Codes,
    connected_codes,
    inner_vertices,
    label_of,
    predecessors,
)
from archloom.spaces.sizes import STEMS, Grid, ImageSize, Stem, grid_of
from archloom.utils.jit import compiled, share, signed

CIFAR = STEMS["cifar"]
CONV3X3, CONV1X1, MAXPOOL3X3 = range(len(LABELS))
FEWEST_CHANNELS = 5
"""As many vertices can lead to the output, and each needs a channel."""

Counts = NDArray[np.int64]


def parameters(
    genes: NDArray[np.integer[Any]],
    channels: int = 128,
    stacks: int = 3,
    cells: int = 3,
    classes: int = 10,
    image_channels: int = 3,
    stem: Stem = CIFAR,
) -> Counts:
    """(n,) exact numbers of trainable parameters of the networks of cells (n, 26), given as any of their matrices.

    Raises:
        InputError: genes of another shape, a row that is no graph or whose output is not reachable from the input,
            sizes that make no network.
    """
    widths = _widths(channels, stacks, cells)
    convolutions = stem.convolutions(image_channels, channels, Grid(1, 1))
    ends = sum((9 * c_in + 2) * c_out for c_in, c_out, _ in convolutions) + (int(widths[-1]) + 1) * classes
    return ends + _counts(genes, Costs(widths, np.ones(stacks, dtype=np.int64), 2, cells))


def macs(
    genes: NDArray[np.integer[Any]],
    channels: int = 128,
    stacks: int = 3,
    cells: int = 3,
    classes: int = 10,
    image_channels: int = 3,
    image_size: ImageSize = 32,
    stem: Stem = CIFAR,
) -> Counts:
    """(n,) multiply-adds of convolutions and classifier for one image of this size, for cells (n, 26).

    Raises:
        InputError: as `parameters`, or an image without pixels.
    """
    widths = _widths(channels, stacks, cells)
    convolutions = list(stem.convolutions(image_channels, channels, grid_of(image_size)))
    grids = [convolutions[-1].grid]
    for _ in range(1, stacks):
        grids.append(grids[-1].after(2))
    pixels = np.array([grid.pixels for grid in grids], dtype=np.int64)
    ends = sum(9 * c_in * c_out * grid.pixels for c_in, c_out, grid in convolutions) + int(widths[-1]) * classes
    return ends + _counts(genes, Costs(widths, pixels, 0, cells))


def _widths(channels: int, stacks: int, cells: int) -> Counts:
    """(stacks + 1,) channels that enter the first stack, then those that leave each."""
    if channels < FEWEST_CHANNELS or stacks < 1 or cells < 1:
        raise InputError(
            f"channels={channels}, stacks={stacks}, cells={cells}: expected at least {FEWEST_CHANNELS}, 1 and 1"
        )
    return np.array([channels] + [channels << stack for stack in range(stacks)], dtype=np.int64)


class Costs(NamedTuple):
    """A convolution of kernel k from c to d channels in stack s costs uses[s] * k*k*c*d + per_channel * d."""

    widths: Counts
    """(stacks + 1,) channels before the first stack and after each."""
    uses: Counts
    """(stacks,)"""
    per_channel: int
    cells: int
    """How many there are in a stack."""


def _counts(genes: NDArray[np.integer[Any]], costs: Costs) -> Counts:
    """(n,) what all cells of a network cost."""
    codes = connected_codes(genes, "a network")
    counts = np.empty(len(codes), dtype=np.int64)
    share(lambda start, stop: _cells_cost(codes[start:stop], costs, counts[start:stop]), len(codes))
    return counts


@compiled
def _cells_cost(codes: Codes, costs: Costs, counts: Counts) -> None:
    targets = np.empty(VERTICES, dtype=np.int64)
    areas = np.empty(VERTICES, dtype=np.int64)
    for row in range(len(codes)):
        output = _read(signed(codes[row]), targets, areas)
        total = 0
        for stack in range(len(costs.uses)):
            c_in, c_out = costs.widths[stack], costs.widths[stack + 1]
            inside, outside, fresh = _cell(targets, areas, output, c_out)
            # The first cell of a stack projects from the stack before, the others from this one.
            weights = costs.cells * inside + fresh * (c_in + (costs.cells - 1) * c_out)
            total += costs.uses[stack] * weights + costs.per_channel * costs.cells * outside
        counts[row] = total


@compiled
def _read(code: int, targets: Counts, areas: Counts) -> int:
    """The number of the output vertex of a pruned code.

    targets[a] becomes the set of vertices that a leads to, bit by bit; areas[a] the pixels of a's kernel, 0 for none.
    """
    output = inner_vertices(code) + 1
    targets[:] = 0
    for vertex in range(1, output + 1):
        for source in range(vertex):
            targets[source] |= ((predecessors(code, vertex) >> source) & 1) << vertex
        operation = label_of(code, vertex) if vertex < output else ABSENT
        areas[vertex] = 9 if operation == CONV3X3 else (1 if operation == CONV1X1 else 0)
    return output


@compiled
def _cell(targets: Counts, areas: Counts, output: int, channels: int) -> tuple[int, int, int]:
    """Of one cell with `channels` channels: weights of the vertices' convolutions; channels that leave convolutions
    (projections included); channels that leave projections."""
    feeders = 0
    for vertex in range(1, output):
        feeders += (targets[vertex] >> output) & 1
    base, larger = (channels // feeders, channels % feeders) if feeders else (0, 0)
    wide = 0  # the set of vertices with base + 1 channels
    for vertex in range(1, output):
        if larger and (targets[vertex] >> output) & 1:
            wide |= 1 << vertex
            larger -= 1
    for vertex in range(output - 1, 0, -1):
        if not (targets[vertex] >> output) & 1 and targets[vertex] & wide:
            wide |= 1 << vertex
    projected = channels * ((targets[0] >> output) & 1)
    inside, normalised = 0, 0
    for vertex in range(1, output):
        width = base + ((wide >> vertex) & 1)
        inside += areas[vertex] * width * width
        normalised += width * (areas[vertex] > 0)
        projected += width * ((targets[0] >> vertex) & 1)
    return inside, normalised + projected, projected
