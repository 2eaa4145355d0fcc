from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.problems import (
    DataIdentity,
    ProblemSpec,
    open_scenario,
)
from archloom.runs.budgets import Limits
from archloom.runs.folders import run_folder
from archloom.runs.prepare import Request
from archloom.runs.report import read_report
from archloom.types import Proposal

Refuses = Callable[[ProblemSpec], str]

SURROGATE_METRICS = {
    "valid_surrogate": "max",
    "runtime_s_surrogate": "min",
    "params_m": "min",
    "flops_m": "min",
}


def test_a_surrogate_is_found_like_a_table(nb301_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHLOOM_DATA", str(nb301_file.parent))
    scenario = open_scenario(ProblemSpec("nb301"))
    assert scenario.objectives == ("valid_surrogate",)
    assert scenario.report == ()
    assert scenario.problem.goals == SURROGATE_METRICS
    assert not scenario.problem.isolate
    data = scenario.problem.data
    assert data is not None
    assert (data.name, data.path) == ("nb301_surrogate.npz", nb301_file)
    assert data.source.startswith("predictions, not measurements")
    arch = scenario.space.sample(np.random.default_rng(0))
    assert evaluate(scenario.evaluator, Proposal(arch), 0, 0).ok


def test_a_surrogate_has_objectives_constraints_and_a_report(nb301_file: Path) -> None:
    scenario = open_scenario(
        ProblemSpec(
            "nb301", table=str(nb301_file), objectives=("valid_surrogate", "params_m"), constraints=("flops_m<=150",),
            report=("runtime_s_surrogate",),
        )
    )  # fmt: skip
    assert scenario.criteria.to_json()["objectives"] == {"valid_surrogate": "max", "params_m": "min"}
    result = evaluate(scenario.evaluator, Proposal(scenario.space.sample(np.random.default_rng(0))), 0, 0)
    assert list(result.scores) == ["valid_surrogate", "params_m", "flops_m"]
    assert list(result.report) == ["runtime_s_surrogate"]


def test_the_epoch_of_a_surrogate_can_be_chosen(nb301_file: Path, nb301_ensemble: Path) -> None:
    pytest.importorskip("numba", reason="DARTS cells need the extra bench")
    from archloom.evaluators.surrogates.evaluator import load_nb301
    from archloom.spaces.darts import Darts

    arch = Darts().sample(np.random.default_rng(0))
    model = load_nb301(nb301_file)
    for task, epoch in (({}, 98), ({"epoch": "50"}, 50), ({"epoch": 1}, 1)):
        scenario = open_scenario(ProblemSpec("nb301", table=str(nb301_file), task=task))
        score = evaluate(scenario.evaluator, Proposal(arch), 0, 0).scores["valid_surrogate"]
        assert score == pytest.approx(model.predict(np.array(arch.genes).reshape(2, 8, 2), epoch)[0], abs=1e-5)
    for task, message in (
        ({"epoch": "99"}, r"epoch 99: expected 1\.\.98"),
        ({"epoch": "0"}, r"epoch 0: expected 1\.\.98"),
        ({"epoch": "late"}, "task option epoch=late: expected a whole number"),
        ({"epochs": "50"}, "unknown task option 'epochs'; did you mean 'epoch'"),
    ):
        with pytest.raises(InputError, match=message):
            open_scenario(ProblemSpec("nb301", table=str(nb301_file), task=task))
    with pytest.raises(InputError, match="epoch 50: expected 98, the end of training, alone"):
        open_scenario(ProblemSpec("nb301", table=str(nb301_ensemble), task={"epoch": "50"}))


def test_an_official_ensemble_is_a_folder(nb301_ensemble: Path) -> None:
    problem = open_scenario(ProblemSpec("nb301", table=str(nb301_ensemble))).problem
    assert list(problem.goals) == ["valid_surrogate", "params_m", "flops_m"]
    assert problem.data is not None
    assert (problem.data.name, problem.data.path) == ("xgb_v1.0", nb301_ensemble)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"space": {"canonical": "1"}},
            "unknown space option 'canonical'; did you mean 'channels'? (known: auxiliary, cells, channels, classes, ",
        ),
        ({"objectives": ("valid_surogate",)}, "unknown objective 'valid_surogate'; did you mean 'valid_surrogate'?"),
        (
            {"report": ("test",)},
            "unknown metric to report 'test' (known: flops_m, params_m, runtime_s_surrogate, valid",
        ),
    ],
)
def test_what_does_not_fit_a_surrogate_is_told(
    nb301_file: Path, asked: Mapping[str, Any], message: str, refuses: Refuses
) -> None:
    assert message in refuses(ProblemSpec("nb301", table=str(nb301_file), **asked))


def test_a_table_is_no_surrogate_and_a_surrogate_no_table(
    small_table: Path, nb301_file: Path, refuses: Refuses
) -> None:
    assert f"{small_table}: emb0 is missing" in refuses(ProblemSpec("nb301", table=str(small_table)))
    assert f"{nb301_file}: no array 'genes'" in refuses(ProblemSpec("darts", table=str(nb301_file)))
    assert f"{nb301_file}: no array 'genes'" in refuses(ProblemSpec("nb201", table=str(nb301_file)))


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_run_stays_on_the_surrogate_that_it_was_begun_with(
    kind: str, nb301_file: Path, nb301_ensemble: Path, nb301_weights: Mapping[str, Any], tmp_path: Path
) -> None:
    place, moved = tmp_path / "surrogate", tmp_path / "moved"
    if kind == "file":
        shutil.copy(nb301_file, place)
    else:
        shutil.copytree(nb301_ensemble, place)
    problem = ProblemSpec("nb301", table=str(place), constraints=("params_m<=2",))
    whole = run_folder(tmp_path / "whole", Request("evolution", problem, limits=Limits(queries=120)))
    cut = shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for later in ("summary.json", "state.npz"):
        (cut / later).unlink()
    lines = (cut / "trials.jsonl").read_bytes().splitlines(keepends=True)
    (cut / "trials.jsonl").write_bytes(b"".join(lines[:70]))
    place.rename(moved)
    with pytest.raises(InputError, match="surrogate, which is not there; put it back, or give its path"):
        run_folder(cut)
    again = run_folder(cut, table=moved)
    assert (again.value, again.trials) == (whole.value, whole.trials)
    assert (cut / "trials.jsonl").read_bytes() == b"".join(lines)
    with pytest.warns(UserWarning, match="which is not there"):
        assert isinstance(read_report(cut).scenario.problem.data, DataIdentity)
    if kind == "file":
        np.savez(moved.with_suffix(".npz"), **nb301_weights, more=np.zeros(1))
        moved = moved.with_suffix(".npz")
    else:
        next(moved.rglob("surrogate_model.ubj")).unlink()
    with pytest.raises(InputError, match="put the original file back"):
        run_folder(cut, table=moved)


def test_every_strategy_runs_on_a_surrogate(strategy: Any, nb301_file: Path, searched: Any) -> None:
    searched(strategy, ProblemSpec("nb301", table=str(nb301_file)), 20)
