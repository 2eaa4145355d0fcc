from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom import registry
from archloom.data.tables import Table, load_table, save_table
from archloom.data.tables.verify import verify
from archloom.errors import MissingExtraError
from archloom.spaces.base import Categorical
from archloom.spaces.known import BenchmarkTable, Finding, row_count

Content = dict[str, Any]


def wrong(table: Table) -> list[str]:
    return [finding.what for finding in verify(table) if not finding.ok]


def test_the_real_table_has_the_published_answers(real_table: Callable[[str], Path]) -> None:
    findings = verify(load_table(real_table("nb201.npz")))
    assert [finding.what for finding in findings if not finding.ok] == []
    whats = [finding.what for finding in findings]
    assert "15625 architectures, expected 15625" in whats
    assert "best cifar10_test_200 94.37, published 94.37" in whats
    assert sum(what.startswith("best ") for what in whats) == 4


def test_a_space_of_which_nothing_is_known(content: Content) -> None:
    findings = verify(Table.from_arrays(**content))
    assert all(finding.ok for finding in findings)
    assert [finding.what for finding in findings] == [
        "valid: 5 of 6 architectures measured",
        "test: 6 of 6 architectures measured",
        "params: 6 of 6 architectures measured",
    ]


def test_a_metric_nobody_measured_and_one_that_is_damaged(content: Content, tmp_path: Path) -> None:
    content["metrics"]["valid"] = np.full(6, np.nan)
    assert wrong(Table.from_arrays(**content)) == ["valid: 0 of 6 architectures measured"]
    path = tmp_path / "a.npz"
    save_table(path, **content)
    with np.load(path) as arrays:
        whole = dict(arrays)
    whole["test"] = np.array([np.inf] * 6, dtype=np.float32)
    np.savez_compressed(path, **whole)
    assert any("test[0] is inf" in what for what in wrong(load_table(path)))


def few_cells(space: str = "nb201", **metrics: float) -> Table:
    return Table.from_arrays(
        space=space, gene_names=["g"], options=[["a", "b"]], genes=[[0], [1]],
        metrics={name: [value, np.nan] for name, value in metrics.items()},
        goals=dict.fromkeys(metrics, "max"), source="", units="",
    )  # fmt: skip


def test_nb201_that_is_not_all_of_it_or_not_it() -> None:
    assert wrong(few_cells(cifar10_test_200=94.37)) == ["2 architectures, expected 15625"]
    assert wrong(few_cells(cifar10_test_200=94.40, cifar100_test_200=73.515))[1:] == [
        "best cifar10_test_200 94.40, published 94.37"
    ]


def test_a_new_space_brings_its_own_answers(content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    class Planted(Categorical):
        @classmethod
        def known_answers(cls, table: BenchmarkTable) -> Iterator[Finding]:
            yield row_count(table, 7)

    monkeypatch.setattr(sys.modules[__name__], "Planted", Planted, raising=False)
    own = {"planted": registry.Entry(f"{__name__}:Planted", "a space")}
    monkeypatch.setattr(registry, "SPACES", registry.Registry("space", "archloom.spaces", own))
    assert wrong(Table.from_arrays(**content | {"space": "planted"})) == ["6 architectures, expected 7"]


def test_a_space_that_needs_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    for module in [name for name in sys.modules if name.startswith(("archloom.spaces.nb101", "archloom.utils.jit"))]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(MissingExtraError, match=r"NAS-Bench-101 cells: .* needs the package numba"):
        verify(few_cells(space="nb101", valid=1.0))


def test_the_package_is_whole() -> None:
    packages = pytest.importorskip("archloom.data.convert.packages")
    if packages.package_version("nas-bench-graph") is None:
        pytest.skip("the package nas-bench-graph is not installed")
    assert wrong(packages.nbgraph("citeseer")) == []
