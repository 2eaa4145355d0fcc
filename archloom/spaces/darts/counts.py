"""Parameters and FLOPs of the DARTS evaluation networks, counted without building them.

Every cell of one kind has the same operations, so a count is a constant plus one addend for each of the 16 pairs, which
depends on the cell, on whether the source is an input (in reduction cells those operations have stride 2), and on the
operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.darts.genotypes import OPERATIONS, checked
from archloom.spaces.sizes import STEMS, Convolution, Grid, ImageSize, Stem, grid_of


@dataclass(frozen=True)
class Counting:
    """How many FLOPs each thing counts as. The names are those of published counts; see `flops`."""

    multiply_add: int
    norm: int = 0
    """An output element of a normalisation outside of the searched operations."""
    inner_norm: int = 0
    """An output element of a normalisation inside of a searched operation."""
    relu: int = 0
    """An element of a ReLU."""
    pool: int = 0
    """An element that a pooling adds up, and one for dividing."""


DDAS_COUNTING = Counting(multiply_add=2, norm=4, inner_norm=4)
"""The tables of the DDAS thesis: DARTS-V1 has 1.0219 G and DARTS-V2 1.0782 G."""
NB301_COUNTING = Counting(multiply_add=1, norm=2, inner_norm=1, relu=1, pool=1)
"""The FLOPs published with NAS-Bench-301 (32 channels, 8 layers). They are 8,192 more than ours for every genotype, of
153 million; what else was counted is not known."""
MULTIPLY_ADDS = Counting(multiply_add=1)
"""Of convolutions and classifier. DARTS-V2 has 530 M on ImageNet; the 574 M that its paper prints are not explained:
who counted the authors' code found about as many as we do (quark0/darts, issue 46)."""


@dataclass(frozen=True)
class Images:
    """What differs between networks for different images; see the networks' stems and auxiliary heads."""

    stem: Stem
    auxiliary_norms: int
    """Normalised channels of the auxiliary head."""

    @property
    def halves(self) -> bool:
        """Whether the two inputs of the first cell have different sizes."""
        return len(self.stem.strides) > 1


CIFAR = Images(Stem(lambda channels: (3 * channels,), (1,), 32), 128 + 768)
"""Made for images of 32 x 32."""
IMAGENET = Images(STEMS["imagenet"], 128)
"""Made for images of 224 x 224."""
IMAGES: Mapping[str, Images] = {"cifar": CIFAR, "imagenet": IMAGENET}
"""By the name of the stem."""


class _Tally(NamedTuple):
    weights: int = 0
    """Of convolutions and linear layers, biases included."""
    channels: int = 0
    """That are normalised; each has two weights, if any."""
    macs: int = 0
    norms: int = 0
    relus: int = 0
    pooled: int = 0


def _total(tallies: Iterable[_Tally]) -> _Tally:
    return _Tally(*map(sum, zip(_Tally(), *tallies, strict=True)))


def _conv(c_in: int, c_out: int, grid: Grid, kernel: int = 1, groups: int = 1) -> _Tally:
    weights = c_in // groups * c_out * kernel**2
    return _Tally(weights=weights, macs=weights * grid.pixels)


def _norm(channels: int, grid: Grid) -> _Tally:
    return _Tally(channels=channels, norms=channels * grid.pixels)


def _relu(channels: int, grid: Grid) -> _Tally:
    return _Tally(relus=channels * grid.pixels)


def _factorised(c_in: int, c_out: int, grid: Grid) -> _Tally:
    """A factorised reduction of `grid`: each half of the channels is made from a quarter of the pixels."""
    half = grid.after(2)
    return _total([_relu(c_in, grid), _conv(c_in, c_out, half), _norm(c_out, half)])


_Operation = Callable[[int, Grid, int], _Tally]
"""Channels, the size of the input, and the stride -> what an operation of a cell counts as."""


def _skip(channels: int, grid: Grid, stride: int) -> _Tally:
    return _factorised(channels, channels, grid) if stride == 2 else _Tally()


