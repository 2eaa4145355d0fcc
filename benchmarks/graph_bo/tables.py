"""What a study prints: measured values beside those to be reached, and strategies compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from archloom.analysis.significance import signed_rank_p
from archloom.analysis.stats import summarise
from benchmarks.graph_bo.searches import Case, Found, Setting, gains_of, label


@dataclass(frozen=True)
class Bar:
    """What the mean over seeds must reach, and, if not 0, what each seed must; `study`: what a prototype had."""

    mean: float
    each: float = 0.0
    study: str = ""


@dataclass(frozen=True)
class Row:
    """A measurement over seeds.

    Of queries to the optimum, `worst` is the most and `tail` what nine in ten searches need at most; a search that did
    not find it counts as one query more than it had. Of the best value after some queries, `worst` is the least, and
    nine in ten have `tail` or more. `solved` counts the searches that found the optimum.
    """

    case: str
    setting: str
    measured: str
    seeds: int
    mean: float
    error: float | None
    tail: float
    worst: float
    solved: int | None
    seconds: float
    to_reach: str
    study: str
    reached: bool | None


@dataclass(frozen=True)
class ToOptimum:
    """Queries to the optimum."""

    bars: Mapping[str, Bar]

    def rows(self, cases: Sequence[Case], settings: Sequence[Setting], found: Sequence[Found]) -> list[Row]:
        return [self._row(case, setting, found) for case in cases for setting in settings]

    def _row(self, case: Case, setting: Setting, found: Sequence[Found]) -> Row:
        runs, best = of(case, setting, found), float(gains_of(case).max())
        spent = [next((at for at, value in run.curve if value >= best), case.queries + 1.0) for run in runs]
        bar = self.bars.get(case.name)
        reached = None
        if bar is not None:
            within = max(spent) <= (bar.each or case.queries)
            reached = within and bool(np.mean(spent) <= bar.mean)
        to_reach = "" if bar is None else f"<= {bar.mean:g}{f', each <= {bar.each:g}' if bar.each else ''}"
        solved = sum(at <= case.queries for at in spent)
        tail = float(np.quantile(spent, 0.9, method="higher"))
        return _row(
            case, setting, "queries to the optimum", runs, spent, tail, max(spent), solved, bar, to_reach, reached
        )


@dataclass(frozen=True)
class BestAt:
    """The best value, or share of the hypervolume, after so many queries; bars by case and queries."""

    queries: tuple[int, ...]
    bars: Mapping[tuple[str, int], Bar]

    def rows(self, cases: Sequence[Case], settings: Sequence[Setting], found: Sequence[Found]) -> list[Row]:
        return [
            self._row(case, setting, at, found)
            for case in cases
            for setting in settings
            for at in marks(self.queries, case)
        ]

    def _row(self, case: Case, setting: Setting, at: int, found: Sequence[Found]) -> Row:
        runs = of(case, setting, found)
        values = [run.after(at) for run in runs]
        bar = self.bars.get((case.name, at))
        reached = None if bar is None else bool(np.mean(values) >= bar.mean)
        to_reach = "" if bar is None else f">= {bar.mean:g}"
        tail = float(np.quantile(values, 0.1, method="lower"))
        return _row(case, setting, f"best @{at}", runs, values, tail, min(values), None, bar, to_reach, reached)


def _row(
    case: Case, setting: Setting, measured: str, runs: Sequence[Found], values: Sequence[float], tail: float,
    worst: float, solved: int | None, bar: Bar | None, to_reach: str, reached: bool | None,
) -> Row:  # fmt: skip
    stats = summarise(values)
    error = None if stats.std is None else round(stats.std / math.sqrt(stats.n), 4)
    seconds = round(float(np.mean([run.seconds for run in runs])), 2)
    return Row(
        case.name, setting.name, measured, len(runs), round(stats.mean, 4), error, round(tail, 4), round(worst, 4),
        solved, seconds, to_reach, "" if bar is None else bar.study, reached,
    )  # fmt: skip


def marks(queries: Sequence[int], case: Case) -> Sequence[int]:
    """Those of `queries` that a case's searches reach; their end, if there are none."""
    return [at for at in queries if at <= case.queries] or [case.queries]


def of(case: Case, setting: Setting, found: Sequence[Found]) -> list[Found]:
    """The searches of a setting on a case, by seed."""
    return [f for f in found if f.setting == label(case, setting)]


@dataclass(frozen=True)
class Pair:
    """The first setting against another after some queries, over seeds (and cases, if `case` is "all").

    `ours`, `theirs`: the mean best value; over all cases, the mean regret as a share of what the best architecture has
    over the mean one. `wins` and `ties` are of the first. `p`: one-sided Wilcoxon, times the number of tests.
    """

    case: str
    other: str
    queries: int
    pairs: int
    ours: float
    theirs: float
    wins: int
    ties: int
    p: float
    ahead: bool


@dataclass(frozen=True)
class Against:
    """The first setting against each of the others, by case and, if `pooled`, over all cases."""

    queries: tuple[int, ...]
    pooled: bool = False

    def rows(self, cases: Sequence[Case], settings: Sequence[Setting], found: Sequence[Found]) -> list[Pair]:
        first, *others = settings
        every = [
            (case, other, at)
            for case in cases
            for at in marks(self.queries, case)
            for other in others
            if other.fits(case)
        ]
        rows = []
        for case, other, at in every:
            ours, theirs = ([run.after(at) for run in of(case, each, found)] for each in (first, other))
            rows.append(_pair(case.name, other, at, ours, theirs, len(every), higher=True))
        if self.pooled:
            rows += self._over_all(cases, first, others, found)
        return rows

    def _over_all(
        self, cases: Sequence[Case], first: Setting, others: Sequence[Setting], found: Sequence[Found]
    ) -> list[Pair]:
        rows = []
        for other in others:
            for at in marks(self.queries, cases[0]):
                ours, theirs = (
                    [regret(case, run.after(at)) for case in cases for run in of(case, each, found)]
                    for each in (first, other)
                )
                rows.append(_pair("all", other, at, ours, theirs, len(others) * len(self.queries), higher=False))
        return rows


def _pair(
    case: str, other: Setting, at: int, ours: Sequence[float], theirs: Sequence[float], tests: int, higher: bool
) -> Pair:
    sign = 1.0 if higher else -1.0
    difference = [0.0 if a == b else sign * (a - b) for a, b in zip(ours, theirs, strict=True)]
    p = min(1.0, tests * signed_rank_p(difference))
    mine, yours = float(np.mean(ours)), float(np.mean(theirs))
    return Pair(
        case, other.name, at, len(difference), round(mine, 4), round(yours, 4), sum(d > 0 for d in difference),
        sum(d == 0 for d in difference), float(f"{p:.2g}"), sign * (mine - yours) > 0,
    )  # fmt: skip


def regret(case: Case, best: float) -> float:
    """How far a value is from the optimum, as a share of what the optimum has over the mean of all architectures."""
    gains = gains_of(case)
    return float((gains.max() - best) / (gains.max() - gains.mean()))
