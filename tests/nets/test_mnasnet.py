from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom import seeds
from archloom.data.tables import load_table
from archloom.spaces import mnasnet as space_module
from archloom.spaces.mnasnet import Mnasnet, macs, parameters
from archloom.types import Arch

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets import mnasnet  # noqa: E402 - it needs PyTorch
from archloom.nets.mnasnet import Block, InvertedResidual, MnasNetwork, SqueezeExcitation  # noqa: E402

SMALL: list[Block] = [(1, 3, 1, False)] * 7
MIXED: list[Block] = [
    (1, 3, 1, False), (4, 5, 2, True), (6, 3, 1, False), (1, 5, 2, True), (4, 3, 1, True), (1, 3, 4, False),
    (1, 5, 1, True),
]  # fmt: skip


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def counted(network: torch.nn.Module, resolution: int) -> int:
    """The operations of every layer that runs, by thop's rules, from the shapes that pass through."""
    total = 0

    def convolution(layer: torch.nn.Conv2d, _: object, out: torch.Tensor) -> None:
        nonlocal total
        total += out[0].numel() * layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]

    def normalisation(_: object, __: object, out: torch.Tensor) -> None:
        nonlocal total
        total += 4 * out[0].numel()

    def average(_: object, given: tuple[torch.Tensor], out: torch.Tensor) -> None:
        nonlocal total
        total += given[0][0].numel() + out[0].numel()

    def classifier(layer: torch.nn.Linear, _: object, __: object) -> None:
        nonlocal total
        total += layer.in_features * layer.out_features

    rules = {
        torch.nn.Conv2d: convolution,
        torch.nn.BatchNorm2d: normalisation,
        torch.nn.AdaptiveAvgPool2d: average,
        torch.nn.Linear: classifier,
    }
    for module in network.modules():
        if type(module) in rules:
            module.register_forward_hook(rules[type(module)])
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, resolution, resolution))
    return total


def some_genes(count: int) -> np.ndarray:
    """The smallest and the largest network, and a few between."""
    between = seeds.stream(0, "test").integers(0, Mnasnet().sizes, size=(count, 28))
    return np.concatenate([np.zeros((1, 28), int), Mnasnet().sizes[None] - 1, between])


def test_widths_and_strides_are_the_spaces_own() -> None:
    for name in ("STEM", "HEAD", "WIDTHS", "STRIDES"):
        assert getattr(mnasnet, name) == getattr(space_module, name)


@pytest.mark.parametrize("resolution", [32, 75])
def test_the_formulas_count_what_is_built(resolution: int) -> None:
    genes, space = some_genes(4), Mnasnet()
    with torch.device("meta"):  # shapes are enough to count
        networks = [space.build(Arch(tuple(row)), seed=0) for row in genes.tolist()]
        assert [counted(network, resolution) for network in networks] == macs(genes, resolution).tolist()
    assert [count(network) for network in networks] == parameters(genes).tolist()


def test_a_built_network_has_the_counts_of_the_benchmark(real_table: Callable[[str], Path]) -> None:
    path = real_table("accel_imagenet.npz")
    table, space = load_table(path), Mnasnet()
    for row in seeds.stream(1, "test").choice(len(table), size=3, replace=False).tolist():
        with torch.device("meta"):
            network = space.build(Arch(tuple(table.genes[row].tolist())), seed=0)
            assert np.float32(counted(network, 224) / 1e6) == table.metric("macs_m")[row]
        assert np.float32(count(network) / 1e6) == table.metric("params_m")[row]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 32), (33, 7)])
def test_images_of_any_size_become_logits(height: int, width: int) -> None:
    network = MnasNetwork(MIXED, seed=0, classes=7).eval()
    with torch.no_grad():
        logits = network(images(1, 3, height, width).expand(2, -1, -1, -1))
        assert network.body(network.stem(images(1, 3, height, width))).shape == (
            1,
            320,
            -(-height // 32),
            -(-width // 32),
        )
    assert logits.shape == (2, 7)
    assert torch.isfinite(logits).all()
    assert torch.allclose(logits[0], logits[1], atol=1e-5)


def test_gradients_reach_every_weight() -> None:
    network = MnasNetwork(MIXED, seed=0, classes=3).train()
    network(images(2, 3, 64, 64)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_block_has_its_layers_its_kernel_and_its_gates() -> None:
    network = MnasNetwork(MIXED, seed=0)
    for block, (expansion, kernel, layers, gated) in zip(network.body, MIXED, strict=True):
        assert len(block) == layers
        assert [any(isinstance(m, SqueezeExcitation) for m in layer.modules()) for layer in block] == [gated] * layers
        for layer in block:
            convolutions = [m for m in layer.body if isinstance(m, torch.nn.Conv2d)]
            assert len(convolutions) == (2 if expansion == 1 else 3)
            assert convolutions[-2].kernel_size == (kernel, kernel)
            assert convolutions[-2].groups == expansion * convolutions[0].in_channels


def test_a_layer_is_residual_where_shapes_agree() -> None:
    x = images(2, 8, 6, 6)
    for c_out, stride, residual in [(8, 1, True), (8, 2, False), (16, 1, False)]:
        layer = InvertedResidual(8, c_out, 4, 3, stride, gated=False).eval()
        torch.nn.init.zeros_(layer.body[-1].weight)
        torch.nn.init.zeros_(layer.body[-1].bias)
        out = layer(x)
        assert out.shape == (2, c_out, 6 // stride, 6 // stride)
        assert torch.equal(out, x if residual else torch.zeros_like(out))


def test_a_gate_scales_whole_channels() -> None:
    x, gate = images(2, 8, 5, 5), SqueezeExcitation(8, 2)
    ratio = gate(x) / x
    assert torch.allclose(ratio, ratio[:, :, :1, :1].expand_as(ratio), atol=1e-4)
    assert ((ratio > 0) & (ratio < 1)).all()
    torch.nn.init.zeros_(gate.gate[3].weight)
    torch.nn.init.zeros_(gate.gate[3].bias)
    assert torch.allclose(gate(x), x / 2)


def test_weights_are_drawn_as_the_benchmark_draws_them() -> None:
    """Normal with variance 2 / fan-out; the classifier within 1 / sqrt(classes); no bias anywhere."""
    network = MnasNetwork([(4, 3, 1, True)] * 7, seed=0, classes=100)
    stem, classifier = network.stem[0], network.head[-1]
    assert stem.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.1)
    assert 0.09 < classifier.weight.abs().max().item() <= 0.1
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    assert all(not bias.any() for bias in biases)


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    only_its_seed(lambda seed: MnasNetwork(SMALL, seed=seed))


def test_another_number_of_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        MnasNetwork(SMALL[:6], seed=0)
