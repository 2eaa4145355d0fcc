"""Several networks of each generator."""

from __future__ import annotations

from typing import Any

import pytest

from archloom.analysis.networks import Spread, common, format_networks, has_networks
from archloom.errors import InputError
from archloom.runs.report import RunReport


def test_what_strings_have_in_common() -> None:
    assert common(["a=1, b=2, seed=3", "a=1, b=2, seed=4"]) == "a=1, b=2"
    assert common(["a=1, seed=3"]) == "a=1, seed=3"


def test_generators_with_their_spread(trained_networks: RunReport) -> None:
    found = Spread.of({"given": [trained_networks]})
    assert (found.metric, found.trained, found.metrics) == ("test", "2 epochs", ("y", "test", "seconds"))
    good, bad = found.generators
    assert (good.arch, good.values("test"), good.values("y")) == ("a=2", [80.0, 90.0], [8.0, 9.0])
    summary = good.summary("test")
    assert summary is not None and (summary.mean, summary.std) == (85.0, pytest.approx(50**0.5))
    exact = good.summary("test", ddof=0)
    assert exact is not None and exact.std == 5.0
    assert good.values("seconds") == [3.0, 3.0], "of all chunks together"
    assert bad.values("test") == [10.0] and found.missing == {"failed": 1}
    assert found.to_json()["generators"][1]["networks"][1]["missing"] == "failed"


def test_as_text(trained_networks: RunReport) -> None:
    lines = format_networks(Spread.of({"given": [trained_networks]}), ddof=0).split("\n")
    assert lines[0] == "networks of 2 generators on own.py after 2 epochs"
    assert lines[1] == "mean ± std over networks (ddof 0); seconds: of training a network"
    assert lines[3].split()[:7] == ["1", "2", "8.5", "±", "0.5", "85.00", "±"]
    assert lines[4].split()[:4] == ["2", "1", "of", "2"]
    assert lines[-1] == "note: 1 network: failed."


def test_published_networks_stand_beside(trained_networks: RunReport) -> None:
    found = Spread.of({"given": [trained_networks]})
    same = Spread(found.metric, ("test_accuracy", "memory_mb"), found.generators, "", "images:cifar10")
    text = format_networks(same)
    (row,) = (line for line in text.split("\n") if line.startswith("HNAG-MOBO"))
    assert row.split() == ["HNAG-MOBO", "96.60", "±", "0.07", "12.80", "NAGO", "paper", "(2020),", "Table", "4"]


def test_runs_of_single_networks(make_two: Any) -> None:
    report = make_two([(1, 1)])
    assert not has_networks([report])
    with pytest.raises(InputError, match="archloom train ARCH --networks 8 does"):
        Spread.of({"random": [report]})
