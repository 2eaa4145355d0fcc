"""One search of a study: what is searched on, by what, and what of it is recorded."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

import archloom
from archloom.data import catalog
from archloom.data.tables import load_table
from archloom.evaluators.base import shortest
from archloom.problems import ProblemSpec, Scenario, TableProblem, open_scenario, select_metrics
from archloom.runs.history import History
from archloom.runs.report import RunReport
from benchmarks.graph_bo.pool import Pool

Pairs = tuple[tuple[str, str], ...]
Curve = list[tuple[float, float]]


@dataclass(frozen=True)
class Case:
    """A problem, and how far it is searched.

    Attributes:
        name: what its rows are called.
        on: a benchmark, or "pool": the measured cells of NAS-Bench-101.
        objectives: the first is the one that is followed, unless there are several.
        queries: after how many a search ends.
        constraints: bounds on metrics.
        width: proposals in flight at once.
        to_optimum: a search ends when it has found the best value of the table that meets the constraints.
        reference: of several objectives the hypervolume beyond this point is followed, as a share of the table's.
        in_part: the metric that is the objective at several fidelities, for strategies that need these.
        space, task: options.
        unfit: the strategies that cannot search here.
    """

    name: str
    on: str
    objectives: tuple[str, ...]
    queries: int
    constraints: tuple[str, ...] = ()
    width: int = 1
    to_optimum: bool = False
    reference: tuple[float, ...] = ()
    in_part: str = ""
    space: Pairs = ()
    task: Pairs = ()
    unfit: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """A strategy with its options; `in_part` if it trains most architectures for a part of the epochs only."""

    name: str
    strategy: str
    options: Mapping[str, str] = field(default_factory=dict)
    in_part: bool = False

    def fits(self, case: Case) -> bool:
        return self.strategy not in case.unfit and (bool(case.in_part) or not self.in_part)


@dataclass(frozen=True)
class Found:
    """What one search found.

    `curve`: the best value so far (of several objectives, the share of the hypervolume), where it grew, with the
    queries up to then; of a strategy that trains in part, with the full trainings whose epochs were used. `queries`:
    how many there were. `seconds`: processor time of the whole search.
    """

    setting: str
    seed: int
    curve: Curve
    queries: int
    seconds: float

    def after(self, spent: float) -> float:
        """The best value by then; minus infinity if there was none."""
        return max((value for at, value in self.curve if at <= spent), default=-math.inf)


def label(case: Case, setting: Setting) -> str:
    """What identifies the searches of a setting on a case in a record."""
    return f"{case.name}: {setting.name}"


@cache
def opened(case: Case, in_part: bool = False) -> Scenario:
    """The scenario of a case."""
    objectives = (case.in_part,) if in_part else case.objectives
    spec = ProblemSpec(
        case.on, objectives=objectives, constraints=case.constraints, space=dict(case.space), task=dict(case.task)
    )
    return select_metrics(_pool(), spec) if case.on == "pool" else open_scenario(spec)


def _pool() -> TableProblem:
    table = load_table(catalog.locate("nb101", environ=os.environ))
    measured = np.isfinite(table.metric("valid_108_best_of_3"))
    return TableProblem(table, Pool(table.genes[measured]))


@cache
def gains_of(case: Case) -> NDArray[np.float64]:
    """(n,) the first objective of all architectures that meet the constraints, as recorded, more is better."""
    scenario = opened(case)
    objective, values = scenario.criteria.objectives[0], scenario.problem.attainable(scenario.criteria)
    if values is None:
        raise ValueError(f"{case.name}: the values of all architectures are not known")
    return np.array([objective.utility(shortest(value)) for value in values[:, 0]])


def optimum(case: Case) -> float:
    """The best value of the first objective among all architectures that meet the constraints."""
    return opened(case).criteria.objectives[0].utility(float(gains_of(case).max()))  # which undoes itself


@cache
def _full_hypervolume(case: Case) -> float:
    """Of the front of the whole table."""
    import moocore

    scenario = opened(case)
    signs = np.array([objective.sign for objective in scenario.criteria.objectives])
    values = scenario.problem.attainable(scenario.criteria)
    return float(moocore.hypervolume(signs * values, ref=signs * np.array(case.reference), maximise=True))


def search(case: Case, setting: Setting, seed: int) -> Found:
    """One search, in memory."""
    scenario = opened(case, setting.in_part)
    limits: dict[str, float | int] = {"queries": case.queries}
    if case.to_optimum:
        limits["target"] = optimum(case)
    if setting.in_part and scenario.resource is not None:
        every = scenario.resource.maximum * case.queries
        limits = {"queries": every, "resource": every}
    began = time.process_time()
    report = archloom.run(setting.strategy, scenario, seed=seed, width=case.width, **limits, **setting.options)
    seconds = time.process_time() - began
    curve = _curve_of(case, setting)(case, report)
    return Found(label(case, setting), seed, _rises(curve), report.history.queries, round(seconds, 3))


def _curve_of(case: Case, setting: Setting) -> Callable[[Case, RunReport], Curve]:
    if setting.in_part:
        return _in_full_trainings
    return _hypervolume if case.reference else _best


def _best(case: Case, report: RunReport) -> Curve:
    utility = report.scenario.criteria.objectives[0].utility
    return [(spent, utility(value)) for spent, value in report.curve]


def _hypervolume(case: Case, report: RunReport) -> Curve:
    full = _full_hypervolume(case)
    return [(spent, volume / full) for spent, volume in report.history.hypervolume_curve(case.reference)]


def _in_full_trainings(case: Case, report: RunReport) -> Curve:
    """Of what was trained in full; spent are the epochs of all trainings, as full trainings."""
    history: History = report.history
    full = 1 if history.resource is None else history.resource.maximum
    used = accumulate(map(history.used, history.lines))
    return [
        (spent / full, history.utility(line))
        for line, spent in zip(history.lines, used, strict=True)
        if history.criteria.feasible(line) and history.fidelity(line) == full
    ]


def _rises(curve: Curve) -> Curve:
    """The points at which a curve is higher than before."""
    rises: Curve = []
    for spent, value in curve:
        if not rises or value > rises[-1][1]:
            rises.append((spent, value))
    return rises
