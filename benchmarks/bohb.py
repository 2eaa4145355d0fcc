"""bohb: compared with random search, hyperband, asha, and optuna's TPE with its Hyperband pruner, at equal epochs.

python -m benchmarks.bohb nb301        the surrogate of NAS-Bench-301: the best after 98 epochs, with 9,800 in all
python -m benchmarks.bohb nb201        NAS-Bench-201: the best CIFAR-100 validation accuracy after 200, with 40,000
... --record FILE    keep finished searches in FILE, and continue from there
... --settings A,B   only these
... --json           one JSON object per row
... --smoke          two seeds, few epochs
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

import archloom
from archloom.analysis.stats import summarise
from archloom.executors.serial import SerialExecutor
from archloom.problems import Scenario
from archloom.runs.budgets import Limits
from archloom.runs.history import History
from archloom.runs.search import MemoryJournal, Search
from archloom.spaces.coordinates import coordinates_of
from archloom.types import Proposal
from archloom.utils import seeds
from benchmarks.multi_fidelity import show
from benchmarks.recorded import outcomes, p_better_unpaired, parser

ETA = 3


def _nb301() -> Scenario:
    return archloom.scenario("nb301")


def _nb201() -> Scenario:
    return archloom.scenario("nb201", objective="cifar100_valid")


@dataclass(frozen=True)
class Study:
    """So many `epochs` in all, with rungs at `budgets`; the last of them is the full training."""

    open: Callable[[], Scenario]
    budgets: tuple[int, ...]
    epochs: int
    seeds: int = 100


STUDIES = {"nb301": Study(_nb301, (11, 33, 98), 9_800), "nb201": Study(_nb201, (12, 200), 40_000)}


@dataclass(frozen=True)
class Found:
    """The result of one search: the best after a full training, and how many architectures it began and finished."""

    setting: str
    seed: int
    value: float
    started: int
    full: int
    seconds: float


def search(study: Study, setting: str, seed: int) -> Found:
    return (_by_optuna if setting == "optuna" else _by_ours)(study, setting, seed)


def _by_ours(study: Study, setting: str, seed: int) -> Found:
    scenario, began, journal = study.open(), time.monotonic(), MemoryJournal()
    options = {} if setting == "random" else {"budgets": study.budgets, "eta": ETA}
    options |= {"promote": "again"} if setting == "bohb again" else {}
    made = archloom.strategy(setting.partition(" ")[0], scenario, seed=seed, **options)
    limits = Limits(None, resource=study.epochs)
    Search(
        scenario.space, made, SerialExecutor(scenario.evaluator), journal, limits, seed, resource=scenario.resource,
        criteria=scenario.criteria,
    ).run()  # fmt: skip
    history = History.of(journal.lines, scenario.criteria, scenario.resource)
    full = [history.utility(line) for line in history.lines if history.fidelity(line) == study.budgets[-1]]
    started = len({line.arch for line in history.lines})
    return Found(setting, seed, max(full, default=-math.inf), started, len(full), round(time.monotonic() - began, 2))


def _by_optuna(study: Study, setting: str, seed: int) -> Found:
    """Asked and told by hand, so that it gets the same answers at the same price: promotions cost the difference.

    Its pruner thinks in steps that are powers of its factor. It is told the rung, not the epochs, so that it has as
    many brackets as ours, and each stops where ours do. What it asks twice costs nothing the second time.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    scenario, began, rungs = study.open(), time.monotonic(), len(study.budgets)
    coordinates, rng = coordinates_of(scenario.space), seeds.stream(seed, "optuna")
    pruner = optuna.pruners.HyperbandPruner(1, ETA ** (rungs - 1), ETA)
    made = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner, direction="maximize", study_name=f"seed {seed}"
    )
    used, known, full = 0, dict[tuple[str, int], float](), dict[str, float]()
    while True:
        trial = made.ask()
        named = zip(coordinates.names, coordinates.categories.tolist(), strict=True)
        point = np.array([trial.suggest_categorical(name, range(options)) for name, options in named], dtype=float)
        arch = coordinates.arch(point, rng)
        key, before, value = scenario.space.key(arch), 0, math.nan
        for rung, epochs in enumerate(study.budgets):
            if (key, epochs) not in known:
                used += epochs - before
                if used > study.epochs:
                    return Found(
                        setting,
                        seed,
                        max(full.values(), default=-math.inf),
                        len({key for key, _ in known}),
                        len(full),
                        round(time.monotonic() - began, 2),
                    )
                result = scenario.evaluator.evaluate(Proposal(arch, epochs), None, rng)[0]
                known[key, epochs] = scenario.criteria.utilities(result)[0]
            before, value = epochs, known[key, epochs]
            trial.report(value, ETA**rung)
            if rung < rungs - 1 and trial.should_prune():
                made.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            full[key] = value
            made.tell(trial, value)


SETTINGS: tuple[str, ...] = ("bohb", "bohb again", "random", "hyperband", "asha", "optuna")


@dataclass(frozen=True)
class Row:
    """One setting over seeds: `interval` is half of the 95 % interval of the mean, `p_bohb` that bohb finds more, `p`
    that it finds more than random search (one-sided Mann-Whitney)."""

    setting: str
    seeds: int
    mean: float
    interval: float
    std: float
    worst: float
    started: float
    full: float
    seconds: float
    p_bohb: float | None
    p: float | None


def rows(settings: Sequence[str], found: Sequence[Found]) -> list[Row]:
    values = {name: [f.value for f in found if f.setting == name] for name in settings}
    table = []
    for name in settings:
        runs = [f for f in found if f.setting == name]
        stats = summarise(values[name])
        std = stats.std or 0.0
        ours, chance = values.get("bohb"), values.get("random")
        table.append(
            Row(
                name,
                len(runs),
                round(stats.mean, 3),
                round(1.96 * std / math.sqrt(len(runs)), 3),
                round(std, 3),
                round(stats.min, 3),
                round(summarise([f.started for f in runs]).mean, 1),
                round(summarise([f.full for f in runs]).mean, 1),
                round(summarise([f.seconds for f in runs]).mean, 2),
                None if name == "bohb" or ours is None else p_better_unpaired(ours, values[name]),
                None if name == "random" or chance is None else p_better_unpaired(values[name], chance),
            )
        )
    return table


def main() -> None:
    made = parser(__doc__, STUDIES, smoke="two seeds, few epochs")
    made.add_argument("--settings", default=",".join(SETTINGS), help="only these")
    arguments: Any = made.parse_args()
    study = STUDIES[arguments.study]
    study = replace(study, seeds=arguments.seeds or study.seeds)
    if arguments.smoke:
        study = replace(study, seeds=2, epochs=20 * study.budgets[-1])
    settings = arguments.settings.split(",")
    jobs = (((name, seed), (study, name, seed)) for name in settings for seed in range(study.seeds))
    text = f"{arguments.study}, {', '.join(map(str, study.budgets))}, {study.epochs} in all"
    found = outcomes(Found, search, jobs, arguments.workers, arguments.record, text)
    table = rows(settings, [each for each in found if each.seed < study.seeds])
    if arguments.json:
        print(json.dumps([asdict(row) for row in table]))
    else:
        show(table)


if __name__ == "__main__":
    main()
