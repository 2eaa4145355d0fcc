"""What an earlier run on another problem is good for: its best architectures, to begin with."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from archloom.spaces.base import SearchSpace, is_valid
from archloom.strategies.base import EarlierRun
from archloom.types import Arch, Trial


def best_architectures(space: SearchSpace, run: EarlierRun, most: int) -> list[Arch]:
    """A run's best architectures that are valid in `space`, at most so many, the best last.

    Those at its highest fidelity come before any others, for only results of one fidelity can be compared.
    """
    found: dict[Hashable, Arch] = {}
    for trials in reversed(by_fidelity(run.trials)):
        fitness = run.criteria.fitness([trial.result for trial in trials])
        for place in np.argsort(-fitness, kind="stable").tolist():
            arch = trials[place].proposal.arch
            if np.isfinite(fitness[place]) and is_valid(space, arch):  # not if it failed
                found.setdefault(space.key(arch), arch)
    return list(found.values())[:most][::-1]


def by_fidelity(trials: Sequence[Trial]) -> Sequence[Sequence[Trial]]:
    """Trials at each fidelity that there is, from the lowest; 0 is the highest."""
    levels: dict[float, list[Trial]] = {}
    for trial in trials:
        levels.setdefault(trial.proposal.fidelity or math.inf, []).append(trial)
    return [levels[level] for level in sorted(levels)]
