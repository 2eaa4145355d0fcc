"""A project that was moved or copied as a whole goes on where it is now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from archloom.runs.places import FOLDER, Move, found_again

PROBLEM = """
import archloom
from helper import worth

problem = archloom.Problem(archloom.Categorical({"a": [1, 2, 3], "b": [1, 2, 3]}), worth, goals={"s": "max"})
"""


@pytest.fixture
def project(cli: Any, small_table: Path) -> Path:
    """A folder with a problem of one's own, a table, and runs of both."""
    folder: Path = cli.home / "project"
    folder.mkdir()
    (folder / "mine.py").write_text(PROBLEM)
    (folder / "helper.py").write_text("def worth(choices):\n    return choices['a'] * choices['b']\n")
    shutil.copy(small_table, folder / "table.npz")
    own = ["--on", "project/mine.py", "--out", "project/runs/own"]
    group = ["--on", "nb201", "--table", "project/table.npz", "--seeds", 2, "--out", "project/runs/group"]
    for arguments in (own, group):
        assert (said := cli("search", "random", "--queries", 4, *arguments)).code == 0, said
    return folder


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("run", ["own", "group"])
def test_a_moved_project_goes_on_and_is_looked_at(cli: Any, project: Path, copied: bool, run: str) -> None:
    moved = cli.home / "elsewhere" / "deep"
    shutil.copytree(project, moved)
    if not copied:
        shutil.rmtree(project)
    folder = moved / "runs" / run
    for arguments in (
        ["status", folder], ["best", folder], ["plot", folder, "-o", "plot.png"], ["export", folder, "-o", "x.json"],
        ["resume", folder, "--queries", 6],
    ):  # fmt: skip
        said = cli(*arguments)
        assert said.code == 0 and "warning" not in said.err, (arguments, said)
    first = folder if run == "own" else folder / "seed-0"
    assert '"query":6,' in (first / "trials.jsonl").read_text()
    if copied:
        (moved / "helper.py").write_text("def worth(choices):\n    return 0\n")
        shutil.rmtree(moved / "runs")
        assert cli("resume", project / "runs" / "own").code == 0, "the original uses its own files"


def test_where_nothing_is_near_the_recorded_path_holds(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.npz").touch()
    (tmp_path / "moved" / "run").mkdir(parents=True)
    move = Move(tmp_path / "a" / "run", tmp_path / "moved" / "run")
    (tmp_path / "moved" / "near.npz").touch()
    at = {
        f"{tmp_path}/a/near.npz": f"{tmp_path}/moved/near.npz",
        f"{tmp_path}/a/near.npz:NAME": f"{tmp_path}/moved/near.npz:NAME",
        f"images:{tmp_path}/a/near.npz": f"images:{tmp_path}/moved/near.npz",
        f"{tmp_path}/a/near.npz,3,{tmp_path}/a/gone": f"{tmp_path}/moved/near.npz,3,{tmp_path}/a/gone",
        f"{tmp_path}/data/table.npz": f"{tmp_path}/data/table.npz",
        "near.npz": "near.npz",
        "": "",
        "/": "/",
        "/\0": "/\0",
        "/" + "x" * 5000: "/" + "x" * 5000,
    }
    assert {text: move.of_text(text) for text in at} == at


def test_a_near_file_of_other_content_is_not_taken_for_the_recorded_one(tmp_path: Path) -> None:
    """Copied runs beside another project's file of the same name."""
    import hashlib

    for name in ("a", "b"):
        (tmp_path / name / "run").mkdir(parents=True)
        (tmp_path / name / "mine.py").write_text(name)
    recorded, near = str(tmp_path / "a" / "mine.py"), str(tmp_path / "b" / "mine.py")
    content = {
        FOLDER: str(tmp_path / "a" / "run"),
        "request": {"problem": {"on": recorded}},
        "files": {recorded: hashlib.sha256(b"a").hexdigest()},
    }
    assert found_again(tmp_path / "b" / "run", content)["request"]["problem"]["on"] == recorded
    (tmp_path / "b" / "mine.py").write_text("a")
    assert found_again(tmp_path / "b" / "run", content)["request"]["problem"]["on"] == near
    (tmp_path / "a" / "mine.py").unlink()
    (tmp_path / "b" / "mine.py").write_text("changed")
    assert found_again(tmp_path / "b" / "run", content)["request"]["problem"]["on"] == near, "which is then said"


@pytest.mark.parametrize("folder", [None, 1, "", "relative", "\0", "/\0"])
def test_a_folder_that_makes_no_sense_changes_nothing(tmp_path: Path, folder: object) -> None:
    content = json.loads(json.dumps({FOLDER: folder, "request": {"on": "/x"}, "files": None, "table": []}))
    assert found_again(tmp_path, content)["request"] == content["request"]


def test_genes_and_curves_need_neither_the_problem_nor_its_table(cli: Any, project: Path) -> None:
    for file in ("mine.py", "helper.py", "table.npz"):
        (project / file).unlink()
    for run in ("own", "group"):
        said = cli("export", project / "runs" / run, "-o", f"{run}.json")
        assert (said.code, said.err) == (0, ""), said
        assert json.loads((cli.home / f"{run}.json").read_text())["genes"]


def test_what_was_moved_alone_is_named_and_checked(cli: Any, project: Path) -> None:
    runs = project / "runs"
    elsewhere = cli.home / "elsewhere"
    elsewhere.mkdir()
    (project / "mine.py").rename(elsewhere / "renamed.py")
    (project / "helper.py").rename(elsewhere / "helper.py")
    (project / "table.npz").rename(elsewhere / "t.npz")
    lost = cli("resume", runs / "own")
    assert lost.code == 2 and f"with {project}/mine.py, which is not there" in lost.err and "--on FILE" in lost.err
    cell = ["plot", runs / "group", "--kind", "cell", "-o", "cell.png"]
    assert cli(*cell).code == 2
    assert cli(*cell, "--table", elsewhere / "t.npz").code == 0
    (elsewhere / "other.py").write_text("# something else\n")
    other = cli("resume", runs / "own", "--on", elsewhere / "other.py")
    assert other.code == 2 and "is not the file that" in other.err and "--changed" in other.err
    for on in ("nothing.py", "nb201", f"{elsewhere}/renamed.py:another"):
        assert "expected the file that" in cli.refuses("resume", runs / "own", "--on", on)
    for command in (["best"], ["plot", "-o", "x.png"], ["resume", "--queries", 6]):
        said = cli(command[0], runs / "own", *command[1:], "--on", elsewhere / "renamed.py")
        assert said.code == 0, said
    assert cli("resume", runs / "own", "--queries", 7).code == 0, "it was written down"
    assert "found by its name" in cli.refuses("best", runs / "group", "--on", elsewhere / "renamed.py")


def test_a_group_whose_problem_was_moved(cli: Any, project: Path) -> None:
    assert cli("search", "random", "--on", "project/mine.py", "--seeds", 2, "--queries", 3, "--out", "g").code == 0
    shutil.rmtree(cli.home / "g" / "seed-1")
    moved = cli.home / "moved"
    moved.mkdir()
    for name in ("mine.py", "helper.py"):
        (project / name).rename(moved / name)
    assert f"{project}/mine.py, which is not there" in cli("resume", "g").err
    said = cli("resume", "g", "--on", moved / "mine.py")
    assert said.code == 0, said
    assert json.loads((cli.home / "g/seed-1/run.json").read_text())["request"]["problem"]["on"].startswith(str(moved))
