"""`archloom pareto`, and the pictures that belong to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def runs(cli: Any, small_table: Path) -> str:
    """Two seeds of two strategies, which optimised `valid` alone."""
    said = cli("compare", "random", "evolution", "--on", "nb201", "--table", small_table, "--queries", 12, "--seeds", 2,
               "--set", "evolution.population=4", "--set", "evolution.sample=2", "--out", "cmp")  # fmt: skip
    assert said.code == 0, said.err
    return "cmp"


def test_text_and_object_agree(cli: Any, runs: str) -> None:
    said, content = cli("pareto", runs), json.loads(cli("pareto", runs, "--json").out)
    assert said.code == 0 and said.err == ""
    (against,) = content["against"]
    assert (content["metric"], content["evaluation"], against["cost"]) == ("valid", "test", "params")
    assert set(against["strategies"]) == {"random", "evolution"}
    found = against["strategies"]["random"]
    low, high = found["interval"]
    assert low <= found["hypervolume"]["mean"] <= high and found["hypervolume"]["n"] == 2
    assert "valid against params on nb201; 2 seeds each" in said.out
    assert all(point["arch"] in said.out and 1 <= point["step"] <= 13 for point in found["points"])
    assert content["correlations"]["all sampled"]["value"] == pytest.approx(1.0), "test is valid less 1"


def test_other_costs_and_evaluations(cli: Any, runs: str, small_table: Path) -> None:
    content = json.loads(cli("pareto", runs, "--against", "params", "--evaluation", "params", "--json").out)
    (slope, _) = content["against"][0]["slopes"]
    assert (slope["value"], slope["r"]) == (pytest.approx(1.0), pytest.approx(1.0))
    cli("search", "random", "--on", "nb201", "--table", small_table, "--queries", 12, "--out", "alone")
    content = json.loads(cli("pareto", runs, "--evaluated", "alone", "--json").out)
    assert content["evaluation"] == "valid of nb201" and content["correlations"]["all sampled"]["n"] == 12
    cli.refuses("pareto", runs, "--against", "flops", says=["unknown metric 'flops'", "params"])


def test_pictures_of_runs(cli: Any, runs: str) -> None:
    for kind, more in [("pareto", ["--against", "params"]), ("sampled", ["--window", 5]), ("state", ["--top", "25%"])]:
        said = cli("plot", runs, "--kind", kind, *more)
        assert (said.code, said.out) == (0, f"cmp/{kind}.png\n"), said.err
        assert (cli.home / "cmp" / f"{kind}.png").stat().st_size > 10_000
    cli.refuses("plot", runs, "--kind", "topology", says=["does not say how wide and deep its cells are"])
    cli.refuses("plot", runs, "--kind", "state", "--top", "none", says=["--top none: expected a number"])
    cli.refuses("plot", runs, "--top", "5", says=["--top 5: this kind of plot takes", "topology or state"])
