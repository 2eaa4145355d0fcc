"""CADAM and other strategies on frozen supernets, with equal queries: the mean of the best 50.

    python -m benchmarks.supernets.frozen                                  all strategies, 3 seeds
    python -m benchmarks.supernets.frozen --settings cadam --settings random         some of them, the rest later
    python -m benchmarks.supernets.frozen --report                         rows of what is in the folder, no more
    ... --json, --smoke

One supernet a seed, trained along random paths: Fashion-MNIST at 14 x 14 pixels, 4 channels, 3 cells; paths are
measured on 300 validation images, of which one is 1/3 %. The thesis's CADAM, with a tenth of its steps and of the
random ones among them. graph_bo stops at 500 queries, where it is compared with the others at as many: its time grows
with the cube of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from archloom.analysis.stats import summarise
from archloom.runs.record import TrialRecord
from benchmarks.supernets.searches import (
    ACCURACY,
    Making,
    as_settings,
    interval,
    numbers,
    parser,
    searched,
    told,
    trials,
)

CADAM: Mapping[str, object] = {
    "top_k": 500, "tau": 0.95, "batch_size": 64, "noise": 5e-5, "max_cycles": 1, "capacity": 5_000,
    "hidden": "256,256,256", "warmup": 300,
}  # fmt: skip
"""The thesis's options for supernets but for both learning rates, which are the defaults; a tenth of the steps, and of
the random ones among them."""


@dataclass(frozen=True)
class Setting:
    strategy: str
    options: Mapping[str, object] = field(default_factory=dict)


SETTINGS: Mapping[str, Setting] = {
    "random": Setting("random"),
    "cadam": Setting("cadam", CADAM),
    "cadam, K = 50": Setting("cadam", {**CADAM, "top_k": 50}),
    "evolution": Setting("evolution"),
    "ga_nas": Setting("ga_nas", {"initial": 100, "batch_size": 100, "top_k": 50}),
    "graph_bo": Setting("graph_bo"),
}


@dataclass(frozen=True)
class Size:
    """A study. `marks`: numbers of queries after which strategies are compared; `best`: how many of the best count."""

    making: Making
    measured: int
    marks: tuple[int, ...]
    best: int
    settings: Mapping[str, Setting]
    most: Mapping[str, int]
    """The queries of settings that get fewer than the last mark."""

    def queries(self, name: str) -> int:
        return self.most.get(name, self.marks[-1])


FULL = Size(
    Making(
        "fashion", "darts", {"channels": 4, "cells": 3},
        {"size": 14, "train_images": 4_000, "valid_images": 1_000, "sampling": "paths", "epochs": 30},
    ),
    measured=300, marks=(500, 1_000, 2_000), best=50, settings=SETTINGS, most={"graph_bo": 500},
)  # fmt: skip
SMOKE = replace(
    FULL, measured=20, marks=(6, 10), best=3,
    settings={"random": Setting("random"), "cadam": Setting("cadam", {**CADAM, "warmup": 4, "batch_size": 4})}, most={},
    making=Making(
        "digits", "darts", {"channels": 2, "cells": 3}, {"train_images": 64, "epochs": 1, "batch_size": 32},
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A setting after so many queries, over seeds; the difference is that to random search, by seed.

    `spread`: the standard deviation of all its results, over random search that of the supernet's paths. `best` of all.
    """

    setting: str
    queries: int
    seeds: int
    mean_of_best: float
    interval: list[float]
    difference: float | None
    difference_interval: list[float] | None
    best: float
    mean: float
    spread: float
    noise: float
    """The standard error of one measurement at that mean, of images alone: of sqrt(p (1 - p) / images)."""


def best_of(lines: Sequence[TrialRecord], queries: int, count: int) -> float:
    """The mean of the best different architectures among the first queries."""
    return float(np.mean(np.sort(accuracies(lines, queries))[-count:]))


def accuracies(lines: Sequence[TrialRecord], queries: int) -> list[float]:
    return [line.scores[ACCURACY] for line in lines if line.ok and line.query is not None and line.query <= queries]


def report(out: Path, size: Size) -> list[Row]:
    """Rows of the runs that are complete."""
    found: dict[str, dict[int, Sequence[TrialRecord]]] = {}
    for name in size.settings:
        for folder in sorted((out / name).glob("*"), key=lambda path: int(path.name)):
            if (folder / "summary.json").exists():
                found.setdefault(name, {})[int(folder.name)] = trials(folder)
    rows = []
    for queries in size.marks:
        for name, runs in found.items():
            if queries > size.queries(name):
                continue
            control = found.get("random", {})
            values = {seed: best_of(lines, queries, size.best) for seed, lines in runs.items()}
            better = [
                value - best_of(control[seed], queries, size.best) for seed, value in values.items() if seed in control
            ]
            all_of_them = [accuracies(lines, queries) for lines in runs.values()]
            mean = float(np.mean(np.concatenate(all_of_them)))
            compared = bool(better) and name != "random"
            rows.append(
                Row(
                    name, queries, len(values), round(summarise(list(values.values())).mean, 3),
                    interval(list(values.values())), round(float(np.mean(better)), 3) if compared else None,
                    interval(better) if compared else None, round(max(map(max, all_of_them)), 2), round(mean, 2),
                    round(float(np.mean([np.std(each) for each in all_of_them])), 2),
                    round(float(np.sqrt(mean * (100 - mean) / size.measured)), 2),
                )
            )  # fmt: skip
    return rows


def main() -> None:
    arguments = parser(__doc__, Path("supernets/frozen"))
    arguments.add_argument("--settings", action="append", choices=list(SETTINGS), help="only these; repeatable")
    arguments.add_argument("--report", action="store_true", help="search nothing")
    given = arguments.parse_args()
    size = SMOKE if given.smoke else FULL
    names = [name for name in size.settings if name in (given.settings or size.settings)]
    if not given.report:
        for seed in numbers(given.seeds):
            supernet = size.making.file(given.out, seed)
            for name in names:
                chosen = size.settings[name]
                more = as_settings({**chosen.options, "task.measured_images": size.measured})
                run, on = given.out / name / str(seed), f"supernet:{size.making.data}"
                limits = ("--queries", size.queries(name), "--report", "valid_loss")  # costs would take as long again
                searched(run, chosen.strategy, on, supernet, seed, *limits, *more)
    told(report(given.out, size), given.json)


if __name__ == "__main__":
    main()
