"""Published results of searches as data: each number with its paper and table.

Metrics are named as in archloom's tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from archloom.analysis import published_generators as generators
from archloom.analysis.published_episodes import episode_references, quoted_table
from archloom.constraints import Constraint


class Role(Enum):
    """What a published number refers to."""

    QUERIES = "a search that queries the benchmark"
    WEIGHT_SHARING = "a search that trains a supernet and queries nothing"
    START = "an architecture made by hand, which a search starts from or has to beat"
    OPTIMUM = "the best architecture of the benchmark"


@dataclass(frozen=True, slots=True)
class Published:
    """`mean` +- `std` over runs, of the best architecture after `queries` unique ones (None: the source does not say).

    `source` is the paper and its table. `std` is None if there is none. `caveats` say why the number is not comparable
    without more: it is no measurement of exactly this metric, or of a single run. `constraints` are those that the
    search had to meet. `rank` is the mean rank among all architectures.
    """

    label: str
    source: str
    metric: str
    mean: float
    std: float | None = None
    queries: int | None = None
    role: Role = Role.QUERIES
    caveats: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    rank: float | None = None

    @property
    def method(self) -> tuple[str, str]:
        """What its numbers at several budgets have in common: its label and the source."""
        return self.label, self.source

    @property
    def value(self) -> str:
        """The number as printed; those from 100 on, which are no percentages, as whole numbers."""
        digits = 0 if abs(self.mean) >= 100 else 2
        return f"{self.mean:.{digits}f}" if self.std is None else f"{self.mean:.{digits}f} ± {self.std:.{digits}f}"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "role": self.role.name.lower(), "constraints": [str(c) for c in self.constraints]}


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
    """A row of a published table: one (mean, std) per column, None for an empty cell, with the other numbers there."""

    label: str
    source: str
    columns: tuple[str, ...]
    cells: tuple[_Cell, ...]
    queries: tuple[int | None, ...] = ()
    role: Role = Role.QUERIES
    caveat: str | None = None
    constraints: tuple[Constraint, ...] = ()
    ranks: tuple[float | None, ...] = ()

    def published(self) -> list[Published]:
        caveats = () if self.caveat is None else (self.caveat,)
        counts, ranks = self.queries or (None,) * len(self.columns), self.ranks or (None,) * len(self.columns)
        return [
            Published(self.label, self.source, metric, *cell, queries, self.role, caveats, self.constraints, rank)
            for metric, cell, queries, rank in zip(self.columns, self.cells, counts, ranks, strict=True)
            if cell is not None
        ]


_NB201_ROWS = (
    # GA-NAS searches on the true test accuracy, 20 runs; RS-500 asks for 500 unique cells in each.
    _Row("RS-500", _GA_NAS, _NB201_TEST_COLUMNS, ((94.11, 0.16), (72.54, 0.54), (46.34, 0.41)), (500, 500, 500),
         ranks=(30.81, 30.89, 34.18)),
    _Row("GA-NAS", _GA_NAS, _NB201_TEST_COLUMNS, ((94.34, 0.05), (73.28, 0.17), (46.80, 0.29)), (444, 444, 445),
         ranks=(4.05, 3.25, 7.40)),
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
        ((39.77, 0.0), (54.30, 0.0), (15.03, 0.0), (15.61, 0.0), (16.43, 0.0), (16.32, 0.0)),
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

# -- NAS-Bench-101 ------------------------------------------------------------------------------------------------

_GA_NAS_1 = "GA-NAS paper (2020), Table 1"
_GA_NAS_2 = "GA-NAS paper (2020), Table 2"
_GA_NAS_3 = "GA-NAS paper (2020), Table 3"
_GA_NAS_5 = "GA-NAS paper (2020), Table 5"
_TEST = ("test_108",)
_ONE_RUN = "Table 1 of the GA-NAS paper is of the best single run of each, no means"
_BOUNDED = "Table 5 of the GA-NAS paper is of the best run under both bounds, training time and weights"


def _at_most(**bounds: float) -> tuple[Constraint, ...]:
    return tuple(Constraint(metric, bound) for metric, bound in bounds.items())


_AS_RESNET = _at_most(params_m=20.35, train_seconds_108=2251.6)
_AS_INCEPTION = _at_most(params_m=2.69, train_seconds_108=1156.0)

_NB101_ROWS = (
    # The best of single runs; all but GA-NAS and BANANAS as quoted there from Luo et al. (2020).
    *(
        _Row(label, _GA_NAS_1, _TEST, ((accuracy, None),), (queries,), caveat=_ONE_RUN)
        for label, accuracy, queries in (
            ("RS, one run", 93.66, 2000), ("RE, one run", 93.97, 2000), ("NAO, one run", 93.87, 2000),
            ("BANANAS, one run", 94.23, 800), ("SemiNAS, one run", 93.98, 300), ("SemiNAS, one run", 94.09, 2100),
            ("GA-NAS, set-up 1, one run", 94.22, 150), ("GA-NAS, set-up 2, one run", 94.23, 378),
        )
    ),
    # Ten runs of each; queries are those until the best cell was found, and random search has as many.
    _Row("RS-648", _GA_NAS_2, _TEST, ((93.84, 0.13),), (648,), ranks=(498.80,)),
    _Row("RS-1562", _GA_NAS_2, _TEST, ((93.92, 0.11),), (1562,), ranks=(211.50,)),
    _Row("GA-NAS, set-up 1", _GA_NAS_2, _TEST, ((94.22, 0.00445),), (648,), ranks=(2.90,)),
    _Row("GA-NAS, set-up 2", _GA_NAS_2, _TEST, ((94.23, 0.00743),), (1562,), ranks=(2.50,)),
    # Ten runs on supernets of the space; all but GA-NAS as quoted there from Yu et al. (2019).
    *(
        _Row(label, _GA_NAS_3, _TEST, (cell,), role=Role.WEIGHT_SHARING)
        for label, cell in (
            ("DARTS", (92.21, 0.61)), ("NAO", (92.59, 0.59)), ("ENAS", (91.83, 0.42)), ("GA-NAS", (92.80, 0.54)),
        )
    ),
    # Better cells than two that are known, with no more weights and training time than these.
    *(
        _Row(f"{label}, bounds of {of}", _GA_NAS_5, _TEST, ((accuracy, None),), role=role, constraints=bounds,
             caveat=_BOUNDED)
        for of, bounds, accuracies in (
            ("ResNet", _AS_RESNET, (93.18, 93.84, 93.96)), ("Inception", _AS_INCEPTION, (93.09, 93.14, 93.28)),
        )
        for (label, role), accuracy in zip(
            (("hand-crafted", Role.START), ("RS", Role.QUERIES), ("GA-NAS", Role.QUERIES)), accuracies, strict=True
        )
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BestOfRuns:
    """The best of a method's runs on supernets of NAS-Bench-101: its test accuracy, and its rank among all cells."""

    label: str
    accuracy: float
    rank: int


