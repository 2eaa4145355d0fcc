"""Thousands of inputs, drawn from a seed, of everything that archloom reads: no traceback, no hang, no wrong answer.

python -m benchmarks.fuzz --cases 10000 --seed 0    all kinds; about ten minutes on one core
python -m benchmarks.fuzz --kind runs --case 123    one case again, as it says when it fails
python -m benchmarks.fuzz --json                    one JSON object
python -m benchmarks.fuzz --smoke                   a few cases of each kind
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis.configuration import set_hypothesis_home_dir

from benchmarks.fuzz.harness import Kind, run_cases

KINDS = ("runs", "problems", "spaces", "tables", "arrays", "images", "lines", "agents")
SMOKE_CASES = 15


def kinds(names: Sequence[str]) -> list[Kind[Any, Any]]:
    return [importlib.import_module(f"benchmarks.fuzz.{name}").KIND for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000, help="how many, of all kinds together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only these; repeatable")
    parser.add_argument("--case", type=int, help="only the case of this number")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder, and leave it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="a few cases")
    arguments = parser.parse_args()
    chosen = kinds(arguments.kind or KINDS)
    total = SMOKE_CASES if arguments.smoke else arguments.cases
    shares = sum(kind.share for kind in chosen)
    rows = []
    for kind in chosen:
        count = max(1, round(total * kind.share / shares))
        numbers = range(count) if arguments.case is None else [arguments.case]
        rows.append(fuzz(kind, numbers, arguments.seed, arguments.keep))
        if not arguments.json:
            print("{kind:<12}{cases:>7} cases  {failed:>4} failed  {seconds:>7.1f} s".format(**rows[-1]), flush=True)
    if arguments.json:
        print(json.dumps({"seed": arguments.seed, "kinds": rows}))
    if any(row["failed"] for row in rows):
        sys.exit(1)


def fuzz(kind: Kind[Any, Any], numbers: Sequence[int], seed: int, keep: Path | None) -> dict[str, Any]:
    """Run cases of a kind, and tell of those that fail on standard error."""
    began = time.perf_counter()
    failed: Counter[int] = Counter()
    memory = Path("/dev/shm")  # noqa: S108 - removing a folder takes 4 ms on disk, and a case makes several
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    home = Path(tempfile.mkdtemp(dir=place)) if keep is None else keep.resolve()
    set_hypothesis_home_dir(home / ".hypothesis")  # by default it writes into the working directory
    slowest = 0.0
    try:
        for outcome in run_cases(kind, numbers, seed, home / kind.name):
            slowest = max(slowest, outcome.seconds)
            if outcome.faults:
                failed[outcome.number] += 1
                again = f"python -m benchmarks.fuzz --seed {seed} --kind {kind.name} --case {outcome.number}"
                print(f"\n{again}\n  {outcome.case}", *outcome.faults[:4], sep="\n  ", file=sys.stderr, flush=True)
    finally:
        if keep is None:
            shutil.rmtree(home, ignore_errors=True)
    return {
        "kind": kind.name,
        "cases": len(numbers),
        "failed": len(failed),
        "slowest_s": slowest,
        "seconds": time.perf_counter() - began,
    }


if __name__ == "__main__":
    main()
