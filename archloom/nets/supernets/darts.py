"""The search network of DARTS (Liu et al. 2019) and PC-DARTS (Xu et al. 2020), of which one path runs at a time.

All seven operations on each of the 14 edges of every cell. A path is (normal cell, reduction cell), each the eight
(operation, source) of `nets.darts.Pairs`, as a tuple of tuples.

Pools are followed by a normalisation without weights, which the evaluation network does not have. With partial
channels, K > 1, an operation works on the first 1/K of an edge's channels; the others bypass it (at stride 2 through a
2x2 max-pool), and a channel shuffle with K groups mixes them. PC-DARTS's edge normalisation (beta) is omitted: with one
discrete path there is nothing to weigh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.nets import darts
from archloom.nets.supernets.base import Path, Sharing, Supernet

_POOLS = ("max_pool_3x3", "avg_pool_3x3")

Layer = Callable[[Tensor], Tensor]


def search_operation(name: str, channels: int, stride: int) -> nn.Module:
    """One of `nets.darts.OPERATIONS`, with a normalisation without weights behind it if it is a pool."""
    operation = darts.OPERATIONS[name](channels, stride)
    return nn.Sequential(operation, nn.BatchNorm2d(channels, affine=False)) if name in _POOLS else operation


class Partial(nn.Module):
    """An operation on the first 1/K of the channels; the others bypass it, and all are shuffled in K groups."""

    def __init__(self, operation: nn.Module, channels: int, stride: int, groups: int) -> None:
        super().__init__()
        self.operation = operation
        self.width, self.stride, self.groups = channels // groups, stride, groups

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, ceil(H/s), ceil(W/s))
        return self.joined(self.operation(x[:, : self.width]), x)

    def joined(self, out: Tensor, x: Tensor) -> Tensor:
        """What came out of the operation with the channels of `x` that bypass it."""
        rest = x[:, self.width :]
        if self.stride > 1:
            rest = functional.max_pool2d(rest, 2, 2, ceil_mode=True)
        return functional.channel_shuffle(torch.cat([out, rest], dim=1), self.groups)


@dataclass(frozen=True)
class WholeChannels:
    """Operations on all channels."""

    def make(self, name: str, channels: int, stride: int) -> nn.Module:
        return search_operation(name, channels, stride)

    def together(self, operations: Sequence[nn.Module], x: Tensor) -> Tensor:
        """The sum of an edge's operations."""
        return _sum([operation(x) for operation in operations])


