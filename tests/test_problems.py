from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom import problems
from archloom.data.benchmarks import BENCHMARKS
from archloom.data.tables import Table, load_table, save_table
from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.evaluators.fitted import _model
from archloom.evaluators.ridge import Design
from archloom.problems import (
    Problem,
    ProblemSpec,
    TableIdentity,
    TableProblem,
    TaskProblem,
    open_evaluator,
    open_scenario,
    resolve,
)
from archloom.runs import Limits, Request, check, read_report, run_folder, run_in_memory
from archloom.spaces.base import Categorical
from archloom.spaces.mnasnet import Mnasnet
from archloom.spaces.nb201 import Nb201
from archloom.spaces.table import TableSpace
from archloom.testing import PlantedEvaluator, PlantedSpace
from archloom.types import Arch, Goal, Proposal, Result

SPACE = Categorical({"kernel": [3, 5, 7], "width": [16, 32]})
ARCH = Arch((2, 1))


def metrics(choices: Mapping[str, Any]) -> dict[str, float]:
    return {"acc": choices["kernel"], "size": choices["width"], "test": 1.0}


def user_problem() -> Problem:
    return Problem(SPACE, metrics, {"acc": "max", "size": "min"}, report=("test",))


def spec(on: Path | str, **more: Any) -> ProblemSpec:
    return ProblemSpec(str(on), **more)


def refuses(asked: ProblemSpec) -> str:
    """The one line with which a spec is refused."""
    with pytest.raises(InputError) as caught:
        open_scenario(asked)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A problem of a user's own, also behind a factory, also wrong."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from archloom import Categorical, Problem\n"
        "def metrics(c): return {'acc': c['kernel'], 'size': c['kernel'] * 2, 'test': 1.0}\n"
        "def make():\n"
        "    return Problem(Categorical({'kernel': [3, 5]}), metrics, {'acc': 'max', 'size': 'min'}, ['test'])\n"
        "problem = make()\n"
        "number = 5\n"
        "def broken(): raise RuntimeError('first\\nsecond')\n"
    )
    return path


# -- problems of a user's own -------------------------------------------------------------------------------------


def test_the_first_goal_is_optimised_and_everything_else_reported() -> None:
    problem = user_problem()
    assert problem.default_objectives() == ("acc",)
    assert problem.default_report(("acc",)) == ("test",)
    assert list(problem.reportable()) == ["acc", "size", "test"]
    assert problem.rank("acc", 7.0) is None
    result = evaluate(problem.evaluator(("acc",), ()), Proposal(ARCH), 0, 0)
    assert result.scores == {"acc": 7.0}
    assert result.report == {"test": 1.0, "size": 32.0}


def test_a_complete_evaluator_is_taken_as_it_is() -> None:
    evaluator = PlantedEvaluator()
    problem = Problem(PlantedSpace(), evaluator, {"worth": "max"})
    assert problem.evaluator(("worth",), ()) is evaluator


