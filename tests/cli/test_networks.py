"""`archloom networks`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra train")


def test_spreads_of_generators_as_text_and_numbers(cli: Any, generators: Path) -> None:
    line = ("train", "a=1, b=0, graph=5", "a=2, b=1, graph=5", "--networks", 3, "--on", generators, "--set", "epochs=1")
    assert cli(*line, "--quiet", "--out", "run").code == 0
    found = {}
    for ddof in (0, 1):
        content = json.loads(cli("networks", "run", "--ddof", ddof, "--json").out)
        for each in content["generators"]:
            values = [network["metrics"]["test_worth"] for network in each["networks"]]
            assert len(values) == 3
            assert each["summaries"]["test_worth"]["std"] == pytest.approx(np.std(values, ddof=ddof))
            found[each["arch"], ddof] = f"{np.std(values, ddof=ddof):.2f}"
    assert {arch for arch, _ in found} == {"a=1, b=0", "a=2, b=1"}
    said = cli("networks", "run")
    assert said.code == 0
    for arch in ("a=1, b=0", "a=2, b=1"):
        assert arch in said.out
    assert all(std in said.out for (_, ddof), std in found.items() if ddof == 1)
    cli.refuses("networks", "run", "--ddof", 2, says=["--ddof", "0<=x<=1"])


def test_runs_without_networks_are_refused(cli: Any, generators: Path) -> None:
    cli("search", "random", "--on", generators, "--queries", 2, "--out", "found", "--quiet")
    cli.refuses("networks", "found", says=["--networks"])
    cli.refuses("networks", "nowhere", says=["nowhere"])
