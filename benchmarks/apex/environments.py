"""How fast environments are on one core: the objective alone (Fig. 16), and whole steps, by walkers side by side."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.apex.study import Study

WALKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)
NEIGHBOURS = 50
_WINDOWS = 5

Work = Callable[[], object]


def environments(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Architectures a second from the bare objectives, and steps a second of the environments, for each batch size.

    As in the paper the objective takes an architecture and returns its shaped accuracy, without anything of the
    incremental problem: from genes, which on NAS-Bench-101 must be brought to their canonical form first, and from row
    numbers, which our environments hold. A step of an environment is complete: a random action among those available,
    the reward, and the encoded observation. All per second of processor time; OMP_NUM_THREADS=1 keeps it on one core.
    """
    from archloom.analysis.throughput import throughput
    from benchmarks.apex.figures import save

    walkers, seconds = ((8,), 0.02) if arguments.smoke else (WALKERS, 0.5)
    objectives = {**_nb101(), "nb301, a surrogate": _nb301()}
    rows = []
    for count in walkers:
        works = {f"objective: {name}": of(count) for name, of in objectives.items()}
        works |= {f"steps: {on}": _stepping(on, count) for on in ("nb101", "nb201", "nb301")}
        rows.append({"walkers": count, **{name: _rate(work, count, seconds) for name, work in works.items()}})
    notes = [
        "Architectures a second of processor time; only the objective: an architecture in, its shaped accuracy out. "
        "Note the logarithmic axes. Compare Cassimon et al., Fig. 16."
    ]
    rates = {name: np.array([row[f"objective: {name}"] for row in rows], dtype=np.float64) for name in objectives}
    title = "What a bare objective takes on nb101 and on nb301"
    save(arguments, "environments", partial(throughput, title, np.array(walkers, dtype=np.float64), rates, notes))
    return rows


def _nb101() -> dict[str, Callable[[int], Work]]:
    """Cells by their genes, in the published matrix, and by their row numbers."""
    from archloom.data.tables.cell_index import open_index
    from archloom.envs.nb101 import ALPHA, values_by_row
    from archloom.problems import ProblemSpec, open_scenario
    from archloom.spaces.nb101.codes import unpack

    index, scenario = open_index(os.environ), open_scenario(ProblemSpec("nb101"))
    values = values_by_row(index, scenario.problem.table, scenario.objectives[0])
    rows = np.random.default_rng(0).integers(0, len(index), max(WALKERS))
    genes = unpack(index.codes[rows])
    return {
        "nb101, from genes": lambda count: lambda: _shaped(values[index.rows_of(genes[:count])], ALPHA),
        "nb101, from row numbers": lambda count: lambda: _shaped(values[rows[:count]], ALPHA),
    }


def _nb301() -> Callable[[int], Work]:
    """Pairs of cells, whose accuracies a surrogate predicts."""
    from archloom.data import catalog
    from archloom.envs.darts import DartsNeighbourhoodEnv
    from archloom.evaluators.surrogates.evaluator import load_nb301
    from archloom.spaces.darts.genotypes import random_genotypes

    model = load_nb301(catalog.locate("nb301", environ=os.environ))
    genotypes = random_genotypes(max(WALKERS), np.random.default_rng(0))
    return lambda count: lambda: _shaped(model.predict(genotypes[:count]), DartsNeighbourhoodEnv.alpha)


def _shaped(values: NDArray[Any], alpha: float) -> NDArray[Any]:
    return np.asarray(np.exp(alpha / 100 * values))


def _stepping(on: str, count: int) -> Work:
    """Steps of an environment with random actions among those available."""
    from archloom.envs import make_vector

    env = make_vector(on, count, NEIGHBOURS)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    return lambda: env.step(rng.integers(0, env.shown + 1))


def _rate(work: Work, items: int, seconds: float) -> int:
    """Items per second of processor time: the best of a few windows, `seconds` in all, after a call that compiles."""
    work()
    best = 0.0
    for _ in range(_WINDOWS):
        calls, started = 0, time.process_time()
        while (elapsed := time.process_time() - started) < seconds / _WINDOWS or not calls:
            work()
            calls += 1
        best = max(best, calls * items / elapsed)
    return round(best)


STUDIES = {"environments": Study("how fast objectives and environments are, by walkers: Fig. 16", environments)}
