"""Pictures that need no agent: shaping (Figs. 3, 4), sizes of random cells (5), numbers of neighbours (11)."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.apex.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLE = 10_000
"""How many architectures are drawn, as in the paper's Fig. 5."""
ALPHAS = {2.0: "ablation", 6.0: "NAS-Bench-101", 10.0: "ablation", 32.0: "NAS-Bench-301"}
"""What the paper uses each alpha for."""
BEST_OF_3 = "valid_108_best_of_3"
"""The measurements in the surrogate table of NAS-Bench-101, of some of the cells."""


def save(arguments: argparse.Namespace, name: str, draw: Callable[[], Figure]) -> None:
    """Draw a picture into the folder that was asked for, if one was."""
    if arguments.out is not None:
        from archloom.analysis.figures import save as save_figure

        save_figure(draw(), arguments.out / f"{name}.png")


# -- shaping ------------------------------------------------------------------------------------------------------


class Accuracies(NamedTuple):
    """Accuracies, in percent, of architectures of a benchmark, and notes that say which."""

    values: NDArray[np.float64]
    alpha: float
    notes: list[str]


def shaping(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """How wide the range is in which nine in ten architectures are, before and after shaping."""
    from archloom.analysis.shaping import middle_width, shaped, shaping_functions, shaping_histogram

    rows = []
    for on in ("nb101", "nb301"):
        found = _all_cells() if on == "nb101" else _random_pairs(500 if arguments.smoke else SAMPLE)
        title = f"Accuracy before and after shaping on {on}, alpha = {found.alpha:g}"
        save(arguments, f"shaping-{on}", partial(shaping_histogram, title, found.values, found.alpha, found.notes))
        for alpha in (0.0, *ALPHAS):
            values = shaped(found.values, alpha) if alpha else found.values / 100
            rows.append({
                "on": on, "alpha": alpha, "own": alpha == found.alpha, "architectures": len(values),
                "mean": round(float(values.mean()), 4), "middle_90_percent": round(middle_width(values), 4),
            })  # fmt: skip
    save(arguments, "shaping-functions", partial(shaping_functions, ALPHAS, ["As in Cassimon et al., Fig. 4."]))
    return rows


def _all_cells() -> Accuracies:
    """Every cell of NAS-Bench-101."""
    from archloom.envs.nb101 import ALPHA
    from archloom.problems import ProblemSpec, open_scenario

    scenario = open_scenario(ProblemSpec("nb101"))
    metric, table = scenario.objectives[0], scenario.problem.table
    values = table.metric(metric)
    return Accuracies(values, ALPHA, [f"All {len(values):,} cells, {metric}.", f"Data: {table.name}: {table.source}."])


def _random_pairs(count: int) -> Accuracies:
    """Random pairs of DARTS cells."""
    from archloom.envs.episodes import Plan, open_episode_problem

    problem = open_episode_problem("nb301", Plan(1, count))
    rng, slots = np.random.default_rng(0), np.arange(problem.slots)
    batches = []
    for _ in range(-(-count // problem.slots)):
        problem.neighbourhood.place(slots, rng)
        batches.append(problem.neighbourhood.values(slots))
    data = problem.data
    assert data is not None  # noqa: S101 - a benchmark has data
    notes = [f"{count:,} random pairs of cells, {problem.metric}.", f"Data: {data.name}: {data.source}."]
    return Accuracies(np.concatenate(batches)[:count], problem.neighbourhood.alpha, notes)


# -- random cells -------------------------------------------------------------------------------------------------


def sizes(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The share of cells by number of vertices and of edges: uniform over the benchmark, BANANAS's sampler, ours."""
    from archloom.analysis.cell_sizes import Sizes, cell_sizes
    from archloom.spaces.nb101.cells import all_codes, by_rejection, by_size
    from archloom.spaces.nb101.codes import ABSENT, PAIRS, unpack

    count = 1_000 if arguments.smoke else SAMPLE
    rng = np.random.default_rng(0)
    drawn = {
        "uniform over all cells": rng.choice(all_codes(), count),
        "BANANAS (rejection)": by_rejection(rng, count),
        "ours (size first)": by_size(rng, count),
    }
    by_sampler = {}
    for name, codes in drawn.items():
        genes, edges = unpack(codes), len(PAIRS)
        inner = (genes[:, edges:] != ABSENT).sum(axis=1)
        by_sampler[name] = Sizes(2 + inner, genes[:, :edges].sum(axis=1, dtype=np.int64))
    save(arguments, "sizes", lambda: cell_sizes(by_sampler, [
        f"{count:,} cells of NAS-Bench-101 from each sampler, isomorphic ones counted as often as they are drawn; seed "
        "0. Note the logarithmic axis. Compare Cassimon et al., Fig. 5."
    ]))  # fmt: skip
    return [
        {
            "sampler": name, "of": of, "cells": count, "mean": round(float(values.mean()), 3),
            **{f"{n}": round(float((values == n).mean()), 4) for n in range(1, 10)},
        }
        for name, each in by_sampler.items()
        for of, values in each._asdict().items()
    ]  # fmt: skip


# -- neighbours ---------------------------------------------------------------------------------------------------


def neighbours(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """How the number of a cell's neighbours and its accuracy are correlated on NAS-Bench-101."""
    from scipy.stats import kendalltau, pearsonr

    from archloom.analysis.neighbour_counts import neighbour_counts
    from archloom.data.tables.cell_index import open_index
    from archloom.envs.nb101 import values_by_row
    from archloom.problems import ProblemSpec, open_scenario

    index = open_index(os.environ)
    scenario = open_scenario(ProblemSpec("nb101"))
    metric, table = scenario.objectives[0], scenario.problem.table
    counts = np.diff(index.offsets).astype(np.int64)
    measured = {metric: (values_by_row(index, table, metric), counts)}
    if BEST_OF_3 in table.goals:
        values = table.metric(BEST_OF_3)
        known = np.flatnonzero(np.isfinite(values))
        measured[BEST_OF_3] = values[known], counts[index.rows_of(table.genes[known])]
    rows = []
    for name, (values, around) in measured.items():
        pearson, kendall = float(pearsonr(around, values)[0]), float(kendalltau(around, values)[0])
        rows.append({
            "metric": name, "cells": len(values), "neighbours": round(float(around.mean()), 2),
            "pearson": round(pearson, 4), "kendall": round(kendall, 4),
        })  # fmt: skip
        notes = [
            f"{len(values):,} cells; Pearson's r {pearson:+.3f}, Kendall's tau {kendall:+.3f} (published, of test "
            f"accuracy: {PUBLISHED['pearson']:+.3f} and {PUBLISHED['kendall']:+.3f}).",
            f"Data: {table.name}: {table.source}.",
        ]
        title = "Accuracy against the number of neighbours on nb101"
        save(arguments, f"neighbours-{name}", partial(neighbour_counts, title, name, values, around, notes))
    return [*rows, PUBLISHED]


PUBLISHED: Mapping[str, Any] = {
    "metric": "published: test accuracy", "cells": None, "neighbours": 25.0, "pearson": -0.014, "kendall": -0.157,
}  # fmt: skip
"""Sections 4.1.2 and 5.1."""


STUDIES = {
    "shaping": Study("accuracies before and after shaping: Figs. 3 and 4", shaping),
    "sizes": Study("sizes of random cells by sampler: Fig. 5", sizes),
    "neighbours": Study("accuracy against the number of neighbours: Fig. 11", neighbours),
}
