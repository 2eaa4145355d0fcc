"""Linear layers whose result for a row depends on that row alone, to the last bit.

A BLAS sums a row's products in an order that depends on the row's place in its batch. Here it is always the same:
the columns from the first to the last, without fused multiply-adds. So predictions do not depend on how a batch is cut,
or on what else is in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archloom.utils.jit import compiled

Float32 = NDArray[np.float32]

DEPTH, STRIP = 64, 128
"""Inputs and outputs of a block of weights: 32 kB, which fill a first-level cache."""


def blocks(weight: Float32) -> Float32:
    """Weights (inputs, outputs) as `linear` reads them, block by block: (inputs / 64, outputs / 128, 64, 128)."""
    inputs, outputs = weight.shape
    cut = weight.reshape(inputs // DEPTH, DEPTH, outputs // STRIP, STRIP)
    return np.ascontiguousarray(cut.swapaxes(1, 2))


@compiled
def linear(x: Float32, first: int, weight: Float32, bias: Float32, out: Float32) -> None:
    """`out` (n, outputs) = `x` (n, ...) from column `first` on times the `blocks` of `weight`, plus `bias` (outputs,).

    All are C-contiguous.
    """
    rows = len(out)
    for row in range(rows):
        out[row] = bias
    for down in range(weight.shape[0]):
        top = first + down * DEPTH
        for across in range(weight.shape[1]):
            left, block = across * STRIP, weight[down, across]
            for row in range(0, rows - 1, 2):
                one, two = out[row, left : left + STRIP], out[row + 1, left : left + STRIP]
                _add_to_two(x[row, top : top + DEPTH], x[row + 1, top : top + DEPTH], block, one, two)
            if rows % 2:
                _add_to_one(x[-1, top : top + DEPTH], block, out[-1, left : left + STRIP])


@compiled
def _add_to_one(x: Float32, block: Float32, out: Float32) -> None:
    """Add to `out` (128,) the products of `x` (64,) and `block` (64, 128), the first input's first."""
    for k in range(0, DEPTH, 4):
        x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        w0, w1, w2, w3 = block[k], block[k + 1], block[k + 2], block[k + 3]
        for o in range(STRIP):
            out[o] = out[o] + x0 * w0[o] + x1 * w1[o] + x2 * w2[o] + x3 * w3[o]


@compiled
def _add_to_two(x: Float32, y: Float32, block: Float32, out: Float32, other: Float32) -> None:
    """`_add_to_one` for two rows, which share the weights that are loaded."""
    for k in range(0, DEPTH, 4):
        x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        y0, y1, y2, y3 = y[k], y[k + 1], y[k + 2], y[k + 3]
        w0, w1, w2, w3 = block[k], block[k + 1], block[k + 2], block[k + 3]
        for o in range(STRIP):
            out[o] = out[o] + x0 * w0[o] + x1 * w1[o] + x2 * w2[o] + x3 * w3[o]
            other[o] = other[o] + y0 * w0[o] + y1 * w1[o] + y2 * w2[o] + y3 * w3[o]


@compiled
def add_head(x: Float32, weight: Float32, bias: Float32, out: Float32) -> None:
    """Add `x` (n, inputs) times `weight` (outputs, inputs), plus `bias`, to the few columns of `out` (n, outputs).

    The number of inputs is a multiple of 4; products are summed in four parts, which is four times as quick.
    """
    for row in range(len(out)):
        for o in range(len(weight)):
            a = b = c = d = np.float32(0.0)
            for k in range(0, weight.shape[1], 4):
                a += x[row, k] * weight[o, k]
                b += x[row, k + 1] * weight[o, k + 1]
                c += x[row, k + 2] * weight[o, k + 2]
                d += x[row, k + 3] * weight[o, k + 3]
            out[row, o] += (a + b) + (c + d) + bias[o]
