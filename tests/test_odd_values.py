"""What one door accepts, the others accept too: names of metrics, numbers of numpy's, paths from the home folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archloom
from archloom.constraints import Constraint
from archloom.problems import ProblemSpec
from archloom.runs.budgets import Limits
from archloom.types import Resource

NAMES = [
    "val/acc", "acc@5", "params (M)", "µ_s", "a b", "a=b", "a<b", "a<=b", "x>=y>=z", "a,b", "it's", 'say "x"', "$x$",
    "[a]", "{0}", "%s", "é", "精度", "-", "1", "none", "a\\b", "#",
]  # fmt: skip

FILE = """
import archloom

space = archloom.Categorical({{"width": [16, 32, 64], "depth": [1, 2, 3, 4]}})
name = {name!r}

def evaluate(choices, rng):
    return {{name: choices["width"], name + " size": choices["depth"], "test " + name: 0.5}}

problem = archloom.Problem(space, evaluate, {{name: "max", name + " size": "min"}}, report=["test " + name])
"""


STRATEGY = """
import archloom

class Mine(archloom.BaseStrategy):
    def propose(self):
        return archloom.Proposal(self.sample_valid())
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_constraint_on_any_metric_is_read_and_written(name: str) -> None:
    for text in (f"{name}<=5", f" {name}  >=  -1e3 ", f"{name}<=0.1"):
        parsed = Constraint.parse(text)
        assert parsed.metric == name
        assert Constraint.parse(str(parsed)) == parsed


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_accepted_in_python(name: str) -> None:
    def evaluate(choices: Any) -> dict[str, float]:
        return {name: choices["width"], f"{name} size": choices["depth"], f"test {name}": 0.5}

    space = archloom.Categorical({"width": [16, 32, 64], "depth": [1, 2, 3, 4]})
    problem = archloom.Problem(space, evaluate, {name: "max", f"{name} size": "min"}, report=[f"test {name}"])
    wanted = archloom.scenario(
        problem, objective=[name, f"{name} size"], constraint=f"{name}<=32", report=f"test {name}"
    )
    found = archloom.run("random", on=wanted, queries=12, target=32)
    assert found.value == 32 and found.best is not None and found.best.report[f"test {name}"] == 0.5


def test_any_name_is_accepted_on_the_command_line(cli: Any) -> None:
    name = 'val/acc@5 (µ_s) a<=b, it\'s [a] $x$ {0} %s # "x" \\b'
    (cli.home / "own.py").write_text(FILE.format(name=name), encoding="utf-8")
    named = ("--objective", name, "--objective", f"{name} size", "--report", f"test {name}")
    bound = f"{name}<=32"
    limits = ("--queries", 8, "--target", 32)
    said = cli("search", "random", "--on", "own.py", *limits, *named, "--constraint", bound, "--out", "run", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)["runs"][0]
    assert found["best"]["value"] == 32 and found["best"]["report"] == {f"test {name}": 0.5}
    assert cli("best", "run").code == 0 and cli("status", "run").code == 0
    assert cli("plot", "run", "--kind", "pareto").code == 0
    assert cli("resume", "run", "--target", "none", "--queries", 9, "--json").code == 0
    own = f"objective = {json.dumps(name)}\nconstraint = [{json.dumps(bound)}]\n"
    (cli.home / "own.toml").write_text(own)
    said = cli("compare", "random", "a=random", "--config", "own.toml", "--on", "own.py", "--queries", 5, "--seeds", 1)
    assert said.code == 0 and f"{name}<=32; one seed each" in said.out


@pytest.mark.parametrize(
    ("name", "typed"), [("\u00b5_s", "\u03bc_s"), ("\u00e9", "e\u0301"), ("acc", " acc "), ("ﬁt", "fit")]
)
def test_names_that_look_the_same_are_the_same(name: str, typed: str) -> None:
    space = archloom.Categorical({"a": [1, 2]})
    problem = archloom.Problem(space, lambda choices: {name: 1.0, "b": 2.0}, {name: "max", "b": "min"}, report=[])
    scenario = archloom.scenario(problem, objective=typed, constraint=f"{typed}>=0", report=typed)
    assert scenario.criteria.metrics == (name,) and scenario.report == (name,)
    ambiguous = archloom.Problem(space, lambda choices: {name: 1.0}, {name: "max", f"{name} ": "max"})
    with pytest.raises(archloom.errors.InputError, match="unknown objective"):
        archloom.scenario(ambiguous, objective=f" {typed}")


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_whole_numbers_of_numpys(kind: Any, tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(FILE.format(name="acc"))
    made: Any = {"queries": kind(6), "seed": kind(2), "width": kind(1), "workers": kind(1), "max_failures": kind(3)}
    found = archloom.run("evolution", on=str(path), population=kind(4), sample=kind(2), out=tmp_path / "run", **made)
    plain = archloom.run("evolution", on=str(path), population=4, sample=2, queries=6, seed=2, out=tmp_path / "plain")
    assert [line.genes for line in found.history.lines] == [line.genes for line in plain.history.lines]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["request"]["seed"] == 2
    assert Resource("epochs", kind(9), kind(3)).resolve(kind(4)) == 4
    assert Resource.at("epochs", [kind(3), kind(9)]).levels == (3, 9)


def test_real_numbers_of_numpys() -> None:
    limits = Limits(3, seconds=np.float32(2.5), target=np.float64(0.5), as_completed=np.bool_(True))  # type: ignore[arg-type]
    assert (limits.seconds, limits.target, limits.as_completed) == (2.5, 0.5, True)
    assert all(type(value) in (int, float, bool, type(None)) for value in vars(limits).values())


def test_the_home_folder(cli: Any, monkeypatch: pytest.MonkeyPatch, small_table: Path) -> None:
    home = cli.home / "home"
    (home / "sub").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / "own.py").write_text(FILE.format(name="acc"))
    (home / "own.toml").write_text('on = "~/own.py"\nout = "~/runs/a"\nqueries = 3\n')
    (home / "table.npz").write_bytes(small_table.read_bytes())
    assert cli("search", "random", "--config", "~/own.toml").code == 0
    assert (home / "runs" / "a" / "run.json").is_file()
    assert cli("plot", "~/runs/a", "--output=~/a.png").code == 0 and (home / "a.png").is_file()
    assert cli("search", "random", "--table=~/table.npz", "--queries", 3, "--out=~/b").code == 0
    assert cli("best", "~/b").code == 0 and cli("resume", "~/b", "--queries", 4).code == 0
    assert ProblemSpec("images:~/x").on == f"images:{home}/x"
    assert ProblemSpec("~/x.py:y").source.file == home / "x.py"
    assert ProblemSpec("nb201").on == "nb201" and ProblemSpec("~nobody-here/x.py").on == "~nobody-here/x.py"
    (home / "mine.py").write_text(STRATEGY)
    assert cli("search", "~/mine.py:Mine", "--on", "~/own.py", "--queries", 3, "--out", "c").code == 0
    assert not (cli.home / "~").exists()
