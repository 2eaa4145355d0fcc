"""What large records cost: a comparison of a thousand runs on a large table, and a run of 200,000 trials.

    python -m benchmarks.scale            a table for people
    python -m benchmarks.scale --json     one JSON object
    python -m benchmarks.scale --smoke    small sizes

Every command runs in a process of its own; seconds are those of the processor, so that they say the same on a machine
that does other things meanwhile. The table is made up.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archloom.data.tables import save_table


@dataclass(frozen=True)
class Sizes:
    """Options per gene of the table; seeds and queries of each of two strategies; queries of one long run."""

    options: tuple[int, ...]
    seeds: int
    queries: int
    long: int


FULL = Sizes((10, 10, 10, 10, 10, 5), 500, 300, 200_000)
SMOKE = Sizes((5, 5, 4), 3, 10, 60)


def make_table(path: Path, options: tuple[int, ...]) -> None:
    """A table with a row for each combination of options; every gene adds something to the accuracy."""
    rng = np.random.default_rng(0)
    genes = np.array(list(itertools.product(*map(range, options))))
    worth = [rng.normal(size=size) for size in options]
    valid = 70 + sum(own[genes[:, gene]] for gene, own in enumerate(worth)) + rng.normal(scale=0.3, size=len(genes))
    save_table(
        path,
        space="table",
        gene_names=[f"g{gene}" for gene in range(len(options))],
        options=[[f"op{option}" for option in range(size)] for size in options],
        genes=genes,
        metrics={"valid": valid, "test": valid + rng.normal(scale=0.2, size=len(genes))},
        goals={"valid": "max", "test": "max"},
        source="made up",
        units="percent",
    )


def cost(folder: Path, *command: str) -> tuple[float, float]:
    """Seconds of the processor and MB at the peak of an archloom command; what it prints goes into a file."""
    line = [sys.executable, "-m", "archloom", *command]
    with (folder / "said").open("wb") as said:
        streams = [(os.POSIX_SPAWN_DUP2, said.fileno(), 1), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)]
        process = os.posix_spawn(sys.executable, line, os.environ, file_actions=streams)
    _, status, usage = os.wait4(process, 0)
    if (code := os.waitstatus_to_exitcode(status)) != 0:
        raise SystemExit(f"{' '.join(line)} ended with {code}: {(folder / 'said').read_text()}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(folder: Path, sizes: Sizes) -> dict[str, float]:
    make_table(folder / "table.npz", sizes.options)
    many, long = str(folder / "many"), str(folder / "long")
    on = ["--on", "table", "--table", str(folder / "table.npz")]
    bounds = ["--queries", str(sizes.queries), "--seeds", str(sizes.seeds)]
    cost(folder, "compare", "random", "evolution", *on, *bounds, "--out", many)
    cost(folder, "search", "random", *on, "--queries", str(sizes.long), "--out", long)
    found: dict[str, float] = {"runs": 2 * sizes.seeds, "rows": float(np.prod(sizes.options)), "trials": sizes.long}
    for verb in ("status", "best"):
        found[f"{verb}_of_many_s"], found[f"{verb}_of_many_mb"] = cost(folder, verb, many)
        found[f"{verb}_of_long_s"], found[f"{verb}_of_long_mb"] = cost(folder, verb, long)
    found["resume_of_long_s"], found["resume_of_long_mb"] = cost(folder, "resume", long)
    (folder / "long" / "state.npz").unlink()
    found["replay_of_long_s"], found["replay_of_long_mb"] = cost(folder, "resume", long)
    found["resume_to_best"] = found["resume_of_long_s"] / found["best_of_long_s"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="small sizes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        found = measure(Path(folder), SMOKE if arguments.smoke else FULL)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<24}{value:>12,.2f}")


if __name__ == "__main__":
    main()
