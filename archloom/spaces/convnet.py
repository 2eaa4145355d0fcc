"""Networks for images as chains of interchangeable layers: a space for image classification.

A stage has a gene for its normalisation, and two for each of its layers: the layer's kind and its activation. The kinds
are those of the image encoder in PBT-NAS (Chebykin et al. 2023, section 4.3), here with normalisation.

A layer owns all of its tensors, the scale, shift and running statistics of its normalisation included; the genes of
activation and normalisation own none, because every rule of normalisation has the same tensors
(`archloom.nets.convnet.Norm`). So a layer can be taken from one network into any other that has room for it, whatever
the other genes say. Stem, strided convolutions and head are the network's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.spaces.drawing import Drawing, DrawnEdge
from archloom.spaces.exports import exported
from archloom.spaces.flow import Flow, FlowBatch, chains
from archloom.types import Arch
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from torch import nn

KERNELS = (3, 5, 7)

LAYERS = (
    "id",
    *(f"{kind}_{kernel}" for kind in ("conv", "residual", "sep_conv") for kernel in KERNELS),
)
"""The kinds of layers, in the order of PBT-NAS; `id` is no layer at all, and then there is no activation either."""

ACTIVATIONS = ("id", "tanh", "relu", "swish")
NORMS = ("none", "batch", "layer")
"""How the values of a stage are normalised: not at all, over the batch, or over each image."""

NETWORK = "network"
"""What the network is called in a training's state, and so the first part of every module's prefix."""

_EXPORT = '''"""A network for images, found with archloom.

{arch}
{found_by}

    from FILE import make_network

    network = make_network(seed=0)

