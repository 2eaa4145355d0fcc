from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from archloom.spaces import convnet as space

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets import convnet  # noqa: E402 - it needs PyTorch


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_names_are_the_spaces_own() -> None:
    assert tuple(convnet.LAYERS) == space.LAYERS
    assert tuple(convnet.ACTIVATIONS) == space.ACTIVATIONS
    assert tuple(convnet.RULES) == space.NORMS


@pytest.mark.parametrize(("kind", "rule"), list(product(convnet.LAYERS, convnet.RULES)))
def test_every_layer_keeps_the_shape_and_learns(kind: str, rule: str) -> None:
    for activation in convnet.ACTIVATIONS:
        layer = convnet.LAYERS[kind](4, rule, activation).train()
        out = layer(images(3, 4, 5, 6))
        assert out.shape == (3, 4, 5, 6)
        parameters = dict(layer.named_parameters())
        assert bool(parameters) == (kind != "id")
        if parameters:
            out.square().mean().backward()
        for name, parameter in parameters.items():
            assert parameter.grad is not None, name
            if parameter.dim() == 4 and rule == "none":  # a norm can hide the length of what is before it
                assert parameter.grad.abs().sum() > 0, (activation, name)


def test_tensors_of_a_layer_depend_on_its_kind_alone() -> None:
    for kind in convnet.LAYERS:
        seen = {
            tuple((name, tuple(t.shape)) for name, t in convnet.LAYERS[kind](4, rule, activation).state_dict().items())
            for rule, activation in product(convnet.RULES, convnet.ACTIVATIONS)
        }
        assert len(seen) == 1, kind


def test_activations_are_what_they_are_called() -> None:
    x = images(10)
    expected = {"id": x, "tanh": x.tanh(), "relu": x.clamp(min=0), "swish": x * x.sigmoid()}
    for name, values in expected.items():
        assert torch.allclose(convnet.ACTIVATIONS[name]()(x), values), name


def test_no_norm_is_scale_and_shift() -> None:
    norm, x = convnet.RULES["none"](3), images(2, 3, 4, 4)
    assert torch.equal(norm(x), x)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    assert torch.allclose(norm(x)[:, 1], 2 * x[:, 1] + 1)


def test_a_layer_norm_is_over_each_image_and_a_batch_norm_over_each_channel() -> None:
    x = 5 + 3 * images(8, 3, 4, 4)
    layered, batched = convnet.RULES["layer"](3)(x), convnet.RULES["batch"](3).train()(x)
    assert torch.allclose(layered.mean(dim=(1, 2, 3)), torch.zeros(8), atol=1e-5)
    assert torch.allclose(batched.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert layered.mean(dim=(0, 2, 3)).abs().max() > 1e-3


def test_only_a_batch_norm_in_training_moves_its_statistics() -> None:
    x = 5 + images(8, 3, 4, 4)
    for rule, training in product(convnet.RULES, (True, False)):
        norm = convnet.RULES[rule](3).train(training)
        norm(x)
        moved = bool(norm.running_mean.abs().sum() > 0)
        assert moved == (rule == "batch" and training), (rule, training)
    batch = convnet.RULES["batch"](3).train()
    reference = torch.nn.BatchNorm2d(3).train()
    assert torch.allclose(batch(x), reference(x))
    assert torch.allclose(batch.running_var, reference.running_var)


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (32, 32)])
def test_images_of_any_size_become_logits(size: tuple[int, int]) -> None:
    stages = [("layer", [("residual_7", "tanh")]), ("batch", [("sep_conv_5", "relu"), ("id", "id")])]
    network = convnet.ConvNetwork(stages, seed=0, channels=2, width=4, stride=2, classes=6)
    logits = network(images(3, 2, *size))
    assert logits.shape == (3, 6)
    assert torch.isfinite(logits).all()
    assert network.stages[1].entry[0].weight.shape == (8, 4, 3, 3)


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    only_its_seed(lambda seed: convnet.ConvNetwork([("none", [("conv_3", "relu")])], seed=seed, width=4))


def test_weights_start_at_the_scale_of_he() -> None:
    """Variance 2 / fan-in, also for depthwise convolutions, whose fan-in is one channel."""
    network = convnet.ConvNetwork([("none", [("sep_conv_7", "relu"), ("conv_3", "relu")])], seed=0, width=64)
    depthwise, pointwise = network.stages[0].layers[0][:2]
    for weight, fan_in in (
        (depthwise.weight, 49), (pointwise.weight, 64), (network.stages[0].layers[1][0].weight, 9 * 64),
    ):  # fmt: skip
        assert float(weight.detach().var()) == pytest.approx(2 / fan_in, rel=0.1)
