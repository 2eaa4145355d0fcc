"""A network that holds the weights of all cells of NAS-Bench-101, cut to the channels that each cell needs.

Every vertex has one 3x3 and one 1x1 convolution and a max-pool at the cell's full width, and every vertex and the
output a projection of the cell's input. How many channels a vertex has depends on the cell
(`nets.nb101.vertex_channels`), so the first so many input and output channels of a convolution's weights are used, and
of its normalisation (Yu et al. 2020, who compute all output channels and cut then: the same numbers for more work).

A path is (matrix, operations) as of `nets.nb101.Nb101Network`, as tuples. A cell with fewer than 7 vertices uses the
first ones; isomorphic matrices are different paths. Of a tensor that is used in part the rest has a gradient of 0, so
it rests but for an optimiser's momentum and weight decay. There is no network in which all operations run at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.nets import nb101
from archloom.nets.supernets.base import Path, Sharing, Supernet, check_whole, plain_state

VERTICES = 7
"""Of the largest cell, input and output included."""


class Slot(nn.Module, ABC):
    """A layer at full width; `slot(x, c)` is what it makes of the first channels, the first `c` of its output."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    @abstractmethod
    def forward(self, x: Tensor, width: int) -> Tensor:  # (B, c, H, W) -> (B, width, H, W)
        ...


class Pool(Slot):
    """It keeps the channels that it is given."""

    def forward(self, x: Tensor, width: int) -> Tensor:
        out: Tensor = self.layer(x)
        return out


class CutConvolution(Slot):
    """`nets.nb101.conv_bn_relu` with its weights and statistics cut."""

    def __init__(self, layer: nn.Sequential) -> None:
        super().__init__(layer)
        convolution, norm, _ = layer
        assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)  # noqa: S101
        self._both = convolution, norm  # in a tuple, so that they are not registered once more

    def forward(self, x: Tensor, width: int) -> Tensor:
        convolution, norm = self._both
        out = functional.conv2d(x, convolution.weight[:width, : x.shape[1]], padding=convolution.padding)
        return functional.relu_(cut_norm(norm, out))


def cut_norm(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """What a batch normalisation does, with its first channels, as many as `x` (B, c, H, W) has."""
    width, momentum = x.shape[1], norm.momentum
    mean, variance, counted = norm.running_mean, norm.running_var, norm.num_batches_tracked
    assert mean is not None and variance is not None and counted is not None  # noqa: S101 - all of ours have buffers
    tracked = not norm.training or norm.track_running_stats
    if norm.training and tracked:
        counted.add_(1)
        if momentum is None:  # a cumulative average
            momentum = 1.0 / float(counted)
    return functional.batch_norm(
        x,
        mean[:width] if tracked else None,
        variance[:width] if tracked else None,
        None if norm.weight is None else norm.weight[:width],
        None if norm.bias is None else norm.bias[:width],
        norm.training,
        0.0 if momentum is None else momentum,
        norm.eps,
    )


class Step(NamedTuple):
    """A vertex of the cell that runs."""

    operation: Slot | None
    """None for the output."""
    width: int
    sources: list[int]
    """The vertices that lead to it, without the input."""
    projection: Slot | None
    """Of the cell's input, if that leads to it."""


class SharedCell(nn.Module):
    """All operations of every vertex, from `c_in` channels to `c_out`; the output's projection is the last one."""

    def __init__(self, c_in: int, c_out: int, sharing: Sharing) -> None:
        super().__init__()
        self.c_in, self.c_out = c_in, c_out
        # In what is no module too: finding one must not take long.
        self._projections = [
            CutConvolution(sharing.shared(nb101.conv_bn_relu(c_in, c_out, 1))) for _ in range(1, VERTICES)
        ]
        self._operations = [
            {name: _slot(sharing.shared(make(c_out))) for name, make in nb101.OPERATIONS.items()}
            for _ in range(1, VERTICES - 1)
        ]
        self.projections = nn.ModuleList(self._projections)
        self.vertices = nn.ModuleList(nn.ModuleDict(vertex) for vertex in self._operations)
        self.steps: list[Step] = []

    def plan(self, path: Path) -> list[Step]:
        """The vertices of a path's cell, without the input; ValueError if one would have no channel."""
        matrix, names = path
        output = len(matrix) - 1
        widths = [*nb101.vertex_channels(matrix, self.c_out), self.c_out]
        operations = [
            *(operations[name] for operations, name in zip(self._operations, names, strict=False)), None
        ]  # fmt: skip
        projections = [*self._projections[: output - 1], self._projections[-1]]
        return [
            Step(
                operations[vertex - 1],
                widths[vertex - 1],
                [source for source in range(1, vertex) if matrix[source][vertex]],
                projections[vertex - 1] if matrix[0][vertex] else None,
            )
            for vertex in range(1, output + 1)
        ]

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, H, W)
        values = [x]
        for operation, width, sources, projection in self.steps:
            terms = [values[source] for source in sources]
            if operation is None:
                terms = [torch.cat(terms, dim=1)] if terms else []
            else:
                terms = [term[:, :width] for term in terms]
            if projection is not None:
                terms.append(projection(x, width))
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            values.append(total if operation is None else operation(total, width))
        return values[-1]


