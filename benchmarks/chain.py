"""A training that every query continues, killed again and again, compared with the same run undisturbed.

    python -m benchmarks.chain            100 kills in 10 runs; about ten minutes on two cores
    python -m benchmarks.chain --json     one JSON object
    python -m benchmarks.chain --smoke    two kills in one run

Every query inherits the state in which the last one ended, as a supernet that trains while it is searched does. Each
kill is a SIGKILL of the driver and its workers at a random point of the record, after which the run is resumed. In
the end every trial, and the last state, must be that of the undisturbed run, byte for byte, and no other state may be
left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archloom.runs.record import WEIGHTS
from benchmarks.kills import different, finished, recorded, trials, undisturbed

CHAIN = '''
import time
import archloom
from archloom.strategies.base import BaseStrategy, Plan
from archloom.tasks.planted import PlantedTask, PlantedTraining
from archloom.testing import PlantedSpace
from archloom.types import Inherit, Proposal


class Slow(PlantedTraining):
    def train(self, epochs):
        super().train(epochs)
        time.sleep(0.004)  # so that a kill finds it in the middle of something


class Task(PlantedTask):
    def begin(self, arch, seed):
        return Slow(arch, seed)


class Chain(BaseStrategy):
    """Every query trains the network that the last one left for one more epoch."""

    @classmethod
    def plan(cls, options):
        return Plan(inherits=True, unique=True, needs_training=True)

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.last, self.epochs, self.waiting = -1, 0, False

    def propose(self):
        if self.waiting:
            return None
        self.waiting, self.epochs = True, self.epochs + 1
        return Proposal(self.sample_valid(), self.epochs, Inherit(self.last) if self.last >= 0 else None)

    def learn(self, trial):
        self.last, self.waiting = trial.id, False

    def needed(self):
        return {self.last}

    def dump(self):
        return {"last": self.last, "epochs": self.epochs, "waiting": self.waiting}

    def restore(self, own):
        self.last, self.epochs, self.waiting = own["last"], own["epochs"], own["waiting"]


problem = archloom.TaskProblem(PlantedSpace(), Task())
'''


@dataclass(frozen=True)
class Size:
    """The number of runs, of queries in each, and of kills of each."""

    runs: int
    queries: int
    kills: int


FULL = Size(runs=10, queries=300, kills=10)
SMOKE = Size(runs=1, queries=60, kills=2)


def start(arguments: list[object]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "archloom", *map(str, arguments), "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def kill_and_resume(run: Path, begin: list[object], size: Size, rng: random.Random) -> int:
    """Kill a run at random points until it has been killed often enough, and let it end; returns how often that was."""
    places = sorted(rng.uniform(0, 0.95 * size.queries) for _ in range(size.kills))
    process, killed = start(begin), 0
    for place in places:
        while process.poll() is None and recorded(run) < place:
            time.sleep(0.001)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate()
        process = start(["resume", run] if (run / "run.json").exists() else begin)
    finished(process, 0)
    return killed


def states(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / WEIGHTS).iterdir()}


def measure(size: Size, seed: int, home: Path) -> dict[str, Any]:
    file = home / "chain.py"
    file.write_text(CHAIN)
    killed = different_trials = different_states = left = 0
    for number in range(size.runs):
        whole, run = home / f"whole-{number}", home / f"run-{number}"
        search = ["search", f"{file}:Chain", "--on", file, "--queries", size.queries, "--seed", number]
        undisturbed([*search, "--out", whole])
        killed += kill_and_resume(run, [*search, "--out", run], size, random.Random(seed + number))
        different_trials += len(different(trials(run), trials(whole)))
        found, expected = states(run), states(whole)
        different_states += sum(found.get(name) != content for name, content in expected.items())
        left += len(found.keys() - expected.keys()) + len(list(run.glob(".*")))
    return {
        "kills": killed,
        "trials": size.runs * size.queries,
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
