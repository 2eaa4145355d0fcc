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

    widths: Callable[[int], tuple[int, ...]]
    """Channels -> channels before, between and after the 3x3 convolutions of the stem."""
    sides: tuple[int, ...]
    """The side of each such convolution's output in pixels."""
    auxiliary_norms: int
    """Normalised channels of the auxiliary head."""

    @property
    def halves(self) -> bool:
        """Whether the two inputs of the first cell have different sizes."""
        return len(self.sides) > 1


CIFAR = Images(lambda channels: (3, 3 * channels), (32,), 128 + 768)
"""Images of 32 x 32."""
IMAGENET = Images(lambda channels: (3, channels // 2, channels, channels), (112, 56, 28), 128)
"""Images of 224 x 224."""


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


def _conv(c_in: int, c_out: int, side: int, kernel: int = 1, groups: int = 1) -> _Tally:
    weights = c_in // groups * c_out * kernel**2
    return _Tally(weights=weights, macs=weights * side**2)


def _norm(channels: int, side: int) -> _Tally:
    return _Tally(channels=channels, norms=channels * side**2)


def _relu(channels: int, side: int) -> _Tally:
    return _Tally(relus=channels * side**2)


def _factorised(c_in: int, c_out: int, side: int) -> _Tally:
    """A factorised reduction to `side`: each half of the channels is made from a quarter of the pixels."""
    return _total([_relu(c_in, 2 * side), _conv(c_in, c_out, side), _norm(c_out, side)])


_Operation = Callable[[int, int, int], _Tally]
"""Channels, the side of the output in pixels, and the stride -> what an operation of a cell counts as."""


def _skip(channels: int, side: int, stride: int) -> _Tally:
    return _factorised(channels, channels, side) if stride == 2 else _Tally()


def _pool(kernel: int) -> _Operation:
    return lambda channels, side, stride: _Tally(pooled=channels * side**2 * (kernel**2 + 1))


def _depthwise(channels: int, side: int, stride: int, kernel: int) -> _Tally:
    """ReLU, depth-wise convolution, 1x1 convolution, normalisation."""
    convolutions = [_conv(channels, channels, side, kernel, groups=channels), _conv(channels, channels, side)]
    return _total([_relu(channels, stride * side), *convolutions, _norm(channels, side)])


def _dilated(kernel: int) -> _Operation:
    return lambda channels, side, stride: _depthwise(channels, side, stride, kernel)


def _separable(kernel: int) -> _Operation:
    """Two of them, the first one with the stride."""
    return lambda channels, side, stride: _total(
        [_depthwise(channels, side, stride, kernel), _depthwise(channels, side, 1, kernel)]
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
    side: int
    """Of the newer input in pixels."""


def _cells(channels: int, layers: int, images: Images) -> Iterator[_Cell]:
    stem = images.widths(channels)
    older, newer = stem[-2] if images.halves else stem[-1], stem[-1]
    side, halves = images.sides[-1], images.halves
    for layer in range(layers):
        reduction = layer in (layers // 3, 2 * layers // 3)
        channels *= 1 + reduction
        yield _Cell(reduction, halves, (older, newer, channels), side)
        older, newer, halves = newer, 4 * channels, reduction
        side //= 1 + reduction


def _around(channels: int, layers: int, classes: int, images: Images) -> _Tally:
    """Everything but the searched operations and the auxiliary head."""
    widths, tallies = images.widths(channels), []
    for c_in, c_out, side in zip(widths, widths[1:], images.sides, strict=False):
        tallies += [_conv(c_in, c_out, side, kernel=3), _norm(c_out, side)]
    tallies += [_relu(c, side) for c, side in zip(widths[1:], images.sides[:-1], strict=False)]
    for cell in _cells(channels, layers, images):
        older, newer, own = cell.widths
        if cell.halves_first:
            tallies.append(_factorised(older, own, cell.side))
        else:
            tallies += [_relu(older, cell.side), _conv(older, own, cell.side), _norm(own, cell.side)]
        tallies += [_relu(newer, cell.side), _conv(newer, own, cell.side), _norm(own, cell.side)]
    features, side = 4 * own, cell.side // (1 + cell.reduction)
    pool = _Tally(pooled=features * (side**2 + 1))
    return _total([*tallies, pool, _conv(features, classes, side=1), _Tally(weights=classes)])


def _auxiliary(channels: int, layers: int, classes: int, images: Images) -> int:
    """Parameters of the auxiliary head: 1x1 to 128 channels, 2x2 to 768, linear."""
    features = [4 * cell.widths[2] for cell in _cells(channels, layers, images)][2 * layers // 3]
    return 128 * features + 128 * 768 * 4 + 2 * images.auxiliary_norms + (768 + 1) * classes


@lru_cache(maxsize=64)
def _searched(channels: int, layers: int, images: Images) -> NDArray[np.int64]:
    """(2, 2, 7, 6): the tally of a pair in all cells, by cell, whether its source is a node, and operation."""
    table = np.zeros((2, 2, len(OPERATIONS), len(_Tally._fields)), dtype=np.int64)
    for cell in _cells(channels, layers, images):
        side = cell.side // (1 + cell.reduction)
        for from_node in (False, True):
            stride = 2 if cell.reduction and not from_node else 1
            tallies = [_TALLIES[name](cell.widths[2], side, stride) for name in OPERATIONS]
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
) -> NDArray[np.int64]:
    """(n,) parameters of the evaluation networks of genotypes (n, 2, 8, 2), or of one (2, 8, 2).

    By default as the DDAS thesis counts (Table 3.1: DARTS-V1 3.646 M, DARTS-V2 3.826 M on CIFAR-10), the auxiliary head
    included. The counts published with NAS-Bench-301 have channels=32, layers=8, auxiliary=False, affine=False: the
    normalisations inside of operations have no weights. InputError if a genotype breaks a rule or a size is below 1.
    """
    _check_sizes(channels=channels, layers=layers, classes=classes)
    fixed = _around(channels, layers, classes, images)
    base = fixed.weights + 2 * fixed.channels + auxiliary * _auxiliary(channels, layers, classes, images)
    table = _searched(channels, layers, images)
    return base + _sum_over_pairs(genotypes, table[..., 0] + 2 * affine * table[..., 1])


def flops(
    genotypes: NDArray[np.integer[Any]],
    channels: int = 36,
    layers: int = 20,
    classes: int = 10,
    *,
    counting: Counting = DDAS_COUNTING,
    images: Images = CIFAR,
) -> NDArray[np.int64]:
    """(n,) FLOPs of one image in the evaluation networks of genotypes (n, 2, 8, 2), or of one (2, 8, 2).

    The auxiliary head is not counted.
    By default as the DDAS thesis counts (Table 3.1): 2 * (multiply-adds of convolutions and classifier + 2 per element
    of a normalisation's output). The counts published with NAS-Bench-301 have channels=32, layers=8 and
    `NB301_COUNTING`. InputError if a genotype breaks a rule or a size is below 1.
    """
    _check_sizes(channels=channels, layers=layers, classes=classes)
    mac, norm, inner, relu, pool = astuple(counting)
    fixed = np.array(_around(channels, layers, classes, images)[2:])
    addends = _searched(channels, layers, images)[..., 2:] @ np.array([mac, inner, relu, pool])
    return int(fixed @ [mac, norm, relu, pool]) + _sum_over_pairs(genotypes, addends)


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise InputError(f"{name} {size}: expected at least 1")
