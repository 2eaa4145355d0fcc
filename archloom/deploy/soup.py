"""Greedy soups: the weights of members that share the winner's architecture, averaged as long as that helps.

Wortsman et al. 2022, as in PBT-NAS (section 5.5): start with the best member; add the others one by one, best first;
keep an addition if the mean of the kept ones and this one is strictly better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archloom.analysis.lineage import generations
from archloom.checkpoints.average import average, check_parts
from archloom.checkpoints.state import TrainingState
from archloom.errors import InputError
from archloom.problems import TaskProblem
from archloom.runs.manifest import checkpoints_of
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.strategies.population.base import same_as_the_best
from archloom.strategies.population.note import MemberNote


@dataclass(frozen=True)
class Soup:
    """A soup: `state` is the mean of `members`; the others of the same architecture are `left_out`.

    `metrics` are the soup's, `best` those of the best member alone, both just measured in the same way.
    """

    state: TrainingState
    arch: str
    members: tuple[int, ...]
    left_out: tuple[int, ...]
    metrics: Mapping[str, float]
    best: Mapping[str, float]

    def to_json(self, objective: str) -> dict[str, Any]:
        return {
            "arch": self.arch,
            "members": list(self.members),
            "left_out": list(self.left_out),
            "metric": objective,
            "soup": dict(self.metrics),
            "best_member": dict(self.best),
            "difference": self.metrics[objective] - self.best[objective],
        }


def greedy_soup(report: RunReport, parts: Sequence[str] | None = None) -> Soup:
    """The greedy soup of a run's last population, judged by the run's first objective on the task's validation data.

    `parts` are prefixes of what is averaged (`NETWORK.module.path`); the rest is the best member's. InputError for a
    run that trained no population, or whose last checkpoints are missing.
    """
    problem = report.scenario.problem
    if not isinstance(problem, TaskProblem) or report.path is None:
        raise InputError(f"{report.path}: a soup needs a run that trained a population, e.g. of pbt_nas")
    history = generations(report.history.lines)
    if not history:
        raise InputError(
            f"strategy {report.request.name} has trained no population through a whole chunk, which a soup needs: "
            "resume the run (archloom resume), or use a run of a strategy that trains a population, e.g. pbt_nas"
        )
    objective = report.scenario.criteria.objectives[0]
    checkpoints = checkpoints_of(report.path)
    members = {line.id: line for line in history[-1].trials.values()}
    lines = [members[trial.id] for trial in same_as_the_best([m.trial for m in members.values()], objective)]
    if not lines:
        raise InputError("every member of the last population failed: there is nothing to average")
    kept = [lines[0]]
    state: TrainingState = checkpoints.load(lines[0].id)
    check_parts(state, parts or ())  # also if there is no other member to average with
    best = metrics = _measure(problem, lines[0], state)
    for line in lines[1:]:
        candidate = average([checkpoints.load(member.id) for member in [*kept, line]], parts)
        found = _measure(problem, line, candidate)
        if objective.utility(found[objective.metric]) > objective.utility(metrics[objective.metric]):
            kept.append(line)
            state, metrics = candidate, found
    left_out = tuple(_member(line) for line in lines if line not in kept)
    return Soup(state, lines[0].arch, tuple(map(_member, kept)), left_out, metrics, best)


def _measure(problem: TaskProblem, line: TrialRecord, state: TrainingState) -> Mapping[str, float]:
    training = problem.task.begin(line.trial.proposal.arch, 0)
    training.resume(state)
    return training.evaluate()


def _member(line: TrialRecord) -> int:
    return MemberNote.of(line.note).member
