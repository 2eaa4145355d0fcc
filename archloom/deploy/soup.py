"""Greedy soups: the weights of members that share the winner's architecture, averaged as long as that helps.

Wortsman et al. 2022, as in PBT-NAS (section 5.5): start with the best member; add the others one by one, best first;
keep an addition if the mean of the kept ones and this one is strictly better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archloom.analysis.lineage import generations
from archloom.checkpoints.average import average, check_parts
from archloom.checkpoints.state import TrainingState
from archloom.checkpoints.store import CheckpointFolder
from archloom.constraints import Objective
from archloom.deploy.final import measure_finally, open_problem
from archloom.errors import InputError
from archloom.problems import TaskProblem
from archloom.runs.history import History
from archloom.runs.manifest import checkpoints_of
from archloom.runs.record import TrialRecord, read_manifest
from archloom.runs.report import RunReport
from archloom.runs.trust import check_code
from archloom.strategies.population.base import same_as_the_best
from archloom.strategies.population.note import MemberNote


@dataclass(frozen=True)
class Tried:
    """The mean of several members, kept or not, as it was measured."""

    members: tuple[int, ...]
    metrics: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return {"members": list(self.members), "soup": dict(self.metrics)}


@dataclass(frozen=True)
class Soup:
    """A soup: `state` is the mean of `members`; the others of the same architecture are `left_out`.

    `metrics` are the soup's, `best` those of the best member alone, which is trial `trial`, after `epoch` epochs; both
    were just measured in the same way. `tried` are the means that were measured on the way, in their order, the best of
    which is `best_tried`: it may be worse than the best member, which is then the soup. `ahead` is the best of the run
    if that is better than the soup, which is made of complete populations only: its trial, its epochs and its value.
    """

    state: TrainingState
    arch: str
    members: tuple[int, ...]
    left_out: tuple[int, ...]
    metrics: Mapping[str, float]
    best: Mapping[str, float]
    trial: int
    epoch: int
    ahead: tuple[int, int, float] | None = None
    tried: tuple[Tried, ...] = ()
    best_tried: Tried | None = None

    def difference(self, metric: str) -> float:
        """How much more of a metric the soup has than the best member."""
        return self.metrics[metric] - self.best[metric]

    def difference_tried(self, metric: str) -> float | None:
        """The same for the best mean of several members, whether it was kept or not; None if there are none. (What
        PBT-NAS's Table 5 has, by its code.)"""
        return None if self.best_tried is None else self.best_tried.metrics[metric] - self.best[metric]

    def to_json(self, objective: str) -> dict[str, Any]:
        ahead = None if self.ahead is None else dict(zip(("trial", "epoch", "value"), self.ahead, strict=True))
        return {
            "arch": self.arch,
            "trial": self.trial,
            "epoch": self.epoch,
            "members": list(self.members),
            "left_out": list(self.left_out),
            "metric": objective,
            "soup": dict(self.metrics),
            "best_member": dict(self.best),
            "difference": self.difference(objective),
            "tried": [tried.to_json() for tried in self.tried],
            "difference_tried": self.difference_tried(objective),
            "run_ahead": ahead,
        }


@dataclass(frozen=True)
class _Kitchen:
    """What is needed to measure states of a run: as its search did, or finally."""

    problem: TaskProblem
    checkpoints: CheckpointFolder
    objective: Objective
    final: bool

    def measure(self, line: TrialRecord, state: TrainingState) -> Mapping[str, float]:
        training = self.problem.task.begin(line.trial.proposal.arch, 0)
        training.resume(state)
        found = measure_finally(training) if self.final else training.evaluate()
        if self.objective.metric not in found:
            raise InputError(
                f"the final evaluation measures {', '.join(found)}: expected {self.objective.metric} among them, by "
                "which a soup is judged; omit --final, or --set"
            )
        return found

    def utility(self, metrics: Mapping[str, float]) -> float:
        """-inf if it could not be measured."""
        found = self.objective.utility(metrics[self.objective.metric])
        return -math.inf if math.isnan(found) else found


def greedy_soup(
    report: RunReport,
    parts: Sequence[str] | None = None,
    final: bool = False,
    settings: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> Soup:
    """The greedy soup of the population with a run's best (`constraints.Winner`), judged by the run's first objective.

    `parts` are prefixes of what is averaged (`NETWORK.module.path`); the rest is the best member's. It is judged as
    members were in the search, or, if `final`, by the final settings of the task, of which `settings` may change some
    (`deploy.final.open_member`). InputError for a run that trained no population, or whose checkpoints are missing.
    """
    if not isinstance(report.scenario.problem, TaskProblem) or report.path is None:
        raise InputError(f"{report.path}: a soup needs a run that trained a population, e.g. of pbt_nas")
    lines = winners(report)
    if settings:
        check_code(report.path, read_manifest(report.path), trust, settings)
    problem = open_problem(report, settings) if settings else report.scenario.problem
    kitchen = _Kitchen(problem, checkpoints_of(report.path), report.scenario.criteria.objectives[0], final)
    checkpoints = kitchen.checkpoints
    kept = [lines[0]]
    state: TrainingState = checkpoints.load(lines[0].id)
    check_parts(state, parts or ())  # also if there is no other member to average with
    best = metrics = kitchen.measure(lines[0], state)
    tried: list[Tried] = []
    for line in lines[1:]:
        candidate = average([checkpoints.load(member.id) for member in [*kept, line]], parts)
        found = kitchen.measure(line, candidate)
        tried.append(Tried(tuple(map(_member, [*kept, line])), found))
        if kitchen.utility(found) > kitchen.utility(metrics):
            kept.append(line)
            state, metrics = candidate, found
    left_out = tuple(_member(line) for line in lines if line not in kept)
    ahead = _ahead(report, lines[0], metrics, kitchen)
    members = tuple(map(_member, kept))
    best_tried = max(tried, key=lambda each: kitchen.utility(each.metrics), default=None)
    return Soup(
        state, lines[0].arch, members, left_out, metrics, best, lines[0].id, lines[0].fidelity, ahead, tuple(tried),
        best_tried,
    )  # fmt: skip


def winners(report: RunReport) -> list[TrialRecord]:
    """What a soup is made of: the members with the genes of the best one, in its population, best first.

    The best is that of all complete populations (`constraints.Winner`). InputError if there is none.
    """
    criteria = report.scenario.criteria
    populations = {generation.epoch: generation.trials for generation in generations(report.history.lines)}
    if not populations:
        raise InputError(
            f"strategy {report.request.name} has trained no population through a whole chunk, which a soup needs: "
            "resume the run (archloom resume), or use a run of a strategy that trains a population, e.g. pbt_nas"
        )
    best = History.of([line for trials in populations.values() for line in trials.values()], criteria).best()
    if best is None:
        raise InputError(
            "no member of a complete population succeeded and meets the constraints: there is nothing to average"
        )
    members = {line.id: line for line in populations[best.fidelity].values()}
    return [members[trial.id] for trial in same_as_the_best([line.trial for line in members.values()], criteria)]


def _ahead(
    report: RunReport, cooked: TrialRecord, metrics: Mapping[str, float], kitchen: _Kitchen
) -> tuple[int, int, float] | None:
    """The best of the run, if it is better than the soup of `cooked` and others: it is of a population that is not
    complete yet, which no soup is made of."""
    best = report.best
    if best is None or best.id == cooked.id:
        return None
    found = kitchen.measure(best, kitchen.checkpoints.load(best.id)) if kitchen.final else best.scores
    if kitchen.utility(found) <= kitchen.utility(metrics):
        return None
    return best.id, best.fidelity, found[kitchen.objective.metric]


def _member(line: TrialRecord) -> int:
    return MemberNote.of(line.note).member
