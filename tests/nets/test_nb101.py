from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="networks need the extra train")
pytest.importorskip("numba", reason="counts need the extra bench")

from archloom.nets import nb101  # noqa: E402 - it needs PyTorch
from archloom.spaces.nb101 import codes, counts  # noqa: E402 - they need numba

NAMES = tuple(nb101.OPERATIONS)
C3, C1, POOL = NAMES
few = settings(max_examples=25)


@dataclass(frozen=True)
class Cell:
    """A pruned cell."""

    matrix: tuple[tuple[int, ...], ...]
    operations: tuple[str, ...]

    @property
    def genes(self) -> list[int]:
        edges = np.zeros((7, 7), dtype=int)
        edges[: len(self.matrix), : len(self.matrix)] = self.matrix
        labels = [NAMES.index(name) for name in self.operations]
        return [*edges[np.triu_indices(7, 1)].tolist(), *labels, *[3] * (5 - len(labels))]

    def published(self) -> Cell:
        """The same cell as the matrix that the dataset holds."""
        genes = codes.unpack(codes.canonical_codes(codes.pack(np.array([self.genes]))))[0]
        names = tuple(NAMES[label] for label in genes[21:] if label < 3)
        matrix = np.zeros((7, 7), dtype=int)
        matrix[np.triu_indices(7, 1)] = genes[:21]
        return Cell(tuple(map(tuple, matrix[: len(names) + 2, : len(names) + 2].tolist())), names)

    def build(self, seed: int = 0, channels: int = 8, **sizes: int) -> nb101.Nb101Network:
        return nb101.Nb101Network(self.matrix, self.operations, seed, channels=channels, **sizes)


def cell(rows: str, *operations: str) -> Cell:
    return Cell(tuple(tuple(map(int, row)) for row in rows.split()), operations)


STRAIGHT = cell("01 00")
BOTH = cell("0101 0011 0001 0000", C3, POOL)
TRUNCATED = cell("010000 001100 000101 000011 000001 000000", C3, C1, C3, POOL)  # 8 channels: 3, 3, 3 and 2


@st.composite
def cells(draw: Callable[..., Any]) -> Cell:
    """Any cell of 2 to 7 vertices, with more than 9 edges too."""
    vertices = draw(st.integers(2, 7))
    matrix = [[0] * vertices for _ in range(vertices)]
    for source in range(vertices - 1):
        for target in draw(st.sets(st.integers(source + 1, vertices - 1), min_size=1)):
            matrix[source][target] = 1
    for target in range(1, vertices):
        if not any(row[target] for row in matrix):
            matrix[draw(st.integers(0, target - 1))][target] = 1
    operations = draw(st.tuples(*[st.sampled_from(NAMES)] * (vertices - 2)))
    return Cell(tuple(map(tuple, matrix)), operations)


def images(n: int = 2, side: int = 8, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=dtype)


