"""What a search is run on: a space with something that evaluates it, and the choice of what to optimise.

`open_scenario` opens whatever `--on` names: a public benchmark, tabular (`nb201`, `nbgraph:cora`) or a surrogate
(`nb301`), any table (`table` with a file), a model fitted to a table (`fitted:mnasnet`), or a user's Python file that
defines `problem = archloom.Problem(...)`.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archloom import options, registry
from archloom.constraints import Criteria, Objective, criteria
from archloom.data import catalog
from archloom.data.tables import Table, load_table
from archloom.data.tables.fidelities import NO_FIDELITIES, Fidelities
from archloom.errors import InputError, unknown
from archloom.evaluators.base import Evaluator, FunctionEvaluator
from archloom.evaluators.table import TableEvaluator
from archloom.spaces.base import AbsentSpace, SearchSpace, TabularSpace
from archloom.spaces.config_space import as_space
from archloom.types import Goal, Resource

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from archloom.evaluators.surrogate import Surrogate
    from archloom.tasks.base import SuppliedTask, Task


@dataclass(frozen=True)
class TableIdentity:
    """Which table, or which surrogate's file or folder, answers: what every output names."""

    name: str
    sha256: str
    source: str
    path: Path | None = None
    """Where it is; None where it is known from a record alone, or was made in memory."""


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
    """What the numbers are, in words, where that is known."""
    trains = False
    """Whether evaluations end in states of trainings, which are kept while others may inherit from them."""
    trained_on: TableIdentity | None = None
    """The data that networks are trained on, where they are known by name."""
    resource: Resource | None = None

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
        self.space = space
        self.goals = dict(goals)
        self._evaluate = evaluate
        self._report = tuple(report)
        self.resource = resource
        evaluator = self.evaluator(tuple(self.goals), self._report)  # fails here, rather than in a worker
        if not self.goals:
            raise InputError("goals {}: expected a metric with 'max' or 'min', e.g. {'accuracy': 'max'}")
        for name, goal in self.goals.items():
            if name not in evaluator.goals:
                raise unknown("goal", name, evaluator.goals)
            if goal != evaluator.goals[name]:
                said = evaluator.goals[name]
                raise InputError(f"goal {name!r} is {goal!r}, but its evaluator says {said!r}: correct one of them")

    @property
    def data(self) -> TableIdentity | None:
        """The table or surrogate that answers; None where there is none."""
        return None

    def default_objectives(self) -> tuple[str, ...]:
        return (next(iter(self.goals)),)

    def default_report(self, objectives: Sequence[str]) -> tuple[str, ...]:
        return self._report

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

    def measured_as(self, metric: str) -> str:
        """The name under which a metric's values in full are published, if it is another: "valid_200" for "valid"."""
        return metric

    def check(self, wanted: Criteria) -> None:
        """Raise InputError if it is known that no architecture meets the constraints."""

    def worst(self, metric: str) -> float | None:
        """The worst value among all architectures; None where that is unknown."""
        return None

    def rank(self, metric: str, gain: float) -> int | None:
        """The place of a value among all architectures, 1 for the best, ties sharing it; None where that is unknown."""
        return None

    def ranked(self, metric: str) -> int | None:
        """How many architectures such a place is among: those that have the metric; None where that is unknown."""
        return None

    def remarks(self, scores: Sequence[str], report: Sequence[str]) -> Sequence[str]:
        """What a user must know of these metrics before a search: those of selection, and those reported besides."""
        return ()


SECONDS = "train_seconds"
"""The metric of a table that says how long its trainings took, if the table does not name another."""


class _TabularProblem(Problem):
    """What problems with the metrics of a table have in common."""

    isolate = False

    def default_objectives(self) -> tuple[str, ...]:
        """The table's first metric with "valid" in its name; where there is none, its first metric."""
        return (next((name for name in self.goals if "valid" in name), next(iter(self.goals))),)

    def default_report(self, objectives: Sequence[str]) -> tuple[str, ...]:
        """The "test" twin of each "valid" objective."""
        twins = [name.replace("valid", "test") for name in objectives if "valid" in name]
        return tuple(name for name in twins if name in self.goals)

    def reportable(self) -> Sequence[str]:
        return tuple(self.goals)


