"""Neighbourhoods in the DARTS space: neighbours are generated in batches, a surrogate predicts accuracies.

Cassimon et al., sections 3.2.1 and 4.2. A neighbour pairs a neighbour of the normal cell with one of the
reduction cell, so both cells change at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.envs import NeighbourhoodRequest
from archloom.envs.checks import loaded
from archloom.envs.incremental import NeighbourhoodEnv
from archloom.errors import InputError, unknown
from archloom.evaluators.surrogates.evaluator import Surrogate
from archloom.problems.surrogate import SurrogateProblem
from archloom.spaces.darts.encoding import WIDTH, encode_into
from archloom.spaces.darts.genotypes import SHAPE, Genotypes, checked, random_genotypes, valid
from archloom.spaces.darts.moves import TUPLES, draw_neighbours


class DartsNeighbourhoodEnv(NeighbourhoodEnv):
    """Slots hold pairs of cells; their accuracy is the surrogate's `metric` after its last epoch."""

    space = encoding = "darts"
    bits = WIDTH
    state_dtype = np.dtype(np.uint8)
    state_width = math.prod(SHAPE)
    alpha = 32.0  # section 4.2.1

    def __init__(self, model: Surrogate, metric: str, slots: int, max_neighbours: int) -> None:
        if max_neighbours > TUPLES:
            raise InputError(f"max_neighbours={max_neighbours}: expected at most {TUPLES:,}, as many as there are")
        self._model = model
        self._metric = metric
        # What each slot sees: its own architecture, then the neighbours shown.
        self._seen: Genotypes = np.zeros((slots, max_neighbours + 1, *SHAPE), dtype=np.uint8)

    def place(self, slots: NDArray[np.intp], rng: np.random.Generator) -> None:
        self._seen[slots, 0] = random_genotypes(len(slots), rng)

    def move(self, slots: NDArray[np.intp], choices: NDArray[np.intp]) -> None:
        self._seen[slots, 0] = self._seen[slots, choices]

    def values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._predicted(self._seen[slots, 0])

    def shown_values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        around = self._seen[slots, 1:]
        return self._predicted(around.reshape(-1, *SHAPE)).reshape(around.shape[:2])

    def states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        genotypes: Genotypes = self._seen[slots, 0]
        return genotypes.reshape(len(slots), self.state_width)

    def shown_states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        around: Genotypes = self._seen[slots, 1:]
        return around.reshape(*around.shape[:2], self.state_width)

    def set_state(self, slots: NDArray[np.intp], states: NDArray[np.integer[Any]]) -> None:
        self._seen[slots, 0] = checked(_genotypes(states))

    def genes(self, states: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        return checked(_genotypes(states)).reshape(-1, self.state_width)

    def encode(self, states: NDArray[np.integer[Any]], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        genotypes = _genotypes(states)
        out = self._out(len(genotypes), out)
        encode_into(genotypes, out)
        return out

    def show(
        self, architectures: NDArray[np.uint8], rng: np.random.Generator, slots: NDArray[np.intp] | None = None
    ) -> NDArray[np.int64]:
        seen = self._seen if slots is None else self._seen[slots]
        seen[:, 1:] = draw_neighbours(seen[:, 0], seen.shape[1] - 1, rng)
        if slots is not None:
            self._seen[slots] = seen
        encode_into(seen.reshape(-1, *SHAPE), architectures.reshape(-1, WIDTH))
        return np.full(len(seen), seen.shape[1] - 1)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        return {"seen": self._seen.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        seen = loaded(state, "seen", self._seen)
        if not (valid(seen.reshape(-1, *SHAPE)) | ~seen.reshape(-1, self.state_width).any(axis=1)).all():
            raise InputError("state's seen: expected genotypes")
        self._seen = seen

    def _predicted(self, genotypes: Genotypes) -> NDArray[np.float64]:
        return self._model.metrics(genotypes, self._model.last_epoch)[self._metric].astype(np.float64)


def _genotypes(states: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """(m, 2, 8, 2) what states (m, 32) are."""
    if states.ndim != 2 or states.shape[1] != math.prod(SHAPE):
        raise InputError(f"states {states.dtype} {states.shape}: expected whole numbers (m, {math.prod(SHAPE)})")
    return states.reshape(-1, *SHAPE)


def open_neighbourhood(request: NeighbourhoodRequest) -> DartsNeighbourhoodEnv:
    """The neighbourhood for a surrogate's metric: its accuracy, or another named metric that is to be maximised."""
    assert isinstance(request.problem, SurrogateProblem)  # noqa: S101 - nb301 has no other problems
    model = request.problem.model
    climbable = [name for name, goal in model.goals.items() if goal == "max"]
    metric = request.metric or climbable[0]
    if metric not in climbable:
        raise unknown("metric to climb", metric, climbable)
    return DartsNeighbourhoodEnv(model, metric, request.slots, request.max_neighbours)
