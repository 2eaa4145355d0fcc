from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="proxies need the extra train")

from archloom.data.tables import Table, load_table
from archloom.errors import InputError, StoreError
from archloom.evaluators.base import evaluate
from archloom.evaluators.proxies.evaluator import ProxyEvaluator
from archloom.problems import ProblemSpec, open_scenario
from archloom.problems.proxy import ProxyProblem
from archloom.problems.proxy_table import ProxyTable, listed_rows
from archloom.spaces.nb201 import GENES, Nb201
from archloom.types import Arch, Proposal, Result

TINY = {"channels": "2", "cells": "1", "image_size": "6"}


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A table of 32 cells of NAS-Bench-201 in a random order."""
    genes = np.random.default_rng(0).permutation(np.indices((2,) * 5).reshape(5, -1).T)
    return Table.from_arrays(
        space="nb201",
        gene_names=GENES,
        options=[["skip_connect"], *[["none", "nor_conv_1x1"]] * 5],
        genes=np.insert(genes, 0, 0, axis=1),
        metrics={"valid_12": np.arange(32.0), "seconds": np.ones(32)},
        goals={"valid_12": "max", "seconds": "min"},
        source="measured here (licence X)",
        units="percent",
        seconds="seconds",
    ).save(tmp_path / "cells.npz")


def making(table: Path, target: Path, names: str = "synflow+params", **task: str) -> ProxyTable:
    return ProxyTable(ProblemSpec(f"proxy:{names}", str(table), space=TINY, task=task), target)


def test_proxies_beside_the_metrics_of_a_table(cells: Path, tmp_path: Path) -> None:
    progress: list[int] = []
    made = making(cells, tmp_path / "out.npz").run(1, progress.append)
    assert sum(progress) == 32 and made.failures == {}
    before, after = load_table(cells), load_table(tmp_path / "out.npz")
    assert after.metrics == ("valid_12", "seconds", "synflow", "params")
    assert after.ordinal == ("synflow", "params")
    assert np.array_equal(after.genes, before.genes)
    assert np.array_equal(after.metric("valid_12"), before.metric("valid_12"))
    assert after.source.startswith("measured here (licence X); zero-cost proxies synflow, params of untrained networks")
    assert "cells=1, channels=2, image_size=6" in after.source
    assert (after.units, after.seconds) == ("percent; proxies: scores that only rank", "seconds")
    assert not list(tmp_path.glob("*.part"))
    scenario = open_scenario(ProblemSpec("proxy:synflow+params", str(cells), space=TINY))
    for row in (0, 13, 31):
        result = evaluate(scenario.evaluator, Proposal(Arch(tuple(map(int, after.genes[row])))), 5, row)
        assert after.metric("synflow")[row] == np.float32(result.scores["synflow"])
        assert after.metric("params")[row] == np.float32(result.report["params"])


def test_killed_and_gone_on_it_is_the_same_table(cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    making(cells, tmp_path / "whole.npz").run(1, lambda more: None)
    progress: list[int] = []

    def killed_after_ten(more: int) -> None:
        progress.append(more)
        if len(progress) > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        making(cells, tmp_path / "out.npz").run(1, killed_after_ten)
    assert not (tmp_path / "out.npz").exists()
    assert len((tmp_path / "out.npz.part").read_bytes().splitlines()) == 1 + 10
    progress.clear()
    making(cells, tmp_path / "out.npz").run(1, progress.append)
    assert progress == [10, *[1] * 22]
    assert (tmp_path / "out.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_processes_make_the_same_table(cells: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        making(cells, tmp_path / f"{workers}.npz", "synflow").run(workers, lambda more: None)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()


def test_what_is_kept_is_of_the_same_settings(cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "out.npz.part"
    making(cells, tmp_path / "done.npz").run(1, lambda more: None)
    with (
        monkeypatch.context() as patched,
        pytest.raises(StoreError, match=r"cannot be scored: no luck; what was scored"),
    ):
        patched.setattr(ProxyEvaluator, "evaluate", lambda *_: (Result.failed("no luck"), None))
        making(cells, tmp_path / "out.npz").run(1, lambda more: None)
    assert part.exists() and not (tmp_path / "out.npz").exists()
    for names, task in (("synflow", {}), ("synflow+params", {"seed": "1"})):
        with pytest.raises(InputError, match=r"holds scores by other proxies, or with other settings"):
            making(cells, tmp_path / "out.npz", names, **task).run(1, lambda more: None)
    making(cells, tmp_path / "out.npz").run(1, lambda more: None)
    assert (tmp_path / "out.npz").read_bytes() == (tmp_path / "done.npz").read_bytes()


def test_what_has_no_score_is_not_measured_and_counted(cells: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    spec = ProblemSpec(
        "proxy:naswot+params", str(cells), space={"channels": "2", "cells": "1"}, task={"size": "8", "batch_size": "4"}
    )
    made = ProxyTable(spec, tmp_path / "out.npz").run(1, lambda more: None)
    missing = np.isnan(made.table.metric("naswot"))
    assert 0 < missing.sum() < 32
    reason = "naswot's kernel is singular: the network cannot tell the images apart"
    assert made.failures == {"naswot": {reason: missing.sum()}}
    assert np.isfinite(made.table.metric("params")).all()


def test_a_metric_that_the_table_has(cells: Path, tmp_path: Path) -> None:
    making(cells, tmp_path / "out.npz", "params").run(1, lambda more: None)
    with pytest.raises(InputError, match=r"out\.npz has a metric params already; name other proxies, or another table"):
        making(tmp_path / "out.npz", tmp_path / "more.npz", "synflow+params")
    more = making(tmp_path / "out.npz", tmp_path / "more.npz", "synflow").run(1, lambda more: None)
    assert more.table.ordinal == ("params", "synflow")


def problem(space: Any) -> ProxyProblem:
    opened = open_scenario(ProblemSpec("proxy:params", space=TINY)).problem
    assert isinstance(opened, ProxyProblem)
    opened.space = space
    return opened


def test_all_cells_of_a_space() -> None:
    assert listed_rows(problem(Nb201())).genes.shape == (15_625, 6)
    two: Sequence[str] = ("none", "nor_conv_1x1")
    rows = listed_rows(problem(Nb201(dict.fromkeys(GENES, two), canonical=True)))
    assert rows.space == "nb201" and rows.gene_names == GENES and rows.options == (two,) * 6
    assert len(rows.genes) == Nb201(dict.fromkeys(GENES, two), canonical=True).size < 64


def test_a_space_that_cannot_be_listed() -> None:
    pytest.importorskip("numba", reason="the large cell spaces, in the extra bench")
    with pytest.raises(InputError, match=r"space darts: its architectures cannot be listed, or are too many; name a"):
        ProxyTable(ProblemSpec("proxy:params", space_name="darts"), Path("out.npz"))
