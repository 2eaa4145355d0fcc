"""Published numbers of searches on weight-sharing supernets, to print beside our own: Mills (2020), DDAS and CADAM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

SOURCE = "Mills (2020, DDAS and CADAM thesis)"


@dataclass(frozen=True, slots=True)
class PublishedCorrelation:
    """Spearman's correlation between the accuracy in the search and after a training of its own, over the cells of a
    search's Pareto set, on CIFAR-10 and CIFAR-100 (Table 3.2)."""

    label: str
    cifar10: float
    cifar100: float

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "source": f"{SOURCE}, Table 3.2"}


@dataclass(frozen=True, slots=True)
class PublishedSlope:
    """By how many percent the test accuracy of such cells rises with a unit of a cost (section 3.2.2); `least_r` is a
    bound that the linear correlations exceed."""

    data: str
    per: str
    slope: float
    least_r: float

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "source": f"{SOURCE}, section 3.2.2"}


@dataclass(frozen=True, slots=True)
class PublishedPick:
    """The best of the top 500 of CADAM on a frozen supernet, by validation or by test accuracy, both measured with the
    supernet's weights; `rank` is its place by validation accuracy (Table 4.4)."""

    label: str
    valid: float
    test: float
    rank: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "source": f"{SOURCE}, Table 4.4"}


CORRELATIONS = (
    PublishedCorrelation("RS", 0.964, 1.000),
    PublishedCorrelation("DDAS-NL", 0.881, 0.826),
    PublishedCorrelation("DDAS-G", 0.886, 0.810),
    PublishedCorrelation("DDAS-4S", 0.886, 0.600),
)
GFLOP, MILLION = "GFLOP", "million parameters"
SLOPES = (
    PublishedSlope("CIFAR-10", GFLOP, 2.86, 0.93),
    PublishedSlope("CIFAR-10", MILLION, 2.123, 0.93),
    PublishedSlope("CIFAR-100", GFLOP, 4.03, 0.86),
    PublishedSlope("CIFAR-100", MILLION, 3.196, 0.86),
)
PICKS = (
    PublishedPick("CIFAR-10, by validation", 88.90, 91.81, 1),
    PublishedPick("CIFAR-10, by test", 87.87, 92.25, 416),
    PublishedPick("CIFAR-10, PC-DARTS, by validation", 87.08, 87.78, 1),
    PublishedPick("CIFAR-10, PC-DARTS, by test", 86.52, 88.04, 129),
    PublishedPick("ImageNet32-120, PC-DARTS, by validation", 49.71, 45.38, 1),
    PublishedPick("ImageNet32-120, PC-DARTS, by test", 49.43, 46.45, 8),
)

_OF_SPACE: Mapping[str, tuple[tuple[PublishedCorrelation, ...], tuple[PublishedSlope, ...]]] = MappingProxyType(
    {"darts": (CORRELATIONS, SLOPES)}
)


def correlations_and_slopes(space: str) -> tuple[tuple[PublishedCorrelation, ...], tuple[PublishedSlope, ...]]:
    """What is published of searches on a space; nothing for those that the thesis did not search with a supernet."""
    return _OF_SPACE.get(space, ((), ()))
