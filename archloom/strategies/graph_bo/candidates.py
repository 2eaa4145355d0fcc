"""The architectures among which the next one is chosen, and their features.

They are numbered as they turn up. What is known of a number (features, neighbours, key, validity) is found out once,
and keys and validity only of those that are about to be chosen: a space of the user's may take long to say.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.answers import features_of, neighbours_of
from archloom.spaces.base import HasNeighbours, HasSize, HasSizes, SearchSpace, is_valid, listed, says_size
from archloom.spaces.featured import featured
from archloom.spaces.features import HasFeatures
from archloom.strategies.graph_bo.kernel import Float64
from archloom.types import Arch

Numbers = NDArray[np.intp]

POOL = 2048
"""How many architectures are drawn at random, once: statistics are standardised by them, and climbs start there."""
MUTANTS = 24
"""So many mutants stand for the neighbours of an architecture where a space has none."""
MOST_NEIGHBOURS = 240
"""Of an architecture with more, so many are drawn."""
FAR = 100.0
"""Statistics are at most so many standard deviations from their mean: of what is as good as never drawn they may be
more, and then no digit of a covariance would be right (see `gp`)."""
_KEPT = 50_000
"""Beyond so many architectures, all but the pool are forgotten."""


class Candidates:
    """The architectures of a space by number. Everything random follows from `seed`."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space = space
        self.features: HasFeatures = featured(space)
        self.layout = self.features.feature_layout
        self.seed = seed
        rng = np.random.Generator(np.random.PCG64([seed, 0]))
        self._forget()
        self._moves_are_valid = bool(getattr(space, "neighbours_are_valid", False))
        everything = _sparse(space)
        self._whole = bool(everything)
        self._drawn = everything or [space.sample(rng) for _ in range(POOL)]
        self.pool = self.numbers(self._drawn)
        """Architectures that are always candidates: drawn once, or if the space is sparse, all of them."""
        self._measure()
        stats = self._stats[self.pool]
        spread = stats.std(axis=0)
        self.telling = np.flatnonzero(spread > 1e-9 * np.abs(stats).max(axis=0, initial=0.0))
        """The statistics in which architectures differ,"""
        self._centre, self._scale = stats.mean(axis=0)[self.telling], spread[self.telling]

    def some(self, count: int, rng: np.random.Generator) -> Numbers:
        """So many of the pool, drawn by `rng`; all of a sparse space."""
        return self.pool if self._whole else self.pool[rng.integers(len(self.pool), size=count)]

    def _forget(self) -> None:
        self._archs: list[Arch] = []
        self._measured = 0
        self._numbers: dict[tuple[int | float, ...], int] = {}
        self._codes = np.empty((0, sum(self.layout.widths)))
        self._stats = np.empty((0, len(self.layout.stats)))
        self._neighbours: dict[int, Numbers] = {}
        self._keys: dict[int, Hashable] = {}
        self._valid: dict[int, bool] = {}

    def trim(self) -> None:
        """Forget what is only remembered to save time, if it is a lot. Numbers given before have no meaning then."""
        if len(self._archs) > _KEPT:
            self._forget()
            self.pool = self.numbers(self._drawn)

    # -- numbers --------------------------------------------------------------------------------------------------

    def numbers(self, archs: Iterable[Arch]) -> Numbers:
        """The number of each architecture."""
        known, found = self._numbers, []
        for arch in archs:
            number = known.get(arch.genes)
            if number is None:
                number = known[arch.genes] = len(self._archs)
                self._archs.append(arch)
            found.append(number)
        return np.array(found, dtype=np.intp)

    def arch(self, number: int) -> Arch:
        return self._archs[number]

    def key(self, number: int) -> Hashable:
        """The key of its architecture."""
        if number not in self._keys:
            self._keys[number] = self.space.key(self._archs[number])
        return self._keys[number]

    def valid(self, number: int) -> bool:
        """Whether its architecture is valid."""
        if number not in self._valid:
            self._valid[number] = is_valid(self.space, self._archs[number])
        return self._valid[number]

    def rows(self, numbers: Numbers) -> tuple[Float64, Float64]:
        """Codes (n, C) and standardised statistics (n, S), those in which architectures differ."""
        self._measure()
        stats = self._stats[numbers][:, self.telling]
        stats -= self._centre
        stats /= self._scale
        return self._codes[numbers], np.clip(stats, -FAR, FAR, out=stats)

    def _measure(self) -> None:
        """Have the features of all that are numbered."""
        known = self._measured
        if known == len(self._archs):
            return
        codes, stats = features_of(self.space, self.features, self._archs[known:])
        room = len(self._codes)
        if room < len(self._archs):
            room = max(2 * room, len(self._archs), 4 * POOL)
            self._codes = _enlarged(self._codes, room)
            self._stats = _enlarged(self._stats, room)
        self._codes[known : len(self._archs)] = codes
        self._stats[known : len(self._archs)] = stats
        self._measured = len(self._archs)

    # -- moves ----------------------------------------------------------------------------------------------------

    def neighbours(self, number: int) -> Numbers:
        """The numbers of its neighbours; of mutants if the space has no neighbours."""
        found = self._neighbours.get(number)
        if found is None:
            found = self._neighbours[number] = self.numbers(self._near(self._archs[number]))
            if self._moves_are_valid:
                self._valid.update(dict.fromkeys(found.tolist(), True))
        return found

    def _near(self, arch: Arch) -> Sequence[Arch]:
        space: Any = self.space
        near: Sequence[Arch] = neighbours_of(space, arch) if isinstance(space, HasNeighbours) else ()
        if 0 < len(near) <= MOST_NEIGHBOURS:
            return near
        # The same for the same architecture, whenever it is asked for: a resumed run has forgotten it.
        rng = np.random.Generator(np.random.PCG64([self.seed, 1, *_words(arch)]))
        if len(near):
            return [near[i] for i in np.sort(rng.choice(len(near), MOST_NEIGHBOURS, replace=False)).tolist()]
        return [space.mutate(arch, rng) for _ in range(MUTANTS)]


