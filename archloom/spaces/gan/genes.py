"""The genes of the GAN spaces: the parts of the networks, what is chosen in each, and which tensors a choice owns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from archloom.nets.gan.plans import BLOCK, BLOCKS, CELL, CELLS, CONVOLUTIONS, DOWNS, FROM_INPUT, NORMAL, UPS
from archloom.spaces.gan import counts
from archloom.spaces.gan.dimensions import Dimensions
from archloom.spaces.gan.projections import LINEAR
from archloom.spaces.parted import Gene
from archloom.types import Arch

Choices = Mapping[str, tuple[object, ...]]
"""Names of choices with their options, in the order of genes."""


class Part(NamedTuple):
    """A projection, cell or block: its modules are at `path`.`number` of a network."""

    network: str
    path: str
    number: int
    choices: Choices
    parameters: Callable[[Dimensions, int, str, str], int]
    """How many parameters there are for an option of a choice, from the dimensions, `number` and both names."""

    def genes(self, dimensions: Dimensions) -> dict[str, Gene]:
        """Its choices by their names, in networks of these dimensions."""
        return {choice: self._gene(dimensions, choice, options) for choice, options in self.choices.items()}

    def _gene(self, dimensions: Dimensions, choice: str, options: tuple[object, ...]) -> Gene:
        modules = () if choice in _WEIGHTLESS else (f"{self.network}.{self.path}.{self.number}.{choice}",)
        costs = (self.parameters(dimensions, self.number, choice, str(option)) for option in options)
        return Gene(self.network, options, modules, tuple(costs))


_WEIGHTLESS = frozenset({"if_enabled", "up_mode", "dropout", "downsample"})

_INPUT: Choices = {"linear": tuple(LINEAR), "up_mode": ("nearest", "bilinear"), "dropout": (0.0, 0.1, 0.2)}
_PROJECTION: Choices = {"if_enabled": (False, True), **_INPUT}
_CELL: Choices = {edge: UPS if edge in ("up0", "up1") else NORMAL for edge in CELL}
_BLOCK: Choices = {**dict.fromkeys(BLOCK, NORMAL), "downsample": (False, True), "down0": DOWNS, "down1": DOWNS}
_IMAGE_BLOCK: Choices = {**_BLOCK, **dict.fromkeys(FROM_INPUT, tuple(CONVOLUTIONS))}

_CELLS = {f"cell{i + 1}": Part("generator", "cells", i, _CELL, counts.of_cell) for i in range(CELLS)}
_PROJECTIONS = {
    f"projection{i + 1}": Part("generator", "projections", i, _PROJECTION if i else _INPUT, counts.of_projection)
    for i in range(CELLS)
}
_BLOCKS = {
    f"block{i + 1}": Part("discriminator", "blocks", i, _BLOCK if i else _IMAGE_BLOCK, counts.of_block)
    for i in range(BLOCKS)
}

GAN: Mapping[str, Part] = _CELLS
"""The parts of the space Gan by name, in the order of genes."""

GAN_HARD: Mapping[str, Part] = {**_PROJECTIONS, **_CELLS, **_BLOCKS}
"""The parts of the space GanHard by name, in the order of genes."""

ADVERSARIALNAS_CIFAR10 = Arch((1, 1, 1, 0, 3, 3, 1, 1, 1, 0, 1, 3, 3, 3, 0, 1, 0, 3, 3, 0, 3))
"""The generator that AdversarialNAS found on CIFAR-10, in the space Gan (published with its code)."""