class TableProblem(_TabularProblem):
    """A tabular benchmark."""

    table: Table
    space: TabularSpace

    def __init__(self, table: Table, space: TabularSpace) -> None:
        pattern = getattr(space, "epochs_in_names", None)
        if table.fidelities is NO_FIDELITIES and pattern is not None:
            table = table.with_fidelities(Fidelities.from_names(table.goals, pattern))
        if table.seconds is None and SECONDS in table.all_goals:
            table = table.with_fidelities(table.fidelities, SECONDS)
        self.table = table
        self.space = space
        self.goals = table.all_goals
        self.units = table.units

    @property
    def data(self) -> TableIdentity:
        return TableIdentity(self.table.name, self.table.sha256, self.table.source, self.table.path)

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        return TableEvaluator(self.table, self.space, scores, report)

    def check(self, wanted: Criteria) -> None:
        measured = self._answering.copy()
        for objective in wanted.objectives:
            measured &= np.isfinite(self.table.metric(objective.metric))
        if not measured.any():
            names = ", ".join(o.metric for o in wanted.objectives)
            raise InputError(f"objective {names}: no architecture in {self.table.name} has it measured")
        meets = measured.copy()
        for constraint in wanted.constraints:
            values = self.table.metric(constraint.metric)
            with np.errstate(invalid="ignore"):
                meets &= (values <= constraint.bound) if constraint.at_most else (values >= constraint.bound)
            if not meets.any():
                seen = values[measured & np.isfinite(values)]
                extent = f"it runs from {seen.min():g} to {seen.max():g}" if len(seen) else "it is measured for none"
                raise InputError(
                    f"constraint {constraint}: no architecture in {self.table.name} meets it"
                    f"{' together with the others' if len(wanted.constraints) > 1 else ''} ({extent})"
                )

    def measured_as(self, metric: str) -> str:
        return self.table.array_at(metric)

    def worst(self, metric: str) -> float | None:
        objective = Objective(metric, self.goals[metric])
        return objective.sign * float(np.nanmin(objective.sign * self.table.metric(metric)[self._answering]))

    def rank(self, metric: str, gain: float) -> int | None:
        objective = Objective(metric, self.goals[metric])
        # Compared as the table stores them: a value that was written with fewer digits still ties with its own row.
        values = self.table.metric(metric)[self._answering]
        return 1 + int((objective.sign * values > np.float32(gain)).sum())

    def ranked(self, metric: str) -> int:
        return int((self._answering & np.isfinite(self.table.metric(metric))).sum())

    def remarks(self, scores: Sequence[str], report: Sequence[str]) -> Sequence[str]:
        """Where the table lacks values that selection needs: asking for such an architecture is a failed trial."""
        found = []
        for metric in scores:
            measured = np.isfinite(self.table.metric(metric))
            if not measured.all():
                share = f"{measured.sum():,} of the {len(self.table):,} rows ({100 * measured.mean():.3g} %)"
                found.append(f"{metric} is measured for {share} of {self.table.name}; trials of the others fail")
        return found

    @cached_property
    def _answering(self) -> NDArray[np.bool_]:
        """(n,) which rows can answer: where the space merges architectures, one of each class."""
        mask: NDArray[np.bool_] = self.space.answering(self.table.genes)
        return mask


class FittedProblem(_TabularProblem):
    """A model fitted to a table answers for every architecture of the table's genes, also those it does not hold.

    Predicted metrics have "_fitted" at the end of their names; what can be counted has the table's name for it. A
    metric is fitted when it is first asked for.
    """

    def __init__(self, table: Table, space: SearchSpace) -> None:
        from archloom.evaluators.fitted import model_of

        self.space = space
        self.units = table.units
        self._fitted_to = table
        self._model = model_of(table)
        self.goals = dict(self._model.goals)

    @property
    def data(self) -> TableIdentity:
        table = self._fitted_to
        source = f"a model fitted to its {len(table):,} rows: {table.source}"
        return TableIdentity(table.name, table.sha256, source, table.path)

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        from archloom.evaluators.fitted import FittedEvaluator

        return FittedEvaluator(self._model, self.space, scores, report)

    def remarks(self, scores: Sequence[str], report: Sequence[str]) -> Sequence[str]:
        """How well those that are predicted are predicted."""
        quality = {metric: self._model.held_out(metric) for metric in dict.fromkeys([*scores, *report])}
        table = self._fitted_to.name
        return [f"{metric} is predicted, not measured: {how} ({table})" for metric, how in quality.items() if how]


class SurrogateProblem(Problem):
    """A benchmark whose metrics a model predicts, after `epoch` epochs of training, and whose costs are counted."""

    isolate = False
    units = "accuracy in percent, runtime in seconds, parameters and FLOPs in millions"

    def __init__(self, model: Surrogate, space: SearchSpace, epoch: int) -> None:
        from archloom.evaluators.surrogate import goals_of

        self.space = space
        self.goals = goals_of(model)
        self._model = model
        self._epoch = epoch
        self._report = ()

    @property
    def data(self) -> TableIdentity:
        return TableIdentity(self._model.name, self._model.sha256, self._model.source, self._model.path)

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        from archloom.evaluators.surrogate import SurrogateEvaluator

        return SurrogateEvaluator(self._model, self.space, scores, report, self._epoch)


