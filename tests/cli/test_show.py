"""`archloom status`, `best`, `plot` and `export`."""

from __future__ import annotations

import hashlib
import json
import os
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
    shutil.rmtree(cli.home / "group" / "seed-1")
    assert "0/20 queries  not started" in cli("status", "group").out


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
    assert said.code == 0 and "table copy.npz: made for a test (not available now)" in said.out
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


def test_a_run_that_a_kind_of_plot_does_not_fit_is_refused(cli: Any, finished: Any) -> None:
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    cli.refuses("plot", "run", "--kind", "levels", says=["fits no generator, so it has no levels", "ga_nas"])
    assert not (cli.home / "run" / "levels.png").exists()
