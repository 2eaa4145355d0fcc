from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import archloom
from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.runs.budgets import GIVE_UP, Ending, Limits
from archloom.runs.folders import run_folder
from archloom.runs.prepare import Request

SPACE = archloom.Categorical({"width": [16, 32, 64], "depth": [1, 2, 3, 4]})


def size(choices: dict[str, int]) -> dict[str, float]:
    return {"score": choices["width"] * choices["depth"], "cost": choices["depth"], "test": 1.0}


PROBLEM = archloom.Problem(SPACE, size, goals={"score": "max", "cost": "min"}, report=["test"])
USER_FILE = """
import archloom
space = archloom.Categorical({"width": [16, 32, 64], "depth": [1, 2, 3, 4]})
problem = archloom.Problem(space, lambda choices: choices["width"] * choices["depth"], goals={"score": "max"})
"""


def test_run_on_a_problem_object() -> None:
    found = archloom.run("random", on=PROBLEM, queries=12, seed=1)
    assert found.best is not None
    assert (found.best.arch, found.value, found.rank) == ("width=64, depth=4", 256.0, None)
    assert found.best.report == {"test": 1.0, "cost": 4.0}
    assert found.curve[-1] == (12, 256.0)
    assert found.ending in (Ending.BUDGET.value, Ending.EXHAUSTED.value)


def test_the_strategy_is_graph_bo_if_none_is_named() -> None:
    found = archloom.run(on=PROBLEM, queries=6)
    assert (found.request.name, found.history.queries, found.value) == ("graph_bo", 6, 256.0)


def test_the_same_call_gives_the_same_trials() -> None:
    runs = [archloom.run("evolution", on=PROBLEM, queries=8, seed=3, population=4, sample=2) for _ in range(2)]
    assert [line.genes for line in runs[0].history.lines] == [line.genes for line in runs[1].history.lines]


def test_constraints_and_objectives_are_chosen_as_on_the_command_line() -> None:
    scenario = archloom.scenario(PROBLEM, objective="score", constraint="cost<=2")
    found = archloom.run("random", on=scenario, queries=12)
    assert found.best is not None and found.best.arch == "width=64, depth=2"
    pareto = archloom.run("random", on=archloom.scenario(PROBLEM, objective=["score", "cost"]), queries=12)
    assert [line.arch for line in pareto.history.pareto()] == [f"width=64, depth={d}" for d in (4, 3, 2, 1)]


def test_ask_and_tell() -> None:
    scenario = archloom.scenario(PROBLEM)
    strategy = archloom.strategy("local_search", scenario, seed=2)
    best = 0.0
    for number in range(40):
        for proposal in strategy.ask(1):
            result = archloom.Result({"score": SPACE.choices(proposal.arch)["width"]})  # type: ignore[dict-item]
            best = max(best, result.scores["score"])
            strategy.tell([archloom.Trial(number, proposal, result)])
    assert best == 64


