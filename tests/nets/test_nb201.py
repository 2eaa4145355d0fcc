from __future__ import annotations

from typing import Any

import pytest

from archloom.data.tables import Table
from archloom.spaces.nb201 import EDGES, OPERATIONS, Nb201, parameters
from archloom.types import Arch
from archloom.utils import seeds

torch = pytest.importorskip("torch")

from archloom.nets import nb201  # noqa: E402 - it needs PyTorch

NONE, SKIP, CONV1, CONV3, POOL = range(5)


def build(*genes: int, seed: int = 0, **sizes: int) -> nb201.Nb201Network:
    return nb201.Nb201Network([OPERATIONS[gene] for gene in genes], seed, **sizes)


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small(*genes: int, seed: int = 0) -> nb201.Nb201Network:
    return build(*genes, seed=seed, channels=4, cells=1)


def test_edges_and_operations_are_the_spaces_own() -> None:
    assert nb201.EDGES == EDGES
    assert tuple(nb201.OPERATIONS) == OPERATIONS


def test_parameter_counts_are_the_benchmarks(nb201_table: Table) -> None:
    rng, space = seeds.stream(0, "test"), Nb201()
    for row in rng.choice(len(nb201_table), size=8, replace=False).tolist():
        arch = Arch(tuple(nb201_table.genes[row].tolist()))
        built = count(space.build(arch, seed=0))
        assert built / 1e6 == pytest.approx(nb201_table.metric("cifar10_params_m")[row], abs=1e-6)


def test_the_formula_counts_what_is_built() -> None:
    rng = seeds.stream(1, "test")
    for _ in range(5):
        genes = rng.integers(0, 5, size=6)
        assert count(build(*genes.tolist())) == parameters(genes[None])[0]


def test_a_batch_of_images_becomes_logits() -> None:
    network = build(CONV3, POOL, CONV1, SKIP, NONE, CONV3, channels=8, cells=2, classes=7).eval()
    with torch.no_grad():
        logits = network(torch.zeros(3, 3, 32, 32))
    assert logits.shape == (3, 7)
    assert torch.isfinite(logits).all()
    assert torch.allclose(logits[0], logits[1])


def test_gradients_reach_every_operation_that_is_joined_to_the_output() -> None:
    network = small(CONV3, CONV1, CONV3, CONV1, CONV3, CONV1).train()
    network(torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_cell_is_the_sum_over_its_edges() -> None:
    """Node 3 of a cell of skips: x along 0->3, and once more along each of the paths 01-3, 02-3, 012-3."""
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    for genes, times in [
        ((SKIP,) * 6, 4),
        ((SKIP, NONE, SKIP, NONE, NONE, SKIP), 1),
        ((SKIP, SKIP, NONE, SKIP, SKIP, NONE), 2),
        ((NONE,) * 6, 0),
        ((SKIP, SKIP, SKIP, NONE, NONE, NONE), 0),
    ]:
        cell = nb201.Cell([OPERATIONS[gene] for gene in genes], channels=4)
        assert torch.allclose(cell(x), times * x), genes


def test_pooling_counts_real_pixels_only() -> None:
    pool = nb201.OPERATIONS["avg_pool_3x3"](1)
    ones = torch.ones(1, 1, 4, 4)
    assert torch.equal(pool(ones), ones)


def test_a_reduction_halves_and_doubles() -> None:
    assert nb201.Reduction(6)(torch.zeros(2, 6, 8, 8)).shape == (2, 12, 4, 4)


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    only_its_seed(lambda seed: small(*range(5), 2, seed=seed))
