"""Networks that are trained, as a problem: `--on TASK:DATA`, and tasks of the user's own."""

from __future__ import annotations

import os
from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archloom import registry
from archloom.checkpoints.chains import Leaving
from archloom.checkpoints.experience import EXPERIENCE
from archloom.constraints import Winner
from archloom.errors import InputError
from archloom.evaluators.base import Evaluator
from archloom.evaluators.metrics import goals_of, reported_of
from archloom.problems.base import DataIdentity, Problem
from archloom.problems.spec import ProblemSource, ProblemSpec
from archloom.spaces.base import SearchSpace
from archloom.spaces.config_space import as_space
from archloom.tasks.fit import Fit, FitsData
from archloom.utils import options
from archloom.utils.options import Option

if TYPE_CHECKING:
    from archloom.tasks.base import CollectsExperience, SuppliedTask, Task


class TaskProblem(Problem):
    """Architectures of `space` are trained on `task` (see `tasks.base.Task`). A task that builds networks itself builds
    this space's, whichever space it had.

    The space must be `HasModules` for strategies that mix weights.
    """

    trains = True
    remarks: Sequence[str] = ()
    """What a user must know of the data that networks are trained on: how much there is, what was left out."""

    def __init__(self, space: SearchSpace, task: Task) -> None:
        from archloom.tasks.base import ChoosesWinner, CollectsExperience, TrainsNetworksOf  # which imports torch

        self.space = as_space(space)
        if isinstance(task, TrainsNetworksOf) and task.space is not self.space:
            task = task.on(self.space)
        self.task = task
        self.goals = goals_of(task.goals)
        self._report = reported_of(task.report)
        self.evaluator(tuple(self.goals), self._report)  # fails here, rather than in a worker
        self.winner = task.winner if isinstance(task, ChoosesWinner) else Winner.EVER
        self.leaves = _experience(task) if isinstance(task, CollectsExperience) else None
        if not isinstance(self.winner, Winner):
            raise InputError(
                f"task {task.name}: winner={self.winner!r}: expected an archloom.constraints.Winner, e.g. Winner.EVER"
            )

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        from archloom.evaluators.train import TrainingEvaluator  # which imports torch

        always = [name for name in self._report if name not in scores]
        return TrainingEvaluator(self.task, self.space, scores, tuple(dict.fromkeys([*report, *always])))

    def default_report(self, objectives: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in self._report if name not in objectives)

    def reportable(self) -> Sequence[str]:
        return tuple(dict.fromkeys([*self.goals, *self._report]))

    def prepare(self) -> None:
        from archloom.tasks.base import PreparesEvaluation  # which imports torch

        if not self.isolate and isinstance(self.task, PreparesEvaluation):
            with suppress(Exception):  # what fails now fails in every evaluation, and is recorded there
                self.task.prepare_evaluation()

    def caveats(self, scores: Sequence[str], report: Sequence[str]) -> Sequence[str]:
        return self.remarks


def _experience(task: CollectsExperience) -> Leaving:
    """What trainings of a task leave; InputError if it does not say how much of it is read."""
    epochs: object = task.experience_epochs
    if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1:
        raise InputError(f"experience_epochs={epochs!r}: expected a whole number of at least 1")
    return Leaving(EXPERIENCE, epochs)


# -- what `--on` names --------------------------------------------------------------------------------------------


class TaskSource(ProblemSource):
    """The task before the colon with the data after it, on the space asked for or the task's own."""

    trains = True

    def __init__(self, on: str) -> None:
        super().__init__(on)
        self._found: dict[Hashable, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_found": {}}  # another process reads the data itself

    def open(self, spec: ProblemSpec) -> Problem:
        if spec.table:
            raise InputError(f"--table {spec.table}: {spec.on} trains its networks and takes no table")
        task = self._opened(self._settings(spec))
        space = registry.load_space(spec.space_name or task.space_name)
        known = options.of_space(space)
        given = options.convert_all("space", known, spec.space)
        settings = {
            name: value
            for name, value in task.space_settings.items()
            if name in known or name not in getattr(task, "optional_settings", ())
        }
        for setting, value in settings.items():
            if setting not in known:
                raise InputError(f"--space {space.name}: takes no {setting}, so it is not for {spec.on}")
            if setting in given:
                raise InputError(f"space option {setting}: {spec.on} sets it to {value}; omit it")
        searched = space(**settings, **given)
        problem = TaskProblem(searched, task.on(searched))
        problem.isolate = False
        problem.trained_on = DataIdentity(task.data.name, task.data.sha256, task.data.source)
        problem.remarks = (*getattr(task.data, "remarks", ()), *getattr(task, "remarks", ()))
        return problem

    def _settings(self, spec: ProblemSpec) -> dict[str, Any]:
        """The task's options that were given, as values."""
        return options.convert_all("task", self.task_options(spec), self._current(spec))

    def _opened(self, settings: Mapping[str, Any]) -> SuppliedTask:
        kind = self._kind
        known = {"found": self._read(kind, settings)} if isinstance(kind, FitsData) else {}
        task: SuppliedTask = kind.open(self.data, settings, os.environ, **known)
        return task

    def _read(self, kind: FitsData, settings: Mapping[str, Any]) -> Any:
        """The data, read once for all options on which they do not depend."""
        key = tuple(settings.get(name) for name in kind.read_with)
        if key not in self._found:
            self._found[key] = kind.read(self.data, settings, os.environ)
        return self._found[key]

    def fit(self, spec: ProblemSpec) -> Fit | None:
        """What fits the data, of the options that the spec does not give; None if the task does not say.

        If it names metrics, the task's options that concern the measuring stay as they are.
        """
        kind, settings = self._kind, self._settings(spec)
        if not isinstance(kind, FitsData):
            return None
        found = kind.fit(self._read(kind, settings), settings)
        measured = self.final_options if (*spec.objectives, *spec.report, *spec.constraints) else ()
        known = self.space_options(spec)
        return replace(
            found,
            task={name: value for name, value in found.task.items() if name not in {*settings, *measured}},
            space={name: value for name, value in found.space.items() if name in known and name not in spec.space},
        )

    def absolute(self, spec: ProblemSpec) -> ProblemSpec:
        path = Path(self.data)
        if self.data not in self._kind.named() and path.exists():
            spec = spec.changed(on=f"{self.prefix}:{path.resolve()}")
        return super().absolute(spec)

    def _current(self, spec: ProblemSpec) -> dict[str, Any]:
        """The task's options by the names that they have now."""
        return options.current("task", self._kind.Options, spec.task)

    def task_options(self, spec: ProblemSpec) -> Mapping[str, Option]:
        return options.of_dataclass(self._kind.Options)

    def space_options(self, spec: ProblemSpec) -> Mapping[str, Option]:
        name = spec.space_name or getattr(self._kind, "space_name", None)
        return options.of_space(registry.load_space(name)) if name else {}

    def called(self, spec: ProblemSpec) -> Mapping[str, str]:
        names: Collection[str] = getattr(self._kind, "functions", ())
        given = {name: str(value) for name, value in self._current(spec).items() if name in names}
        return {name: value for name, value in given.items() if ":" in value}

    @property
    def final_options(self) -> Collection[str]:
        allowed: Collection[str] = self._kind.final_options
        return allowed

    @property
    def _kind(self) -> Any:
        return registry.load_task(self.prefix)
