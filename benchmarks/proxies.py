"""Rank correlations of zero-cost proxies with the accuracies of NAS-Bench-201, beside published ones.

python -m benchmarks.proxies digits          1,000 random cells, proxies as they are by default
python -m benchmarks.proxies fashion         the same on images of Fashion-MNIST
python -m benchmarks.proxies sizes           300 cells, networks of other sizes and other images
... --keep FOLDER    keep scored tables in FOLDER, and continue from there
... --json           print JSON
... --smoke          a few cells, tiny networks

A cell that has no score by a proxy counts as its worst. Intervals are of the bootstrap over cells (95 %). Tables are
those that --on nb201 finds; only its official one has CIFAR-100. All on `--workers` processes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archloom.analysis.stats import CONFIDENCE
from archloom.data import catalog
from archloom.data.tables import Table, load_table
from archloom.evaluators.proxies import PROXIES
from archloom.problems import ProblemSpec
from archloom.problems.proxy_table import ProxyTable
from archloom.utils import seeds
from archloom.utils.ranks import mean_ranks

METRICS = ("cifar10_test_200", "cifar100_test_200")
RESAMPLES = 1_000

PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "cifar10_test_200": {"grad_norm": 0.594, "snip": 0.596, "synflow": 0.737, "jacob_cov": 0.731},
    "cifar100_test_200": {"grad_norm": 0.637, "snip": 0.637, "synflow": 0.763, "jacob_cov": 0.704},
}
"""Abdelfattah et al. 2021, Table 1, as their notebook prints it (notebooks/nasbench201_correlations.ipynb of
SamsungLabs/zero-cost-nas): all 15,625 cells, 16 channels, 3 x 5 cells, 64 images of the data set itself; cells without
a score are left out."""


@dataclass(frozen=True)
class Setting:
    """What networks are scored, and how many cells."""

    name: str
    task: Mapping[str, str] = field(default_factory=dict)
    space: Mapping[str, str] = field(default_factory=dict)


def sized(data: str, size: int, channels: int, cells: int) -> Setting:
    name = f"{data}, {size} pixels, {channels} channels, {cells} cells"
    return Setting(name, {"data": data, "size": str(size)}, {"channels": str(channels), "cells": str(cells)})


STUDIES: Mapping[str, tuple[int, tuple[Setting, ...]]] = {
    "digits": (1_000, (Setting("digits"),)),
    "fashion": (1_000, (Setting("fashion", {"data": "fashion"}),)),
    "sizes": (
        300,
        (
            sized("digits", 8, 8, 2),
            sized("fashion", 16, 8, 1),
            sized("fashion", 16, 4, 2),
            sized("fashion", 16, 8, 2),
            sized("fashion", 16, 16, 2),
        ),
    ),
}
SMOKE = Setting("smoke", {"size": "8", "batch_size": "4"}, {"channels": "2", "cells": "1"})


@dataclass(frozen=True)
class Row:
    """A proxy against a metric. `seconds` is what a cell took, all proxies together; 0 if it was kept."""

    setting: str
    proxy: str
    metric: str
    cells: int
    without_score: int
    spearman: float
    low: float
    high: float
    published: float | None
    best: float
    """The metric of the cell that the proxy scores best,"""
    attainable: float
    """and the highest among the cells."""
    seconds: float


def random_cells(table: Table, count: int) -> Table:
    """A table of that many random rows of another, with the metrics of `METRICS` that it has."""
    rows = seeds.stream(0, "benchmarks.proxies").permutation(len(table))[:count]
    names = [name for name in METRICS if name in table.metrics]
    return Table.from_arrays(
        space=table.space,
        gene_names=table.gene_names,
        options=table.options,
        genes=table.genes[rows],
        metrics={name: table.metric(name)[rows] for name in names},
        goals=dict.fromkeys(names, "max"),
        source=table.source,
        units=table.units,
    )


def spearman(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """The rank correlation; NaN counts as the smallest value."""
    ranks = [mean_ranks(np.where(np.isnan(values), -np.inf, values)) for values in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def rows_of(setting: Setting, scored: Table, seconds: float) -> Iterator[Row]:
    rng = seeds.stream(0, "benchmarks.proxies.bootstrap")
    picks = rng.integers(len(scored), size=(RESAMPLES, len(scored)))
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    for metric in METRICS:
        if metric not in scored.metrics:
            continue
        accuracy = scored.metric(metric)
        for proxy in PROXIES:
            scores = scored.metric(proxy)
            low, high = np.quantile([spearman(scores[pick], accuracy[pick]) for pick in picks], tails)
            yield Row(
                setting.name, proxy, metric, len(scored), int(np.isnan(scores).sum()), spearman(scores, accuracy),
                float(low), float(high), PUBLISHED[metric].get(proxy), float(accuracy[int(np.nanargmax(scores))]),
                float(accuracy.max()), seconds,
            )  # fmt: skip


def measure(setting: Setting, table: Table, count: int, folder: Path, workers: int) -> Iterator[Row]:
    """The rows of a setting; what was scored is kept in the folder."""
    stem = "".join(letter if letter.isalnum() else "-" for letter in f"{setting.name}-{count}")
    target, seconds = folder / f"{stem}.npz", 0.0
    if not target.is_file():
        cells = random_cells(table, count).save(folder / f"{stem}-cells.npz")
        spec = ProblemSpec(
            f"proxy:{'+'.join(PROXIES)}", str(cells), space=setting.space, space_name="nb201", task=setting.task
        )
        started = time.perf_counter()
        ProxyTable(spec, target).run(workers, lambda more: None)
        seconds = workers * (time.perf_counter() - started) / count
    yield from rows_of(setting, load_table(target), seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder for scored tables")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="a few cells, tiny networks")
    arguments = parser.parse_args()
    count, settings = (12, (SMOKE,)) if arguments.smoke else STUDIES[arguments.study]
    table = load_table(catalog.locate("nb201", environ=os.environ))
    place = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory()
    rows = []
    with place as folder:
        for setting in settings:
            for row in measure(setting, table, count, Path(folder), arguments.workers):
                rows.append(row)
                if not arguments.json:
                    print(shown(row), flush=True)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))


def shown(row: Row) -> str:
    published = "" if row.published is None else f"   published {row.published:.3f}"
    return (
        f"{row.setting:<44}{row.metric:<19}{row.proxy:<10}{row.spearman:6.3f} [{row.low:.3f}, {row.high:.3f}]"
        f"{published:<19}   best of {row.cells:,}: {row.best:.2f} (of {row.attainable:.2f})"
        f"   {row.without_score} without score   {1e3 * row.seconds:.0f} ms a cell"
    )


if __name__ == "__main__":
    main()
