"""asha and hyperband: compared with random search at equal epochs, and how busy asha keeps workers.

python -m benchmarks.multi_fidelity planted     1,024 architectures, one of them the best: how often it is found
python -m benchmarks.multi_fidelity nb301       the best after 98 epochs on the surrogate of NAS-Bench-301, 20 seeds
python -m benchmarks.multi_fidelity nb201       the best after 200 epochs with rungs of 12 and 200, 20 seeds
python -m benchmarks.multi_fidelity busy        simulated workers on both, trainings of unequal length, 3 seeds
... --record FILE    keep finished searches in FILE, and continue from there (not for busy)
... --json           one JSON object per row
... --smoke          two seeds, small budgets
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import archloom
from archloom.analysis.stats import summarise
from archloom.executors.base import Job
from archloom.executors.serial import SerialExecutor
from archloom.executors.simulated import SimulatedExecutor
from archloom.problems import Scenario
from archloom.runs.budgets import Limits
from archloom.runs.history import History
from archloom.runs.search import MemoryJournal, Search
from archloom.spaces.base import Categorical
from archloom.testing import PlantedCurves
from archloom.types import Resource, Result
from benchmarks.recorded import outcomes, p_better, parser

STRATEGIES = ("asha", "hyperband", "random")


def _planted() -> Scenario:
    space = Categorical({f"gene{i}": list("abcd") for i in range(5)})
    return archloom.scenario(archloom.Problem(space, PlantedCurves(), {"worth": "max"}))


def _nb301() -> Scenario:
    return archloom.scenario("nb301")


def _nb201() -> Scenario:
    return archloom.scenario("nb201", objective="cifar10_valid", report="cifar10_flops_m")


def _resource(scenario: Scenario) -> Resource:
    if scenario.resource is None:
        raise RuntimeError(f"{scenario.spec.on} has no fidelities to choose from")
    return scenario.resource


@dataclass(frozen=True)
class Study:
    """Strategies are compared at `budgets`, in full trainings' epochs. `target`: the best possible value, if known."""

    open: Callable[[], Scenario]
    budgets: tuple[int, ...]
    seeds: int
    target: float | None = None


STUDIES = {
    "planted": Study(_planted, (20, 40, 80), 100, target=100.0),
    "nb301": Study(_nb301, (50, 100, 200), 20),
    "nb201": Study(_nb201, (20, 50, 100), 20),
}


@dataclass(frozen=True)
class Found:
    """The result of one search: the best at full fidelity within each budget, and how many architectures it started."""

    setting: str
    seed: int
    values: list[float]
    started: list[int]
    seconds: float


def search(study: Study, strategy: str, seed: int) -> Found:
    scenario, began = study.open(), time.monotonic()
    full, journal = _resource(scenario).maximum, MemoryJournal()
    limits = Limits(None, resource=study.budgets[-1] * full)
    _search(scenario, strategy, SerialExecutor(scenario.evaluator), journal, limits, seed).run()
    history = History.of(journal.lines, scenario.criteria, scenario.resource)
    used = np.cumsum([history.used(line) for line in history.lines])
    values, started = [], []
    for budget in study.budgets:
        within = [line for line, spent in zip(history.lines, used.tolist(), strict=True) if spent <= budget * full]
        utilities = [history.utility(line) for line in within if history.fidelity(line) == full]
        values.append(max(utilities, default=-math.inf))
        started.append(sum(line.inherit is None for line in within))
    return Found(strategy, seed, values, started, round(time.monotonic() - began, 1))