@pytest.mark.parametrize(
    ("space", "evaluate", "goals", "message"),
    [
        (PlantedSpace, PlantedEvaluator(), {"worth": "max"}, "expected a search space, e.g. archloom.Categorical("),
        ("nb201", PlantedEvaluator(), {"worth": "max"}, "space 'nb201': expected a search space"),
        (SPACE, metrics, {}, "goals {}: expected a metric with 'max' or 'min'"),
        (SPACE, metrics, {"acc": "up"}, "expected a metric with 'max' or 'min', e.g. {'accuracy': 'max'}"),
        (PlantedSpace(), PlantedEvaluator(), {}, "goals {}: expected a metric with 'max' or 'min'"),
        (PlantedSpace(), PlantedEvaluator(), {"wroth": "max"}, "unknown goal 'wroth'; did you mean 'worth'"),
        (PlantedSpace(), PlantedEvaluator(), {"worth": "min"}, "goal 'worth' is 'min', but its evaluator says 'max'"),
    ],
)
def test_a_wrong_problem_is_told_where_it_is_made(space: Any, evaluate: Any, goals: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Problem(space, evaluate, goals)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_users_file_is_opened(file: Path) -> None:
    for on in (str(file), f"{file}:problem", f"{file}:make"):
        scenario = open_scenario(spec(on, constraints=("size<=6",)))
        assert scenario.objectives == ("acc",)
        assert scenario.report == ("test",)
        assert scenario.criteria.metrics == ("acc", "size")
        result = evaluate(scenario.evaluator, Proposal(Arch((0,))), 0, 0)
        assert result == Result({"acc": 3.0, "size": 6.0}, {"test": 1.0}, result.cost_s)
        assert evaluate(open_evaluator(scenario.spec), Proposal(Arch((0,))), 0, 0).scores == result.scores


def test_a_users_file_may_be_anywhere(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_scenario(spec("mine.py")).objectives == ("acc",)
    assert resolve(spec("mine.py:make")).on == f"{file}:make"
    assert resolve(spec("nb201", table="t.npz")) == spec("nb201", table=str(tmp_path / "t.npz"))


def test_what_a_users_file_prints_is_not_output(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("print('hello')\n" + file.read_text())
    open_scenario(spec(file))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ("nowhere.py", "--on nowhere.py: there is no file nowhere.py"),
        ("mine.py:nothing", "mine.py defines no 'nothing': add  nothing = archloom.Problem(space, evaluate, goals)"),
        ("mine.py:number", "number in mine.py is a int: expected an archloom.Problem"),
        ("mine.py:broken", "mine.py cannot be loaded: RuntimeError: first second"),
    ],
)
def test_a_wrong_name_is_told(file: Path, monkeypatch: pytest.MonkeyPatch, on: str, message: str) -> None:
    monkeypatch.chdir(file.parent)
    assert refuses(spec(on)) == message


@pytest.mark.parametrize(
    "text", ["x = = 1", "import no_such_thing", "raise ValueError('a\\nb')", "raise SystemExit(0)"]
)
def test_a_file_that_fails_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    assert refuses(spec(path)).startswith(f"{path} cannot be loaded: ")


def test_a_users_problem_takes_no_table_and_no_space_options(file: Path) -> None:
    assert "takes no table" in refuses(spec(file, table="t.npz"))
    assert "space option canonical: set it in" in refuses(spec(file, space={"canonical": "true"}))


# -- objectives, constraints, report ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"objectives": ("ac",)}, "unknown objective 'ac'; did you mean 'acc'? (known: acc, size)"),
        ({"objectives": ("test",)}, "unknown objective 'test' (known: acc, size)"),
        ({"objectives": ("acc", "acc")}, "objectives acc, acc: each metric may be named once"),
        ({"constraints": ("test<=3",)}, "unknown metric in a constraint 'test' (known: acc, size)"),
        ({"constraints": ("size=3",)}, "constraint 'size=3': expected METRIC<=NUMBER or METRIC>=NUMBER"),
        ({"report": ("tset",)}, "unknown metric to report 'tset'; did you mean 'test'? (known: acc, size, test)"),
    ],
)
def test_metrics_that_are_not_there_are_told(file: Path, asked: Mapping[str, Any], message: str) -> None:
    assert refuses(spec(file, **asked)).startswith(message)


def test_several_objectives_keep_their_order_and_directions(file: Path) -> None:
    scenario = open_scenario(spec(file, objectives=("size", "acc"), report=("acc",)))
    assert scenario.criteria.to_json()["objectives"] == {"size": "min", "acc": "max"}
    assert scenario.report == ("acc",)


# -- tables -------------------------------------------------------------------------------------------------------


def test_any_table_is_plain_choices(small_table: Path) -> None:
    scenario = open_scenario(spec("table", table=str(small_table)))
    assert isinstance(scenario.space, TableSpace)
    assert scenario.objectives == ("valid",)
    assert scenario.report == ("test",)
    assert evaluate(scenario.evaluator, Proposal(Arch((2,) * 6)), 0, 0) == Result({"valid": 71.0}, {"test": 70.0})


