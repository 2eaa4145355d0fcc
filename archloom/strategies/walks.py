"""Strategies that move over a space's neighbours: local search and the random walk, both with restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from archloom.constraints import Criteria
from archloom.spaces.answers import valid_neighbours
from archloom.spaces.base import HasNeighbours, SearchSpace
from archloom.strategies.base import BaseStrategy, pack_archs, pack_trials, unpack_archs, unpack_trials
from archloom.types import Arch, Proposal, Trial
from archloom.utils.options import NonNegativeInt, Options


@dataclass(frozen=True)
class LocalSearchOptions(Options):
    """`shown`: how many neighbours at most, drawn without replacement, are evaluated in a step (0: all of them).

    `first`: move as soon as a neighbour is better, instead of evaluating all those shown and moving to the best. It
    needs less than half as many queries to find the best cell of NAS-Bench-201; the other rule is that of the
    incremental search problem (Cassimon et al., section 3.2.3, with shown=50).
    """

    shown: Annotated[NonNegativeInt, msgspec.Meta(description="0 is all of them")] = 0
    first: bool = True


class LocalSearch(BaseStrategy):
    """Climb to a better neighbour until there is none, then start again at random.

    Every neighbour evaluated is a query (White et al. 2021, "Exploring the Loss Landscape in Neural Architecture
    Search").
    """

    Options: ClassVar[type[Any]] = LocalSearchOptions
    needs = (HasNeighbours,)
    options: LocalSearchOptions
    space: Any

    def __init__(
        self,
        space: SearchSpace,
        criteria: Criteria,
        rng: np.random.Generator,
        options: LocalSearchOptions | None = None,
    ) -> None:
        super().__init__(space, criteria, rng, options)
        self.current: Trial | None = None
        self.queue: list[Arch] = []  # to be asked, last first
        self.seen: list[Trial] = []  # answers of this step
        self.waiting = 0  # asked of this step and not yet told
        self.restart()

    def restart(self) -> None:
        """Begin a climb at a random architecture."""
        self.current = None
        self.queue = [self.sample_valid()]

    def propose(self) -> Proposal | None:
        if not self.queue:
            return None
        self.waiting += 1
        return Proposal(self.queue.pop())

    def learn(self, trial: Trial) -> None:
        self.waiting -= 1
        self.seen.append(trial)
        if self.options.first and self.better(trial):
            self.queue.clear()
        if not self.queue and not self.waiting:
            self.step()

    def step(self) -> None:
        """All of the step's neighbours are known: move to the best of those that are better, or start again.

        Each is compared with `current` alone: with several objectives the best of all neighbours need not be better,
        while one of lower rank is.
        """
        better = [t for t in sorted(self.seen, key=lambda t: t.id) if t.result.ok and self.better(t)]
        self.seen = []
        if better:
            self.current = better[self.criteria.best([t.result for t in better])]
            self.queue = self.show(self.current.proposal.arch)
        if not self.queue:
            self.restart()

    def better(self, trial: Trial) -> bool:
        if self.current is None:
            return True
        fitness = self.criteria.fitness([self.current.result, trial.result])
        return bool(fitness[1] > fitness[0])

    def show(self, arch: Arch) -> list[Arch]:
        """The neighbours to evaluate, in random order."""
        neighbours = valid_neighbours(self.space, arch)
        order = self.rng.permutation(len(neighbours))
        return [neighbours[i] for i in order[: self.options.shown or None]]

    def dump(self) -> dict[str, Any]:
        return {
            "current": pack_trials([self.current] if self.current else []),
            "queue": pack_archs(self.queue),
            "seen": pack_trials(self.seen),
            "waiting": self.waiting,
        }

    def restore(self, own: dict[str, Any]) -> None:
        self.current = next(iter(unpack_trials(own["current"])), None)
        self.queue = unpack_archs(own["queue"])
        self.seen = unpack_trials(own["seen"])
        self.waiting = own["waiting"]


@dataclass(frozen=True)
class RandomWalkOptions(Options):
    """`steps`: after how many steps the walk starts again at a random architecture (0: only when it stops by chance).

    `stop`: the walk may stop at each step, as one more choice among the neighbours.
    """

    steps: Annotated[NonNegativeInt, msgspec.Meta(description="0 is no limit")] = 32
    stop: bool = True


class RandomWalk(BaseStrategy):
    """Move to a uniformly drawn neighbour, whatever it is worth; stopping is one more choice.

    Episodes of 32 steps as in the evaluation of Cassimon et al., section 3.2.3.
    """

    Options: ClassVar[type[Any]] = RandomWalkOptions
    needs = (HasNeighbours,)
    options: RandomWalkOptions
    space: Any

    def __init__(
        self, space: SearchSpace, criteria: Criteria, rng: np.random.Generator, options: RandomWalkOptions | None = None
    ) -> None:
        super().__init__(space, criteria, rng, options)
        self.current: Arch | None = None
        self.taken = 0

    def propose(self) -> Proposal:
        self.current = self.move()
        return Proposal(self.current)

    def move(self) -> Arch:
        """Where the walk goes next."""
        if self.current is not None and not (self.options.steps and self.taken >= self.options.steps):
            neighbours = valid_neighbours(self.space, self.current)
            choice = int(self.rng.integers(len(neighbours) + self.options.stop)) if neighbours else 0
            if choice < len(neighbours):
                self.taken += 1
                return neighbours[choice]
        self.taken = 0
        return self.sample_valid()

    def dump(self) -> dict[str, Any]:
        return {"current": pack_archs([self.current] if self.current else []), "taken": self.taken}

    def restore(self, own: dict[str, Any]) -> None:
        self.current = next(iter(unpack_archs(own["current"])), None)
        self.taken = own["taken"]
