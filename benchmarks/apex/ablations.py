"""The paper's ablations on NAS-Bench-101 (section 5: discount, neighbours shown, shaping), and one of the readout."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.apex.curves import compare
from benchmarks.apex.study import Study
from benchmarks.apex.training import SMALL, Job, folder, run_all

ON, STEPS, SEEDS = "nb101", 30_000, 3


@dataclass(frozen=True)
class Setting:
    """Options that differ from the default training, in a folder of their own name."""

    label: str
    folder: str
    options: Mapping[str, Any]


def _settings(option: str, words: str, values: Sequence[Any], default: Any) -> tuple[Setting, ...]:
    """One for each value; that of the paper's main experiments, which is the default, is trained once for all."""
    return tuple(
        Setting(words.format(value), "default", {})
        if value == default
        else Setting(words.format(value), f"{option}={value}", {option: value})
        for value in values
    )


GAMMA = _settings("gamma", "gamma = {}", (0.9, 0.95, 0.99), 0.9)
NEIGHBOURS = _settings("max_neighbours", "{} neighbours", (25, 50, 100), 50)
READOUTS = _settings("readout", "readout={}", ("each", "paper"), "each")
SHAPING = _settings("shaping", "alpha = {:g}", (0.0, 2.0, 6.0, 10.0), 6.0)


def ablation(arguments: argparse.Namespace, name: str, title: str, settings: Sequence[Setting]) -> list[dict[str, Any]]:
    """Train every setting with every seed, but for what is finished in `--trainings`, and compare their curves."""
    base = folder(arguments)
    steps, seeds = (256, 2) if arguments.smoke else (STEPS, SEEDS)
    seeds = arguments.seeds or seeds
    folders = {each.label: [base / each.folder / f"{seed}" for seed in range(seeds)] for each in settings}
    small = SMALL if arguments.smoke else {}
    run_all(
        [
            Job(out, ON, None, {"steps": steps, **small, **each.options}, seed)
            for each in settings
            for seed, out in enumerate(folders[each.label])
        ],
        arguments.workers,
    )
    notes = [f"On {ON}, {steps:,} steps, default network and options but for what is compared; seeds 0 to {seeds - 1}."]
    return compare(arguments, name, title, folders, notes)


STUDIES = {
    "gamma": Study(
        "learning curves by discount: Fig. 17",
        partial(ablation, name="gamma", title="Discount of future rewards on nb101", settings=GAMMA),
    ),
    "n_neighbours": Study(
        "by number of neighbours shown: Fig. 18",
        partial(ablation, name="n_neighbours", title="Neighbours shown on nb101", settings=NEIGHBOURS),
    ),
    "alpha": Study(
        "by shaping of rewards: Fig. 19",
        partial(ablation, name="alpha", title="Shaping of rewards on nb101", settings=SHAPING),
    ),
    "readout": Study(
        "by where advantages are read",
        partial(ablation, name="readout", title="Where advantages are read, on nb101", settings=READOUTS),
    ),
}