@dataclass(frozen=True)
class PartialChannels:
    """Operations on the first 1/K of the channels, which K must divide."""

    groups: int

    def make(self, name: str, channels: int, stride: int) -> Partial:
        if channels % self.groups:
            raise ValueError(
                f"partial {self.groups} in a cell of {channels} channels: expected a divisor of the channels"
            )
        return Partial(search_operation(name, channels // self.groups, stride), channels, stride, self.groups)

    def together(self, operations: Sequence[nn.Module], x: Tensor) -> Tensor:
        """The sum of an edge's operations on their channels; the others bypass them once."""
        partial = [operation for operation in operations if isinstance(operation, Partial)]
        part = x[:, : partial[0].width]
        return partial[0].joined(_sum([operation.operation(part) for operation in partial]), x)


def channels_of(sharing: Sharing) -> WholeChannels | PartialChannels:
    darts.check_size("partial", sharing.partial)
    return PartialChannels(sharing.partial) if sharing.partial > 1 else WholeChannels()


def plain_network(
    path: Path,
    seed: int,
    sharing: Sharing,
    channels: int = 16,
    layers: int = 6,
    classes: int = 10,
    images: darts.Images = darts.CIFAR,
    image_channels: int = 3,
) -> darts.DartsNetwork:
    """The network of one path on its own, which takes the state of `DartsSupernet.standalone`."""
    normal, reduce = path
    return darts.DartsNetwork(
        normal, reduce, seed, channels, layers, classes,
        images=images, image_channels=image_channels, operation=channels_of(sharing).make,
    )  # fmt: skip


def _sum(terms: Sequence[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


class SharedCell(nn.Module):
    """A cell with every operation on every edge; edges are ordered by node, then by source."""

    def __init__(self, place: darts.Place, sharing: Sharing) -> None:
        super().__init__()
        self.reduction = place.reduction
        self.prepare_older, self.prepare_newer = map(sharing.shared, place.preprocessing())
        channels = channels_of(sharing)
        self.edges = nn.ModuleList()
        # Where each operation is, in what is no module: finding one must not take long, nor register it twice.
        self._operations: list[dict[tuple[str, int], nn.Module]] = []
        self._all: list[list[tuple[int, list[nn.Module]]]] = []
        for node in range(darts.NODES):
            edges: list[tuple[int, list[nn.Module]]] = []
            found: dict[tuple[str, int], nn.Module] = {}
            for source in range(node + 2):
                stride = place.stride(source)
                made = {name: sharing.shared(channels.make(name, place.own, stride)) for name in darts.OPERATIONS}
                self.edges.append(nn.ModuleDict(made))
                edges.append((source, list(made.values())))
                found.update({(name, source): operation for name, operation in made.items()})
            self._all.append(edges)
            self._operations.append(found)
        self._together = channels.together
        self._chosen: list[tuple[nn.Module, int]] | None = None

    def chosen(self, pairs: darts.Pairs) -> list[tuple[nn.Module, int]]:
        """Operation and source of each pair."""
        return [(self._operations[pair // 2][name, source], source) for pair, (name, source) in enumerate(pairs)]

    def choose(self, pairs: darts.Pairs | None) -> None:
        self._chosen = None if pairs is None else self.chosen(pairs)

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:  # (B, c, H, W) twice -> (B, 4 own, H', W')
        states = [self.prepare_older(older), self.prepare_newer(newer)]
        if self._chosen is None:
            for edges in self._all:
                states.append(_sum([self._together(operations, states[source]) for source, operations in edges]))
        else:
            for (first, a), (second, b) in zip(self._chosen[::2], self._chosen[1::2], strict=True):
                states.append(first(states[a]) + second(states[b]))
        return torch.cat(states[2:], dim=1)


class DartsSupernet(Supernet):
    """The search network; ValueError for sizes below 1, and for `sharing.partial` that does not divide `channels`."""

    def __init__(
        self,
        seed: int,
        sharing: Sharing,
        channels: int = 16,
        layers: int = 6,
        classes: int = 10,
        images: darts.Images = darts.CIFAR,
        image_channels: int = 3,
    ) -> None:
        super().__init__()
        sizes = {"channels": channels, "layers": layers, "classes": classes, "image_channels": image_channels}
        for name, size in sizes.items():
            darts.check_size(name, size)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: that reseeds the GPUs as well
            self.stem = images.stem(channels, image_channels)
            places = list(darts.places(layers, channels, self.stem))
            self.cells = nn.ModuleList(SharedCell(place, sharing) for place in places)
            self.head = darts.classifier(darts.NODES * places[-1].own, classes)
        self._cells = [cell for cell in self.cells if isinstance(cell, SharedCell)]

    def forward(self, x: Tensor) -> Tensor:  # (B, image_channels, H, W) -> (B, classes)
        older, newer = self.stem(x)
        for cell in self._cells:
            older, newer = newer, cell(older, newer)
        logits: Tensor = self.head(newer)
        return logits

    def _choose(self, path: Path | None) -> None:
        if path is not None:
            _check(path)
        for cell in self._cells:
            cell.choose(None if path is None else path[cell.reduction])

    def used(self, path: Path | None) -> Iterator[tuple[str, nn.Module]]:
        yield "stem", self.stem
        for number, cell in enumerate(self._cells):
            if path is None:
                yield f"cells.{number}", cell
                continue
            yield f"cells.{number}.prepare_older", cell.prepare_older
            yield f"cells.{number}.prepare_newer", cell.prepare_newer
            for pair, (operation, _) in enumerate(cell.chosen(path[cell.reduction])):
                yield f"cells.{number}.operations.{pair}", operation
        yield "head", self.head


def _check(path: Path) -> None:
    if len(path) != 2:
        raise ValueError(f"path of {len(path)} cells: expected a normal and a reduction cell")
    for pairs in path:
        darts.check_cell(pairs)
