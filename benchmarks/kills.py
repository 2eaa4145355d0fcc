"""One run of PBT-NAS that is killed again and again, on a disk budget, compared with the same run undisturbed.

    python -m benchmarks.kills                 50 kills; about six minutes on two cores
    python -m benchmarks.kills --on vectors    15 kills of workers whose agents learn control, from shared experience
    python -m benchmarks.kills --on pixels     the same from small pictures
    python -m benchmarks.kills --json          one JSON object
    python -m benchmarks.kills --smoke         two kills

Every kill is a SIGKILL, of the driver or of one worker process alone, at random; whenever that ends the run, it is
resumed. All the while a thread adds up the bytes of the files on disk. In the end every trial of the record and every
file must be that of the undisturbed run, byte for byte, and nothing else may be left.
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
from typing import Any, ClassVar

import msgspec

from archloom.checkpoints.experience import EXPERIENCE
from archloom.checkpoints.store import STATE
from archloom.cli.exit_codes import Exit
from archloom.data.images.labelled import find_images, save_images
from archloom.runs.record import WEIGHTS, TrialRecord, read_lines
from benchmarks.commands import archloom


@dataclass(frozen=True)
class Size:
    """A run on images, and how often it is killed. `keep`: how many of the best states stay in addition to the required
    ones.

    `watch_every_s`: how often the bytes on disk are added up. `only_workers`: no driver is killed.
    """

    members: int
    chunks: int
    batches: int
    kills: int
    keep: int = 8
    watch_every_s: float = 0.0005
    only_workers: bool = False
    metric: ClassVar[str] = "valid_accuracy"

    @property
    def trials(self) -> int:
        return self.members * self.chunks

    def search(self, home: Path) -> list[str]:
        """The command, with its data in a folder."""
        images = home / "digits.npz"
        save_images(find_images("digits", os.environ)[0], images)  # reading them here saves every process a second
        settings = {
            "population": self.members, "epochs": self.chunks, "step": 1, "task.steps_per_epoch": self.batches,
            "space.width": 4,
        }  # fmt: skip
        return ["search", "pbt_nas", "--on", f"images:{images}", *_set(settings)]

    def budget(self, states: int, experience: int, workers: int) -> int:
        """Bytes that are enough, if the largest files are so large."""
        # Twice the population: a chunk in training, and the last one, whose winners a soup may need. Then the best
        # ever, what the workers write, and room for fewer of the others than --keep asks for.
        return (2 * self.members + 1 + workers) * states


@dataclass(frozen=True)
class ControlSize(Size):
    """A run of agents, which learn from what all have experienced. It ends before its last trial, while there is
    something to be read; a chunk is 100 steps and about `batches` updates."""

    pixels: bool = False
    metric: ClassVar[str] = "episode_reward"

    @property
    def trials(self) -> int:
        return super().trials - 1

    def search(self, home: Path) -> list[str]:
        settings = {
            "population": self.members, "epochs": self.chunks, "step": 1, "experience": "shared", "parents": 0.5,
            "space.hidden": 16, "space.width": 4, "task.pixels": str(self.pixels).lower(), "task.size": 16,
            "task.effects": "false", "task.epoch_frames": 200, "task.episode_frames": 100, "task.seed_frames": 20,
            "task.update_every": max(100 // self.batches, 1), "task.batch_size": 16, "task.explore_steps": 20,
            "task.episodes": 1, "task.capacity": 100 * (self.members + 1),
        }  # fmt: skip
        return ["search", "pbt_nas", "--on", "control:cartpole_balance", "--queries", str(self.trials), *_set(settings)]

    def budget(self, states: int, experience: int, workers: int) -> int:
        # Of experience: all that a replay holds, and one epoch, as `experience_epochs` has it; what the chunk in
        # training leaves; and what workers write, beside their drafts, which need no room.
        files = self.members + 2 + self.members + workers
        return super().budget(states, experience, workers) + files * experience


def _set(settings: Mapping[str, object]) -> list[str]:
    return [f"--set={name}={value}" for name, value in settings.items()]


FULL = {
    "images": Size(members=6, chunks=50, batches=20, kills=50),
    "vectors": ControlSize(members=4, chunks=6, batches=50, kills=15, only_workers=True),
    "pixels": ControlSize(members=4, chunks=6, batches=25, kills=15, only_workers=True, pixels=True),
}
SMOKE = {
    "images": Size(members=3, chunks=4, batches=5, kills=2, keep=4, watch_every_s=0.01),
    "vectors": ControlSize(members=2, chunks=3, batches=10, kills=2, keep=4, watch_every_s=0.01),
    "pixels": ControlSize(members=2, chunks=3, batches=10, kills=2, keep=4, watch_every_s=0.01, pixels=True),
}

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
    # As many of each, unless only workers are killed.
    drivers = rng.sample([not size.only_workers, False] * -(-size.kills // 2), size.kills)
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
    ranked = sorted(lines, key=lambda line: (-line.fidelity, -line.scores[size.metric], line.id))
    stay = {line.id for line in [*ranked[: size.keep], *lines[-size.members :]]}
    return {f"{trial:06d}{STATE.suffix}" for trial in stay}


def measure(size: Size, workers: int, seed: int, home: Path) -> dict[str, Any]:
    whole, run = home / "whole", home / "run"
    search = size.search(home)
    began = time.perf_counter()
    archloom(*search, "--out", whole, "--keep", "all", "--workers", 1)
    undisturbed_s = time.perf_counter() - began
    lines = read_lines(whole)
    wanted = {path.name: path.read_bytes() for path in (whole / WEIGHTS).iterdir()}
    experience = {name for name in wanted if name.endswith(EXPERIENCE.suffix)}
    sizes = {name: len(content) for name, content in wanted.items()}
    state, left = (max((sizes[name] for name in names), default=0) for names in (sizes.keys() - experience, experience))
    budget = size.budget(state, left, workers)
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
    files = {path.name: path.read_bytes() for path in (run / WEIGHTS).iterdir()}
    stay = may_stay(lines, size) | experience
    population = {f"{line.id:06d}{STATE.suffix}" for line in lines[-size.members :]}
    return {
        "kills": done["drivers"] + done["workers"],
        "drivers_killed": done["drivers"],
        "workers_killed": done["workers"],
        "stopped_because_a_starting_worker_died": done["stopped"],
        "trials": len(lines),
        "trials_different": different(trials(run), trials(whole)),
        "states": len(files.keys() - experience),
        "experience": len(experience),
        "files_equal": sum(name in stay and content == wanted[name] for name, content in files.items()),
        "missing": sorted((population | experience) - files.keys()),
        "left_over": sorted(files.keys() - stay) + sorted(path.name for path in run.glob(".*")),
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
    parser.add_argument("--on", choices=sorted(FULL), default="images", help="what is learnt")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the kills")
    arguments = parser.parse_args()
    size = (SMOKE if arguments.smoke else FULL)[arguments.on]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        found = measure(size, arguments.workers, arguments.seed, Path(folder))
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<42}{str(value) if isinstance(value, list) else format(value, ',.0f'):>14}")


if __name__ == "__main__":
    main()
