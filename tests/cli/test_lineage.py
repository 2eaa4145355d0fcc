"""`archloom lineage`, and what the other verbs say of a population's descent."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest


def test_text_object_and_table_agree(cli: Any, population: str) -> None:
    content = json.loads(cli("lineage", population, "--json").out)
    assert content["choices"] == [f"gene{i}" for i in range(8)]
    rows = list(csv.DictReader(io.StringIO(cli("lineage", population, "--csv").out)))
    assert len(rows) == len(content["trials"]) * 8 == 32 * 8
    assert [row["origin"] for row in rows[:8]] == ["0"] * 8
    trial = content["trials"][20]
    own = [row for row in rows if row["trial"] == str(trial["trial"])]
    assert [row["origin"] for row in own] == [str(origin) for origin in trial["origins"]]
    said = cli("lineage", population)
    assert said.code == 0 and said.err == ""
    assert said.out.startswith(
        f"pbt_nas on {content['on']}, seed 0: 8 members through 4 chunks to 8 epochs, 6 children"
    )


def test_choices_go_by_their_numbers_where_the_problem_is_gone(cli: Any, population: str, trained: Path) -> None:
    trained.unlink()
    said = cli("lineage", population, "--json")
    assert json.loads(said.out)["choices"] == [str(gene) for gene in range(8)]
    assert said.err.startswith("archloom: note: choices are shown by number: ") and said.err.count("\n") == 1


def test_bad_input(cli: Any, population: str, planted: Path) -> None:
    cli.refuses("lineage", population, "--json", "--csv", says=["--json and --csv: give one of them"])
    cli("search", "random", "--on", planted, "--queries", 3, "--out", "plain")
    told = ["random has trained a population through 0 complete chunks", "archloom resume"]
    cli.refuses("lineage", "plain", says=told)
    cli.refuses("lineage", "nowhere", says=["not a run folder"])


@pytest.mark.parametrize("kind", ["lineage", "family"])
def test_it_can_be_drawn(cli: Any, population: str, kind: str) -> None:
    assert cli("plot", population, "--kind", kind, "-o", "picture.png").out == "picture.png\n"
    assert (cli.home / "picture.png").stat().st_size > 10_000


def test_status_says_what_became_of_recipes(cli: Any, population: str) -> None:
    _, recipes, *_ = cli("status", population).out.splitlines()
    content = json.loads(cli("lineage", population, "--json").out)
    assert recipes == f"  {content['mixed']['states']} states mixed; every tensor that was to be inherited fitted"
