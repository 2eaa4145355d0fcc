"""`archloom proxy`, and what its tables are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="proxies need the extra train")

from archloom.data.tables import Table, load_table, save_table
from archloom.evaluators.proxies import PROXIES
from archloom.spaces.nb201 import GENES

TINY = ("--set", "space.channels=2", "--set", "space.cells=1", "--set", "space.image_size=6")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 64 cells over two operations, with an accuracy."""
    genes = np.indices((2,) * 6).reshape(6, -1).T
    return save_table(
        tmp_path_factory.mktemp("cells") / "cells.npz",
        space="nb201",
        gene_names=GENES,
        options=[["none", "nor_conv_1x1"]] * 6,
        genes=genes,
        metrics={"valid": 50.0 + genes.sum(axis=1)},
        goals={"valid": "max"},
        source="made here",
        units="percent",
    )


def scored(cli: Any, cells: Path, *more: object) -> Any:
    return cli("proxy", "nb201", "--table", cells, "-o", "out.npz", "--proxies", "synflow,params", *TINY, *more)


def test_a_table_with_proxies(cli: Any, cells: Path) -> None:
    said = scored(cli, cells, "--quiet")
    assert (said.code, said.err) == (0, "")
    assert said.out == "out.npz: 64 architectures by synflow, params\n"
    table = load_table(cli.home / "out.npz")
    assert table.metrics == ("valid", "synflow", "params")
    assert {path.name for path in cli.home.iterdir()} == {"out.npz"}


def test_one_object(cli: Any, cells: Path) -> None:
    said = scored(cli, cells, "--json", "--quiet")
    found, table = json.loads(said.out), load_table(cli.home / "out.npz")
    assert found == {
        "table": "out.npz", "sha256": table.sha256, "rows": 64, "proxies": ["synflow", "params"],
        "source": table.source, "without_score": {},
    }  # fmt: skip


def test_what_has_no_score_is_noted(cli: Any, cells: Path) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    said = cli(
        "proxy", "nb201", "--table", cells, "-o", "out.npz", "--proxies", "naswot", "--quiet",
        *TINY[:4], "--set", "size=8", "--set", "task.batch_size=4",
    )  # fmt: skip
    assert said.code == 0
    (note,) = said.out.splitlines()[1:]
    missing = int(np.isnan(load_table(cli.home / "out.npz").metric("naswot")).sum())
    reason = "naswot's kernel is singular: the network cannot tell the images apart"
    assert note == f"note: {missing} have no naswot: {reason}" and missing > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nb201", "-o", "out.txt"), "-o out.txt: expected a file ending in .npz"),
        (("nb201", "-o", "none/out.npz"), "there is no folder none"),
        (("nb201", "-o", "out.npz", "--proxies", "synflo"), "unknown proxy 'synflo'; did you mean 'synflow'"),
        (("nb2001", "-o", "out.npz"), "unknown space 'nb2001'; did you mean 'nb201'"),
        (("nb201", "-o", "out.npz", "--workers", "0"), "--workers 0: expected at least 1"),
        (("nb201", "-o", "out.npz", "--set", "space.cell=1"), "unknown space option 'cell'"),
        (("nb201", "-o", "out.npz", "--set", "batch=1"), "unknown task option 'batch'"),
    ],
)
def test_what_does_not_fit(cli: Any, words: tuple[str, ...], said: str) -> None:
    answer = cli("proxy", *words)
    assert answer.code == 2 and said in answer.err and answer.err.count("\n") == 1
    assert not list(cli.home.iterdir()), "nothing is written"


def test_a_search_by_a_proxy_or_by_accuracy_with_a_proxy_as_constraint(cli: Any, cells: Path) -> None:
    scored(cli, cells, "--quiet")
    table = load_table(cli.home / "out.npz")
    words = ("search", "random", "--on", "nb201", "--table", "out.npz", "--queries", 64, "--json", "--quiet")
    found = json.loads(cli(*words, "--objective", "synflow", "--report", "valid").out)["runs"][0]
    assert found["queries"] == 64
    assert np.float32(found["best"]["value"]) == table.metric("synflow").max()
    bound = float(np.median(table.metric("params")))
    found = json.loads(cli(*words, "--constraint", f"params<={bound}").out)["runs"][0]
    assert found["best"]["value"] == table.metric("valid")[table.metric("params") <= bound].max()


