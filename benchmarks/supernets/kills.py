"""DDAS, whose every query goes on training one supernet, killed again and again, compared with the run undisturbed.

    python -m benchmarks.supernets.kills            30 kills in 3 runs
    python -m benchmarks.supernets.kills --json     one JSON object
    python -m benchmarks.supernets.kills --smoke    one kill

Each kill is a SIGKILL of the driver at a random instant after a random point of the record, after which the run is
resumed. In the end every trial, and the last state, must be that of the undisturbed run, byte for byte, and no other
state may be left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archloom.data.images.labelled import find_images, save_images
from archloom.runs.record import WEIGHTS
from benchmarks.commands import archloom
from benchmarks.kills import different, finished, recorded, start, trials
from benchmarks.supernets.searches import Making, as_settings


def making(home: Path) -> Making:
    """A small supernet of digits, from a file: reading them here saves every process a second."""
    images = home / "digits.npz"
    save_images(find_images("digits", os.environ)[0], images)
    options = {"train_images": 400, "valid_images": 100, "sampling": "paths", "epochs": 1, "batch_size": 32}
    return Making(str(images), "darts", {"channels": 2, "cells": 3}, options)


@dataclass(frozen=True)
class Size:
    """The number of runs, of steps in each (a third of them random), and of kills of each."""

    runs: int
    steps: int
    kills: int

    def search(self, data: str, supernet: Path, seed: int) -> list[object]:
        options = {
            "setting": "four_stage", "explore": self.steps // 3, "exploit": self.steps // 3,
            "fourth": self.steps - 2 * (self.steps // 3), "patience": 3, "batch_size": 8, "task.steps": 3,
        }  # fmt: skip
        on = ("--on", f"supernet_training:{data}", "--table", supernet)
        return ["search", "ddas", *on, "--seed", seed, *as_settings(options)]


FULL = Size(runs=3, steps=150, kills=10)
SMOKE = Size(runs=1, steps=9, kills=1)

PAUSE_S = 0.05
"""The longest delay of a kill after the run has reached its point in the record: about a step."""


def kill_and_resume(run: Path, begin: Sequence[object], size: Size, rng: random.Random) -> int:
    """Kill a run at random points until it has been killed often enough, and let it end; returns how often that was."""
    places = sorted(rng.uniform(0, 0.95 * size.steps) for _ in range(size.kills))
    process, killed = start(begin, 1), 0
    for place in places:
        while process.poll() is None and recorded(run) < place:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, PAUSE_S))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate()
        process = start(["resume", run] if (run / "run.json").exists() else begin, 1)
    finished(process, 0)
    return killed


def states(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / WEIGHTS).iterdir()}


def measure(size: Size, seed: int, home: Path) -> dict[str, Any]:
    killed = different_trials = different_states = left = 0
    made = making(home)
    for number in range(size.runs):
        whole, run = home / f"whole-{number}", home / f"run-{number}"
        search = size.search(made.data, made.file(home, number), number)
        archloom(*search, "--out", whole)
        killed += kill_and_resume(run, [*search, "--out", run], size, random.Random(seed + number))
        different_trials += len(different(trials(run), trials(whole)))
        found, expected = states(run), states(whole)
        different_states += sum(found.get(name) != content for name, content in expected.items())
        left += len(found.keys() - expected.keys()) + len(list(run.glob(".*")))
    return {
        "kills": killed,
        "trials": size.runs * size.steps,
        "trials_different": different_trials,
        "states_different": different_states,
        "left_over": left,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="small sizes")
    parser.add_argument("--seed", type=int, default=0, help="of the kills")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        found = measure(SMOKE if arguments.smoke else FULL, arguments.seed, Path(folder))
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<20}{value:>8,}")


if __name__ == "__main__":
    main()