def size(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: torch.nn.Module, side: int) -> int:
    """Those of every convolution and linear layer that one image passes."""
    total = 0

    def add(module: Any, inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(add)
    with torch.no_grad():
        network.eval()(images(1, side))
    return total


def cells_of(network: nb101.Nb101Network) -> list[nb101.Cell]:
    return [module for module in network.body if isinstance(module, nb101.Cell)]


# Counts


@few
@given(cells(), st.integers(5, 12), st.integers(1, 3), st.integers(1, 2), st.integers(4, 9))
@example(STRAIGHT, 5, 3, 2, 9)
@example(TRUNCATED, 8, 2, 2, 7)
def test_the_formulas_count_what_is_built(cell: Cell, channels: int, stacks: int, depth: int, side: int) -> None:
    sizes = {"channels": channels, "stacks": stacks, "cells": depth, "classes": 7}
    published = cell.published()  # which is what is built, and counted, for any matrix of a cell
    network, genes = published.build(**sizes), np.array([cell.genes])
    assert size(network) == counts.parameters(genes, **sizes)[0]
    assert multiply_adds(network, side) == counts.macs(genes, image_size=side, **sizes)[0]


def test_the_full_network_has_the_published_number_of_parameters() -> None:
    """Row 0 of the benchmark's table, by hash 00005c142e6f48ac74fdcf73e3439874."""
    first = cell("0100110 0010000 0001001 0000010 0000010 0000001 0000000", C3, POOL, C3, C3, C1)
    with torch.device("meta"):
        network = nb101.Nb101Network(first.matrix, first.operations, seed=0)
    assert size(network) == 8_555_530


# The function


@few
@given(cells(), st.integers(5, 8))
@example(STRAIGHT, 5)
@example(BOTH, 5)
@example(TRUNCATED, 8)
def test_outputs_are_those_of_another_implementation(cell: Cell, channels: int) -> None:
    """nasbench-pytorch's network with the same weights; it has idle scalars besides, which do not count."""
    model = pytest.importorskip("nasbench_pytorch.model", reason="the reference network is that of nasbench-pytorch")
    network = cell.build(channels=channels, stacks=2, cells=2)
    theirs_of = {C3: "conv3x3-bn-relu", C1: "conv1x1-bn-relu", POOL: "maxpool3x3"}
    operations = ["input", *(theirs_of[name] for name in cell.operations), "output"]
    spec = model.ModelSpec(np.array(cell.matrix), operations)
    theirs = model.Network(spec, stem_out_channels=channels, num_stacks=2, num_modules_per_stack=2)
    idle = sum(p.numel() for name, p in theirs.named_parameters() if name.endswith((".a", ".dev_param")))
    assert size(network) == size(theirs) - idle
    give_weights(network, theirs)
    with torch.no_grad():
        assert torch.allclose(network(images()), theirs(images()), atol=1e-4)


def give_weights(ours: nb101.Nb101Network, theirs: Any) -> None:
    theirs.layers[0].conv_bn_relu.load_state_dict(ours.stem.state_dict())
    theirs.classifier.load_state_dict(ours.head[2].state_dict())
    for mine, index in zip(cells_of(ours), sorted(theirs.cell_indices), strict=True):
        other = theirs.layers[index]
        for target, block in mine.projections.items():
            other.input_op[int(target)].conv_bn_relu.load_state_dict(block.state_dict())
        for vertex, block in mine.vertices.items():
            for wrapped in other.vertex_op[int(vertex)].children():
                if not isinstance(wrapped, torch.nn.MaxPool2d):
                    wrapped.conv_bn_relu.load_state_dict(block.state_dict())


@few
@given(cells(), st.randoms(use_true_random=False))
def test_isomorphic_matrices_make_the_same_network_where_channels_split_evenly(cell: Cell, random: Any) -> None:
    place = shuffled(cell, random)
    other = relabelled(cell, place)
    sizes = {"channels": 60, "stacks": 2, "cells": 2}
    one, two = cell.build(seed=0, **sizes).double(), other.build(seed=1, **sizes).double()
    assert size(one) == size(two)
    move_weights(one, two, place)
    with torch.no_grad():
        assert torch.allclose(one(images(dtype=torch.float64)), two(images(dtype=torch.float64)), atol=1e-9)


def shuffled(cell: Cell, random: Any) -> list[int]:
    """The new number of each vertex, in a random order that still leads upwards."""
    order: list[int] = []
    while len(order) < len(cell.matrix):
        waiting = [v for v in range(len(cell.matrix)) if v not in order]
        order.append(random.choice([v for v in waiting if not any(cell.matrix[a][v] for a in waiting)]))
    return [order.index(vertex) for vertex in range(len(order))]


def relabelled(cell: Cell, place: list[int]) -> Cell:
    matrix, operations = np.zeros_like(cell.matrix), [""] * len(place)
    for vertex, new in enumerate(place):
        matrix[new, place] = cell.matrix[vertex]
        operations[new] = ["", *cell.operations, ""][vertex]
    return Cell(tuple(map(tuple, matrix.tolist())), tuple(operations[1:-1]))


def move_weights(one: nb101.Nb101Network, two: nb101.Nb101Network, place: list[int]) -> None:
    """Give `two` the weights of `one`, whose vertex v is its vertex place[v]."""
    two.stem.load_state_dict(one.stem.state_dict())
    came = torch.arange(one.stem[0].out_channels)  # channel i of `two` is channel came[i] of `one`
    for a, b in zip(cells_of(one), cells_of(two), strict=True):
        feeders = [v for v in range(1, a.output) if a.matrix[v][a.output]]
        leaves = torch.arange(a.widths[-1])
        if feeders:
            blocks = dict(zip(feeders, leaves.chunk(len(feeders)), strict=True))
            leaves = torch.cat([blocks[vertex] for vertex in sorted(feeders, key=lambda vertex: place[vertex])])
        for target, block in a.projections.items():
            state = block.state_dict()
            state["0.weight"] = state["0.weight"][:, came]
            if int(target) == a.output:
                state = {name: value[leaves] if value.ndim else value for name, value in state.items()}
            b.projections[str(place[int(target)])].load_state_dict(state)
        for vertex, block in a.vertices.items():
            b.vertices[str(place[int(vertex)])].load_state_dict(block.state_dict())
        came = leaves
    two.head[2].load_state_dict({"weight": one.head[2].weight[:, came], "bias": one.head[2].bias})


def test_isomorphic_matrices_may_differ_where_channels_split_unevenly() -> None:
    """Three vertices share 8 channels as 3, 3, 2: which of them is the pooling shows."""
    last = cell("01110 00001 00001 00001 00000", C3, C3, POOL)
    first = cell("01110 00001 00001 00001 00000", POOL, C3, C3)
    assert size(last.build()) > size(first.build())


@pytest.mark.parametrize(
    ("cell", "channels", "widths"),
    [
        (STRAIGHT, 128, []),
        (BOTH, 128, [64, 64]),
        (TRUNCATED, 128, [43, 43, 43, 42]),
        (TRUNCATED, 512, [171, 171, 171, 170]),
        (cell("0110 0001 0001 0000", C3, C3), 7, [4, 3]),
        (cell("01000 00110 00001 00001 00000", C3, C3, C3), 7, [4, 4, 3]),
        (cell("01110 00001 00001 00001 00000", C3, C3, C3), 128, [43, 43, 42]),
    ],
)
def test_channels_are_shared_out(cell: Cell, channels: int, widths: list[int]) -> None:
    assert nb101.vertex_channels(cell.matrix, channels) == widths


def test_a_batch_of_images_becomes_logits() -> None:
    for cell in (STRAIGHT, BOTH, TRUNCATED):
        network = cell.build(classes=7).eval()
        with torch.no_grad():
            logits = network(torch.ones(3, 3, 32, 32))
        assert logits.shape == (3, 7)
        assert torch.isfinite(logits).all()
        assert torch.allclose(logits[0], logits[1])


def test_the_body_halves_and_doubles() -> None:
    network = BOTH.build(stacks=3, cells=2)
    with torch.no_grad():
        features = network.body(network.stem(images(side=10)))
    assert features.shape == (2, 32, 3, 3)  # 10, 5, then 3: TensorFlow's "same" pooling keeps the last odd row


@few
@given(cells())
@example(STRAIGHT)
def test_gradients_reach_every_parameter(cell: Cell) -> None:
    network = cell.build(channels=16, stacks=2, cells=1).train()
    network(images(4)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_normalisation_moves_as_the_benchmarks_does() -> None:
    """0.997 of the old average stays."""
    network = STRAIGHT.build()
    x = images(4)
    mean = network.stem[0](x).mean(dim=(0, 2, 3))
    network.train()(x)
    assert torch.allclose(network.stem[1].running_mean, 0.003 * mean)
    assert {module.eps for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)} == {1e-5}


# Weights


def test_weights_have_the_benchmarks_spread() -> None:
    network = cell("010 001 000", C3).build(channels=64, stacks=1, cells=1)
    weight = cells_of(network)[0].vertices["1"][0].weight
    std = (1 / (9 * 64)) ** 0.5
    assert weight.std().item() == pytest.approx(std, rel=0.02)
    assert 2 * std < weight.abs().max().item() <= 2 * std / 0.8796
    assert not network.head[2].bias.any()
    bound = (6 / (64 + 10)) ** 0.5
    assert 0.9 * bound < network.head[2].weight.abs().max().item() <= bound


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    only_its_seed(lambda seed: BOTH.build(seed=seed))


# What is no cell


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (cell("0"), "expected V rows of V numbers"),
        (cell("011 00 000", C3), "expected V rows of V numbers"),
        (cell("010 001 000"), "0 operations for 3 vertices: expected 1"),
        (cell("010 001 000", "conv7x7"), "'conv7x7': expected one of conv3x3, conv1x1, maxpool3x3"),
        (cell("020 001 000", C3), r"entry \[0\]\[1\] = 2: expected 1"),
        (cell("010 001 010", C3), r"entry \[2\]\[1\] = 1: expected .* 0 elsewhere"),
        (cell("010 011 000", C3), r"entry \[1\]\[1\] = 1: expected"),
        (cell("011 000 000", C3), "vertex 1 leads nowhere: remove"),
        (cell("001 001 000", C3), "vertex 1 has no input: remove"),
        (cell("00 00"), "vertex 0 leads nowhere: remove"),
    ],
)
def test_what_is_no_pruned_cell_is_refused(cell: Cell, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        cell.build()
    assert "\n" not in str(error.value)


def test_too_few_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="1 channels for 2 vertices that feed the output"):
        cell("0110 0001 0001 0000", C3, C3).build(channels=1)
