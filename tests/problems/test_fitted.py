from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.data.tables import load_table, save_table
from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.evaluators.fitted.evaluator import _model
from archloom.evaluators.fitted.ridge import Design
from archloom.problems import (
    DataIdentity,
    ProblemSpec,
    open_scenario,
)
from archloom.runs.budgets import Limits
from archloom.runs.folders import run_folder, run_in_memory
from archloom.runs.prepare import Request
from archloom.runs.report import read_report
from archloom.spaces.macro.mnasnet import Mnasnet
from archloom.spaces.nb201 import Nb201
from archloom.spaces.table import TableSpace
from archloom.types import Arch, Proposal

Refuses = Callable[[ProblemSpec], str]


def metrics(choices: Mapping[str, Any]) -> dict[str, float]:
    return {"acc": choices["kernel"], "size": choices["width"], "test": 1.0}


@pytest.fixture
def sampled_table(tmp_path: Path) -> Path:
    """Half of the 27 architectures of three choices, each worth the sum of its genes on top of 10; `test` is 1 less."""
    genes = np.array([(a, b, c) for a in range(3) for b in range(3) for c in range(3) if (a + b + c) % 2])
    worth = 10.0 + genes.sum(axis=1)
    return save_table(
        tmp_path / "sampled.npz", space="table", gene_names=["a", "b", "c"], options=[["x", "y", "z"]] * 3, genes=genes,
        metrics={"valid": worth, "test": worth - 1, "ms": 1 / worth, "few": np.where(genes[:, 0], np.nan, worth)},
        goals={"valid": "max", "test": "max", "ms": "min", "few": "max"}, source="made for a test", units="percent",
    )  # fmt: skip


def test_a_model_is_fitted_to_a_table_by_its_name_or_its_file(sampled_table: Path) -> None:
    for named in (ProblemSpec("fitted:table", table=str(sampled_table)), ProblemSpec(f"fitted:{sampled_table}")):
        scenario = open_scenario(named)
        assert isinstance(scenario.space, TableSpace) and scenario.space.size == 27
        assert (scenario.objectives, scenario.report) == (("valid_fitted",), ("test_fitted",))
        assert scenario.problem.table is None and not scenario.problem.isolate
        data = scenario.problem.data
        assert data is not None and (data.name, data.path) == ("sampled.npz", sampled_table)
        assert data.sha256 == load_table(sampled_table).sha256
        assert data.source == "a model fitted to its 13 rows: made for a test"
        absent = evaluate(scenario.evaluator, Proposal(Arch((2, 2, 2))), 0, 0)
        assert absent.scores == {"valid_fitted": pytest.approx(16)}
        assert absent.report == {"test_fitted": pytest.approx(15)}
        [valid, test] = scenario.caveats
        assert valid.startswith("valid_fitted is predicted, not measured: fitted to 13 rows; held out: Spearman ")
        told = re.search(r"Spearman ([.0-9]+)", valid)
        assert told and 0.9 < float(told[1]) <= 1, "equal rows are put in order by how sums are rounded"
        assert test.startswith("test_fitted is predicted") and valid.endswith("(sampled.npz)")


def test_benchmarks_and_their_options_can_be_fitted(small_table: Path) -> None:
    scenario = open_scenario(ProblemSpec("fitted:nb201", table=str(small_table), space={"canonical": "true"}))
    assert isinstance(scenario.space, Nb201) and scenario.space.size < 729
    assert scenario.objectives == ("valid_fitted",)