def _pool(kernel: int) -> _Operation:
    return lambda channels, grid, stride: _Tally(pooled=channels * grid.after(stride).pixels * (kernel**2 + 1))


def _depthwise(channels: int, grid: Grid, stride: int, kernel: int) -> _Tally:
    """ReLU, depth-wise convolution, 1x1 convolution, normalisation."""
    out = grid.after(stride)
    convolutions = [_conv(channels, channels, out, kernel, groups=channels), _conv(channels, channels, out)]
    return _total([_relu(channels, grid), *convolutions, _norm(channels, out)])


def _dilated(kernel: int) -> _Operation:
    return lambda channels, grid, stride: _depthwise(channels, grid, stride, kernel)


def _separable(kernel: int) -> _Operation:
    """Two of them, the first one with the stride."""
    return lambda channels, grid, stride: _total(
        [_depthwise(channels, grid, stride, kernel), _depthwise(channels, grid.after(stride), 1, kernel)]
    )


_TALLIES: Mapping[str, _Operation] = {
    "max_pool_3x3": _pool(3),
    "avg_pool_3x3": _pool(3),
    "skip_connect": _skip,
    "sep_conv_3x3": _separable(3),
    "sep_conv_5x5": _separable(5),
    "dil_conv_3x3": _dilated(3),
    "dil_conv_5x5": _dilated(5),
}


class _Cell(NamedTuple):
    reduction: bool
    halves_first: bool
    """Whether its older input is twice as large as the other."""
    widths: tuple[int, int, int]
    """Channels of the older input, of the other one, and of the cell's own nodes."""
    older: Grid
    newer: Grid

    @property
    def out(self) -> Grid:
        return self.newer.after(1 + self.reduction)


