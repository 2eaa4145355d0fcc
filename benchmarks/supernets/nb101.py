"""GA-NAS on frozen supernets of NAS-Bench-101, as in its Table 3: what the cells that it finds are worth in the table.

    python -m benchmarks.supernets.nb101            3 seeds; GA-NAS and random search
    ... --json, --smoke

One supernet a seed, trained along random paths: Fashion-MNIST at 14 x 14 pixels, 16 channels, 1 cell a stack. A search
ends with the cell that has the best accuracy in the supernet. Its accuracy on CIFAR-10 and its rank among all 423,624
cells are those of the table that --on nb101 finds: the surrogate, where the measured table is not at hand.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from archloom.analysis.published import references
from archloom.analysis.published_rows import BEST_ON_SUPERNETS, Role
from archloom.analysis.stats import summarise
from archloom.data import catalog
from archloom.data.tables import Table, load_table
from archloom.runs.record import TrialRecord
from archloom.spaces.nb101 import keys
from benchmarks.supernets.ranks import spearman
from benchmarks.supernets.searches import ACCURACY, Making, as_settings, numbers, parser, searched, told

SETTINGS: Mapping[str, Mapping[str, object]] = {
    "random": {},
    "ga_nas": {"initial": 50, "batch_size": 50, "top_k": 25},
}
METRICS = ("valid_108", "valid_108_surrogate")
"""Of the table, the first one that it has."""


@dataclass(frozen=True)
class Size:
    making: Making
    queries: int
    measured: int


FULL = Size(
    Making(
        "fashion", "nb101", {"channels": 16, "cells": 1},
        {"size": 14, "train_images": 4_000, "valid_images": 1_000, "epochs": 40},
    ),
    queries=500, measured=500,
)  # fmt: skip
SMOKE = replace(
    FULL, queries=6, measured=40,
    making=Making("digits", "nb101", {"channels": 8, "cells": 1}, {"train_images": 64, "epochs": 1}),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Accuracies of the cells that runs found, in percent, and the best cell's rank; `metric` says of what table.

    `spearman`: of the supernet's accuracies and the table's, over the cells that random search asked for, mean of the
    seeds.
    """

    method: str
    runs: int | None
    mean: float
    std: float | None
    best: float
    best_rank: int
    ranks: list[int]
    spearman: float | None
    metric: str


def published() -> list[Row]:
    """Table 3 of the GA-NAS paper."""
    means = {p.label: p for p in references("nb101", "test_108") if p.role is Role.WEIGHT_SHARING}
    return [
        Row(
            f"{best.label} (published)", None, means[best.label].mean, means[best.label].std, best.accuracy, best.rank,
            [], None, "test, CIFAR-10",
        )
        for best in BEST_ON_SUPERNETS
    ]  # fmt: skip


class Truth:
    """What the table says of cells."""

    def __init__(self, table: Table) -> None:
        self.metric = next(name for name in METRICS if name in table.metrics)
        codes = keys(table.genes).ravel()
        self._order = np.argsort(codes)
        self._codes = codes[self._order]
        self.values = np.asarray(table.metric(self.metric), dtype=np.float64)
        self._best_first = np.sort(-self.values[np.isfinite(self.values)])

    def of(self, lines: Sequence[TrialRecord]) -> np.ndarray:
        """(n,) the accuracies of the cells of trials."""
        codes = keys(np.array([line.genes for line in lines], dtype=np.uint8)).ravel()
        found: np.ndarray = self.values[self._order[np.searchsorted(self._codes, codes)]]
        return found

    def rank(self, value: float) -> int:
        """From 1 for the best of all cells."""
        return int(np.searchsorted(self._best_first, -value)) + 1


def row(name: str, runs: Sequence[Sequence[TrialRecord]], truth: Truth) -> Row:
    asked = [[line for line in lines if line.ok and line.query is not None] for lines in runs]
    chosen = [max(lines, key=lambda line: line.scores[ACCURACY]) for lines in asked]
    values = truth.of(chosen).tolist()
    stats, ranks = summarise(values), [truth.rank(value) for value in values]
    agree = [spearman(np.array([line.scores[ACCURACY] for line in lines]), truth.of(lines)) for lines in asked]
    shown = round(float(np.mean(agree)), 3) if name == "random" and np.isfinite(agree).all() else None
    std = None if stats.std is None else round(stats.std, 2)
    return Row(name, len(runs), round(stats.mean, 2), std, round(stats.max, 2), min(ranks), ranks, shown, truth.metric)


def main() -> None:
    given = parser(__doc__, Path("supernets/nb101")).parse_args()
    size = SMOKE if given.smoke else FULL
    truth = Truth(load_table(catalog.locate("nb101", environ=os.environ)))
    runs: dict[str, list[list[TrialRecord]]] = {name: [] for name in SETTINGS}
    for seed in numbers(given.seeds):
        supernet = size.making.file(given.out, seed)
        for name, options in SETTINGS.items():
            more = as_settings({**options, "task.measured_images": size.measured})
            run, on = given.out / name / str(seed), f"supernet:{size.making.data}"
            limits = ("--queries", size.queries, "--report", "valid_loss")
            runs[name].append(searched(run, name, on, supernet, seed, *limits, *more))
    told([*(row(name, found, truth) for name, found in runs.items()), *published()], given.json)


if __name__ == "__main__":
    main()