BEST_ON_SUPERNETS = (
    BestOfRuns("DARTS", 93.02, 57_079), BestOfRuns("NAO", 93.33, 19_552), BestOfRuns("ENAS", 92.54, 96_939),
    BestOfRuns("GA-NAS", 93.46, 5_386),
)  # fmt: skip
"""GA-NAS paper, Table 3."""


# -- NAS-Bench-301 ------------------------------------------------------------------------------------------------

_NB301_ROWS = (
    _Row(
        "GA-NAS, about", "GA-NAS paper (2020), Figure 1 in words", ("valid_surrogate",), ((95.0, None),), (6000,),
        caveat="the GA-NAS paper only says that about 6,000 queries of NAS-Bench-301 v0.9 find about 95 %, and that it "
        "is ahead of random search always and of evolution from 3,000 queries on",
    ),
)  # fmt: skip


# -- ImageNet -----------------------------------------------------------------------------------------------------

_GA_NAS_6 = "GA-NAS paper (2020), Table 6"
_AS_B0 = _at_most(params_m=5.3)
IMAGENET_TOP1 = "imagenet_top1"
"""What networks reach that are trained on all of ImageNet; no table of ours has it."""

_EFFICIENTNET_ROWS = (
    _Row("EfficientNet-B0", _GA_NAS_6, (IMAGENET_TOP1,), ((76.7, None),), role=Role.START, constraints=_AS_B0,
         caveat="without data augmentation"),
    *(
        _Row(label, _GA_NAS_6, (IMAGENET_TOP1,), ((top1, None),), role=Role.WEIGHT_SHARING, constraints=_AS_B0,
             caveat="without data augmentation")
        for label, top1 in (("GA-NAS-ENet-1", 76.5), ("GA-NAS-ENet-2", 76.8), ("GA-NAS-ENet-3", 76.9))
    ),
)  # fmt: skip
_PROXYLESS_ROWS = (
    _Row("ProxylessNAS-GPU", _GA_NAS_6, (IMAGENET_TOP1,), ((75.1, None),), role=Role.START),
    _Row("GA-NAS-ProxylessNAS", _GA_NAS_6, (IMAGENET_TOP1,), ((75.5, None),), role=Role.WEIGHT_SHARING),
)
PARAMETERS_M: Mapping[str, float] = MappingProxyType(
    {
        "EfficientNet-B0": 5.3, "GA-NAS-ENet-1": 4.6, "GA-NAS-ENet-2": 5.2, "GA-NAS-ENet-3": 5.3,
        "ProxylessNAS-GPU": 4.4, "GA-NAS-ProxylessNAS": 4.9,
    }
)  # fmt: skip
"""The parameters, in millions, of the networks of that table."""


