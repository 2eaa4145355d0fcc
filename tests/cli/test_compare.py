"""`archloom compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def compared(cli: Any, table: Path, *more: object, seeds: int = 5) -> Any:
    return cli(
        "compare", "random", "local_search", "--on", "nb201", "--table", table, "--queries", 60, "--seeds", seeds,
        "--json", *more,
    )  # fmt: skip


def test_one_object_with_results_and_tests(cli: Any, small_table: Path) -> None:
    said = compared(cli, small_table, "--out", "cmp")
    assert said.code == 0 and said.out.count("\n") == 1, said.err
    found = json.loads(said.out)
    assert set(found) == {"results", "tests", "corrected_for", "ddof"}
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


def test_one_strategy_is_a_comparison_too(cli: Any, small_table: Path) -> None:
    asked = ("compare", "random", "--on", "nb201", "--table", small_table, "--queries", 10, "--seeds", 2)
    said = cli(*asked, "--json", "--out", "cmp")
    for out in (said.out, cli("resume", "cmp", "--json").out):
        found = json.loads(out)
        assert set(found) == {"results", "tests", "corrected_for", "ddof"} and found["tests"] == []
        assert [result["label"] for result in found["results"]] == ["random"]
    said = cli(*asked, "--out", "text")
    assert said.code == 0 and "best valid (%) on nb201" in said.out and "archloom best text" in said.out


def test_settings_of_one_strategy_under_labels(cli: Any, small_table: Path) -> None:
    said = cli(
        "compare", "local_search", "first=local_search", "--set", "first.first=true", "--on", "nb201",
        "--table", small_table, "--queries", 30, "--seeds", 2, "--json", "--out", "cmp",
    )  # fmt: skip
    assert said.code == 0, said.err
    plain, first = json.loads(said.out)["results"]
    assert (plain["label"], plain["strategy"], plain["options"]) == ("local_search", "local_search", {})
    assert (first["label"], first["strategy"], first["options"]) == ("first", "local_search", {"first": "true"})
    assert [run["out"] for run in first["runs"]] == ["cmp/first/seed-0", "cmp/first/seed-1"]
    assert {test["better"] for test in json.loads(said.out)["tests"]} == {"local_search", "first"}
    assert "first (local_search), seed" in cli("best", "cmp").out
    labels = [(run["label"], run["strategy"]) for run in json.loads(cli("best", "cmp", "--json").out)["runs"]]
    assert labels == [("local_search", "local_search"), ("first", "local_search")]


# -- where networks are trained -----------------------------------------------------------------------------------


def trained_by(cli: Any, problem: Path, other: str, *more: object) -> str:
    """What is said on standard error of pbt_nas beside another strategy."""
    labels = [label for label in ("pbt_nas", other) if label != "random"]
    small = [f"{label}.{setting}" for label in labels for setting in ("population=4", "epochs=2", "step=1")]
    settings = [word for setting in small for word in ("--set", setting)]
    said = cli("compare", "pbt_nas", other, "--on", problem, *settings, *more, "--seeds", 1, "--quiet")
    assert said.code == 0, said.err
    return str(said.err)


def test_budgets_that_differ_are_noted(cli: Any, trained_here: Path) -> None:
    note = "note: epochs of training per run: pbt_nas 8, random 80; the budgets are not equal. random_population"
    assert note in trained_by(cli, trained_here, "random", "--queries", 8)
    assert trained_by(cli, trained_here, "random_population") == ""
    note = "note: epochs of training per run: asha depends on the results, random 40; the budgets are not equal"
    assert note in cli("compare", "asha", "random", "--on", trained_here, "--queries", 4, "--seeds", 1, "--quiet").err


def test_a_population_that_is_cut_is_noted(cli: Any, trained_here: Path) -> None:
    said = trained_by(cli, trained_here, "random", "--queries", 3)
    assert (
        "note: --queries 3 ends pbt_nas inside a chunk of its 4 members: give a multiple of 4; 8 train them all" in said
    )


def test_epochs_of_the_task_are_for_those_that_do_not_say_themselves(cli: Any) -> None:
    pytest.importorskip("sklearn", reason="the digits are in scikit-learn")
    pytest.importorskip("torch", reason="training needs the extra train")
    task = ("--set", "task.batches=1", "--set", "task.epochs=3", "--set", "space.width=4")
    trained_by(cli, Path("images:digits"), "random", *task, "--queries", 4, "--out", "cmp")
    epochs = {
        label: json.loads((cli.home / "cmp" / label / "seed-0" / "run.json").read_text())["request"]["problem"]["task"]
        for label in ("pbt_nas", "random")
    }
    assert {label: found["epochs"] for label, found in epochs.items()} == {"pbt_nas": "2", "random": "3"}


@pytest.mark.parametrize("filed", [False, True])
def test_an_option_that_all_have_is_set_for_all(cli: Any, trained_here: Path, filed: bool) -> None:
    shared, own = {"population": 4, "epochs": 2, "step": 1}, ("--set", "searl.step=2", "--seeds", 1, "--out", "cmp")
    (cli.home / "sizes.toml").write_text("[set]\n" + "\n".join(f"{name} = {value}" for name, value in shared.items()))
    typed = [word for name, value in shared.items() for word in ("--set", f"{name}={value}")]
    said = cli("compare", "pbt_nas", "searl", "random_population", "--on", trained_here, "--quiet", *own,
               *(["--config", "sizes.toml"] if filed else typed))  # fmt: skip
    assert said.code == 0 and "budgets" not in said.err, said.err
    found = {
        label: json.loads((cli.home / "cmp" / label / "seed-0" / "run.json").read_text())["request"]
        for label in ("pbt_nas", "searl", "random_population")
    }
    assert {label: request["options"]["step"] for label, request in found.items()} == {
        "pbt_nas": "1", "searl": "2", "random_population": "1",
    }  # fmt: skip
    assert {label: request["limits"]["queries"] for label, request in found.items()} == {
        "pbt_nas": 8, "searl": 4, "random_population": 8,
    }  # fmt: skip


def test_populations_have_the_sizes_that_fit_the_data(cli: Any) -> None:
    pytest.importorskip("sklearn", reason="the digits are in scikit-learn")
    pytest.importorskip("torch", reason="training needs the extra train")
    small = ("--set", "task.steps_per_epoch=1", "--set", "space.width=4", "--set", "step=1", "--set", "epochs=2")
    said = cli("compare", "pbt_nas", "random_population", "--on", "images:digits", *small, "--set", "population=2",
               "--seeds", 1, "--out", "own", "--quiet")  # fmt: skip
    assert said.code == 0 and "fit the data" not in said.err
    one = ("--set", "pbt_nas.population=2", *small[:4], "--set", "epochs=3", "--queries", 1, "--seeds", 1, "--quiet")
    said = cli("compare", "pbt_nas", "searl", "--on", "images:digits", *one, "--out", "cmp")
    assert "chosen to fit the data: step=1 (pbt_nas); population=12, step=1 (searl). --set" in said.err
    told = {name: json.loads((cli.home / "cmp" / name / "seed-0" / "run.json").read_text())["request"]["options"]
            for name in ("pbt_nas", "searl")}  # fmt: skip
    assert told["pbt_nas"] == {"population": "2", "epochs": "3", "step": 1}
    assert told["searl"] == {"epochs": "3", "population": 12, "step": 1}
    assert cli("resume", "cmp", "--add", "random_population", "--quiet").code == 0
    added = json.loads((cli.home / "cmp/random_population/seed-0/run.json").read_text())["request"]["options"]
    assert added == {"population": 2, "epochs": 3, "step": 1}, "those of the group's first population"


def test_an_option_that_only_some_have_is_refused(cli: Any, planted: Path) -> None:
    three = ("compare", "pbt_nas", "searl", "fast=random_population", "--on", planted)
    said = ["--set parents=0.5: pbt_nas and searl have such an option, fast has not; expected pbt_nas.parents or searl"]
    cli.refuses(*three, "--set", "parents=0.5", says=said)
    cli.refuses(*three, "--set", "p=0.5", says=["pbt_nas has such an option, searl and fast have not"])
    (cli.home / "some.toml").write_text("set.parents = 0.5")
    cli.refuses(*three, "--config", "some.toml", says=["parents under [set]: pbt_nas and searl have", "fast has not"])
    cli.refuses(*three, "--set", "popluation=4", says=["pbt_nas and searl and fast", "did you mean 'population'?"])


def test_states_are_kept_where_there_are_any(cli: Any, small_table: Path) -> None:
    line = ("compare", "random", "evolution", "--on", "nb201", "--table", small_table, "--disk-budget", "1GB")
    cli.refuses(*line, says=["keep and disk_budget are for checkpoints", "nothing is trained on nb201"])
