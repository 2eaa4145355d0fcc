from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.errors import InputError

pytest.importorskip("numba", reason="the DARTS space needs the extra bench")

from archloom.spaces import darts
from archloom.spaces.darts import Counting, flops, from_text, parameters, random_genotypes

IMAGENET: dict[str, Any] = {"channels": 48, "layers": 14, "classes": 1000, "images": darts.IMAGENET}


def both(*texts: str) -> np.ndarray:
    return np.stack([from_text(text) for text in texts])


def test_the_thesis_counts_of_the_published_genotypes(darts_v1: str, darts_v2: str) -> None:
    """DDAS thesis, Table 3.1."""
    batch = both(darts_v1, darts_v2)
    assert parameters(batch).tolist() == [3_645_840, 3_825_768]
    assert parameters(batch, classes=100).tolist() == [3_766_980, 3_946_908]
    assert (flops(batch) / 1e9).round(4).tolist() == [1.0219, 1.0782]


def test_the_published_sizes_without_the_auxiliary_head(darts_v2: str) -> None:
    """Liu et al. 2019, Tables 1 and 3: 3.3 M on CIFAR-10, 4.7 M on ImageNet."""
    batch = both(darts_v2)
    assert round(parameters(batch, auxiliary=False)[0] / 1e6, 1) == 3.3
    assert round(parameters(batch, **IMAGENET, auxiliary=False)[0] / 1e6, 1) == 4.7


def test_the_authors_imagenet_network_as_measured_by_others(darts_v2: str) -> None:
    """544.59 M by ptflops (quark0/darts, issue 46), which counts 2 per normalised element and 1 per ReLU's.

    For poolings it counts the elements they read: 5 max-poolings in each reduction cell, and the last average.
    """
    counted = flops(both(darts_v2), **IMAGENET, counting=Counting(multiply_add=1, norm=2, inner_norm=2, relu=1))
    poolings = 5 * (96 * 28**2 + 192 * 14**2) + 4 * 192 * 7**2
    assert round((counted[0] + poolings) / 1e6, 2) == 544.59


def test_the_counts_published_with_nas_bench_301(data_dir: Path) -> None:
    """Parameters are the same. All FLOPs differ by the same 8,192, which are not explained; floats hold 8 or 16."""
    with np.load(data_dir / "nb301_surrogate.npz", allow_pickle=False) as file:
        batch, published, sizes = file["check_genotypes"], file["check_flops_m"], file["check_params_m"]
    counted = parameters(batch, channels=32, layers=8, auxiliary=False, affine=False)
    np.testing.assert_allclose(counted / 1e6, sizes, rtol=1e-7)
    counted = flops(batch, channels=32, layers=8, counting=darts.NB301_COUNTING)
    np.testing.assert_allclose(published.astype(np.float64) * 1e6 - counted, 8_192, atol=8)


# -- against networks ---------------------------------------------------------------------------------------------


def build(genotype: np.ndarray, **settings: Any) -> Any:
    pytest.importorskip("torch", reason="networks need the extra train")
    from archloom.nets.darts import DartsNetwork

    cells = [[(darts.OPERATIONS[operation], source) for source, operation in cell] for cell in genotype.tolist()]
    return DartsNetwork(*cells, seed=0, **settings)


def measured(network: Any, image: Any, counting: Counting) -> int:
    """FLOPs of one image, added up as its layers run."""
    from torch import nn

    total = 0

    def norm(inner: bool) -> int:
        return counting.inner_norm if inner else counting.norm

    def see(inner: bool, layer: Any, inputs: tuple[Any, ...], out: Any) -> None:
        nonlocal total
        match layer:
            case nn.Conv2d():
                total += counting.multiply_add * out.numel() * layer.weight[0].numel()
            case nn.Linear():
                total += counting.multiply_add * layer.weight.numel()
            case nn.BatchNorm2d():
                total += norm(inner) * out.numel()
            case nn.ReLU():
                total += counting.relu * out.numel()
            case nn.MaxPool2d() | nn.AvgPool2d():
                total += counting.pool * out.numel() * (layer.kernel_size**2 + 1)
            case nn.AdaptiveAvgPool2d():
                total += counting.pool * (inputs[0].numel() + out.numel())

    for name, layer in network.named_modules():
        inner = ".operations." in name
        layer.register_forward_hook(lambda *run, inner=inner: see(inner, *run))
    network.eval()(image)
    return total


SIZES = st.fixed_dictionaries(
    {"channels": st.integers(1, 7), "layers": st.integers(1, 7), "classes": st.integers(1, 9)}
)
IMAGES = st.tuples(st.integers(1, 4), st.integers(1, 33), st.integers(1, 33))
"""Channels, height and width."""
COUNTINGS = st.sampled_from([darts.DDAS_COUNTING, darts.NB301_COUNTING, darts.MULTIPLY_ADDS, Counting(3, 5, 7, 11, 13)])


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), SIZES, COUNTINGS, st.booleans(), IMAGES)
def test_counts_are_those_of_the_built_network(
    seed: int, sizes: Any, counting: Counting, auxiliary: bool, image: tuple[int, int, int]
) -> None:
    genotypes = random_genotypes(1, np.random.default_rng(seed))
    sizes = {**sizes, "image_channels": image[0]}
    network = build(genotypes[0], **sizes, auxiliary=auxiliary)
    import torch

    assert parameters(genotypes, **sizes, auxiliary=auxiliary)[0] == sum(p.numel() for p in network.parameters())
    counted = flops(genotypes, **sizes, counting=counting, image_size=image[1:])[0]
    with torch.no_grad():
        assert counted == measured(network, torch.zeros(1, *image), counting)


@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1), st.integers(1, 2), st.integers(3, 5), COUNTINGS, IMAGES)
def test_counts_are_those_of_the_imagenet_network(
    seed: int, half: int, layers: int, counting: Counting, image: tuple[int, int, int]
) -> None:
    genotypes = random_genotypes(1, np.random.default_rng(seed))
    pytest.importorskip("torch", reason="networks need the extra train")
    import torch

    from archloom.nets.darts import IMAGENET

    sizes = {"channels": 2 * half, "layers": layers, "classes": 3}
    network = build(genotypes[0], **sizes, images=IMAGENET, auxiliary=True)
    assert parameters(genotypes, **sizes, images=darts.IMAGENET)[0] == sum(p.numel() for p in network.parameters())
    with torch.no_grad():
        counted = measured(network, torch.zeros(1, 3, 224, 224), counting)
        other = build(genotypes[0], **sizes, images=IMAGENET, image_channels=image[0])
        measured_other = measured(other, torch.zeros(1, *image), counting)
    sizes = {**sizes, "counting": counting, "images": darts.IMAGENET}
    assert flops(genotypes, **sizes)[0] == counted
    assert flops(genotypes, **sizes, image_channels=image[0], image_size=image[1:])[0] == measured_other


@pytest.mark.parametrize("sizes", [{"channels": 0}, {"layers": 0}, {"classes": -1}, {"image_channels": 0}])
def test_sizes_below_one_are_told(sizes: dict[str, int]) -> None:
    batch = random_genotypes(1, np.random.default_rng(0))
    for count in (parameters, flops):
        with pytest.raises(InputError, match=f"{next(iter(sizes))} .*: expected at least 1"):
            count(batch, **sizes)
