"""How fast and how exact the spaces of NAS-Bench-101 and DARTS are.

    python -m benchmarks.spaces            a table for people
    python -m benchmarks.spaces --json     one JSON object
    python -m benchmarks.spaces --smoke    small sizes, without anything longer than a few seconds

Tables are those that --on nb101, nb201 and nb301 find. The reference for hashes is the function of the
package nasbench-pytorch, timed in the same run, in turns. Rates are the best of several windows.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom import envs
from archloom.data import catalog
from archloom.data.cache import CACHE_VARIABLE
from archloom.data.tables import Table, cell_index, load_table
from archloom.evaluators.base import evaluate
from archloom.evaluators.surrogates.evaluator import load_nb301
from archloom.problems import ProblemSpec, open_scenario
from archloom.spaces import nb101
from archloom.spaces.darts import random_genotypes
from archloom.strategies.walks import LocalSearch, LocalSearchOptions
from archloom.types import Result, Trial
from archloom.utils import seeds

_ENUMERATE = """
import json, time
import numpy as np

started = time.perf_counter()
from archloom.spaces.nb101 import enumerate_cells
genes = enumerate_cells()
seconds = time.perf_counter() - started
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
sizes = np.bincount((genes[:, 21:] != 3).sum(axis=1) + 2)[2:].tolist()
print(json.dumps([len(genes), sizes, seconds, peak / 1024]))
"""

_BUILD = """
import os, sys, time
from archloom.data.tables.cell_index import open_index
started = time.perf_counter()
open_index(os.environ)
print(time.perf_counter() - started)
"""


@dataclass(frozen=True)
class Sizes:
    """The size of each measurement."""

    cells: int
    hashed: int
    seconds: float
    environments: int
    climbs: int


_WINDOWS = 8
"""The number of windows in which a rate is measured."""

FULL = Sizes(cells=423_624, hashed=2_000, seconds=3.0, environments=1_024, climbs=200)
SMOKE = Sizes(cells=5_000, hashed=100, seconds=0.2, environments=64, climbs=5)


def enumeration() -> dict[str, Any]:
    """All cells from the definition, in a separate process."""
    count, sizes, seconds, megabytes = json.loads(_run(_ENUMERATE))
    return {"cells": count, "cells_by_size": sizes, "enumerate_s": seconds, "enumerate_peak_mb": megabytes}


def index_file() -> dict[str, float]:
    """The neighbour index built in an empty cache, and opened again, each in a separate process."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        environ = {**os.environ, CACHE_VARIABLE: folder}
        built, opened = float(_run(_BUILD, environ)), float(_run(_BUILD, environ))
        size = (Path(folder) / cell_index.FILE_NAME).stat().st_size
    return {"index_build_s": built, "index_mb": size / 1e6, "index_open_s": opened}


def hashes(table: Table, sizes: Sizes) -> dict[str, float]:
    """Keys and module hashes per second, and those of the original function on the first cells of the same table."""
    from nasbench_pytorch.model.graph_util import hash_module

    genes = table.genes[: sizes.cells]
    few, many = genes[: sizes.hashed], genes[: 10 * sizes.hashed]
    originals = [_as_original(row) for row in few.tolist()]
    expected = [hash_module(matrix, labels) for matrix, labels in originals]
    rates = _rates(
        {
            "reference": (lambda: [hash_module(matrix, labels) for matrix, labels in originals], len(few)),
            "keys": (lambda: nb101.keys(genes), len(genes)),
            "md5": (lambda: nb101.md5_hashes(many), len(many)),
        },
        sizes.seconds,
    )
    return {
        "reference_hashes_per_s": rates["reference"],
        "keys_per_s": rates["keys"],
        "keys_ratio": rates["keys"] / rates["reference"],
        "different_keys": len(np.unique(nb101.keys(genes), axis=0)),
        "md5_hashes_per_s": rates["md5"],
        "md5_ratio": rates["md5"] / rates["reference"],
        "md5_equal": float(np.mean([a == b for a, b in zip(nb101.md5_hashes(few), expected, strict=True)])),
    }


def counts(table: Table, sizes: Sizes) -> dict[str, int]:
    """The number of rows in which the counted parameters differ from the table's."""
    genes = table.genes[: sizes.cells]
    counted = (nb101.parameters(genes) / 1e6).astype(np.float32)
    return {
        "parameters_rows": len(genes),
        "parameters_wrong": int((counted != table.metric("params_m")[: len(genes)]).sum()),
    }


def environment(on: str, sizes: Sizes) -> dict[str, float]:
    """Steps per second of a vector environment with random actions, observations encoded."""
    vector = envs.make_vector(on, sizes.environments)
    vector.reset(seed=0)
    shown = int(vector.single_action_space.n)
    actions = np.random.default_rng(0).integers(0, shown, (64, sizes.environments))
    vector.step(actions[0])
    turn = iter(range(1 << 40))
    rate = _rate(lambda: vector.step(actions[next(turn) % len(actions)]), sizes.environments, sizes.seconds)
    return {f"{on}_env_steps_per_s": rate}


def surrogate(sizes: Sizes, batch: int = 1_024) -> dict[str, float]:
    """Architectures per second that the surrogate of NAS-Bench-301 predicts."""
    model = load_nb301(catalog.locate("nb301", environ=os.environ))
    genotypes = random_genotypes(batch, np.random.default_rng(0))
    return {"surrogate_architectures_per_s": _rate(lambda: model.predict(genotypes), batch, sizes.seconds)}


