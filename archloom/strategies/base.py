"""What strategies share: ask and tell with their bookkeeping done once, so that an algorithm contains only its idea."""

from __future__ import annotations

import json
import sys
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import msgspec
import numpy as np

from archloom import registry
from archloom.checkpoints.chains import Leaving
from archloom.checkpoints.store import STATE
from archloom.constraints import Criteria
from archloom.errors import ArchloomError, InputError
from archloom.spaces.base import Categorical, SearchSpace, mutate_valid, sample_valid
from archloom.spaces.domains import Choice
from archloom.spaces.space import Space
from archloom.types import Arch, PopulationSizes, Proposal, Trial
from archloom.utils.text import one_line, reason_of, where_of


@runtime_checkable
class Strategy(Protocol):
    """What the search loop needs of a strategy."""

    def ask(self, n: int) -> Sequence[Proposal]:
        """At most `n` proposals; none while waiting for results, or when finished."""
        ...

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from evaluated trials, in any order, failures included; their `report` is empty."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that later behaviour depends on: nested dicts and lists of numbers, strings and numpy arrays."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly from where `state_dict` was taken."""
        ...


@dataclass(frozen=True)
class Plan:
    """How long a run of a strategy is, and what it needs from the loop.

    Attributes:
        trials: how many trials it makes in all; None: as many as it is asked for.
        width: how many proposals it asks side by side.
        epochs: over how many a network is trained in all its trials; None: as long as the task says, in one trial.
        inherits: proposals may inherit states of earlier trials. If something trains, states are then kept: those of
            the trials that `needed()` names, or all of them if the strategy has no such method.
        unique: every trial is evaluated, even if its architecture was asked for before: none is a repeat, and the
            space is never exhausted.
        needs_training: it makes sense only if something trains.
        random: so many of its first trials are drawn at random, before it uses what it has learned.
        highest: the highest fidelity that it asks for; 0: that of the resource.
        population: its trials are chunks of trainings side by side, as their notes say (`population.note.MemberNote`),
            so the task says which of them is the best of a run (`constraints.Winner`).
    """

    trials: int | None = None
    width: int = 1
    epochs: int | None = None
    inherits: bool = False
    unique: bool = False
    needs_training: bool = False
    random: int = 0
    highest: int = 0
    population: bool = False


def plan_of(strategy: Strategy) -> Plan:
    """A strategy's plan of its run: its class's `plan` for its options, if it has that method."""
    plan = getattr(type(strategy), "plan", None)
    found: Plan = Plan() if plan is None else plan(getattr(strategy, "options", None))
    return found


def caveats_of(strategy: Strategy) -> Sequence[str]:
    """What a strategy itself says about its results (`BaseStrategy.caveats`)."""
    caveats = getattr(strategy, "caveats", None)
    return () if caveats is None else tuple(called(strategy, caveats))


Needed = Mapping[str, Iterable[int]]
"""Trials by the kind of what they left (`checkpoints.store.Kind.name`)."""


def kept_states(strategy: Strategy, told: Iterable[int]) -> Needed:
    """What must stay of trials, by kind: a later proposal may inherit it.

    A strategy may narrow it down with a method `needed()`, which names the trials whose states must stay, or a mapping
    from kinds to trials; without it the states of all that were `told` stay. Of a kind that it does not name, what
    those read stays that continue from these states.
    """
    needed = getattr(strategy, "needed", None)
    found = set(told) if needed is None else called(strategy, needed)
    return found if isinstance(found, Mapping) else {STATE.name: found}


@dataclass(frozen=True)
class EarlierRun:
    """Trials of an earlier run on the same space.

    Attributes:
        criteria: what that run optimised; its results have the metrics of these, perhaps none of this run's.
        trials: in the order in which they were asked for, failed ones included, repeats not, without reports.
        same_problem: whether the same data and evaluator answered, and fidelities mean the same: its results are
            results of this run's problem too. False if that is not certain.
    """

    criteria: Criteria
    trials: tuple[Trial, ...]
    same_problem: bool

    def answers(self, criteria: Criteria) -> bool:
        """Whether its results are results of a run with these criteria: of the same problem, with all their metrics."""
        return self.same_problem and set(criteria.metrics) <= set(self.criteria.metrics)


@runtime_checkable
class WarmStarted(Protocol):
    """What a strategy has that can use the trials of earlier runs."""

    def warm_start(self, earlier: Sequence[EarlierRun]) -> None:
        """Take them: once, before the first `ask` and before `load_state_dict`; the same again whenever the run is
        resumed, so they need not be part of the state."""
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """What a strategy has whose recipes say which of the files that trials leave beside their checkpoints are read
    (`Inherit.files`). Of others a training that goes on reads what it left itself."""

    def take_leaving(self, leaving: Leaving | None) -> None:
        """What trials leave on this problem, if anything: once, before the first `ask` and `load_state_dict`."""
        ...

    @property
    def shares(self) -> bool:
        """Whether whatever trials leave is for all others: where results are told as they come, it is read as it
        comes, too."""
        ...


@runtime_checkable
class SizedByData(Protocol):
    """What a strategy's class has whose size follows from the data of a problem, if nobody gives it."""

    @classmethod
    def fitted(cls, given: Mapping[str, Any], sizes: PopulationSizes) -> Mapping[str, Any]:
        """Its options whose values follow from the `sizes` that fit the problem, but for those that are `given`."""
        ...

    @classmethod
    def sizes_of(cls, options: Any) -> PopulationSizes:
        """The sizes that its options come to."""
        ...


