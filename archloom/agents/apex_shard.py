"""A shard of the replay, as an actor of its own: a process that needs neither Ray nor PyTorch to be imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archloom.learners.replay import PrioritisedReplay, Sample
from archloom.utils import seeds
from archloom.workers.pool import told

Stored = tuple[Mapping[str, NDArray[Any]], NDArray[np.float32]]
"""Transitions as the replay's columns, and their errors."""


@dataclass(frozen=True)
class ShardSetup:
    """What a shard starts with: the arguments of its `PrioritisedReplay`, its own seed, and variables that set how
    many threads it computes with."""

    capacity: int
    columns: Mapping[str, tuple[Any, tuple[int, ...]]]
    alpha: float
    eps: float
    seed: int
    threads: Mapping[str, str]


class Drawn(NamedTuple):
    """A sample; `added` is how many transitions the shard had been given by then."""

    sample: Sample
    added: int


class Shard:
    """The actor class."""

    def __init__(self) -> None:
        self._replay: PrioritisedReplay | None = None
        self._added = 0

    def begin(self, setup: ShardSetup) -> str | None:
        """An empty replay; the reason if there cannot be one."""
        os.environ.update(setup.threads)
        try:
            self._replay = PrioritisedReplay(setup.capacity, setup.columns, setup.alpha, setup.eps)
            self._rng = seeds.stream(setup.seed, "agent/replay")
        except BaseException as error:  # noqa: BLE001 - told to the driver, which gives up
            return told(error)
        return None

    @property
    def replay(self) -> PrioritisedReplay:
        assert self._replay is not None  # noqa: S101 - it has begun
        return self._replay

    def add(self, stored: Stored) -> None:
        columns, errors = stored
        self.replay.add(columns, errors)
        self._added += len(errors)

    def sample(self, n: int, beta: float) -> Drawn:
        return Drawn(self.replay.sample(n, beta, self._rng), self._added)

    def update(self, drawn: NDArray[np.intp], errors: NDArray[np.float32], added: int) -> None:
        """New errors of the rows `drawn` in a sample, but for rows that were overwritten since."""
        capacity = self.replay.capacity
        kept = (drawn - added) % capacity >= self._added - added
        self.replay.update(drawn[kept], errors[kept])
