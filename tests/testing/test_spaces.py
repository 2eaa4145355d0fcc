"""The contract of spaces catches who breaks it: every offender below breaks exactly one promise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from archloom import registry
from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.testing import (
    ForbiddenSpace,
    PlantedSpace,
    RuledSpace,
    check_space,
)
from archloom.types import Arch

SELF_CONTAINED = [kind for kind in registry.SPACES if kind != "table"]  # that one is made from a table


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_every_registered_space_keeps_the_contract(name: str) -> None:
    check_space(registry.load_space(name))


class GlobalNumpy(PlantedSpace):
    def sample(self, rng: np.random.Generator) -> Arch:
        return Arch(tuple(np.random.randint(0, 4, size=8).tolist()))  # noqa: NPY002


class GlobalPython(PlantedSpace):
    def sample(self, rng: np.random.Generator) -> Arch:
        random.random()
        return super().sample(rng)


class GlobalTorch(PlantedSpace):
    def sample(self, rng: np.random.Generator) -> Arch:
        import torch

        torch.rand(1)
        return super().sample(rng)


class HashOrder(PlantedSpace):
    """Another process has other hashes, and so another order."""

    def sample(self, rng: np.random.Generator) -> Arch:
        genes = super().sample(rng).genes
        return Arch((hash(str(genes)) % 4, *genes[1:]))


class NumpyGenes(PlantedSpace):
    def sample(self, rng: np.random.Generator) -> Arch:
        return Arch(tuple(rng.integers(0, self.sizes)))


class ForgetfulParse(PlantedSpace):
    def parse(self, text: str) -> Arch:
        return Arch((0, *super().parse(text).genes[1:]))


class GullibleParse(PlantedSpace):
    def parse(self, text: str) -> Arch:
        try:
            return super().parse(text)
        except InputError:
            return Arch((0,) * 8)


class RudeParse(PlantedSpace):
    def parse(self, text: str) -> Arch:
        return Arch(tuple("abcd".index(part.split("=")[1]) for part in text.split(", ")))


class RestlessCanonical(PlantedSpace):
    def canonical(self, arch: Arch) -> Arch:
        return Arch(tuple(reversed(arch.genes)))


class CanonicalWithoutKey(PlantedSpace):
    def canonical(self, arch: Arch) -> Arch:
        return Arch(tuple(sorted(arch.genes)))

    def key(self, arch: Arch) -> str:
        return self.format(arch)


class OneKey(PlantedSpace):
    def key(self, arch: Arch) -> str:
        return "all the same"


class TooSmall(PlantedSpace):
    @property
    def size(self) -> int:
        return 3


class UnseededMutation(PlantedSpace):
    def __init__(self) -> None:
        super().__init__()
        self.own = np.random.default_rng(0)

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        return super().mutate(arch, self.own)


class OffTheEdge(PlantedSpace):
    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        return Arch((*arch.genes[:-1], 1.5))


class Islands(PlantedSpace):
    """Mutations change the last gene only."""

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        return Arch((*arch.genes[:-1], int(rng.integers(4))))


class OwnNeighbour(PlantedSpace):
    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        return [*super().neighbours(arch), arch]


class TwiceNeighbour(PlantedSpace):
    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        near = super().neighbours(arch)
        return [*near, near[3]]


class RestlessNeighbours(PlantedSpace):
    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        self.turned = not getattr(self, "turned", False)
        near = super().neighbours(arch)
        return near[::-1] if self.turned else near


class BrokenNeighbours(RuledSpace):
    neighbours_are_valid = True


class UnwritableNeighbour(PlantedSpace):
    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        return [*super().neighbours(arch), Arch((*arch.genes[:-1], 2.5))]


class WideOneHot(PlantedSpace):
    def one_hot(self, arch: Arch) -> Any:
        return np.pad(super().one_hot(arch), 1)


class WrongOneHot(PlantedSpace):
    def one_hot(self, arch: Arch) -> Any:
        return np.ones(self.alpha_shape, dtype=np.float32)


class AnyShape(PlantedSpace):
    def discretise(self, alpha: Any) -> Arch:
        return Arch(tuple(alpha[:8].argmax(axis=1).tolist()))


class RudeShape(PlantedSpace):
    def discretise(self, alpha: Any) -> Arch:
        return Arch(tuple((alpha + np.zeros(self.alpha_shape)).argmax(axis=1).tolist()))


class TooLarge(Categorical):
    def __init__(self) -> None:
        super().__init__({"a": [1, 2, 3], "b": [1, 2, 3]})

    @property
    def size(self) -> int:
        return 99


class OneOption(Categorical):
    """A rare option is read back as another one."""

    def __init__(self) -> None:
        super().__init__({"a": range(150), "b": [1, 2], "c": [1, 2, 3]})

    def parse(self, text: str) -> Arch:
        return super().parse(text.replace("a=149,", "a=14,"))

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        return []


class OptionsByProcess(Categorical):
    """The same genes mean something else in another process, as with options from a set or a folder."""

    def __init__(self) -> None:
        names = ["relu", "gelu", "tanh", "silu", "selu", "elu"]
        super().__init__({f"a{i}": sorted(names, key=hash) for i in range(4)})

    def format(self, arch: Arch) -> str:
        return " ".join(str(gene) for gene in arch.genes)

    def parse(self, text: str) -> Arch:
        try:
            return Arch(self.indices(Arch(tuple(map(int, text.split())))))
        except ValueError:
            raise InputError(text) from None


class SharedOptions(Categorical):
    def __init__(self) -> None:
        super().__init__({f"a{i}": [[1], [2], [3]] for i in range(4)})
        self.own = [[1], [2], [3]]

    def choices(self, arch: Arch) -> dict[str, Any]:
        return {name: self.own[int(gene)] for name, gene in zip(self.gene_names, arch.genes, strict=True)}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (TooLarge, "size is 99, but there are 9 different ones"),
        (OneOption, "architecture with option 149 of gene 0, .* cannot be formatted and parsed again"),
        (OptionsByProcess, "sample differs in a fresh process"),
        (SharedOptions, "choices gives out the space's own object for 'a0'"),
        (GlobalNumpy, "the global random generator of numpy was used"),
        (GlobalPython, "the global random generator of random was used"),
        (HashOrder, "sample differs in a fresh process"),
        (NumpyGenes, "are not plain numbers"),
        (ForgetfulParse, r"parse\(format\) of 'gene0=.*' is Arch"),
        (GullibleParse, r"parse\(''\) did not raise InputError"),
        (RudeParse, r"parse\(''\) raised IndexError instead of InputError"),
        (RestlessCanonical, r"canonical\(.*\) is not itself"),
        (CanonicalWithoutKey, "have different keys"),
        (OneKey, "have one key, but are not the same"),
        (TooSmall, "size is 3, but 40 different ones were drawn"),
        (UnseededMutation, "mutate is not determined by its generator"),
        (OffTheEdge, "the mutant .* cannot be formatted and parsed again"),
        (Islands, r"mutations get stuck: 200 in a row from .* led to 4 different architectures, expected at least 20"),
        (OwnNeighbour, "is its own neighbour"),
        (TwiceNeighbour, "is listed twice"),
        (RestlessNeighbours, "neighbours come in another order the second time"),
        (BrokenNeighbours, "neighbours_are_valid is set, but .* is not valid"),
        (UnwritableNeighbour, "the neighbour .* cannot be formatted and parsed again"),
        (WideOneHot, r"one_hot has shape \(10, 6\), alpha_shape is \(8, 4\)"),
        (WrongOneHot, r"discretise\(one_hot\) of"),
        (AnyShape, "discretise of a wrong shape did not raise InputError"),
        (RudeShape, "discretise of a wrong shape raised ValueError instead of InputError"),
    ],
)
def test_an_offending_space_is_caught(kind: type[PlantedSpace], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_space(kind)


class Built(PlantedSpace):
    """Its networks have a layer for each gene but where the gene is 0."""

    misspelled = ""

    def modules(self, gene: int) -> tuple[str, ...]:
        return (f"network.layers{self.misspelled if gene == 3 else ''}.{gene}",)

    def build(self, arch: Arch, seed: int) -> Any:
        from torch import nn

        layers = {str(gene): nn.Linear(1, 1) for gene, option in enumerate(arch.genes) if option}
        return nn.ModuleDict({"layers": nn.ModuleDict(layers)})


class Misspelled(Built):
    misspelled = "_"


def test_a_gene_that_owns_nothing_in_any_network_is_caught() -> None:
    pytest.importorskip("torch")
    check_space(Built)
    with pytest.raises(AssertionError, match=r"gene 3 owns 'network\.layers_\.3', below which none of 40 networks"):
        check_space(Misspelled)


def test_pytorchs_generator_is_watched_too() -> None:
    pytest.importorskip("torch")
    with pytest.raises(AssertionError, match="the global random generator of torch was used"):
        check_space(GlobalTorch)


def test_a_rule_that_nothing_satisfies_is_told() -> None:
    with pytest.raises(InputError, match="no architecture is valid"):
        check_space(ForbiddenSpace)
