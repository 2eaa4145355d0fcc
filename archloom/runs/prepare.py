"""From a request to what runs: everything that a request names, opened and checked once.

A `Preparer` belongs to one command (or one worker process) and keeps what it has opened; what it prepares is passed on
to the loop.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from archloom import registry
from archloom.checkpoints.retention import NO_OVERRIDES, Overrides
from archloom.constraints import Criteria, Winner
from archloom.errors import InputError
from archloom.problems.base import Problem
from archloom.problems.scenario import Scenario, select_metrics
from archloom.problems.spec import ProblemSpec
from archloom.problems.task import TaskProblem
from archloom.runs.budgets import GIVE_UP, Changes, Limits, check_countable
from archloom.runs.estimate import units_in_all
from archloom.runs.found_strategies import FoundStrategy, find_strategy, name_of
from archloom.runs.warm_start import Earlier, WarmStart
from archloom.spaces.answers import check_answers
from archloom.spaces.base import SearchSpace
from archloom.spaces.ownership import check_ownership
from archloom.strategies.base import (
    BaseStrategy,
    EarlierRun,
    Plan,
    ReadsFiles,
    SizedByData,
    Strategy,
    WarmStarted,
    called,
)
from archloom.types import PopulationSizes, Resource
from archloom.utils import options, seeds
from archloom.utils.surroundings import Surroundings
from archloom.utils.user_files import UserFile, sha256_of

DEFAULT_QUERIES = 500


@dataclass(frozen=True)
class Request:
    """One run: which strategy on which problem, from which seed, for how long."""

    strategy: str
    problem: ProblemSpec
    seed: int = 0
    limits: Limits = field(default_factory=lambda: Limits(DEFAULT_QUERIES))
    options: Mapping[str, Any] = field(default_factory=dict)
    warm_start: WarmStart | None = None

    def __post_init__(self) -> None:
        seed: object = self.seed
        if isinstance(seed, np.integer):  # JSON knows no numbers of numpy's
            object.__setattr__(self, "seed", int(seed))

    @property
    def name(self) -> str:
        """The short name of its strategy."""
        return name_of(self.strategy)


@dataclass(frozen=True)
class ChosenStrategy:
    """A strategy with its options: `settings` as recorded, with absolute paths; `options` as the strategy takes
    them."""

    found: FoundStrategy
    settings: Mapping[str, Any]
    options: Any
    option_files: tuple[Path, ...] = ()

    @classmethod
    def of(cls, found: FoundStrategy, settings: Mapping[str, Any]) -> ChosenStrategy:
        """InputError for settings that the strategy does not have."""
        kind = found.kind
        with found.code():
            known = options.of_dataclass(kind.Options)
        settings = options.absolute(known, options.current(f"strategy {found.name}", kind.Options, settings))
        converted = options.convert_all(f"strategy {found.name}", known, settings)
        with found.code():
            chosen = kind.Options(**converted)
        return cls(found, settings, chosen, tuple(options.files(known, settings)))

    @property
    def name(self) -> str:
        return self.found.name

    @cached_property
    def plan(self) -> Plan:
        """The strategy's plan for a run."""
        with self.found.code():
            plan: Plan = self.found.kind.plan(self.options)
        return plan

    def limits(self, given: Changes | None = None, workers: int = 1) -> Limits:
        """The limits of a run: those that are `given`, and for the rest, what the strategy plans.

        If nothing else limits it, it asks for 500 queries. It gives up after `GIVE_UP` first failures alike. The width
        is one unless planned otherwise; if results are told as completed, at least the number of workers.
        """
        given = dict(given or {})
        width = max(self.plan.width, workers) if given.get("as_completed") else self.plan.width
        limits = Limits(**{"queries": self.plan.trials, "width": width, "give_up": GIVE_UP, **given})
        return limits if limits.bounded or "queries" in given else replace(limits, queries=DEFAULT_QUERIES)

    def spec(self, spec: ProblemSpec) -> ProblemSpec:
        """The problem as the strategy needs it: a strategy that decides how long networks are trained tells the task.

        What a task schedules over all epochs (a falling learning rate) then ends when the training does. InputError if
        the task was given another number of epochs.
        """
        epochs = self.plan.epochs
        if epochs is None or not spec.source.trains:
            return spec
        asked = spec.task.get("epochs", epochs)
        if str(asked).strip() != str(epochs):
            raise InputError(
                f"task.epochs={asked}: {self.name} itself decides how long its networks are trained, {epochs} epochs; "
                f"give it --set epochs={asked}, and omit task.epochs"
            )
        return spec.changed(task={**spec.task, "epochs": str(epochs)})

    @property
    def metrics(self) -> Sequence[str]:
        """What it learns from besides the metrics of the criteria."""
        with self.found.code():
            return tuple(self.found.kind.learns_from(self.options))

    @property
    def needs_resource(self) -> bool:
        """Whether it asks for several fidelities."""
        return bool(getattr(self.found.kind, "needs_resource", False))

    @property
    def takes_resource(self) -> bool:
        """Whether it is told what fidelities count."""
        return self.needs_resource or bool(getattr(self.found.kind, "takes_resource", False))

    @property
    def takes_reference(self) -> bool:
        """Whether it is told what the problem says that it starts from."""
        return bool(getattr(self.found.kind, "takes_reference", False))

    def check_warm_start(self, why: str = "") -> None:
        """InputError if the strategy cannot use trials of earlier runs; `why` it should, in words."""
        if issubclass(self.found.kind, WarmStarted):
            return
        others = [name for name, kind in _strategies_here() if issubclass(kind, WarmStarted)]
        raise InputError(
            f"strategy {self.name} cannot be warm started{why}: it has no method warm_start; these have: "
            f"{', '.join(others) or 'none'}"
        )

    def make(
        self, space: SearchSpace, wanted: Criteria, seed: int, resource: Resource | None = None,
        earlier: Sequence[EarlierRun] | None = None, reference: Mapping[str, float] | None = None,
    ) -> Strategy:  # fmt: skip
        """Ready to be asked, its random stream derived from `seed`; `resource` is what fidelities count, `reference`
        what the problem says that it starts from.

        It is warm started with the `earlier` runs, unless these are None.
        """
        more: dict[str, Any] = {"resource": resource} if self.takes_resource else {}
        if self.takes_reference:
            more["reference"] = reference or {}
        with self.found.code():
            made: Strategy = self.found.kind(space, wanted, seeds.stream(seed, "strategy"), self.options, **more)
        if earlier is not None:
            self.check_warm_start()
            assert isinstance(made, WarmStarted)  # noqa: S101 - this is what was checked
            with Surroundings().inside():
                called(made, made.warm_start, earlier)
        return made


