"""Architectures as numbers, for models that predict: what their genes are, and statistics of what they make.

*Codes* are the genes, in groups of columns (one a gene, as a rule): an option is a one-hot vector times sqrt(1/2), so
that two different options are at squared distance 1; a number or an ordered option its place in the unit interval.
*Statistics* are of the architecture's flow if its space has one (`flow`), else counts of options over the genes that
share them, and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.domains import NUMBERS, Choice, Domain
from archloom.types import Arch

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FeatureLayout:
    """What the columns of features are.

    `groups` are the names of the groups of codes (a gene's, as a rule), `widths` how many columns each has, in order;
    `stats` are the names of the statistics.
    """

    groups: tuple[str, ...]
    widths: tuple[int, ...]
    stats: tuple[str, ...]


@runtime_checkable
class HasFeatures(Protocol):
    """Spaces that show architectures as vectors."""

    @property
    def feature_layout(self) -> FeatureLayout:
        """What the columns of both are; the same at every call."""
        ...

    def features(self, archs: Sequence[Arch]) -> tuple[Floats, Floats]:
        """Codes (n, sum(widths)) and statistics (n, len(stats)), as they are, not scaled.

        Equal for architectures of one key; also of architectures that are not valid.
        """
        ...


class GeneFeatures:
    """The features of named genes, by their domains. Genes (n, g) are canonical; `counting` (n, g): which count.

    `counted` are the genes whose shared options are counted.
    """

    def __init__(self, names: Sequence[str], domains: Sequence[Domain], counted: Iterable[int]) -> None:
        self._coded = [(gene, domain) for gene, domain in enumerate(domains) if domain.code_width]
        self.groups = tuple(names[gene] for gene, _ in self._coded)
        self.widths = tuple(domain.code_width for _, domain in self._coded)
        self._statistics: list[_Statistic] = [*_counts(names, domains, counted), *_numbers(names, domains)]
        self.names = tuple(name for statistic in self._statistics for name in statistic.names)

    def codes(self, genes: NDArray[Any], counting: Bools) -> Floats:
        """(n, sum(widths))."""
        parts = [domain.codes(genes[:, gene], counting[:, gene]) for gene, domain in self._coded]
        return np.concatenate([np.empty((len(genes), 0)), *parts], axis=1)

    def statistics(self, genes: NDArray[Any], counting: Bools) -> Floats:
        """(n, len(names))."""
        parts = [statistic.of(genes, counting) for statistic in self._statistics]
        return np.concatenate([np.empty((len(genes), 0)), *parts], axis=1)


class _Statistic(Protocol):
    @property
    def names(self) -> Sequence[str]: ...

    def of(self, genes: NDArray[Any], counting: Bools) -> Floats:
        """(n, len(names))."""
        ...


@dataclass(frozen=True)
class _Counts:
    """How often each of several options is chosen by the genes that have them."""

    names: Sequence[str]
    genes: Sequence[int]
    options: Sequence[int]

    def of(self, genes: NDArray[Any], counting: Bools) -> Floats:
        own, there = genes[:, self.genes], counting[:, self.genes]
        return np.stack([((own == option) & there).sum(axis=1) for option in self.options], axis=1).astype(np.float64)


def _counts(names: Sequence[str], domains: Sequence[Domain], counted: Iterable[int]) -> list[_Counts]:
    """For each list of options that several genes share.

    Of two options only the second is counted if one of them is chosen always: the other count says the same.
    """
    sharing: dict[tuple[str, ...], list[int]] = {}
    for gene in counted:
        domain = domains[gene]
        if isinstance(domain, Choice) and len(domain.strings) > 1:
            sharing.setdefault(domain.strings, []).append(gene)
    found = []
    for strings, genes in sharing.items():
        if len(genes) > 1:
            told = len(strings) == 2 and all(domains[gene].when is None for gene in genes)
            options = range(1 if told else 0, len(strings))
            where = f"count in {names[genes[0]]} to {names[genes[-1]]}"
            found.append(_Counts([f"{strings[option]}: {where}" for option in options], genes, options))
    return found


@dataclass(frozen=True)
class _Number:
    """The number that a gene is, by a table of its options' numbers, or by its place in its range."""

    names: Sequence[str]
    gene: int
    place: Callable[[NDArray[Any]], Floats]
    middle: float
    """Of a gene that does not count."""

    def of(self, genes: NDArray[Any], counting: Bools) -> Floats:
        return np.where(counting[:, self.gene], self.place(genes[:, self.gene]), self.middle)[:, None]


def _numbers(names: Sequence[str], domains: Sequence[Domain]) -> list[_Number]:
    """For each gene that is one of more than two numbers."""
    found = []
    for gene, domain in enumerate(domains):
        if isinstance(domain, Choice):
            numbers = _on_scale(domain.options)
            if numbers is not None:
                place = partial(_looked_up, numbers)
                found.append(_Number([f"{names[gene]}: number"], gene, place, float(numbers.mean())))
        elif domain.code_width and domain.size != 2:
            found.append(_Number([f"{names[gene]}: number"], gene, domain.places, 0.5))
    return found


def _looked_up(numbers: Floats, genes: NDArray[Any]) -> Floats:
    return numbers[genes.astype(np.intp)]


def _on_scale(options: Sequence[object]) -> Floats | None:
    """Options as numbers, or as their logarithms if these are spaced more evenly; None unless all are, more than two.

    A table's options may be strings that write numbers.
    """
    try:
        numbers = np.array([_number(option) for option in options], dtype=np.float64)
    except ValueError:
        return None
    if len(numbers) < 3 or not np.isfinite(numbers).all():
        return None
    if numbers.min() > 0 and _unevenness(np.log2(numbers)) < _unevenness(numbers):
        numbers = np.log2(numbers)
    return numbers


def _number(option: object) -> float:
    """An option as a number; ValueError for what is none."""
    if isinstance(option, bool) or not isinstance(option, (str, *NUMBERS)):
        raise ValueError
    return float(option)


def _unevenness(numbers: Floats) -> float:
    """How unequal the gaps between sorted numbers are: their standard deviation as a share of their mean."""
    gaps = np.diff(np.sort(numbers))
    return float(gaps.std() / gaps.mean()) if gaps.any() else 0.0
