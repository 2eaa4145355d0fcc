"""Architectures as points that models see: numbers from 0 to 1 and codes of categories.

    coordinates = coordinates_of(space)
    point = coordinates.of(arch)  # (d,), nan for a gene that does not count
    again = coordinates.arch(point, rng)

Seeds are no coordinates, since those beside each other have nothing in common; they are drawn when a point becomes an
architecture. Neither are genes with a single value. Options in order (`Choice(..., ordered=True)`) are numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.base import HasAlpha, HasSizes, HasUnitCube, SearchSpace, is_valid
from archloom.spaces.domains import Choice, Domain
from archloom.spaces.drawing import HasAlphaLayout
from archloom.spaces.space import Space
from archloom.types import Arch

Float64 = NDArray[np.float64]

TIE = 1e-3
"""Alpha is 1 for a chosen option and else below this, drawn at random, so that ties do not go to the first."""


class Coordinates(ABC):
    """A space's architectures as points.

    Attributes:
        names: (d,) what each coordinate is called.
        categories: (d,) how many options a category has; 0 for a number.
    """

    names: tuple[str, ...]
    categories: NDArray[np.intp]

    @abstractmethod
    def of(self, arch: Arch) -> Float64:
        """(d,) numbers in [0, 1]; codes 0 to c - 1 of categories; nan for a gene that does not count. InputError for
        genes that are not of their domains."""

    def matrix(self, archs: Sequence[Arch]) -> Float64:
        """(n, d) the points of several architectures."""
        return np.array([self.of(arch) for arch in archs], dtype=np.float64).reshape(len(archs), len(self.names))

    @abstractmethod
    def arch(self, point: Float64, rng: np.random.Generator) -> Arch:
        """The canonical architecture at a point (d,), its seeds drawn from `rng`.

        So is a coordinate that is nan, if it counts there. Numbers beyond 0 and 1 are at the ends, codes between
        options are the nearest option's. If the space has a rule that this breaks, the architecture is not valid
        (`spaces.base.is_valid`), but for a table of a sample, whose nearest row it then is.
        """

    def reseeded(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """The same architecture but for its seeds, which are drawn again; itself if the space has none."""
        return arch


@runtime_checkable
class HasCoordinates(Protocol):
    """A space that says itself how models see its architectures."""

    def coordinates(self) -> Coordinates: ...


def coordinates_of(space: SearchSpace) -> Coordinates:
    """How models see a space's architectures: as it says itself, else by its domains, else by its alpha (a category per
    row), else by its unit cube. InputError for a space that has none of these."""
    if isinstance(space, HasCoordinates):
        return space.coordinates()
    if isinstance(space, Space):
        return _OfDomains(space)
    if isinstance(space, HasAlpha):
        return _OfAlpha(space)
    if isinstance(space, HasUnitCube):
        return _OfUnitCube(space)
    raise InputError(
        f"space {space.name!r} does not show its architectures as points: expected a subclass of Space, or one_hot and "
        "discretise, or to_unit and from_unit"
    )


def check_points(space: SearchSpace, strategy: str) -> None:
    """InputError, which names the strategy, for a space that does not show its architectures as points."""
    try:
        coordinates_of(space)
    except InputError as error:
        raise InputError(f"strategy {strategy}: {error}") from None


class _OfDomains(Coordinates):
    """Those of a space of domains: a coordinate per gene that has alternatives and is no seed."""

    def __init__(self, space: Space) -> None:
        self.space = space
        named = list(enumerate(zip(space.gene_names, space.domains, strict=True)))
        self._genes = [gene for gene, (_, domain) in named if domain.code_width and domain.size != 1]
        self._seeds = [gene for gene, (_, domain) in named if not domain.code_width and domain.size != 1]
        self.names = tuple(space.gene_names[gene] for gene in self._genes)
        self.categories = np.array([_categories(space.domains[gene]) for gene in self._genes], dtype=np.intp)

    def of(self, arch: Arch) -> Float64:
        settled = canonical_if_valid(self.space, arch)
        counting = self.space.active(settled)
        point = np.full(len(self._genes), np.nan)
        for place, gene in enumerate(self._genes):
            if counting[gene]:
                domain = self.space.domains[gene]
                found = domain.canonical(settled.genes[gene])
                point[place] = found if self.categories[place] else domain.to_unit(found)
        return point

    def arch(self, point: Float64, rng: np.random.Generator) -> Arch:
        places = np.full(len(self.space.domains), 0.5)
        places[self._seeds] = rng.random(len(self._seeds))
        spare = rng.random(len(self._genes))
        codes = np.clip(np.rint(point), 0, np.maximum(self.categories - 1, 0))
        numbers = np.where(self.categories > 0, (codes + 0.5) / np.maximum(self.categories, 1), np.clip(point, 0, 1))
        places[self._genes] = np.where(np.isnan(point), spare, numbers)
        found = self.space.from_unit(places)
        if not is_valid(self.space, found) and isinstance(self.space, HasAlpha):
            found = self._nearest(self.space, found, rng)
        return canonical_if_valid(self.space, found)

    @staticmethod
    def _nearest(space: HasAlpha, arch: Arch, rng: np.random.Generator) -> Arch:
        """The architecture that the alpha of an invalid one stands for."""
        rows, columns = space.alpha_shape
        if rows != len(arch.genes):
            return arch
        chosen = np.asarray(arch.genes)[:, None] == np.arange(columns)
        return space.discretise(chosen + TIE * rng.random((rows, columns)))

    def reseeded(self, arch: Arch, rng: np.random.Generator) -> Arch:
        if not self._seeds:
            return arch
        genes = list(arch.genes)
        for gene in self._seeds:
            genes[gene] = self.space.domains[gene].from_unit(rng.random())
        return canonical_if_valid(self.space, Arch(tuple(genes)))


def _categories(domain: Domain) -> int:
    return domain.size if isinstance(domain, Choice) and not domain.ordered else 0


class _OfAlpha(Coordinates):
    """Those of a space with alpha: a category per row. Rows of which an architecture has no entry do not count."""

    def __init__(self, space: Any) -> None:
        self.space = space
        self._rows, self._columns = space.alpha_shape
        sizes = np.full(self._rows, self._columns, dtype=np.intp)
        if isinstance(space, HasSizes) and len(space.sizes) == self._rows:
            sizes = np.minimum(sizes, space.sizes)
        self._open = np.flatnonzero(sizes > 1)
        named = space.alpha_layout.edges if isinstance(space, HasAlphaLayout) else range(self._rows)
        self.names = tuple(f"alpha {named[row]}" for row in self._open.tolist())
        self.categories = sizes[self._open]

    def of(self, arch: Arch) -> Float64:
        alpha = np.asarray(self.space.one_hot(arch), dtype=np.float64)[self._open]
        return np.where(alpha.any(axis=1), alpha.argmax(axis=1), np.nan)

    def arch(self, point: Float64, rng: np.random.Generator) -> Arch:
        alpha = TIE * rng.random((self._rows, self._columns))
        counting = ~np.isnan(point)
        codes = np.clip(np.rint(point[counting]), 0, self.categories[counting] - 1).astype(np.intp)
        alpha[self._open[counting], codes] += 1.0
        return canonical_if_valid(self.space, self.space.discretise(alpha))


class _OfUnitCube(Coordinates):
    """Those of a space with a unit cube: a number per coordinate."""

    def __init__(self, space: Any) -> None:
        self.space = space
        self.names = tuple(f"coordinate {place}" for place in range(space.unit_size))
        self.categories = np.zeros(space.unit_size, dtype=np.intp)

    def of(self, arch: Arch) -> Float64:
        return np.asarray(self.space.to_unit(arch), dtype=np.float64)

    def arch(self, point: Float64, rng: np.random.Generator) -> Arch:
        spare = rng.random(len(self.names))
        places = np.where(np.isnan(point), spare, np.clip(point, 0.0, 1.0))
        return canonical_if_valid(self.space, self.space.from_unit(places))


def canonical_if_valid(space: SearchSpace, arch: Arch) -> Arch:
    """The canonical form of an architecture that is valid; another one as it is."""
    return space.canonical(arch) if is_valid(space, arch) else arch
