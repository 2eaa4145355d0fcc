"""What spaces of inverted residual layers (MBConv) share: their networks, the source of these, and exact counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.exports import exported

if TYPE_CHECKING:
    from torch import nn

Layer = tuple[int, int, int, int, bool]
"""Channels that come out, expansion of those that come in, kernel and stride of the depthwise convolution, gate."""

Chain = tuple[Layer, ...]

Stages = Sequence[Sequence[Layer | None]]
"""What `MbconvNetwork` is built from; None is no layer at all."""


@dataclass(frozen=True)
class Frame:
    """What surrounds the layers: channels after the first and the last convolution, activation, input, output."""

    stem: int
    head: int
    activation: str
    channels: int = 3
    classes: int = 1000


@dataclass(frozen=True)
class Counting:
    """What counts as an operation beside a multiply-add of a convolution (without bias) or of the classifier, which
    is 1: normalising a value, and each of the p additions and the division of an average over p values."""

    norm: int = 0
    average: int = 0


MULTIPLY_ADDS = Counting()
"""Those of convolutions, gates included, and classifier."""

THOP = Counting(norm=4, average=1)
"""As the package thop (0.1.1) counts; activations and the gates' products are free."""


# -- networks -----------------------------------------------------------------------------------------------------


def build(stages: Stages, frame: Frame, seed: int) -> nn.Module:
    """The network, its weights drawn from `seed` alone."""
    from archloom.nets.mbconv import MbconvNetwork

    return MbconvNetwork(stages, seed, **asdict(frame))


_EXPORT = '''"""{title}, found with archloom.

{arch}
{found_by}

    from FILE import make_network

    network = make_network(seed=0)

{trained}
"""

{code}

STAGES_FOUND: list[list[Layer | None]] = [
{stages}
]
"""The layers of each stage; None is no layer at all."""


def make_network(seed: int = 0, classes: int = {classes}, image_channels: int = {channels}) -> MbconvNetwork:
    """The network with freshly drawn weights, for images of shape (B, image_channels, H, W)."""
    return MbconvNetwork(
        STAGES_FOUND,
        seed,
        stem={stem},
        head={head},
        activation="{activation}",
        channels=image_channels,
        classes=classes,
    )
'''


def source(stages: Stages, frame: Frame, title: str, arch: str, found_by: str) -> str:
    """`archloom/nets/mbconv.py` with these stages filled in: a file that needs PyTorch only.

    `title` says what kind of network it is, `arch` is the architecture's string, `found_by` says where it comes from.
    """
    rows = "\n".join(f"    {list(stage)}," for stage in stages)
    return exported(_EXPORT, "mbconv", title=title, arch=arch, found_by=found_by, stages=rows, **asdict(frame))


# -- counts -------------------------------------------------------------------------------------------------------
# Counts are sums over places, because what comes into a place and out of it does not depend on the rest of the network.

Count = tuple[int, int]
"""Parameters, and operations for one image."""

Places = tuple[tuple[Chain, ...], ...]
"""For each place in the network the chains of layers that can be there; the first of them is not empty."""


@lru_cache(maxsize=64)
def costs(
    frame: Frame, places: Places, resolution: int, counting: Counting
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Parameters, and operations for an image of `resolution` x `resolution` pixels.

    The first array (2,) is the count of stem and head, the second (places, options, 2) that of each option of each
    place; if a place has fewer options than another, its row ends in zeros. Do not write to them.
    """
    side, c_in = math.ceil(resolution / 2), frame.stem
    base = [_conv(frame.channels, frame.stem, 3, side, counting)]
    table = np.zeros((len(places), max(map(len, places)), 2), dtype=np.int64)
    for place, options in enumerate(places):
        for option, chain in enumerate(options):
            table[place, option] = _chain(c_in, side, chain, counting)
        c_in, side = options[0][-1][0], _after(side, options[0])
    base.append(_conv(c_in, frame.head, 1, side, counting))
    base.append((0, counting.average * frame.head * (side**2 + 1)))
    base.append(((frame.head + 1) * frame.classes, frame.head * frame.classes))
    return np.array(_sum(base), dtype=np.int64), table


def genes_of(genes: NDArray[np.integer[Any]], names: Sequence[str], sizes: Sequence[int]) -> NDArray[np.int64]:
    """(n, g) the rows of `genes`, or the one row that it is; InputError unless they are indices of options.

    `names` and `sizes`, of length g, are the genes' names and how many options each has.
    """
    try:
        rows = np.atleast_2d(np.asarray(genes))
    except ValueError as error:
        raise InputError(f"genes in rows of different lengths: expected integers (n, {len(names)})") from error
    if rows.ndim != 2 or rows.shape[1] != len(names) or rows.dtype.kind not in "iu":
        raise InputError(f"genes of shape {np.shape(genes)} and type {rows.dtype}: expected integers (n, {len(names)})")
    wrong = np.argwhere((rows < 0) | (rows >= np.asarray(sizes)))
    if len(wrong):
        row, gene = wrong[0].tolist()
        raise InputError(
            f"gene {names[gene]} of row {row} is {rows[row, gene]}: "
            f"expected the index of one of its {sizes[gene]} options"
        )
    return rows.astype(np.int64)


def side_of(resolution: int) -> int:
    """The resolution; InputError unless it is a whole number of pixels."""
    try:
        side = index(resolution)
    except TypeError:
        side = 0
    if side < 1:
        raise InputError(f"resolution {resolution!r}: expected a whole number of at least 1 pixel, e.g. 224")
    return side


def _after(side: int, chain: Chain) -> int:
    """The side of what a chain gives out."""
    for _, _, _, stride, _ in chain:
        side = math.ceil(side / stride)
    return side


def _chain(c_in: int, side: int, chain: Chain, counting: Counting) -> Count:
    counts = []
    for layer in chain:
        counts.append(_layer(c_in, side, layer, counting))
        c_in, side = layer[0], _after(side, (layer,))
    return _sum(counts)


def _layer(c_in: int, side: int, layer: Layer, counting: Counting) -> Count:
    c_out, expansion, kernel, _, gated = layer
    inner, after, squeezed = expansion * c_in, _after(side, (layer,)), max(c_in // 4, 1)
    counts = [_conv(1, inner, kernel, after, counting), _conv(inner, c_out, 1, after, counting)]
    if expansion > 1:
        counts.append(_conv(c_in, inner, 1, side, counting))
    if gated:
        products = 2 * inner * squeezed
        counts.append((products + inner + squeezed, products + counting.average * inner * (after**2 + 1)))
    return _sum(counts)


def _conv(fan: int, c_out: int, kernel: int, side: int, counting: Counting) -> Count:
    """A convolution with `fan` input channels for each output, and its batch normalisation; `side` is the output's."""
    weights = fan * c_out * kernel**2
    return weights + 2 * c_out, (weights + counting.norm * c_out) * side**2


def _sum(counts: Sequence[Count]) -> Count:
    return sum(parameters for parameters, _ in counts), sum(operations for _, operations in counts)
