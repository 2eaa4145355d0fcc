"""What runs sampled, in the order in which it was proposed, with metrics beside those that were optimised.

A run that optimised an accuracy can be looked at as one of accuracy against FLOPs: its trials have recorded them, or a
table or the space knows them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from archloom.analysis.stats import Floats
from archloom.analysis.study import Reports, Study
from archloom.constraints import Criteria, Objective
from archloom.errors import InputError, unknown
from archloom.problems import RecordedProblem
from archloom.problems.base import Problem
from archloom.runs.history import History
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.spaces.base import HasCounts
from archloom.types import Goal

COSTS = (("flops", "macs"), ("params",))
"""The kinds of costs that accuracy is shown against by default, by what is in a metric's name."""


def step_of(line: TrialRecord) -> int:
    """The number of a trial's proposal, from 1: the step at which its architecture was sampled."""
    return line.id + 1


def samples(history: History) -> list[TrialRecord]:
    """Every feasible trial in the order of the steps, at the highest fidelity that one of them has reached.

    Architectures that were proposed again count each time.
    """
    lines = [*history.comparable(), *filter(history.criteria.feasible, history.repeats)]
    highest = max(map(history.fidelity, lines), default=0)
    return sorted((line for line in lines if history.fidelity(line) == highest), key=step_of)


@dataclass(frozen=True)
class Top:
    """The best so many, or the best share of all: "64", or "5%"."""

    count: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> Top:
        """Read a whole number above 0, or a percentage above 0 and at most 100; InputError for anything else."""
        number, percent = text.strip().removesuffix("%").strip(), text.strip().endswith("%")
        try:
            value = float(number) if percent else int(number)
        except ValueError:
            value = 0
        if not 0 < value <= (100 if percent else math.inf):
            raise InputError(f"--top {text}: expected a number of architectures, e.g. 64, or a share of them, e.g. 5%")
        return cls(share=value / 100) if percent else cls(count=int(value))

    def of(self, report: RunReport) -> list[TrialRecord]:
        """The best architectures of a run by its first objective, the best first, of equals the earlier; each counts
        once, however often it was asked for."""
        history = report.history
        distinct: dict[str, TrialRecord] = {}
        for line in sorted(history.comparable(), key=history.utility, reverse=True):
            distinct.setdefault(line.arch, line)
        most = self.count if self.share is None else max(1, round(self.share * len(distinct)))
        return list(distinct.values())[:most]

    def __str__(self) -> str:
        return f"top {self.count:,}" if self.share is None else f"top {100 * self.share:g} %"


# -- metrics beside those that were optimised ---------------------------------------------------------------------


def costs(report: RunReport) -> list[str]:
    """The metrics that count FLOPs and parameters, at most one of each kind: recorded ones first, then those that the
    space counts, then those of the table; if there are several, that of the objective's data."""
    family = report.scenario.objectives[0].partition("_")[0]
    known = list(dict.fromkeys(_known(report)))
    found = ([name for name in known if any(part in name.lower().split("_") for part in kind)] for kind in COSTS)
    return [max(names, key=lambda name: name.partition("_")[0] == family) for names in found if names]


def measured(report: RunReport, lines: Sequence[TrialRecord], metric: str) -> Floats:
    """(n,) a metric of trials: as recorded, else as the space counts it or the table has it; NaN where it is unknown.

    InputError for a metric that is nowhere.
    """
    known = list(dict.fromkeys(_known(report)))
    if metric not in known:
        raise unknown("metric", metric, known)
    values = np.array([{**line.report, **line.scores}.get(metric, np.nan) for line in lines], dtype=np.float64)
    lacking = [number for number, value in enumerate(values) if np.isnan(value)]
    if lacking:
        values[lacking] = _looked_up(report, [lines[number] for number in lacking], metric)
    return values


def _known(report: RunReport) -> Iterator[str]:
    for line in report.history.lines:  # those of a run that goes on with a later version may have more
        yield from (*line.scores, *line.report)
    if isinstance(report.scenario.space, HasCounts):
        yield from report.scenario.space.counts()
    if _answers(report.scenario.problem):
        yield from report.scenario.problem.reportable()


def _answers(problem: Problem) -> bool:
    """Whether a table or a surrogate that is at hand answers for the problem."""
    return problem.data is not None and not isinstance(problem, RecordedProblem) and not problem.trains


