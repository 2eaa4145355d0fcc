"""The replay buffer of DDAS, and its rewards (thesis equation 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.learners.ddpg import Transitions
from archloom.learners.mlp import Float32
from archloom.strategies.alpha import Decimals, Float64

_FIRST_ROWS = 1024
_FAR = 1e6
"""A loss term is held within this, so that a network that has diverged leaves the agent's numbers finite."""

_COLUMNS = ("states", "actions", "next_states", "utilities", "gains", "violations")


class Experiences:
    """Transitions (s, a, r, s'), the latest `capacity` of them.

    `states` and `next_states` are discrete matrices, (rows, D) of 0 and 1, `actions` (rows, D); `utilities`
    (rows, objectives), `gains` (rows,) by how much the loss fell and `violations` (rows,) are what rewards are made of
    when experiences are sampled. Only the first `len(self)` rows are filled. `origin` (objectives,) are the utilities
    of the network as a whole, NaN if unknown.
    """

    def __init__(
        self, entries: int, capacity: int, origin: Float64, *, accuracy_weight: float, loss_weight: float
    ) -> None:
        self.capacity = capacity
        self.origin = origin
        self.accuracy_weight, self.loss_weight = accuracy_weight, loss_weight
        self.count = 0  # ever added
        rows, objectives = min(capacity, _FIRST_ROWS), len(origin)
        self.states = np.zeros((rows, entries), np.uint8)
        self.actions = np.zeros((rows, entries), np.float32)
        self.next_states = np.zeros((rows, entries), np.uint8)
        self.utilities = np.zeros((rows, objectives))
        self.gains = np.zeros(rows)
        self.violations = np.zeros(rows)
        self.decimals = Decimals(objectives)
        self.decimals.saw(tuple(origin))

    def __len__(self) -> int:
        return min(self.count, self.capacity)

    def add(
        self,
        state: Float32,
        action: Float32,
        next_state: Float32,
        utilities: tuple[float, ...],
        gain: float,
        violation: float,
    ) -> None:
        """Keep one experience of a trial that has not failed."""
        if self.count == len(self.gains) < self.capacity:
            self._grow(min(self.capacity, 2 * self.count))
        row = self.count % self.capacity
        self.states[row], self.actions[row], self.next_states[row] = state, action, next_state
        self.utilities[row], self.violations[row] = utilities, violation
        self.gains[row] = min(max(gain, -_FAR), _FAR)
        self.decimals.saw(utilities)
        self.count += 1

    def sample(self, size: int, window: int, rng: np.random.Generator) -> Transitions:
        """`size` of the latest `window` experiences, drawn with replacement."""
        rows = (self.count - 1 - rng.integers(min(len(self), window), size=size)) % self.capacity
        return Transitions(
            self.states[rows].astype(np.float32),
            self.actions[rows],
            self.rewards(rows),
            self.next_states[rows].astype(np.float32),
        )

    def rewards(self, rows: NDArray[np.integer[Any]]) -> Float32:
        """(n,) accuracy_weight (Acc - Acc(OS)) + loss_weight (L(previous) - L), eq. 3.3.

        Acc is the mean utility as a decimal (see `Decimals`). A result that violates a constraint has the reward
        -1 - violation/(1 + violation) instead.
        """
        violations = self.violations[rows]
        accuracy = self.decimals.of(self.utilities[rows]) - self.baseline()
        rewards = self.accuracy_weight * accuracy + self.loss_weight * self.gains[rows]
        found: Float32 = np.where(violations > 0, -1.0 - violations / (1.0 + violations), rewards).astype(np.float32)
        return found

    def baseline(self) -> float:
        """Acc(OS), of the network as a whole; if that is unknown, the mean of the experiences that are held."""
        known = bool(np.isfinite(self.origin).all())
        return float(self.decimals.of(self.origin[None] if known else self.utilities[: len(self)]).mean())

    def state_dict(self) -> dict[str, Any]:
        held = {name: getattr(self, name)[: len(self)].copy() for name in _COLUMNS}
        return {"count": self.count, **held, **self.decimals.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.count = int(state["count"])
        for name in _COLUMNS:
            setattr(self, name, np.array(state[name], getattr(self, name).dtype))
        self._grow(min(self.capacity, max(_FIRST_ROWS, len(self))))
        self.decimals.load_state_dict(dict(state))

    def _grow(self, rows: int) -> None:
        """Make room for so many rows."""
        for name in _COLUMNS:
            array = getattr(self, name)
            more = np.zeros((rows - len(array), *array.shape[1:]), array.dtype)
            setattr(self, name, np.concatenate([array, more]))
