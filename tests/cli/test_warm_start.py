"""`--warm-start`: runs that learn from the trials of earlier ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from archloom.runs.record import EARLIER, read_lines


@pytest.fixture
def on(small_table: Path) -> tuple[object, ...]:
    return ("--on", "nb201", "--table", small_table, "--quiet")


@pytest.fixture
def first(cli: Any, on: tuple[object, ...]) -> Path:
    """An earlier run of 30 queries."""
    assert cli("search", "random", *on, "--queries", 30, "--out", "first").code == 0
    return Path(cli.home / "first")


def summaries(cli: Any, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cli("best", run, "--json").out)["runs"]
    return found


def test_a_run_says_what_it_was_warm_started_with(cli: Any, on: tuple[object, ...], warm: str, first: Path) -> None:
    said = cli("search", warm, *on, "--queries", 5, "--warm-start", "first", "--out", "run")
    best = summaries(cli, "first")[0]["best"]["value"]
    problem = f"(the same problem, best value {best:.6g})"
    assert f"archloom: note: warm started with 30 trials of {first} {problem}\n" in said.err
    assert f"note: Warm started with 30 trials of first {problem}, which are neither" in said.out
    assert (
        f"\nwarm started with 30 trials of {first} {problem}\n" in cli("resume", "run").out + cli("status", "run").out
    )
    known = [{"run": str(first), "trials": 30, "same_problem": True, "best": best}]
    assert summaries(cli, "run")[0]["warm_start"] == known
    manifest = json.loads((cli.home / "run" / "run.json").read_text())
    assert manifest["request"]["warm_start"]["sources"] == known
    assert "warm_start" not in summaries(cli, "first")[0]


def test_several_runs_and_a_file_of_options(cli: Any, on: tuple[object, ...], warm: str, first: Path) -> None:
    assert cli("search", "random", *on, "--seeds", 2, "--queries", 4, "--out", "group").code == 0
    (cli.home / "mine.toml").write_text('warm-start = ["first", "group"]\nqueries = 3\n')
    assert cli("search", warm, *on, "--config", "mine.toml", "--out", "run").code == 0
    assert [(Path(each["run"]).name, each["trials"]) for each in summaries(cli, "run")[0]["warm_start"]] == [
        ("first", 30), ("group", 8),
    ]  # fmt: skip


def test_every_run_of_a_comparison_is_warm_started_also_later(
    cli: Any, on: tuple[object, ...], warm: str, first: Path
) -> None:
    typed = ("compare", f"one={warm}", f"two={warm}", *on, "--queries", 3, "--seeds", 2, "--warm-start", "first")
    said = cli(*typed, "--out", "cmp")
    assert said.code == 0 and said.err.count("warm started") == 1 and said.out.count("Warm started") == 1
    shutil.rmtree(first)
    assert cli("resume", "cmp", "--seeds", 3, "--add", f"three={warm}", "--quiet").code == 0
    members = sorted((cli.home / "cmp").glob("*/seed-*"))
    assert len(members) == 9
    assert {read_lines(member)[0].note["earlier"][0][-1] for member in members} == {30}
    assert cli("status", "cmp").out.count("warm started") == 1
    refused = cli.refuses("resume", "cmp", "--add", "random")
    assert "strategy random cannot be warm started, as the runs of cmp are: it has no method warm_start" in refused


def test_what_cannot_be_is_refused(cli: Any, on: tuple[object, ...], warm: str, first: Path, planted: Path) -> None:
    for verb in ("search", "compare"):
        cli.refuses(
            verb, "random", *on, "--warm-start", "first", says=["strategy random cannot be warm started: it has"]
        )
        says = ["--warm-start first: it searched space 'nb201', and this run searches 'planted'"]
        cli.refuses(verb, warm, "--on", planted, "--warm-start", "first", says=says)
        cli.refuses(verb, warm, *on, "--warm-start", "nothing", says=["nothing is not a run folder"])
    cli.refuses("search", warm, *on, "--warm-start", "first", "--warm-start", first, says=["give each run once"])


@pytest.mark.parametrize("seeds", [(), ("--seeds", 2)])
def test_a_damaged_copy_is_exit_code_3(
    cli: Any, on: tuple[object, ...], warm: str, first: Path, seeds: tuple[object, ...]
) -> None:
    typed = ("search", warm, *on, *seeds, "--queries", 3, "--warm-start", "first", "--out", "run")
    assert cli(*typed).code == 0
    (cli.home / "run" / EARLIER).write_text("")
    said = cli("resume", "run", "--queries", 5)
    assert said.code == 3 and said.err.endswith(
        f"run/{EARLIER} has changed since archloom wrote it; it holds the trials of the warm start: restore it from a "
        "copy, or start a new run\n"
    )
    assert cli("best", "run").code == 0  # to look takes no copy
