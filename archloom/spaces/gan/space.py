"""`Gan` and `GanHard`: the architectures of a generator, and of a generator and a discriminator."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.nets.gan.plans import BLOCKS, CELLS, BlockPlan, ProjectionPlan
from archloom.spaces.flow import Flow, FlowBatch
from archloom.spaces.gan import counts, projections
from archloom.spaces.gan.dimensions import Dimensions
from archloom.spaces.gan.flow import LABELS, discriminators, flow, generators
from archloom.spaces.gan.genes import GAN, GAN_HARD, Part
from archloom.spaces.gan.source import source_of
from archloom.spaces.parted import PartedSpace
from archloom.types import Arch

if TYPE_CHECKING:
    from archloom.nets.gan.discriminator import Discriminator
    from archloom.nets.gan.networks import GanNetworks

_DRAWN = frozenset({"cells", "blocks"})
"""Parts of networks that are drawn as graphs."""


class GanSpace(PartedSpace):
    """What both spaces share. Genes are called PART.CHOICE, e.g. `cell1.c0`, `projection2.linear`, `block1.down0`.

    Strings are `cell1 nearest bilinear none conv_1x1 ... | cell2 ...`. Every setting of the genes represents itself,
    even if two make networks that compute the same (the map of projection 2 is as wide with `bottom` as with `prev`).
    No gene owns the skips between a generator's cells, its last layers (`to_rgb`), or a discriminator's last layer.

    The defaults are the paper's CIFAR-10 networks; see `Dimensions` for what sizes there are. With `as_published` the
    networks repeat two slips of the published code: see `nets.gan.discriminator.SearchedBlock` (a dead branch) and
    `nets.gan.generator.Cell` (features that reach one node too many).
    """

    of_stl10: ClassVar[Mapping[str, Any]] = MappingProxyType({"image_size": 48, "channels": 270})
    """The options of the paper's networks for STL-10 that are not those for CIFAR-10."""

    def __init__(self, parts: Mapping[str, Part], dimensions: Dimensions, as_published: bool) -> None:
        super().__init__({name: part.genes(dimensions) for name, part in parts.items()})
        self.parts = parts
        self.dimensions = dimensions
        self.as_published = as_published

    @classmethod
    def cifar10(cls) -> Self:
        """The paper's configuration for CIFAR-10: the defaults."""
        return cls._of({})

    @classmethod
    def stl10(cls) -> Self:
        """The paper's configuration for STL-10 at 48 pixels."""
        return cls._of(cls.of_stl10)

    # -- networks -------------------------------------------------------------------------------------------------

    def build(self, arch: Arch, seed: int) -> GanNetworks:
        """Both networks, as the children `generator` and `discriminator`, with weights from `seed` alone."""
        from archloom.nets.gan.generator import Generator
        from archloom.nets.gan.networks import GanNetworks, weights_from

        cells, plans, size = self.cell_operations(arch), self.projection_plans(arch), self.dimensions
        with weights_from(seed):
            generator = Generator(cells, plans, size.channels, size.image_channels, as_published=self.as_published)
            return GanNetworks(generator, self._discriminator(arch))

    def source(self, arch: Arch, found_by: str) -> str:
        """The modules of `archloom.nets.gan` with this architecture filled in: a file that needs PyTorch only."""
        return source_of(
            self.cell_operations(arch),
            self.projection_plans(arch),
            self.block_plans(arch),
            self.dimensions,
            self.as_published,
            arch=self.format(arch),
            found_by=found_by,
        )

    def cell_operations(self, arch: Arch) -> list[dict[str, str]]:
        """The operation of every edge of the generator, cell by cell."""
        chosen = self._chosen(arch)
        return [{edge: str(option) for edge, option in chosen[f"cell{i + 1}"].items()} for i in range(CELLS)]

    @abstractmethod
    def projection_plans(self, arch: Arch) -> list[ProjectionPlan]:
        """How the latent vector enters the generator: cell by cell, from the first on."""

    @abstractmethod
    def block_plans(self, arch: Arch) -> list[BlockPlan] | None:
        """The discriminator's blocks; None if it is AutoGAN's, which is not searched."""

    def _discriminator(self, arch: Arch) -> Discriminator:
        from archloom.nets.gan.discriminator import autogan_discriminator, searched_discriminator

        blocks, size = self.block_plans(arch), self.dimensions
        if blocks is None:
            return autogan_discriminator(size.image_channels, size.discriminator_channels)
        return searched_discriminator(blocks, size.image_channels, size.discriminator_channels, self.as_published)

    # -- flow -----------------------------------------------------------------------------------------------------

    @cached_property
    def flow(self) -> Flow:
        """That of each network of which cells or blocks are searched."""
        return flow(tuple(dict.fromkeys(part.network for part in self.parts.values() if part.path in _DRAWN)))

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        return [generators([self._labels(archs, f"cell{i + 1}") for i in range(CELLS)])]

    def _labels(self, archs: Sequence[Arch], name: str) -> dict[str, NDArray[np.int64]]:
        """(n,) the label of every choice of a cell or block; of one without labels, its gene."""
        genes, found = self._columns(archs)[0], dict[str, NDArray[np.int64]]()
        for choice, options in self.parts[name].choices.items():
            column = genes[:, self.gene_names.index(f"{name}.{choice}")]
            labelled = all(option in LABELS for option in options)
            found[choice] = np.array([LABELS.index(str(option)) for option in options])[column] if labelled else column
        return found

    def _counted_genes(self) -> tuple[int, ...]:
        """Those that the flow does not tell of: the projections'."""
        paths = [part.path for part in self.parts.values() for _ in part.choices]
        return tuple(gene for gene, path in enumerate(paths) if path not in _DRAWN)


