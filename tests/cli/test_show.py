"""`archloom status`, `best`, `plot` and `export`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archloom.runs.lock import FolderLock

RUN = ("search", "random", "--on", "nb201", "--queries", 20, "--json", "--table")


@pytest.fixture
def finished(cli: Any, small_table: Path) -> dict[str, Any]:
    """A run of one seed in `run` and a group of two in `group`; the object that the first printed."""
    cli(*RUN, small_table, "--seeds", 2, "--out", "group")
    found: dict[str, Any] = json.loads(cli(*RUN, small_table, "--out", "run").out)
    return found


def test_status_of_every_state(cli: Any, finished: Any, small_table: Path, listing: Callable[..., Any]) -> None:
    before = listing(cli.home)
    sha256 = hashlib.sha256(small_table.read_bytes()).hexdigest()
    data = f"data: table small.npz (sha256 {sha256[:12]}): made for a test"
    assert cli("status", "run").out == f"run  random seed 0  20/20 queries  all queries asked\n{data}\n"
    *lines, last = cli("status", "group").out.splitlines()
    assert [line.split()[0] for line in lines] == ["group/seed-0", "group/seed-1"] and last == data
    after = listing(cli.home)
    assert {k: v for k, v in after.items() if "lock" not in k} == {k: v for k, v in before.items() if "lock" not in k}
    taken = FolderLock.take(cli.home / "run")
    try:
        assert f"working (process {os.getpid()} on " in cli("status", "run").out
    finally:
        taken.release()
    (cli.home / "run" / "summary.json").unlink()
    assert "all queries asked, no summary yet: archloom resume writes it" in cli("status", "run").out
    journal = cli.home / "run" / "trials.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:7]))
    assert "7/20 queries  stopped: archloom resume continues it" in cli("status", "run").out
    (cli.home / "group" / "seed-1" / "run.json").unlink()
    said = cli("status", "group")
    assert "group/seed-0  random seed 0  20/20" in said.out and said.code == 3
    assert "seed-1  random seed 1  cannot be read: group/seed-1 has a record, trials.jsonl, and no run.json" in said.out
    assert said.err == "archloom: group: 1 of its 2 runs cannot be read, group/seed-1 the first\n"
    shutil.rmtree(cli.home / "group" / "seed-1")
    assert "0/20 queries  not started" in cli("status", "group").out
    (cli.home / "run" / "weights").mkdir()
    (cli.home / "run" / "keeping.json").write_text("no JSON")
    said = cli("status", "run")
    assert (said.code, said.out) == (2, "") and "keeping.json cannot be read" in said.err


def test_best(cli: Any, finished: dict[str, Any]) -> None:
    said = cli("best", "run", "--json")
    assert said.code == 0
    (found,) = json.loads(said.out)["runs"]
    assert found["best"] == finished["runs"][0]["best"]
    assert (found["strategy"], found["label"], found["on"], found["table"]) == (
        "random", "random", "nb201", "small.npz",
    )  # fmt: skip
    assert found["table_sha256"] == finished["table_sha256"] is not None
    (of_two,) = json.loads(cli("best", "group", "--json").out)["runs"]
    assert of_two["best"]["value"] >= found["best"]["value"]


def test_a_summary_names_its_table(cli: Any, finished: dict[str, Any]) -> None:
    summary = json.loads((cli.home / "run" / "summary.json").read_text())
    names = ("strategy", "on", "table", "table_sha256")
    assert [summary[name] for name in names] == [finished[name] for name in names]


def test_looking_needs_neither_table_nor_problem(cli: Any, small_table: Path, planted: Path) -> None:
    copy = cli.home / "copy.npz"
    copy.write_bytes(small_table.read_bytes())
    cli(*RUN, copy, "--out", "run")
    cli("search", "random", "--on", planted, "--queries", 3, "--out", "mine")
    copy.unlink()
    planted.unlink()
    said = cli("status", "run")
    assert said.code == 0 and "20/20" in said.out and "data: table copy.npz (sha256 " in said.out and said.err == ""
    said = cli("best", "run")
    assert said.code == 0 and "table copy.npz: made for a test (changed or missing now)" in said.out
    assert said.err.startswith("archloom: warning: ranks are unknown") and said.err.count("\n") == 1
    assert f"own problem {planted}" in cli("best", "mine").out
    said = cli("status", "mine")
    assert said.code == 0 and "3/3" in said.out and f"data: own problem {planted}" in said.out


def test_best_of_nothing(cli: Any, small_table: Path) -> None:
    said = cli(*RUN, small_table, "--constraint", "valid>=71", "--out", "none")
    assert said.code == 1
    said = cli("best", "none", "--json")
    assert said.code == 1 and json.loads(said.out)["runs"][0]["best"] is None
    cli.refuses("export", "none", "-o", "best.json", says=["no feasible architecture yet"])


def test_export(cli: Any, finished: dict[str, Any]) -> None:
    best = finished["runs"][0]["best"]
    assert cli("export", "run", "-o", "best.json").out == "best.json\n"
    content = json.loads((cli.home / "best.json").read_text())
    assert content["arch"] == best["arch"] and content["report"] == best["report"]
    assert content["scores"] == {"valid": best["value"]} and len(content["genes"]) == 6
    assert "random on nb201" in content["found_by"]
    said = cli("export", "run", "-o", "cell.py")
    assert said.code == 0
    source = (cli.home / "cell.py").read_text()
    compile(source, "cell.py", "exec")
    assert "archloom" not in [line.split()[1] for line in source.splitlines() if line.startswith(("import", "from"))]


def test_a_space_without_code_exports_json_only(cli: Any, planted: Path) -> None:
    cli("search", "random", "--on", planted, "--queries", 5, "--out", "mine", "--json")
    cli.refuses("export", "mine", "-o", "best.py", says=["cannot write its networks as code", ".json"])
    assert cli("export", "mine", "-o", "best.json").code == 0


def test_a_group_that_has_not_started(cli: Any, finished: Any) -> None:
    for number in range(2):
        shutil.rmtree(cli.home / "group" / f"seed-{number}")
        if number == 0:
            said = cli("best", "group", "--json")
            assert said.code == 0 and json.loads(said.out)["runs"][0]["seed"] == 1
            assert said.err == "archloom: note: not shown, because not started: 1 of 2 runs of random\n"
    cli.refuses("best", "group", "--json", says=["none of its runs has started"])
    cli.refuses("export", "group", "-o", "best.json", says=["none of its runs has started"])


def test_plot_writes_a_picture(cli: Any, finished: Any) -> None:
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    assert cli("plot", "run").out == "run/anytime.png\n"
    assert (cli.home / "run" / "anytime.png").read_bytes().startswith(b"\x89PNG")


def test_runs_of_several_folders_in_one_picture(cli: Any, finished: Any) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra plots")
    assert cli("plot", "run", "group", "--kind", "box").out == "run/box.png\n"
    cli.refuses("plot", "run", "run/", says=["run is given twice"])


def test_a_run_that_a_kind_of_plot_does_not_fit_is_refused(cli: Any, finished: Any) -> None:
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    cli.refuses("plot", "run", "--kind", "levels", says=["fits no generator, so it has no levels", "ga_nas"])
    assert not (cli.home / "run" / "levels.png").exists()
    cli.refuses("plot", "run", "--kind", "surrogate", says=["random has no such model", "graph_bo"])
    cli.refuses("plot", "group", "--kind", "surrogate", says=["that of one run, these are 2", "plot group/seed-0"])


def test_the_model_of_a_run(cli: Any, small_table: Path) -> None:
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    table = ["--on", "nb201", "--table", str(small_table)]
    assert cli("search", "graph_bo", *table, "--queries", "8", "--quiet", "--out", "bo").code == 0
    before = sorted((cli.home / "bo").iterdir())
    assert cli("plot", "bo", "--kind", "surrogate", "-o", "model.svg").out == "model.svg\n"
    assert (cli.home / "model.svg").read_bytes().startswith(b"<?xml")
    assert sorted((cli.home / "bo").iterdir()) == before


FAILING = """
import archloom

