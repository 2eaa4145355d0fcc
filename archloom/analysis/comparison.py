"""Strategies on the same problem as numbers: how each did over its runs, and the tests between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from archloom.analysis.p_values import notes_of
from archloom.analysis.pairing import begin_alike
from archloom.analysis.published_rows import Published
from archloom.analysis.significance import EVERY, Sample, Tests, Wanted, run_tests
from archloom.analysis.stats import Summary, summarise
from archloom.analysis.study import Reports, Study
from archloom.constraints import Objective
from archloom.errors import InputError
from archloom.runs.report import RunReport
from archloom.utils.numbers import short

HYPERVOLUME = "hypervolume"
"""What runs with several objectives are compared by first."""


@dataclass(frozen=True)
class Standing:
    """How a strategy did: its best values and their test metrics over runs; `values` is None if no run found any.

    `values` are the best ones of the first objective, `objectives` the best ones of each, every one on its own.
    `report` are metrics of the architectures with the best first objective; `n` of a summary says how many have one.
    `best_rank` is the best rank among all architectures, None if it is unknown or there are constraints.
    `hypervolume` is None for a single objective, and if it is beyond the largest float. `ever` are the best values that
    any trial has had, if the best ones are those of last populations (`constraints.Winner`), else None.
    """

    label: str
    runs: int
    found: int
    values: Summary | None
    best_rank: int | None
    report: Mapping[str, Summary]
    queries: int
    repeats: int
    objectives: Mapping[str, Summary] = field(default_factory=dict)
    hypervolume: Summary | None = None
    ever: Summary | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "runs": self.runs,
            "found": self.found,
            "values": self.values.to_json() if self.values else None,
            "objectives": {name: summary.to_json() for name, summary in self.objectives.items()},
            HYPERVOLUME: self.hypervolume.to_json() if self.hypervolume else None,
            **({} if self.ever is None else {"best_ever": self.ever.to_json()}),
            "best_rank": self.best_rank,
            "report": {name: summary.to_json() for name, summary in self.report.items()},
            "queries": self.queries,
            "repeats": self.repeats,
        }


@dataclass(frozen=True)
class Comparison:
    """Strategies on the same problem: the standings (best mean first), the tests between them, published numbers.

    `seeds` are those that every strategy ran. Paired tests are over the seeds of both, others over all runs (see
    `significance.Wanted`). With several objectives the order is that of the hypervolume, and there are tests of it and
    of each objective (see `Tested.metric`). `ddof` is that of all standard deviations (see `stats.summarise`).
    """

    metric: str
    standings: tuple[Standing, ...]
    seeds: tuple[int, ...]
    tests: Tests
    published: tuple[Published, ...]
    notes: tuple[str, ...]
    ddof: int = 1

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "strategies": {standing.label: standing.to_json() for standing in self.standings},
            "seeds": list(self.seeds),
            "tests": [test.to_json() for test in self.tests.results],
            "corrected_for": self.tests.corrected_for,
            "ddof": self.ddof,
            "published": [published.to_json() for published in self.published],
            "notes": list(self.notes),
        }


def compare(reports: Reports, wanted: Wanted = EVERY) -> Comparison:
    """Compare strategies by the `wanted` tests; InputError if their runs are not of one problem, or if a strategy has
    two runs of a seed."""
    study = Study.of(reports)
    shared = sorted(set.intersection(*(_seeds(study, label) for label in reports)))
    tests = run_tests(_samples(study), wanted, partial(_alike, study))
    standings = sorted(
        (_standing(study, label, wanted.ddof) for label in reports), key=lambda s: _merit(study, s), reverse=True
    )
    notes = [*study.caveats, *early_endings(reports), *_test_notes(study, shared, tests), *_several_notes(study)]
    return Comparison(
        study.metric, tuple(standings), tuple(shared), tests, tuple(study.references), tuple(notes), wanted.ddof
    )


def early_endings(reports: Reports) -> list[str]:
    """One line for each strategy and reason why runs ended with fewer queries than they were allowed."""
    early: dict[tuple[str, str], list[RunReport]] = {}
    for label, runs in reports.items():
        for report in runs:
            if report.ended_early:
                early.setdefault((label, report.ending or ""), []).append(report)
    lines = []
    for (label, ending), runs in early.items():
        asked = sorted(report.history.queries for report in runs)
        extent = str(asked[0]) if asked[0] == asked[-1] else f"{asked[0]} to {asked[-1]}"
        limits = [report.request.limits.queries for report in runs]
        wanted = f" of {max(known)}" if (known := [limit for limit in limits if limit is not None]) else ""
        which = label if len(reports[label]) == 1 else f"{len(runs)} of {len(reports[label])} runs of {label}"
        lines.append(f"{which} ended early, after {extent}{wanted} queries: {ending}")
    return lines


# -- standings ----------------------------------------------------------------------------------------------------


def _standing(study: Study, label: str, ddof: int) -> Standing:
    runs = study.reports[label]
    bests = [best for report in runs if (best := report.history.best())]
    values = study.values(label)
    ever = [line.scores[study.metric] for report in runs if (line := report.history.best_ever()) is not None]
    ranks = [] if study.criteria.constraints else [report.rank for report in runs if report.rank is not None]
    return Standing(
        label=label,
        runs=len(runs),
        found=len(values),
        values=summarise(values, ddof) if values else None,
        best_rank=min(ranks, default=None),
        report=summaries_by_name([best.report for best in bests], ddof),
        queries=sum(report.history.queries for report in runs),
        repeats=sum(report.trials - report.history.queries for report in runs),
        objectives=summaries_by_name([report.history.best_values() for report in runs], ddof),
        hypervolume=hypervolumes(study, label, ddof),
        ever=summarise(ever, ddof) if ever else None,
    )


def summaries_by_name(measured: Sequence[Mapping[str, float]], ddof: int = 1) -> dict[str, Summary]:
    """The summary of each metric over those that have it; a metric that only some have is one of fewer."""
    names = dict.fromkeys(name for values in measured for name in values)
    return {name: summarise([values[name] for values in measured if name in values], ddof) for name in names}


def hypervolumes(study: Study, label: str, ddof: int = 1) -> Summary | None:
    """The hypervolumes of a strategy's runs, 0 for those that found nothing; None for a single objective, if no run of
    the study found anything, or if one is beyond the largest float."""
    if study.criteria.single or not study.found:
        return None
    volumes = [study.hypervolume(report) for report in study.reports[label]]
    return summarise(volumes, ddof) if all(map(math.isfinite, volumes)) else None


def _merit(study: Study, standing: Standing) -> float:
    if standing.values is None:
        return -math.inf
    if standing.hypervolume is not None:
        return standing.hypervolume.mean
    return study.objective.utility(standing.values.mean)


# -- tests --------------------------------------------------------------------------------------------------------


def _seeds(study: Study, label: str) -> set[int]:
    seeds = [report.request.seed for report in study.reports[label]]
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None) if len(set(seeds)) < len(seeds) else None
    if twice is not None:
        raise InputError(f"strategy {label!r} has two runs of seed {twice}: compare one run per seed")
    return set(seeds)


def _alike(study: Study, one: str, other: str) -> bool:
    return begin_alike(study.reports[one], study.reports[other])


def _samples(study: Study) -> list[tuple[str, dict[str, Sample]]]:
    """What is tested, with its name: strategy -> what it reached with each seed (see `significance.Sample`).

    With several objectives the hypervolume is the first, unless one is beyond the largest float.
    """
    gains: list[tuple[str, dict[str, Sample]]] = [
        (
            objective.metric,
            {
                label: {(0, run.request.seed): _gain(run, objective) for run in runs}
                for label, runs in study.reports.items()
            },
        )
        for objective in study.criteria.objectives
    ]
    if study.criteria.single:
        return gains
    volumes: dict[str, Sample] = {
        label: {(0, run.request.seed): study.hypervolume(run) if run.value is not None else -math.inf for run in runs}
        for label, runs in study.reports.items()
    }
    known = all(volume < math.inf for found in volumes.values() for volume in found.values())
    return [(HYPERVOLUME, volumes), *gains] if known else gains


def best_value(run: RunReport, metric: str) -> float | None:
    """The best value of an objective, of several each on its own; None if the run found nothing."""
    return run.value if run.scenario.criteria.single else run.history.best_values().get(metric)


def _gain(run: RunReport, objective: Objective) -> float:
    value = best_value(run, objective.metric)
    return -math.inf if value is None else objective.utility(value)


def _test_notes(study: Study, shared: Sequence[int], tests: Tests) -> list[str]:
    if len(study.reports) < 2:
        return []
    if not tests.results and tests.skipped:
        return ["No two strategies have a seed in common, so there are no paired tests: run them with the same seeds."]
    notes = []
    uneven = any(len(runs) > len(shared) for runs in study.reports.values())
    if uneven and any(test.paired for test in tests.results):
        notes.append("Paired tests use the seeds that both strategies ran.")
    return notes + notes_of(tests)


def _several_notes(study: Study) -> list[str]:
    """What the columns are if there are several objectives."""
    if study.criteria.single:
        return []
    notes = ["The best value of each objective is that of any architecture, so two may be of different ones."]
    if study.found:
        point = zip(study.criteria.objectives, study.reference_point, strict=True)
        origin = ", ".join(f"{objective.metric} = {short(value)}" for objective, value in point)
        notes.append(f"Hypervolumes are measured from {origin}.")
        notes += [study.too_large] if study.too_large else []
    if any(best.report for _, report in study.runs if (best := report.history.best())):
        notes.append(f"Reported metrics are those of the architecture with the best {study.metric}.")
    return notes