WHOLE = 32_768
"""Of a sparse space with at most so many architectures, each is a candidate of every query."""
SPARSE = 0.25
"""A space is sparse if it has at most this share of the combinations of its options."""


def _sparse(space: SearchSpace) -> Sequence[Arch]:
    """All architectures of a space that has few of the combinations of its options, such as a table of a sample; else
    none. From one of these to the next, neighbours do not lead far."""
    if not (isinstance(space, HasSizes) and isinstance(space, HasSize) and says_size(space)):
        return ()
    most = min(WHOLE, SPARSE * math.prod(space.sizes.tolist()))
    return listed(space) or () if space.size is not None and space.size <= most else ()


def climb(
    candidates: Candidates,
    start: Numbers,
    score: Callable[[Numbers], Float64],
    is_open: Callable[[int], bool],
    rounds: int,
) -> int | None:
    """The open candidate with the highest score that is found from `start`: in each round the neighbours of the best
    so far are candidates too, until these have all been looked at. None if no candidate is open.

    `score` gives a number for each architecture (n,). Architectures of one key count as one.
    """
    known = _unique(start)
    scores = score(known)
    met = set(known.tolist())
    expanded: set[Hashable] = set()
    best: list[int] = []
    for turn in range(rounds + 1):
        best = _best_open(candidates, known, scores, is_open)
        ahead = [number for number in best if candidates.key(number) not in expanded]
        if turn == rounds or not ahead:
            break
        fresh: list[int] = []
        for number in _within_reach(candidates, ahead):
            expanded.add(candidates.key(number))
            fresh += [near for near in candidates.neighbours(number).tolist() if near not in met]
            met.update(fresh)
        if fresh:
            added = _unique(np.array(fresh, dtype=np.intp))
            known, scores = np.concatenate([known, added]), np.concatenate([scores, score(added)])
    return best[0] if best else None


LOOKED_AT = 200
"""About so many neighbours are looked at in a round of a climb,"""
MOST_EXPANDED = 8
"""those of so many architectures at most,"""
LEAST_EXPANDED = 2
"""and at least."""


def _within_reach(candidates: Candidates, ahead: Sequence[int]) -> Iterator[int]:
    """The first of them, as many as have about `LOOKED_AT` neighbours together."""
    looked_at = 0
    for place, number in enumerate(ahead):
        if place >= LEAST_EXPANDED and looked_at >= LOOKED_AT:
            return
        yield number
        looked_at += len(candidates.neighbours(number))


def _best_open(candidates: Candidates, known: Numbers, scores: Float64, is_open: Callable[[int], bool]) -> list[int]:
    """The best open candidates, at most `MOST_EXPANDED`, the best first, one of each key."""
    found: dict[Hashable, int] = {}
    for number in known[np.argsort(-scores, kind="stable")].tolist():
        if (
            is_open(number)
            and found.setdefault(candidates.key(number), number) == number
            and len(found) == MOST_EXPANDED
        ):
            break
    return list(found.values())


def _unique(numbers: Numbers) -> Numbers:
    """Each once, in the order in which they come first."""
    return np.array(list(dict.fromkeys(numbers.tolist())), dtype=np.intp)


def _enlarged(rows: Float64, room: int) -> Float64:
    larger = np.zeros((room, rows.shape[1]))
    larger[: len(rows)] = rows
    return larger


def _words(arch: Arch) -> Sequence[int]:
    """A few numbers that follow from the genes."""
    digest = hashlib.sha256(repr(arch.genes).encode()).digest()
    return list(np.frombuffer(digest, dtype=np.uint32).tolist())
