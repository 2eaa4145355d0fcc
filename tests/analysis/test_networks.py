"""Several networks of each generator."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from archloom.analysis.networks import Spread, common, format_networks, has_networks
from archloom.errors import InputError
from archloom.runs.history import History
from archloom.runs.report import RunReport
from archloom.strategies.population.note import NetworkNote
from archloom.types import Resource


def test_what_strings_have_in_common() -> None:
    assert common(["a=1, b=2, seed=3", "a=1, b=2, seed=4"]) == "a=1, b=2"
    assert common(["a=1, seed=3"]) == "a=1, seed=3"


def test_generators_with_their_spread(trained: RunReport) -> None:
    found = Spread.of({"given": [trained]})
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


def test_as_text(trained: RunReport) -> None:
    lines = format_networks(Spread.of({"given": [trained]}), ddof=0).split("\n")
    assert lines[0] == "networks of 2 generators on own.py after 2 epochs"
    assert lines[1] == "mean ± std over networks (ddof 0); seconds: of training a network"
    assert lines[3].split()[:7] == ["1", "2", "8.5", "±", "0.5", "85.00", "±"]
    assert lines[4].split()[:4] == ["2", "1", "of", "2"]
    assert lines[-1] == "note: 1 network: failed."


def test_published_networks_stand_beside(trained: RunReport) -> None:
    found = Spread.of({"given": [trained]})
    same = Spread(found.metric, ("test_accuracy", "memory_mb"), found.generators, "", "images:cifar10")
    text = format_networks(same)
    (row,) = (line for line in text.split("\n") if line.startswith("HNAG-MOBO"))
    assert row.split() == ["HNAG-MOBO", "96.60", "±", "0.07", "12.80", "NAGO", "paper", "(2020),", "Table", "4"]


def test_runs_of_single_networks(make_two: Any) -> None:
    report = make_two([(1, 1)])
    assert not has_networks([report])
    with pytest.raises(InputError, match="archloom train ARCH --networks 8 does"):
        Spread.of({"random": [report]})


@pytest.fixture
def trained(make_two: Any) -> RunReport:
    """Two networks of two generators after 1 and 2 epochs, of which the second one fails in the end."""
    values, tests = [5.0] * 4 + [1.0, None, 8.0, 9.0], [50.0] * 4 + [10.0, 0.0, 80.0, 90.0]
    pairs = [None if value is None else (value, 0.0) for value in values]
    report = make_two(pairs, single=True, report=[{"test": test} for test in tests])
    lines = []
    for line in report.history.lines:
        (generator, network), epoch = divmod(line.id % 4, 2), line.id // 4 + 1
        note = NetworkNote(line.id % 4, generator=generator + 1, network=network + 1).to_note()
        scores = {name: value for name, value in line.scores.items() if name == "y"}
        arch = f"a={generator + 1}, seed={line.id % 4}"
        lines.append(replace(line, note=note, fidelity=epoch, cost_s=float(epoch), arch=arch, scores=scores))
    history = History.of(lines, report.scenario.criteria, Resource("epochs", 2, open_ended=True))
    return dataclasses.replace(report, history=history)
