"""Published results as data, to be set beside one's own: each number with the paper and the table it stands in.

Metrics are named as in archloom's tables. A number is only offered for the metric it was reported in; where a table
measures nearly the same thing, the numbers carry a `caveat` that says what they were measured on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Any


class Role(Enum):
    """What a published number stands for."""

    QUERIES = "a search that queries the benchmark"
    WEIGHT_SHARING = "a search that trains a supernet and queries nothing"
    OPTIMUM = "the best architecture of the benchmark"


@dataclass(frozen=True, slots=True)
class Published:
    """`mean` +- `std` over runs, of the best architecture after `queries` unique ones (None: the source does not say).

    `source` is the paper and its table. `std` is None where there is none. `caveat`, where it is not None, says why the
    number is not a measurement of this very metric.
    """

    label: str
    source: str
    metric: str
    mean: float
    std: float | None = None
    queries: int | None = None
    role: Role = Role.QUERIES
    caveat: str | None = None

    @property
    def value(self) -> str:
        """The number as printed."""
        return f"{self.mean:.2f}" if self.std is None else f"{self.mean:.2f} ± {self.std:.2f}"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "role": self.role.name.lower()}


def references(benchmark: str, metric: str) -> list[Published]:
    """What was published for a metric of a benchmark, the highest mean first; empty where nothing is known.

    The best value of the benchmark comes with the role OPTIMUM.
    """
    near = _NEAR.get((benchmark, metric))
    known = [p for p in PUBLISHED.get(benchmark, ()) if p.metric == (near.metric if near else metric)]
    offered = [replace(p, caveat=near.caveat) for p in known] if near else known
    return sorted(offered, key=lambda p: p.mean, reverse=True)


def is_test_metric(benchmark: str, metric: str) -> bool:
    """Whether a metric is measured on test data, which selection should not see."""
    return "test" in metric.lower().split("_") or metric in _TEST_BY_ANOTHER_NAME.get(benchmark, frozenset())


# -- NAS-Bench-201 ------------------------------------------------------------------------------------------------

_GA_NAS = "GA-NAS paper (2020), Table 4"
_DONG = "Dong & Yang (2020), as quoted in Mills (2020), Table 4.1"
_MILLS = "Mills (2020, CADAM thesis), Table 4.1"
_OTHERS = "as quoted in Mills (2020), Table 4.1"

_NB201_COLUMNS = (
    "cifar10_valid_200", "cifar10_test_200", "cifar100_valid_200", "cifar100_test_200",
    "imagenet16_valid_200", "imagenet16_test_200",
)  # fmt: skip
_NB201_TEST_COLUMNS = _NB201_COLUMNS[1::2]

_Cell = tuple[float, float | None] | None


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a published table: one (mean, std) a column, None for an empty cell."""

    label: str
    source: str
    columns: tuple[str, ...]
    cells: tuple[_Cell, ...]
    queries: tuple[int | None, ...] = ()
    role: Role = Role.QUERIES

    def published(self) -> list[Published]:
        counts = self.queries or (None,) * len(self.columns)
        return [
            Published(self.label, self.source, metric, cell[0], cell[1], queries, self.role)
            for metric, cell, queries in zip(self.columns, self.cells, counts, strict=True)
            if cell is not None
        ]