{trained}
"""

{code}

STAGES_FOUND: list[Stage] = [
{stages}
]
"""Normalisation of each stage, and kind and activation of each of its layers."""


def make_network(seed: int = 0, classes: int = {classes}, image_channels: int = {image_channels}) -> ConvNetwork:
    """The network with freshly drawn weights, for images of shape (B, image_channels, H, W)."""
    return ConvNetwork(STAGES_FOUND, seed, image_channels, {width}, {stride}, classes)
'''


class ConvNet(Categorical):
    """Chains of `stages` x `layers` layers, `width` channels wide in the first stage and twice as wide in each next.

    The first convolution has the stride `stride`: 2 or more makes networks for large images faster. `image_channels`
    and `classes` are those of the images. Strings give for each stage its normalisation, then its layers with their
    activations: `batch:conv_3+relu,id+tanh/none:residual_5+swish,...`.

    Layers of kind `id` do nothing, so neither their places in a stage nor their activations make a difference: of all
    such architectures the one with its `id` layers last, and without activations, represents the others.
    """

    name = "convnet"

    def __init__(
        self,
        stages: int = 2,
        layers: int = 3,
        width: int = 16,
        stride: int = 1,
        image_channels: int = 3,
        classes: int = 10,
    ) -> None:
        settings = {
            "stages": stages,
            "layers": layers,
            "width": width,
            "stride": stride,
            "image_channels": image_channels,
        }
        for name, value in settings.items():
            if value < 1:
                raise InputError(f"convnet option {name}={value}: expected a whole number from 1")
        if classes < 2:
            raise InputError(f"convnet option classes={classes}: expected at least 2 classes")
        self.stages, self.layers, self.width, self.stride = stages, layers, width, stride
        self.image_channels, self.classes = image_channels, classes
        options: dict[str, Sequence[object]] = {}
        for stage in range(stages):
            options[f"stage{stage}.norm"] = NORMS
            for layer in range(layers):
                options[f"stage{stage}.layer{layer}"] = LAYERS
                options[f"stage{stage}.activation{layer}"] = ACTIVATIONS
        super().__init__(options)

    @classmethod
    def for_table(
        cls, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]], **settings: Any
    ) -> NoReturn:
        """This space trains its networks. InputError, which says how to search a table."""
        raise InputError("convnet trains its networks and reads no table; use --on table to search a table's choices")

    @property
    def size(self) -> int:
        """How many different networks there are: of a stage, those with 0, 1, ... `layers` layers that do something."""
        real = (len(LAYERS) - 1) * len(ACTIVATIONS)
        chains: int = sum(real**length for length in range(self.layers + 1))
        return int((len(NORMS) * chains) ** self.stages)

    def stages_of(self, arch: Arch) -> list[tuple[str, list[tuple[str, str]]]]:
        """Normalisation of each stage, and kind and activation of each of its layers: what `ConvNetwork` is made of."""
        strings = [names[int(gene)] for names, gene in zip(self.options, arch.genes, strict=True)]
        rows = [strings[start : start + self._stage_genes] for start in range(0, len(strings), self._stage_genes)]
        return [(row[0], list(zip(row[1::2], row[2::2], strict=True))) for row in rows]

    def format(self, arch: Arch) -> str:
        return "/".join(
            f"{norm}:{','.join(f'{kind}+{activation}' for kind, activation in layers)}"
            for norm, layers in self.stages_of(arch)
        )

    def parse(self, text: str) -> Arch:
        words: list[str] = []
        stages = text.strip().split("/")
        for stage in stages:
            norm, _, chain = stage.partition(":")
            words.append(norm)
            for layer in chain.split(","):
                words += layer.partition("+")[::2]
        counts = [stage.count(",") + 1 for stage in stages]
        if counts != [self.layers] * self.stages:
            found = ", ".join(map(str, counts[: 2 * self.stages]))
            raise InputError(
                f"architecture {one_line(text, 160)!r}: {len(stages)} stages of {found} layers; expected "
                f"{self.stages} stages joined by '/', each NORM:LAYER+ACTIVATION,... "
                f"with {self.layers} layers, e.g. batch:{','.join(['conv_3+relu'] * self.layers)}"
            )
        return Arch(tuple(self.gene_of(gene, word) for gene, word in enumerate(words)))

    def canonical(self, arch: Arch) -> Arch:
        genes: list[int | float] = []
        for start in range(0, len(arch.genes), self._stage_genes):
            norm, *chain = arch.genes[start : start + self._stage_genes]
            real = [pair for pair in zip(chain[::2], chain[1::2], strict=True) if pair[0] != _ID]
            genes.append(norm)
            genes += [gene for pair in real for gene in pair]
            genes += [_ID, 0] * (self.layers - len(real))
        return Arch(tuple(genes))

    def representative_rows(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """(n,) which rows (n, g) are their own canonical architecture."""
        return np.array([self.canonical(arch) == arch for arch in (Arch(tuple(row)) for row in rows.tolist())], bool)

    @cached_property
    def flow(self) -> Flow:
        """The layers of each stage as a chain, in which `id` is no layer."""
        return Flow(
            LAYERS,
            identities=frozenset({LAYERS[_ID]}),
            parts=tuple(f"stage{stage}" for stage in range(self.stages)),
            chains=True,
        )

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        genes = self._columns(archs)[0].reshape(len(archs), self.stages, self._stage_genes)
        return [chains(genes[:, stage, 1::2]) for stage in range(self.stages)]

    def _columns(self, archs: Sequence[Arch]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The activation of a layer `id` does not count."""
        genes, counting = super()._columns(archs)
        stages = counting.reshape(len(archs), self.stages, self._stage_genes)
        stages[..., 2::2] = genes.reshape(stages.shape)[..., 1::2] != _ID
        return genes, counting

    def _counted_genes(self) -> Sequence[int]:
        """Norms and activations: the flow tells of layers."""
        return [gene for gene in range(len(self.domains)) if gene % self._stage_genes % 2 == 0]

    def modules(self, gene: int) -> tuple[str, ...]:
        """The dotted prefixes of the modules that a gene owns: a layer's own; () for activations and norms."""
        stage, place = divmod(gene, self._stage_genes)
        layer, is_activation = divmod(place - 1, 2)
        return () if place == 0 or is_activation else (f"{NETWORK}.stages.{stage}.layers.{layer}",)

    def build(self, arch: Arch, seed: int) -> nn.Module:
        """The network, for images of shape (B, image_channels, H, W) of any size, with values in [-1, 1]."""
        from archloom.nets.convnet import ConvNetwork

        return ConvNetwork(self.stages_of(arch), seed, self.image_channels, self.width, self.stride, self.classes)

    def source(self, arch: Arch, found_by: str) -> str:
        """`archloom/nets/convnet.py` with these stages filled in: a file that needs PyTorch only."""
        return exported(
            _EXPORT,
            "convnet",
            arch=self.format(arch),
            found_by=found_by,
            stages="\n".join(f"    {stage}," for stage in self.stages_of(arch)),
            image_channels=self.image_channels,
            width=self.width,
            stride=self.stride,
            classes=self.classes,
        )

    def drawing(self, arch: Arch) -> Drawing:
        """A chain: nodes are the channels between layers, edges the layers; strided convolutions join the stages."""
        nodes, edges = [str(self.image_channels)], []
        for index, (norm, layers) in enumerate(self.stages_of(arch)):
            for label in (f"conv_3 {norm}", *(f"{kind} {activation}" for kind, activation in _real(layers))):
                edges.append(DrawnEdge(len(nodes) - 1, len(nodes), label))
                nodes.append(str(self.width * 2**index))
        return Drawing(tuple(nodes), tuple(edges))

    def parameters(self, arch: Arch) -> int:
        """The exact number of parameters of the network."""
        return self._cost(arch, 1, 1)[0]

    def macs(self, arch: Arch, height: int, width: int) -> int:
        """Multiply-adds of convolutions and classifier for one image of this size."""
        return self._cost(arch, height, width)[1]

    @property
    def _stage_genes(self) -> int:
        return 1 + 2 * self.layers

    def _cost(self, arch: Arch, height: int, width: int) -> tuple[int, int]:
        """Parameters and multiply-adds. Every convolution is counted with its weights; a norm has two numbers each."""
        parameters = macs = 0
        c_in = self.image_channels
        for index, (_, layers) in enumerate(self.stages_of(arch)):
            channels = self.width * 2**index
            stride = 2 if index else self.stride
            height, width = -(-height // stride), -(-width // stride)
            convolutions = 9 * c_in * channels + sum(_weights(kind, channels) for kind, _ in layers)
            norms = 1 + sum(_family(kind).norms for kind, _ in layers)
            parameters += convolutions + 2 * channels * norms
            macs += convolutions * height * width
            c_in = channels
        return parameters + (c_in + 1) * self.classes, macs + c_in * self.classes


_ID = LAYERS.index("id")
_AREAS = {"id": 0} | {f"{kind}_{kernel}": kernel**2 for kind in ("conv", "residual", "sep_conv") for kernel in KERNELS}


def _real(layers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The layers that do something."""
    return [layer for layer in layers if layer[0] != LAYERS[_ID]]


@dataclass(frozen=True)
class _Family:
    """What layers of one family hold: weights of convolutions, by channels and area of the kernel, and norms."""

    weights: Callable[[int, int], int]
    norms: int


_FAMILIES = {
    "id": _Family(lambda channels, area: 0, norms=0),
    "conv": _Family(lambda channels, area: area * channels**2, norms=1),
    "residual": _Family(lambda channels, area: 2 * area * channels**2, norms=2),
    "sep_conv": _Family(lambda channels, area: area * channels + channels**2, norms=1),
}


def _family(kind: str) -> _Family:
    return _FAMILIES[kind.rstrip("_0123456789")]


def _weights(kind: str, channels: int) -> int:
    """The weights of a layer's convolutions."""
    return _family(kind).weights(channels, _AREAS[kind])
