"""Processor time of a query: what the strategy's `ask` and `tell` take, without the evaluation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import archloom
from archloom.analysis.stats import summarise
from archloom.strategies.base import Strategy
from archloom.types import Trial
from benchmarks.graph_bo.searches import Case, Setting, label, opened

_WARM = 10
"""Queries of the search that is not counted: compiled code is loaded, and the first models are fitted."""


@dataclass(frozen=True)
class Timed:
    """One search: milliseconds of processor time.

    `cold`: of the first search in its process, from the strategy's construction to the end of its tenth query; `made`:
    of the construction and the first `ask` of this one. `each`: of a query from the second one on, in the mean.
    """

    setting: str
    seed: int
    cold: float
    made: float
    each: float


@dataclass(frozen=True)
class Times:
    """Medians over searches; `reached` says whether that of a query is at most `to_reach`."""

    case: str
    setting: str
    queries: int
    seeds: int
    ms: float
    least: float
    most: float
    made_ms: float
    cold_ms: float
    to_reach: float | None
    reached: bool | None


def measure(case: Case, setting: Setting, seed: int) -> Timed:
    """One search after one that warms the process up."""
    cold = _cold(case, setting)
    made, rest = _search(case, setting, seed, case.queries)
    return Timed(label(case, setting), seed, cold, round(made, 2), round(rest / (case.queries - 1), 3))


# A setting has options, which are no key; the process's first search on a case is the cold one whatever they are.
_COLD: dict[Case, float] = {}


def _cold(case: Case, setting: Setting) -> float:
    if case not in _COLD:
        _COLD[case] = round(sum(_search(case, setting, 1_000, _WARM)), 1)
    return _COLD[case]


def _search(case: Case, setting: Setting, seed: int, queries: int) -> tuple[float, float]:
    """Milliseconds: of making the strategy and its first `ask`; of all that follows."""
    scenario, rng = opened(case), np.random.default_rng(seed)
    evaluator, known, spent = scenario.evaluator, set[str](), [0.0, 0.0]
    began = time.process_time()
    strategy: Strategy = archloom.strategy(setting.strategy, scenario, seed=seed, **setting.options)
    proposals = strategy.ask(1)
    spent[0] += time.process_time() - began
    trial = 0
    while True:
        result, _ = evaluator.evaluate(proposals[0], None, rng)
        known.add(scenario.space.key(proposals[0].arch))
        told = Trial(trial, proposals[0], result).without_report()
        trial += 1
        began = time.process_time()
        strategy.tell([told])
        if len(known) == queries:
            spent[1] += time.process_time() - began
            return spent[0] * 1e3, spent[1] * 1e3
        proposals = strategy.ask(1)
        spent[1] += time.process_time() - began


def rows(
    cases: Sequence[Case], settings: Sequence[Setting], found: Sequence[Timed], bars: dict[str, float]
) -> list[Times]:
    table = []
    for case in cases:
        for setting in settings:
            runs = [f for f in found if f.setting == label(case, setting)]
            stats, bar = summarise([run.each for run in runs]), bars.get(case.name)
            made, cold = (summarise(values).median for values in ([r.made for r in runs], [r.cold for r in runs]))
            table.append(
                Times(
                    case.name, setting.name, case.queries, len(runs), round(stats.median, 2), round(stats.min, 2),
                    round(stats.max, 2), round(made, 1), round(cold, 1), bar,
                    None if bar is None else stats.median <= bar,
                )
            )  # fmt: skip
    return table
