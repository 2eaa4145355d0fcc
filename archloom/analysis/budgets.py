"""What short trainings say of long ones: results of a run by how long was trained for them, and the rank correlations
between (NAGO, Figure 9)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from archloom.analysis.stats import Estimate, Floats, spearman
from archloom.errors import InputError
from archloom.runs.history import Axis
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.spaces.base import SearchSpace
from archloom.spaces.coordinates import Coordinates, coordinates_of
from archloom.utils import seeds

Pair = tuple[int, int]
"""Two fidelities, the lower first."""


@dataclass(frozen=True)
class Samples:
    """The feasible results at one fidelity in the order of the queries: (n,) how much was spent until each, and their
    (n,) values of the first objective."""

    spent: Floats
    values: Floats


@dataclass(frozen=True)
class Budgets:
    """The results of some runs of one strategy, by their fidelity, the `pairs` (n, 2) of values at two fidelities, and
    Spearman's correlation of these.

    Pairs are configurations with results at both fidelities of a run: the same genes but for seeds, since a promotion
    may draw another network of the same generator. Of several results of one at a fidelity the mean counts.
    """

    samples: Mapping[int, Samples]
    pairs: Mapping[Pair, Floats]
    correlations: Mapping[Pair, Estimate]

    @classmethod
    def of(cls, runs: Sequence[RunReport], axis: Axis = "queries") -> Budgets:
        found: dict[int, list[tuple[float, float]]] = {}
        pairs: dict[Pair, list[tuple[float, float]]] = {}
        for run in runs:
            feasible = {line.id for line in run.history.feasible()}
            for line, spent in zip(run.history.lines, run.history.spent(axis), strict=True):
                if line.id in feasible:
                    found.setdefault(run.history.fidelity(line), []).append((spent, _value(run, line)))
            for pair, values in _pairs(run).items():
                pairs.setdefault(pair, []).extend(values)
        samples = {
            fidelity: Samples(*np.array(found[fidelity], dtype=np.float64).T.reshape(2, -1))
            for fidelity in sorted(found)
        }
        both = {
            pair: np.array(pairs.get(pair, []), dtype=np.float64).reshape(-1, 2) for pair in combinations(samples, 2)
        }
        correlations = {pair: spearman(values[:, 0], values[:, 1], _rng()) for pair, values in both.items()}
        return cls(samples, both, correlations)


def _rng() -> np.random.Generator:
    return seeds.stream(0, "bootstrap")


def _value(run: RunReport, line: TrialRecord) -> float:
    return line.scores[run.scenario.objectives[0]]


def _pairs(run: RunReport) -> dict[Pair, list[tuple[float, float]]]:
    """For every two fidelities the values of the configurations that have results at both."""
    coordinates = _coordinates(run.scenario.space)
    known: dict[Hashable, dict[int, list[float]]] = {}
    for line in run.history.feasible():
        levels = known.setdefault(_configuration(line, coordinates), {})
        levels.setdefault(run.history.fidelity(line), []).append(_value(run, line))
    found: dict[Pair, list[tuple[float, float]]] = {}
    for levels in known.values():
        for low, high in combinations(sorted(levels), 2):
            found.setdefault((low, high), []).append((float(np.mean(levels[low])), float(np.mean(levels[high]))))
    return found


def _coordinates(space: SearchSpace) -> Coordinates | None:
    """How a space tells configurations apart; None for one that cannot leave seeds out."""
    try:
        return coordinates_of(space)
    except InputError:
        return None


def _configuration(line: TrialRecord, coordinates: Coordinates | None) -> Hashable:
    return line.genes if coordinates is None else coordinates.of(line.trial.proposal.arch).tobytes()
