"""The network of NAS-Bench-101 around a cell, written to stand alone: `archloom export` ships this very code.

Ying et al. 2019, section 2: a 3x3 convolution with 128 channels, three stacks of three equal cells, a 2x2 max-pooling
and twice the channels from stack to stack, global average pooling and a linear classifier.

A cell is a graph: vertex 0 is its input, the last vertex its output, and every vertex between has one operation.
Vertices are sources before they are targets, so the matrix [source][target] is strictly upper triangular.

The order of vertices matters if the channels of a cell cannot be shared out evenly (128, 256 or 512 among three):
the first vertices get one more. Two matrices of the same graph may then make different networks, with counts of
parameters up to some one per cent apart. If the split is even, they make the same network but for the order of the
output's channels and of the terms of sums; a cell's modules are named after its vertices, so that weights can be moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def conv_bn_relu(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution with "same" padding, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
        # TensorFlow's momentum of 0.997 is what is kept of the old average; PyTorch's is what is taken of the new one.
        nn.BatchNorm2d(c_out, eps=1e-5, momentum=0.003),
        nn.ReLU(inplace=True),
    )


OPERATIONS: dict[str, Callable[[int], nn.Module]] = {
    "conv3x3": lambda channels: conv_bn_relu(channels, channels, 3),
    "conv1x1": lambda channels: conv_bn_relu(channels, channels, 1),
    "maxpool3x3": lambda channels: nn.MaxPool2d(3, stride=1, padding=1),
}


def check_cell(matrix: Sequence[Sequence[int]], operations: Sequence[str]) -> None:
    """ValueError unless `matrix` is a cell of which every vertex lies on a path from the input to the output."""
    vertices = len(matrix)
    if vertices < 2 or any(len(row) != vertices for row in matrix):
        raise ValueError(f"matrix with rows of {[len(row) for row in matrix]}: expected V rows of V numbers, V >= 2")
    if len(operations) != vertices - 2:
        raise ValueError(
            f"{len(operations)} operations for {vertices} vertices: expected {vertices - 2}, "
            "one for each vertex but the input and the output"
        )
    for operation in operations:
        if operation not in OPERATIONS:
            raise ValueError(f"operation {operation!r}: expected one of {', '.join(OPERATIONS)}")
    for source, row in enumerate(matrix):
        for target, entry in enumerate(row):
            if entry not in (0, 1) or (entry and source >= target):
                raise ValueError(
                    f"matrix entry [{source}][{target}] = {entry}: expected 1 (an edge) or 0 above the diagonal, "
                    "0 elsewhere"
                )
    # Edges lead upwards only, so a vertex with an edge on either side is on a whole path.
    for vertex in range(vertices):
        if vertex < vertices - 1 and not any(matrix[vertex]):
            raise ValueError(f"vertex {vertex} leads nowhere: remove what is on no path from input to output")
        if vertex > 0 and not any(row[vertex] for row in matrix):
            raise ValueError(f"vertex {vertex} has no input: remove what is on no path from input to output")


def vertex_channels(matrix: Sequence[Sequence[int]], channels: int) -> list[int]:
    """The channels that leave each vertex between input and output, vertex 1 first, in a cell of `channels` channels.

    The vertices that lead to the output share its channels, the first ones with one more where they do not divide. Any
    other vertex has as many as the widest vertex it leads to. ValueError if a vertex would have no channel.
    """
    output = len(matrix) - 1
    feeders = [vertex for vertex in range(1, output) if matrix[vertex][output]]
    if len(feeders) > channels:
        raise ValueError(f"{channels} channels for {len(feeders)} vertices that feed the output: expected as many")
    widths = dict.fromkeys(range(1, output), 0)
    for rank, vertex in enumerate(feeders):
        widths[vertex] = channels // len(feeders) + (rank < channels % len(feeders))
    for vertex in range(output - 1, 0, -1):
        if not matrix[vertex][output]:
            widths[vertex] = max(widths[target] for target in range(vertex + 1, output) if matrix[vertex][target])
    return list(widths.values())


class Cell(nn.Module):
    """A graph of operations, from `c_in` channels to `c_out`.

    A vertex works on the sum of what comes in. What comes from the input goes through a 1x1 convolution (in
    `projections`, under the target's number) to the vertex's channels; what comes from other vertices (in `vertices`,
    under their numbers) is cut to them. The output concatenates, in the order of vertices; an edge from the input
    straight to the output is added to that, or is the output.
    """

    def __init__(self, matrix: Sequence[Sequence[int]], operations: Sequence[str], c_in: int, c_out: int) -> None:
        super().__init__()
        self.output = len(matrix) - 1
        self.matrix = [[int(entry) for entry in row] for row in matrix]
        self.widths = [c_in, *vertex_channels(matrix, c_out), c_out]
        targets = [target for target, edge in enumerate(matrix[0]) if edge]
        self.projections = nn.ModuleDict(
            {str(target): conv_bn_relu(c_in, self.widths[target], 1) for target in targets}
        )
        self.projected = [targets.index(v) if v in targets else -1 for v in range(len(matrix))]  # places in projections
        self.vertices = nn.ModuleDict(
            {str(v): OPERATIONS[name](self.widths[v]) for v, name in enumerate(operations, start=1)}
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, H, W)
        inputs: list[Tensor] = []
        for projection in self.projections.values():
            inputs.append(projection(x))  # noqa: PERF401 - TorchScript has no comprehensions over modules
        values = [x]  # of the vertices, the input first
        for place, operation in enumerate(self.vertices.values()):
            terms = self.into(place + 1, values, self.widths[place + 1])
            values.append(operation(self.total(terms, inputs, place + 1)))
        inner = self.into(self.output, values, self.widths[self.output])
        return self.total([torch.cat(inner, dim=1)] if len(inner) > 0 else [], inputs, self.output)

    def into(self, target: int, values: list[Tensor], width: int) -> list[Tensor]:
        """At most `width` channels of each vertex, the input excepted, that leads to `target`."""
        found: list[Tensor] = []
        for source in range(1, target):
            if self.matrix[source][target] == 1:
                found.append(values[source][:, :width])  # noqa: PERF401 - nor any with a condition
        return found

    def total(self, terms: list[Tensor], inputs: list[Tensor], target: int) -> Tensor:
        """The sum of `terms` and, added to them, what the cell's input brings to vertex `target`, if it leads there."""
        place = self.projected[target]
        if place >= 0:
            terms.append(inputs[place])
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


def initialise(module: nn.Module) -> None:
    """Draw the weights of one layer as the benchmark's TensorFlow 1 layers did.

    Convolutions: a normal distribution with variance 1 / fan-in after it is cut at two of its own standard deviations
    (`variance_scaling_initializer`). Classifier: Glorot's uniform distribution, no bias. Normalisations begin with
    scale 1 and offset 0 in both libraries.
    """
    if isinstance(module, nn.Conv2d):
        fan_in = module.weight[0].numel()
        std = math.sqrt(1 / fan_in) / 0.87962566103423978  # the deviation of a unit normal cut at +-2
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def cifar_stem(image_channels: int, channels: int) -> nn.Sequential:
    """One convolution."""
    return conv_bn_relu(image_channels, channels, 3)


def imagenet_stem(image_channels: int, channels: int) -> nn.Sequential:
    """Three convolutions of stride 2, to an eighth of the resolution; `channels` must be at least 2."""
    widths = (image_channels, channels // 2, channels, channels)
    return nn.Sequential(*(conv_bn_relu(c_in, c_out, 3, stride=2) for c_in, c_out in pairwise(widths)))


STEMS: dict[str, Callable[[int, int], nn.Module]] = {"cifar": cifar_stem, "imagenet": imagenet_stem}
"""Channels of the image and of the first cells to what comes before them."""


def stacks_of(cell: Callable[[int, int], nn.Module], channels: int, stacks: int, cells: int) -> nn.Sequential:
    """Stacks of cells, each made by `cell` from its input's channels and its own, and max-pools between them.

    (B, C, H, W) -> (B, C 2^(stacks-1), ...): each stack has half the pixels and twice the channels of the last one.
    """
    body: list[nn.Module] = []
    c_in = channels
    for stack in range(stacks):
        if stack:
            body.append(nn.MaxPool2d(2, ceil_mode=True))
        for _ in range(cells):
            body.append(cell(c_in, channels << stack))
            c_in = channels << stack
    return nn.Sequential(*body)


def classifier(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class Nb101Network(nn.Module):
    """The whole network around one cell, for images of any size.

    `matrix[a][b]` is 1 where vertex a leads to vertex b; `operations` names the operation of each vertex but the first
    and the last. `stem` is "cifar", as published, or "imagenet", which reduces large images to an eighth of their
    resolution. ValueError if that is no cell, or has vertices on no path from the input to the output. The weights
    are drawn from `seed` alone; PyTorch's global generator is left as it was.
    """

    def __init__(
        self,
        matrix: Sequence[Sequence[int]],
        operations: Sequence[str],
        seed: int,
        channels: int = 128,
        stacks: int = 3,
        cells: int = 3,
        classes: int = 10,
        image_channels: int = 3,
        stem: str = "cifar",
    ) -> None:
        super().__init__()
        check_cell(matrix, operations)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: that reseeds the GPUs as well
            self.stem = STEMS[stem](image_channels, channels)
            self.body = stacks_of(lambda c_in, c_out: Cell(matrix, operations, c_in, c_out), channels, stacks, cells)
            self.head = classifier(channels << (stacks - 1), classes)
            self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:  # (B, image_channels, H, W) -> (B, classes)
        logits: Tensor = self.head(self.body(self.stem(x)))
        return logits