class Gan(GanSpace):
    """Three generator cells of 7 choices, beside AutoGAN's discriminator: 3^6 * 7^15 = 3.461e15 architectures.

    The paper prints 3.4e19, which 21 choices of at most 7 options cannot reach. The latent vector is cut in
    `latent_parts` equal parts (1 to 3): the first is the input of cell 1, the others are added to the inputs of the
    cells after it. The paper has thirds for CIFAR-10 and halves for STL-10.
    """

    name = "gan"
    of_stl10 = MappingProxyType({**GanSpace.of_stl10, "latent_parts": 2})

    def __init__(
        self,
        image_size: int = 32,
        image_channels: int = 3,
        channels: int = 256,
        discriminator_channels: int = 128,
        latent: int = 120,
        latent_parts: int = 3,
        as_published: bool = False,
    ) -> None:
        if not 1 <= latent_parts <= CELLS:
            raise InputError(f"latent_parts={latent_parts}: expected 1 to {CELLS}, one for each cell at most")
        dimensions = Dimensions(image_size, image_channels, channels, discriminator_channels, latent)
        self._projections = projections.fixed(dimensions, latent_parts)
        super().__init__(GAN, dimensions, as_published)

    def projection_plans(self, arch: Arch) -> list[ProjectionPlan]:
        return self._projections

    def block_plans(self, arch: Arch) -> None:
        return None

    def _bases(self) -> Mapping[str, int]:
        inputs = sum(plan.weights(self.dimensions.channels) for plan in self._projections)
        return {
            "generator": counts.generator_base(self.dimensions) + inputs,
            "discriminator": counts.autogan_discriminator(self.dimensions),
        }


class GanHard(GanSpace):
    """Gan's cells, the projections of the latent vector and a discriminator of four blocks: 72 choices.

    6.459e20 generators (32 choices) times 4.500e31 discriminators (40 choices) are 2.9065e52 architectures; the paper
    prints 2.9e53. The latent vector has thirds here on both datasets.
    """

    name = "gan_hard"

    def __init__(
        self,
        image_size: int = 32,
        image_channels: int = 3,
        channels: int = 256,
        discriminator_channels: int = 128,
        latent: int = 120,
        as_published: bool = False,
    ) -> None:
        dimensions = Dimensions(image_size, image_channels, channels, discriminator_channels, latent)
        super().__init__(GAN_HARD, dimensions, as_published)

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        blocks = [self._labels(archs, f"block{i + 1}") for i in range(BLOCKS)]
        return [*super().flow_batches(archs), discriminators(blocks, self.as_published)]

    def projection_plans(self, arch: Arch) -> list[ProjectionPlan]:
        chosen = self._chosen(arch)
        plans = []
        for i in range(CELLS):
            own = chosen[f"projection{i + 1}"]
            settings = own["linear"], own["up_mode"], own["dropout"], own.get("if_enabled", True)
            plans.append(projections.searched(self.dimensions, i, *settings))
        return plans

    def block_plans(self, arch: Arch) -> list[BlockPlan]:
        chosen = self._chosen(arch)
        blocks = []
        for i in range(BLOCKS):
            operations = dict(chosen[f"block{i + 1}"])
            downsample = operations.pop("downsample")
            blocks.append(BlockPlan(operations, downsample))
        return blocks

    def _bases(self) -> Mapping[str, int]:
        return {
            "generator": counts.generator_base(self.dimensions),
            "discriminator": counts.discriminator_base(self.dimensions),
        }
