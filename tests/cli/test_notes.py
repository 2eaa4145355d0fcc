"""Notes before a run begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

RESOURCE = """
import archloom

space = archloom.Categorical({"a": list(range(50)), "b": list(range(50))})

def evaluate(choices, rng, report, fidelity):
    return {"acc": choices["a"] + 1.0}

resource = archloom.Resource("epochs", 27)
problem = archloom.Problem(space, evaluate, {"acc": "max"}, resource=resource)
"""


SMALL = """
import archloom
problem = archloom.Problem(archloom.Categorical({"a": [1, 2, 3]}), lambda choices: choices["a"], {"score": "max"})
"""


def said(cli: Any, *arguments: object) -> str:
    found = cli(*arguments, "--out", "run")
    assert found.code in (0, 1), found.err
    return str(found.err)


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        (("evolution", "--queries", 100), "evolution draws its first 100 architectures at random"),
        (("evolution", "--queries", 20, "--set", "population=20"), "evolution draws its first 20"),
        (("cadam", "--queries", 20, "--set", "warmup=20"), "cadam draws its first 20"),
        (("evolution", "--queries", 21, "--set", "population=20"), None),
        (("random", "--queries", 20), None),
        (("evolution", "--target", 1000, "--time", "1s", "--queries", 150), None),
    ],
)
def test_a_run_that_is_random_search(arguments: Any, note: str | None, cli: Any, small_table: Path) -> None:
    err = said(cli, "search", *arguments, "--on", "nb201", "--table", small_table)
    assert (note in err and "so this run is random search" in err) if note else "at random" not in err


def test_how_much_is_asked_for_if_nobody_says_so(cli: Any, trained_here: Path) -> None:
    (cli.home / "small.py").write_text(SMALL)
    err = said(cli, "search", "--on", "small.py")
    assert "no strategy is named: graph_bo will ask for 500 architectures; --queries N or --time 1h sets another" in err
    for typed in (("random",), ("graph_bo",), ("--queries", 3), ("--time", "1h")):
        assert "will ask for" not in cli("search", *typed, "--on", "small.py").err
    asked = "note: random will ask for 500 architectures, 5,000 epochs of training in all; --queries N"
    assert asked in cli("search", "random", "--on", trained_here, "--target", 0).err
    assert "will ask for" not in cli("search", "searl", "--on", trained_here, "--target", 0).err


def test_a_strategy_that_is_added_is_noted_like_a_first_one(cli: Any, small_table: Path) -> None:
    on = ("--on", "nb201", "--table", small_table, "--queries", 8, "--seeds", 2)
    assert "at random" not in said(cli, "search", "random", *on)
    err = cli("resume", "run", "--add", "evolution").err
    assert "--queries 8: evolution draws its first 100 architectures at random" in err
    assert "at random" not in cli("resume", "run", "--add", "small=evolution", "--set", "population=5").err


def test_limits_that_cannot_be_met(cli: Any) -> None:
    (cli.home / "own.py").write_text(RESOURCE)
    on = ("--on", "own.py", "--queries", 4)
    err = said(cli, "search", "random", *on, "--resource", 5)
    assert "--resource 5: a single evaluation takes 27 epochs, so there will be none; give at least 27" in err
    assert "nothing found: the limit of the resource is less than the first evaluation takes" in cli("best", "run").out
    err = cli("search", "asha", *on, "--target", 99, "--set", "maximum=9", "--out", "second").err
    assert "--target 99 cannot be reached: it counts for trainings of 27 epochs, and asha trains for 9 at most" in err
    err = cli("search", "asha", *on, "--target", 99, "--set", "maximum=27", "--resource", 20, "--out", "third").err
    assert "cannot be reached" not in err and "there will be none" not in err