def _looked_up(report: RunReport, lines: Sequence[TrialRecord], metric: str) -> Floats:
    space, problem = report.scenario.space, report.scenario.problem
    if isinstance(space, HasCounts) and metric in (counts := space.counts()):
        return np.asarray(counts[metric](np.array([line.genes for line in lines])), dtype=np.float64)
    evaluator = problem.evaluator((), (metric,)) if _answers(problem) else None
    if not getattr(evaluator, "looks_up", False):  # anything else may take long
        return np.full(len(lines), np.nan)
    rng = np.random.default_rng(0)  # a look-up draws nothing
    assert evaluator is not None  # noqa: S101 - None looks nothing up
    proposals = (line.proposal for line in lines)
    if evaluator.resource is None:  # however long a network trains, its FLOPs are the same
        proposals = (replace(proposal, fidelity=0) for proposal in proposals)
    results = (evaluator.evaluate(proposal, None, rng)[0] for proposal in proposals)
    return np.array([result.report.get(metric, np.nan) for result in results], dtype=np.float64)


# -- two objectives instead of one --------------------------------------------------------------------------------


def against(reports: Reports, cost: str) -> Reports:
    """The same runs as if they had optimised their first objective and `cost`, which is to be small unless its table
    says otherwise.

    InputError for a metric that the runs do not know, or that is the first objective itself.
    """
    return {label: [_with_cost(report, cost) for report in runs] for label, runs in reports.items()}


def _with_cost(report: RunReport, cost: str) -> RunReport:
    old = report.scenario.criteria
    first, problem = old.objectives[0], report.scenario.problem
    if cost == first.metric:
        raise InputError(f"--against {cost}: it is what these runs optimise; name a cost, e.g. {_example(report)}")
    goal: Goal = problem.goals.get(cost, "min")
    criteria = Criteria((first, Objective(cost, goal)), old.constraints, old.winner)
    goals = {**problem.goals, cost: goal}
    scenario = replace(report.scenario, criteria=criteria, problem=_of_goals(problem, goals))
    history = report.history
    known = [line for line in (*history.lines, *history.repeats) if line.ok]
    values = dict(zip((line.id for line in known), measured(report, known, cost).tolist(), strict=True))
    lines = (_scored(line, cost, values) for line in (*history.lines, *history.repeats))
    return replace(report, scenario=scenario, history=History.of(list(lines), criteria, history.resource))


def _scored(line: TrialRecord, cost: str, values: dict[int, float]) -> TrialRecord:
    if not line.ok:
        return line
    if np.isnan(value := values[line.id]):
        raise InputError(f"--against {cost}: it is not known of {line.arch}; name a metric that every trial has")
    return msgspec.structs.replace(line, scores={**line.scores, cost: value})


def _of_goals(problem: Problem, goals: dict[str, Goal]) -> Problem:
    """The problem as its record shows it, with these goals: a table that lacks one of them cannot be asked about all
    of its architectures."""
    if problem.table is None or set(goals) <= set(problem.goals):
        return problem
    recorded = RecordedProblem(problem.space.name, goals, problem.data)
    recorded.space, recorded.units = problem.space, problem.units
    return recorded


def _example(report: RunReport) -> str:
    return " or ".join(costs(report)) or "params_m"


def two_objectives(reports: Reports, metrics: Sequence[str]) -> list[Reports]:
    """The runs with two objectives, for each of `metrics`; without any, as they are if they have two, else against
    the FLOPs and the parameters that they know.

    InputError if there is nothing to set against the first objective.
    """
    study = Study.of(reports)
    if not metrics and len(study.criteria.objectives) == 2:
        return [reports]
    chosen = list(dict.fromkeys(metrics or costs(study.first)))
    if not chosen:
        several = len(study.criteria.objectives) > 1
        instead = (
            "draw --kind hypervolume, which takes any number"
            if several
            else "search with --report METRIC (of images: --report memory_mb) or a second --objective"
        )
        raise InputError(
            f"a Pareto set needs two objectives, these runs have {len(study.criteria.objectives)} "
            f"({', '.join(o.metric for o in study.criteria.objectives)}) and know neither FLOPs nor parameters: name a "
            f"metric to show the first one against, --against METRIC, or {instead}"
        )
    return [against(reports, metric) for metric in chosen]
