"""Accuracy against costs as text."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from msgspec.structs import replace

from archloom.analysis.trade_off import trade_off
from archloom.analysis.trade_off_report import format_trade_off
from archloom.runs.history import History

LATENCY = "cifar10_fpga_latency_ms"


def test_the_text_and_the_object_say_the_same(make_report: Any) -> None:
    reports = {"a": [make_report([0, 1, 63]), make_report([2, 62], seed=1)]}
    found = trade_off(reports, [LATENCY])
    content = json.loads(json.dumps(found.to_json()))
    assert content["evaluation"] == "cifar10_test_200" and content["metric"] == "cifar10_valid_200"
    (against,) = content["against"]
    assert len(against["strategies"]["a"]["points"]) == len(found.against[0].fronts[0].points)
    assert content["published"] == {"correlations": [], "slopes": []}, "nothing is published of supernets on nb201"
    text = format_trade_off(found, reports)
    assert "cifar10_valid_200 against cifar10_fpga_latency_ms on nb201; 2 seeds" in text
    assert "hypervolume of a run from cifar10_valid_200 = 87.00, cifar10_fpga_latency_ms = 7.63" in text
    assert "Spearman between cifar10_valid_200 and cifar10_test_200" in text
    assert "all sampled" in text and "Pareto sets" in text and "published" not in text


def test_published_numbers_stand_beside_those_of_darts(darts_runs: Any) -> None:
    reports = {label: [with_report(run, "params_m") for run in runs] for label, runs in darts_runs.items()}
    found = trade_off(reports)
    text = format_trade_off(found, reports)
    assert "DDAS-NL" not in text and "no accuracy after the search is known" in text
    assert "CIFAR-10   million parameters  2.123  above 0.93" in text
    assert "slope of y (least squares)" in text
    evaluated = {label: [with_report(run, "params_m", "test") for run in runs] for label, runs in reports.items()}
    text = format_trade_off(trade_off(evaluated, evaluation="test"), evaluated)
    assert "DDAS-NL 0.881 0.826" in " ".join(text.split())


def with_report(run: Any, *names: str) -> Any:
    """The run with these metrics reported: the numbers of its trials."""
    lines = [replace(line, report=dict.fromkeys(names, float(line.id))) for line in run.history.lines]
    return dataclasses.replace(run, history=History.of(lines, run.scenario.criteria))


def test_long_sets_are_cut_and_said(make_two: Any) -> None:
    reports = {"a": [make_two([(float(i), float(i)) for i in range(23)])]}
    text = format_trade_off(trade_off(reports), reports)
    assert "... and 3 more of a; --json has all" in text and text.count("\na ") == 1 + 20
