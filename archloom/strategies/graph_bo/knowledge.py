"""What is known at a time: the answers so far, those of earlier runs included, as rows for the models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from archloom.constraints import Criteria
from archloom.errors import InputError
from archloom.strategies.base import EarlierRun
from archloom.strategies.graph_bo.kernel import Float64
from archloom.strategies.graph_bo.targets import Warp
from archloom.strategies.suggestions import by_fidelity
from archloom.types import Arch, Resource, Result, Trial

_LEAST = 1e-9
"""A smaller spread of targets, which are of about 1, is rounding."""
OWN = 0
"""The source of this run's own results, and of those of earlier runs on the same problem."""


@dataclass(frozen=True)
class Answer:
    """An architecture that was evaluated at a fidelity, and what came out: utilities (objectives,) and the result.

    `source` is `OWN`, or the number of an earlier run on another problem, from 1. `fidelity` is a number of units, or
    of such a run the place among its fidelities, from 0 for the lowest; `depth` is 0 at the highest, 1 at the lowest.
    """

    arch: Arch
    fidelity: int
    depth: float
    source: int
    utilities: tuple[float, ...]
    result: Result


@dataclass
class Knowledge:
    """All answers that are results, in the order in which they came."""

    criteria: Criteria
    resource: Resource | None
    answers: list[Answer] = field(default_factory=list)
    failed: list[Arch] = field(default_factory=list)
    """What was evaluated on this problem without a result."""
    sources: int = 0
    """Earlier runs on other problems."""

    @property
    def evaluations(self) -> int:
        """Of how many evaluations something is known."""
        return len(self.answers) + len(self.failed)

    @property
    def contexts(self) -> int:
        """How many context columns there are: of the fidelity, and one of each earlier run on another problem."""
        return 1 + self.sources

    def resolved(self, fidelity: int) -> int:
        """A fidelity as a number of units; 0 where there are none."""
        return 0 if self.resource is None else self.resource.resolve(fidelity)

    def add(self, trial: Trial) -> bool:
        """Take a trial; whether it has a result."""
        violation = self.criteria.violation(trial.result)
        if not math.isfinite(violation):
            self.failed.append(trial.proposal.arch)
            return False
        utilities = self.criteria.utilities(trial.result)
        fidelity = self.resolved(trial.proposal.fidelity)
        self.answers.append(Answer(trial.proposal.arch, fidelity, self.depth(fidelity), OWN, utilities, trial.result))
        return True

    def add_foreign(self, run: EarlierRun) -> None:
        """Take the trials of a run on another problem; InputError if it optimised another number of objectives.

        What its fidelities count is not known, so they are evenly apart, as the logarithms of rungs are.
        """
        wanted, theirs = self.criteria.objectives, run.criteria.objectives
        if len(wanted) != len(theirs):
            raise InputError(
                f"an earlier run with {len(theirs)} objectives, {', '.join(o.metric for o in theirs)}: expected "
                f"{len(wanted)}, as {', '.join(o.metric for o in wanted)}"
            )
        self.sources += 1
        levels = by_fidelity([trial for trial in run.trials if math.isfinite(Criteria(theirs).violation(trial.result))])
        for place, trials in enumerate(levels):
            depth = 1.0 - place / (len(levels) - 1) if len(levels) > 1 else 0.0
            for trial in trials:
                utilities = run.criteria.utilities(trial.result)
                self.answers.append(Answer(trial.proposal.arch, place, depth, self.sources, utilities, trial.result))

    # -- as arrays ------------------------------------------------------------------------------------------------

    def context(self) -> Float64:
        """(n, contexts): how far below the highest fidelity an answer is, from 0 to 1, and from which run."""
        found = np.zeros((len(self.answers), self.contexts))
        for row, answer in enumerate(self.answers):
            found[row, 0] = answer.depth
            if answer.source != OWN:
                found[row, answer.source] = 1.0
        return found

    def depth(self, fidelity: int) -> float:
        """Where a fidelity lies between the highest, 0, and the lowest, 1, by their logarithms."""
        if self.resource is None or self.resource.minimum >= self.resource.maximum:
            return 0.0
        ratio = math.log(self.resource.maximum / max(fidelity, 1))
        return min(max(ratio, 0.0) / math.log(self.resource.maximum / self.resource.minimum), 1.0)

    def targets(self, objective: int, warp: Warp) -> Float64:
        """(n,) the warped utilities. Each kind of answers is warped by itself, and brought to the scale of the answers
        at lower fidelities for the same architectures, those of an earlier run also to that of this problem's."""
        utilities = np.array([answer.utilities[objective] for answer in self.answers])
        found = np.zeros(len(self.answers))
        known: dict[int, dict[Arch, float]] = {OWN: {}}
        for rows in self._kinds():
            lower = known.setdefault(self.answers[int(rows[0])].source, dict(known[OWN]))
            own = warp(utilities[rows])
            archs = [self.answers[row].arch for row in rows.tolist()]
            found[rows] = _aligned(own, [lower.get(arch) for arch in archs])
            lower.update(zip(archs, found[rows].tolist(), strict=True))
        return found

    def _kinds(self) -> Iterator[NDArray[np.intp]]:
        """The rows of each kind of answers: a run's, at a fidelity, from the lowest."""
        kinds: dict[tuple[int, int], list[int]] = {}
        for row, answer in enumerate(self.answers):
            kinds.setdefault((answer.source, answer.fidelity), []).append(row)
        for kind in sorted(kinds):
            yield np.array(kinds[kind], dtype=np.intp)

    def own(self) -> NDArray[np.intp]:
        """The rows of this problem's answers."""
        return np.array([row for row, answer in enumerate(self.answers) if answer.source == OWN], dtype=np.intp)

    def final(self) -> NDArray[np.intp]:
        """The rows of this problem's answers at the highest fidelity there is an answer for."""
        own = [(answer.fidelity, row) for row, answer in enumerate(self.answers) if answer.source == OWN]
        highest = max(own, default=(0, 0))[0]
        return np.array([row for fidelity, row in own if fidelity == highest], dtype=np.intp)

    def results(self, rows: NDArray[np.intp]) -> Sequence[Result]:
        return [self.answers[row].result for row in rows.tolist()]


def _aligned(targets: Float64, lower: Sequence[float | None]) -> Float64:
    """Targets (n,) so shifted and stretched that those that have a counterpart at a lower fidelity have its mean and
    spread. Those that were promoted are the best; by themselves they would be average."""
    known = [(own, other) for own, other in zip(targets.tolist(), lower, strict=True) if other is not None]
    if not known:
        return targets
    ours, theirs = np.array(known).T
    stretch = float(theirs.std() / ours.std()) if len(known) > 2 and ours.std() > _LEAST else 1.0
    aligned: Float64 = (targets - ours.mean()) * stretch + theirs.mean()
    return aligned