def test_a_benchmark_has_its_own_space_and_options(small_table: Path) -> None:
    plain = open_scenario(spec("nb201", table=str(small_table))).space
    merged = open_scenario(spec("nb201", table=str(small_table), space={"canonical": "true"})).space
    assert isinstance(plain, Nb201)
    assert isinstance(merged, Nb201)
    assert merged.size < plain.size == 729


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"on": "nb210"}, "unknown benchmark 'nb210'; did you mean 'nb201'"),
        ({"on": "image:digits"}, "(known: a file of yours, NAME.py, fitted:TABLE, gan:DATA, images:DATA, mnasnet"),
        ({"on": "nb201", "space": {"canonicl": "1"}}, "unknown space option 'canonicl'; did you mean 'canonical'"),
        ({"on": "nb201", "space": {"canonical": "2"}}, "space option canonical=2: expected true or false"),
        ({"on": "table", "space": {"canonical": "1"}}, "unknown space option 'canonical' (known: there are none)"),
        (
            {"on": "nbgraph:cora"},
            "--on nbgraph:cora needs one of 'nbgraph'; use --on table",
        ),
        ({"on": "table", "objectives": ("vlaid",)}, "unknown objective 'vlaid'; did you mean 'valid'"),
        (
            {"on": "table", "constraints": ("params<=-1",)},
            "no architecture in small.npz meets it (it runs from 0 to",
        ),
        (
            {"on": "table", "constraints": ("params<=0", "valid>=60")},
            "valid>=60: no architecture in small.npz meets it together with the others (it runs from 50 to 71)",
        ),
    ],
)
def test_what_does_not_fit_a_table_is_told(small_table: Path, asked: Mapping[str, Any], message: str) -> None:
    assert message in refuses(ProblemSpec(**{"table": str(small_table), **asked}))


def test_a_table_must_be_named() -> None:
    assert refuses(spec("table")) == "--on table needs --table FILE, a table in archloom's format"


def test_constraints_are_met_by_some_measured_architecture(small_table: Path) -> None:
    """`holes` is measured only where the first edge is not `none`: there, at least 50.1."""
    open_scenario(spec("table", table=str(small_table), objectives=("valid",), constraints=("valid<=50",)))
    asked = spec("table", table=str(small_table), objectives=("holes",), constraints=("valid<=50",))
    assert "no architecture in small.npz meets it (it runs from 50.1 to 71)" in refuses(asked)


def test_a_metric_that_nobody_measured_is_no_objective(tmp_path: Path) -> None:
    goals: dict[str, Goal] = {"valid": "max", "params": "min"}
    path = save_table(
        tmp_path / "t.npz", space="table", gene_names=["a"], options=[["x", "y"]], genes=np.array([[0], [1]]),
        metrics={"valid": [np.nan, np.nan], "params": [1.0, np.nan]}, goals=goals, source="", units="",
    )  # fmt: skip
    assert refuses(spec("table", table=str(path))) == "objective valid: no architecture in t.npz has it measured"
    assert open_scenario(spec("table", table=str(path), objectives=("params",))).objectives == ("params",)


def test_defaults_of_tables() -> None:
    def problem(*names: str) -> TableProblem:
        table = Table.from_arrays(
            space="table", gene_names=["a"], options=[["x", "y"]], genes=[[0], [1]],
            metrics={name: [1.0, 2.0] for name in names}, goals=dict.fromkeys(names, "max"), source="", units="",
        )  # fmt: skip
        return TableProblem(table, Categorical({"a": ("x", "y")}))

    twins = problem("size", "c10_valid_200", "c10_test_200", "c100_valid_200")
    assert twins.default_objectives() == ("c10_valid_200",)
    assert twins.default_report(("c10_valid_200",)) == ("c10_test_200",)
    assert twins.default_report(("c100_valid_200", "size", "c10_valid_200")) == ("c10_test_200",)
    assert problem("acc", "test").default_objectives() == ("acc",)
    assert problem("acc", "test").default_report(("acc",)) == ()


