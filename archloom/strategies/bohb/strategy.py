"""bohb: Hyperband's brackets, whose architectures come from kernel densities of good and bad ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np

from archloom.constraints import Criteria
from archloom.spaces.base import SearchSpace, is_valid
from archloom.spaces.coordinates import check_points, coordinates_of
from archloom.strategies.base import EarlierRun, Plan
from archloom.strategies.bohb.proposal import Knowledge, Model, Rules
from archloom.strategies.brackets import Bracket
from archloom.strategies.note import Note
from archloom.strategies.successive_halving import HalvingOptions, HalvingStrategy
from archloom.types import Arch, Inherit, Proposal, Resource, Trial
from archloom.utils.options import NonNegativeInt, PositiveFloat, PositiveInt, UnitInterval

Percent = Annotated[int, msgspec.Meta(ge=1, le=99)]


class BohbNote(Note, frozen=True):
    """`bracket`: the number of the trial's bracket, from 0. `model`: the fidelity of the results whose model proposed
    the architecture, 0 for those of an earlier run on another problem; absent if it was drawn at random."""

    bracket: int
    model: int | None = None


@dataclass(frozen=True)
class BohbOptions(HalvingOptions):
    """Those of `hyperband`, and HpBandSter's with its names and defaults.

    eta: a rung has 1 / `eta` as many trials as the one below.
    minimum, maximum: the fidelities of the lowest and the highest rung (0: those of the problem's resource).
    budgets: the fidelities of all rungs instead, two or more.
    promote: "continue" goes on with the training of a promoted architecture, at the price of the difference. "again"
        evaluates it once more from nothing, at the full price, with seeds drawn again if the space has any.
    top_n_percent: the best of a budget's results, in percent, count as good.
    min_points_in_model: of good and of bad ones at least so many; 0, and whatever is less, is coordinates + 1.
    num_samples: of so many candidates the best is proposed.
    random_fraction: with this probability an architecture is drawn at random, as it is if there is no model.
    bandwidth_factor: candidates are this much farther from good ones than the model's bandwidths say.
    min_bandwidth: the smallest bandwidth.
    """

    promote: Literal["continue", "again"] = "continue"
    top_n_percent: Percent = 15
    min_points_in_model: NonNegativeInt = 0
    num_samples: PositiveInt = 64
    random_fraction: UnitInterval = 1 / 3
    bandwidth_factor: PositiveFloat = 3.0
    min_bandwidth: PositiveFloat = 1e-3


class Bohb(HalvingStrategy):
    """BOHB (Falkner, Klein and Hutter 2018), as its authors' HpBandSter does it.

    Bracket number i has s = S - 1 - i mod S rungs above its first, of S in all, and begins with
    floor(S / (s + 1)) * eta**s architectures; on each next rung are 1 / eta as many, at least one: the best of those
    that succeeded, and new ones if too few did. While a rung waits for results, the next bracket begins.
    """

    Options: ClassVar[type[Any]] = BohbOptions
    options: BohbOptions

    def __init__(
        self,
        space: SearchSpace,
        criteria: Criteria,
        rng: np.random.Generator,
        options: BohbOptions | None = None,
        *,
        resource: Resource | None = None,
    ) -> None:
        super().__init__(space, criteria, rng, options, resource=resource)
        o = self.options
        self.coordinates = coordinates_of(space)
        rules = Rules(o.top_n_percent, o.min_points_in_model, o.min_bandwidth)
        self.knowledge = Knowledge(self.coordinates, criteria, rules, int(rng.integers(1 << 62)))
        self.open: dict[int, Bracket] = {}  # those that are not over, by their number
        self.begun = 0  # brackets
        self.continues = o.promote == "continue"

    @classmethod
    def check_space(cls, space: SearchSpace) -> None:
        check_points(space, cls.__name__)

    @classmethod
    def plan(cls, options: BohbOptions) -> Plan:
        return Plan(inherits=options.promote == "continue", highest=super().plan(options).highest)

    def warm_start(self, earlier: Sequence[EarlierRun]) -> None:
        """Learn from earlier runs on the same space, as HpBandSter does from previous results.

        Results of the same problem with all metrics of these criteria count at their own fidelity, whether or not this
        run has such a rung; what failed, or was evaluated at the highest rung or beyond, is not drawn again. Any other
        run is a level of its own below all of these, by its own criteria: its model proposes until there is another.
        """
        for place, run in enumerate(earlier):
            if run.answers(self.criteria):
                for trial in run.trials:
                    fidelity = self.resource.resolve(trial.proposal.fidelity)
                    self.knowledge.add(trial, (0, fidelity))
                    if not trial.result.ok or fidelity >= self.rungs[-1]:
                        self.drawn.add(self.space.key(trial.proposal.arch))
            else:
                fidelities = sorted({trial.proposal.fidelity or math.inf for trial in run.trials})
                for trial in run.trials:
                    level = place - len(earlier), fidelities.index(trial.proposal.fidelity or math.inf)
                    self.knowledge.add(trial, level, run.criteria)

    # -- brackets -------------------------------------------------------------------------------------------------

    def bracket(self, number: int) -> Bracket:
        """A bracket at its beginning."""
        rungs, eta = len(self.rungs), self.options.eta
        s = rungs - 1 - number % rungs
        first = rungs // (s + 1) * eta**s
        return Bracket(self.rungs[-1 - s :], [max(first // eta**step, 1) for step in range(s + 1)])

    def propose(self) -> Proposal | None:
        for number in list(self.open):
            if (proposal := self._next(number)) is not None:
                return proposal
        while not self.used_up:
            number, self.begun = self.begun, self.begun + 1
            self.open[number] = self.bracket(number)
            if (proposal := self._next(number)) is not None:
                return proposal
        return None

    def _next(self, number: int) -> Proposal | None:
        """The next proposal of an open bracket; None while it waits, or if it is over."""
        proposal = self.open[number].ask(partial(self._new, number))
        while proposal is None and number in self.open and self.open[number].complete:  # nothing more could be drawn
            self._close(number)
            proposal = self.open[number].ask(partial(self._new, number)) if number in self.open else None
        return proposal

    def learn(self, trial: Trial) -> None:
        self.knowledge.add(trial, (0, trial.proposal.fidelity))
        number = BohbNote.of(trial.proposal.note).bracket
        self.open[number].tell(trial)
        if self.open[number].complete:
            self._close(number)

    def _close(self, number: int) -> None:
        """All trials of a rung are told: promote the best of them, or end the bracket."""
        bracket = self.open[number]
        places = bracket.most_promoted
        if not places:
            del self.open[number]
            return
        best, rung = self._best(bracket), bracket.fidelities[bracket.rung + 1]
        bracket.advance([self._promoted(trial, rung, number) for trial in best], places - len(best))

    def _best(self, bracket: Bracket) -> list[Trial]:
        """Those of a rung's trials that would be promoted if no more were told."""
        return self.ranked(bracket.told)[: bracket.most_promoted]

    def _promoted(self, trial: Trial, fidelity: int, number: int) -> Proposal:
        arch, note = trial.proposal.arch, BohbNote(number).to_note()
        if self.continues:
            return Proposal(arch, fidelity, Inherit(trial.id), note)
        return Proposal(self.coordinates.reseeded(arch, self.rng), fidelity, note=note)

    def needed(self) -> set[int]:
        if not self.continues:
            return set()
        found = set[int]()
        for bracket in self.open.values():
            # With one objective, whoever is not among the best now will not be when all are told.
            waiting = self._best(bracket) if self.criteria.single else bracket.told if bracket.most_promoted else []
            found |= {trial.id for trial in waiting}
            found |= {proposal.inherit.base for proposal in bracket.queue if proposal.inherit is not None}
        return found

    # -- architectures --------------------------------------------------------------------------------------------

    def _new(self, number: int, fidelity: int) -> Proposal | None:
        """One that the model proposes, or one at random; None if the space is used up."""
        known = None if self.used_up else self.knowledge.model()
        if known is not None and self.rng.random() >= self.options.random_fraction:
            (_, level), model = known
            arch = self._promising(model)
            if arch is not None:
                own = known[0][0] == 0
                return Proposal(arch, fidelity, note=BohbNote(number, level if own else 0).to_note())
        arch = self.fresh()
        return None if arch is None else Proposal(arch, fidelity, note=BohbNote(number).to_note())

    def _promising(self, model: Model) -> Arch | None:
        """Of the model's candidates the best that is valid and was not drawn before; None if there is none."""
        for point in model.best(self.options.num_samples, self.options.bandwidth_factor, self.rng):
            arch = self.coordinates.arch(point, self.rng)
            if is_valid(self.space, arch) and (key := self.space.key(arch)) not in self.drawn:
                self.drawn.add(key)
                return arch
        return None

    # -- state ----------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        return {
            **super().dump(),
            "begun": self.begun,
            "open": [[number, bracket.dump()] for number, bracket in self.open.items()],
            "seed": self.knowledge.seed,
            "told": self.knowledge.dump(),
        }

    def restore(self, own: dict[str, Any]) -> None:
        super().restore(own)
        self.begun = own["begun"]
        self.open = {number: self.bracket(number).restored(dumped) for number, dumped in own["open"]}
        self.knowledge.seed = own["seed"]
        self.knowledge.restore(own["told"])
