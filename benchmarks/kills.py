"""One run of PBT-NAS that is killed again and again, on a disk budget, compared with the same run undisturbed.

    python -m benchmarks.kills            50 kills; about six minutes on two cores
    python -m benchmarks.kills --json     one JSON object
    python -m benchmarks.kills --smoke    two kills

Every kill is a SIGKILL, of the driver or of one worker process alone, at random; whenever that ends the run, it is
resumed. All the while a thread adds up the bytes of the states on disk. In the end every trial of the record and every
state must be that of the undisturbed run, byte for byte, and nothing else may be left.
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
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from archloom.cli.exit_codes import Exit
from archloom.data.images.labelled import find_images, save_images
from archloom.runs.record import WEIGHTS, TrialRecord, read_lines
from benchmarks.commands import archloom


@dataclass(frozen=True)
class Size:
    """A run, and how often it is killed. `keep`: how many of the best states stay in addition to the required ones.

    `watch_every_s`: how often the bytes on disk are added up.
    """

    members: int
    chunks: int
    batches: int
    kills: int
    keep: int = 8
    watch_every_s: float = 0.0005

    @property
    def trials(self) -> int:
        return self.members * self.chunks

    def search(self, images: Path) -> list[str]:
        settings = {
            "population": self.members, "epochs": self.chunks, "step": 1, "task.steps_per_epoch": self.batches,
            "space.width": 4,
        }  # fmt: skip
        return ["search", "pbt_nas", "--on", f"images:{images}", *(f"--set={name}={n}" for name, n in settings.items())]


FULL = Size(members=6, chunks=50, batches=20, kills=50)
SMOKE = Size(members=3, chunks=4, batches=5, kills=2, keep=4, watch_every_s=0.01)

PAUSE_S = 0.6
"""The longest delay of a kill after the run has reached its point in the record."""

LAST_PLACE = 0.9
"""The share of the record that may be written at the last kill."""


@dataclass
class Watcher:
    """Adds up the bytes in a folder again and again.

    A listing of a folder that is being written may combine files that never existed together; if two agree, they did.
    """

    folder: Path
    limit: int
    every_s: float
    peak: int = 0
    samples: int = 0
    over: int = 0
    _over_now: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        before = None
        while not self._over_now.is_set():
            now = self._look()
            if now == before:
                size = sum(size for _, size in now.values())
                self.samples += 1
                self.peak = max(self.peak, size)
                self.over += size > self.limit
            before = now
            time.sleep(self.every_s)

    def stop(self) -> None:
        self._over_now.set()

    def _look(self) -> dict[str, tuple[int, int]]:
        found = {}
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    state = entry.stat()
                    found[entry.name] = (state.st_ino, state.st_size)
        return found


def start(arguments: Sequence[object], workers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "archloom", *map(str, arguments), "--workers", str(workers), "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finished(process: subprocess.Popen[str], *codes: int) -> int:
    """The exit code of a process that ends by itself; RuntimeError for one that is not among these."""
    _, said = process.communicate()
    if process.returncode not in codes:
        raise RuntimeError(f"exit code {process.returncode}: {said}")
    return process.returncode


def workers_of(driver: int) -> list[int]:
    """The worker processes of a run's driver."""
    listing = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(driver)], capture_output=True, text=True)
    children = [line.split(maxsplit=1) for line in listing.stdout.splitlines()]
    return [int(pid) for pid, command in children if "spawn_main" in command]


def harass(run: Path, begin: Sequence[object], size: Size, workers: int, rng: random.Random) -> Counter[str]:
    """Kill a run at random points until it has been killed often enough, and let it end; returns counts by kind."""
    places = sorted(rng.uniform(0, LAST_PLACE * size.trials) for _ in range(size.kills))
    drivers = rng.sample([True, False] * -(-size.kills // 2), size.kills)  # as many of each
    done: Counter[str] = Counter()
    process = start(begin, workers)
    for number, (place, driver) in enumerate(zip(places, drivers, strict=True), 1):
        while True:
            while process.poll() is None and recorded(run) < place:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, PAUSE_S))
            if process.poll() is None:
                break
            # A worker that is killed while it starts is not the fault of a task: the run stops and says so.
            finished(process, Exit.STOPPED)
            done["stopped"] += 1
            process = _again(run, begin, workers)
        victims = workers_of(process.pid)
        if victims and not driver:
            with suppress(ProcessLookupError):
                os.kill(rng.choice(victims), signal.SIGKILL)
            done["workers"] += 1
        else:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            done["drivers"] += 1
            process = _again(run, begin, workers if number < size.kills else 1)  # nobody is left to be killed
    while finished(process, Exit.DONE, Exit.STOPPED) == Exit.STOPPED:
        done["stopped"] += 1
        process = _again(run, begin, workers)
    return done


