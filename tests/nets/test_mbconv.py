from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets.mbconv import (  # noqa: E402 - it needs PyTorch
    ACTIVATIONS,
    InvertedResidual,
    Layer,
    MbconvNetwork,
    SqueezeExcitation,
)

SMALL: list[list[Layer | None]] = [[(8, 1, 3, 1, False)], [(16, 1, 3, 2, False)]]
MIXED: list[list[Layer | None]] = [
    [(8, 1, 3, 1, False)],
    [(12, 4, 5, 2, True), None, (12, 4, 7, 1, True)],
    [(16, 6, 3, 2, False), (16, 3, 3, 1, True)],
    [(20, 1, 5, 2, True)],
    [(24, 3, 3, 2, False), None],
]
"""Every kind of layer; with the stem, strides of 32."""


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 32), (33, 7)])
def test_images_of_any_size_become_logits(height: int, width: int) -> None:
    network = MbconvNetwork(MIXED, seed=0, stem=8, head=16, channels=2, classes=7).eval()
    with torch.no_grad():
        x = images(1, 2, height, width)
        logits = network(x.expand(2, -1, -1, -1))
        assert network.body(network.stem(x)).shape == (1, 24, -(-height // 32), -(-width // 32))
    assert logits.shape == (2, 7)
    assert torch.isfinite(logits).all()
    assert torch.allclose(logits[0], logits[1], atol=1e-5)


def test_gradients_reach_every_weight() -> None:
    network = MbconvNetwork(MIXED, seed=0, stem=8, head=16, classes=3).train()
    network(images(2, 3, 64, 64)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_layer_has_its_expansion_its_kernel_its_activation_and_its_gate() -> None:
    network, c_in = MbconvNetwork(MIXED, seed=0, stem=8, head=16, activation="relu6"), 8
    for stage, layers in zip(network.body, MIXED, strict=True):
        for module, layer in zip(stage, layers, strict=True):
            if layer is None:
                assert isinstance(module, torch.nn.Identity)
                continue
            c_out, expansion, kernel, stride, gated = layer
            assert any(isinstance(m, SqueezeExcitation) for m in module.modules()) == gated
            assert sum(isinstance(m, torch.nn.ReLU6) for m in module.body) == (1 if expansion == 1 else 2)
            *expand, depthwise, project = [m for m in module.body if isinstance(m, torch.nn.Conv2d)]
            assert len(expand) == (expansion > 1)
            assert depthwise.kernel_size == (kernel, kernel)
            assert depthwise.stride == (stride, stride)
            assert depthwise.groups == depthwise.out_channels == expansion * c_in
            assert project.out_channels == c_out
            c_in = c_out


def test_a_layer_is_residual_where_shapes_agree() -> None:
    x = images(2, 8, 6, 6)
    for c_out, stride, residual in [(8, 1, True), (8, 2, False), (16, 1, False)]:
        layer = InvertedResidual(8, (c_out, 4, 3, stride, False), ACTIVATIONS["silu"]).eval()
        torch.nn.init.zeros_(layer.body[-1].weight)
        torch.nn.init.zeros_(layer.body[-1].bias)
        out = layer(x)
        assert out.shape == (2, c_out, 6 // stride, 6 // stride)
        assert torch.equal(out, x if residual else torch.zeros_like(out))


def test_a_gate_is_squeezed_to_a_quarter_of_what_comes_in_and_to_one_at_least() -> None:
    for c_in, squeezed in [(16, 4), (11, 2), (3, 1)]:
        layer = InvertedResidual(c_in, (8, 6, 3, 1, True), ACTIVATIONS["silu"])
        gate = next(m for m in layer.body if isinstance(m, SqueezeExcitation)).gate
        assert (gate[1].in_channels, gate[1].out_channels, gate[3].out_channels) == (6 * c_in, squeezed, 6 * c_in)


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
    network = MbconvNetwork(MIXED, seed=0, head=64, classes=100)
    stem, classifier = network.stem[0], network.head[-1]
    assert stem.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.1)
    assert 0.09 < classifier.weight.abs().max().item() <= 0.1
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    assert all(not bias.any() for bias in biases)


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    only_its_seed(lambda seed: MbconvNetwork(SMALL, seed=seed))
