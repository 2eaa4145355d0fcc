"""The mini search of DDAS: its settings on a supernet of clothes that trains with them, from one warmed-up file a seed.

    python -m benchmarks.supernets.ddas                                       all settings, 3 seeds
    python -m benchmarks.supernets.ddas --seeds 0 --settings noiseless,random some of them, the rest later
    python -m benchmarks.supernets.ddas --report                              rows of what is in the folder, no more
    ... --json, --smoke

Fashion-MNIST at 14 x 14 pixels, 4,000 + 1,000 images, 4 channels, 5 cells; 5 mini-batches a step; 150 random steps,
then 300 of the actor (150 + 150 in four stages). Whatever ends the study, the same command goes on with it.

A row: the mean validation accuracy of the last 100 sampled, each accuracy measured when its network was sampled; and
hypervolumes, in percent, of everything that was sampled: accuracy from that of chance to 100 %, FLOPs or parameters
from the most that any run of the study sampled down to 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import moocore
import numpy as np

from archloom.analysis.stats import summarise
from archloom.runs.record import TrialRecord
from benchmarks.supernets.searches import (
    ACCURACY,
    Making,
    as_settings,
    interval,
    listed,
    numbers,
    parser,
    searched,
    told,
    trials,
)

SETTINGS: Mapping[str, Mapping[str, object]] = {
    "random": {"setting": "random"},
    "noiseless": {"setting": "noiseless"},
    "gaussian": {"setting": "gaussian"},
    "four_stage": {"setting": "four_stage"},
    "no_loss": {"setting": "noiseless", "loss_weight": 0},
    "no_accuracy": {"setting": "noiseless", "accuracy_weight": 0},
}
"""The thesis's settings, and its ablations of the reward: without the loss's term, without the accuracy's."""

COSTS = {"flops": "flops_m", "params": "params_m"}


@dataclass(frozen=True)
class Size:
    """A study: its supernet, the mini-batches of a step, and the steps: random ones, then of the actor."""

    making: Making
    batches: int
    explore: int
    exploit: int
    last: int
    chance: float
    """Accuracy in percent."""

    def options(self, name: str) -> list[str]:
        """Of a setting: in four stages the actor's steps are halved."""
        setting = SETTINGS[name]
        fourth = self.exploit // 2 if setting["setting"] == "four_stage" else 0
        steps = {"explore": self.explore, "exploit": self.exploit - fourth, "fourth": fourth}
        return as_settings({**setting, **steps, "task.steps": self.batches})


FULL = Size(
    Making(
        "fashion", "darts", {"channels": 4, "cells": 5},
        {"size": 14, "train_images": 4_000, "valid_images": 1_000, "sampling": "all", "epochs": 3},
    ),
    batches=5, explore=150, exploit=300, last=100, chance=10.0,
)  # fmt: skip
SMOKE = replace(
    FULL, batches=1, explore=4, exploit=4, last=4,
    making=Making(
        "digits", "darts", {"channels": 2, "cells": 3},
        {"train_images": 64, "valid_images": 40, "sampling": "paths", "epochs": 1, "batch_size": 32},
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A setting over seeds; `last` and its interval are of the last steps, `above_random` counts seeds."""

    setting: str
    seeds: int
    one_shot: float
    first: float
    last: float
    last_interval: list[float]
    by_seed: list[float]
    above_random: int | None
    different: float
    """How many different architectures are among the last."""
    flops_volume: float
    flops_interval: list[float]
    params_volume: float
    params_interval: list[float]
    minutes: float


Runs = Mapping[int, Sequence[TrialRecord]]
"""Trials by seed."""


def cost(line: TrialRecord, metric: str) -> float:
    return line.report[metric]


def volume(lines: Sequence[TrialRecord], metric: str, most: float, chance: float) -> float:
    """The hypervolume in percent of accuracy against a cost."""
    points = [[(line.scores[ACCURACY] - chance) / (100 - chance), 1 - cost(line, metric) / most] for line in lines]
    return 100 * float(moocore.hypervolume(np.array(points), ref=np.zeros(2), maximise=True))


def row(name: str, runs: Runs, others: Mapping[str, Runs], size: Size, most: Mapping[str, float]) -> Row:
    def mean(seed: int, held: Runs, cut: slice) -> float:
        return float(np.mean([line.scores[ACCURACY] for line in held[seed][cut]]))

    last, first = slice(-size.last, None), slice(size.last)
    by_seed = [mean(seed, runs, last) for seed in runs]
    control = others.get("random", {})
    above = [mean(seed, runs, last) > mean(seed, control, last) for seed in runs if seed in control]
    shot = [held[0].details.get("one_shot", {}).get(ACCURACY, np.nan) for held in runs.values()]
    different = [len({line.arch for line in held[last]}) for held in runs.values()]
    volumes = {
        key: [volume(held, metric, most[metric], size.chance) for held in runs.values()]
        for key, metric in COSTS.items()
    }
    return Row(
        name, len(runs), round(float(np.mean(shot)), 2),
        round(summarise([mean(seed, runs, first) for seed in runs]).mean, 2), round(summarise(by_seed).mean, 2),
        interval(by_seed), [round(value, 2) for value in by_seed], sum(above) if above and name != "random" else None,
        float(np.mean(different)), round(summarise(volumes["flops"]).mean, 2), interval(volumes["flops"]),
        round(summarise(volumes["params"]).mean, 2), interval(volumes["params"]),
        round(sum(line.cost_s for held in runs.values() for line in held) / len(runs) / 60, 2),
    )  # fmt: skip


def report(out: Path, size: Size) -> list[Row]:
    """Rows of the runs that are complete."""
    found: dict[str, dict[int, Sequence[TrialRecord]]] = {}
    for name in SETTINGS:
        for folder in sorted((out / name).glob("*"), key=lambda path: int(path.name)):
            held = [line for line in trials(folder) if line.ok]
            if (folder / "summary.json").exists():
                found.setdefault(name, {})[int(folder.name)] = held
    lines = [line for runs in found.values() for held in runs.values() for line in held]
    most = {metric: max((cost(line, metric) for line in lines), default=1.0) for metric in COSTS.values()}
    return [row(name, runs, found, size, most) for name, runs in found.items()]


def main() -> None:
    arguments = parser(__doc__, Path("supernets/ddas"))
    arguments.add_argument("--settings", default=",".join(SETTINGS), help="which ones, separated by commas")
    arguments.add_argument("--report", action="store_true", help="search nothing")
    given = arguments.parse_args()
    size = SMOKE if given.smoke else FULL
    names = listed(given.settings, list(SETTINGS))
    if not given.report:
        for seed in numbers(given.seeds):
            supernet = size.making.file(given.out, seed)
            for name in names:
                on = f"supernet_training:{size.making.data}"
                searched(given.out / name / str(seed), "ddas", on, supernet, seed, *size.options(name))
    told(report(given.out, size), given.json)


if __name__ == "__main__":
    main()