def test_a_run_in_a_folder_can_be_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(USER_FILE)
    first = archloom.run("random", on=str(file), queries=6, out=tmp_path / "run")
    again = archloom.run("random", on=str(file), queries=6, out=tmp_path / "run")
    assert first.path == again.path == tmp_path / "run"
    assert first.history.lines == again.history.lines
    with pytest.raises(InputError, match="holds another run"):
        archloom.run("random", on=str(file), queries=7, out=tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "randon"}, "unknown strategy 'randon'; did you mean 'random'"),
        ({"queries": 0}, "queries=0: expected a whole number of at least 1"),
        ({"workers": 2}, "workers=2: several processes need a run folder"),
        ({"population": 3}, "unknown strategy random option 'population'"),
        ({"out": "somewhere"}, "a Problem object cannot be opened again"),
    ],
)
def test_mistakes_are_told(
    arguments: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        archloom.run(**{"strategy": "random", "on": PROBLEM, **arguments})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_everything_offered_is_there() -> None:
    for name in archloom.__all__:
        assert getattr(archloom, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        archloom.nothing  # noqa: B018


def test_earlier_runs_are_given_by_their_folders(tmp_path: Path, small_table: Path, warm: str) -> None:
    scene = archloom.scenario(table=small_table)
    for name in ("one", "two"):
        archloom.run("random", on=scene, queries=5, out=tmp_path / name)
    found = archloom.run(warm, on=scene, queries=3, warm_start=tmp_path / "one")
    assert found.history.lines[0].note == {"earlier": [[True, "valid", 5]]}
    both = [str(tmp_path / "two"), tmp_path / "one"]
    kept = archloom.run(warm, on=scene, queries=3, warm_start=both, out=tmp_path / "w")
    assert kept.history.lines[0].note == {"earlier": [[True, "valid", 5]] * 2}
    again = archloom.run(warm, on=scene, queries=3, warm_start=both, out=tmp_path / "w")
    assert again.history == kept.history
    with pytest.raises(InputError, match="w holds another run"):
        archloom.run(warm, on=scene, queries=3, out=tmp_path / "w")
    with pytest.raises(InputError, match="strategy evolution cannot be warm started"):
        archloom.run("evolution", on=scene, warm_start=tmp_path / "one")


def test_states_stay_as_it_is_said(trained: Path, tmp_path: Path) -> None:
    options = {"population": 3, "epochs": 4, "step": 2}
    archloom.run("pbt_nas", on=str(trained), out=tmp_path / "run", keep="all", disk_budget="1MB", **options)
    assert len(list((tmp_path / "run" / "weights").iterdir())) == 6
    with pytest.raises(InputError, match="keep and disk_budget are for checkpoints on disk: give the run a folder"):
        archloom.run("pbt_nas", on=str(trained), keep=3, **options)
    own = tmp_path / "own.py"
    own.write_text(USER_FILE)
    with pytest.raises(InputError, match="nothing is trained on"):
        archloom.run("random", on=str(own), out=tmp_path / "other", disk_budget=5)


def test_a_population_tells_the_task_how_long_it_trains() -> None:
    pytest.importorskip("sklearn", reason="the digits are in scikit-learn")
    pytest.importorskip("torch", reason="training needs the extra train")
    found = archloom.run("random_population", on="images:digits", population=1, epochs=1, step=1)
    assert found.request.problem.task == {"epochs": "1"}
    assert found.scenario.problem.task.epochs == 1  # type: ignore[attr-defined]


def test_what_was_recorded_before_sizes_fitted_the_data_goes_on_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the digits are in scikit-learn")
    pytest.importorskip("torch", reason="training needs the extra train")
    quick = {"task": {"steps_per_epoch": 1}, "space": {"width": 4}}
    spec = ProblemSpec("images:digits", **quick).changed(task={"steps_per_epoch": 1, "epochs": "300"})
    run_folder(tmp_path / "old", Request("random_population", spec, limits=Limits(2, 24, give_up=GIVE_UP)))
    kept = (tmp_path / "old" / "run.json").read_bytes()
    on = archloom.scenario("images:digits", **quick)
    found = archloom.run("random_population", on=on, queries=2, out=tmp_path / "old")
    assert found.trials == 2 and (tmp_path / "old" / "run.json").read_bytes() == kept
    assert {line.fidelity for line in found.history.lines} == {10}, "a chunk as it was recorded"
    assert archloom.strategy("searl", on).options.population == 12  # type: ignore[attr-defined]
    fresh = archloom.run("random_population", on=on, queries=1, out=tmp_path / "new")
    assert fresh.request.options == {"population": 12, "epochs": 800, "step": 80}


@pytest.mark.parametrize(
    "before", ["", "import archloom.testing", "import archloom.runs.folders", "archloom.scenario('nb201', table=table)"]
)
def test_what_is_offered_stays_what_it_is(before: str, small_table: Path) -> None:
    """No room of archloom may take the name of something that it offers."""
    code = f"""
import archloom
table = {str(small_table)!r}
{before}
for _ in range(2):
    archloom.run("random", on=archloom.scenario("nb201", table=table), queries=3)
import pkgutil
rooms = {{module.name for module in pkgutil.iter_modules(archloom.__path__)}}
assert not rooms & set(archloom.__all__), rooms & set(archloom.__all__)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
