"""Strategies that train a population of networks side by side, chunk after chunk: what they share.

Every member trains for a chunk of epochs; when all have been evaluated, the worst may be replaced by offspring of the
best, and the next chunk begins. A chunk is a proposal that inherits the state in which the member's last one ended, so
that a run can stop and resume anywhere.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from archloom.checkpoints.chains import Leaving
from archloom.checkpoints.store import STATE, sources
from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.spaces.base import HasSizes, SearchSpace, is_valid, sample_valid
from archloom.strategies.base import BaseStrategy, Needed, Plan, pack_trials, unpack_trials
from archloom.strategies.population.experience import READINGS, Own, Reading
from archloom.strategies.population.note import MemberNote
from archloom.types import Arch, Inherit, PopulationSizes, Proposal, Result, Trial
from archloom.utils.options import NonNegativeInt, Options, PositiveInt, of_dataclass

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
_WHY_TWO = "the worst continue from the best (random_population trains networks on their own)"


@dataclass(frozen=True)
class PopulationOptions(Options):
    """`population`: members. `epochs`: how many each trains in all. `step`: epochs of a chunk.

    The defaults are the paper's for generators. A task that says what fits its data (images and gan do) sets those that
    are not given when a run begins, the same for every strategy, and the run records them.
    """

    population: PositiveInt = 24
    epochs: PositiveInt = 300
    step: PositiveInt = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step > self.epochs:
            raise InputError(
                f"step={self.step}: expected at most epochs={self.epochs}, which a member trains in all its chunks"
            )


@dataclass(frozen=True)
class Selection(PopulationOptions):
    """What replaces the worst with offspring of the best.

    `parents`: the share of the best that have offspring, at least two. `survivors`: the share that stays. For the first
    `warm_epochs` epochs members are replaced only every `warm_step` epochs.
    """

    population: Annotated[int, msgspec.Meta(ge=2, description=_WHY_TWO)] = 24
    parents: Share = 0.25
    survivors: Share = 0.75
    warm_epochs: NonNegativeInt = 0
    warm_step: NonNegativeInt = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warm_epochs and not self.warm_step:
            raise InputError(
                f"warm_epochs={self.warm_epochs}, warm_step={self.warm_step}: expected 0 and 0, or both above 0"
            )

    def replaces(self, epoch: int) -> bool:
        """Whether members are replaced after so many epochs."""
        warm = epoch < self.warm_epochs
        return epoch < self.epochs and not (warm and epoch % self.warm_step)


@dataclass(frozen=True)
class Member:
    """One of the population; `trial` is the one whose state its training has reached (None: before its first).

    A child has its base's until its own first chunk succeeds.
    """

    id: int
    arch: Arch
    trial: int | None = None


@dataclass(frozen=True)
class Child:
    """An offspring before it gets the place of a dead member."""

    arch: Arch
    inherit: Inherit
    parents: tuple[int, ...]
    """Of which members."""
    donor: int | None = None
    """The trial in which its other parent is, if it has one."""


class PopulationStrategy(BaseStrategy):
    """Trains a population in chunks, all of which must be evaluated before the next begins.

    A subclass says in `begin_chunk` how each member continues (`continued` for those that are not replaced). Options
    are a `PopulationOptions`, or have `population`, `epochs` and `step`, too.
    """

    Options: ClassVar[type[Any]] = PopulationOptions
    needs: ClassVar[tuple[type[Any], ...]] = (HasSizes,)
    options: Any
    space: Any

    def __init__(
        self, space: SearchSpace, criteria: Criteria, rng: np.random.Generator, options: Any | None = None
    ) -> None:
        super().__init__(space, criteria, rng, options)
        self.members = [Member(number, arch) for number, arch in enumerate(self.founders())]
        self.epoch = 0  # that all members have reached
        self.results: dict[int, Trial] = {}  # by member, of the chunk in training
        self.winners: set[int] = set()  # the trials of one chunk that a soup is made of
        self.won: tuple[int, float] | None = None  # the rank and the utility of the best of these
        self.reading: Reading | None = None  # where trials leave experience
        self.queue: deque[Proposal] = deque()
        self.enqueue([None] * len(self.members))

    @classmethod
    def fitted(cls, given: Mapping[str, Any], sizes: PopulationSizes) -> Mapping[str, Any]:
        """See `strategies.base.SizedByData`. A subclass that has defaults of its own keeps them."""
        own, common = of_dataclass(cls.Options), of_dataclass(PopulationOptions)
        there = [name for name in common if name in own]
        changed = {name: own[name].default for name in there if own[name].default != common[name].default}
        said = {**changed, **given}
        fitting = asdict(sizes.asked(said.get("epochs"), said.get("step")))
        return {name: fitting[name] for name in there if name not in said}

    @classmethod
    def sizes_of(cls, options: Any) -> PopulationSizes:
        return PopulationSizes(options.population, options.epochs, options.step)

    @classmethod
    def plan(cls, options: Any) -> Plan:
        trials = options.population * -(-options.epochs // options.step)
        return Plan(
            trials, options.population, options.epochs, inherits=True, unique=True, needs_training=True, population=True
        )

    @classmethod
    def files_at_once(cls, options: Any, reach: int) -> int:
        """How many files of experience of which `reach` epochs are read there are when they are most, at least."""
        chunks, all_chunks = -(-reach // options.step), -(-options.epochs // options.step)
        return cls._reading_of(options).at_once(options.population, min(chunks, all_chunks - 1), chunks)

    @classmethod
    def _reading_of(cls, options: Any) -> type[Reading]:
        return READINGS[options.experience] if "experience" in of_dataclass(cls.Options) else Own

    def take_leaving(self, leaving: Leaving | None) -> None:
        """See `strategies.base.ReadsFiles`. InputError for an option about experience where there is none."""
        if leaving is not None:
            self.reading = self._reading_of(self.options)(leaving)
            return
        known = of_dataclass(self.Options).get("experience")
        if known is not None and self.options.experience != known.default:
            raise InputError(
                f"experience={self.options.experience}: the networks of this problem are not trained on experience "
                "that they collect; omit it"
            )

    @property
    def shares(self) -> bool:
        """See `strategies.base.ReadsFiles`."""
        return self.reading is not None and self.reading.shares

    def founders(self) -> list[Arch]:
        """The architectures of the first members."""
        return balanced(self.space, self.options.population, self.rng)

    @abstractmethod
    def begin_chunk(self, trials: Sequence[Trial]) -> list[Inherit | None]:
        """How each member continues, by member; `trials` are the last chunk's, by member.

        May put others into `self.members`. None starts a training from scratch.
        """

    def continued(self, trials: Sequence[Trial]) -> list[Inherit | None]:
        """How members continue that nobody replaces: from the state that each has reached, or from scratch if it has
        none. A child whose first chunk failed is still to be made of its parents: its recipe is tried again.
        """
        return [
            trial.proposal.inherit if _unmade(trial) else None if member.trial is None else Inherit(member.trial)
            for member, trial in zip(self.members, trials, strict=True)
        ]

    def propose(self) -> Proposal | None:
        return self.queue.popleft() if self.queue else None

    def learn(self, trial: Trial) -> None:
        member = MemberNote.of(trial.proposal.note).member
        self.results[member] = trial
        if trial.result.ok:  # a chunk that failed leaves no state: the member keeps its last one
            self.members[member] = replace(self.members[member], trial=trial.id)
            if self.reading is not None:
                self.reading.learn(trial)
        if len(self.results) < len(self.members):
            return
        trials = [self.results[number] for number in range(len(self.members))]
        self.results = {}
        self._find_winners(trials)
        self.epoch = min(self.epoch + self.options.step, self.options.epochs)
        if self.epoch < self.options.epochs:
            self.enqueue(self.begin_chunk(trials))

    def _find_winners(self, trials: Sequence[Trial]) -> None:
        """Keep the winners of this chunk instead of those of an earlier one, if the run's best is among them now."""
        found = same_as_the_best(trials, self.criteria)
        if not found:
            return
        objective, best = self.criteria.objectives[0], found[0]
        won = self.criteria.winner.rank(best.proposal.fidelity), objective.utility(best.result.scores[objective.metric])
        if self.won is None or won > self.won:
            self.winners, self.won = {trial.id for trial in found}, won

    def enqueue(self, inherits: Sequence[Inherit | None]) -> None:
        """Queue the next chunk of every member."""
        reach = min(self.epoch + self.options.step, self.options.epochs)
        for member, inherit in zip(self.members, inherits, strict=True):
            if inherit is not None and self.reading is not None:
                inherit = self.reading.goes_on(inherit)
            self.queue.append(Proposal(member.arch, reach, inherit, self.note(member).to_note()))
        if self.reading is not None:
            read = (sources(proposal.inherit, self.reading.kind) for proposal in self.queue)
            self.reading.forget(self._bases, set[int]().union(*read))

    def note(self, member: Member) -> MemberNote:
        """What the record says of a member's next chunk."""
        return MemberNote(member.id)

    @property
    def _bases(self) -> set[int]:
        """The trials from which members continue."""
        return {member.trial for member in self.members if member.trial is not None}

    def needed(self) -> Needed | set[int]:
        """The trials whose states may still be inherited, or be asked for by a soup: of the members with the winner's
        genes, in the complete chunk with the best of the run; and those whose experience may still be read."""
        recipes = [proposal.inherit for proposal in self.queue]
        recipes += [trial.proposal.inherit for trial in self.results.values() if _unmade(trial)]
        states = self._bases.union(self.winners, *map(sources, recipes))
        if self.reading is None:
            return states
        read = set[int]().union(*(sources(recipe, self.reading.kind) for recipe in recipes))
        if self.epoch + self.options.step < self.options.epochs:  # the chunk in training is not the last
            read |= self.reading.needed(self._bases)
        return {STATE.name: states, self.reading.kind: read}

    def dump(self) -> dict[str, Any]:
        return {
            "members": msgspec.to_builtins(self.members),
            "epoch": self.epoch,
            "results": pack_trials(list(self.results.values())),
            "winners": sorted(self.winners),
            "won": self.won,
            "queue": msgspec.to_builtins(list(self.queue)),
            **({} if self.reading is None else {"reading": self.reading.dump()}),
        }

    def restore(self, own: dict[str, Any]) -> None:
        self.members = msgspec.convert(own["members"], list[Member])
        self.epoch = own["epoch"]
        self.results = {MemberNote.of(t.proposal.note).member: t for t in unpack_trials(own["results"])}
        self.winners = set(own["winners"])
        won = own.get("won")  # earlier versions kept the winners of the last chunk
        self.won = None if won is None else (won[0], won[1])
        self.queue = deque(msgspec.convert(own["queue"], list[Proposal], strict=False))
        if self.reading is not None:
            self.reading.restore(own["reading"])


