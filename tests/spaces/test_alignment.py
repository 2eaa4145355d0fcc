"""Metrics that were moved away from their rows, on tables with a known dependence and on published ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from archloom.data.tables import Table, load_table
from archloom.data.tables.verify import verify
from archloom.spaces.alignment import aligned

GENES = np.array(list(product(range(3), repeat=6)))
RNG = np.random.default_rng(0)
WORTH = RNG.normal(size=(6, 3))
SUM = WORTH[np.arange(6), GENES].sum(axis=1)
ACCURACY = 90 + SUM + np.where(GENES[:, 0] == GENES[:, 5], 2.0, 0.0) + RNG.normal(0, 0.5, len(GENES))


def table(metrics: Mapping[str, np.ndarray], genes: np.ndarray = GENES) -> Table:
    return Table.from_arrays(
        space="table", gene_names=[f"g{gene}" for gene in range(6)], options=[list("abc")] * 6, genes=genes,
        metrics=metrics, goals=dict.fromkeys(metrics, "max"), source="", units="",
    )  # fmt: skip


def faults(metrics: Mapping[str, np.ndarray]) -> list[str]:
    return [finding.what for finding in aligned(table(metrics)) if not finding.ok]


def some(values: np.ndarray, count: int = 400) -> np.ndarray:
    """Measured for `count` rows only."""
    kept = np.full(len(values), np.nan)
    rows = np.random.default_rng(1).permutation(len(values))[:count]
    kept[rows] = values[rows]
    return kept


@pytest.mark.parametrize("values", [ACCURACY, SUM, some(ACCURACY), -ACCURACY, 1e-6 * ACCURACY, np.ones(len(GENES))])
def test_metrics_in_their_rows(values: np.ndarray) -> None:
    assert faults({"valid": values}) == []


@pytest.mark.parametrize("shift", [-3, -2, -1, 1, 2, 3])
@pytest.mark.parametrize("values", [ACCURACY, SUM, some(ACCURACY)], ids=["noisy", "exact", "some"])
def test_rows_that_were_moved(values: np.ndarray, shift: int) -> None:
    """Also in the order of the genes, where neighbours are much alike; and by one value that was left out."""
    says = f"% moved by {-shift} rows: it is not in its own rows"
    assert [says in fault for fault in faults({"valid": np.roll(values, shift)})] == [True]
    if shift > 0 and values is not SUM:
        cut = np.concatenate([np.full(shift, np.nan), values[:-shift]])
        assert [says in fault for fault in faults({"valid": cut})] == [True]


def test_rows_that_were_shuffled_or_sorted() -> None:
    for values in (RNG.permutation(ACCURACY), RNG.permutation(SUM), np.sort(ACCURACY)[RNG.permutation(len(GENES))]):
        (fault,) = faults({"valid": values})
        assert "it is not in its own rows" in fault


def test_two_rows_of_a_formula_that_changed_places() -> None:
    values = SUM.copy()
    values[[5, 700]] = values[[700, 5]]
    assert faults({"flops": values}) == ["flops: 2 rows, the first is 5, break a formula that all others follow"]


def test_each_metric_is_looked_at_by_itself() -> None:
    found = list(aligned(table({"a": ACCURACY, "b": np.roll(ACCURACY, 1), "c": SUM})))
    assert [finding.ok for finding in found] == [True, False, True]
    assert [finding.what[:2] for finding in found] == ["a:", "b:", "c:"]


def test_of_few_rows_nothing_is_said() -> None:
    assert list(aligned(table({"a": np.roll(ACCURACY[:199], 1)}, GENES[:199]))) == []
    assert list(aligned(table({"a": some(ACCURACY, 199)}))) == []


# -- published tables ---------------------------------------------------------------------------------------------


def moved(real: Table, rows: int | None = None, shift: int = 0) -> Table:
    """The table's first rows, all metrics moved."""
    kept = slice(0, rows)
    return Table.from_arrays(
        space=real.space, gene_names=real.gene_names, options=real.options, genes=real.genes[kept],
        metrics={name: np.roll(real.metric(name)[kept], shift) for name in real.metrics}, goals=real.goals,
        source=real.source, units=real.units,
    )  # fmt: skip


@pytest.mark.parametrize("file", ["nb201.npz", "accel_imagenet.npz"])
def test_published_tables_are_right_and_every_metric_moved_by_one_row_is_wrong(
    real_table: Callable[[str], Path], file: str
) -> None:
    real = load_table(real_table(file))
    assert [finding.what for finding in verify(real) if not finding.ok] == []
    wrong = [finding.what for finding in verify(moved(real, shift=1)) if not finding.ok]
    assert {what.partition(":")[0] for what in wrong} == set(real.metrics)
    counted = [what for what in wrong if "rows differ from their network's" in what]
    assert len(counted) == 2, "parameters and operations, exactly"


def test_a_part_of_nas_bench_101(real_table: Callable[[str], Path]) -> None:
    pytest.importorskip("numba", reason="cells of NAS-Bench-101 need the extra bench")
    real = load_table(real_table("nb101_surrogate.npz"))
    for shift in (0, 1):
        part = moved(real, 5_000, shift)
        found = verify(part)
        wrong = {finding.what.partition(":")[0] for finding in found if not finding.ok}
        measured = {name for name in real.metrics if np.isfinite(part.metric(name)).sum() >= 200}
        assert wrong == {"5000 architectures, expected 423624"} | (measured if shift else set())
        assert {"params_m", "macs_m", "valid_108_surrogate", "valid_12_best_of_3"} <= measured


def test_nas_bench_graph() -> None:
    packages = pytest.importorskip("archloom.data.convert.packages")
    if packages.package_version("nas-bench-graph") is None:
        pytest.skip("the package nas-bench-graph is not installed")
    real = packages.nbgraph("citeseer")  # whose own rows `tests/data/tables/test_verify.py` finds to be right
    assert [finding.ok for finding in aligned(moved(real, shift=1))] == [False] * 4
