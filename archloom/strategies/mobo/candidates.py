"""What NSGA-II tries, what the surrogates say of it, and which of it may be chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from archloom.spaces.base import SearchSpace, is_valid
from archloom.strategies.batches.relaxation import Float64, Relaxation
from archloom.strategies.mobo.acquisition import Acquisition
from archloom.strategies.mobo.beliefs import Beliefs
from archloom.types import Arch

INVALID = 1e12
"""What breaking a rule of the space adds to what an architecture breaks bounds by, in standard deviations. A bound
itself is up to a million of these away."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """n architectures with their rows (n, width), predicted means and deviations and acquisitions (n, m)."""

    archs: Sequence[Arch]
    rows: Float64
    mean: Float64
    deviation: Float64
    acquisition: Float64

    def at(self, places: Sequence[int]) -> Candidates:
        """Some of them."""
        chosen = list(places)
        arrays = (self.rows, self.mean, self.deviation, self.acquisition)
        return Candidates([self.archs[place] for place in chosen], *(array[chosen] for array in arrays))


class CheapProblem:
    """The multi-objective problem whose objectives are acquisition functions. It remembers what was tried."""

    def __init__(
        self,
        space: SearchSpace,
        relaxation: Relaxation,
        beliefs: Beliefs,
        acquisition: Acquisition,
        beta: float,
        rng: np.random.Generator,
    ) -> None:
        self.space, self.relaxation, self.beliefs = space, relaxation, beliefs
        self.acquisition, self.beta, self.rng = acquisition, beta, rng
        self.best = beliefs.best()
        self._tried: dict[bytes, Arch] = {}
        self._parts: list[tuple[Float64, Float64, Float64, Float64, Float64]] = []

    def judge(self, points: Float64) -> tuple[Float64, Float64]:
        """For `nsga2`: minus the acquisitions (n, m) of the architectures that points (n, places) are rounded to, and
        by how much these break bounds, by the predicted means, and rules."""
        archs = [self.relaxation.at_point(point, self.rng) for point in points]
        rows = self.relaxation.rows(archs)
        mean, deviation = self.beliefs.predict(rows)
        few = slice(self.beliefs.objectives)
        acquired = self.acquisition(mean[:, few], deviation[:, few], self.best, self.beta)
        valid = np.array([is_valid(self.space, arch) for arch in archs])
        violation = self.beliefs.known.targets.violation(mean) + np.where(valid, 0.0, INVALID)
        fresh = []
        for i, arch in enumerate(archs):
            if (name := rows[i].tobytes()) not in self._tried:
                self._tried[name] = arch
                fresh.append(i)
        self._parts.append(
            (rows[fresh], mean[fresh][:, few], deviation[fresh][:, few], acquired[fresh], violation[fresh])
        )
        return -acquired, violation

    def candidates(self, is_open: Callable[[Arch], bool], least: int) -> Candidates:
        """The front of all that was tried that is open and valid; of a single objective, everything.

        What keeps all bounds comes before what does not, and that in the order of how much it breaks them. If there are
        fewer than `least`, those that are a front without these are added, until there are enough.
        """
        import moocore

        archs = list(self._tried.values())
        *parts, violation = (np.concatenate(each) for each in zip(*self._parts, strict=True))
        everything = Candidates(archs, *parts)
        usable = np.array([i for i, arch in enumerate(archs) if violation[i] < INVALID and is_open(arch)], np.intp)
        kept = usable[violation[usable] <= 0.0]
        broken = usable[violation[usable] > 0.0]
        order = kept.tolist()
        if len(kept) > least and self.beliefs.objectives > 1:
            ranks = np.asarray(moocore.pareto_rank(everything.acquisition[kept], maximise=True))
            enough = int(np.sort(ranks)[least - 1])
            order = kept[ranks <= enough].tolist()
        if len(order) < least:
            order += broken[np.argsort(violation[broken], kind="stable")][: least - len(order)].tolist()
        return everything.at(order)