def _again(run: Path, begin: Sequence[object], workers: int) -> subprocess.Popen[str]:
    return start(["resume", run] if (run / "run.json").exists() else begin, workers)


def recorded(run: Path) -> int:
    try:
        return (run / "trials.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def trials(run: Path) -> dict[int, Any]:
    """Every trial, without its duration."""
    return {line.id: msgspec.structs.replace(line, cost_s=0.0) for line in read_lines(run)}


def different(one: Mapping[int, Any], other: Mapping[int, Any]) -> list[int]:
    """The trials that differ between the records."""
    return sorted(trial for trial in one.keys() | other.keys() if one.get(trial) != other.get(trial))


def may_stay(lines: Sequence[TrialRecord], size: Size) -> set[str]:
    """The states that may be left in the end: of the last population, and of the best trials."""
    ranked = sorted(lines, key=lambda line: (-line.fidelity, -line.scores["valid_accuracy"], line.id))
    stay = {line.id for line in [*ranked[: size.keep], *lines[-size.members :]]}
    return {f"{trial:06d}.safetensors" for trial in stay}


def measure(size: Size, workers: int, seed: int, home: Path) -> dict[str, Any]:
    whole, run, images = home / "whole", home / "run", home / "digits.npz"
    save_images(find_images("digits", os.environ)[0], images)  # reading them here saves every process a second
    search = size.search(images)
    began = time.perf_counter()
    archloom(*search, "--out", whole, "--keep", "all", "--workers", 1)
    undisturbed_s = time.perf_counter() - began
    lines = read_lines(whole)
    # Twice the population: a chunk in training, and the last one, whose winners a soup may need. Then the best ever,
    # what the workers write, and room for fewer of the others than --keep asks for.
    budget = (2 * size.members + 1 + workers) * max(path.stat().st_size for path in (whole / WEIGHTS).iterdir())
    watcher = Watcher(run / WEIGHTS, budget, size.watch_every_s)
    thread = threading.Thread(target=watcher.watch)
    thread.start()
    began = time.perf_counter()
    try:
        begin = [*search, "--out", run, "--keep", size.keep, "--disk-budget", budget]
        done = harass(run, begin, size, workers, random.Random(seed))
    finally:
        watcher.stop()
        thread.join()
    states = {path.name: path.read_bytes() for path in (run / WEIGHTS).iterdir()}
    stay = may_stay(lines, size)
    population = {f"{line.id:06d}.safetensors" for line in lines[-size.members :]}
    return {
        "kills": done["drivers"] + done["workers"],
        "drivers_killed": done["drivers"],
        "workers_killed": done["workers"],
        "stopped_because_a_starting_worker_died": done["stopped"],
        "trials": len(lines),
        "trials_different": different(trials(run), trials(whole)),
        "states": len(states),
        "states_equal": sum(
            name in stay and content == (whole / WEIGHTS / name).read_bytes() for name, content in states.items()
        ),
        "population_missing": sorted(population - states.keys()),
        "left_over": sorted(states.keys() - stay) + sorted(path.name for path in run.glob(".*")),
        "budget_bytes": budget,
        "peak_bytes": watcher.peak,
        "samples": watcher.samples,
        "samples_over_budget": watcher.over,
        "undisturbed_one_worker_s": undisturbed_s,
        "killed_s": time.perf_counter() - began,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="small sizes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the kills")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        found = measure(SMOKE if arguments.smoke else FULL, arguments.workers, arguments.seed, Path(folder))
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<42}{str(value) if isinstance(value, list) else format(value, ',.0f'):>14}")


if __name__ == "__main__":
    main()
