"""The effect of CADAM's settings: the printed values, and our changes, counted in steps as in the thesis.

    python -m benchmarks.cadam            every setting, 10 seeds of 1,000 steps on CIFAR-100 test (five minutes)
    python -m benchmarks.cadam --smoke    two settings, two seeds, 60 steps

A step is one proposal, new or not; `unique` is the number of different cells among them. `found` is in how many of the
runs the best cell of the table was among them, after half of the steps and after all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import archloom
from archloom.analysis.stats import summarise
from archloom.utils import seeds
from benchmarks.recorded import mapping

PRINTED: Mapping[str, Any] = {"actor_lr": 1e-8, "critic_lr": 1e-4, "widen_tries": 0, "random_tries": 0}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "printed": PRINTED,
    "printed, duplicates in the top K": {**PRINTED, "distinct_top": False},
    "printed, but actor_lr 1e-5": {**PRINTED, "actor_lr": 1e-5},
    "printed, but both rates": {**PRINTED, "actor_lr": 1e-5, "critic_lr": 1e-3},
    "printed, but repeats are widened": {"actor_lr": 1e-8, "critic_lr": 1e-4},
    "default, but critic_lr 1e-4": {"critic_lr": 1e-4},
    "default, but critic_lr 3e-3": {"critic_lr": 3e-3},
    "default, but actor_lr 1e-4": {"actor_lr": 1e-4},
    "default, but actor_lr 1e-3": {"actor_lr": 1e-3},
    "default, but repeats become random": {"widen_tries": 0},
    "default, but max_cycles 5": {"max_cycles": 5},
    "default, but tau 0.5": {"tau": 0.5},
}


METRIC = "cifar100_test_200"


@dataclass(frozen=True)
class Walked:
    """The best value after half of the steps and after all, whether it is the table's best, and how many different
    cells there were."""

    half: float
    all: float
    found_half: bool
    found_all: bool
    unique: int


def walk(options: Mapping[str, Any], steps: int, seed: int) -> Walked:
    """One run of CADAM."""
    scenario = archloom.scenario("nb201", objective=METRIC)
    strategy = archloom.strategy("cadam", scenario, seed=seed, **options)
    unused = seeds.stream(seed, "evaluate")  # a table needs no randomness
    values, cells = [], set()
    for number in range(steps):
        (proposal,) = strategy.ask(1)
        result, _ = scenario.evaluator.evaluate(proposal, None, unused)
        strategy.tell([archloom.Trial(number, proposal, result).without_report()])
        values.append(result.scores[METRIC])
        cells.add(proposal.arch)
    half, whole = max(values[: steps // 2]), max(values)
    found_half, found_all = (scenario.problem.rank(METRIC, best) == 1 for best in (half, whole))
    return Walked(half, whole, found_half, found_all, len(cells))


def measure(names: Sequence[str], steps: int, repetitions: int, workers: int) -> list[dict[str, Any]]:
    """One row per setting: mean and std over seeds, and how many found the best cell."""
    rows = []
    with mapping(workers) as mapped:
        for name in names:
            runs: list[Walked] = list(mapped(partial(walk, SETTINGS[name], steps), range(repetitions)))
            half, whole = summarise([run.half for run in runs]), summarise([run.all for run in runs])
            rows.append(
                {
                    "setting": name,
                    "seeds": repetitions,
                    "half": [round(half.mean, 2), round(half.std or 0.0, 2)],
                    "all": [round(whole.mean, 2), round(whole.std or 0.0, 2)],
                    "found": [sum(run.found_half for run in runs), sum(run.found_all for run in runs)],
                    "unique": round(sum(run.unique for run in runs) / repetitions),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="two settings, two seeds, 60 steps")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    names, steps, repetitions = (["default", "printed"], 60, 2) if arguments.smoke else (list(SETTINGS), 1000, 10)
    rows = measure(names, steps, repetitions, arguments.workers)
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"{'setting':<36}{f'{steps // 2} steps':>15}{f'{steps} steps':>15}{'found':>10}{'unique':>8}")
    for row in rows:
        half, whole = (f"{mean:.2f} ± {std:.2f}" for mean, std in (row["half"], row["all"]))
        found = f"{row['found'][0]}, {row['found'][1]}"
        print(f"{row['setting']:<36}{half:>15}{whole:>15}{found:>10}{row['unique']:>8}")


if __name__ == "__main__":
    main()
