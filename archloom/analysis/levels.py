"""The levels of a search that fits a generator again and again: how high its samples reach, iteration by iteration.

GA-NAS (section 3.1, Algorithm 1) raises a level gamma_t that the share rho_t of its generator's samples reaches, as the
cross-entropy method for rare events does. Everything it needs is in the notes of a run's trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from archloom.analysis.layout import counted
from archloom.analysis.stats import Floats
from archloom.errors import InputError
from archloom.runs.budgets import Ending
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.strategies.ga_nas.levels import level
from archloom.strategies.ga_nas.note import SetNote


@dataclass(frozen=True)
class Levels:
    """The levels of one run. Every array is (i,): iterations from 0, the starting set, to the last complete one.

    `queries`: how many architectures had been asked for by the iteration's end. In the objective's units, NaN for a
    gap: `gamma`, the level that the share rho_t of the generator's draws reaches, with failed architectures and those
    that violate constraints worse than all others (rho_0 is rho_1, the share of the starting set that becomes the
    first truth set); `threshold`, the worst of the truth set that the generator was fitted to, the K-th best of all
    before; `best`, the best by the iteration's end. `js`: the Jensen-Shannon divergence (nats, estimated) between that
    truth set and the generator before it was fitted to it. `left_out`: the trials of an iteration not yet complete.
    """

    queries: NDArray[np.int64]
    gamma: Floats
    threshold: Floats
    best: Floats
    js: Floats
    left_out: int

    @classmethod
    def of(cls, report: RunReport) -> Levels:
        """The levels in a run's record.

        InputError for several objectives, for a strategy that fits no generator, and for a run that has completed no
        iteration with one yet.
        """
        criteria = report.scenario.criteria
        if not criteria.single:
            raise InputError(
                f"levels are those of one objective, this run has {len(criteria.objectives)} "
                f"({', '.join(o.metric for o in criteria.objectives)}): search with one --objective"
            )
        record = _Record(report)
        if not record.iterations:
            raise InputError(
                f"{report.request.name} fits no generator, so it has no levels: show a run of a strategy that "
                "does, e.g. ga_nas"
            )
        if record.complete < 2:
            raise InputError(
                f"{report.request.name} has completed no iteration after its starting set, in "
                f"{counted(report.history.queries, 'query', 'queries')}: continue the run (archloom resume), or "
                "search with more --queries"
            )
        return record.levels()


class _Record:
    """A run's trials by iteration."""

    def __init__(self, report: RunReport) -> None:
        self.report = report
        self.objective = report.scenario.criteria.objectives[0]
        self.iterations: list[list[TrialRecord]] = []
        self.notes: dict[int, SetNote] = {}  # by trial
        for line in report.history.lines:
            if note := SetNote.find(line.note):
                self.iterations += [[] for _ in range(note.iteration + 1 - len(self.iterations))]
                self.iterations[note.iteration].append(line)
                self.notes[line.id] = note

    @cached_property
    def complete(self) -> int:
        """The number of complete iterations: all that are followed by another, and the last one if all its trials are
        there, or the strategy had no more to propose."""
        last = len(self.iterations) - 1
        size = self.opening(last).size
        whole = size is not None and len(self.iterations[last]) >= size
        return last + (whole or self.report.ending == Ending.FINISHED.value)

    @cached_property
    def utilities(self) -> dict[int, float]:
        """Trial -> its utility; minus infinity if it failed or violates a constraint."""
        feasible = {line.id for line in self.report.history.feasible()}
        return {
            line.id: self.report.history.utility(line) if line.id in feasible else -math.inf
            for line in self.report.history.lines
        }

    def levels(self) -> Levels:
        numbers = range(self.complete)
        openings = [self.opening(number) for number in numbers]
        rhos = [opening.rho or 0.0 for opening in openings]
        rhos[0] = rhos[1]
        js = [math.nan if opening.js is None else opening.js for opening in openings]
        return Levels(
            np.array([len(self.before(number + 1)) for number in numbers]),
            self._values([self.gamma(number, rhos[number]) for number in numbers]),
            self._values([math.nan, *(self.threshold(number, rhos[number]) for number in numbers[1:])]),
            self._values([self.before(number + 1).max(initial=-math.inf) for number in numbers]),
            np.array(js, dtype=np.float64),
            sum(map(len, self.iterations[self.complete :])),
        )

    def opening(self, number: int) -> SetNote:
        """The note of an iteration's first proposal, which describes the refit, unless there was no truth set to fit
        the generator to; without that for the starting set."""
        notes = (self.notes[line.id] for line in self.iterations[number])
        return next((note for note in notes if note.known is not None), SetNote(number))

    def before(self, number: int) -> Floats:
        """The utilities of everything evaluated before an iteration."""
        return np.array([self.utilities[line.id] for lines in self.iterations[:number] for line in lines])

    def gamma(self, number: int, rho: float) -> float:
        """The level of an iteration's draws: each in the starting set once, later ones as often as they were drawn."""
        draws = {line.id: (self.notes[line.id].draws or 0) if number else 1 for line in self.iterations[number]}
        draws |= self.opening(number).known or {}
        utilities = np.array([self.utilities[trial] for trial in draws])
        return level(utilities, np.array(list(draws.values()), dtype=np.int64), rho)

    def threshold(self, number: int, rho: float) -> float:
        """The K-th best before an iteration, or the worst if fewer than K can be in a truth set."""
        before = self.before(number)
        truth = np.sort(before[np.isfinite(before)])[::-1][: round(rho * len(before))]
        return float(truth[-1]) if len(truth) else math.nan

    def _values(self, utilities: list[float]) -> Floats:
        """Utilities converted back to the objective's units; NaN if not finite."""
        values = self.objective.sign * np.array(utilities, dtype=np.float64)
        return np.where(np.isfinite(values), values, np.nan)
