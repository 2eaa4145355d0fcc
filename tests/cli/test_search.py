"""`archloom search` and `archloom resume`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def arguments(table: Path, *more: object, strategy: str = "random") -> list[object]:
    return ["search", strategy, "--on", "nb201", "--table", table, "--queries", 20, *more]


def same(text: str) -> Any:
    """A printed object without what time it took."""
    found = json.loads(text)
    for run in found["runs"]:
        del run["seconds"]
    return found


def test_one_seed(cli: Any, small_table: Path) -> None:
    said = cli(*arguments(small_table, "--json", "--out", "run"))
    assert said.code == 0 and said.err == "run folder: run\n" and said.out.count("\n") == 1
    found = json.loads(said.out)
    assert {"strategy", "on", "table", "objective", "queries", "runs", "mean", "std"} <= set(found)
    assert [(run["seed"], run["out"], run["queries"]) for run in found["runs"]] == [(0, "run", 20)]
    assert sorted(path.name for path in (cli.home / "run").iterdir() if path.name != "lock") == [
        "run.json", "state.npz", "summary.json", "trials.jsonl",
    ]  # fmt: skip
    assert same(cli(*arguments(small_table, "--json", "--seed", 0, "--out", "again")).out)["mean"] == found["mean"]


def test_without_out_a_new_folder_is_made_each_time(cli: Any, small_table: Path) -> None:
    for folder in ("random-nb201", "random-nb201-2"):
        found = json.loads(cli(*arguments(small_table, "--json")).out)
        assert found["runs"][0]["out"] == f"runs/{folder}"


@pytest.mark.parametrize("workers", [1, 2])
def test_several_seeds(cli: Any, small_table: Path, workers: int) -> None:
    said = cli(*arguments(small_table, "--seeds", 3, "--workers", workers, "--json", "--out", "group"))
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [(run["seed"], run["out"]) for run in found["runs"]] == [(n, f"group/seed-{n}") for n in range(3)]
    values = [run["best"]["value"] for run in found["runs"]]
    assert found["mean"] == pytest.approx(sum(values) / 3) and found["std"] > 0
    alone = json.loads(cli(*arguments(small_table, "--seed", 2, "--json", "--out", "alone")).out)
    assert alone["runs"][0]["curve"] == found["runs"][2]["curve"]


def test_more_workers_than_width_is_noted(cli: Any, planted: Path) -> None:
    said = cli("search", "random", "--on", planted, "--queries", 3, "--workers", 2, "--json", "--quiet")
    assert said.err == "archloom: note: --width 1 keeps only 1 of 2 workers busy\n" and said.code == 0


def test_a_metric_that_is_not_measured_everywhere_is_noted(cli: Any, small_table: Path) -> None:
    for more in ((), ("--seeds", 2)):
        said = cli(*arguments(small_table, "--objective", "holes", "--quiet", "--json", *more))
        assert said.err == (
            "archloom: note: holes is measured for 486 of the 729 rows (66.7 %) of small.npz; "
            "trials of the others fail\n"
        )
    said = cli("compare", "random", "--table", small_table, "--objective", "holes", "--queries", 5, "--seeds", 1)
    assert said.err.count("holes is measured for 486") == 1


def test_a_run_that_ends_early_says_so(cli: Any, planted: Path) -> None:
    (cli.home / "tiny.py").write_text(
        "import archloom\nproblem = archloom.Problem(\n"
        "    archloom.Categorical({'a': [1, 2, 3]}), lambda choices: choices['a'], {'score': 'max'})\n"
    )
    asked = ("search", "random", "--on", "tiny.py", "--queries", 5, "--quiet")
    said = cli(*asked, "--out", "one")
    early = "ended early, after 3 of 5 queries: every architecture of the space asked"
    assert f"archloom: note: random {early}\n" == said.err and said.code == 0
    assert "3 of 5 unique architectures" in said.out
    assert "ended early: every architecture of the space asked" in said.out
    said = cli(*asked, "--seeds", 2, "--out", "two")
    assert f"archloom: note: 2 of 2 runs of random {early}\n" == said.err
    assert f"note: 2 of 2 runs of random {early}" in " ".join(said.out.split())
    said = cli("search", "random", "--on", "tiny.py", "--queries", 3, "--quiet")
    assert said.err == "" and "ended early" not in said.out


def test_a_table_that_was_moved_can_be_named(cli: Any, small_table: Path) -> None:
    moved = cli.home / "mine.npz"
    moved.write_bytes(small_table.read_bytes())
    first = cli(*arguments(moved, "--json", "--out", "run"))
    moved = moved.rename(cli.home / "elsewhere.npz")
    assert cli("resume", "run", "--quiet").code == 2
    said = cli("resume", "run", "--table", "elsewhere.npz", "--json", "--quiet")
    assert said.err == "" and json.loads(said.out)["mean"] == json.loads(first.out)["mean"]


def test_a_problem_that_has_changed_is_gone_on_with_if_told(cli: Any, planted: Path) -> None:
    cli("search", "random", "--on", planted, "--queries", 5, "--json", "--out", "run")
    planted.write_text(planted.read_text() + "\n# a remark\n")
    (cli.home / "run" / "summary.json").unlink()  # as if it had been stopped
    assert "--changed" in cli.refuses("resume", "run", says=["has changed since"])
    assert cli("resume", "run", "--changed", "--json").code == 0


def test_failures_are_exit_code_1(cli: Any, small_table: Path) -> None:
    said = cli(*arguments(small_table, "--objective", "holes", "--json"))
    run = json.loads(said.out)["runs"][0]
    assert said.code == 1 and run["failed"] > 0 and run["best"]["value"] > 50


def test_a_problem_that_prints_does_not_spoil_the_object(cli: Any) -> None:
    (cli.home / "loud.py").write_text(
        "import archloom\nprint('loading')\n"
        "def evaluate(choices):\n    print('epoch', choices)\n    return choices['a']\n"
        "problem = archloom.Problem(archloom.Categorical({'a': [1, 2, 3]}), evaluate, {'score': 'max'})\n"
    )
    said = cli("search", "random", "--on", "loud.py", "--queries", 3, "--json", "--out", "run")
    assert json.loads(said.out)["runs"][0]["best"]["value"] == 3
    assert "loading" in said.err
    assert json.loads(cli("resume", "run", "--json").out)["mean"] == 3


def test_resuming_a_finished_run_says_the_same_again(cli: Any, small_table: Path) -> None:
    for more in ((), ("--seeds", 2)):
        folder = f"run-{len(more)}"
        first = cli(*arguments(small_table, *more, "--json", "--out", folder))
        before = {path: path.read_bytes() for path in (cli.home / folder).rglob("trials.jsonl")}
        again = cli("resume", folder, "--json")
        assert again.code == first.code == 0
        assert same(again.out) == same(first.out)
        assert {path: path.read_bytes() for path in (cli.home / folder).rglob("trials.jsonl")} == before


def test_resuming_a_torn_run_warns_and_comes_out_the_same(cli: Any, small_table: Path) -> None:
    first = cli(*arguments(small_table, "--json", "--out", "run", strategy="evolution"))
    record = cli.home / "run" / "trials.jsonl"
    whole = record.read_bytes()
    record.write_bytes(whole[: len(whole) // 2])
    again = cli("resume", "run", "--json")
    assert same(again.out) == same(first.out) and record.read_bytes() == whole
    assert again.err.startswith("archloom: warning: run/trials.jsonl: the last ") and "torn by a crash" in again.err
    assert "Traceback" not in again.err and ".py:" not in again.err


def test_a_damaged_record_is_exit_code_3(cli: Any, small_table: Path) -> None:
    cli(*arguments(small_table, "--json", "--out", "run"))
    record = cli.home / "run" / "trials.jsonl"
    damaged = bytearray(record.read_bytes())
    damaged[20] ^= 1
    record.write_bytes(damaged)
    said = cli("resume", "run", "--json")
    assert said.code == 3 and said.out == "" and "line 1 is damaged" in said.err and said.err.count("\n") == 1
    assert record.read_bytes() == damaged


def test_one_bad_member_is_told_and_the_others_are_shown(cli: Any, small_table: Path) -> None:
    cli(*arguments(small_table, "--seeds", 2, "--json", "--out", "group"))
    record = cli.home / "group" / "seed-0" / "trials.jsonl"
    record.write_bytes(b"{}\n" + record.read_bytes())
    said = cli("resume", "group", "--json")
    assert said.code == 3 and "group/seed-0" in said.err and "line 1 is damaged" in said.err
    assert [run["seed"] for run in json.loads(said.out)["runs"]] == [1]


def test_the_text_for_people(cli: Any, small_table: Path, listing: Callable[..., Any]) -> None:
    pytest.importorskip("archloom.analysis.report", reason="the report's text is not here yet")
    for more in ((), ("--seeds", 2)):
        said = cli(*arguments(small_table, *more, "--out", f"run-{len(more)}"))
        assert said.code == 0 and f"run folder: run-{len(more)}" in said.out and "next: archloom plot" in said.out
    assert "next: archloom plot 'a run'\n" in cli(*arguments(small_table, "--out", "a run")).out
