"""What Cassimon et al. publish of walks from architecture to architecture, and quote of other methods, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

# -- episodes of the incremental search problem -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PublishedEpisodes:
    """What Cassimon et al. report about a policy's episodes on a benchmark, measured as `metric` says, in percent.

    `median` and `skew` are of the improvement over an episode; `common_final` is how often the most common final
    architecture is reached, in the paper's words; `best_after` is mean and std of the best accuracy by number of
    queries, `intervals` the 95 % bootstrap interval of that mean. None if the paper does not say.
    """

    policy: str
    source: str
    metric: str
    best_after: Mapping[int, tuple[float, float]]
    intervals: Mapping[int, tuple[float, float]]
    median: float | None = None
    skew: float | None = None
    common_final: str | None = None

    def to_json(self) -> dict[str, Any]:
        best = []
        for queries, (mean, std) in self.best_after.items():
            low, high = self.intervals[queries]
            best.append({"queries": queries, "mean": mean, "std": std, "low": low, "high": high})
        rest = ("source", "metric", "median", "skew", "common_final")
        return {**{name: getattr(self, name) for name in rest}, "best_after": best}


def episode_references(benchmark: str) -> Mapping[str, PublishedEpisodes]:
    """Published results of episodes on a benchmark, by policy; empty if none are known."""
    return {published.policy: published for published in _EPISODES.get(benchmark, ())}


_NB101_EPISODES = "Cassimon et al., section 4.1.2 and Table 1"
_NB101_TEST = "test accuracy of NAS-Bench-101, mean of three trainings"
_NB301_EPISODES = "Cassimon et al., Table 2"
_NB301_VALID = "validation accuracy by the XGB ensemble of NAS-Bench-301 v1.0"


def _after(queries: tuple[int, ...], *cells: tuple[float, float]) -> Mapping[int, tuple[float, float]]:
    return MappingProxyType(dict(zip(queries, cells, strict=True)))


_FEW, _MANY = (50, 100, 150, 300), (150, 200, 300, 400, 800, 1000)
_EPISODES: Mapping[str, tuple[PublishedEpisodes, ...]] = MappingProxyType(
    {
        "nb101": (
            PublishedEpisodes(
                "random", _NB101_EPISODES, _NB101_TEST,
                _after(_FEW, (93.48, 0.15), (93.56, 0.14), (93.61, 0.15), (93.69, 0.16)),
                _after(_FEW, (93.47, 93.50), (93.55, 93.58), (93.60, 93.63), (93.68, 93.71)), 0.00, 0.219,
            ),
            PublishedEpisodes(
                "random_walk", _NB101_EPISODES, _NB101_TEST,
                _after(_FEW, (93.62, 0.20), (93.73, 0.18), (93.79, 0.17), (93.88, 0.14)),
                _after(_FEW, (93.60, 93.64), (93.71, 93.74), (93.78, 93.80), (93.87, 93.89)), 0.26, 0.091,
            ),
            PublishedEpisodes(
                "local_search", _NB101_EPISODES, _NB101_TEST,
                _after(_FEW, (93.61, 0.55), (93.85, 0.33), (93.95, 0.26), (94.05, 0.17)),
                _after(_FEW, (93.57, 93.66), (93.81, 93.87), (93.93, 93.97), (94.04, 94.07)), 3.77, -2.091,
                "slightly over 20 %",
            ),
            PublishedEpisodes(
                "apex", _NB101_EPISODES, _NB101_TEST,
                _after(_FEW, (93.73, 0.16), (93.82, 0.15), (93.86, 0.14), (93.94, 0.13)),
                _after(_FEW, (93.71, 93.74), (93.80, 93.83), (93.85, 93.87), (93.93, 93.95)), 1.15, -1.821,
            ),
        ),
        "nb301": (
            PublishedEpisodes(
                "random", _NB301_EPISODES, _NB301_VALID,
                _after(_MANY, (94.26, 0.12), (94.30, 0.11), (94.34, 0.09), (94.36, 0.09), (94.41, 0.08), (94.43, 0.08)),
                _after(
                    _MANY, (94.25, 94.28), (94.29, 94.31), (94.33, 94.35), (94.35, 94.37),
                    (94.40, 94.42), (94.42, 94.44),
                ),
            ),
            PublishedEpisodes(
                "random_walk", _NB301_EPISODES, _NB301_VALID,
                _after(_MANY, (94.28, 0.12), (94.31, 0.11), (94.35, 0.11), (94.37, 0.11), (94.42, 0.10), (94.44, 0.09)),
                _after(
                    _MANY, (94.26, 94.29), (94.29, 94.32), (94.33, 94.36), (94.35, 94.38),
                    (94.41, 94.43), (94.43, 94.45),
                ),
            ),
            PublishedEpisodes(
                "local_search", _NB301_EPISODES, _NB301_VALID,
                _after(_MANY, (94.71, 0.26), (94.78, 0.19), (94.85, 0.13), (94.89, 0.11), (94.94, 0.09), (94.95, 0.08)),
                _after(
                    _MANY, (94.68, 94.74), (94.75, 94.80), (94.84, 94.87), (94.87, 94.90),
                    (94.93, 94.96), (94.93, 94.96),
                ),
            ),
            PublishedEpisodes(
                "apex", _NB301_EPISODES, _NB301_VALID,
                _after(_MANY, (94.83, 0.05), (94.85, 0.05), (94.86, 0.05), (94.88, 0.04), (94.90, 0.04), (94.91, 0.04)),
                _after(
                    _MANY, (94.83, 94.84), (94.84, 94.85), (94.86, 94.87), (94.87, 94.88),
                    (94.90, 94.91), (94.90, 94.91),
                ),
            ),
        ),
    }
)  # fmt: skip


# -- the best by number of queries, in other papers ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PublishedBest:
    """The best accuracy of a method after some queries, in percent, as Cassimon et al. quote it.

    `low` and `high` are the ends of the 95 % interval that they print: that of a single run (mean ± t * std), not of
    the mean over runs.
    """

    method: str
    queries: int
    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QuotedTable:
    """What Cassimon et al. quote from other papers on a benchmark; `metric` says how it was measured."""

    source: str
    metric: str
    rows: tuple[PublishedBest, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method once, in the table's order."""
        return tuple(dict.fromkeys(row.method for row in self.rows))