def choose_strategy(given: str | type[BaseStrategy], settings: Mapping[str, Any]) -> ChosenStrategy:
    """The strategy of this name, file or class with these settings; InputError for what does not fit."""
    return ChosenStrategy.of(find_strategy(given), settings)


@dataclass(frozen=True)
class Prepared:
    """A request with everything that it names, ready to run."""

    request: Request
    chosen: ChosenStrategy
    scenario: Scenario
    strategy: Strategy

    @property
    def epochs_in_all(self) -> int | None:
        """Epochs of training in total over all networks of the run; None if nothing is trained, or if that depends on
        the results.
        """
        if not isinstance(self.scenario.problem, TaskProblem):
            return None
        return units_in_all(self.chosen.plan, self.chosen.needs_resource, self.request.limits, self.scenario.resource)


class Preparer:
    """What a command has opened, chosen and checked so far; whatever it needs again comes from here."""

    def __init__(self) -> None:
        self._problems: dict[Hashable, Problem] = {}
        self._scenarios: dict[Hashable, Scenario] = {}
        self._with_metrics: dict[Hashable, Scenario] = {}
        self._found: dict[str, FoundStrategy] = {}
        self._chosen: dict[Hashable, ChosenStrategy] = {}
        self._checked: dict[Hashable, Strategy] = {}
        self._digests: dict[Path, str] = {}
        self._pinned: dict[Hashable, dict[str, str]] = {}
        self._earlier: dict[str, Earlier] = {}
        self._owned: set[int] = set()  # the spaces, which live as long as their problems, whose `modules` were checked
        self._answering: set[int] = set()  # the same, whose methods were checked

    def find(self, given: str | type[BaseStrategy]) -> FoundStrategy:
        """See `find_strategy`."""
        if isinstance(given, str) and given in self._found:
            return self._found[given]
        found = find_strategy(given)
        self._found[found.given] = found
        if isinstance(given, str):
            self._found[given] = found
        return found

    def choose(self, given: str | type[BaseStrategy], settings: Mapping[str, Any]) -> ChosenStrategy:
        """A strategy with its options."""
        found = self.find(given)
        key = (found.given, _settings_key(settings))
        if key not in self._chosen:
            chosen = ChosenStrategy.of(found, settings)
            for file in chosen.option_files:  # before the strategy opens them
                self._sha256(file.resolve())
            self._chosen[key] = self._chosen[found.given, _settings_key(chosen.settings)] = chosen
        return self._chosen[key]

    def fitted_options(
        self,
        given: str | type[BaseStrategy],
        settings: Mapping[str, Any],
        spec: ProblemSpec,
        sizes: PopulationSizes | None = None,
    ) -> Mapping[str, Any]:
        """The options of a strategy for a new run: those that are set, and of the others those whose values follow from
        the data of the problem, so that the run records them. `sizes` are those of runs beside which it is to stand."""
        found = self.find(given)
        if not issubclass(found.kind, SizedByData):
            return settings
        with found.code():
            known = options.of_dataclass(found.kind.Options)
        settings = options.current(f"strategy {found.name}", found.kind.Options, settings)
        converted = options.convert_all(f"strategy {found.name}", known, settings)
        if (fitting := sizes or self._sizes(spec)) is None:
            return settings
        with found.code():
            return {**settings, **found.kind.fitted(converted, fitting)}

    def _sizes(self, spec: ProblemSpec) -> PopulationSizes | None:
        if spec.source.trains:
            fit = spec.source.fit(spec)
            return None if fit is None else fit.population
        own = spec.source.file is not None or _problem_key(spec) in self._problems
        found = self._problem(spec).population_sizes if own else None
        if not isinstance(found, PopulationSizes | None):
            raise InputError(
                f"{spec.on}: population_sizes={found!r}: expected archloom.types.PopulationSizes, e.g. "
                "PopulationSizes(population=8, epochs=40, step=4)"
            )
        return found

    def scenario(self, spec: ProblemSpec) -> Scenario:
        """What a spec names, opened; InputError in one line for whatever does not fit."""
        key = _spec_key(spec)
        if key not in self._scenarios:
            self._scenarios[key] = select_metrics(self._problem(spec), spec)
        return self._scenarios[key]

    def adopt(self, scenario: Scenario) -> None:
        """Take a scenario that was opened elsewhere."""
        self._scenarios[_spec_key(scenario.spec)] = scenario
        self._keep(scenario.spec, scenario.problem)

    def take(self, earlier: Earlier) -> None:
        """Take trials that requests are warm started with."""
        self._earlier[earlier.sha256] = earlier

    def earlier(self, known: WarmStart) -> Earlier:
        """The trials that a request is warm started with, which must have been taken."""
        return self._earlier[known.sha256]

    def read_earlier(self, path: Path, request: Request) -> None:
        """Take the trials that a request is warm started with, if it is, from their copy in a folder.

        StoreError if that is not what the run, or group of runs, began with.
        """
        if request.warm_start is not None:
            self.take(Earlier.read(path, request.warm_start))

    def suited(self, spec: ProblemSpec, strategies: Iterable[ChosenStrategy]) -> ProblemSpec:
        """The problem with an objective that suits all of these strategies, unless objectives were given.

        If one of them needs several fidelities, it is an objective that is measured at several.
        """
        if spec.objectives or not any(chosen.needs_resource for chosen in strategies):
            return spec
        return spec.changed(objectives=self._problem(spec).default_objectives(in_part=True))

    def absolute(self, request: Request) -> Request:
        """The request with paths made absolute, as it is recorded."""
        chosen = self.choose(request.strategy, request.options)
        problem = request.problem.source.absolute(request.problem)
        return replace(request, strategy=chosen.found.given, problem=problem, options=chosen.settings)

    def pinned(self, request: Request) -> dict[str, str]:
        """The SHA-256 of each of the user's files that a request was opened with, by path.

        They define its strategy or problem, are imported by these, or are named by options. The request must have been
        checked. InputError for one that an option names, if it has changed while it was opened.
        """
        key = request.strategy, _settings_key(request.options), _problem_key(request.problem)
        if key not in self._pinned:
            self._pinned[key] = self._pins(request)
        return dict(self._pinned[key])

    def _pins(self, request: Request) -> dict[str, str]:
        chosen, problem = self.choose(request.strategy, request.options), request.problem
        code = {} if chosen.found.file is None else UserFile(chosen.found.file).hashes()
        named = {str(file): self._sha256(file) for file in dict.fromkeys(map(Path.resolve, chosen.option_files))}
        for file, known in named.items():
            if sha256_of(Path(file)) != known:
                raise InputError(f"{file} has changed while it was opened: start again")
        return {**code, **named, **problem.source.hashes(problem)}

    def check(
        self, request: Request, overrides: Overrides = NO_OVERRIDES, problem: ProblemSpec | None = None
    ) -> Prepared:
        """Open everything that a request names, so that a mistake shows before anything is written.

        `overrides` is the user's policy for checkpoints. If `problem` is given, it is opened instead of the
        request's: its table may have moved since. The strategy that is made here is the one that `prepare` returns.
        """
        prepared, key = self._prepare(request, problem, None)
        self._checked[key] = prepared.strategy
        check_overrides(overrides, prepared.scenario)
        return prepared

    def _check_answers(self, space: SearchSpace) -> None:
        """InputError if the methods of a space do not answer as they must. Once for each space."""
        if id(space) not in self._answering:
            check_answers(space)
            self._answering.add(id(space))

    def _check_mixing(self, prepared: Prepared) -> None:
        """InputError if the strategy may mix weights, and what genes own is misspelt. Once for each space."""
        space, chosen = prepared.scenario.space, prepared.chosen
        mixes = chosen.plan.inherits and not chosen.needs_resource and prepared.scenario.problem.trains
        if mixes and id(space) not in self._owned:
            check_ownership(space)
            self._owned.add(id(space))

    def prepare(self, request: Request, problem: ProblemSpec | None = None, winner: Winner | None = None) -> Prepared:
        """A request ready to run, once: see `check`. `winner` is what the run began with, if it is not new."""
        prepared, key = self._prepare(request, problem, winner)
        self._checked.pop(key, None)
        return prepared

    def _prepare(
        self, request: Request, problem: ProblemSpec | None, winner: Winner | None
    ) -> tuple[Prepared, Hashable]:
        seeds.check_seed(request.seed)
        chosen = self.choose(request.strategy, request.options)
        scenario = self._for_strategy(self.scenario(problem or request.problem), chosen, winner)
        check_countable(request.limits, scenario.resource)
        # Not the scenario: a group is pinned to the table that its first run was checked on.
        criteria = scenario.criteria
        key = (id(scenario.problem), criteria, criteria.winner, id(chosen), request.seed, request.warm_start)
        strategy = self._checked.get(key)
        self._check_answers(scenario.space)
        if strategy is None:
            _check_space(chosen, scenario)
            earlier = None if request.warm_start is None else self.earlier(request.warm_start).runs
            reference = scenario.problem.reference if chosen.takes_reference else None  # it may have to be measured
            strategy = chosen.make(
                scenario.space, scenario.criteria, request.seed, scenario.resource, earlier, reference
            )
            if isinstance(strategy, ReadsFiles):
                called(strategy, strategy.take_leaving, scenario.problem.leaves)
        if chosen.plan.needs_training and not scenario.problem.trains:
            raise InputError(
                f"strategy {chosen.name} passes weights on, but nothing is trained on {request.problem.on}: "
                "search on a task, which trains networks, e.g. --on images:digits"
            )
        prepared = Prepared(request, chosen, scenario, strategy)
        self._check_mixing(prepared)
        return prepared, key

    def _for_strategy(self, scenario: Scenario, chosen: ChosenStrategy, winner: Winner | None) -> Scenario:
        """With the metrics that the strategy learns from, and the rule for its best trial; the same for every seed: its
        evaluator is made once."""
        if winner is None:
            winner = scenario.problem.winner if chosen.plan.population else Winner.AT_HIGHEST_FIDELITY
        more = scenario.with_metrics(chosen.name, chosen.metrics).won_by(winner)
        key = (_spec_key(scenario.spec), id(scenario.problem), more.metrics, winner)
        return self._with_metrics.setdefault(key, more)

    def _problem(self, spec: ProblemSpec) -> Problem:
        key = _problem_key(spec)
        if key not in self._problems:
            self._keep(spec, spec.source.open(spec))
        return self._problems[key]

    def _sha256(self, file: Path) -> str:
        if file not in self._digests:
            self._digests[file] = sha256_of(file)
        return self._digests[file]

    def _keep(self, spec: ProblemSpec, problem: Problem) -> None:
        """Under every spec that names it: as given, with absolute paths, and with the path of its table."""
        settled = spec.source.absolute(spec)
        self._problems[_problem_key(spec)] = self._problems[_problem_key(settled)] = problem
        if problem.data is not None and problem.data.path is not None:
            placed = settled.source.on_table(settled, problem.data.path)
            for known in (placed, placed.source.absolute(placed)):
                self._problems[_problem_key(known)] = problem


