"""The studies: what is searched on, by what, with how many seeds, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.graph_bo import timing
from benchmarks.graph_bo.searches import Case, Found, Setting, search
from benchmarks.graph_bo.tables import Against, Bar, BestAt, Pair, Row, ToOptimum
from benchmarks.graph_bo.timing import Timed, Times

OURS = Setting("graph_bo", "graph_bo")
LOCAL_SEARCH = Setting("local_search", "local_search")
EVOLUTION = Setting("evolution, 20 / 5", "evolution", {"population": "20", "sample": "5"})
"""With the default population of 100 it would only have drawn at random when others are compared."""
OTHERS = (
    Setting("ga_nas", "ga_nas"),
    Setting("cadam", "cadam"),
    EVOLUTION,
    LOCAL_SEARCH,
    Setting("asha", "asha", in_part=True),
)
VARIANTS = (
    OURS,
    Setting("codes only", "graph_bo", {"statistics": "false"}),
    Setting("statistics only", "graph_bo", {"codes": "false"}),
    Setting("no linear kernel", "graph_bo", {"linear": "false"}),
    Setting("half", "graph_bo", {"warp": "half"}),
    Setting("not warped", "graph_bo", {"warp": "standard"}),
    Setting("3 random ones first", "graph_bo", {"initial": "3"}),
    Setting("10 random ones first", "graph_bo", {"initial": "10"}),
    Setting("no climb", "graph_bo", {"rounds": "0"}),
    Setting("no random candidates", "graph_bo", {"random": "0"}),
)
"""The default and what each part contributes. Without a climb the neighbours of the ten best results are candidates."""


@dataclass(frozen=True)
class Study:
    """Every setting searches every case that it fits, with every seed; `rows` makes a table of what was found."""

    cases: tuple[Case, ...]
    settings: tuple[Setting, ...]
    seeds: int
    rows: Callable[[Sequence[Case], Sequence[Setting], Sequence[Any]], Sequence[Row | Pair | Times]]
    kind: Callable[..., Any] = Found
    search: Callable[..., Any] = search

    @property
    def text(self) -> str:
        """The study with its sizes, in one line."""
        return "; ".join(f"{case.name} {case.queries}" for case in self.cases)

    def of(self, strategy: str) -> Study:
        """The same of another strategy."""
        return replace(self, settings=(Setting(strategy, strategy), *self.settings[1:]))


def _nb201(name: str, objective: str, queries: int = 300, **more: Any) -> Case:
    return Case(name, "nb201", (objective,), queries, to_optimum=True, **more)


CIFAR10 = _nb201("cifar10", "cifar10_valid_200")
CIFAR100 = _nb201("cifar100", "cifar100_valid_200")
NB301 = Case("nb301", "nb301", (), 300, in_part="valid_surrogate")
NB101 = Case("nb101", "nb101", ("valid_108_surrogate",), 150, unfit=("cadam",))
POOL = Case(
    "nb101_pool", "pool", ("valid_108_best_of_3",), 150, in_part="valid_best_of_3", unfit=("cadam", "ga_nas")
)  # fmt: skip
"""GA-NAS draws cells edge by edge, and nearly all that it draws were not measured."""
ACCEL = Case("accel", "mnasnet", ("valid_top1",), 300, to_optimum=True)
GRAPHS = tuple(
    Case(f"nbgraph:{data}", f"nbgraph:{data}", (), 100)
    for data in ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv")
)
_TWO = ("cifar100_valid_200", "cifar10_edgegpu_latency_ms")
TWO = tuple(
    Case(f"beyond {reference[0]:g} %, {reference[1]:g} ms", "nb201", _TWO, 150, reference=reference)
    for reference in ((40.0, 10.0), (1.0, 11.692700386047363))
)
"""The first reference is the one with round numbers beyond which random search has what the study of the prototype says
of it (0.81 @25, 0.86 @50, 0.91 @100, 0.93 @150). The second is the table's worst value of each objective, from which
`archloom compare` measures."""
SMALL_EVOLUTION = Setting("evolution, 10 / 4", "evolution", {"population": "10", "sample": "4"})
IMAGES = Case(
    "images:digits", "images:digits", (), 60,
    space=(("width", "4"),), task=(("epochs", "4"), ("steps_per_epoch", "15"), ("lr", "0.005")),
)  # fmt: skip
FITTED = Case("fitted:mnasnet", "fitted:mnasnet", (), 100)


def _to(case: Case, queries: int, **more: Any) -> Case:
    return replace(case, queries=queries, to_optimum=False, **more)


AGAINST = (
    _to(CIFAR10, 100, in_part="cifar10_valid"), _to(CIFAR100, 100, in_part="cifar100_valid"), _to(NB301, 100),
    _to(NB101, 100), _to(POOL, 100), _to(ACCEL, 100), *GRAPHS,
)  # fmt: skip
MARKS = (25, 50, 100)

TIMED = (
    Case("nb201, 60", "nb201", ("cifar10_valid_200",), 60), Case("nb301, 150", "nb301", (), 150),
    Case("nb201, 500", "nb201", ("cifar10_valid_200",), 500), Case("nb301, 500", "nb301", (), 500),
)  # fmt: skip


def _times(cases: Sequence[Case], settings: Sequence[Setting], found: Sequence[Timed]) -> list[Times]:
    return timing.rows(cases, settings, found, {"nb201, 60": 6.0, "nb301, 150": 20.0})


def _both(name: str, **more: Any) -> tuple[Case, ...]:
    return tuple(replace(case, name=f"{case.name}, {name}", **more) for case in (CIFAR10, CIFAR100))


STUDIES: Mapping[str, Study] = {
    "nb201": Study((CIFAR10, CIFAR100), (OURS,), 100, ToOptimum({
        "cifar10": Bar(25, 64, "19.0, most 35"), "cifar100": Bar(25, 64, "17.1, most 38"),
    }).rows),
    "width": Study((*_both("width 4", width=4), *_both("width 8", width=8)), (OURS,), 100, ToOptimum({
        "cifar10, width 4": Bar(30, study="22.7"), "cifar100, width 4": Bar(30, study="18.8"),
        "cifar10, width 8": Bar(40, study="30.4"), "cifar100, width 8": Bar(40, study="25.7"),
    }).rows),
    "nb301": Study((NB301,), (OURS,), 20, BestAt((50, 100, 150, 300), {
        ("nb301", 50): Bar(96.25, study="96.300"), ("nb301", 150): Bar(96.43, study="96.459"),
        ("nb301", 300): Bar(96.46),
    }).rows),
    "nb101": Study((NB101,), (OURS,), 20, BestAt((32, 50, 100, 150), {
        ("nb101", 50): Bar(94.79, study="94.805"), ("nb101", 150): Bar(94.81, study="94.813"),
    }).rows),
    "nb101_pool": Study((POOL,), (OURS,), 20, BestAt((32, 50, 100, 150), {
        ("nb101_pool", 50): Bar(94.85, study="94.856"), ("nb101_pool", 150): Bar(94.88, study="94.897"),
    }).rows),
    "accel": Study((ACCEL,), (OURS,), 20, ToOptimum({"accel": Bar(35, study="24.8")}).rows),
    "constraint": Study((
        _nb201("params <= 0.5 M", "cifar100_valid_200", constraints=("cifar10_params_m<=0.5",)),
        _nb201("edge GPU <= 4 ms", "cifar100_valid_200", constraints=("cifar10_edgegpu_latency_ms<=4",)),
        _nb201("raspi4 <= 8 ms", "cifar100_valid_200", constraints=("cifar10_raspi4_latency_ms<=8",)),
    ), (OURS,), 20, ToOptimum({
        "params <= 0.5 M": Bar(40, study="28.0"),
    }).rows),
    "two_objectives": Study(TWO, (OURS,), 20, BestAt((25, 50, 100, 150), {
        (TWO[0].name, 50): Bar(0.96, study="0.970"), (TWO[0].name, 100): Bar(0.985, study="0.989"),
    }).rows),
    "nbgraph": Study(GRAPHS, (OURS, LOCAL_SEARCH), 20, Against(MARKS, pooled=True).rows),
    "training": Study((IMAGES,), (OURS, SMALL_EVOLUTION), 5, Against((20, 40, 60)).rows),
    "fitted": Study((FITTED,), (OURS, EVOLUTION), 5, Against(MARKS).rows),
    "against": Study(AGAINST, (OURS, *OTHERS), 20, Against(MARKS).rows),
    "ablation": Study((CIFAR10, CIFAR100), VARIANTS, 100, ToOptimum({}).rows),
    "ablation_nb301": Study((_to(NB301, 150),), VARIANTS, 20, BestAt((50, 100, 150), {}).rows),
    "time": Study(TIMED, (OURS,), 5, _times, Timed, timing.measure),
}  # fmt: skip


def smoke(study: Study) -> Study:
    """Two seeds, two cases, two settings, few queries, short trainings."""
    task = (("epochs", "1"), ("steps_per_epoch", "2"))
    cases = tuple(replace(case, queries=6 if case.task else 12, task=case.task and task) for case in study.cases[:2])
    return replace(study, cases=cases, settings=study.settings[:2], seeds=2)