def _search(
    scenario: Scenario, strategy: str, executor: Any, journal: MemoryJournal, limits: Limits, seed: int, **more: Any
) -> Search:
    made = archloom.strategy(strategy, scenario, seed=seed)
    return Search(
        scenario.space, made, executor, journal, limits, seed, resource=scenario.resource, criteria=scenario.criteria,
        **more,
    )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One strategy at one budget, over seeds: `p` that it is better than random search (one-sided Wilcoxon).

    `full_trainings` is the budget, in their epochs; `found` counts the seeds that found the target, if it is known.
    """

    strategy: str
    full_trainings: int
    seeds: int
    mean: float
    std: float
    worst: float
    started: float
    found: int | None
    seconds: float
    p: float | None


def rows(study: Study, found: Sequence[Found]) -> list[Row]:
    table = []
    for at, budget in enumerate(study.budgets):
        chance = [f.values[at] for f in found if f.setting == "random"]
        for name in STRATEGIES:
            runs = [f for f in found if f.setting == name]
            values = [f.values[at] for f in runs]
            stats = summarise(values)
            table.append(
                Row(
                    name,
                    budget,
                    len(runs),
                    round(stats.mean, 3),
                    round(stats.std or 0.0, 3),
                    round(stats.min, 3),
                    round(summarise([f.started[at] for f in runs]).mean, 1),
                    None if study.target is None else sum(value >= study.target for value in values),
                    round(summarise([f.seconds for f in runs]).mean, 1),
                    None if name == "random" else p_better(values, chance, 1.0),
                )
            )
    return table


# -- workers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Busy:
    """How busy workers were until the end of a run, including the last trainings, and how long it took in hours."""

    on: str
    workers: int
    told: str
    seeds: int
    busy: float
    worst: float
    hours: float


def _by_flops(scenario: Scenario) -> Callable[[Job, Result], float]:
    """Seconds for a training of NAS-Bench-201, whose table has none: an epoch takes as long as its FLOPs say, 10 s for
    a cell of 100 M, and a promotion continues the shorter training.
    """
    resource, asked = _resource(scenario), dict[int, int]()

    def seconds(job: Job, result: Result) -> float:
        fidelity = asked[job.trial_id] = resource.resolve(job.proposal.fidelity)
        base = None if job.proposal.inherit is None else asked[job.proposal.inherit.base]
        return resource.used(fidelity, base) * (1.0 + result.report["cifar10_flops_m"] / 100 * 9.0)

    return seconds


def _measured(scenario: Scenario) -> None:
    """The surrogate of NAS-Bench-301 predicts how long trainings take."""


WORKPLACES: dict[str, tuple[Callable[[], Scenario], Callable[[Scenario], Any], int]] = {
    "nb301": (_nb301, _measured, 400),
    "nb201": (_nb201, _by_flops, 1_000),
}
"""How to open it, the source of durations, and the budget of a run in full trainings' epochs."""


def busy(on: str, workers: int, as_completed: bool, runs: int, share: float = 1.0) -> Busy:
    """For runs with this share of the epochs."""
    make, durations, size = WORKPLACES[on]
    shares, hours = [], []
    for seed in range(runs):
        scenario = make()
        executor = SimulatedExecutor(scenario.evaluator, workers, durations(scenario))
        limits = Limits(
            None, workers, resource=round(share * size) * _resource(scenario).maximum, as_completed=as_completed
        )
        _search(scenario, "asha", executor, MemoryJournal(), limits, seed, clock=executor.now).run()
        shares.append(executor.busy)
        hours.append(executor.now() / 3600)
    told = "as completed" if as_completed else "in order"
    stats = summarise(shares)
    return Busy(on, workers, told, runs, round(stats.mean, 3), round(stats.min, 3), round(summarise(hours).mean, 1))


def main() -> None:
    arguments = parser(__doc__, [*STUDIES, "busy"], smoke="two seeds, small budgets").parse_args()
    table: Sequence[Row | Busy]
    if arguments.study == "busy":
        each = partial(busy, runs=1, share=0.1) if arguments.smoke else partial(busy, runs=arguments.seeds or 3)
        table = [each(on, w, told) for on in WORKPLACES for w in (4, 16) for told in (False, True)]
    else:
        study = STUDIES[arguments.study]
        study = replace(study, seeds=arguments.seeds or study.seeds)
        if arguments.smoke:
            study = replace(study, seeds=2, budgets=(6, 10))
        jobs = (((name, seed), (study, name, seed)) for seed in range(study.seeds) for name in STRATEGIES)
        text = f"{arguments.study}, {', '.join(map(str, study.budgets))}"
        table = rows(study, outcomes(Found, search, jobs, arguments.workers, arguments.record, text))
    if arguments.json:
        print(json.dumps([asdict(row) for row in table]))
    else:
        show(table)


def show(table: Sequence[Row | Busy]) -> None:
    columns = list(asdict(table[0]))
    print("".join(f"{name:>15}" for name in columns))
    for row in table:
        print("".join(f"{_shown(value):>15}" for value in asdict(row).values()))


def _shown(value: object) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