def test_ranks_share_places() -> None:
    table = Table.from_arrays(
        space="table", gene_names=["a"], options=[list("vwxyz")], genes=[[i] for i in range(5)],
        metrics={"acc": [91.6, 95.1, 91.6, np.nan, 80.0], "size": [3, 1, 2, 2, np.nan]},
        goals={"acc": "max", "size": "min"}, source="", units="",
    )  # fmt: skip
    problem = TableProblem(table, Categorical({"a": "vwxyz"}))
    assert [problem.rank("acc", gain) for gain in (95.1, 91.6, 80.0, 99.0)] == [1, 2, 4, 1]
    assert [problem.rank("size", -value) for value in (1.0, 2.0, 3.0)] == [1, 2, 4]


def test_nb201_is_found(nb201_table: Table) -> None:
    scenario = open_scenario(spec("nb201"))
    assert scenario.objectives == ("cifar10_valid_200",)
    assert scenario.report == ("cifar10_test_200",)
    assert isinstance(scenario.space, Nb201)
    assert scenario.problem.table is not None
    assert scenario.problem.table.sha256 == nb201_table.sha256


# -- surrogates ---------------------------------------------------------------------------------------------------

SURROGATE_METRICS = {
    "valid_surrogate": "max",
    "runtime_s_surrogate": "min",
    "params_m": "min",
    "flops_m": "min",
}


def test_a_surrogate_is_found_like_a_table(nb301_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHLOOM_DATA", str(nb301_file.parent))
    scenario = open_scenario(spec("nb301"))
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
        spec(
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
    from archloom.evaluators.surrogate import load_nb301
    from archloom.spaces.darts import Darts

    arch = Darts().sample(np.random.default_rng(0))
    model = load_nb301(nb301_file)
    for task, epoch in (({}, 98), ({"epoch": "50"}, 50), ({"epoch": 1}, 1)):
        scenario = open_scenario(spec("nb301", table=str(nb301_file), task=task))
        score = evaluate(scenario.evaluator, Proposal(arch), 0, 0).scores["valid_surrogate"]
        assert score == pytest.approx(model.predict(np.array(arch.genes).reshape(2, 8, 2), epoch)[0], abs=1e-5)
    for task, message in (
        ({"epoch": "99"}, r"epoch 99: expected 1\.\.98"),
        ({"epoch": "0"}, r"epoch 0: expected 1\.\.98"),
        ({"epoch": "late"}, "task option epoch=late: expected a whole number"),
        ({"epochs": "50"}, "unknown task option 'epochs'; did you mean 'epoch'"),
    ):
        with pytest.raises(InputError, match=message):
            open_scenario(spec("nb301", table=str(nb301_file), task=task))
    with pytest.raises(InputError, match="epoch 50: expected 98, the end of training, alone"):
        open_scenario(spec("nb301", table=str(nb301_ensemble), task={"epoch": "50"}))


def test_a_table_has_no_options_of_a_task(small_table: Path) -> None:
    for on in ("table", "nb201"):
        with pytest.raises(InputError, match=r"--set task\.epoch: only where networks are trained"):
            open_scenario(spec(on, table=str(small_table), task={"epoch": "50"}))


def test_every_benchmark_is_of_a_kind_that_can_be_opened() -> None:
    assert {benchmark.kind for benchmark in BENCHMARKS.values()} == set(problems._OPENERS)


def test_an_official_ensemble_is_a_folder(nb301_ensemble: Path) -> None:
    problem = open_scenario(spec("nb301", table=str(nb301_ensemble))).problem
    assert list(problem.goals) == ["valid_surrogate", "params_m", "flops_m"]
    assert problem.data is not None
    assert (problem.data.name, problem.data.path) == ("xgb_v1.0", nb301_ensemble)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"space": {"canonical": "1"}}, "unknown space option 'canonical' (known: there are none)"),
        ({"objectives": ("valid_surogate",)}, "unknown objective 'valid_surogate'; did you mean 'valid_surrogate'?"),
        (
            {"report": ("test",)},
            "unknown metric to report 'test' (known: flops_m, params_m, runtime_s_surrogate, valid",
        ),
    ],
)
def test_what_does_not_fit_a_surrogate_is_told(nb301_file: Path, asked: Mapping[str, Any], message: str) -> None:
    assert message in refuses(spec("nb301", table=str(nb301_file), **asked))


