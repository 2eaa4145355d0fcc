from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.problems import (
    ProblemSpec,
    absolute,
    open_evaluator,
    open_scenario,
)
from archloom.types import Arch, Proposal, Result

Refuses = Callable[[ProblemSpec], str]


def metrics(choices: Mapping[str, Any]) -> dict[str, float]:
    return {"acc": choices["kernel"], "size": choices["width"], "test": 1.0}


def test_a_users_file_is_opened(file: Path) -> None:
    for on in (str(file), f"{file}:problem", f"{file}:make"):
        scenario = open_scenario(ProblemSpec(str(on), constraints=("size<=6",)))
        assert scenario.objectives == ("acc",)
        assert scenario.report == ("test",)
        assert scenario.criteria.metrics == ("acc", "size")
        result = evaluate(scenario.evaluator, Proposal(Arch((0,))), 0, 0)
        assert result == Result({"acc": 3.0, "size": 6.0}, {"test": 1.0}, result.cost_s)
        assert evaluate(open_evaluator(scenario.spec), Proposal(Arch((0,))), 0, 0).scores == result.scores


def test_a_users_file_may_be_anywhere(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_scenario(ProblemSpec("mine.py")).objectives == ("acc",)
    assert absolute(ProblemSpec("mine.py:make")).on == f"{file}:make"
    assert absolute(ProblemSpec("nb201", table="t.npz")) == ProblemSpec("nb201", table=str(tmp_path / "t.npz"))


def test_what_a_users_file_prints_is_not_output(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("print('hello')\n" + file.read_text())
    open_scenario(ProblemSpec(str(file)))
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
def test_a_wrong_name_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, on: str, message: str, refuses: Refuses
) -> None:
    monkeypatch.chdir(file.parent)
    assert refuses(ProblemSpec(str(on))) == message


@pytest.mark.parametrize(
    "text", ["x = = 1", "import no_such_thing", "raise ValueError('a\\nb')", "raise SystemExit(0)"]
)
def test_a_file_that_fails_is_one_line(tmp_path: Path, text: str, refuses: Refuses) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    assert refuses(ProblemSpec(str(path))).startswith(f"{path} cannot be loaded: ")


def test_a_users_problem_takes_no_table_and_no_space_options(file: Path, refuses: Refuses) -> None:
    assert "takes no table" in refuses(ProblemSpec(str(file), table="t.npz"))
    assert "space option canonical: set it in" in refuses(ProblemSpec(str(file), space={"canonical": "true"}))


def test_user_modules_do_not_shadow_others(file: Path) -> None:
    before = set(sys.modules)
    open_scenario(ProblemSpec(str(file)))
    assert all(name.startswith("archloom") for name in set(sys.modules) - before)


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