class TaskProblem(Problem):
    """Architectures of `space` are trained on `task` (see `tasks.base.Task`).

    The space must be `HasModules` for strategies that mix weights.
    """

    trains = True

    def __init__(self, space: SearchSpace, task: Task) -> None:
        self.space = space
        self.task = task
        self.goals = dict(task.goals)
        self._report = tuple(task.report)
        self.evaluator(tuple(self.goals), self._report)  # fails here, rather than in a worker

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        from archloom.evaluators.train import TrainingEvaluator

        return TrainingEvaluator(self.task, self.space, scores, tuple(dict.fromkeys([*report, *self._report])))


class RecordedProblem(Problem):
    """What a run's record alone tells of its problem: for looking at runs whose table or file is not at hand."""

    isolate = False

    def __init__(self, space: str, goals: Mapping[str, Goal], data: TableIdentity | None) -> None:
        self._data = data
        self._absent = AbsentSpace(space)
        self.space = self._absent
        self.goals = dict(goals)
        self._report = ()

    @property
    def data(self) -> TableIdentity | None:
        return self._data

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        goals = {name: self.goals[name] for name in scores}
        return FunctionEvaluator(self.space, self._absent.evaluate, goals, resource=self.resource)


@dataclass(frozen=True)
class ProblemSpec:
    """What was asked to be searched on: plain data from which every process opens the same scenario.

    `on` names it; `table` is the file to use instead of the one found; `space` holds the space's own options. Where
    networks are trained, `space_name` is the space to search; `task` holds the options of the task, or of a surrogate.
    """

    on: str
    table: str | None = None
    objectives: tuple[str, ...] = ()
    report: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    space: Mapping[str, Any] = field(default_factory=dict)
    space_name: str | None = None
    task: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """A problem with everything chosen: what is optimised, under what constraints, and what is reported."""

    spec: ProblemSpec
    problem: Problem
    criteria: Criteria
    report: tuple[str, ...]
    evaluator: Evaluator

    @property
    def space(self) -> SearchSpace:
        return self.problem.space

    @property
    def resource(self) -> Resource | None:
        """What a fidelity counts; None if everything is evaluated in full."""
        return self.evaluator.resource

    @property
    def objectives(self) -> tuple[str, ...]:
        return tuple(objective.metric for objective in self.criteria.objectives)

    @property
    def remarks(self) -> Sequence[str]:
        """What a user must know of the metrics chosen before a search."""
        return self.problem.remarks(self.criteria.metrics, self.report)


def open_scenario(spec: ProblemSpec) -> Scenario:
    """Open what a spec names; InputError in one line for whatever does not fit."""
    return choose(_open_problem(spec), spec)


def choose(problem: Problem, spec: ProblemSpec) -> Scenario:
    """A problem with the objectives, constraints and report of a spec, checked against what the problem has."""
    objectives = spec.objectives or problem.default_objectives()
    for name in objectives:
        if name not in problem.goals:
            raise _unknown_metric("objective", name, problem.goals, problem, spec)
    wanted = criteria(objectives, problem.goals, spec.constraints)
    for constraint in wanted.constraints:
        if constraint.metric not in problem.goals:
            raise _unknown_metric("metric in a constraint", constraint.metric, problem.goals, problem, spec)
    for name in spec.report:
        if name not in problem.reportable():
            raise _unknown_metric("metric to report", name, problem.reportable(), problem, spec)
    report = spec.report or problem.default_report(objectives)
    problem.check(wanted)
    return Scenario(spec, problem, wanted, report, problem.evaluator(wanted.metrics, report))


def _unknown_metric(kind: str, name: str, known: Iterable[str], problem: Problem, spec: ProblemSpec) -> InputError:
    """The error for a metric that is not there; where the table stands in for the official one, which may have more,
    it says how to get that."""
    error, benchmark, data = unknown(kind, name, known), catalog.BENCHMARKS.get(spec.on), problem.data
    if data is None or benchmark is None or not benchmark.sources or not catalog.stands_in(benchmark, data.name):
        return error
    return InputError(f"{error}; {data.name} is not the official table: archloom data fetch {spec.on} gets that")


