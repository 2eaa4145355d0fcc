"""What the agents share whose actions are architecture parameters: CADAM and DDAS."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from archloom.constraints import Criteria
from archloom.errors import TrainingError
from archloom.spaces.base import MAX_TRIES, HasAlpha, SearchSpace, is_valid
from archloom.strategies.base import BaseStrategy
from archloom.strategies.note import Note
from archloom.types import Arch

Float64 = NDArray[np.float64]
_DIGITS = 8
"""Decimals to which actions are rounded, so that a trial's note is short and reads back exactly."""


def rounded(action: Float64) -> Float64:
    """An action as notes hold it: what is discretised, and what is learnt from. TrainingError unless it is finite."""
    if not np.isfinite(action).all():
        raise TrainingError(
            "the agent's actions are no longer finite: start a new run with smaller learning rates, weights of the "
            "reward or noise"
        )
    return np.round(action, _DIGITS)


class ActionNote(Note, frozen=True):
    """`action`: alpha, row by row."""

    action: list[float]


class AlphaStrategy(BaseStrategy):
    """Proposes architectures by matrices alpha (E, O), decisions by options, that the space discretises."""

    needs: ClassVar[tuple[type[Any], ...]] = (HasAlpha,)
    space: Any

    def __init__(
        self, space: SearchSpace, criteria: Criteria, rng: np.random.Generator, options: Any | None = None
    ) -> None:
        super().__init__(space, criteria, rng, options)
        self.shape: tuple[int, int] = self.space.alpha_shape
        self.entries = self.shape[0] * self.shape[1]
        self.threads = ThreadpoolController()

    def any_valid(self) -> tuple[Float64, Arch]:
        """A random action that stands for a valid architecture; if there is none, that of any valid architecture."""
        for _ in range(MAX_TRIES):
            alpha = rounded(self.rng.random(self.shape))
            arch = self.space.discretise(alpha)
            if is_valid(self.space, arch):
                return alpha, arch
        arch = self.sample_valid()
        return self.space.one_hot(arch).astype(np.float64), arch

    def one_thread(self) -> AbstractContextManager[Any]:
        """Matrix products on one thread: the number of threads must not decide how a sum is rounded."""
        limited: AbstractContextManager[Any] = self.threads.limit(limits=1, user_api="blas")
        return limited


class Decimals:
    """Utilities as decimals, by the range of everything that was seen.

    One objective: utilities that have all been within 0 and 1 are decimals already, within 0 and 100 percentages. Any
    others, and several objectives, are brought to [0, 1] by the smallest and largest so far.
    """

    def __init__(self, objectives: int) -> None:
        self.low = np.full(objectives, np.inf)  # over everything ever seen
        self.high = np.full(objectives, -np.inf)

    def saw(self, utilities: tuple[float, ...]) -> None:
        """Widen the range; NaN is no value."""
        self.low, self.high = np.fmin(self.low, utilities), np.fmax(self.high, utilities)

    def of(self, utilities: Float64) -> Float64:
        """(n,) the mean decimal of each row of utilities (n, objectives)."""
        # Halves throughout, which changes no quotient: the difference of two floats may be larger than any float.
        low, span = np.zeros_like(self.low), np.full_like(self.low, 0.5)
        if len(low) > 1 or self.low[0] < 0 or self.high[0] > 100:
            low, span = self.low / 2.0, np.maximum(self.high / 2.0 - self.low / 2.0, 5e-13)
        elif self.high[0] > 1:
            span = span * 100.0
        mean: Float64 = ((utilities / 2.0 - low) / span).mean(axis=1)
        return mean

    def state_dict(self) -> dict[str, Float64]:
        return {"low": self.low.copy(), "high": self.high.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.low, self.high = np.array(state["low"], np.float64), np.array(state["high"], np.float64)
