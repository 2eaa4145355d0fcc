"""What all supernets have in common: paths, the parameters of a path, and its plain network's state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

Path = tuple[Any, ...]
"""Which operations run; each family says what is in it. Hashable."""

Module = TypeVar("Module", bound=nn.Module)


class Unscaled(nn.BatchNorm2d):
    """A normalisation without weights where the plain network has some: a scale of 1 and an offset of 0."""

    def __init__(self, twin: nn.BatchNorm2d) -> None:
        super().__init__(twin.num_features, twin.eps, twin.momentum, affine=False)


def _unscale(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            if child.affine:
                setattr(module, name, Unscaled(child))
        else:
            _unscale(child)


@dataclass(frozen=True)
class Sharing:
    """How architectures share weights.

    With `partial` = K > 1 only the first 1/K of the channels go through an operation (PC-DARTS; `darts` only). With
    `affine` the normalisations of operations have weights; by default they have none, as in DARTS's search network.
    """

    partial: int = 1
    affine: bool = False

    def shared(self, layer: Module) -> Module:
        """A layer made for a plain network, with what normalisations there are in it `Unscaled` unless `affine`."""
        if not self.affine:
            _unscale(layer)
        return layer


def check_whole(family: str, sharing: Sharing) -> None:
    """ValueError for partial channels in a family that has none."""
    if sharing.partial != 1:
        raise ValueError(f"partial {sharing.partial} on {family}: only darts has partial channels; expected 1")


class _Inside(NamedTuple):
    """What is found in a module again and again."""

    weighted: tuple[nn.Module, ...]
    """The modules that have parameters of their own."""
    norms: tuple[nn.BatchNorm2d, ...]


class Supernet(nn.Module, ABC):
    """Shared weights of which one path runs at a time. Until a path is selected all operations run at once.

    `network(x)` are the logits (B, classes) of images (B, image_channels, H, W). The weights are drawn from a seed
    alone; PyTorch's global generator is left as it was. A tensor that the selected path does not use gets no gradient:
    with `zero_grad(set_to_none=True)` an optimiser leaves it, and its momentum, as they are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.path: Path | None = None
        """The selected path; None: all operations at once."""
        self._insides: dict[nn.Module, _Inside] = {}

    def select(self, path: Path | None) -> None:
        """Run this path from now on; None: all operations at once, each with weight 1.

        ValueError for what is no path of this network, and for None if the family has no such network; the selection
        is then the old one.
        """
        self._choose(path)
        self.path = path

    @abstractmethod
    def _choose(self, path: Path | None) -> None:
        """Make `forward` run a path; ValueError (and no change) for what is none."""

    @abstractmethod
    def used(self, path: Path | None) -> Iterator[tuple[str, nn.Module]]:
        """The modules that a path uses, each with its name in the plain network; for None all, with their own names."""

    def parts(self, path: Path | None) -> Sequence[nn.Parameter]:
        """The parameters that a path uses, stem, preprocessing and classifier included."""
        return [
            parameter
            for _, module in self.used(path)
            for holder in self._inside(module).weighted
            for parameter in holder._parameters.values()
            if parameter is not None
        ]

    def norms(self, path: Path | None) -> Sequence[nn.BatchNorm2d]:
        """The batch normalisations that a path uses."""
        return [norm for _, module in self.used(path) for norm in self._inside(module).norms]

    def standalone(self, path: Path) -> dict[str, Tensor]:
        """The state of the plain network of a path (copies): it computes what this network computes along the path."""
        return {
            f"{name}.{key}" if key else name: tensor.detach().clone()
            for name, module in self.used(path)
            for key, tensor in plain_state(module).items()
        }

    def _inside(self, module: nn.Module) -> _Inside:
        found = self._insides.get(module)
        if found is None:
            modules = list(module.modules())
            found = self._insides[module] = _Inside(
                tuple(each for each in modules if each._parameters),
                tuple(each for each in modules if isinstance(each, nn.BatchNorm2d)),
            )
        return found


def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module as the plain network has it: where this one has no scale and offset, these are 1 and 0."""
    state: dict[str, Tensor] = dict(module.state_dict())
    for name, each in module.named_modules():
        if isinstance(each, Unscaled) and each.running_mean is not None:
            prefix = f"{name}." if name else ""
            state[f"{prefix}weight"] = torch.ones_like(each.running_mean)
            state[f"{prefix}bias"] = torch.zeros_like(each.running_mean)
    return state
