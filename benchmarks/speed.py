"""What the machinery costs: durable overhead per trial, opening a table, starting the command line.

    python -m benchmarks.speed            a table for people
    python -m benchmarks.speed --json     one JSON object
    python -m benchmarks.speed --smoke    small sizes

The table is the one that --on nb201 finds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from archloom.data import catalog
from archloom.problems import ProblemSpec
from archloom.runs import record
from archloom.runs.budgets import Limits
from archloom.runs.folders import run_folder, run_in_memory
from archloom.runs.prepare import Request

_OPEN = """
import sys, time
import numpy

def peak_kb():  # of this process alone: ru_maxrss would start from the parent's
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

before = peak_kb()
started = time.perf_counter()
from archloom.data.tables import load_table
table = load_table(sys.argv[1])
table.row(table.genes[-1]), table.metric(table.metrics[0])
print(time.perf_counter() - started, (peak_kb() - before) / 1024)
"""


def durable_overhead_ms(queries: int, repetitions: int = 5) -> float:
    """What the run folder adds to a trial of random search: time with it minus time without it, per trial, in ms."""
    request = Request("random", ProblemSpec("nb201"), 0, Limits(queries))
    run_in_memory(request)  # warm
    differences = []
    for _ in range(repetitions):
        started = time.perf_counter()
        trials = run_in_memory(request).trials
        without = time.perf_counter() - started
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            started = time.perf_counter()
            run_folder(Path(folder) / "run", request)
            differences.append((time.perf_counter() - started - without) / trials)
    return 1000 * median(differences)


def single_commit_ms(trials: int) -> float:
    """One trial written and synced by itself, as when an evaluation takes seconds, in ms."""
    line = record.TrialRecord(0, (0, 1, 2, 3, 4, 0), "x" * 80, scores={"cifar10_valid_200": 91.0}, report={"t": 90.0})
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,
        record.RunFolder.create(Path(folder) / "run", {}) as run,
    ):
        times = []
        for _ in range(trials):
            started = time.perf_counter()
            run.append(line)
            run.commit(force=True)
            times.append(time.perf_counter() - started)
    return 1000 * median(times)


def opening(path: Path, repetitions: int) -> tuple[float, float]:
    """Seconds and extra MB to open a table, look a row up and read a metric, in a fresh process that has numpy."""
    measured = []
    for _ in range(repetitions):
        done = subprocess.run([sys.executable, "-c", _OPEN, str(path)], capture_output=True, text=True, check=True)
        measured.append(tuple(map(float, done.stdout.split())))
    return median(m[0] for m in measured), median(m[1] for m in measured)


def command_s(arguments: list[str], repetitions: int) -> float:
    """Wall seconds of one archloom command, as a user types it."""

    def once() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "archloom", *arguments], capture_output=True, check=True)
        return time.perf_counter() - started

    return _median(once, repetitions)


def _median(once: Callable[[], float], repetitions: int) -> float:
    once()
    return median(once() for _ in range(repetitions))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="small sizes")
    arguments = parser.parse_args()
    queries, repetitions = (100, 1) if arguments.smoke else (2000, 5)
    path = catalog.locate("nb201", environ=os.environ)
    seconds, megabytes = opening(path, repetitions)
    found = {
        "durable_overhead_ms_per_trial": durable_overhead_ms(queries, repetitions),
        "single_commit_ms": single_commit_ms(queries // 10),
        "open_table_s": seconds,
        "open_table_extra_mb": megabytes,
        "help_s": command_s(["--help"], repetitions),
    }
    if not arguments.smoke:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            line = ["search", "cadam", "--on", "nb201", "--queries", "1000", "--seeds", "10", "--workers", "2"]
            started = time.perf_counter()
            command = [sys.executable, "-m", "archloom", *line, "--out", f"{folder}/run", "--quiet"]
            subprocess.run(command, capture_output=True, check=True)
            found["cadam_1000_queries_10_seeds_2_workers_s"] = time.perf_counter() - started
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"table {path.name}")
    for name, value in found.items():
        print(f"{name:<42}{value:10.3f}")


if __name__ == "__main__":
    main()
