"""How much faster several workers train a population: Ray and processes, compared with one after another.

    python -m benchmarks.executors            8 members on digits, 2 workers
    python -m benchmarks.executors --json     one JSON object
    python -m benchmarks.executors --smoke    small sizes

Ray's cluster of this machine is started before the clock: that is `ray_start_s`. The time that its workers
take to import PyTorch and read the images counts. Every executor must find exactly the same networks.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from archloom.executors.backends import Backend, Processes
from archloom.executors.ray import RayCluster
from archloom.problems import ProblemSpec
from archloom.runs.folders import limits_for, run_folder, run_in_memory
from archloom.runs.prepare import Request


def request(members: int, chunks: int, epochs: int) -> Request:
    """A population, and the number of epochs in each of its chunks."""
    options = {"population": str(members), "epochs": str(chunks * epochs), "step": str(epochs)}
    spec = ProblemSpec("images:digits", space={"width": "16"}, task={"epochs": str(chunks * epochs)})
    return Request("pbt_nas", spec, 0, limits_for("pbt_nas", options, None, None), options)


def seconds(what: Request, how: Backend) -> tuple[float, list[tuple[str, dict[str, float]]]]:
    """How long a run takes, and what it found."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        started = time.perf_counter()
        report = run_folder(Path(folder) / "run", what, how)
        took = time.perf_counter() - started
    return took, [(line.arch, dict(line.scores)) for line in sorted(report.history.lines, key=lambda line: line.id)]


def measure(what: Request, workers: int) -> dict[str, float]:
    run_in_memory(request(2, 1, 1))  # warm: PyTorch and the images are in memory
    serial_s, expected = seconds(what, Processes(1, isolate=False))
    process_s, by_processes = seconds(what, Processes(workers))
    cluster, started = RayCluster(workers, "local"), time.perf_counter()
    with cluster.ready():
        start_s = time.perf_counter() - started
        ray_s, by_ray = seconds(what, cluster)
    if not expected == by_processes == by_ray:
        raise SystemExit("an executor changed a result")
    return {
        "serial_s": serial_s, "ray_s": ray_s, "ray_speedup": serial_s / ray_s, "ray_start_s": start_s,
        "process_s": process_s, "process_speedup": serial_s / process_s,
        "load_before": os.getloadavg()[0], "cores": float(os.cpu_count() or 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="small sizes")
    arguments = parser.parse_args()
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    what = request(4, 1, 1) if arguments.smoke else request(8, 2, 24)
    load = os.getloadavg()[0]
    found = {**measure(what, arguments.workers), "load_before": load}
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<20}{value:10.2f}")


if __name__ == "__main__":
    main()