def quoted_table(benchmark: str) -> QuotedTable | None:
    """The quoted results of other methods on a benchmark; None if none are known."""
    return _QUOTED.get(benchmark)


_QUOTED: Mapping[str, QuotedTable] = MappingProxyType(
    {
        "nb101": QuotedTable(
            "Cassimon et al., Table 1",
            "test accuracy of NAS-Bench-101",
            (
                PublishedBest("random (NASWOT)", 100, 90.38, 5.51, 79.55, 101.21),
                PublishedBest("NASWOT", 100, 91.77, 0.05, 91.67, 91.87),
                PublishedBest("random (GraphPNAS)", 300, 93.59, 0.42, 92.63, 94.54),
                PublishedBest("NAO", 300, 93.69, 0.06, 93.57, 93.81),
                PublishedBest("SemiNAS", 300, 93.89, 0.06, 93.77, 94.01),
                PublishedBest("GraphPNAS", 300, 94.19, 0.07, 94.03, 94.36),
            ),
        ),
        "nb301": QuotedTable(
            "Cassimon et al., Table 2",
            "validation accuracy on NAS-Bench-301",
            (
                PublishedBest("random (GPTP)", 800, 94.75, 0.08, 94.53, 94.97),
                PublishedBest("Symflow (GPTP)", 800, 94.60, 0.11, 94.29, 94.91),
                PublishedBest("CL-fine-tune (GPTP)", 800, 94.83, 0.06, 94.66, 95.00),
                PublishedBest("random (CR-LSO)", 200, 94.17, 0.06, 94.00, 94.34),
                PublishedBest("random (CR-LSO)", 400, 94.23, 0.05, 94.09, 94.37),
                PublishedBest("random (CR-LSO)", 800, 94.31, 0.06, 94.14, 94.48),
                PublishedBest("TPE (CR-LSO)", 200, 94.50, 0.06, 94.33, 94.67),
                PublishedBest("TPE (CR-LSO)", 400, 94.65, 0.03, 94.57, 94.73),
                PublishedBest("TPE (CR-LSO)", 800, 94.76, 0.04, 94.65, 94.87),
                PublishedBest("CMA-ES (CR-LSO)", 200, 94.37, 0.09, 94.12, 94.62),
                PublishedBest("CMA-ES (CR-LSO)", 400, 94.60, 0.06, 94.43, 94.77),
                PublishedBest("CMA-ES (CR-LSO)", 800, 94.82, 0.08, 94.60, 95.04),
                PublishedBest("NAO (CR-LSO)", 200, 94.49, 0.01, 94.46, 94.52),
                PublishedBest("NAO (CR-LSO)", 400, 94.55, 0.04, 94.44, 94.66),
                PublishedBest("NAO (CR-LSO)", 800, 94.72, 0.08, 94.50, 94.94),
                PublishedBest("CR-LSO", 200, 94.53, 0.04, 94.32, 94.64),  # as printed; 94.42 would be symmetrical
                PublishedBest("CR-LSO", 400, 94.80, 0.06, 94.63, 94.97),
                PublishedBest("CR-LSO", 800, 94.89, 0.06, 94.72, 95.06),
            ),
        ),
    }
)