def _slot(operation: nn.Module) -> Slot:
    return CutConvolution(operation) if isinstance(operation, nn.Sequential) else Pool(operation)


class Nb101Supernet(Supernet):
    """All cells of the benchmark in one network; a path has to be selected before it runs.

    ValueError for partial channels, which it does not have.
    """

    def __init__(
        self,
        seed: int,
        sharing: Sharing,
        channels: int = 32,
        stacks: int = 3,
        cells: int = 3,
        classes: int = 10,
        image_channels: int = 3,
        stem: str = "cifar",
    ) -> None:
        super().__init__()
        check_whole("nb101", sharing)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: that reseeds the GPUs as well
            self.stem = nb101.STEMS[stem](image_channels, channels)
            self.body = nb101.stacks_of(lambda c_in, c_out: SharedCell(c_in, c_out, sharing), channels, stacks, cells)
            self.head = nb101.classifier(channels << (stacks - 1), classes)
            self.apply(nb101.initialise)
        self._cells = {number: each for number, each in enumerate(self.body) if isinstance(each, SharedCell)}

    def forward(self, x: Tensor) -> Tensor:  # (B, image_channels, H, W) -> (B, classes)
        if self.path is None:
            raise ValueError("no path is selected, and nb101 has no network in which all operations run: select one")
        logits: Tensor = self.head(self.body(self.stem(x)))
        return logits

    def _choose(self, path: Path | None) -> None:
        if path is None:
            raise ValueError("nb101 has no network in which all operations run at once: select a path")
        _check(path)
        plans = [(cell, cell.plan(path)) for cell in self._cells.values()]
        for cell, steps in plans:
            cell.steps = steps

    def used(self, path: Path | None) -> Iterator[tuple[str, nn.Module]]:
        if path is None:
            yield from self.named_children()
            return
        for name, module, _ in self._used(path):
            yield name, module

    def standalone(self, path: Path) -> dict[str, Tensor]:
        return {
            f"{name}.{key}": tensor[tuple(map(slice, widths[: tensor.dim()]))].detach().clone()
            for name, module, widths in self._used(path)
            for key, tensor in plain_state(module).items()
        }

    def _used(self, path: Path) -> Iterator[tuple[str, nn.Module, tuple[int, ...]]]:
        """The modules of a path, their names in the plain network, and its output and input channels (none: all)."""
        yield "stem", self.stem, ()
        for number, cell in self._cells.items():
            for vertex, step in enumerate(cell.plan(path), start=1):
                if step.projection is not None:
                    widths = (step.width, cell.c_in)
                    yield f"body.{number}.projections.{vertex}", step.projection.layer, widths
                if step.operation is not None:
                    widths = (step.width, step.width)
                    yield f"body.{number}.vertices.{vertex}", step.operation.layer, widths
        yield "head", self.head, ()


def _check(path: Path) -> None:
    if len(path) != 2:
        raise ValueError(f"path of {len(path)} parts: expected a matrix and operations")
    matrix, operations = path
    nb101.check_cell(matrix, operations)
    if len(matrix) > VERTICES:
        raise ValueError(f"cell of {len(matrix)} vertices: expected at most {VERTICES}")
