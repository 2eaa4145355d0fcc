"""The contract of unit cubes and conditions catches who breaks it: every offender below breaks one promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archloom.testing import MixedSpace, PlantedSpace, check_space
from archloom.types import Arch
from archloom.utils import seeds


def test_the_mixed_space_has_what_is_to_be_checked() -> None:
    space, rng = MixedSpace(), seeds.stream(0, "test")
    drawn = {tuple(space.active(space.sample(rng))) for _ in range(200)}
    assert len(drawn) == 3, "sgd with nesterov and without, and other optimisers"


class OtherShape(PlantedSpace):
    def to_unit(self, arch: Arch) -> NDArray[np.float64]:
        return super().to_unit(arch)[1:]


class SinglePrecision(PlantedSpace):
    def to_unit(self, arch: Arch) -> Any:
        return super().to_unit(arch).astype(np.float32)


class OutOfTheCube(PlantedSpace):
    def to_unit(self, arch: Arch) -> NDArray[np.float64]:
        return np.asarray(2.0 * super().to_unit(arch))


class SomewhereElse(PlantedSpace):
    def to_unit(self, arch: Arch) -> NDArray[np.float64]:
        return super().to_unit(arch)[::-1]


class OffTheGrid(PlantedSpace):
    def from_unit(self, places: NDArray[np.floating[Any]]) -> Arch:
        arch = super().from_unit(places)
        return Arch((4, *arch.genes[1:])) if places[0] > 0.9 else arch


class AnyPoint(PlantedSpace):
    def from_unit(self, places: NDArray[np.floating[Any]]) -> Arch:
        return super().from_unit(np.resize(np.clip(places, 0.0, 1.0), 8))


class Counted(MixedSpace):
    def active(self, arch: Arch) -> list[bool]:
        return super().active(arch)[1:]


class KeyOfAll(MixedSpace):
    def key(self, arch: Arch) -> str:
        return super().key(arch) + "!" * (arch.genes[0] == 1e12)


class CanonicalKeepsAll(MixedSpace):
    def canonical(self, arch: Arch) -> Arch:
        counts = self.active(arch)
        settled = super().canonical(arch)
        return Arch(tuple(s if c or g < 1e12 else g for g, s, c in zip(arch.genes, settled.genes, counts, strict=True)))


class RulesOfAll(MixedSpace):
    def violations(self, arch: Arch) -> Mapping[str, float]:
        return super().violations(arch) or {"large": max(arch.genes[0], arch.genes[1]) - 1e6}


class NeighboursOfAll(MixedSpace):
    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        near = super().neighbours(arch)
        return near[1:] if arch.genes[0] == 1e12 else near


class MutantsOfAll(MixedSpace):
    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        mutant = super().mutate(arch, rng)
        return super().mutate(mutant, rng) if arch.genes[0] == 1e12 else mutant


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (OtherShape, r"to_unit has shape \(7,\): expected \(8,\)"),
        (SinglePrecision, "to_unit has type float32: expected float64"),
        (OutOfTheCube, "outside of the unit cube"),
        (SomewhereElse, r"from_unit\(to_unit\) of .* is Arch"),
        (OffTheGrid, r"is Arch\(genes=\(4,.*, which cannot be formatted and parsed again"),
        (AnyPoint, "expected an InputError outside of the cube"),
        (Counted, "active of .* has 8 entries: expected one for each gene"),
        (KeyOfAll, "does not count, but changes its key"),
        (CanonicalKeepsAll, "does not count, but changes what is canonical"),
        (RulesOfAll, "does not count, but breaks a rule"),
        (NeighboursOfAll, "does not count, but changes its neighbours"),
        (MutantsOfAll, "does not count, but changes its mutants"),
    ],
)
def test_an_offending_space_is_caught(kind: Callable[[], Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_space(kind)