def evaluate(choices):
    if choices["number"] < LIMIT:
        raise ValueError("\x1b[31mtoo few")
    return float(choices["number"])

problem = archloom.Problem(archloom.Categorical({"number": list(range(12))}), evaluate, {"score": "max"})
problem.isolate = False
"""


def test_what_failed_and_where_to_read_on(cli: Any) -> None:
    (cli.home / "some.py").write_text(FAILING.replace("LIMIT", "3"))
    said = cli("search", "random", "--on", "some.py", "--queries", 12, "--out", "some", "--quiet")
    assert said.code == 1 and "next: archloom plot some" in said.out
    first = min((cli.home / "some" / "failures").iterdir())
    assert f"note: 3 trials failed; the first one's traceback and output: some/failures/{first.name}" in said.err
    assert f"  3 failed: ValueError: too few (some/failures/{first.name})\n" in cli("status", "some").out
    first.unlink()
    assert f"  3 failed: ValueError: too few (trial {int(first.stem)})\n" in cli("status", "some").out


@pytest.mark.parametrize("seeds", [(), ("--seeds", 2)])
def test_a_run_that_gave_up_says_how_to_go_on_and_nothing_that_cannot_work(cli: Any, seeds: tuple[Any, ...]) -> None:
    (cli.home / "none.py").write_text(FAILING.replace("LIMIT", "99"))
    line = ("search", "random", "--on", "none.py", "--queries", 12, "--give-up", 4, "--out", "none", "--quiet", *seeds)
    said = cli(*line)
    assert said.code == 1
    assert said.out.endswith("run folder: none\nnext: archloom status none\n"), "nothing to draw or to export"
    assert "continue anyway: archloom resume none --give-up none" in said.err
    assert "the first trials all failed for the same reason" in cli("status", "none").out
    again = cli("resume", "none", "--give-up", "none", "--quiet")
    assert again.code == 1 and "gave up" not in again.err and "--give-up" not in again.err
    assert "12/12 queries  all queries asked" in cli("status", "none").out


def test_a_run_gives_up_after_ten_first_failures_alike_unless_told_otherwise(cli: Any) -> None:
    (cli.home / "none.py").write_text(FAILING.replace("LIMIT", "99"))
    cli("search", "random", "--on", "none.py", "--out", "ten", "--quiet")
    assert "10/500 queries  the first trials all failed" in cli("status", "ten").out
    cli("search", "random", "--on", "none.py", "--out", "all", "--quiet", "--give-up", "none")
    assert "12/500 queries  every architecture" in cli("status", "all").out


def test_a_folder_of_any_name_is_one_line_of_what_is_printed(cli: Any, small_table: Path) -> None:
    """A name may hold line breaks; each line of `status` is one run, and what is to be typed is quoted."""
    name = "two\nlines\x1b[31m $HOME"
    found = cli("search", "random", "--on", "nb201", "--table", small_table, "--queries", 2, "--out", name)
    assert found.code == 0
    assert found.err.splitlines().count("run folder: two lines $HOME") == 1
    assert found.out.count("run folder: two lines $HOME\n") == 1
    assert "next: archloom plot $'two\\x0alines\\x1b" in found.out
    first, second = cli("status", name).out.splitlines()
    assert first == "two lines $HOME  random seed 0  2/2 queries  all queries asked" and second.startswith("data: ")


def test_status_says_how_much_experience_there_is(cli: Any, experienced: Path) -> None:
    experienced.write_text(experienced.read_text() + "problem.isolate = False\n")
    sizes = [part for name in ("population=4", "epochs=6", "step=2") for part in ("--set", name)]
    assert cli("search", "pbt_nas", "--on", experienced, *sizes, "--queries", 8, "--out", "run").code == 0
    *_, last = cli("status", "run").out.splitlines()
    assert re.fullmatch(r"checkpoints: \d+ files, \d.* KB; experience: \d+ files, \d.* KB \(--keep 1\)", last)