RULES: dict[str, tuple[str, LocalSearchOptions]] = {
    "local_search": ("the first better neighbour", LocalSearchOptions()),
    "local_search_best_of_50": ("the best of 50 neighbours", LocalSearchOptions(shown=50, first=False)),
}
"""The moves of local search, by the names of their figures: the strategy's default, and the rule of the incremental
search problem (Cassimon et al., section 3.2.3)."""


def climbs(metric: str, seeds_: int) -> dict[str, float]:
    """Queries until local search with restarts has found the best cell of NAS-Bench-201, under either rule."""
    found: dict[str, float] = {}
    for name, (_, rule) in RULES.items():
        queries = [_queries_to_best(metric, seed, rule) for seed in range(seeds_)]
        found[f"{name}_queries"] = float(np.mean(queries))
        found[f"{name}_queries_error"] = float(np.std(queries, ddof=1) / np.sqrt(len(queries)))
    return found


def _queries_to_best(metric: str, seed: int, rule: LocalSearchOptions) -> int:
    scenario = open_scenario(ProblemSpec("nb201", objectives=(metric,)))
    table = scenario.problem.table
    assert table is not None  # noqa: S101 - nb201 has no other problems
    best = float(str(table.metric(metric).max()))
    strategy = LocalSearch(scenario.space, scenario.criteria, seeds.stream(seed, "strategy"), rule)
    answers: dict[str, Result] = {}
    for trial in range(1 << 30):
        (proposal,) = strategy.ask(1)
        key = scenario.space.key(proposal.arch)
        if key not in answers:
            answers[key] = evaluate(scenario.evaluator, proposal, seed, trial)
        if answers[key].scores[metric] >= best:
            break
        strategy.tell([Trial(trial, proposal, answers[key])])
    return len(answers)


def _as_original(row: list[int]) -> tuple[NDArray[np.int64], list[int]]:
    """The matrix and labels of a row of genes as the original function takes them."""
    vertices = 2 + sum(label != 3 for label in row[21:])
    matrix = np.zeros((7, 7), dtype=np.int64)
    matrix[np.triu_indices(7, 1)] = row[:21]
    return matrix[:vertices, :vertices], [-1, *row[21 : 19 + vertices], -2]


def _rates(works: dict[str, tuple[Callable[[], object], int]], seconds: float) -> dict[str, float]:
    """Items per second of each work: the best of several short windows, about `seconds` in all, after one that does not
    count. The works take turns, so that other load on the machine affects all of them."""
    best = dict.fromkeys(works, 0.0)
    for work, _ in works.values():
        work()
    for _ in range(_WINDOWS):
        for name, (work, items) in works.items():
            best[name] = max(best[name], _window(work, items, seconds / _WINDOWS))
    return best


def _rate(work: Callable[[], object], items: int, seconds: float) -> float:
    return _rates({"": (work, items)}, seconds)[""]


def _window(work: Callable[[], object], items: int, seconds: float) -> float:
    calls, started = 0, time.perf_counter()
    while True:
        work()
        calls += 1
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return calls * items / elapsed


def _run(program: str, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ)
    return done.stdout


TARGETS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "cells": ("423,624", lambda value: value == 423_624),
    "cells_by_size": ("1 / 6 / 84 / 2,441 / 62,010 / 359,082", lambda v: v == [1, 6, 84, 2_441, 62_010, 359_082]),
    "enumerate_s": ("< 120", lambda value: value < 120),
    "enumerate_peak_mb": ("< 2,000", lambda value: value < 2_000),
    "keys_per_s": (">= 500,000", lambda value: value >= 500_000),
    "keys_ratio": (">= 300", lambda value: value >= 300),
    "md5_ratio": (">= 5", lambda value: value >= 5),
    "md5_equal": ("all", lambda value: value == 1.0),
    "index_build_s": ("< 300", lambda value: value < 300),
    "index_mb": ("< 300", lambda value: value < 300),
    "index_open_s": ("< 1", lambda value: value < 1),
    "parameters_wrong": ("0", lambda value: value == 0),
    "nb101_env_steps_per_s": (">= 500,000", lambda value: value >= 500_000),
    "darts_env_steps_per_s": (">= 5,000", lambda value: value >= 5_000),
    "surrogate_architectures_per_s": (">= 50,000", lambda value: value >= 50_000),
    "local_search_queries": ("about 127 or fewer (White et al. 2021)", lambda value: value <= 127),
}
"""The targets."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--smoke", action="store_true", help="small sizes")
    arguments = parser.parse_args()
    sizes = SMOKE if arguments.smoke else FULL
    table = load_table(catalog.locate("nb101", environ=os.environ))
    found: dict[str, Any] = {}
    if not arguments.smoke:
        found |= enumeration()
        found |= index_file()
    found |= hashes(table, sizes)
    found |= counts(table, sizes)
    for on in ("nb101", "darts"):
        found |= environment(on, sizes)
    found |= surrogate(sizes)
    found |= climbs("cifar100_valid_200", sizes.climbs)
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"table {table.name}")
    for name, value in found.items():
        shown = f"{value:,.3f}" if isinstance(value, float) else str(value)
        wanted, reached = TARGETS.get(name, ("", lambda _: True))
        rule, _ = RULES.get(name.removesuffix("_queries"), ("", None))
        notes = "; ".join(note for note in (wanted, f"moving to {rule}" if rule else "") if note)
        print(f"{name:<36}{shown:>28}  {notes}{'' if reached(value) else '   MISSED'}")


if __name__ == "__main__":
    main()