def test_the_benchmark_of_mnasnet_has_a_space_beyond_its_table(data_dir: Path) -> None:
    scenario = open_scenario(ProblemSpec("fitted:mnasnet", table=str(data_dir / "accel_imagenet.npz")))
    assert isinstance(scenario.space, Mnasnet) and scenario.space.size == 48**7
    assert scenario.objectives == ("valid_top1_fitted",)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"on": "fitted:nb21"}, "unknown benchmark 'nb21'; did you mean 'nb201'"),
        ({"on": "fitted:"}, "fitted:TABLE"),
        ({"on": "fitted:none.npz", "table": None}, "none.npz: no such file"),
        ({"on": "fitted:some.npz"}, "--on fitted:some.npz names a table already; omit one of them"),
        ({"on": "fitted:table", "table": None}, "--on table needs --table FILE"),
        ({"on": "fitted:nb301"}, "nb301 is a surrogate, which answers for all of its space: --on nb301"),
        ({"on": "fitted:nb201"}, "--on nb201 needs one of 'nb201'"),
        ({"on": "fitted:images:digits"}, "unknown benchmark 'images:digits'"),
        ({"on": "fitted:table", "space_name": "nb201"}, "--space nb201: only if networks are trained"),
        ({"on": "fitted:table", "task": {"epoch": "3"}}, "--set task.epoch: only if networks are trained"),
        ({"on": "fitted:table", "space": {"canonical": "1"}}, "unknown space option 'canonical'"),
        ({"on": "fitted:table", "objectives": ("valid",)}, "unknown objective 'valid'; did you mean 'valid_fitted'"),
        ({"on": "fitted:table", "report": ("ms",)}, "unknown metric to report 'ms'"),
        ({"on": "fitted:table", "objectives": ("few_fitted",)}, "sampled.npz has 4 rows with few measured; expected"),
        ({"on": "fitted:table", "report": ("few_fitted",)}, "expected at least 10 to fit a model to"),
    ],
)
def test_what_cannot_be_fitted_is_told(
    sampled_table: Path,
    asked: Mapping[str, Any],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    refuses: Refuses,
) -> None:
    monkeypatch.chdir(sampled_table.parent)
    assert message in refuses(ProblemSpec(**{"table": str(sampled_table), **asked}))


def test_a_run_stays_on_the_table_that_it_was_fitted_to(sampled_table: Path, tmp_path: Path) -> None:
    problem = ProblemSpec(f"fitted:{sampled_table}", constraints=("ms_fitted<=0.08",))
    whole = run_folder(tmp_path / "whole", Request("evolution", problem, limits=Limits(queries=24)))
    assert whole.value == pytest.approx(16)
    assert whole.rank is None
    assert whole.request.problem.on == "fitted:table"
    cut = shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for later in ("summary.json", "state.npz"):
        (cut / later).unlink()
    lines = (cut / "trials.jsonl").read_bytes().splitlines(keepends=True)
    (cut / "trials.jsonl").write_bytes(b"".join(lines[:9]))
    moved = sampled_table.rename(tmp_path / "moved.npz")
    with pytest.raises(InputError, match=r"sampled\.npz, which is not there; put it back, or give its path"):
        run_folder(cut)
    run_folder(cut, table=moved)
    assert (cut / "trials.jsonl").read_bytes() == b"".join(lines)
    report = read_report(cut, table=moved)
    assert report.scenario.problem.data == DataIdentity(
        "moved.npz", load_table(moved).sha256, "a model fitted to its 13 rows: made for a test", moved
    )
    with pytest.warns(UserWarning, match="which is not there"):
        assert read_report(cut).scenario.objectives == ("valid_fitted",)
    np.savez(moved, **{**np.load(moved), "valid": np.arange(13.0)})
    with pytest.raises(InputError, match="put the original file back"):
        run_folder(cut, table=moved)


def test_looking_at_a_run_fits_nothing(sampled_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = ProblemSpec(f"fitted:{sampled_table}", objectives=("test_fitted",))
    made = run_folder(tmp_path / "run", Request("random", problem, limits=Limits(queries=5)))

    def fitted(*_: Any) -> None:
        raise ValueError("a model was fitted")

    monkeypatch.setattr(Design, "fit", fitted)
    _model.cache_clear()  # as in another process
    assert read_report(tmp_path / "run").value == made.value
    assert len(run_in_memory(Request("random", problem, limits=Limits(queries=5))).history.failed) == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_fit_the_same_model(sampled_table: Path, tmp_path: Path, workers: int) -> None:
    """In processes of their own as here, to the bit."""
    problem = ProblemSpec(f"fitted:{sampled_table}", objectives=("valid_fitted", "ms_fitted"))
    request = Request("random", problem, limits=Limits(queries=6, width=2))
    here = run_in_memory(request)
    there = run_folder(tmp_path / "run", request, workers, isolate=True)
    assert [line.scores for line in here.history.lines] == [line.scores for line in there.history.lines]


def test_every_strategy_runs_on_a_fitted_model(strategy: Any, sampled_table: Path, searched: Any) -> None:
    searched(strategy, ProblemSpec(f"fitted:{sampled_table}"), 20)