def _unmade(trial: Trial) -> bool:
    """Whether it is the first chunk of a child, and failed: what the child inherits is in no state yet."""
    inherit = trial.proposal.inherit
    return not trial.result.ok and inherit is not None and inherit.reseed


def same_as_the_best(trials: Sequence[Trial], criteria: Criteria) -> list[Trial]:
    """The trials of a chunk with the genes of the best one, best first: what a soup is made of.

    Empty if none succeeded and meets the constraints.
    """
    objective = criteria.objectives[0]
    done = [trial for trial in trials if criteria.feasible(trial.result)]
    ranked = sorted(done, key=lambda trial: (-objective.utility(trial.result.scores[objective.metric]), trial.id))
    return [trial for trial in ranked if trial.proposal.arch.genes == ranked[0].proposal.arch.genes]


def balanced(space: Any, count: int, rng: np.random.Generator) -> list[Arch]:
    """`count` architectures in which every option of a choice is as frequent as every other.

    For each choice a list holds each option floor(count / options) times and random ones for the rest, is shuffled and
    dealt out (PBT-NAS, Algorithm 1). Architectures that are not valid are drawn instead.
    """
    columns = []
    for size in map(int, space.sizes):
        column = np.concatenate([np.repeat(np.arange(size), count // size), rng.integers(0, size, count % size)])
        columns.append(rng.permutation(column))
    dealt = [Arch(tuple(genes)) for genes in np.stack(columns, axis=1).tolist()]
    return [arch if is_valid(space, arch) else sample_valid(space, rng) for arch in dealt]


class SelectingStrategy(PopulationStrategy):
    """Replaces the worst by offspring of the best between chunks. A subclass writes `offspring`."""

    Options: ClassVar[type[Any]] = Selection

    def __init__(
        self, space: SearchSpace, criteria: Criteria, rng: np.random.Generator, options: Any | None = None
    ) -> None:
        self.born: dict[int, list[int]] = {}  # by place: the parents of a child that has no state of its own yet
        super().__init__(space, criteria, rng, options)

    @abstractmethod
    def offspring(self, parents: Sequence[Member], fitness: Mapping[int, float]) -> Child:
        """One child of some of these members, of which a larger `fitness` is the fitter."""

    def begin_chunk(self, trials: Sequence[Trial]) -> list[Inherit | None]:
        self.born = {place: parents for place, parents in self.born.items() if _unmade(trials[place])}
        inherits = self.continued(trials)
        if not self.options.replaces(self.epoch):
            return inherits
        fitness = self.fitness(trials)
        order = sorted(range(len(trials)), key=lambda number: -fitness[number])
        parents = [
            self.members[number]
            for number in order[: max(2, int(self.options.parents * len(order)))]
            if trials[number].result.ok
        ]
        dead = order[int(self.options.survivors * len(order)) :]
        if len(parents) < 2:
            return inherits
        children = [self.offspring(parents, fitness) for _ in dead]
        for place, index in zip(dead, self.rng.permutation(len(children)).tolist(), strict=True):
            child = children[index]
            self.members[place] = Member(place, child.arch, child.inherit.base)
            self.born[place] = list(child.parents)
            inherit = replace(child.inherit, reseed=True)  # else an unchanged child is its base's twin
            inherits[place] = inherit if self.reading is None else self.reading.born(inherit, child.donor)
        return inherits

    def fitness(self, trials: Sequence[Trial]) -> dict[int, float]:
        results: list[Result] = [trial.result for trial in trials]
        return dict(enumerate(map(float, self.criteria.fitness(results))))

    def note(self, member: Member) -> MemberNote:
        return MemberNote(member.id, self.born.get(member.id))

    def fitter(self, one: Member, other: Member, fitness: Mapping[int, float]) -> tuple[Member, Member]:
        """The two, the fitter first; of equals the first stays first."""
        return (other, one) if fitness[other.id] > fitness[one.id] else (one, other)

    def two(self, parents: Sequence[Member]) -> tuple[Member, Member]:
        """Two different ones, drawn uniformly."""
        one, other = self.rng.choice(len(parents), 2, replace=False)
        return parents[one], parents[other]

    def dump(self) -> dict[str, Any]:
        return {**super().dump(), "born": [[place, parents] for place, parents in self.born.items()]}

    def restore(self, own: dict[str, Any]) -> None:
        super().restore(own)
        self.born = dict(own["born"])
