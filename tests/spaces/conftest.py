"""What the tests of several spaces share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from archloom.spaces.base import HasSource
from archloom.types import Arch

Exported = Callable[[Any, Arch, Sequence[int]], tuple[Any, Any]]


@pytest.fixture
def stand_alone() -> Callable[[Any, Arch], tuple[Any, Any]]:
    """The network that a space builds, and the one that the file it exports builds; weights are the same.

    The file needs nothing of archloom.
    """
    torch = pytest.importorskip("torch", reason="networks need the extra train")

    def compare(space: Any, arch: Arch) -> tuple[Any, Any]:
        assert isinstance(space, HasSource)
        text = space.source(arch, "found by a test")
        about, _, code = text.partition('"""\n\n')
        assert "archloom" not in code
        assert space.format(arch) in about and "found by a test" in about
        names: dict[str, Any] = {"__name__": "exported"}
        exec(compile(text, "exported.py", "exec"), names)
        ours, made = space.build(arch, 5).eval(), names["make_network"](seed=5).eval()
        ours_state, made_state = ours.state_dict(), made.state_dict()
        assert list(ours_state) == list(made_state)
        assert all(torch.equal(ours_state[name], made_state[name]) for name in ours_state)
        return ours, made

    return compare


@pytest.fixture
def exported(stand_alone: Callable[[Any, Arch], tuple[Any, Any]]) -> Exported:
    """As `stand_alone`, of networks for images of a shape (B, C, H, W), whose outputs are the same, too."""
    torch = pytest.importorskip("torch", reason="networks need the extra train")

    def compare(space: Any, arch: Arch, images: Sequence[int]) -> tuple[Any, Any]:
        ours, made = stand_alone(space, arch)
        x = torch.randn(*images, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            assert torch.equal(ours(x), made(x))
        return ours, made

    return compare


@pytest.fixture(scope="session")
def counted() -> Callable[..., int]:
    """The operations of a network for an image of a shape (C, H, W), from the shapes that pass through its layers.

    Multiply-adds of convolutions and linear layers, `norm` for each normalised value, and `average` for each addition
    and division of an average. Networks on the device "meta" are enough.
    """
    torch = pytest.importorskip("torch", reason="networks need the extra train")

    def count(network: Any, image: Sequence[int], norm: int = 0, average: int = 0) -> int:
        rules: dict[type, Callable[[Any, Any, Any], int]] = {
            torch.nn.Conv2d: lambda layer, given, out: out.numel() * layer.weight[0].numel(),
            torch.nn.Linear: lambda layer, given, out: layer.weight.numel(),
            torch.nn.BatchNorm2d: lambda layer, given, out: norm * out.numel(),
            torch.nn.AdaptiveAvgPool2d: lambda layer, given, out: average * (given[0].numel() + out.numel()),
        }
        found: list[int] = []
        hooks = [
            module.register_forward_hook(lambda layer, given, out: found.append(rules[type(layer)](layer, given, out)))
            for module in network.modules()
            if type(module) in rules
        ]
        with torch.no_grad():
            network.eval()(torch.zeros(1, *image))
        for hook in hooks:
            hook.remove()
        return sum(found)

    return count
