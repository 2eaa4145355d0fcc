"""Runs that go on further than they were asked to at first, and the limits that end them, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archloom.runs.record import read_lines

LIMITS = [
    (["--queries", 9], "all queries asked"),
    (["--resource", 5], "all of the resource used"),
    (["--target", 60, "--queries", 500], "the target is reached"),
    (["--time", "3600s", "--queries", 5], "all queries asked"),
    (["--max-failures", 2, "--queries", 5], "all queries asked"),
]

HALF = """
import archloom

space = archloom.Categorical({"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]})

def evaluate(choices, rng, report):
    for epoch in range(1, 10):
        if choices["a"] == 3:
            raise RuntimeError("no GPU")
        report(epoch, choices["a"] * epoch + choices["b"])

problem = archloom.Problem(space, evaluate, {"worth": "max"}, resource=archloom.Resource("epochs", 9))
"""


def record(run: Path) -> list[tuple[Any, ...]]:
    return [(line.id, line.genes, line.query, line.fidelity, line.scores) for line in read_lines(run)]


def summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return found


@pytest.mark.parametrize(("typed", "ending"), LIMITS)
def test_a_run_ends_by_its_limit_and_goes_on_when_that_is_raised(
    cli: Any, small_table: Path, typed: list[object], ending: str
) -> None:
    on = ("random", "--on", "nb201", "--table", small_table, "--objective", "valid")
    if "--resource" in typed:
        (cli.home / "half.py").write_text(HALF)
        on = ("random", "--on", "half.py")
        typed = ["--resource", 20]
    assert cli("search", *on, *typed, "--out", "run", "--quiet").code in (0, 1)
    assert summary(cli.home / "run")["ending"] == ending
    before = (cli.home / "run" / "trials.jsonl").read_bytes()
    more = (
        ["--target", 70] if "--target" in typed else ["--resource", 60] if "--resource" in typed else ["--queries", 12]
    )
    assert cli("resume", "run", *more, "--quiet").code in (0, 1)
    assert (cli.home / "run" / "trials.jsonl").read_bytes().startswith(before)
    at_once = [*typed[2:], *more] if "--target" in typed else more
    assert cli("search", *on, *at_once, "--out", "at-once", "--quiet").code in (0, 1)
    assert record(cli.home / "run") == record(cli.home / "at-once")


def test_failures_end_a_run(cli: Any) -> None:
    (cli.home / "half.py").write_text(HALF)
    found = cli("search", "random", "--on", "half.py", "--max-failures", 2, "--out", "run", "--quiet")
    assert found.code == 1 and summary(cli.home / "run")["ending"] == "too many trials failed"
    assert summary(cli.home / "run")["failed"] == 2
    assert "too many trials failed" in found.out


def test_what_cannot_be_changed_or_is_less_than_was_asked(cli: Any, small_table: Path) -> None:
    cli("search", "random", "--on", "nb201", "--table", small_table, "--queries", 9, "--out", "run", "--quiet")
    cli.refuses("resume", "run", "--queries", 3, says=["queries=3: the run has used 9 already; expected more"])
    cli.refuses("resume", "run", "--queries", 0, says=["queries=0"])
    cli.refuses("resume", "run", "--time", "soon", says=["time 'soon': expected a duration such as 90s, 10m"])
    cli.refuses("resume", "run", "--resource", 9, says=["nothing here is evaluated in part"])
    on = ("--on", "nb201", "--table", small_table)
    cli.refuses("search", "random", *on, "--resource", 9, "--out", "no", says=["nothing here is evaluated in part"])
    cli.refuses("resume", "run", "--seeds", 3, says=["--seeds 3", "is a single run"])
    cli.refuses("resume", "run", "--add", "evolution", says=["--add evolution", "is a single run"])
    cli.refuses("resume", "none", "--add", "evolution", says=["none is not a run folder"])
    cli.refuses("resume", "run", "--set", "population=3", says=["--set population=3: a run keeps its options"])


def test_a_finished_run_of_a_file_that_changed_does_not_go_further(cli: Any) -> None:
    (cli.home / "half.py").write_text(HALF)
    cli("search", "random", "--on", "half.py", "--queries", 4, "--out", "run", "--quiet")
    (cli.home / "half.py").write_text(HALF + "# another version\n")
    cli.refuses("resume", "run", "--queries", 8, says=["half.py", "changed"])
    assert cli("resume", "run", "--queries", 8, "--changed", "--quiet").code in (0, 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_group_gets_more_of_everything(cli: Any, small_table: Path, workers: int) -> None:
    on = ("--on", "nb201", "--table", small_table, "--queries", 10)
    cli("search", "random", *on, "--seeds", 2, "--out", "few", "--quiet")
    before = {seed: (cli.home / "few" / f"seed-{seed}" / "trials.jsonl").read_bytes() for seed in range(2)}
    added = ("--add", "evolution", "--set", "population=4", "--set", "sample=2")
    grown = cli("resume", "few", "--seeds", 3, "--queries", 14, *added, "--workers", workers, "--quiet")
    assert grown.code == 0 and "random" in grown.out and "evolution" in grown.out
    options = ("--set", "evolution.population=4", "--set", "evolution.sample=2")
    cli("compare", "random", "evolution", *on[:-1], 14, "--seeds", 3, *options, "--out", "all", "--quiet")
    for seed in range(3):
        assert record(cli.home / "few" / f"seed-{seed}") == record(cli.home / "all" / "random" / f"seed-{seed}")
        of_evolution = Path("evolution") / f"seed-{seed}"
        assert record(cli.home / "few" / of_evolution) == record(cli.home / "all" / of_evolution)
    for seed, content in before.items():
        assert (cli.home / "few" / f"seed-{seed}" / "trials.jsonl").read_bytes().startswith(content)


def test_what_a_group_refuses(cli: Any, small_table: Path) -> None:
    on = ("--on", "nb201", "--table", small_table, "--queries", 6)
    cli("compare", "random", "slow=random", *on, "--seeds", 2, "--out", "cmp", "--quiet")
    cli.refuses("resume", "cmp", "--seeds", 1, says=["seeds=1", "has seed 1 already"])
    cli.refuses("resume", "cmp", "--add", "random", says=["has runs of random already"])
    cli.refuses("resume", "cmp", "--add", "SLOW=evolution", says=["has runs of SLOW already"])
    cli.refuses("resume", "cmp", "--add", "evolutoin", says=["evolutoin", "did you mean 'evolution'"])
    cli.refuses("resume", "cmp", "--add", "evolution", "--set", "popluation=3", says=["popluation"])
    cli.refuses(
        "resume",
        "cmp",
        "--add",
        "evolution",
        "--set",
        "space.canonical=true",
        says=["which a group keeps"],
    )
    cli.refuses("resume", "cmp", "--add", "pbt_nas", says=["nothing is trained"])
    cli.refuses("resume", "cmp", "--add", "cadam", "--add", "cadam", says=["give each a label of its own"])
    two = ("--add", "a=evolution", "--add", "b=evolution")
    cli.refuses("resume", "cmp", *two, "--set", "popul=5", says=["unknown option of a and b", "'population'"])
    cli.refuses("resume", "cmp", *two, "--set", "a.population=0", says=["population=0"])
    cli.refuses("resume", "cmp", "--queries", 2, says=["queries=2: the run has used 6 already"])


def test_several_strategies_join_at_once(cli: Any, small_table: Path) -> None:
    on = ("--on", "nb201", "--table", small_table, "--queries", 8)
    cli("compare", "random", "local_search", *on, "--seeds", 2, "--out", "cmp", "--quiet")
    options = ("--set", "a.population=4", "--set", "a.sample=2", "--set", "b.population=6", "--set", "b.sample=2")
    found = cli("resume", "cmp", "--add", "a=evolution", "--add", "b=evolution", *options, "--quiet", "--json")
    assert found.code == 0
    rows = {row["label"]: row["options"] for row in json.loads(found.out)["results"]}
    assert set(rows) == {"random", "local_search", "a", "b"} and rows["b"] == {"population": "6", "sample": "2"}


def test_a_strategy_joins_under_all_limits_of_the_others(cli: Any, small_table: Path) -> None:
    on = ("--on", "nb201", "--table", small_table, "--target", 1000, "--max-repeats", 50, "--max-failures", 9)
    timed = ("--time", "1h", "--queries", 6, "--seeds", 2)
    cli("compare", "random", "local_search", *on, *timed, "--out", "cmp", "--quiet")
    assert cli("resume", "cmp", "--add", "evolution", "--queries", 8, "--quiet").code == 0
    members = json.loads((cli.home / "cmp/group.json").read_text())["members"]
    limits = {name: member["limits"] for name, member in members.items()}
    assert limits["evolution/seed-1"] == limits["random/seed-1"]
    assert limits["evolution/seed-1"]["target"] == 1000 and limits["evolution/seed-1"]["seconds"] == 3600


def test_a_strategy_joins_with_as_many_in_flight_where_results_come_as_completed(cli: Any) -> None:
    (cli.home / "half.py").write_text(HALF)
    begun = ("compare", "random", "local_search", "--on", "half.py", "--queries", 6, "--seeds", 2, "--width", 3)
    cli(*begun, "--async", "--out", "cmp", "--quiet")
    assert cli("resume", "cmp", "--add", "a=random", "--quiet").code in (0, 1)
    limits = json.loads((cli.home / "cmp/group.json").read_text())["members"]["a/seed-0"]["limits"]
    assert limits["as_completed"] and limits["width"] == 3


def test_what_is_refused_is_not_written_down(cli: Any) -> None:
    (cli.home / "half.py").write_text(HALF)
    cli("compare", "random", "evolution", "--on", "half.py", "--queries", 4, "--seeds", 2, "--out", "cmp", "--quiet")
    (cli.home / "half.py").write_text(HALF + "# another version\n")
    for more in (["--queries", 8], ["--seeds", 3], ["--add", "local_search"]):
        cli.refuses("resume", "cmp", *more, says=["half.py"])


def test_a_limit_is_taken_away(cli: Any, small_table: Path) -> None:
    on = ("random", "--on", "nb201", "--table", small_table)
    cli("search", *on, "--queries", 200, "--target", 60, "--out", "run", "--quiet")
    assert summary(cli.home / "run")["ending"] == "the target is reached"
    cli("resume", "run", "--target", "none", "--quiet")
    assert summary(cli.home / "run")["ending"] == "all queries asked"
    assert len(read_lines(cli.home / "run")) >= 200


def test_results_as_they_come_are_typed_and_recorded(cli: Any) -> None:
    (cli.home / "half.py").write_text(HALF)
    search = ("search", "evolution", "--on", "half.py", "--set", "population=4", "--set", "sample=2")
    found = cli(*search, "--queries", 12, "--async", "--workers", 2, "--out", "run", "--quiet", "--json")
    assert found.code == 1
    manifest = json.loads((cli.home / "run" / "run.json").read_text())
    limits = manifest["request"]["limits"]
    assert limits["as_completed"] is True and limits["width"] == 2
    lines = read_lines(cli.home / "run")
    assert sorted(line.id for line in lines) == list(range(len(lines)))
    before = (cli.home / "run" / "trials.jsonl").read_bytes()
    cut = before[: before.rindex(b"\n", 0, len(before) // 2) + 1]
    (cli.home / "run" / "trials.jsonl").write_bytes(cut)
    assert cli("resume", "run", "--workers", 3, "--quiet").code == 1
    after = (cli.home / "run" / "trials.jsonl").read_bytes()
    assert after.startswith(cut) and sum(line.query is not None for line in read_lines(cli.home / "run")) == 12


def test_a_multi_fidelity_strategy_chooses_what_it_can_do_with(cli: Any, nb201_table: Any) -> None:
    table = nb201_table.path
    found = cli("search", "asha", "--on", "nb201", "--table", table, "--queries", 20, "--json")
    assert found.code == 0
    told = json.loads(found.out)
    assert told["objective"] == "cifar10_valid" and told["runs"][0]["best"]["fidelity"] == 200
    assert told["runs"][0]["resource"]["unit"] == "epochs"
    limited = ("search", "asha", "--on", "nb201", "--table", table, "--resource", 250, "--out", "limited")
    said = cli(*limited).out
    assert "of 250 epochs in all; all of the resource used" in " ".join(said.split())
    assert "archloom plot limited --kind budgets" in said
    used = json.loads((cli.home / "limited/summary.json").read_text())["resource"]["used"]
    assert 0 < used <= 250 and f" queries, {used}/250 epochs  all of the resource used" in cli("status", "limited").out
    says = ["asha needs several fidelities", "cifar10_valid_200", "200 epochs"]
    cli.refuses("search", "asha", "--on", "nb201", "--table", table, "--objective", "cifar10_valid_200", says=says)
    group = ("compare", "random", "evolution", "--on", "nb201", "--table", table, "--queries", 8, "--seeds", 2)
    assert cli(*group, "--objective", "cifar10_valid_200", "--out", "pinned").code == 0
    cli.refuses("resume", "pinned", "--add", "asha", says=[*says, "for another, start a new comparison"])
    compared = cli(
        "compare", "random", "asha", "--on", "nb201", "--table", table, "--queries", 8, "--seeds", 2, "--json"
    )
    assert compared.code == 0
    assert {row["objective"] for row in json.loads(compared.out)["results"]} == {"cifar10_valid"}
