"""The network of NAS-Bench-201 with all five operations on every edge, of which one path runs at a time.

A path is the names of a cell's six operations, in the order of `nets.nb201.EDGES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from archloom.nets import nb201
from archloom.nets.supernets.base import Path, Sharing, Supernet, check_whole

_INTO = tuple(tuple(edge for edge, (_, target) in enumerate(nb201.EDGES) if target == node) for node in (1, 2, 3))
"""The edges that lead to each node but the input."""


class SharedCell(nn.Module):
    """A cell with every operation on every edge."""

    def __init__(self, channels: int, sharing: Sharing) -> None:
        super().__init__()
        # Where each operation is, in what is no module: finding one must not take long.
        self._operations = [
            {name: sharing.shared(make(channels)) for name, make in nb201.OPERATIONS.items()} for _ in nb201.EDGES
        ]
        self.edges = nn.ModuleList(nn.ModuleDict(edge) for edge in self._operations)
        # Zeros add nothing to a sum.
        self._all = [[each for name, each in edge.items() if name != "none"] for edge in self._operations]
        self._running = self._all

    def chosen(self, names: Sequence[str]) -> list[nn.Module]:
        """The operation of each edge."""
        return [operations[name] for operations, name in zip(self._operations, names, strict=True)]

    def choose(self, names: Sequence[str] | None) -> None:
        self._running = self._all if names is None else [[operation] for operation in self.chosen(names)]

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        nodes = [x]
        for edges in _INTO:
            total: Tensor | None = None
            for edge in edges:
                source = nodes[nb201.EDGES[edge][0]]
                for operation in self._running[edge]:
                    term = operation(source)
                    total = term if total is None else total + term
            assert total is not None  # noqa: S101 - every node has an edge, and every edge an operation
            nodes.append(total)
        return nodes[3]


class Nb201Supernet(Supernet):
    """All cells of the benchmark in one network; ValueError for partial channels, which it does not have."""

    def __init__(
        self,
        seed: int,
        sharing: Sharing,
        channels: int = 16,
        cells: int = 5,
        classes: int = 10,
        image_channels: int = 3,
        stem: str = "cifar",
    ) -> None:
        super().__init__()
        check_whole("nb201", sharing)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: that reseeds the GPUs as well
            self.stem = nb201.STEMS[stem](image_channels, channels)
            self.body = nb201.stages(lambda width: SharedCell(width, sharing), channels, cells)
            self.head = nb201.classifier(4 * channels, classes)
        self._cells = {number: each for number, each in enumerate(self.body) if isinstance(each, SharedCell)}

    def forward(self, x: Tensor) -> Tensor:  # (B, image_channels, H, W) -> (B, classes)
        logits: Tensor = self.head(self.body(self.stem(x)))
        return logits

    def _choose(self, path: Path | None) -> None:
        if path is not None:
            _check(path)
        for cell in self._cells.values():
            cell.choose(path)

    def used(self, path: Path | None) -> Iterator[tuple[str, nn.Module]]:
        yield "stem", self.stem
        for number, module in enumerate(self.body):
            if path is None or not isinstance(module, SharedCell):
                yield f"body.{number}", module
            else:
                for edge, operation in enumerate(module.chosen(path)):
                    yield f"body.{number}.edges.{edge}", operation
        yield "head", self.head


def _check(path: Path) -> None:
    if len(path) != len(nb201.EDGES):
        raise ValueError(f"path of {len(path)} operations: expected {len(nb201.EDGES)}, one for each edge")
    for name in path:
        if name not in nb201.OPERATIONS:
            raise ValueError(f"operation {name!r}: expected one of {', '.join(nb201.OPERATIONS)}")
