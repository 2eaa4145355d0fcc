"""The effect of CADAM's settings: the printed values, and our changes, counted in steps as in the thesis.

    python -m benchmarks.cadam            every setting, 10 seeds of 1,000 steps on CIFAR-100 test (five minutes)
    python -m benchmarks.cadam --smoke    two settings, two seeds, 60 steps

A step is one proposal, new or not; `unique` is the number of different cells among them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
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


def walk(options: Mapping[str, Any], steps: int, seed: int) -> tuple[float, float, int]:
    """The best value after half of the steps and after all, and the number of different cells."""
    scenario = archloom.scenario("nb201", objective="cifar100_test_200")
    strategy = archloom.strategy("cadam", scenario, seed=seed, **options)
    unused = seeds.stream(seed, "evaluate")  # a table needs no randomness
    values, cells = [], set()
    for number in range(steps):
        (proposal,) = strategy.ask(1)
        result, _ = scenario.evaluator.evaluate(proposal, None, unused)
        strategy.tell([archloom.Trial(number, proposal, result).without_report()])
        values.append(result.scores["cifar100_test_200"])
        cells.add(proposal.arch)
    return max(values[: steps // 2]), max(values), len(cells)


def measure(names: Sequence[str], steps: int, repetitions: int, workers: int) -> list[dict[str, Any]]:
    """One row per setting: mean and std over seeds."""
    rows = []
    with mapping(workers) as mapped:
        for name in names:
            half, whole, unique = zip(*mapped(partial(walk, SETTINGS[name], steps), range(repetitions)), strict=True)
            rows.append(
                {
                    "setting": name,
                    "seeds": repetitions,
                    "half": [round(summarise(half).mean, 2), round(summarise(half).std or 0.0, 2)],
                    "all": [round(summarise(whole).mean, 2), round(summarise(whole).std or 0.0, 2)],
                    "unique": round(sum(unique) / repetitions),
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
    print(f"{'setting':<36}{f'{steps // 2} steps':>15}{f'{steps} steps':>15}{'unique':>8}")
    for row in rows:
        half, whole = (f"{mean:.2f} ± {std:.2f}" for mean, std in (row["half"], row["all"]))
        print(f"{row['setting']:<36}{half:>15}{whole:>15}{row['unique']:>8}")


if __name__ == "__main__":
    main()
