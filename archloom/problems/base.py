"""What a search is run on: a space with something that evaluates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archloom.checkpoints.chains import Leaving
from archloom.constraints import Criteria, Winner
from archloom.data.tables import Table
from archloom.errors import InputError, unknown
from archloom.evaluators.base import Evaluator, FunctionEvaluator
from archloom.evaluators.metrics import goals_of, reported_of
from archloom.spaces.base import AbsentSpace, SearchSpace
from archloom.spaces.config_space import as_space
from archloom.types import Goal, PopulationSizes, Resource

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


@dataclass(frozen=True)
class DataIdentity:
    """Which table, or which surrogate's file or folder, answers: what every output names."""

    name: str
    sha256: str
    source: str
    path: Path | None = None
    """Where it is; None if it is known from a record alone, or was made in memory."""
    trains: bool = True
    """Of data that networks see: whether they are trained on it; else it is shown to them only."""

    @property
    def use(self) -> str:
        """What networks do with it, in words that stand before its name."""
        return USES[self.trains]


USES: Mapping[bool, str] = {True: "trained on", False: "scored on"}
"""By whether networks are trained on data: what they do with it."""


class Problem:
    """A search space, or a `ConfigSpace.ConfigurationSpace`, and what its architectures are worth.

    `evaluate` is a function of the user's (see `evaluators.base.FunctionEvaluator`) or a complete `Evaluator`. `goals`
    says for each metric whether more ("max") or less ("min") is better, the one to optimise by default first; metrics
    in `report` (test accuracy, say) are recorded for people and never reach a strategy. `resource` says what a function
    that reports on the way counts (`archloom.Resource("epochs", maximum=50)`), so that strategies may stop it early.
    """

    table: Table | None = None
    isolate = True
    """Whether evaluations belong into processes of their own, because they may take theirs down with them."""
    units = ""
    """The units of the numbers, in words, if known."""
    trains = False
    """Whether evaluations end in states of trainings, which are kept while others may inherit from them."""
    shares_weights = False
    """Whether all architectures share their weights, so that a trained state is of none alone."""
    trained_on: DataIdentity | None = None
    """The data that networks are trained on, or shown, if it has a name."""
    resource: Resource | None = None
    population_sizes: PopulationSizes | None = None
    """How large a search that trains a population should be, unless a user says, if the problem knows; the sizes of
    what `--on TASK:DATA` names follow from the data (`tasks.fit`)."""
    leaves: Leaving | None = None
    """What trials leave beside the states of their trainings, for later ones to read."""
    winner = Winner.AT_HIGHEST_FIDELITY
    """Which trial of a population that trains is the best of its run."""

    def __init__(
        self,
        space: SearchSpace | ConfigurationSpace,
        evaluate: Callable[..., Any] | Evaluator,
        goals: Mapping[str, Goal],
        report: Sequence[str] = (),
        resource: Resource | None = None,
    ) -> None:
        space = as_space(space)
        if isinstance(space, type) or not isinstance(space, SearchSpace):
            raise InputError(f"space {space!r}: expected a search space, e.g. archloom.Categorical({{...}})")
        _check_evaluates(evaluate)
        self.space = space
        self.goals = goals_of(goals)
        self._evaluate = evaluate
        self._report = reported_of(report)
        self.resource = resource
        evaluator = self.evaluator(tuple(self.goals), self._report)  # fails here, rather than in a worker
        for name, goal in self.goals.items():
            if name not in evaluator.goals:
                raise unknown("goal", name, evaluator.goals)
            if goal != evaluator.goals[name]:
                said = evaluator.goals[name]
                raise InputError(f"goal {name!r} is {goal!r}, but its evaluator says {said!r}: correct one of them")

    @property
    def data(self) -> DataIdentity | None:
        """The table or surrogate that answers, if any."""
        return None

    @property
    def reference(self) -> Mapping[str, float]:
        """What stands before any search, by metric: what all architectures share scores as a whole; none by default."""
        return {}

    def default_objectives(self, in_part: bool = False) -> tuple[str, ...]:
        """What is optimised by default; `in_part`: by strategies that need several fidelities."""
        return (next(iter(self.goals)),)

    def default_report(self, objectives: Sequence[str]) -> tuple[str, ...]:
        return self._report

    def for_people(self, metric: str) -> bool:
        """Whether a metric is reported only: test accuracy, say."""
        return metric in self._report and metric not in self.goals

    def reportable(self) -> Sequence[str]:
        """Every metric that `--report` may name."""
        return (*self.goals, *self._report)

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        """The evaluator that puts these metrics into scores and report."""
        if isinstance(self._evaluate, Evaluator):
            return self._evaluate
        goals = {name: self.goals[name] for name in scores}
        others = [name for name in self.goals if name not in scores]
        return FunctionEvaluator(
            self.space, self._evaluate, goals, tuple(dict.fromkeys([*report, *self._report, *others])), self.resource
        )

    def check(self, wanted: Criteria, report: Sequence[str] = ()) -> None:
        """InputError if it is known that no architecture meets the constraints, or that a metric is not available.

        Called when a run is prepared; evaluators are made later, and perhaps elsewhere.
        """
        self.resource_of(wanted.metrics)

    def resource_of(self, scores: Sequence[str]) -> Resource | None:
        """What a fidelity counts for the evaluator of these metrics; None if everything is evaluated in full.

        A problem whose evaluators take long to make says so without making one.
        """
        return self.evaluator(scores, ()).resource

    def measured_as(self, metric: str) -> str:
        """The name under which a metric's values in full are published, if it is another: "valid_200" for "valid"."""
        return metric

    def worst(self, metric: str) -> float | None:
        """The worst value among all architectures; None if unknown."""
        return None

    def rank(self, metric: str, utility: float, fidelity: int = 0) -> int | None:
        """The place of a value among all architectures, 1 for the best, ties sharing it; None if unknown."""
        return None

    def ranked(self, metric: str, fidelity: int = 0) -> int | None:
        """How many architectures such a place is among: those that have the metric; None if unknown."""
        return None

    def attainable(self, wanted: Criteria) -> NDArray[np.float64] | None:
        """(n, objectives) the values of the objectives for all architectures that have them measured and meet the
        constraints; None if unknown."""
        return None

    def prepare(self) -> None:
        """Compute what evaluations in any process need and this machine keeps; called before a run evaluates."""

    def caveats(self, scores: Sequence[str], report: Sequence[str]) -> Sequence[str]:
        """What a user must know about these metrics before a search: those of selection, and those reported besides."""
        return ()


def _check_evaluates(evaluate: object) -> None:
    """InputError for what is neither a function nor a complete evaluator."""
    if callable(evaluate) or isinstance(evaluate, Evaluator):
        return
    missing = [name for name in ("goals", "resource", "evaluate") if not hasattr(evaluate, name)]
    raise InputError(
        f"evaluate={evaluate!r}: expected a function, or an evaluator, which has goals, resource (None if all is "
        f"evaluated in full) and evaluate; this has no {' and no '.join(missing)}"
    )


class RecordedProblem(Problem):
    """What a run's record alone tells of its problem: for reading runs whose table or file is not available."""

    isolate = False

    def __init__(self, space: str, goals: Mapping[str, Goal], data: DataIdentity | None) -> None:
        self._data = data
        self._absent = AbsentSpace(space)
        self.space = self._absent
        self.goals = dict(goals)
        self._report = ()

    @property
    def data(self) -> DataIdentity | None:
        return self._data

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        goals = {name: self.goals[name] for name in scores}
        return FunctionEvaluator(self.space, self._absent.evaluate, goals, resource=self.resource)

    def resource_of(self, scores: Sequence[str]) -> Resource | None:
        return self.resource