_NB201_ROWS = (
    # GA-NAS searches on the true test accuracy, 20 runs; RS-500 asks for 500 unique cells in each.
    _Row("RS-500", _GA_NAS, _NB201_TEST_COLUMNS, ((94.11, 0.16), (72.54, 0.54), (46.34, 0.41)), (500, 500, 500)),
    _Row("GA-NAS", _GA_NAS, _NB201_TEST_COLUMNS, ((94.34, 0.05), (73.28, 0.17), (46.80, 0.29)), (444, 444, 445)),
    # CADAM queries validation for the validation columns and test for the test columns, 10 seeds.
    _Row(
        "CADAM-500", _MILLS, _NB201_COLUMNS,
        ((91.36, 0.19), (94.11, 0.16), (72.47, 0.74), (72.69, 0.58), (46.23, 0.28), (46.74, 0.39)), (500,) * 6,
    ),
    _Row(
        "CADAM-1k", _MILLS, _NB201_COLUMNS,
        ((91.47, 0.15), (94.28, 0.08), (73.02, 0.52), (73.09, 0.35), (46.58, 0.08), (47.03, 0.27)), (1000,) * 6,
    ),
    _Row(
        "RS", _DONG, _NB201_COLUMNS,
        ((90.93, 0.36), (93.70, 0.36), (70.93, 1.09), (71.04, 1.07), (44.45, 1.10), (44.57, 1.25)),
    ),
    _Row(
        "REA", _DONG, _NB201_COLUMNS,
        ((91.19, 0.31), (93.92, 0.30), (71.81, 1.12), (71.84, 0.99), (45.15, 0.89), (45.54, 1.03)),
    ),
    _Row(
        "REINFORCE", _DONG, _NB201_COLUMNS,
        ((91.09, 0.37), (93.85, 0.37), (71.61, 1.12), (71.71, 1.09), (45.05, 1.02), (45.24, 1.18)),
    ),
    _Row(
        "BOHB", _DONG, _NB201_COLUMNS,
        ((90.82, 0.53), (93.61, 0.52), (70.74, 1.29), (70.85, 1.28), (44.26, 1.36), (44.42, 1.49)),
    ),
    _Row(
        "DARTS", _OTHERS, _NB201_COLUMNS,
        ((39.77, None), (54.30, None), (15.03, None), (15.61, None), (16.43, None), (16.32, None)),
        role=Role.WEIGHT_SHARING,
    ),
    _Row(
        "ENAS", _OTHERS, _NB201_COLUMNS,
        ((37.51, 3.19), (53.89, 0.58), (13.37, 2.35), (13.96, 2.33), (15.06, 1.95), (14.84, 2.10)),
        role=Role.WEIGHT_SHARING,
    ),
    _Row(
        "GDAS", _OTHERS, _NB201_COLUMNS,
        ((89.89, 0.08), (93.61, 0.09), (71.34, 0.04), (70.70, 0.30), (41.59, 1.33), (41.71, 0.98)),
        role=Role.WEIGHT_SHARING,
    ),
    _Row(
        "GAEA", _OTHERS, _NB201_COLUMNS, (None, (94.10, 0.29), None, (73.43, 0.13), None, (46.36, 0.00)),
        role=Role.WEIGHT_SHARING,
    ),
    _Row(
        "optimum", _MILLS, _NB201_COLUMNS,
        ((91.61, None), (94.37, None), (73.49, None), (73.51, None), (46.77, None), (47.31, None)),
        role=Role.OPTIMUM,
    ),
)  # fmt: skip

PUBLISHED: Mapping[str, tuple[Published, ...]] = MappingProxyType(
    {"nb201": tuple(published for row in _NB201_ROWS for published in row.published())}
)


@dataclass(frozen=True, slots=True)
class _Near:
    """A metric whose published numbers are of interest for another that is nearly the same."""

    metric: str
    caveat: str


# The package analog-nasbench trained the cells again: Spearman 0.991 with the official test accuracy, best 94.07
# against 94.37, and 0.36 points lower in the median of cells above 90 %.
_NEAR: Mapping[tuple[str, str], _Near] = MappingProxyType(
    {
        ("nb201", "cifar10_baseline"): _Near(
            "cifar10_test_200",
            "published on NAS-Bench-201's own test accuracy (best cell 94.37); this table is another training of the "
            "same cells, about 0.3 points lower",
        )
    }
)

# analog-nasbench brings no validation accuracy: every accuracy in it is measured on CIFAR-10's test images.
_ANALOG = frozenset(f"cifar10_{kind}" for kind in ("baseline", "ptq", "qat", "noisy", "analog"))
_DRIFTED = frozenset(
    f"cifar10_{kind}_drift_{time}" for kind in ("baseline", "analog") for time in ("1min", "1h", "1d", "30d")
)
_TEST_BY_ANOTHER_NAME: Mapping[str, frozenset[str]] = MappingProxyType({"nb201": _ANALOG | _DRIFTED})
