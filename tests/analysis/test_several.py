"""Runs of several folders in one picture."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from archloom.analysis.plots import KINDS
from archloom.analysis.several import differences, together
from archloom.errors import InputError
from archloom.problems import RecordedProblem
from archloom.runs.report import RunReport


def on(report: RunReport, space: str, **task: str) -> RunReport:
    """The same run on another space, with other options of its task."""
    problem = RecordedProblem(space, report.scenario.problem.goals, None)
    asked = dataclasses.replace(report.request, problem=report.request.problem.changed(task=task))
    return dataclasses.replace(report, request=asked, scenario=dataclasses.replace(report.scenario, problem=problem))


def test_each_strategy_has_a_name_of_its_own(make_two: Any) -> None:
    hnag, rnag, other = (on(make_two([(1, 1)]), space) for space in ("hnag", "rnag", "rnag"))
    assert list(together({Path("one"): {"bohb": [hnag], "random": [hnag]}, Path("two"): {"bohb": [rnag]}})) == [
        "bohb on hnag", "random", "bohb on rnag",
    ]  # fmt: skip
    same = {Path("a/one"): {"bohb": [rnag]}, Path("a/two"): {"bohb": [other]}, Path("b/two"): {"bohb": [other]}}
    assert list(together(same)) == ["bohb, one", "bohb, a/two", "bohb, b/two"]
    assert together({Path("a"): {"bohb": [rnag]}}) == {"bohb": [rnag]}


def test_what_they_differ_in_is_said(make_two: Any) -> None:
    report = make_two([(1, 1)])
    one, other = on(report, "hnag", epochs="5", lr="0.1"), on(report, "rnag", lr="0.1")
    assert differences({"a": [one], "b": [other]}) == [
        "Spaces: a hnag, b rnag.", "Runs differ in task.epochs: a 5, b by default.",
    ]  # fmt: skip
    assert differences({"a": [one], "b": [one]}) == []


def test_pictures_of_one_space_are_not_of_two(make_two: Any) -> None:
    reports = {name: [on(make_two([(1, 1)]), name)] for name in ("hnag", "rnag")}
    with pytest.raises(InputError, match=r"runs on the spaces hnag, rnag: this kind .*; draw --kind anytime or box or"):
        KINDS["state"].with_options({})(reports)
