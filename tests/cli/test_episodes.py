"""`archloom episodes`, on DARTS cells with a surrogate of random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.data.tables import load_table

pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="compiled spaces need the extra bench")

ALL = ("local_search", "random_walk", "random")


def walked(cli: Any, weights: Path, *more: object, policies: tuple[str, ...] = ALL) -> Any:
    return cli(
        "episodes", *policies, "--on", "nb301", "--table", weights, "--starts", 20, "--sets", 2, "--steps", 3,
        "--neighbours", 5, *more,
    )  # fmt: skip


def test_one_object(cli: Any, nb301_file: Path) -> None:
    said = walked(cli, nb301_file, "--json", "--quiet")
    assert said.code == 0 and said.err == "" and said.out.count("\n") == 1
    found = json.loads(said.out)
    assert (found["on"], found["objective"], found["report"]) == ("nb301", "valid_surrogate", None)
    settings = {name: found[name] for name in ("sets", "starts", "steps", "neighbours", "seed")}
    assert settings == {"sets": 2, "starts": 20, "steps": 3, "neighbours": 5, "seed": 0}
    assert found["table"] == nb301_file.name and len(found["table_sha256"]) == 64
    assert [policy["policy"] for policy in found["policies"]] == list(ALL)
    climb, walk, random = found["policies"]
    change = climb["improvement"]["valid_surrogate"]
    assert change["n"] == 40 and change["worse"] == 0 and change["improved"] > 0.5 and change["median"] > 0
    assert walk["mean_queries"] == random["mean_queries"] == 1 and 6 <= climb["mean_queries"] <= 16
    assert random["mean_moves"] == 0 and 0 < walk["mean_moves"] <= 3
    first = {"queries": 150, "mean": 94.71, "std": 0.26, "low": 94.68, "high": 94.74}
    assert climb["published"]["best_after"][0] == first
    assert any("surrogate" in note for note in found["notes"])


def test_a_benchmark_by_its_other_name_is_the_same(cli: Any, nb301_file: Path) -> None:
    words = ("episodes", "random", "--table", nb301_file, "--starts", 20, "--sets", 2, "--steps", 3, "--json", "--on")
    by_space, by_name = (cli(*words, on).out for on in ("darts", "nb301"))
    assert by_space == by_name
    assert json.loads(by_space)["policies"][0]["published"]["best_after"]


def test_on_a_table_of_nb201(cli: Any, small_table: Path) -> None:
    """All 12 neighbours are shown; a local search pays for each and ends where none is better."""
    said = cli(
        "episodes", *ALL, "--on", "nb201", "--table", small_table, "--starts", 50, "--sets", 1, "--json", "--quiet"
    )
    assert said.code == 0, said.err
    climb, walk, _ = json.loads(said.out)["policies"]
    assert climb["mean_queries"] == pytest.approx(1 + 12 * (climb["mean_moves"] + 1))
    assert walk["mean_queries"] == 1
    table = load_table(small_table)
    metric = next(name for name in table.goals if "valid" in name)
    genes, values = table.genes, table.metric(metric)
    near = (genes[:, None] != genes[None]).sum(axis=2) == 1
    tops = (np.where(near, values[None], -np.inf).max(axis=1) <= values).sum()
    assert climb["common_final"] >= 1 / tops


def test_the_same_seed_says_the_same(cli: Any, nb301_file: Path) -> None:
    first, again, other = (
        json.loads(walked(cli, nb301_file, "--json", "--seed", seed, policies=policies).out)["policies"]
        for seed, policies in ((3, ALL), (3, ALL[1:]), (4, ALL))
    )
    assert first[1:] == again
    assert first[2]["improvement"] != other[2]["improvement"]


def test_tables_for_people_and_a_picture(cli: Any, nb301_file: Path) -> None:
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    said = walked(cli, nb301_file, "-o", "change.png")
    assert said.code == 0, said.err
    assert (cli.home / "change.png").read_bytes().startswith(b"\x89PNG")
    assert "improvement of valid_surrogate over an episode" in said.out
    assert "94.71 ± 0.26" in said.out and "published*" in said.out and "XGB ensemble" in said.out
    assert "predictions of a surrogate" in said.out
    assert said.out.rstrip().endswith("picture: change.png")
    assert [path.name for path in cli.home.iterdir()] == ["change.png"]


def test_another_metric(cli: Any, nb301_file: Path) -> None:
    cli.refuses(
        "episodes", "random", "--on", "nb301", "--table", nb301_file, "--objective", "vald",
        says=["unknown objective 'vald'", "valid_surrogate"],
    )  # fmt: skip
    cli.refuses(
        "episodes", "random", "--on", "nb301", "--table", nb301_file, "--objective", "params_m",
        says=["params_m", "valid_surrogate"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], ["Missing argument 'POLICY", "archloom episodes --help"]),
        (["randm"], ["unknown policy 'randm'", "did you mean 'random'"]),
        (["random", "random"], ["named twice"]),
        (["random", "--on", "nbgraph:cora"], ["unknown benchmark to walk on 'nbgraph:cora'", "nb101"]),
        (["random", "--on", "nb301"], ["nb301_surrogate.npz"]),
        (["random", "--table", ""], ["--table '': expected a file"]),
        (["random", "--on", "nb301", "--table", "missing.npz"], ["missing.npz"]),
        (["random", "--starts", "0"], ["starts=0: expected at least 1"]),
        (["random", "--sets", "-2"], ["sets=-2"]),
        (["random", "--steps", "0"], ["steps=0"]),
        (["random", "--neighbours", "0"], ["neighbours=0"]),
        (["random", "--starts", "9" * 12], ["expected at most 10,000,000 in all"]),
        (["random", "--seed", "-1"], ["seed -1: expected a whole number"]),
        (["random", "-o", "change.jpg"], ["change.jpg: expected a name that ends in .png"]),
        (["random", "-o", "nowhere/change.png"], ["there is no folder nowhere"]),
    ],
)
def test_bad_input_is_one_line(cli: Any, arguments: list[str], says: list[str]) -> None:
    cli.refuses("episodes", *arguments, says=says)


@pytest.mark.parametrize("kind", ["initial", "queries", "ends"])
def test_other_pictures(cli: Any, nb301_file: Path, kind: str) -> None:
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    said = walked(cli, nb301_file, "-o", "a.svg", "--figure", kind)
    assert said.code == 0, said.err
    assert (cli.home / "a.svg").read_bytes().startswith(b"<?xml")
