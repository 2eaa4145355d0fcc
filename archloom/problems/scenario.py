"""A problem with everything chosen: what is optimised, under what constraints, and what is reported."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from archloom.constraints import Constraint, Criteria, Winner, criteria
from archloom.errors import InputError, unknown
from archloom.evaluators.base import Evaluator
from archloom.problems.base import Problem
from archloom.problems.own_file import OwnEvaluator
from archloom.problems.spec import ProblemSpec
from archloom.spaces.base import SearchSpace
from archloom.types import Resource
from archloom.utils.user_files import RunningCode


@dataclass(frozen=True)
class Scenario:
    """A problem with everything chosen: what is optimised, under what constraints, and what is reported."""

    spec: ProblemSpec
    problem: Problem
    criteria: Criteria
    report: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    """What the strategy learns from beside the metrics of the criteria."""

    @cached_property
    def evaluator(self) -> Evaluator:
        """Made when it is first used: evaluations may run elsewhere."""
        file = self.spec.source.file
        if file is None:
            return self.problem.evaluator(self.scores, self.report)
        with RunningCode.of(file).inside():
            return OwnEvaluator(file, self.problem.evaluator(self.scores, self.report))

    @cached_property
    def resource(self) -> Resource | None:
        """What a fidelity counts; None if everything is evaluated in full."""
        return self.problem.resource_of(self.scores)

    @property
    def scores(self) -> tuple[str, ...]:
        """Every metric that a strategy may see."""
        return (*self.criteria.metrics, *self.metrics)

    def with_metrics(self, strategy: str, metrics: Sequence[str]) -> Scenario:
        """The same with more metrics for a strategy to learn from; InputError for those that are for people only."""
        more = tuple(dict.fromkeys(name for name in metrics if name not in self.criteria.metrics))
        for name in more:
            if name in self.spec.report or self.problem.for_people(name):
                raise InputError(
                    f"{strategy} wants to learn from {name}, which is reported to people and never selected by; it may "
                    f"learn from {', '.join(n for n in self.problem.goals if not self.problem.for_people(n))}"
                )
            if name not in self.problem.goals:
                error = unknown(f"metric that {strategy} learns from", name, self.problem.goals)
                raise InputError(f"{error}; archloom list {strategy} shows the options that choose it")
        report = tuple(name for name in self.report if name not in more)  # what is reported unless it is learnt from
        return replace(self, metrics=more, report=report) if more != self.metrics else self

    def won_by(self, winner: Winner) -> Scenario:
        """The same with this rule for the best trial of a run."""
        same = winner is self.criteria.winner
        return self if same else replace(self, criteria=replace(self.criteria, winner=winner))

    @property
    def space(self) -> SearchSpace:
        return self.problem.space

    @property
    def objectives(self) -> tuple[str, ...]:
        return tuple(objective.metric for objective in self.criteria.objectives)

    @property
    def caveats(self) -> Sequence[str]:
        """What a user must know of the metrics chosen before a search."""
        return self.problem.caveats(self.criteria.metrics, self.report)


def open_scenario(spec: ProblemSpec) -> Scenario:
    """Open what a spec names; InputError in one line for whatever does not fit."""
    return select_metrics(spec.source.open(spec), spec)


def select_metrics(problem: Problem, spec: ProblemSpec) -> Scenario:
    """A problem with the objectives, constraints and report of a spec, checked against what the problem has."""

    def known(kind: str, name: str, names: Iterable[str]) -> str:
        if (found := _as_spelt(name, names)) is None:
            raise _unknown_metric(kind, name, names, problem, spec)
        return found

    objectives = tuple(known("objective", name, problem.goals) for name in spec.objectives)
    objectives = objectives or problem.default_objectives()
    bounds = [
        replace(bound, metric=known("metric in a constraint", bound.metric, problem.goals))
        for bound in map(Constraint.parse, spec.constraints)
    ]
    wanted = criteria(objectives, problem.goals, bounds)
    report = tuple(known("metric to report", name, problem.reportable()) for name in spec.report)
    report = report or problem.default_report(objectives)
    problem.check(wanted, report)
    return Scenario(spec, problem, wanted, report)


def _as_spelt(name: str, known: Iterable[str]) -> str | None:
    """The one of the known names that this is: exactly, else as Unicode's normal forms go (µ may be typed in two ways,
    é as one character or two) and without white space around it; None if none or several are."""
    known = list(known)
    if name in known:
        return name
    same = [each for each in known if _normal(each) == _normal(name)]
    return same[0] if len(same) == 1 else None


def _normal(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip()


def _unknown_metric(kind: str, name: str, known: Iterable[str], problem: Problem, spec: ProblemSpec) -> InputError:
    error, hint = unknown(kind, name, known), spec.source.hint(problem.data)
    return InputError(f"{error}{hint}") if hint else error


def absolute(spec: ProblemSpec) -> ProblemSpec:
    """The spec with paths made absolute, so that it means the same from any folder."""
    return spec.source.absolute(spec)
