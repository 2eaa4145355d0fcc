"""The evaluation after a search of every run of a folder: the best member of each, and what is missing.

A run that is not finished, has found nothing or has lost its checkpoint is named with the reason: a mean over the
others alone says less than it seems to.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from archloom.analysis.pairing import begin_alike
from archloom.analysis.pooled import Setting, Values
from archloom.analysis.significance import Wanted
from archloom.constraints import Objective
from archloom.deploy import final
from archloom.errors import ArchloomError, InputError
from archloom.runs.groups import label_of, members_of
from archloom.runs.members import started
from archloom.runs.prepare import Preparer
from archloom.runs.report import RunReport, read_report
from archloom.types import Goal
from archloom.utils.numbers import finite
from archloom.utils.text import reason_of

_GOALS: Mapping[str, Goal] = {"max": "max", "min": "min"}


@dataclass(frozen=True)
class Judge:
    """A final metric by which strategies are compared; `goal` is None if the task says what is better."""

    metric: str
    goal: Goal | None = None

    @classmethod
    def parse(cls, text: str) -> Judge:
        """From METRIC, METRIC:max or METRIC:min."""
        metric, _, goal = text.rpartition(":")
        return cls(metric, _GOALS[goal]) if metric and goal in _GOALS else cls(text)


@dataclass(frozen=True)
class Entry:
    """A run of a folder: what was measured of its best member, or why nothing was (`missing`).

    `metrics` are the final ones, NaN where one could not be measured; `goals` say which of them may be optimised and
    how. `loses`: the run was searched to its end and found nothing.
    """

    path: Path
    label: str
    seed: int
    report: RunReport | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    goals: Mapping[str, Goal] = field(default_factory=dict)
    missing: str | None = None
    loses: bool = False

    def check(self, judges: Sequence[Judge]) -> None:
        """InputError for judges that are not among the metrics measured, or of which it is unknown what is better."""
        for judge in judges if self.metrics else ():
            if judge.metric not in self.metrics:
                raise InputError(f"--metric {judge.metric}: expected one of {', '.join(self.metrics)}")
            if judge.goal is None and judge.metric not in self.goals:
                name = judge.metric
                raise InputError(f"--metric {name}: which is better? expected {name}:max or {name}:min")

    def to_json(self) -> dict[str, Any]:
        run = {"run": str(self.path), "label": self.label, "seed": self.seed, "missing": self.missing}
        return {**run, **self.facts, "metrics": dict(self.metrics)}


def check_runs(runs: Sequence[Path], settings: Mapping[str, Any], wanted: Wanted) -> None:
    """InputError, before anything is measured, for options of a task that a run's evaluation does not have, and for
    tests of strategies that a folder lacks."""
    for run in runs:
        members = members_of(run)
        for request in members.values():
            final.check_changes(request.problem, settings)
        labels = dict.fromkeys(label_of(str(path.relative_to(run)), request) for path, request in members.items())
        wanted.check(list(labels), f", of which {run} has no runs" if len(runs) > 1 else "")


def entries(
    run: Path, settings: Mapping[str, Any], trust: bool, watch: Callable[[Path, final.Member], None]
) -> Iterator[Entry]:
    """Every run of a folder, or a single one, one after another; nothing in it is changed.

    `watch` is called before a member is measured.
    """
    preparer = Preparer()
    for path, request in members_of(run).items():
        entry = partial(Entry, path, label_of(str(path.relative_to(run)), request), request.seed)
        try:
            if not started(path, request):
                yield entry(missing="not started")
                continue
            report = read_report(path, preparer=preparer)
            if report.ending is None:
                yield entry(missing=f"not finished, {report.history.queries:,} queries so far")
            elif report.best is None:
                yield entry(report, missing="found nothing", loses=True)
            else:
                member = final.open_member(report, None, settings, trust)
                watch(path, member)
                yield entry(report, member.facts(), member.evaluate(), member.task.goals)
        except ArchloomError as error:
            yield entry(missing=str(error).removeprefix(f"{path}: "))
        except Exception as error:  # noqa: BLE001 - a task's own code: the others were measured, perhaps for hours
            yield entry(missing=reason_of(error))


def setting_of(run: Path, measured: Sequence[Entry], judges: Sequence[Judge]) -> Setting:
    """What the runs of a folder reached by each final metric; InputError if none was measured.

    A run that lacks a metric has no value of it, and one that found nothing loses to any other.
    """
    known = [entry for entry in measured if entry.metrics]
    if not known or known[0].report is None:
        raise InputError(nothing_measured(run, measured))
    scenario = known[0].report.scenario
    names = dict.fromkeys(name for entry in known for name in entry.metrics)
    goals = {**known[0].goals, **{judge.metric: judge.goal for judge in judges if judge.goal is not None}}
    objectives = {name: Objective(name, goals[name]) for name in names if name in goals}
    missing = [f"{entry.path}: {entry.missing}" for entry in measured if entry.missing is not None]
    lacking = [
        f"{entry.path}: {name} was not measured" for entry in known for name in names if _value(entry, name) is None
    ]
    by_label = {entry.label: [e.report for e in measured if e.label == entry.label and e.report] for entry in measured}
    return Setting(
        str(run), scenario.spec.on, {name: _values(name, measured) for name in names}, objectives,
        lambda one, other: begin_alike(by_label[one], by_label[other]), [*missing, *lacking],
    )  # fmt: skip


def nothing_measured(run: Path, measured: Sequence[Entry]) -> str:
    """Why a folder has nothing to compare, in words."""
    reasons = Counter(entry.missing for entry in measured)
    listed = "; ".join(f"{count} of its runs: {reason}" for reason, count in reasons.items())
    return f"{run}: nothing was measured ({listed})"


def judged_by(measured: Sequence[Entry], judges: Sequence[Judge]) -> list[str]:
    """The metrics that are tested: the judges', else the search's first objective, or, if other settings give that
    another name, the first that the task may optimise. None if nothing that was measured can be."""
    if judges:
        return [judge.metric for judge in judges]
    first = next(entry for entry in measured if entry.metrics)
    objectives = () if first.report is None else first.report.scenario.objectives[:1]
    wanted = [name for name in (*objectives, *first.goals) if name in first.metrics and name in first.goals]
    return wanted[:1]


def _values(name: str, measured: Sequence[Entry]) -> Values:
    values: dict[str, dict[int, float | None]] = {entry.label: {} for entry in measured}
    for entry in measured:
        value = _value(entry, name)
        if value is not None or entry.loses:
            values[entry.label][entry.seed] = value
    return values


def _value(entry: Entry, name: str) -> float | None:
    return finite(entry.metrics.get(name, math.nan))