class StrategyError(ArchloomError):
    """A strategy's own code failed. What was recorded before is whole."""


Returned = TypeVar("Returned")


def called(strategy: Strategy, method: Callable[..., Returned], *arguments: Any) -> Returned:
    """What a method of a strategy returns; StrategyError for whatever it raises that is no error of ours."""
    try:
        return method(*arguments)
    except (ArchloomError, KeyboardInterrupt):
        raise
    except BaseException as error:
        place = _where_in(strategy, error)
        raise StrategyError(
            f"strategy {one_line(type(strategy).__name__)} failed in {method.__name__}: {reason_of(error)}"
            f"{f' ({place})' if place else ''}; what was recorded is whole; mend the strategy and start a new run, or "
            "go on with it: archloom resume RUN --changed; ARCHLOOM_TRACEBACK=1 shows more"
        ) from error


def _where_in(strategy: Strategy, error: BaseException) -> str:
    """The last line of the strategy's own file on the way to where an error was raised; else where that was."""
    file = getattr(sys.modules.get(type(strategy).__module__), "__file__", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return one_line(f"{own[-1].filename}, line {own[-1].lineno}, in {own[-1].name}") if own else where_of(error)


@dataclass(frozen=True)
class NoOptions:
    """The options of a strategy that has none."""


class BaseStrategy(ABC):
    """Bookkeeping for strategies that propose one architecture after another.

    A subclass says which capabilities its space must have (`needs`), which options it takes (`Options`, a frozen
    dataclass), which metrics it learns from besides those of the criteria (`metrics`, or `learns_from` if that depends
    on its options), and writes four methods:
    `propose` returns one proposal or None; `learn` takes one trial; `dump` and `restore` carry its own state. The
    random generator belongs to this class and is part of the state. One that evaluates in part sets `needs_resource`,
    and its constructor takes the keyword `resource`, the problem's `Resource` or None; one that only wants to know what
    fidelities there are sets `takes_resource` instead. One that compares with what the problem says that it starts from
    sets `takes_reference`; its constructor takes the keyword `reference`, a mapping from metrics to values
    (`problems.base.Problem.reference`).

    Each trial is told once, and only trials that were asked are told: `tell` raises InputError for any other.
    """

    Options: ClassVar[type[Any]] = NoOptions
    needs: ClassVar[tuple[type[Any], ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ()
    needs_resource: ClassVar[bool] = False
    takes_resource: ClassVar[bool] = False
    takes_reference: ClassVar[bool] = False

    def __init__(
        self, space: SearchSpace, criteria: Criteria, rng: np.random.Generator, options: Any | None = None
    ) -> None:
        self.check_space(space)
        self.space = space
        self.criteria = criteria
        self.rng = rng
        self.options = self.Options() if options is None else options
        self._in_flight: Counter[bytes] = Counter()

    @classmethod
    def check_space(cls, space: SearchSpace) -> None:
        """InputError if a space lacks what the strategy needs of it."""
        for capability in cls.needs:
            if not isinstance(space, capability):
                raise InputError(
                    f"strategy {cls.__name__} needs a space with {_describe(capability)}, "
                    f"which space {space.name!r} does not have{_reason(space, capability)}{_others(capability)}"
                )

    @classmethod
    def plan(cls, options: Any) -> Plan:
        """What a run with these options comes to, and what it needs of the loop."""
        return Plan(inherits=cls.needs_resource)

    @classmethod
    def learns_from(cls, options: Any) -> Sequence[str]:
        """The metrics that it learns from with these options, besides those of the criteria."""
        return cls.metrics

    def caveats(self) -> Sequence[str]:
        """What a user must know of this run's results: a line each, printed before the search and kept with the run."""
        return ()

    def ask(self, n: int) -> Sequence[Proposal]:
        if n < 1:
            raise InputError(f"ask({n}): expected at least 1")
        proposals: list[Proposal] = []
        while len(proposals) < n and (proposal := self.propose()) is not None:
            proposals.append(proposal)
        self._in_flight.update(map(msgspec.json.encode, proposals))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from trials that were asked for, each once; InputError, without learning anything if one was not."""
        told = Counter(msgspec.json.encode(trial.proposal) for trial in trials)
        for trial in trials:
            if told[encoded := msgspec.json.encode(trial.proposal)] > self._in_flight[encoded]:
                raise InputError(
                    f"trial {trial.id}, genes {list(trial.proposal.arch.genes)}, is not in flight: "
                    "tell each proposal that was asked for once, unchanged"
                )
        self._in_flight = self._in_flight - told
        for trial in sorted(trials, key=lambda t: t.id):
            self.learn(trial)

    def state_dict(self) -> dict[str, Any]:
        in_flight = [json.loads(encoded) for encoded in self._in_flight.elements()]
        return {"rng": self.rng.bit_generator.state, "own": self.dump(), "in_flight": in_flight}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        flight = [msgspec.convert(item, Proposal, strict=False) for item in state["in_flight"]]
        self.rng.bit_generator.state = state["rng"]
        self.restore(state["own"])
        self._in_flight = Counter(map(msgspec.json.encode, flight))

    @abstractmethod
    def propose(self) -> Proposal | None:
        """The next proposal, or None while waiting for results or when finished."""

    def learn(self, trial: Trial) -> None:  # noqa: B027 - a strategy need not learn
        """Take one evaluated trial; the default learns nothing."""

    def dump(self) -> dict[str, Any]:
        """The subclass's own state."""
        return {}

    def restore(self, own: dict[str, Any]) -> None:  # noqa: B027 - or have a state of its own
        """Take back what `dump` gave."""

    def sample_valid(self) -> Arch:
        """A valid architecture at random."""
        return sample_valid(self.space, self.rng)

    def mutate_valid(self, arch: Arch) -> Arch:
        """A valid mutant."""
        return mutate_valid(self.space, arch, self.rng)


def _describe(capability: type[Any]) -> str:
    return " and ".join(_members(capability))


def _members(capability: type[Any]) -> list[str]:
    return sorted(name for name in vars(capability) if not name.startswith("_"))


def _reason(space: SearchSpace, capability: type[Any]) -> str:
    """What keeps a space from a capability that it would have if its genes were independent choices."""
    if not isinstance(space, Space) or not all(hasattr(Categorical, member) for member in _members(capability)):
        return ""
    for name, domain in zip(space.gene_names, space.domains, strict=True):
        if not isinstance(domain, Choice):
            return f": only spaces of choices can have that, and {name} is {domain.expected}"
        if domain.condition is not None:
            return f": only spaces of independent choices can have that, and {name} counts only if {domain.condition}"
    return ": as an archloom.Categorical it would have it"


def _others(capability: type[Any]) -> str:
    """Which of archloom's spaces have a capability: those whose classes show it, and that can be imported here."""
    found = [
        name for name, kind in registry.SPACES.here() if all(hasattr(kind, member) for member in _members(capability))
    ]
    return f"; these have: {', '.join(found)}" if found else ""


def pack_trials(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Trials as plain data, for `dump`."""
    return [msgspec.to_builtins(trial) for trial in trials]


def unpack_trials(data: Sequence[Mapping[str, Any]]) -> list[Trial]:
    return [msgspec.convert(item, Trial, strict=False) for item in data]  # the keys of a JSON object are strings


def pack_archs(archs: Sequence[Arch]) -> list[list[int | float]]:
    return [list(arch.genes) for arch in archs]


def unpack_archs(data: Sequence[Sequence[int | float]]) -> list[Arch]:
    return [Arch(tuple(genes)) for genes in data]