def fitted(spec: ProblemSpec, but: Collection[str] = ()) -> ProblemSpec:
    """The problem of a new run with the options of its task and its space that fit the data, of those that are not set.

    `but`: options of the task that are left alone.
    """
    fit = spec.source.fit(spec) if spec.source.trains else None
    if fit is None:
        return spec
    task = {name: value for name, value in fit.task.items() if name not in but}
    return spec.changed(task={**spec.task, **task}, space={**spec.space, **fit.space}) if task or fit.space else spec


def _strategies_here() -> Iterator[tuple[str, type[BaseStrategy]]]:
    """The registered strategies that can be imported here."""
    for name, kind in registry.STRATEGIES.here():
        if isinstance(kind, type) and issubclass(kind, BaseStrategy):  # whatever an installed package declares
            yield name, kind


def _check_space(chosen: ChosenStrategy, scenario: Scenario) -> None:
    """InputError for a space that lacks what the strategy needs of it, which names those that can search it."""
    try:
        with chosen.found.code():
            chosen.found.kind.check_space(scenario.space)
    except InputError as error:
        raise InputError(f"{error}; on this space these work: {', '.join(_suited(scenario))}") from None


def _suited(scenario: Scenario) -> Iterator[str]:
    """The registered strategies that can search the space of a scenario."""
    for name, kind in _strategies_here():
        with suppress(InputError):
            chosen = choose_strategy(name, {})
            kind.check_space(scenario.space)
            trains = scenario.problem.trains or not chosen.plan.needs_training
            if trains and (scenario.resource is not None or not chosen.needs_resource):
                yield name


def check_overrides(overrides: Overrides, scenario: Scenario) -> None:
    """InputError if a policy for checkpoints is given and there will be none."""
    if overrides and not scenario.problem.trains:
        raise InputError(
            f"keep and disk_budget are for checkpoints, but nothing is trained on {scenario.spec.on}: omit them"
        )


def _problem_key(spec: ProblemSpec) -> Hashable:
    """Equal for specs of one problem, whatever is optimised."""
    return spec.on, spec.table, spec.space_name, _settings_key(spec.space), _settings_key(spec.task)


def _spec_key(spec: ProblemSpec) -> Hashable:
    return _problem_key(spec), spec.objectives, spec.report, spec.constraints


def _settings_key(settings: Mapping[str, Any]) -> Hashable:
    return tuple(sorted((name, repr(value)) for name, value in settings.items()))