def test_a_table_is_no_surrogate_and_a_surrogate_no_table(small_table: Path, nb301_file: Path) -> None:
    assert f"{small_table}: emb0 is missing" in refuses(spec("nb301", table=str(small_table)))
    assert f"{nb301_file}: no array 'genes'" in refuses(spec("darts", table=str(nb301_file)))
    assert f"{nb301_file}: no array 'genes'" in refuses(spec("nb201", table=str(nb301_file)))


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_run_stays_on_the_surrogate_that_it_was_begun_with(
    kind: str, nb301_file: Path, nb301_ensemble: Path, nb301_weights: Mapping[str, Any], tmp_path: Path
) -> None:
    place, moved = tmp_path / "surrogate", tmp_path / "moved"
    if kind == "file":
        shutil.copy(nb301_file, place)
    else:
        shutil.copytree(nb301_ensemble, place)
    problem = spec("nb301", table=str(place), constraints=("params_m<=2",))
    whole = run_folder(tmp_path / "whole", Request("evolution", problem, limits=Limits(queries=120)))
    cut = shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for later in ("summary.json", "state.npz"):
        (cut / later).unlink()
    lines = (cut / "trials.jsonl").read_bytes().splitlines(keepends=True)
    (cut / "trials.jsonl").write_bytes(b"".join(lines[:70]))
    place.rename(moved)
    with pytest.raises(InputError, match="surrogate, which is not there; put it back, or say where it is"):
        run_folder(cut)
    again = run_folder(cut, table=moved)
    assert (again.value, again.trials) == (whole.value, whole.trials)
    assert (cut / "trials.jsonl").read_bytes() == b"".join(lines)
    with pytest.warns(UserWarning, match="which is not there"):
        assert isinstance(read_report(cut).scenario.problem.data, TableIdentity)
    if kind == "file":
        np.savez(moved.with_suffix(".npz"), **nb301_weights, more=np.zeros(1))
        moved = moved.with_suffix(".npz")
    else:
        next(moved.rglob("surrogate_model.ubj")).unlink()
    with pytest.raises(InputError, match="put the original file back"):
        run_folder(cut, table=moved)


def searched(strategy: Any, problem: ProblemSpec, queries: int) -> None:
    """A strategy of the shared fixture searches where everything is predicted, or says that it needs trainings."""
    request = Request(strategy.name, problem, limits=Limits(queries), options=strategy.options)
    if strategy.trains:
        with pytest.raises(InputError, match=r"^strategy .* (needs a space with|passes weights on, and nothing is)"):
            check(request)
        return
    report = run_in_memory(request)
    assert report.history.queries == queries and not report.history.failed
    assert report.rank is None


def test_every_strategy_runs_on_a_surrogate(strategy: Any, nb301_file: Path) -> None:
    searched(strategy, spec("nb301", table=str(nb301_file)), 20)


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
    for named in (spec("fitted:table", table=str(sampled_table)), spec(f"fitted:{sampled_table}")):
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
        [valid, test] = scenario.remarks
        assert valid.startswith("valid_fitted is predicted, not measured: fitted to 13 rows; held out: Spearman 0.99")
        assert test.startswith("test_fitted is predicted") and valid.endswith("(sampled.npz)")


def test_benchmarks_and_their_options_can_be_fitted(small_table: Path) -> None:
    scenario = open_scenario(spec("fitted:nb201", table=str(small_table), space={"canonical": "true"}))
    assert isinstance(scenario.space, Nb201) and scenario.space.size < 729
    assert scenario.objectives == ("valid_fitted",)


