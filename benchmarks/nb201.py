"""Quality on NAS-Bench-201: the published tables beside what this code reaches.

    python -m benchmarks.nb201            every row, on the official table (ARCHLOOM_DATA or the cache)
    python -m benchmarks.nb201 --smoke    two seeds, few queries
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from archloom.analysis.stats import summarise
from archloom.problems import ProblemSpec
from archloom.runs import Request, run_in_memory
from archloom.search import Limits


@dataclass(frozen=True)
class Row:
    """One cell of a published table."""

    strategy: str
    metric: str
    queries: int
    seeds: int
    published: str
    target: float


ROWS = (
    Row("random", "cifar10_test_200", 500, 200, "94.11 ± 0.16 (GA-NAS, Table 4)", 94.08),
    Row("random", "cifar100_test_200", 500, 200, "72.54 ± 0.54 (GA-NAS, Table 4)", 72.44),
    Row("cadam", "cifar10_test_200", 500, 10, "94.11 ± 0.16 (CADAM, Table 4.1)", 94.11),
    Row("cadam", "cifar10_test_200", 1000, 10, "94.28 ± 0.08", 94.28),
    Row("cadam", "cifar100_test_200", 500, 10, "72.69 ± 0.58", 72.69),
    Row("cadam", "cifar100_test_200", 1000, 10, "73.09 ± 0.35", 73.09),
    Row("cadam", "cifar10_valid_200", 500, 10, "91.36 ± 0.19", 91.36),
    Row("cadam", "cifar10_valid_200", 1000, 10, "91.47 ± 0.15", 91.47),
    Row("cadam", "cifar100_valid_200", 500, 10, "72.47 ± 0.74", 72.47),
    Row("cadam", "cifar100_valid_200", 1000, 10, "73.02 ± 0.52", 73.02),
)
OTHERS = ("random", "evolution", "local_search", "random_walk")
"""Measured at the CADAM rows' budgets too, so that the comparison is of this code with this code."""


def best_value(strategy: str, metric: str, queries: int, seed: int) -> float:
    """The best value that one run finds."""
    report = run_in_memory(Request(strategy, ProblemSpec("nb201", objectives=(metric,)), seed, Limits(queries)))
    assert report.value is not None  # noqa: S101 - a table without failures always has a best
    return report.value


def measure(rows: Sequence[Row], workers: int) -> list[dict[str, object]]:
    """Run every row; seeds are spread over `workers` processes."""
    found: list[dict[str, object]] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for row in rows:
            started = time.perf_counter()
            values = list(pool.map(partial(best_value, row.strategy, row.metric, row.queries), range(row.seeds)))
            overall = summarise(values)
            found.append(
                {
                    "strategy": row.strategy,
                    "metric": row.metric,
                    "queries": row.queries,
                    "seeds": row.seeds,
                    "mean": round(overall.mean, 3),
                    "std": round(overall.std or 0.0, 3),
                    "published": row.published,
                    "reached": overall.mean >= row.target,
                    "seconds": round(time.perf_counter() - started, 1),
                }
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="two seeds and 30 queries a row")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    baselines = tuple(
        Row(name, metric, queries, 20, "-", 0.0)
        for metric in ("cifar10_test_200", "cifar100_test_200")
        for queries in (300, 500, 1000)
        for name in (*OTHERS, "cadam")
    )
    rows = (*ROWS, *baselines)
    if arguments.smoke:
        rows = tuple(Row(r.strategy, r.metric, 30, 2, r.published, r.target) for r in (ROWS[0], ROWS[2]))
    found = measure(rows, arguments.workers)
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{'strategy':<13}{'metric':<20}{'queries':>8}{'seeds':>6}{'measured':>18}  published")
    for row in found:
        value = f"{row['mean']:.3f} ± {row['std']:.3f}"
        mark = "" if row["reached"] else "   MISSED"
        print(
            f"{row['strategy']:<13}{row['metric']:<20}{row['queries']:>8}{row['seeds']:>6}{value:>18}  "
            f"{row['published']}{mark}"
        )


if __name__ == "__main__":
    main()
