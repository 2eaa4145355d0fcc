from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.spaces.walks import Genes, Shown
from archloom.testing import PlantedSpace, check_space


class _Renamed(PlantedSpace):
    made = 0

    def __init__(self) -> None:
        super().__init__()
        _Renamed.made += 1
        self.number = _Renamed.made

    @property
    def encoding(self) -> str:
        return f"made as number {self.number}"


class _Wider(PlantedSpace):
    @property
    def encoding_bits(self) -> int:
        return 33


class _Floats(PlantedSpace):
    def encode(self, genes: Genes) -> Any:
        return super().encode(genes).astype(np.float32)


class _Forgetful(PlantedSpace):
    def encode(self, genes: Genes) -> Any:
        return super().encode(genes) * (np.arange(32) >= 28).astype(np.uint8)


class _Shifted(PlantedSpace):
    def show_neighbours(self, genes: Genes, most: int, rng: np.random.Generator) -> Shown:
        genes[:, 0] = 0
        return super().show_neighbours(genes, most, rng)


class _Global(PlantedSpace):
    other = np.random.default_rng(0)

    def show_neighbours(self, genes: Genes, most: int, rng: np.random.Generator) -> Shown:
        return super().show_neighbours(genes, most, self.other)


class _Itself(PlantedSpace):
    def show_neighbours(self, genes: Genes, most: int, rng: np.random.Generator) -> Shown:
        shown = super().show_neighbours(genes, most, rng)
        return Shown(np.concatenate([genes[:, None], shown.genes[:, 1:]], axis=1), shown.counts)


class _Invalid(PlantedSpace):
    def show_neighbours(self, genes: Genes, most: int, rng: np.random.Generator) -> Shown:
        return Shown(genes[:, None] + 4, np.ones(len(genes), dtype=np.int64))

    def encode(self, genes: Genes) -> Any:
        return super().encode(genes % 4) ^ (genes >= 4).any(axis=1)[:, None]


class _Generous(PlantedSpace):
    def show_neighbours(self, genes: Genes, most: int, rng: np.random.Generator) -> Shown:
        return super().show_neighbours(genes, most + 1, rng)


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (_Renamed, "and in a copy of the space"),
        (_Wider, r"encode gives shape \(40, 32\), expected \(40, 33\)"),
        (_Floats, "other numbers than uint8 zeros and ones"),
        (_Forgetful, "have the same bits"),
        (_Shifted, "changes the genes it is given"),
        (_Global, "draws from another generator"),
        (_Itself, "is shown twice, or is that itself"),
        (_Invalid, "is shown, and breaks a rule of 'planted'"),
        (_Generous, r"show_neighbours\(1\) gives 2 places"),
    ],
)
def test_what_a_space_that_is_walked_on_must_not_do(kind: type[PlantedSpace], broken: str) -> None:
    with pytest.raises(AssertionError, match=broken):
        check_space(kind)