# -- the incremental problem --------------------------------------------------------------------------------------

_POLICIES: Mapping[str, str] = MappingProxyType(
    {"random": "random search", "random_walk": "random walk", "local_search": "local search", "apex": "Ape-X"}
)


def _walks(benchmark: str, metric: str, source: str, caveat: str, of_quoted: Sequence[str] = ()) -> list[Published]:
    """What Cassimon et al. print of their policies and quote of others, by number of queries."""
    ours = [
        Published(_POLICIES[policy], source, metric, mean, std, queries, caveats=(caveat,))
        for policy, known in episode_references(benchmark).items()
        for queries, (mean, std) in known.best_after.items()
    ]
    quoted = quoted_table(benchmark)
    others = quoted.rows if quoted is not None else ()
    return ours + [
        Published(
            row.method, f"as quoted in {source}", metric, row.mean, row.std, row.queries, caveats=tuple(of_quoted)
        )
        for row in others
    ]


_NB101_WALKS = "Cassimon et al., Table 1"
_NB301_WALKS = "Cassimon et al., Table 2"
_CHOSEN_BY_VALIDATION = (
    "in Cassimon et al. an episode is a query (in local search every neighbour), and the best is chosen by validation "
    "accuracy"
)
_XGB = (
    "Cassimon et al. query the XGB ensemble of NAS-Bench-301 v1.0 (the network in nb301_surrogate.npz reads about a "
    "point higher), and an episode is a query"
)
_ITS_MODEL = "which model of NAS-Bench-301 answered what Cassimon et al. quote is not said there"


# -- generators of networks ---------------------------------------------------------------------------------------


def _generated(data: str) -> list[Published]:
    """What NAGO reached on a data set: validation accuracies of searches, test accuracies and memory of networks."""
    searched = [
        Published(
            search.label, generators.table(search.table), "valid_accuracy", found.accuracy,
            caveats=(generators.SEARCHED,),
        )
        for search in generators.SEARCHES
        for found in search.found
        if found.data == data
    ]  # fmt: skip
    trained = [each for each in generators.NETWORKS if each.data == data]
    source, caveats = generators.table(4), (generators.TRAINED,)
    return [
        *searched,
        *(Published(e.label, source, "test_accuracy", e.accuracy, e.std, caveats=caveats) for e in trained),
        *(Published(e.label, source, "memory_mb", e.memory_mb, caveats=caveats) for e in trained),
    ]


# -- agents -------------------------------------------------------------------------------------------------------

_PBT_NAS = "PBT-NAS paper (2023), Table"
_AGENTS = (
    "in the PBT-NAS paper a score is of 10 episodes of the best agent of the last population, after 12 agents have "
    "acted for 3 million frames each, seeing 84 x 84 pixels"
)

_QUADRUPED_ROWS = tuple(
    _Row(label, f"{_PBT_NAS} {table}", ("episode_reward",), (cell,), caveat=_AGENTS)
    for label, table, cell in (
        ("PBT-NAS", 2, (801, 70)), ("no mixing", 2, (672, 53)), ("copied exactly [1, 0]", 2, (699, 4)),
        ("reinitialised [0, 1]", 2, (532, 62)), ("random search", 3, (616, 53)),
        ("random search, shrink-perturb", 3, (498, 30)), ("BOHB", 6, (621, 28)),
    )
)  # fmt: skip
"""Of the other agents of that paper there are plots only (Figure 3)."""

_IMAGENET_ROWS = tuple(
    _Row(each.label, generators.table(5), (IMAGENET_TOP1,), ((each.top1, None),)) for each in generators.IMAGENET
)

PUBLISHED: Mapping[str, tuple[Published, ...]] = MappingProxyType(
    {
        benchmark: (*(published for row in rows for published in row.published()), *more)
        for benchmark, rows, more in (
            ("nb201", _NB201_ROWS, ()),
            ("nb101", _NB101_ROWS, _walks("nb101", "test_108", _NB101_WALKS, _CHOSEN_BY_VALIDATION)),
            ("nb301", _NB301_ROWS, _walks("nb301", "valid_surrogate", _NB301_WALKS, _XGB, [_ITS_MODEL])),
            ("efficientnet_b0", _EFFICIENTNET_ROWS, ()),
            ("proxyless", _PROXYLESS_ROWS, ()),
            ("hnag", _IMAGENET_ROWS, ()),
            ("control:quadruped_run", _QUADRUPED_ROWS, ()),
            *((f"images:{data}", (), _generated(data)) for data in generators.DATA),
        )
    }
)
