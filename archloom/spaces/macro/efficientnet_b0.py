"""Orderings of EfficientNet-B0's own layers (Tan & Le 2019): a macro space of GA-NAS (Rezaei et al. 2021, section 4.2).

GA-NAS looks for a "better ordering of the same set of MBConv blocks" under B0's number of weights, and does not publish
how it writes such an ordering down. Here it is our own reading: B0's 16 layers keep their widths and strides, and each
of them is of one of the three kinds that occur in B0, whatever the other layers are. What cannot be expressed are other
numbers of layers.
"""

from __future__ import annotations

from archloom.spaces.macro.mbconv_space import MbconvSpace, StagePlan

EFFICIENTNET_B0 = "e1_k3/e6_k3,e6_k3/e6_k5,e6_k5/e6_k3,e6_k3,e6_k3/e6_k5,e6_k5,e6_k5/e6_k5,e6_k5,e6_k5,e6_k5/e6_k3"
"""EfficientNet-B0 itself: 5,288,548 parameters, the network to start from or to compare with."""

_KINDS = ("e1_k3", "e6_k3", "e6_k5")


class EfficientNetB0(MbconvSpace):
    """EfficientNet-B0's stages of 1, 2, 2, 3, 3, 4 and 1 layers, each of three kinds: 3**16 networks.

    All have squeeze-excitation to a quarter of the channels that come in, and SiLU. Any two settings of the genes are
    different networks.
    """

    name = "efficientnet_b0"
    title = "A network of EfficientNet-B0's layers"
    activation = "silu"
    gated = True
    plan = tuple(
        StagePlan(width, stride, (_KINDS,) * layers)
        for width, stride, layers in (
            (16, 1, 1), (24, 2, 2), (40, 2, 2), (80, 2, 3), (112, 1, 3), (192, 2, 4), (320, 1, 1),
        )
    )  # fmt: skip
