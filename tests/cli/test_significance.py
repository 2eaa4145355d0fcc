"""`archloom test`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any


def compared(cli: Any, table: Path, out: str, *more: object, seeds: int = 3) -> None:
    asked = ("compare", "random", "local_search", "--on", "nb201", "--table", table, "--queries", 150)
    assert cli(*asked, "--seeds", seeds, "--out", out, "--quiet", *more).code == 0


def test_three_settings_of_three_seeds_are_nine_pairs(cli: Any, small_table: Path) -> None:
    """PBT-NAS, Table 7: 1/512 = 0.001953125, to be below 0.05 / 4."""
    compared(cli, small_table, "one")
    for other in ("two", "three"):
        shutil.copytree(cli.home / "one", cli.home / other)
    asked = ("test", "one", "two", "three", "--test", "local_search:random", "--correct-for", "4", "--ddof", "0")
    found, said = json.loads(cli(*asked, "--json").out), cli(*asked)
    (test,) = found["tests"]
    assert (test["better"], test["n"], test["p"], test["p_corrected"]) == ("local_search", 9, 0.001953125, 0.0078125)
    assert (test["test"], test["paired"]) == ("Wilcoxon signed-rank", True), "both begin at the same random cell"
    assert (found["corrected_for"], found["ddof"]) == (4, 0)
    assert [setting["run"] for setting in found["settings"]] == ["one", "two", "three"]
    assert "tests over 3 settings together:" in said.out and "one-sided tests, Bonferroni-corrected for 4" in said.out
    unpaired = json.loads(cli(*asked, "--unpaired", "--json").out)["tests"][0]
    assert (unpaired["test"], unpaired["n"], unpaired["n_worse"]) == ("Mann-Whitney", 9, 9)
    assert unpaired["p"] == (1 / 20) ** 3 or unpaired["ties"]


def test_one_comparison(cli: Any, small_table: Path) -> None:
    compared(cli, small_table, "cmp", "--test", "local_search:random")
    said = cli("test", "cmp")
    assert said.code == 0 and "one-sided Wilcoxon signed-rank over 3 pairs" in said.out
    best = json.loads(cli("test", "cmp", "--json").out)["settings"][0]["metrics"]["valid"]["random"]
    assert (best["runs"], best["found"], sorted(best["values"])) == (3, 3, ["0", "1", "2"])
    shutil.rmtree(cli.home / "cmp" / "random" / "seed-2")
    said = cli("test", "cmp")
    assert "not shown, because not started: 1 of 3 runs of random" in said.err
    assert "over 2 pairs" in said.out


def test_what_cannot_be_tested(cli: Any, small_table: Path) -> None:
    cli.refuses("compare", "random", "--on", "nb201", "--table", small_table, "--test", "random:cadam",
                says=["--test names cadam: expected one of random"])  # fmt: skip
    compared(cli, small_table, "cmp", seeds=1)
    cli.refuses("test", "cmp", "--test", "a", says=["--test a: expected BETTER:WORSE"])
    cli.refuses("test", "cmp", "--test", "random:cadam", says=["--test names cadam", "one of random, local_search"])
    cli.refuses("test", "cmp", "--metric", "speed", says=["--metric speed: cmp has no such values; expected valid"])
    cli.refuses("test", "cmp", "cmp", says=["cmp is given twice"])
    cli.refuses(
        "test", "cmp", "--correct-for", 1, says=["--correct-for 1: expected at least the number of tests made, 2"]
    )