def open_evaluator(spec: ProblemSpec) -> Evaluator:
    """The evaluator of a spec: what a worker process needs."""
    return open_scenario(spec).evaluator


def resolve(spec: ProblemSpec) -> ProblemSpec:
    """The spec with paths made absolute, so that it means the same from any folder."""
    spec = _with_table(spec)
    on = spec.on
    if _is_file(on):
        path, attribute = _user_file(on)
        on = f"{path.resolve()}:{attribute}"
    elif is_task(on):
        task, _, data = on.partition(":")
        named = data in registry.load_task(task).named()
        on = f"{task}:{Path(data).resolve()}" if not named and Path(data).exists() else on
    table = str(Path(spec.table).resolve()) if spec.table else None
    return replace(spec, on=on, table=table)


def _open_problem(spec: ProblemSpec) -> Problem:
    if _is_file(spec.on):
        if spec.table:
            raise InputError(f"--table {spec.table}: a problem of your own ({spec.on}) takes no table")
        for owner, given in (("space", spec.space), ("task", spec.task)):
            if given:
                raise InputError(f"{owner} option {next(iter(given))}: set it in {spec.on}")
        if spec.space_name:
            raise InputError(f"--space {spec.space_name}: {spec.on} has a space of its own")
        return _load_user_problem(spec.on)
    if is_task(spec.on):
        return _open_task(spec)
    if spec.space_name:
        raise InputError(f"--space {spec.space_name}: {_ONLY_TRAINED}")
    if spec.on.startswith(FITTED):
        return _open_fitted(_with_table(spec))
    kind, space, path = _found(spec.on, spec.table)
    return _OPENERS[kind](spec, space, path)


def _found(on: str, table: str | None) -> tuple[str, str, Path]:
    """What a name of data stands for: the kind of its file, its space, and where the file is."""
    named = Path(table) if table else None
    if on == ANY_TABLE and named is None:
        raise InputError("--on table needs --table FILE, a table in archloom's format")
    if named is not None and on in registry.SPACES:
        return "table", on, named
    others = [*(f"{task}:DATA" for task in registry.TASKS), f"{FITTED}TABLE", ANY_TABLE, "a file of yours, NAME.py"]
    benchmark = catalog.find(on, others)
    return benchmark.kind, benchmark.space, catalog.locate(on, table=named, environ=os.environ)


def _with_table(spec: ProblemSpec) -> ProblemSpec:
    """`fitted:FILE.npz` is the table in this file, on the space that it names."""
    file = spec.on.removeprefix(FITTED)
    if not (spec.on.startswith(FITTED) and file.endswith(".npz")):
        return spec
    if spec.table:
        raise InputError(f"--table {spec.table}: --on {spec.on} names a table already; leave one of them out")
    return replace(spec, on=f"{FITTED}{space_of_table(Path(file))}", table=file)


def _open_fitted(spec: ProblemSpec) -> Problem:
    """A model of the table that stands behind the colon of `--on`, on all architectures of its space."""
    on = spec.on.removeprefix(FITTED)
    kind, space, path = _found(on, spec.table)
    if kind != "table":
        raise InputError(f"--on {spec.on}: {on} is a {kind}, which answers for all of its space: --on {on}")
    table, choices = _read_table(replace(spec, on=on), space, path)
    opened = registry.load_space(space)
    return FittedProblem(table, opened.for_table(choices, None, **_space_options(opened, spec)))


def _open_table(spec: ProblemSpec, space: str, path: Path) -> Problem:
    """The table at `path` on its space."""
    table, choices = _read_table(spec, space, path)
    kind = registry.load_space(space)
    return TableProblem(table, kind.for_table(choices, table.genes, **_space_options(kind, spec)))


def _read_table(spec: ProblemSpec, space: str, path: Path) -> tuple[Table, dict[str, tuple[str, ...]]]:
    """The table at `path`, which must be of this space, and of the dataset after the colon of `--on`; its options."""
    if spec.task:
        raise InputError(f"--set task.{next(iter(spec.task))}: {_ONLY_TRAINED}")
    table, dataset = load_table(path), spec.on.partition(":")[2]
    if space not in (table.space, ANY_TABLE):
        raise InputError(
            f"{table.path} is a table of space {table.space!r}, --on {spec.on} needs one of {space!r}; "
            "use --on table to search it as plain choices"
        )
    if dataset and not any(name.startswith(f"{dataset}_") for name in table.metrics):
        names = ", ".join(table.metrics)
        raise InputError(f"{table.path} has no metric of {dataset!r} (it has {names}): it is not {spec.on}")
    return table, dict(zip(table.gene_names, table.options, strict=True))


