"""Tables of NAS-Bench-101 and tables that only say so."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="hashes and parameters of cells are computed by code that numba compiles")

from archloom.data.tables import Table, load_table
from archloom.spaces.base import HasKnownAnswers
from archloom.spaces.nb101 import Nb101, parameters


def wrong(table: Table) -> list[str]:
    return [finding.what for finding in Nb101.known_answers(table) if not finding.ok]


def test_the_surrogate_table_holds_the_official_cells(real_table: Callable[[str], Path]) -> None:
    """Every 32nd: hashing all would take ten seconds."""
    assert isinstance(Nb101, HasKnownAnswers)
    whole = load_table(real_table("nb101_surrogate.npz"))
    assert len(whole) == 423_624
    rows = np.arange(0, len(whole), 32)
    part = Table.from_arrays(
        space=whole.space, gene_names=whole.gene_names, options=whole.options, genes=whole.genes[rows],
        metrics={name: whole.metric(name)[rows] for name in whole.metrics}, goals=whole.goals,
        source=whole.source, units=whole.units,
    )  # fmt: skip
    findings = list(Nb101.known_answers(part))
    assert [finding.what for finding in findings if not finding.ok] == ["13239 architectures, expected 423624"]
    whats = [finding.what for finding in findings]
    for known in (
        "0 rows do not follow by module hash, expected 0",
        f"the first module hash is {FIRST_HASH}, published {FIRST_HASH}",
        "params_m: 0 rows differ from their network's, expected 0",
    ):
        assert known in whats


PAIRS = itertools.combinations(range(7), 2)
NAMES = [*(f"{source}->{target}" for source, target in PAIRS), *(f"op{vertex}" for vertex in range(1, 6))]
OPTIONS = [("no", "yes")] * 21 + [("conv3x3", "conv1x1", "maxpool3x3", "absent")] * 5
FIRST_HASH = "00005c142e6f48ac74fdcf73e3439874"
FIRST_CELL = [1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 2, 0, 0, 1]  # 8,555,530 parameters
SHORTEST = [1, *[0] * 20, *[3] * 5]  # hash 043721b9c7fe8c5fad811d47d83132ec


def cells(genes: list[list[int]], params_m: list[float], **changes: Any) -> Table:
    arguments: dict[str, Any] = {
        "space": "nb101", "gene_names": NAMES, "options": OPTIONS, "genes": genes,
        "metrics": {"params_m": params_m}, "goals": {"params_m": "min"}, "source": "", "units": "",
    }  # fmt: skip
    return Table.from_arrays(**arguments | changes)


@pytest.fixture
def shortest_m() -> float:
    """Millions of parameters of the shortest cell's network."""
    return float(parameters(np.array([SHORTEST], dtype=np.uint8))[0]) / 1e6


def test_nb101_that_is_not_all_of_it_or_not_it(shortest_m: float) -> None:
    few = "2 architectures, expected 423624"
    assert wrong(cells([FIRST_CELL, SHORTEST], [8.55553, shortest_m])) == [few]
    assert wrong(cells([SHORTEST, FIRST_CELL], [shortest_m, 8.55553]))[1:] == [
        "1 rows do not follow by module hash, expected 0",
        f"the first module hash is 043721b9c7fe8c5fad811d47d83132ec, published {FIRST_HASH}",
    ]
    for other in (8.555534, np.nan):
        assert wrong(cells([FIRST_CELL, SHORTEST], [other, shortest_m])) == [
            few,
            "params_m: 1 rows differ from their network's, expected 0; the first is row 0 with "
            f"{np.float32(other):.9g}, its network has 8.55553",
        ]
    full = [1] * 21 + [0] * 5
    assert "1 cells of more than 9 edges, expected 0" in wrong(cells([FIRST_CELL, full], [8.55553, 1.0]))


def test_nb101_rows_that_are_no_cells(shortest_m: float) -> None:
    found = wrong(cells([FIRST_CELL, [0] * 21 + [3] * 5], [8.55553, 1.0]))
    assert any("row 1 has no path from input" in what for what in found)


def test_nb101_with_other_genes_is_a_finding() -> None:
    swapped = [*OPTIONS[:-1], ("conv1x1", "conv3x3", "maxpool3x3", "absent")]
    names = ["edge", *NAMES[1:]]
    for changes in ({"options": swapped}, {"gene_names": names}):
        found = wrong(cells([FIRST_CELL, SHORTEST], [8.55553, 1.0], **changes))
        assert any("expected those of NAS-Bench-101" in what for what in found)