class _Sizes(NamedTuple):
    """Of a network. See `parameters`."""

    channels: int
    layers: int
    classes: int
    images: Images
    image_channels: int
    grid: Grid

    def stem(self) -> list[Convolution]:
        return list(self.images.stem.convolutions(self.image_channels, self.channels, self.grid))

    def cells(self) -> Iterator[_Cell]:
        stem, channels, halves = self.stem(), self.channels, self.images.halves
        older, newer = stem[-2] if halves else stem[-1], stem[-1]
        widths, grids = (older.c_out, newer.c_out), (older.grid, newer.grid)
        for layer in range(self.layers):
            reduction = layer in (self.layers // 3, 2 * self.layers // 3)
            channels *= 1 + reduction
            cell = _Cell(reduction, halves, (*widths, channels), *grids)
            yield cell
            widths, grids, halves = (widths[1], 4 * channels), (cell.newer, cell.out), reduction


def _around(sizes: _Sizes) -> _Tally:
    """Everything but the searched operations and the auxiliary head."""
    tallies, stem = [], sizes.stem()
    for c_in, c_out, grid in stem:
        tallies += [_conv(c_in, c_out, grid, kernel=3), _norm(c_out, grid)]
    tallies += [_relu(c_out, grid) for _, c_out, grid in stem[:-1]]
    for cell in sizes.cells():
        older, newer, own = cell.widths
        if cell.halves_first:
            tallies.append(_factorised(older, own, cell.older))
        else:
            tallies += [_relu(older, cell.older), _conv(older, own, cell.older), _norm(own, cell.older)]
        tallies += [_relu(newer, cell.newer), _conv(newer, own, cell.newer), _norm(own, cell.newer)]
    features = 4 * own
    pool = _Tally(pooled=features * (cell.out.pixels + 1))
    return _total([*tallies, pool, _conv(features, sizes.classes, Grid(1, 1)), _Tally(weights=sizes.classes)])


def _auxiliary(sizes: _Sizes) -> int:
    """Parameters of the auxiliary head: 1x1 to 128 channels, 2x2 to 768, linear."""
    features = [4 * cell.widths[2] for cell in sizes.cells()][2 * sizes.layers // 3]
    return 128 * features + 128 * 768 * 4 + 2 * sizes.images.auxiliary_norms + (768 + 1) * sizes.classes


@lru_cache(maxsize=64)
def _searched(sizes: _Sizes) -> NDArray[np.int64]:
    """(2, 2, 7, 6): the tally of a pair in all cells, by cell, whether its source is a node, and operation."""
    table = np.zeros((2, 2, len(OPERATIONS), len(_Tally._fields)), dtype=np.int64)
    for cell in sizes.cells():
        for from_node in (False, True):
            stride = 2 if cell.reduction and not from_node else 1
            grid = cell.out if from_node else cell.newer
            tallies = [_TALLIES[name](cell.widths[2], grid, stride) for name in OPERATIONS]
            table[int(cell.reduction), int(from_node)] += tallies
    return table


def _sum_over_pairs(genotypes: NDArray[np.integer[Any]], addends: NDArray[np.int64]) -> NDArray[np.int64]:
    batch = checked(genotypes)
    cells = np.arange(2)[:, None]
    sums: NDArray[np.int64] = addends[cells, (batch[..., 0] > 1).view(np.uint8), batch[..., 1]].sum(axis=(1, 2))
    return sums


def parameters(
    genotypes: NDArray[np.integer[Any]],
    channels: int = 36,
    layers: int = 20,
    classes: int = 10,
    auxiliary: bool = True,
    *,
    affine: bool = True,
    images: Images = CIFAR,
    image_channels: int = 3,
) -> NDArray[np.int64]:
    """(n,) parameters of the evaluation networks of genotypes (n, 2, 8, 2), or of one (2, 8, 2).

    By default as the DDAS thesis counts (Table 3.1: DARTS-V1 3.646 M, DARTS-V2 3.826 M on CIFAR-10), the auxiliary head
    included. The counts published with NAS-Bench-301 have channels=32, layers=8, auxiliary=False, affine=False: the
    normalisations inside of operations have no weights. InputError if a genotype breaks a rule or a size is below 1.
    """
    sizes = _sizes(channels, layers, classes, images, image_channels, None)
    fixed, table = _around(sizes), _searched(sizes)
    base = fixed.weights + 2 * fixed.channels + auxiliary * _auxiliary(sizes)
    return base + _sum_over_pairs(genotypes, table[..., 0] + 2 * affine * table[..., 1])


def flops(
    genotypes: NDArray[np.integer[Any]],
    channels: int = 36,
    layers: int = 20,
    classes: int = 10,
    *,
    counting: Counting = DDAS_COUNTING,
    images: Images = CIFAR,
    image_channels: int = 3,
    image_size: ImageSize | None = None,
) -> NDArray[np.int64]:
    """(n,) FLOPs of one image in the evaluation networks of genotypes (n, 2, 8, 2), or of one (2, 8, 2).

    The auxiliary head is not counted. Without `image_size` the image has the size that the stem is made for.
    By default as the DDAS thesis counts (Table 3.1): 2 * (multiply-adds of convolutions and classifier + 2 per element
    of a normalisation's output). The counts published with NAS-Bench-301 have channels=32, layers=8 and
    `NB301_COUNTING`. InputError if a genotype breaks a rule or a size is below 1.
    """
    sizes = _sizes(channels, layers, classes, images, image_channels, image_size)
    mac, norm, inner, relu, pool = astuple(counting)
    fixed = np.array(_around(sizes)[2:])
    addends = _searched(sizes)[..., 2:] @ np.array([mac, inner, relu, pool])
    return int(fixed @ [mac, norm, relu, pool]) + _sum_over_pairs(genotypes, addends)


def _sizes(
    channels: int, layers: int, classes: int, images: Images, image_channels: int, image_size: ImageSize | None
) -> _Sizes:
    least_one = {"channels": channels, "layers": layers, "classes": classes, "image_channels": image_channels}
    for name, size in least_one.items():
        if size < 1:
            raise InputError(f"{name} {size}: expected at least 1")
    grid = grid_of(images.stem.image_size if image_size is None else image_size)
    return _Sizes(channels, layers, classes, images, image_channels, grid)