def _open_task(spec: ProblemSpec) -> Problem:
    """The task before the colon of `--on` with the data after it, on the space asked for or the task's own."""
    if spec.table:
        raise InputError(f"--table {spec.table}: {spec.on} trains its networks and takes no table")
    name, _, data = spec.on.partition(":")
    kind = registry.load_task(name)
    task: SuppliedTask = kind.open(
        data, options.convert_all("task", options.of_dataclass(kind.Options), spec.task), os.environ
    )
    space = registry.load_space(spec.space_name or task.space_name)
    known, given = options.of_space(space), _space_options(space, spec)
    for setting in task.space_settings:
        if setting not in known:
            raise InputError(f"--space {space.name}: takes no {setting}, so it is not for {spec.on}")
        if setting in given:
            raise InputError(
                f"space option {setting}: {spec.on} says that it is {task.space_settings[setting]}; leave it out"
            )
    searched = space(**task.space_settings, **given)
    problem = TaskProblem(searched, task.on(searched))
    problem.isolate = False
    problem.trained_on = TableIdentity(task.data.name, task.data.sha256, task.data.source)
    return problem


def is_task(on: str) -> bool:
    """Whether this names a task with its data, rather than a benchmark, a table or a file."""
    return on.partition(":")[0] in registry.TASKS


def _open_surrogate(spec: ProblemSpec, space: str, path: Path) -> Problem:
    """The surrogate in the file or folder at `path`."""
    kind = registry.load_space(space)  # first: it says which extra is missing
    from archloom.evaluators.surrogate import Options, load_nb301

    chosen = Options(**options.convert_all("task", options.of_dataclass(Options), spec.task))
    return SurrogateProblem(load_nb301(path), kind(**_space_options(kind, spec)), chosen.epoch)


_OPENERS: Mapping[str, Callable[[ProblemSpec, str, Path], Problem]] = {
    "table": _open_table,
    "surrogate": _open_surrogate,
}
"""What opens the file of a benchmark, by its `Benchmark.kind`: given the spec, the name of the space and the path."""


def _space_options(kind: Any, spec: ProblemSpec) -> dict[str, Any]:
    return options.convert_all("space", options.of_space(kind), spec.space)


_ONLY_TRAINED = "only where networks are trained, as with --on images:digits"

ANY_TABLE = "table"
"""The space that searches any table as plain choices."""

FITTED = "fitted:"
"""What stands before the name of a table, or its file, for a model that is fitted to it."""


def space_of_table(path: Path) -> str:
    """What to search a table as where nothing else is said: the space it names, or plain choices if that is unknown."""
    space = load_table(path).space
    return space if space in registry.SPACES else ANY_TABLE


def _is_file(on: str) -> bool:
    return on.endswith(".py") or ".py:" in on


def _user_file(on: str) -> tuple[Path, str]:
    """The file, and the name in it: after a colon, else `problem`."""
    file, colon, name = on.rpartition(":")
    return (Path(file), name) if colon and file.endswith(".py") else (Path(on), "problem")


def user_file(spec: ProblemSpec) -> Path | None:
    """The Python file that a spec names; None for benchmarks and tables."""
    return _user_file(spec.on)[0] if _is_file(spec.on) else None


def _load_user_problem(on: str) -> Problem:
    """The `Problem` that a Python file defines. The file may import what lies beside it, as when Python runs it."""
    path, attribute = _user_file(on)
    if not path.is_file():
        raise InputError(f"--on {on}: there is no file {path}")
    module_name = f"archloom_user_{path.stem}"
    module_spec = importlib.util.spec_from_file_location(module_name, path)
    assert module_spec is not None and module_spec.loader is not None  # noqa: S101 - it ends in .py
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module  # dataclasses and pickle look modules up by name
    beside = str(path.parent.resolve())
    if beside not in sys.path:
        sys.path.insert(0, beside)
    with _loading(path):
        module_spec.loader.exec_module(module)
    if not hasattr(module, attribute):
        raise InputError(
            f"{path} defines no {attribute!r}: add  {attribute} = archloom.Problem(space, evaluate, goals)"
        )
    found = getattr(module, attribute)
    with _loading(path):
        problem = found() if inspect.isfunction(found) else found
    if not isinstance(problem, Problem):
        raise InputError(f"{attribute} in {path} is a {type(problem).__name__}: expected an archloom.Problem")
    return problem


@contextmanager
def _loading(path: Path) -> Iterator[None]:
    """While a user's file runs: what it prints is no output of ours, and whatever it raises is bad input."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path} cannot be loaded: {reason}") from error