def test_the_benchmark_of_mnasnet_has_a_space_beyond_its_table(data_dir: Path) -> None:
    scenario = open_scenario(spec("fitted:mnasnet", table=str(data_dir / "accel_imagenet.npz")))
    assert isinstance(scenario.space, Mnasnet) and scenario.space.size == 48**7
    assert scenario.objectives == ("valid_top1_fitted",)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"on": "fitted:nb21"}, "unknown benchmark 'nb21'; did you mean 'nb201'"),
        ({"on": "fitted:"}, "fitted:TABLE"),
        ({"on": "fitted:none.npz", "table": None}, "none.npz: no such file"),
        ({"on": "fitted:some.npz"}, "--on fitted:some.npz names a table already; leave one of them out"),
        ({"on": "fitted:table", "table": None}, "--on table needs --table FILE"),
        ({"on": "fitted:nb301"}, "nb301 is a surrogate, which answers for all of its space: --on nb301"),
        ({"on": "fitted:nb201"}, "--on nb201 needs one of 'nb201'"),
        ({"on": "fitted:images:digits"}, "unknown benchmark 'images:digits'"),
        ({"on": "fitted:table", "space_name": "nb201"}, "--space nb201: only where networks are trained"),
        ({"on": "fitted:table", "task": {"epoch": "3"}}, "--set task.epoch: only where networks are trained"),
        ({"on": "fitted:table", "space": {"canonical": "1"}}, "unknown space option 'canonical'"),
        ({"on": "fitted:table", "objectives": ("valid",)}, "unknown objective 'valid'; did you mean 'valid_fitted'"),
        ({"on": "fitted:table", "report": ("ms",)}, "unknown metric to report 'ms'"),
        ({"on": "fitted:table", "objectives": ("few_fitted",)}, "sampled.npz has 4 rows with few measured; expected"),
        ({"on": "fitted:table", "report": ("few_fitted",)}, "expected at least 10 to fit a model to"),
    ],
)
def test_what_cannot_be_fitted_is_told(
    sampled_table: Path, asked: Mapping[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sampled_table.parent)
    assert message in refuses(ProblemSpec(**{"table": str(sampled_table), **asked}))


def test_a_run_stays_on_the_table_that_it_was_fitted_to(sampled_table: Path, tmp_path: Path) -> None:
    problem = spec(f"fitted:{sampled_table}", constraints=("ms_fitted<=0.08",))
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
    with pytest.raises(InputError, match=r"sampled\.npz, which is not there; put it back, or say where it is"):
        run_folder(cut)
    run_folder(cut, table=moved)
    assert (cut / "trials.jsonl").read_bytes() == b"".join(lines)
    report = read_report(cut, table=moved)
    assert report.scenario.problem.data == TableIdentity(
        "moved.npz", load_table(moved).sha256, "a model fitted to its 13 rows: made for a test", moved
    )
    with pytest.warns(UserWarning, match="which is not there"):
        assert read_report(cut).scenario.objectives == ("valid_fitted",)
    np.savez(moved, **{**np.load(moved), "valid": np.arange(13.0)})
    with pytest.raises(InputError, match="put the original file back"):
        run_folder(cut, table=moved)


def test_looking_at_a_run_fits_nothing(sampled_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = spec(f"fitted:{sampled_table}", objectives=("test_fitted",))
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
    problem = spec(f"fitted:{sampled_table}", objectives=("valid_fitted", "ms_fitted"))
    request = Request("random", problem, limits=Limits(queries=6, width=2))
    here = run_in_memory(request)
    there = run_folder(tmp_path / "run", request, workers, isolate=True)
    assert [line.scores for line in here.history.lines] == [line.scores for line in there.history.lines]


def test_every_strategy_runs_on_a_fitted_model(strategy: Any, sampled_table: Path) -> None:
    searched(strategy, spec(f"fitted:{sampled_table}"), 20)


def test_user_modules_do_not_shadow_others(file: Path) -> None:
    before = set(sys.modules)
    open_scenario(spec(file))
    assert all(name.startswith("archloom") for name in set(sys.modules) - before)


def test_a_metric_that_is_not_there_sends_to_the_official_table_from_a_substitute_only(
    data_dir: Path, tmp_path: Path
) -> None:
    pytest.importorskip("numba", reason="NAS-Bench-101 cells need the extra bench")
    substitute = data_dir / "nb101_surrogate.npz"
    with pytest.raises(InputError, match="is not the official table: archloom data fetch nb101 gets that"):
        open_scenario(spec("nb101", table=str(substitute), objectives=("valid_4_best_of_3",)))
    own = tmp_path / "only108.npz"
    own.symlink_to(substitute)
    with pytest.raises(InputError, match="unknown objective 'valid_4_best_of_3'") as error:
        open_scenario(spec("nb101", table=str(own), objectives=("valid_4_best_of_3",)))
    assert "official" not in str(error.value)


def test_ranks_are_among_those_that_are_measured_and_answer() -> None:
    table = Table.from_arrays(
        space="table",
        gene_names=("a",),
        options=(("x", "y", "z"),),
        genes=np.array([[0], [1], [2]], dtype=np.uint8),
        metrics={"all": np.array([1, 2, 3], np.float32), "some": np.array([1, np.nan, 3], np.float32)},
        goals={"all": "max", "some": "max"},
        source="made up",
        units="none",
    )
    problem = TableProblem(table, TableSpace({"a": ("x", "y", "z")}, table.genes))
    assert (problem.ranked("all"), problem.ranked("some")) == (3, 2)
    assert (problem.rank("some", 1.0), problem.rank("all", 1.0)) == (2, 3)
    assert Problem(SPACE, metrics, {"acc": "max"}).ranked("acc") is None


# -- networks that are trained ------------------------------------------------------------------------------------


@pytest.fixture
def trained() -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    pytest.importorskip("sklearn", reason="the images, in the extra images")


def test_images_are_opened_on_the_tasks_own_space_or_another(trained: None) -> None:
    scenario = open_scenario(ProblemSpec("images:digits", space={"width": "4"}, task={"batches": "2", "epochs": "1"}))
    problem = scenario.problem
    assert isinstance(problem, TaskProblem)
    assert (problem.trains, problem.isolate) == (True, False)
    assert problem.space.name == "convnet"
    assert problem.trained_on is not None
    assert problem.trained_on.name == "digits"
    assert scenario.objectives == ("valid_accuracy",)
    assert scenario.report == ("test_accuracy",)
    named = open_scenario(ProblemSpec("images:digits", space_name="convnet"))
    assert named.space.name == "convnet"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ProblemSpec("images:digitz"), "unknown images 'digitz'; did you mean 'digits'"),
        (ProblemSpec("images:digits", space_name="nb201"), "--space nb201: takes no channels"),
        (ProblemSpec("images:digits", space={"classes": "3"}), "option classes: images:digits says that it is 10"),
        (ProblemSpec("images:digits", task={"bach": "3"}), "unknown task option 'bach'; did you mean 'batch'"),
        (ProblemSpec("images:digits", task={"batch": "x"}), "task option batch=x: expected a whole number"),
        (ProblemSpec("images:digits", table="x.npz"), "trains its networks and takes no table"),
        (ProblemSpec("nb201", space_name="convnet"), "--space convnet: only where networks are trained"),
        (ProblemSpec("nb201", task={"epochs": "3"}), "--set task.epochs: only where networks are trained"),
    ],
)
def test_what_does_not_fit_a_task_is_refused(trained: None, spec: ProblemSpec, said: str) -> None:
    with pytest.raises(InputError) as caught:
        open_scenario(spec)
    assert said in str(caught.value)


def test_a_folder_of_images_is_found_from_anywhere(
    trained: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "digits"):
        (tmp_path / name).mkdir()
    assert resolve(ProblemSpec("images:mine")).on == f"images:{tmp_path / 'mine'}"
    assert resolve(ProblemSpec("images:digits")).on == "images:digits", "the set of that name, whatever lies about"


def test_a_problem_of_ones_own_takes_no_options_of_a_task_or_another_space(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("raise RuntimeError('it must not even be opened')")
    for wrong, said in (
        ({"task": {"lr": "3"}}, "task option lr: set it in"),
        ({"space": {"width": "3"}}, "space option width: set it in"),
        ({"space_name": "nb201"}, "--space nb201: .* has a space of its own"),
    ):
        with pytest.raises(InputError, match=said):
            open_scenario(ProblemSpec(str(path), **wrong))
