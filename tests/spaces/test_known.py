from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archloom.data.tables import Table, load_table, save_table
from archloom.spaces.known import best_values, computed, readable, row_count


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Four rows; `best` is 94.374 at most, `none` is not measured, `damaged` cannot be read."""
    arrays = {"best": [94.374, 3.0, np.nan, 94.0], "none": [np.nan] * 4, "damaged": [1.0] * 4}
    path = tmp_path / "a.npz"
    save_table(
        path, space="table", gene_names=["a"], options=[list("abcd")], genes=[[0], [1], [2], [3]],
        metrics=arrays, goals=dict.fromkeys(arrays, "max"), source="", units="",
    )  # fmt: skip
    with np.load(path) as saved:
        whole = dict(saved)
    np.savez_compressed(path, **whole | {"damaged": np.full(4, np.inf, dtype=np.float32)})
    return load_table(path)


def test_rows_are_counted(table: Table) -> None:
    assert row_count(table, 4).ok
    assert (row_count(table, 5).ok, row_count(table, 5).what) == (False, "4 architectures, expected 5")


def test_the_best_is_compared_where_it_can_be(table: Table) -> None:
    published = {"best": 94.37, "none": 1.0, "damaged": 1.0, "other": 1.0}
    assert [(f.ok, f.what) for f in best_values(table, published, 0.01)] == [(True, "best best 94.37, published 94.37")]
    assert [f.ok for f in best_values(table, published, 0.001)] == [False]
    assert readable(table, "damaged") is readable(table, "other") is None


def test_what_is_computed_is_compared_row_by_row(table: Table) -> None:
    counts = np.array([94_374_000, 3_000_000, 7, 94_000_000])
    assert [(f.ok, f.what) for f in computed(table, "best", counts)] == [
        (True, "best: 0 rows differ from their network's, expected 0")
    ]
    (found,) = computed(table, "best", np.roll(counts, 1))
    assert (found.ok, found.what) == (
        False,
        "best: 3 rows differ from their network's, expected 0; the first is row 0 with 94.3740005, its network has 94",
    )
    other = counts + np.array([0, 1, 0, 0])
    assert not next(iter(computed(table, "best", other))).ok
    assert next(iter(computed(table, "best", other, rounded=2e-6))).ok
    assert next(iter(computed(table, "none", counts))).ok
    assert not next(iter(computed(table, "none", counts, whole=True))).ok
    assert list(computed(table, "damaged", counts)) == list(computed(table, "other", counts)) == []
