"""Published results as data."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from archloom.analysis.published import references
from archloom.analysis.published_rows import BEST_ON_SUPERNETS, PUBLISHED, Role
from archloom.data.tables import load_table


def test_ga_nas_tables_1_to_3() -> None:
    found = references("nb101", "test_108")
    known = {(p.label, p.queries): p for p in found}
    one = {"RS": (93.66, 2000), "RE": (93.97, 2000), "NAO": (93.87, 2000), "BANANAS": (94.23, 800),
           "GA-NAS, set-up 1": (94.22, 150), "GA-NAS, set-up 2": (94.23, 378)}  # fmt: skip
    assert all(known[f"{label}, one run", queries].mean == mean for label, (mean, queries) in one.items())
    assert (known["SemiNAS, one run", 300].mean, known["SemiNAS, one run", 2100].mean) == (93.98, 94.09)
    best = known["GA-NAS, set-up 2", 1562]
    assert (best.mean, best.std, best.rank) == (94.23, 0.00743, 2.50)
    assert (known["RS-648", 648].rank, known["RS-1562", 1562].rank) == (498.80, 211.50)
    sharing = {p.label: (p.mean, p.std) for p in found if p.role is Role.WEIGHT_SHARING}
    assert sharing == {
        "DARTS": (92.21, 0.61), "NAO": (92.59, 0.59), "ENAS": (91.83, 0.42), "GA-NAS": (92.80, 0.54),
    }  # fmt: skip
    assert {each.label: (each.accuracy, each.rank) for each in BEST_ON_SUPERNETS}["GA-NAS"] == (93.46, 5386)


def test_every_number_names_its_source() -> None:
    every = [p for known in PUBLISHED.values() for p in known]
    assert all("Table" in p.source or "Figure" in p.source for p in every)
    for known in PUBLISHED.values():
        assert len({(p.label, p.metric, p.queries, p.role) for p in known}) == len(known)
    assert json.loads(json.dumps([p.to_json() for p in PUBLISHED["nb201"]]))[0]["role"] == "queries"


def test_the_published_optimum_is_that_of_the_real_table() -> None:
    folder = os.environ.get("ARCHLOOM_DATA")
    if not folder:
        pytest.skip("ARCHLOOM_DATA is not set: no real table")
    table = load_table(Path(folder, "nb201.npz"))
    optima = {p.metric: p.mean for p in PUBLISHED["nb201"] if p.role is Role.OPTIMUM and p.metric in table.metrics}
    assert len(optima) == 4
    for metric, mean in optima.items():
        assert float(table.metric(metric).max()) == pytest.approx(mean, abs=0.006), metric