def test_a_search_on_networks_as_they_are_asked_for(cli: Any) -> None:
    words = (
        "search",
        "evolution",
        "--on",
        "proxy:synflow+params",
        "--space",
        "nb201",
        *TINY,
        "--queries",
        12,
        "--quiet",
    )
    said = cli(*words, "--set", "population=4", "--set", "sample=2", "--constraint", "params_m<=0.01", "--out", "run")
    assert said.code == 0, said.err
    trials = [json.loads(line) for line in (cli.home / "run" / "trials.jsonl").read_text().splitlines()]
    assert all(set(trial["scores"]) == {"synflow", "params_m"} for trial in trials)
    assert "scores of untrained networks" in cli("status", "run").out


def test_a_run_says_what_networks_were_shown(cli: Any) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    words = ("search", "random", "--on", "proxy:snip", *TINY[:4], "--set", "task.size=8", "--set", "task.batch_size=4")
    assert cli(*words, "--queries", 2, "--out", "run", "--quiet").code == 0
    assert "data: scored on digits" in cli("status", "run").out
    assert cli("resume", "run", "--queries", 3, "--quiet").code == 0
    assert cli("best", "run").code == 0


def test_an_agent_learns_from_a_proxy_alone(cli: Any, cells: Path, tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="agents' files need the extra train")
    pytest.importorskip("gymnasium", reason="environments need the extra envs")
    pytest.importorskip("numba", reason="environments need the extra envs")
    scored(cli, cells, "--quiet")
    tiny = {
        "width": 8, "heads": 2, "feedforward": 8, "head_width": 8, "walkers": 8, "max_neighbours": 6,
        "episode_steps": 4, "learning_starts": 60, "batch_size": 16, "log_steps": 50, "steps": 150,
    }  # fmt: skip
    settings = [word for name, value in tiny.items() for word in ("--set", f"{name}={value}")]
    words = ("--on", "nb201", "--table", "out.npz", "--objective", "synflow")
    said = cli("agent", "train", *words, "--out", "agent", *settings)
    assert said.code == 0, said.err
    assert "synflow only ranks: the value of an architecture is the percentage of the others that are worse" in said.err
    assert "climbed         synflow: mean " in said.out
    plan = ("--sets", 1, "--starts", 20, "--steps", 4, "--neighbours", 6, "--json", "--quiet")
    found = json.loads(cli("agent", "evaluate", "agent", *words, *plan).out)
    assert found
    walked = cli("search", "apex", "--set", "checkpoint=agent/agent.safetensors", *words, "--queries", 20, "--quiet")
    assert walked.code == 0, walked.err


def test_all_proxies_are_described(cli: Any) -> None:
    said = cli("list", "proxy")
    assert said.code == 0 and "task.batch_size = 64" in said.out
    assert all(f"  {name}" in said.out and proxy.title in said.out for name, proxy in PROXIES.items())
    assert "proxy:NAME[+NAME]" in cli("list").out


def test_a_table_that_is_in_use_elsewhere(cli: Any, cells: Path) -> None:
    from archloom.problems.proxy_part import open_part

    with open_part(cli.home / "out.npz.part", "other"):
        said = scored(cli, cells, "--quiet")
    assert said.code == 2 and "another process makes this table" in said.err
    assert isinstance(load_table(cells), Table)


def test_a_file_that_is_there_is_left_alone(cli: Any) -> None:
    (cli.home / "mine.npz").write_text("mine")
    said = cli("proxy", "nb201", "--proxies", "params", "-o", "mine.npz")
    assert (said.code, (cli.home / "mine.npz").read_text()) == (2, "mine")
    assert "mine.npz is there already: remove it, or give another file" in said.err
