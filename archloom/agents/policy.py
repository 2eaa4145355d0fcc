"""A trained network as a policy of `envs.episodes`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archloom.envs.episodes import View, Walk


class QFunction(Protocol):
    """What gives the values of actions: `learners.q_network.QNetwork`."""

    def q_values(self, architectures: NDArray[np.uint8], counts: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """(n, N + 1) Q of encodings (n, N + 1, bits), the first `counts` (n,) of which are there; -inf for the rest."""
        ...


class AgentPolicy:
    """Takes the action of the highest Q-value, the first of several, or with probability `epsilon` any that there is.

    It asks for no accuracy, so an episode costs one query: the architecture that it ends with.
    """

    def __init__(self, network: QFunction, epsilon: float = 0.0) -> None:
        self._network = network
        self._epsilon = epsilon

    def play(self, walk: Walk, rng: np.random.Generator) -> None:
        while len(walk.active):
            walk.act(self._choices(walk.show(), rng))

    def _choices(self, view: View, rng: np.random.Generator) -> NDArray[np.intp]:
        best: NDArray[np.intp] = self._network.q_values(view.architectures, view.shown + 1).argmax(axis=1)
        if not self._epsilon:
            return best
        exploring = rng.random(len(best)) < self._epsilon
        return np.where(exploring, rng.integers(0, view.shown + 1), best)
