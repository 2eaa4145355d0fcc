"""What results say of where good architectures are, and the points among which the next one is chosen.

The rules are those of HpBandSter's `BOHB` (Falkner, Klein and Hutter 2018, "BOHB: Robust and Efficient Hyperparameter
Optimization at Scale", section 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from archloom.constraints import Criteria
from archloom.spaces.coordinates import Coordinates
from archloom.strategies.base import pack_trials, unpack_trials
from archloom.strategies.bohb.density import Density, Float64
from archloom.types import Trial

_LEAST = 1e-32
"""Densities below this count as this."""
_DIGITS = 9
"""Decimals to which the logarithms of ratios are distinguished."""
_WIDEST = 1e3
"""Normal distributions that are wider than this, cut off at 0 and 1, count as this: they are uniform to 1e-6."""


@dataclass(frozen=True)
class Rules:
    """The options that concern the model; see `BohbOptions`."""

    top_n_percent: int
    min_points_in_model: int
    min_bandwidth: float

    def split(self, losses: Float64, dimensions: int) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """The places of the good and of the bad of losses (n,), the best first; None if they are too few for a model.

        Good are the best `top_n_percent`, bad as many of the others as the rest is in percent; each at least
        `min_points_in_model`, which is at least d + 1. Both must be more than d.
        """
        least, count = max(self.min_points_in_model, dimensions + 1), len(losses)
        if dimensions == 0 or count < least:
            return None
        good = max(least, self.top_n_percent * count // 100)
        bad = max(least, (100 - self.top_n_percent) * count // 100)
        order = np.argsort(losses, kind="stable")
        if min(len(order[:good]), len(order[good:])) <= dimensions:
            return None
        return order[:good], order[good : good + bad]


@dataclass(frozen=True)
class Model:
    """Where good points are, and where bad ones."""

    good: Density
    bad: Density

    def ratio(self, points: Float64) -> Float64:
        """(k,) density of bad ones over that of good ones at points (k, d): less is better."""
        found: Float64 = np.maximum(self.bad.at(points), _LEAST) / np.maximum(self.good.at(points), _LEAST)
        return found

    def candidates(self, count: int, widened: float, rng: np.random.Generator) -> Float64:
        """(count, d) points, each around a good one drawn at random.

        Numbers are from a normal distribution around the good one's, with `widened` bandwidths as its standard
        deviation, cut off at 0 and 1. A category is kept with probability 1 - h, or else drawn from all its options.
        """
        categories, h = self.good.categories, self.good.bandwidths
        centres = self.good.data[rng.integers(len(self.good.data), size=count)]
        u, v, w = rng.random((3, *centres.shape))
        width = widened * np.minimum(h, _WIDEST / widened)
        low, high = (ndtr((end - centres) / width) for end in (0.0, 1.0))
        numbers = np.clip(centres + width * ndtri(low + u * (high - low)), 0.0, 1.0)
        codes = np.where(v < 1.0 - h, centres, np.floor(w * categories))
        return np.where(categories > 0, codes, numbers)

    def best(self, count: int, widened: float, rng: np.random.Generator) -> Iterator[Float64]:
        """So many candidates (d,), the one with the smallest `ratio` first; of equals that which was drawn first."""
        points = self.candidates(count, widened, rng)
        ratio = np.round(np.log(self.ratio(points)), _DIGITS)  # the same on machines whose logarithms differ a little
        yield from points[np.argsort(ratio, kind="stable")]


def imputed(points: Float64, categories: NDArray[np.intp], rng: np.random.Generator) -> Float64:
    """Points (n, d) in which genes that do not count (nan) have values.

    Those of another point, drawn among those that have the first of the missing genes: all that are missing are taken
    from it, and again as long as some are. If no point has a gene it is drawn uniformly.
    """
    filled = points.copy()
    for number in np.flatnonzero(np.isnan(points).any(axis=1)):
        row = filled[number]
        while len(missing := np.flatnonzero(np.isnan(row))):
            first = missing[0]
            donors = np.flatnonzero(~np.isnan(points[:, first]))
            if len(donors):
                row[missing] = points[donors[rng.integers(len(donors))], missing]
            else:
                row[first] = rng.integers(categories[first]) if categories[first] else rng.random()
    return filled


Level = tuple[int, int]
"""Of results that compare with each other: (0, fidelity) of this problem, or of the k-th last earlier run on another
problem (-k, place among its fidelities). The model is of the highest that has one."""


@dataclass
class Observed:
    """Trials of one level, in the order in which they were told."""

    criteria: Criteria
    trials: list[Trial] = field(default_factory=list)
    _points: list[Float64] = field(default_factory=list)  # of the first of them, as far as they were needed

    def losses(self) -> Float64:
        """(n,) less is better; infinite for those that failed."""
        return -self.criteria.fitness([trial.result for trial in self.trials])

    def points(self, coordinates: Coordinates) -> Float64:
        """(n, d) where they are; each is worked out once."""
        self._points += [coordinates.of(trial.proposal.arch) for trial in self.trials[len(self._points) :]]
        return np.array(self._points)


class Knowledge:
    """All trials that a model may still be made of, by their level, and the model.

    `seed` is what everything random in models follows from, which are the same whenever they are made.
    """

    def __init__(self, coordinates: Coordinates, criteria: Criteria, rules: Rules, seed: int) -> None:
        self.coordinates, self.criteria, self.rules, self.seed = coordinates, criteria, rules, seed
        self.levels: dict[Level, Observed] = {}
        self._made: tuple[Level, int, Model] | None = None  # of a level with so many trials

    def add(self, trial: Trial, level: Level, criteria: Criteria | None = None) -> None:
        """Learn from a trial; `criteria` if they are not this run's."""
        self.levels.setdefault(level, Observed(criteria or self.criteria)).trials.append(trial)

    def model(self) -> tuple[Level, Model] | None:
        """That of the highest level that has enough trials; those of lower levels are then forgotten."""
        for level in sorted(self.levels, reverse=True):
            count = len(self.levels[level].trials)
            if self._made is None or self._made[:2] != (level, count):
                made = self._fitted(level)
                if made is None:
                    continue
                self._made = level, count, made
                self.levels = {other: kept for other, kept in self.levels.items() if other >= level}
            return level, self._made[2]
        return None

    def _fitted(self, level: Level) -> Model | None:
        observed, categories = self.levels[level], self.coordinates.categories
        if len(observed.trials) <= 2 * len(categories):  # `split` would find too few, whatever came out
            return None
        split = self.rules.split(observed.losses(), len(categories))
        if split is None:
            return None
        rng = np.random.Generator(np.random.PCG64([self.seed, -level[0], level[1], len(observed.trials)]))
        points = observed.points(self.coordinates)
        sides = [imputed(points[side], categories, rng) for side in split]
        good, bad = (Density.of(side, categories, self.rules.min_bandwidth) for side in sides)
        return Model(good, bad)

    def dump(self) -> dict[str, Any]:
        """What is known of this problem, as plain data; earlier runs on others are no part of a state."""
        own = {level: observed for level, observed in self.levels.items() if level[0] == 0}
        return {str(fidelity): pack_trials(own[0, fidelity].trials) for _, fidelity in sorted(own)}

    def restore(self, own: Mapping[str, Any]) -> None:
        foreign = {level: observed for level, observed in self.levels.items() if level[0] < 0}
        told = {(0, int(fidelity)): Observed(self.criteria, unpack_trials(trials)) for fidelity, trials in own.items()}
        self.levels, self._made = {**foreign, **told}, None
