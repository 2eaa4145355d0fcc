"""Spaces of inverted residual layers in which every gene is the kind of one layer: `efficientnet_b0`, `proxyless`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.spaces.convnet import NETWORK
from archloom.spaces.drawing import Drawing, DrawnEdge
from archloom.spaces.flow import Flow, FlowBatch, chains
from archloom.spaces.graphs import Chain
from archloom.spaces.macro.mbconv import MULTIPLY_ADDS, Frame, Layer, Places, build, costs, genes_of, side_of, source
from archloom.types import Arch
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from torch import nn

ZERO = "zero"
"""The kind of a layer that is not there."""

KINDS: Mapping[str, tuple[int, int] | None] = {
    **{f"e{expansion}_k{kernel}": (expansion, kernel) for expansion in (1, 3, 6) for kernel in (3, 5, 7)},
    ZERO: None,
}
"""Kinds of layers: by how much the channels that come in are expanded, and the depthwise convolution's kernel."""


@dataclass(frozen=True)
class StagePlan:
    """A stage before it is searched: its channels, the stride of its first layer, what of `KINDS` each layer can be.

    `ZERO` comes last, and never if a layer changes its input's shape.
    """

    width: int
    stride: int
    layers: tuple[tuple[str, ...], ...]


class MbconvSpace(Categorical):
    """Stages of inverted residual layers; every layer that can be of several kinds has a gene for its kind.

    `width` multiplies all channels, which are rounded to multiples of 8 (see `widened`); `image_channels` and `classes`
    are those of the images. Strings are the kinds of a stage's layers joined by ",", and the stages by "/"; stages
    without a gene are omitted.
    """

    title: ClassVar[str]
    """What kind of network this is, for the header of an exported file."""
    plan: ClassVar[Sequence[StagePlan]]
    stem: ClassVar[int] = 32
    head: ClassVar[int] = 1280
    activation: ClassVar[str]
    gated: ClassVar[bool]
    """Whether every layer has squeeze-excitation."""

    def __init__(self, width: float = 1.0, image_channels: int = 3, classes: int = 1000) -> None:
        if not 0.0 < width < math.inf:
            raise InputError(f"{self.name} option width={width}: expected a number above 0, e.g. 0.25")
        if image_channels < 1:
            raise InputError(f"{self.name} option image_channels={image_channels}: expected a whole number from 1")
        if classes < 2:
            raise InputError(f"{self.name} option classes={classes}: expected at least 2 classes")
        self.width = width
        self.frame = Frame(
            widened(self.stem, width), widened(self.head, width), self.activation, image_channels, classes
        )
        positions = [
            (stage, layer, kinds)
            for stage, planned in enumerate(self.plan)
            for layer, kinds in enumerate(planned.layers)
        ]
        self._at = tuple((stage, layer) for stage, layer, kinds in positions if len(kinds) > 1)
        """Stage and place in it of each gene's layer."""
        self._genes = np.array([place for place, (_, _, kinds) in enumerate(positions) if len(kinds) > 1])
        """Where each gene's layer is among all layers."""
        self._places: Places = tuple(
            tuple(() if made is None else (made,) for made in (self._layer(stage, layer, kind) for kind in kinds))
            for stage, layer, kinds in positions
        )
        super().__init__({f"stage{stage}.layer{layer}": kinds for stage, layer, kinds in positions if len(kinds) > 1})

    @classmethod
    def for_table(
        cls, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]], **settings: Any
    ) -> NoReturn:
        """This space trains its networks. InputError, which says how to search a table."""
        raise InputError(
            f"{cls.name} trains its networks and reads no table; use --on table to search a table's choices"
        )

    @cached_property
    def chain(self) -> Chain:
        """The layers as a chain: a kind of layer is the same label wherever it is."""
        return Chain(self.options)

    @cached_property
    def flow(self) -> Flow:
        """The layers of each stage that have genes as a chain, in which `ZERO` is no layer."""
        labels = self.chain.labels
        parts = tuple(f"stage{stage}" for stage in self._searched())
        return Flow(labels, identities=frozenset({ZERO}) & frozenset(labels), parts=parts, chains=True)

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        genes = self._columns(archs)[0]
        labels = np.stack([own[genes[:, gene]] for gene, own in enumerate(self.chain.options)], axis=1)
        stages = np.array([stage for stage, _ in self._at])
        return [chains(labels[:, stages == stage]) for stage in self._searched()]

    def kinds_of(self, arch: Arch) -> list[list[str]]:
        """The kinds of the layers of each stage, of those without a gene too."""
        found = zip(self._at, self.options, self.indices(arch), strict=True)
        chosen = {at: kinds[option] for at, kinds, option in found}
        return [
            [chosen.get((stage, layer), kinds[0]) for layer, kinds in enumerate(planned.layers)]
            for stage, planned in enumerate(self.plan)
        ]

    def stages_of(self, arch: Arch) -> list[list[Layer | None]]:
        """The layers of each stage: what `MbconvNetwork` is built from. InputError for genes that are no options."""
        return [
            [self._layer(stage, layer, kind) for layer, kind in enumerate(kinds)]
            for stage, kinds in enumerate(self.kinds_of(arch))
        ]

    def format(self, arch: Arch) -> str:
        kinds = self.kinds_of(arch)
        return "/".join(",".join(kinds[stage]) for stage in self._searched())

    def parse(self, text: str) -> Arch:
        stages = [stage.split(",") for stage in text.strip().split("/")]
        lengths = [len(self.plan[stage].layers) for stage in self._searched()]
        if [len(stage) for stage in stages] != lengths:
            found = ", ".join(str(len(stage)) for stage in stages[: 2 * len(lengths)])
            raise InputError(
                f"architecture {one_line(text, 160)!r}: stages of {found} layers; expected "
                f"{len(lengths)} stages of {', '.join(map(str, lengths))} layers, "
                f"layers as {self.options[0][0]} joined by ',', stages by '/'"
            )
        kinds = [kind for stage in stages for kind in stage]
        return Arch(tuple(self.gene_of(gene, kind) for gene, kind in enumerate(kinds)))

    def modules(self, gene: int) -> tuple[str, ...]:
        """The dotted prefix of the one layer that a gene decides; what comes in and out is the same for all kinds."""
        stage, layer = self._at[gene]
        return (f"{NETWORK}.body.{stage}.{layer}",)

    def build(self, arch: Arch, seed: int) -> nn.Module:
        """The network, for images of shape (B, image_channels, H, W) of any size."""
        return build(self.stages_of(arch), self.frame, seed)

    def source(self, arch: Arch, found_by: str) -> str:
        """The network as a file that needs PyTorch only."""
        return source(self.stages_of(arch), self.frame, self.title, self.format(arch), found_by)

    def drawing(self, arch: Arch) -> Drawing:
        """A chain: nodes are the channels between layers, edges the layers that are there."""
        nodes, edges = [str(self.frame.stem)], []
        for stage, kinds in enumerate(self.kinds_of(arch)):
            for kind in kinds:
                if KINDS[kind] is not None:
                    edges.append(DrawnEdge(len(nodes) - 1, len(nodes), kind))
                    nodes.append(str(self._width(stage)))
        return Drawing(tuple(nodes), tuple(edges))

    def parameters(self, genes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """(n,) exact parameter counts of the networks of genes (n, g); one row (g,) is a batch of one.

        InputError for genes of another shape or type, or that are no options.
        """
        return self._counts(genes, 1, 0)

    def macs(self, genes: NDArray[np.integer[Any]], resolution: int = 224) -> NDArray[np.int64]:
        """(n,) multiply-adds of convolutions and classifier for one image of `resolution` x `resolution` pixels."""
        return self._counts(genes, side_of(resolution), 1)

    def _counts(self, genes: NDArray[np.integer[Any]], resolution: int, which: int) -> NDArray[np.int64]:
        rows = genes_of(genes, self.gene_names, self.sizes.tolist())
        base, table = costs(self.frame, self._places, resolution, MULTIPLY_ADDS)
        codes = np.zeros((len(rows), len(self._places)), dtype=np.int64)
        codes[:, self._genes] = rows
        counts: NDArray[np.int64] = base[which] + table[np.arange(len(self._places)), codes, which].sum(axis=1)
        return counts

    def _searched(self) -> list[int]:
        """The stages that have genes."""
        return sorted({stage for stage, _ in self._at})

    def _width(self, stage: int) -> int:
        return widened(self.plan[stage].width, self.width)

    def _layer(self, stage: int, layer: int, kind: str) -> Layer | None:
        shape, stride = KINDS[kind], 1 if layer else self.plan[stage].stride
        return None if shape is None else (self._width(stage), *shape, stride, self.gated)


def widened(channels: int, width: float) -> int:
    """`channels` times `width`, rounded to a multiple of 8, at least 8, and up if it would lose more than a tenth.

    The rule of MobileNetV2 (Sandler et al. 2018), which EfficientNet and ProxylessNAS share.
    """
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded
