"""The smoke versions of the studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs the extra train")


def test_memory(study: Any, tmp_path: Path) -> None:
    hnag, rnag = study("nago.__main__", "memory", "--workers", "1", "--figure", str(tmp_path / "memory.png"))
    assert (hnag["space"], hnag["networks"]) == ("hnag", 4) and rnag["most"] < hnag["most"]
    assert hnag["least"] <= hnag["median"] <= hnag["most"] and (tmp_path / "memory.png").stat().st_size > 10_000
    (large,) = study("nago.__main__", "memory-large", "--workers", "1")
    assert large["median"] > rnag["median"]


def test_published_generators(study: Any) -> None:
    (row,) = study("nago.__main__", "table3", "--workers", "1")
    assert row["published"] == 13 and 5 < row["memory_mb"]["mean"] < 20 and 3 < row["params_m"]["mean"] < 6


def test_networks_of_generators(study: Any) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    (row,) = study("nago.__main__", "networks", "--workers", "1")
    assert (row["generators"], row["test"]["n"]) == (2, 4) and 0 <= row["memory_alike"] <= 1


def test_searches_of_equal_time(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    words = ("--workers", "1", "--record", str(tmp_path / "done.jsonl"))
    rows = {row["setting"]: row for row in study("nago.__main__", "table4", *words)}
    assert all(row["networks"] == 2 and row["test"]["n"] == 2 for row in rows.values())
    assert rows["HNAG-BOHB"]["p"] is None and rows["RNAG-D"]["p"] is not None
    assert rows["HNAG, random search"]["queries"] >= 1 and rows["HNAG-RS"]["queries"] == 0
    assert rows["RNAG-D"]["published"] == "94.1 ± 0.16 at 44.2"
    assert list(rows.values()) == study("nago.__main__", "table4", *words), "nothing is left to do"


def test_surrogates(study: Any) -> None:
    (row,) = study("nago.__main__", "surrogates", "--workers", "1")
    assert (row["case"], row["splits"]) == ("known", 2)
    assert row["truth"][1] < min(row["rmse"]), "nothing predicts better than the true mean"


def test_evaluations(study: Any) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    (row,) = study("nago.__main__", "evaluations", "--workers", "1")
    assert row["generators"] == row["valid"]["n"] == 1
