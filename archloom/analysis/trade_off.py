"""What accuracy costs, in numbers: Pareto sets and hypervolumes against costs, how well the search ranked what was
evaluated afterwards, and how much accuracy a GFLOP or a million parameters buys (DDAS thesis, section 3.2.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archloom.analysis.published import is_test_metric
from archloom.analysis.published_supernets import GFLOP, MILLION, correlations_and_slopes
from archloom.analysis.sampled import COSTS, measured, step_of, two_objectives
from archloom.analysis.stats import (
    LEAST_PAIRS,
    Estimate,
    Summary,
    bootstrap_interval,
    pearson,
    slope,
    spearman,
    summarise,
)
from archloom.analysis.study import Reports, Study, front_rows
from archloom.errors import InputError
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.utils import seeds

_UNITS = dict(zip(COSTS, ((GFLOP, 1e-3), (MILLION, 1.0)), strict=True))
"""What costs in millions are given in, and how much of it a million is."""


@dataclass(frozen=True)
class Point:
    """A point of a Pareto set: the step and the seed at which it was sampled, the objective's and the cost's value, and
    its accuracy when it was evaluated afterwards, if that is known."""

    step: int
    seed: int
    arch: str
    value: float
    cost: float
    evaluated: float | None

    def to_json(self) -> dict[str, Any]:
        names = ("step", "seed", "arch", "value", "cost", "evaluated")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Front:
    """The Pareto set of all runs of a strategy together, and the hypervolumes of its runs with the 95 % bootstrap
    interval of their mean; None if one exceeds the largest float."""

    label: str
    points: tuple[Point, ...]
    hypervolume: Summary | None
    interval: tuple[float, float] | None

    def to_json(self) -> dict[str, Any]:
        return {
            "hypervolume": self.hypervolume.to_json() if self.hypervolume else None,
            "interval": self.interval,
            "points": [point.to_json() for point in self.points],
        }


@dataclass(frozen=True)
class Slope:
    """How much an accuracy rises with a unit of a cost, over `over`; `r` is the linear correlation, None if one of
    them has a single value, or if there are fewer than `LEAST_PAIRS` pairs."""

    over: str
    per: str
    estimate: Estimate
    r: float | None

    def to_json(self) -> dict[str, Any]:
        return {"over": self.over, "per": self.per, **self.estimate.to_json(), "r": self.r}


@dataclass(frozen=True)
class Against:
    """Everything against one cost."""

    cost: str
    reference_point: tuple[float, float]
    fronts: tuple[Front, ...]
    slopes: tuple[Slope, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "cost": self.cost,
            "reference_point": self.reference_point,
            "strategies": {front.label: front.to_json() for front in self.fronts},
            "slopes": [each.to_json() for each in self.slopes],
        }


@dataclass(frozen=True)
class TradeOff:
    """What `archloom pareto` prints.

    `evaluation` names the accuracy after the search, None if there is none; `correlations` are Spearman's between it
    and the objective, by strategy over its Pareto set against the first cost, and over all that was sampled.
    """

    metric: str
    evaluation: str | None
    against: tuple[Against, ...]
    correlations: Mapping[str, Estimate]
    space: str

    def to_json(self) -> dict[str, Any]:
        correlations, slopes = correlations_and_slopes(self.space)
        return {
            "metric": self.metric,
            "evaluation": self.evaluation,
            "against": [each.to_json() for each in self.against],
            "correlations": {over: found.to_json() for over, found in self.correlations.items()},
            "published": {
                "correlations": [each.to_json() for each in correlations],
                "slopes": [each.to_json() for each in slopes],
            },
        }


EVERYTHING = "all sampled"
"""What correlations and slopes are over if not over a Pareto set, and"""
FRONTS = "Pareto sets"
"""over those of all strategies."""


def trade_off(
    reports: Reports, against: Sequence[str] = (), evaluation: str | None = None, evaluated_in: Reports | None = None
) -> TradeOff:
    """The numbers of some runs; `against` as in `pareto_plots.pareto`.

    `evaluation` names the metric that evaluated architectures afterwards, by default the first test metric that the
    runs report. If `evaluated_in` are other runs on the same space, architectures are evaluated by the first objective
    there, or by `evaluation`: the networks of a supernet's best cells, trained alone, say.
    """
    study = Study.of(reports)
    study.need_best()
    if study.criteria.objectives[0].sign < 0:
        raise InputError(f"these runs minimise {study.metric}: expected an accuracy, which is to be large")
    pairs = [Study.of(each) for each in two_objectives(reports, against)]
    name, values = _evaluations(study, evaluation, evaluated_in)
    everything = _distinct([line for _, run in study.runs for line in run.history.comparable()])
    found = [_against(each, values, everything, study.first) for each in pairs]
    correlations: dict[str, Estimate] = {}
    if values:
        for front in found[0].fronts:
            correlations[front.label] = _correlation([(point.arch, point.value) for point in front.points], values)
        searched = [(arch, line.scores[study.metric]) for arch, line in everything.items()]
        correlations[EVERYTHING] = _correlation(searched, values)
    return TradeOff(study.metric, name, tuple(found), correlations, study.first.scenario.space.name)


# -- what was evaluated afterwards --------------------------------------------------------------------------------


def _evaluations(study: Study, metric: str | None, others: Reports | None) -> tuple[str | None, dict[str, float]]:
    """The name of the evaluation, and the accuracy of each architecture that has one."""
    if others is not None:
        return _evaluations_elsewhere(study, metric, Study.of(others))
    reported = (name for name in study.first.scenario.report if is_test_metric(study.benchmark, name))
    metric = metric or next(reported, None)
    if metric is None:
        return None, {}
    found: dict[str, float] = {}
    for _, run in study.runs:
        lines = run.history.comparable()
        values = measured(run, lines, metric).tolist()
        found |= {line.arch: value for line, value in zip(lines, values, strict=True) if math.isfinite(value)}
    return metric, found


def _evaluations_elsewhere(study: Study, metric: str | None, other: Study) -> tuple[str, dict[str, float]]:
    other.need_best()
    here, there = study.first.scenario.space.name, other.first.scenario.space.name
    if here != there:
        raise InputError(f"--evaluated: those runs are on the space {there!r}, these on {here!r}: expected the same")
    name, found = metric or other.metric, dict[str, float]()
    for _, run in other.runs:
        lines = run.history.comparable()
        values = measured(run, lines, name).tolist()
        found |= {line.arch: value for line, value in zip(lines, values, strict=True) if math.isfinite(value)}
    asked = {line.arch for _, run in study.runs for line in run.history.comparable()}
    if not asked & set(found):
        raise InputError("--evaluated: those runs have asked for none of the architectures of these")
    return f"{name} of {other.benchmark}", found


def _distinct(lines: Sequence[TrialRecord]) -> dict[str, TrialRecord]:
    """The latest trial of every architecture, by its string."""
    return {line.arch: line for line in lines}


def _correlation(searched: Sequence[tuple[str, float]], values: Mapping[str, float]) -> Estimate:
    """Of architectures, each with its accuracy in one trial; in a supernet that trains it has another in each."""
    pairs = [(accuracy, values[arch]) for arch, accuracy in searched if arch in values]
    return spearman([x for x, _ in pairs], [y for _, y in pairs], seeds.stream(0, "bootstrap"))


# -- against one cost ---------------------------------------------------------------------------------------------


def _against(
    study: Study, values: Mapping[str, float], everything: Mapping[str, TrialRecord], first: RunReport
) -> Against:
    cost = study.criteria.objectives[1].metric
    fronts = tuple(_front(study, label, values) for label in study.reports)
    lines = list(everything.values())
    costs = dict(zip(everything, measured(first, lines, cost).tolist(), strict=True))
    sampled = [(line.arch, line.scores[study.metric]) for line in lines]
    on_fronts = [(point.arch, point.value) for front in fronts for point in front.points]
    slopes = []
    for over, searched in ((FRONTS, on_fronts), (EVERYTHING, sampled)):
        known = [(arch, values.get(arch)) if values else (arch, accuracy) for arch, accuracy in searched]
        pairs = [(costs[arch], accuracy) for arch, accuracy in dict.fromkeys(known) if accuracy is not None]
        slopes.append(_slope(over, cost, pairs))
    value, bound = study.reference_point
    return Against(cost, (value, bound), fronts, tuple(slopes))


def _front(study: Study, label: str, values: Mapping[str, float]) -> Front:
    y, x = (objective.metric for objective in study.criteria.objectives)
    found = [(run.request.seed, line) for run in study.reports[label] for line in run.history.comparable()]
    cloud = np.array([[line.scores[y], line.scores[x]] for _, line in found], dtype=np.float64).reshape(-1, 2)
    points = tuple(
        Point(step_of(line), seed, line.arch, line.scores[y], line.scores[x], values.get(line.arch))
        for seed, line in (found[row] for row in front_rows(cloud, study.criteria))
    )
    volumes = [study.hypervolume(run) for run in study.reports[label]]
    if not all(map(math.isfinite, volumes)):
        return Front(label, points, None, None)
    interval = bootstrap_interval(volumes, seeds.stream(0, "bootstrap")) if len(volumes) > 1 else None
    return Front(label, points, summarise(volumes), interval)


def _slope(over: str, cost: str, pairs: Sequence[tuple[float, float]]) -> Slope:
    """Of costs and accuracies."""
    unit, share = unit_of(cost)
    x = np.array([each * share for each, _ in pairs], dtype=np.float64)
    y = np.array([accuracy for _, accuracy in pairs], dtype=np.float64)
    r = pearson(x, y) if len(x) >= LEAST_PAIRS else math.nan
    return Slope(over, unit, slope(x, y, seeds.stream(0, "bootstrap")), r if math.isfinite(r) else None)


def unit_of(cost: str) -> tuple[str, float]:
    """What a cost is given in, and its factor: a metric in millions of FLOPs in GFLOP, of parameters in millions."""
    parts = cost.lower().split("_")
    kind = next((kind for kind in COSTS if any(part in parts for part in kind)), None)
    return _UNITS[kind] if kind is not None and parts[-1] == "m" else (cost, 1.0)
