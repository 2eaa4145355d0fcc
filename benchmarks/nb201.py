"""Quality on NAS-Bench-201: the published tables next to the results of this code.

    python -m benchmarks.nb201            every row, on the official table (ARCHLOOM_DATA or the cache)
    python -m benchmarks.nb201 --smoke    two seeds, few queries

One run of 1,000 queries gives the values at all smaller budgets too: strategies do not know their budget. `found` is
how many of the runs found the best cell of the table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import NamedTuple

from archloom.analysis.stats import summarise
from archloom.problems import ProblemSpec
from archloom.runs.budgets import Limits
from archloom.runs.folders import run_in_memory
from archloom.runs.prepare import Request
from benchmarks.recorded import mapping

BUDGETS = (300, 500, 1000)
SEEDS = 30
STRATEGIES = ("random", "random_walk", "evolution", "local_search", "cadam")
METRICS = ("cifar10_test_200", "cifar100_test_200", "cifar10_valid_200", "cifar100_valid_200")


@dataclass(frozen=True)
class Target:
    """A published number: the mean must be at least `least`."""

    strategy: str
    metric: str
    queries: int
    seeds: int
    published: str
    least: float


TARGETS = (
    Target("random", "cifar10_test_200", 500, 200, "94.11 ± 0.16 (GA-NAS, Table 4)", 94.08),
    Target("random", "cifar100_test_200", 500, 200, "72.54 ± 0.54 (GA-NAS, Table 4)", 72.44),
    Target("cadam", "cifar10_test_200", 500, 10, "94.11 ± 0.16 (CADAM, Table 4.1)", 94.11),
    Target("cadam", "cifar10_test_200", 1000, 10, "94.28 ± 0.08", 94.28),
    Target("cadam", "cifar100_test_200", 500, 10, "72.69 ± 0.58", 72.69),
    Target("cadam", "cifar100_test_200", 1000, 10, "73.09 ± 0.35", 73.09),
    Target("cadam", "cifar10_valid_200", 500, 10, "91.36 ± 0.19", 91.36),
    Target("cadam", "cifar10_valid_200", 1000, 10, "91.47 ± 0.15", 91.47),
    Target("cadam", "cifar100_valid_200", 500, 10, "72.47 ± 0.74", 72.47),
    Target("cadam", "cifar100_valid_200", 1000, 10, "73.02 ± 0.52", 73.02),
)


@dataclass(frozen=True)
class Row:
    """A measurement: mean and std over seeds of the best value, and how many of the runs found the table's best."""

    strategy: str
    metric: str
    queries: int
    seeds: int
    mean: float
    std: float
    worst: float
    found: int
    published: str = ""
    reached: bool = True


class Best(NamedTuple):
    """The best value that a run has found, and whether it is the best of the table."""

    value: float
    is_optimum: bool


def values(strategy: str, metric: str, budgets: Sequence[int], seed: int) -> list[Best]:
    """What one run has found after each budget."""
    spec = ProblemSpec("nb201", objectives=(metric,))
    report = run_in_memory(Request(strategy, spec, seed, Limits(max(budgets))))
    curve = dict(report.curve)
    return [Best(curve[b], report.scenario.problem.rank(metric, curve[b]) == 1) for b in budgets]


Sample = Callable[[str, str, Sequence[int], int], list[list[Best]]]
"""(strategy, metric, budgets, seeds) -> for each seed what was found after each budget."""


def published_rows(sample: Sample, targets: Iterable[Target]) -> list[Row]:
    """Each target with as many seeds as its paper used (random search: more)."""
    rows = []
    for t in targets:
        found = [run[0] for run in sample(t.strategy, t.metric, (t.queries,), t.seeds)]
        row = _row(t.strategy, t.metric, t.queries, found)
        rows.append(Row(**{**asdict(row), "published": t.published, "reached": row.mean >= t.least}))
    return rows


def comparison_rows(sample: Sample, metrics: Sequence[str]) -> list[Row]:
    """Every strategy at every budget, over the same seeds."""
    rows = []
    for metric in metrics:
        for strategy in STRATEGIES:
            found = sample(strategy, metric, BUDGETS, SEEDS)
            rows += [_row(strategy, metric, b, [run[i] for run in found]) for i, b in enumerate(BUDGETS)]
    return rows


def _row(strategy: str, metric: str, queries: int, found: Sequence[Best]) -> Row:
    s = summarise([best.value for best in found])
    mean, std, worst = round(s.mean, 3), round(s.std or 0.0, 3), round(s.min, 3)
    return Row(strategy, metric, queries, len(found), mean, std, worst, sum(best.is_optimum for best in found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="two seeds and 30 queries a row")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with mapping(arguments.workers) as mapped:

        def sample(strategy: str, metric: str, budgets: Sequence[int], seeds: int) -> list[list[Best]]:
            return list(mapped(partial(values, strategy, metric, budgets), range(seeds)))

        if arguments.smoke:
            targets = [Target(t.strategy, t.metric, 30, 2, t.published, t.least) for t in (TARGETS[0], TARGETS[2])]
            rows = published_rows(sample, targets)
        else:
            rows = published_rows(sample, TARGETS) + comparison_rows(sample, METRICS)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    print(
        f"{'strategy':<13}{'metric':<20}{'queries':>8}{'seeds':>6}{'measured':>18}{'worst':>9}{'found':>7}  published"
    )
    for row in rows:
        value, mark = f"{row.mean:.3f} ± {row.std:.3f}", "" if row.reached else "   MISSED"
        print(
            f"{row.strategy:<13}{row.metric:<20}{row.queries:>8}{row.seeds:>6}{value:>18}{row.worst:>9.3f}"
            f"{row.found:>7}  "
            f"{row.published}{mark}"
        )


if __name__ == "__main__":
    main()
