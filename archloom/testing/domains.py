"""What `archloom.testing.check_space` asks of spaces with numbers and conditions, and such a space."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from archloom.errors import InputError
from archloom.spaces.base import HasConditions, HasNeighbours, HasUnitCube, SearchSpace
from archloom.spaces.domains import Choice, Integer, Real, Seed
from archloom.spaces.space import Space
from archloom.types import Arch
from archloom.utils import seeds

OUT_OF_REACH: tuple[float, ...] = (math.nan, -1e12, 1e12)
"""Genes that are in no domain."""


class MixedSpace(Space):
    """Choices, numbers of every kind, and two levels of conditions."""

    name = "mixed"

    def __init__(self) -> None:
        super().__init__(
            {
                "nesterov": Choice([False, True], when={"momentum": [0.5, 0.9]}),
                "momentum": Choice([0.0, 0.5, 0.9], ordered=True, when={"optimiser": "sgd"}),
                "optimiser": ["sgd", "adam", "rmsprop"],
                "lr": Real(1e-4, 1e-1, log=True),
                "dropout": Real(0.0, 0.6, step=0.1),
                "shift": Real(-1.0, 1.0, when={"optimiser": ["adam", "rmsprop"]}),
                "width": Integer(8, 512, log=True),
                "layers": Integer(1, 9, step=2),
                "seed": Seed(),
            }
        )


class _InCube(SearchSpace, HasUnitCube, Protocol): ...


class _Conditional(SearchSpace, HasConditions, Protocol): ...


def check_unit_cube(space: _InCube, archs: list[Arch], rng: np.random.Generator) -> None:
    """Every architecture has a point of the unit cube, and every point has an architecture."""
    for arch in archs:
        point = space.to_unit(arch)
        assert point.shape == (space.unit_size,), f"to_unit has shape {point.shape}: expected ({space.unit_size},)"
        assert point.dtype == np.float64, f"to_unit has type {point.dtype}: expected float64"
        assert ((point >= 0) & (point <= 1)).all(), f"{arch} is at {point.tolist()}, outside of the unit cube"
        back = space.from_unit(point)
        assert space.key(back) == space.key(arch), f"from_unit(to_unit) of {arch} is {back}"
    ends = [np.zeros(space.unit_size), np.ones(space.unit_size)]
    for point in [*ends, *rng.random((len(archs), space.unit_size))]:
        arch = space.from_unit(point)
        try:
            read: Arch | None = space.parse(space.format(arch))
        except InputError:
            read = None
        assert read == arch, f"{point.tolist()} is {arch}, which cannot be formatted and parsed again"
        back = space.from_unit(space.to_unit(arch))
        assert back == arch, f"{point.tolist()} is {arch}, and that is at the point of {back}"
    inside = np.full(space.unit_size, 0.5)
    outside = [inside.copy() for _ in range(3)]
    for point, place in zip(outside, (-0.1, 1.1, math.nan), strict=True):
        point[-1] = place
    for point in [inside[1:], inside[None], *outside]:
        try:
            arch = space.from_unit(point)
        except InputError:
            continue
        raise AssertionError(f"from_unit of {point.tolist()} is {arch}: expected an InputError outside of the cube")


def check_conditions(space: _Conditional, archs: list[Arch]) -> None:
    """Architectures that differ only in genes that do not count are the same."""
    for arch in archs:
        counts = list(space.active(arch))
        assert len(counts) == len(arch.genes), f"active of {arch} has {len(counts)} entries: expected one for each gene"
        for gene in (gene for gene, active in enumerate(counts) if not active):
            for strange in OUT_OF_REACH:
                same = Arch((*arch.genes[:gene], strange, *arch.genes[gene + 1 :]))
                _check_same(space, arch, same, f"gene {gene} of {arch} does not count, but")


def _check_same(space: Any, arch: Arch, same: Arch, said: str) -> None:
    """`same`, which differs in a gene that does not count, is `arch` in every way."""
    assert space.key(same) == space.key(arch), f"{said} changes its key"
    assert space.canonical(same) == space.canonical(arch), f"{said} changes what is canonical"
    assert max(space.violations(same).values(), default=0.0) <= 0.0, f"{said} breaks a rule"
    mutants = [space.mutate(each, seeds.stream(1, "check")) for each in (arch, same)]
    assert mutants[0] == mutants[1], f"{said} changes its mutants"
    if isinstance(space, HasNeighbours):
        assert list(space.neighbours(same)) == list(space.neighbours(arch)), f"{said} changes its neighbours"
