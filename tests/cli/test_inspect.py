"""`archloom status`, `best`, `plot` and `export`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archloom import store

RUN = ("search", "random", "--on", "nb201", "--queries", 20, "--json", "--table")


@pytest.fixture
def finished(cli: Any, small_table: Path) -> dict[str, Any]:
    """A run of one seed in `run` and a group of two in `group`; the object that the first printed."""
    cli(*RUN, small_table, "--seeds", 2, "--out", "group")
    found: dict[str, Any] = json.loads(cli(*RUN, small_table, "--out", "run").out)
    return found


def test_status_of_every_state(cli: Any, finished: Any, listing: Callable[..., Any]) -> None:
    before = listing(cli.home)
    assert cli("status", "run").out == "run  random seed 0  20/20 queries  all queries asked\n"
    lines = cli("status", "group").out.splitlines()
    assert [line.split()[0] for line in lines] == ["group/seed-0", "group/seed-1"]
    after = listing(cli.home)
    assert {k: v for k, v in after.items() if "lock" not in k} == {k: v for k, v in before.items() if "lock" not in k}
    lock = store.hold(cli.home / "run")
    try:
        assert f"working (process {os.getpid()} on " in cli("status", "run").out
    finally:
        store.release(cli.home / "run", lock)
    (cli.home / "run" / "summary.json").unlink()
    assert "all queries asked, no summary yet: archloom resume writes it" in cli("status", "run").out
    record = cli.home / "run" / "trials.jsonl"
    record.write_bytes(b"".join(record.read_bytes().splitlines(keepends=True)[:7]))
    assert "7/20 queries  stopped: archloom resume goes on" in cli("status", "run").out
    (cli.home / "group" / "seed-1" / "run.json").unlink()
    assert "0/20 queries  not started" in cli("status", "group").out


def test_best(cli: Any, finished: dict[str, Any]) -> None:
    said = cli("best", "run", "--json")
    assert said.code == 0
    assert json.loads(said.out)["best"] == finished["runs"][0]["best"]
    of_two = json.loads(cli("best", "group", "--json").out)["best"]["value"]
    assert of_two >= finished["runs"][0]["best"]["value"]


def test_best_of_nothing(cli: Any, small_table: Path) -> None:
    said = cli(*RUN, small_table, "--constraint", "valid>=71", "--out", "none")
    assert said.code == 1
    said = cli("best", "none", "--json")
    assert said.code == 1 and json.loads(said.out)["best"] is None
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
        (cli.home / "group" / f"seed-{number}" / "run.json").unlink()
    cli.refuses("best", "group", "--json", says=["none of its runs has started"])
    cli.refuses("export", "group", "-o", "best.json", says=["none of its runs has started"])


def test_plot_writes_a_picture(cli: Any, finished: Any) -> None:
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    assert cli("plot", "run").out == "run/anytime.png\n"
    assert (cli.home / "run" / "anytime.png").read_bytes().startswith(b"\x89PNG")
