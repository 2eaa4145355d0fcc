from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import archloom
from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.spaces.convnet import ConvNet
from archloom.spaces.gan import Gan
from archloom.spaces.macro.proxyless import Proxyless
from archloom.spaces.ownership import check_ownership
from archloom.types import Arch

torch = pytest.importorskip("torch", reason="networks need the extra train")


class Chain(Categorical):
    """Gene g makes layer g, which is nothing at all for its first option; weights are drawn as the seed says."""

    prefix = "network.layers.{}"

    def __init__(self) -> None:
        super().__init__({f"g{i}": ["id", "linear"] for i in range(4)})
        self.built: list[Any] = []

    def modules(self, gene: int) -> Sequence[str]:
        return [self.prefix.format(gene)]

    def build(self, arch: Arch, seed: int) -> Any:
        layers = [torch.nn.Linear(2, 2) if gene else torch.nn.Identity() for gene in arch.genes]
        network = torch.nn.Module()
        network.layers = torch.nn.Sequential(*layers)
        self.built.append(network)
        return network


class Misspelt(Chain):
    prefix = "network.layer.{}"


class Shifted(Chain):
    def modules(self, gene: int) -> Sequence[str]:
        return [self.prefix.format(gene + 1)]


class Prefix(Chain):
    """A prefix of a name, but not of whole words."""

    prefix = "network.layers.{}.weigh"


class Letters(Chain):
    def modules(self, gene: int) -> Sequence[str]:
        return self.prefix.format(gene)


class Reading(Chain):
    """Its code looks at values, so it cannot be built without them."""

    def build(self, arch: Arch, seed: int) -> Any:
        network = super().build(arch, seed)
        float(torch.ones(1))
        return network


class Broken(Chain):
    def build(self, arch: Arch, seed: int) -> Any:
        raise RuntimeError("no network")


@pytest.mark.parametrize("make", [Chain, Reading, Broken, ConvNet, Gan, Proxyless])
def test_what_is_there_passes(make: Any) -> None:
    check_ownership(make())


def test_networks_are_built_without_memory_if_they_can_be() -> None:
    space = Chain()
    check_ownership(space)
    assert all(parameter.is_meta for network in space.built for parameter in network.parameters())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            Misspelt,
            r"gene 0 owns 'network\.layer\.0', below which none of 40 networks has a tensor: is it misspelled\?",
        ),
        (Shifted, r"gene 3 owns 'network\.layers\.4', below which none"),
        (Prefix, r"gene 0 owns 'network\.layers\.0\.weigh', below which none"),
        (Letters, r"modules\(0\) is the string 'network\.layers\.0': expected a sequence of prefixes"),
    ],
)
def test_what_is_nowhere_is_refused(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        check_ownership(make())
    assert "\n" not in str(caught.value)


def test_a_search_that_mixes_weights_looks_first() -> None:
    from archloom.problems.task import TaskProblem
    from archloom.tasks.planted import PlantedTask

    for kind in (Misspelt, Letters):
        with pytest.raises(InputError, match=r"space 'table': "):
            archloom.run("pbt_nas", TaskProblem(kind(), PlantedTask()))
