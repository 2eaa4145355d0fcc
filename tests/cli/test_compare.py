"""`archloom compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def compared(cli: Any, table: Path, *more: object, seeds: int = 5) -> Any:
    return cli(
        "compare", "random", "local_search", "--on", "nb201", "--table", table, "--queries", 60, "--seeds", seeds,
        "--json", *more,
    )  # fmt: skip


def test_one_object_with_results_and_tests(cli: Any, small_table: Path) -> None:
    said = compared(cli, small_table, "--out", "cmp")
    assert said.code == 0 and said.out.count("\n") == 1, said.err
    found = json.loads(said.out)
    assert set(found) == {"results", "tests"}
    assert [result["strategy"] for result in found["results"]] == ["random", "local_search"]
    for result in found["results"]:
        assert [run["seed"] for run in result["runs"]] == list(range(5))
        assert [run["out"] for run in result["runs"]] == [f"cmp/{result['strategy']}/seed-{n}" for n in range(5)]
    assert found["results"][1]["mean"] > found["results"][0]["mean"], "climbing beats chance on a hill"
    assert found["tests"] and all({"better", "worse", "p", "p_corrected", "n"} <= set(test) for test in found["tests"])


def test_resumed_it_says_the_same(cli: Any, small_table: Path) -> None:
    first = json.loads(compared(cli, small_table, "--out", "cmp", seeds=3).out)
    for path in list((cli.home / "cmp").rglob("trials.jsonl"))[:3]:
        path.write_bytes(path.read_bytes()[:-30])
    said = cli("resume", "cmp", "--json", "--workers", 2)
    again = json.loads(said.out)
    for found in (first, again):
        for result in found["results"]:
            for run in result["runs"]:
                del run["seconds"]
    assert again == first and said.code == 0


def test_options_carry_the_strategys_name(cli: Any, small_table: Path) -> None:
    said = compared(cli, small_table, "--set", "local_search.first=true", "--set", "space.canonical=true", seeds=1)
    first, second = json.loads(said.out)["results"]
    assert first["options"] == {} and second["options"] == {"first": "true"}


def test_where_nothing_is_found_nobody_is_better(cli: Any, small_table: Path) -> None:
    said = compared(cli, small_table, "--constraint", "valid>=71", "--queries", 2, seeds=2)
    found = json.loads(said.out)
    assert said.code == 1 and all(result["mean"] is None for result in found["results"])
    assert all(test["p"] == 1.0 for test in found["tests"])
