"""The macro space of ProxylessNAS (Cai et al. 2019), which GA-NAS also searches (Rezaei et al. 2021, section 4.2).

A fixed layer of 16 channels and 21 layers that are searched: kernel 3, 5 or 7, expansion 3 or 6, or none at all where
input and output have the same shape. Widths and strides are those of the authors' code at width 1.

The authors publish their networks at other widths. With the layers below and these widths, parameters and multiply-adds
are those that the authors' logs print: 7.12 M and 465.3 M for the GPU, 4.36 M and 439.2 M for the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.macro.mbconv_space import ZERO, MbconvSpace, StagePlan
from archloom.types import Arch

PROXYLESS_GPU = (
    "e3_k5,zero,zero,zero/e3_k7,e3_k3,zero,zero/e6_k7,e3_k5,zero,zero/e6_k5,e3_k3,e3_k5,zero/"
    "e6_k7,e6_k7,e6_k7,e6_k5/e6_k7"
)
"""ProxylessNAS-GPU. The published network has `width` 1.35, and then 7,119,848 parameters; at width 1 it has 4,359,048,
and GA-NAS prints 4.4 M for the network that it starts from."""

PROXYLESS_CPU = (
    "e6_k3,e3_k3,e3_k3,e3_k3/e6_k3,e3_k3,e3_k3,e3_k5/e6_k3,e3_k3,zero,zero/e6_k5,e3_k3,e3_k3,e3_k3/"
    "e6_k5,e3_k5,e3_k5,e3_k3/e6_k5"
)
"""ProxylessNAS-CPU. The published network has `width` 1.12, and then 4,361,648 parameters."""

_KINDS = tuple(f"e{expansion}_k{kernel}" for kernel in (3, 5, 7) for expansion in (3, 6))
_ZERO = len(_KINDS)
_LENGTHS = (4, 4, 4, 4, 4, 1)
_STAGES = tuple(slice(start, end) for start, end in pairwise(accumulate(_LENGTHS, initial=0)))
"""Where each stage's genes are."""


class Proxyless(MbconvSpace):
    """ProxylessNAS's stages of 4, 4, 4, 4, 4 and 1 layers, without squeeze-excitation, with ReLU6.

    A layer that is `zero` is not there, and where in a stage it is missing makes no difference: of all such
    architectures the one with its zeros last represents the others. Random architectures have uniform genes, so
    networks that can be written in several ways are drawn more often. Stages are always distinct, even at a `width`
    (0.25, say) at which those of 80 and 96 channels come out equally wide and could lend each other layers.
    """

    name = "proxyless"
    title = "A network of ProxylessNAS's space"
    activation = "relu6"
    gated = False
    plan = (
        StagePlan(16, 1, (("e1_k3",),)),
        *(
            StagePlan(width, stride, (_KINDS, *((*_KINDS, ZERO),) * (layers - 1)))
            for width, stride, layers in zip((24, 40, 80, 96, 192, 320), (2, 2, 2, 1, 2, 1), _LENGTHS, strict=True)
        ),
    )

    @property
    def size(self) -> int:
        """How many different networks there are: a stage's first layer, and 0, 1, ... layers after it."""
        return math.prod(sum(len(_KINDS) ** real for real in range(1, length + 1)) for length in _LENGTHS)

    def canonical(self, arch: Arch) -> Arch:
        genes = self.indices(arch)
        return Arch(tuple(gene for at in _STAGES for gene in _written(genes[at])))

    def representative_rows(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """(n,) which rows (n, 21) are their own canonical architecture: no stage has a layer behind a zero."""
        zero = rows == _ZERO
        followed = [(zero[:, at][:, :-1] & ~zero[:, at][:, 1:]).any(axis=1) for at in _STAGES]
        fitness: NDArray[np.bool_] = ~np.any(followed, axis=0)
        return fitness

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        """The networks, as their canonical genes, with one layer changed, one less, or one more.

        The new layer may be anywhere in a stage except at its front, so that each is a neighbour of its neighbours.
        """
        genes = self.indices(self.canonical(arch))
        found = dict.fromkeys(self.canonical(near) for near in super().neighbours(Arch(genes)))
        for at in _STAGES:
            stage = genes[at]
            if stage[-1] != _ZERO:
                continue  # no room for one more
            for place, kind in product(range(1, len(stage)), range(len(_KINDS))):
                longer = _written((*stage[:place], kind, *stage[place:-1]))
                found[Arch(genes[: at.start] + longer + genes[at.stop :])] = None
        return list(found)


def _written(stage: tuple[int, ...]) -> tuple[int, ...]:
    """The genes of a stage with its zeros last."""
    return tuple(sorted(stage, key=lambda gene: gene == _ZERO))
