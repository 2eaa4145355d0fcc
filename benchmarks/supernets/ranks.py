"""How a supernet ranks cells of NAS-Bench-201, by each rule of batch normalisation, against their training alone.

    python -m benchmarks.supernets.ranks            20 cells, 3 supernets
    ... --json, --smoke

Fashion-MNIST at 14 x 14 pixels, 4,000 + 1,000 images, 8 channels, 1 cell a stage. The cells are random, each is trained
alone once, and measured as a path of each supernet. Intervals are over cells, by bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archloom.problems.scenario import open_scenario
from archloom.problems.spec import ProblemSpec
from archloom.types import Arch, Proposal
from archloom.utils import seeds
from archloom.utils.ranks import mean_ranks
from benchmarks.commands import archloom
from benchmarks.supernets.searches import ACCURACY, Making, as_settings, numbers, parser, told, trials

RULES = ("batch", "running", "recalibrate")
PUBLISHED = "0.6 to 1.0 on darts (thesis, Table 3.2)"


@dataclass(frozen=True)
class Size:
    making: Making
    cells: int
    epochs: int
    resamples: int = 2_000


FULL = Size(
    Making(
        "fashion", "nb201", {"channels": 8, "cells": 1},
        {"size": 14, "train_images": 4_000, "valid_images": 1_000, "epochs": 40},
    ),
    cells=20, epochs=12,
)  # fmt: skip
SMOKE = replace(
    FULL, cells=4, epochs=1, resamples=50,
    making=Making("digits", "nb201", {"channels": 2, "cells": 1}, {"train_images": 600, "epochs": 2, "batch_size": 16}),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Spearman's rank correlation, and the accuracies that are ranked."""

    norm: str
    supernet: int
    cells: int
    spearman: float | None
    low: float | None
    high: float | None
    shared_mean: float
    alone_mean: float
    alone_spread: float
    published: str = PUBLISHED


def spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """NaN if either has no ranks."""
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(mean_ranks(one), mean_ranks(other))[0, 1])


def alone(out: Path, size: Size) -> tuple[list[Arch], NDArray[np.float64]]:
    """Random cells, and their accuracies after training alone with the supernet's data and batches."""
    run, made = out / "alone", size.making
    if (run / "run.json").exists():
        archloom("resume", run)
    else:
        shared = {name: value for name, value in made.options.items() if name != "epochs"}
        task = {f"task.{name}": value for name, value in {**shared, "epochs": size.epochs}.items()}
        settings = as_settings({**{f"space.{name}": value for name, value in made.sizes.items()}, **task})
        on = ("--on", f"images:{made.data}", "--space", made.space)
        archloom("search", "random", *on, "--queries", size.cells, "--seed", 0, "--out", run, *settings)
    lines = [line for line in trials(run) if line.ok and line.query is not None]
    return [Arch(line.genes) for line in lines], np.array([line.scores[ACCURACY] for line in lines])


def shared(supernet: Path, data: str, norm: str, archs: Sequence[Arch]) -> NDArray[np.float64]:
    """Their accuracies as paths of a supernet."""
    scenario = open_scenario(ProblemSpec(f"supernet:{data}", table=str(supernet), task={"norm": norm}))
    unused = seeds.stream(0, "evaluate")
    found = [scenario.evaluator.evaluate(Proposal(arch), None, unused)[0] for arch in archs]
    return np.array([result.scores[ACCURACY] for result in found])


def row(norm: str, seed: int, one: NDArray[np.float64], other: NDArray[np.float64], resamples: int) -> Row:
    rng = seeds.stream(seed, "bootstrap")
    picks = rng.integers(len(one), size=(resamples, len(one)))
    drawn = np.array([spearman(one[pick], other[pick]) for pick in picks])
    low, high = np.nanquantile(drawn, (0.025, 0.975)) if np.isfinite(drawn).any() else (np.nan, np.nan)
    known = [round(float(value), 3) if np.isfinite(value) else None for value in (spearman(one, other), low, high)]
    means = [round(float(value), 2) for value in (one.mean(), other.mean(), other.std(ddof=1))]
    return Row(norm, seed, len(one), *known, *means)


def main() -> None:
    given = parser(__doc__, Path("supernets/ranks")).parse_args()
    size = SMOKE if given.smoke else FULL
    archs, trained = alone(given.out, size)
    rows = []
    for seed in numbers(given.seeds):
        supernet = size.making.file(given.out, seed)
        rows += [
            row(norm, seed, shared(supernet, size.making.data, norm, archs), trained, size.resamples) for norm in RULES
        ]
    told(rows, given.json)


if __name__ == "__main__":
    main()
