"""The smoke versions of the studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs the extra train")


def test_chains(study: Any, tmp_path: Path) -> None:
    words = ("--workers", "1", "--record", str(tmp_path / "done.jsonl"))
    rows = study("pbt_nas.__main__", "chain", *words)
    assert [row["seeds"] for row in rows] == [2] * 7
    assert all(0 < row["mean"] < 100 and row["low"] <= row["mean"] <= row["high"] for row in rows)
    tests = [row["tested"] for row in rows]
    assert tests[0] is None and all(0 < test["p"] <= test["p_corrected"] <= 1 for test in tests[1:])
    assert len({row["mean"] for row in rows}) > 2, "settings differ"
    assert study("pbt_nas.__main__", "chain", *words) == rows, "nothing is left to do"


def test_a_moving_target(study: Any) -> None:
    default, copied = study("pbt_nas.__main__", "moving", "--workers", "1")
    assert 0 < default["mean"] < 100 and copied["tested"]["better"] == "PBT-NAS"


def test_scaling(study: Any) -> None:
    rows = study("pbt_nas.__main__", "scaling", "--workers", "1")
    assert [row["setting"] for row in rows][2::3] == ["PBT-NAS", "random search"]
    assert rows[1]["mean"] != rows[2]["mean"], "12 members and 4"


def test_bohb(study: Any) -> None:
    ours, random, bohb = study("pbt_nas.__main__", "bohb", "--workers", "1")
    assert bohb["tested"]["better"] == random["tested"]["better"] == "PBT-NAS" and 0 < bohb["mean"] < 100
    assert bohb["published"] == {"fid": "18.95 ± 1.48", "score": "621 ± 28"} and ours["tested"] is None


def test_images(study: Any) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    rows = study("pbt_nas.__main__", "images", "--workers", "1")
    assert [row["seeds"] for row in rows] == [1] * 2
    assert all(0 < row["mean"] < 100 and 0 < row["test_mean"] < 100 for row in rows)


def test_generators(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    rows = study("pbt_nas.__main__", "gan", "--workers", "1")
    assert [(row["seeds"], row["test_mean"]) for row in rows] == [(1, None)] * 2
    assert all(row["mean"] > 0 for row in rows)
    (bohb,) = study("pbt_nas.__main__", "gan-bohb", "--workers", "1")
    assert bohb["mean"] > 0
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_where_the_answer_is_known(study: Any) -> None:
    random, shrunk = study("pbt_nas.__main__", "planted", "--workers", "1")
    assert shrunk["mean"] < random["mean"] - 10, "shrink-perturb alone is worse: the paper's Table 3"


def test_agents(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("dm_control", reason="environments need the extra control")
    figure = tmp_path / "curves.png"
    ours, bohb = study("pbt_nas.__main__", "control", "--workers", "1", "--figure", str(figure))
    assert ours["best_ever"] >= ours["mean"] > 0 and bohb["best_ever"] >= bohb["mean"] > 0
    assert figure.read_bytes().startswith(b"\x89PNG")
