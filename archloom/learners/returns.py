"""n-step returns of many episodes side by side, from environments that reset with the next step.

Under Gymnasium's autoreset mode NEXT_STEP the observation after an end is the true last one of its episode, and the
step after that only resets: its action is ignored and its reward is 0. Nothing may be learnt from that step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from archloom.errors import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Transitions(NamedTuple):
    """m of them. A token is an architecture that was seen: the walker's own (token 0) or a neighbour shown to it."""

    states: NDArray[Any]
    """(m, A, k) the tokens, as the environment's `seen_states` gives them."""
    counts: NDArray[np.int64]
    """(m,) how many tokens there are: neighbours shown + 1."""
    actions: NDArray[np.int64]
    """(m,) the token that was chosen."""
    returns: NDArray[np.float32]
    """(m,) sum over i < j of gamma^i r_i, over the j <= n steps up to the next state."""
    discounts: NDArray[np.float32]
    """(m,) what the value of the next state is multiplied by: gamma^j, 0 if the episode terminated."""
    next_states: NDArray[Any]
    """(m, A, k) the tokens j steps later."""
    next_counts: NDArray[np.int64]
    """(m,) how many tokens there are then."""
    errors: NDArray[np.float32]
    """(m,) |returns + discounts * value of the next state - Q of the action|, by the Q-values of the network that
    acted."""


class NStepWindow:
    """The last `steps` steps of each walker, until their returns are known.

    One step of the loop:

        done = window.observe(states, counts, q.max(axis=1))
        actions = ...
        _, rewards, terminations, truncations, _ = env.step(actions)
        window.act(actions, rewards, terminations, truncations, q[walkers, actions])

    A step's transition is complete `steps` steps later, or at its episode's last observation, with as many rewards as
    there were. `exact_discount` multiplies the value of the next state by gamma^j for a return of j rewards; without
    it by gamma^steps in any case, as RLlib does. `bootstrap` goes on with the value of the last observation if an
    episode was only truncated (partial-episode bootstrapping, Pardo et al. 2018); without it a truncation counts as a
    termination.
    """

    def __init__(
        self,
        walkers: int,
        steps: int,
        gamma: float,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        *,
        exact_discount: bool = True,
        bootstrap: bool = True,
    ) -> None:
        """For observations of `shape` (A, k) and `dtype`. InputError for counts below 1 and a gamma outside 0 to 1."""
        for name, count in (("walkers", walkers), ("steps", steps)):
            if count < 1:
                raise InputError(f"{name}={count}: expected at least 1")
        if not 0.0 <= gamma <= 1.0:
            raise InputError(f"gamma={gamma}: expected a number from 0 to 1")
        self.walkers, self.steps, self.gamma = walkers, steps, gamma
        self.exact_discount, self.bootstrap = exact_discount, bootstrap
        # Row `_row` is written next. All walkers share it: a walker's pending steps are the rows just before it.
        self._states = np.zeros((steps, walkers, *shape), dtype)
        self._counts = np.zeros((steps, walkers), np.int64)
        self._actions = np.zeros((steps, walkers), np.int64)
        self._rewards = np.zeros((steps, walkers))
        self._taken = np.zeros((steps, walkers))
        self._pending = np.zeros(walkers, np.int64)
        self._ended = np.zeros(walkers, np.bool_)
        self._terminated = np.zeros(walkers, np.bool_)
        self._row = 0
        self._observed = False

    def observe(self, states: NDArray[Any], counts: NDArray[np.integer[Any]], values: ArrayLike) -> Transitions:
        """What is complete with these observations: `states` (W, A, k), `counts` (W,), `values` (W,) = max_a Q.

        The transitions that began first come first, those that began together in the order of walkers. InputError for
        other shapes, and if `act` was not called since the last time.
        """
        values = np.asarray(values, np.float64)
        expected = self._states.shape[1:]
        if states.shape != expected or not counts.shape == values.shape == (self.walkers,):
            raise InputError(
                f"observations {states.shape}, counts {counts.shape}, values {values.shape}: "
                f"expected {expected}, ({self.walkers},) and ({self.walkers},)"
            )
        if self._observed:
            raise InputError("observe was called twice: expected act between one observation and the next")
        done = self._completed(states, counts, values)
        self._pending[self._pending == self.steps] -= 1
        self._pending[self._ended] = 0
        self._states[self._row] = states
        self._counts[self._row] = counts
        self._observed = True
        return done

    def act(
        self,
        actions: NDArray[np.integer[Any]],
        rewards: ArrayLike,
        terminations: NDArray[np.bool_],
        truncations: NDArray[np.bool_],
        taken: ArrayLike,
    ) -> None:
        """What was done at the last observations and what the environment answered, all (W,); `taken` = Q(action).

        For walkers whose episode has ended before, this is the step that resets, and it is dropped. InputError for
        other shapes, without an observation, and if a step that resets has a reward or an end: then the environment's
        autoreset mode is another one, in which these returns would be wrong.
        """
        rewards, taken = np.asarray(rewards, np.float64), np.asarray(taken, np.float64)
        given = (actions, rewards, terminations, truncations, taken)
        if any(each.shape != (self.walkers,) for each in given):
            raise InputError(f"arrays of shapes {[each.shape for each in given]}: expected ({self.walkers},) each")
        if not self._observed:
            raise InputError("act was called without an observation: expected observe before it")
        over = terminations | truncations
        wrong = np.flatnonzero(self._ended & (over | (rewards != 0)))
        if len(wrong):
            raise InputError(
                f"walker {wrong[0]} got the reward {rewards[wrong[0]]} or an end in the step after its episode's end: "
                "expected the step only to reset it (use the autoreset mode NextStep)"
            )
        self._actions[self._row], self._rewards[self._row], self._taken[self._row] = actions, rewards, taken
        self._pending += ~self._ended
        self._ended = over
        self._terminated = terminations.copy() if self.bootstrap else over.copy()
        self._row = (self._row + 1) % self.steps
        self._observed = False

    def _completed(self, states: NDArray[Any], counts: NDArray[np.integer[Any]], values: Floats) -> Transitions:
        """Of walkers whose episode ended all pending steps, of others the one that is `steps` steps old."""
        rows = (self._row + np.arange(self.steps)) % self.steps  # the oldest first
        ages = np.arange(self.steps, 0, -1)[:, None]
        complete: Bools = (ages <= self._pending) & (self._ended | (ages == self.steps))
        order, walkers = np.nonzero(complete)
        began = rows[order], walkers
        returns = self._returns(rows)[order, walkers]
        rewards_in = ages[order, 0] if self.exact_discount else np.full(len(order), self.steps)
        discounts = np.where(self._terminated[walkers], 0.0, self.gamma**rewards_in)
        errors = np.abs(returns + discounts * values[walkers] - self._taken[began])
        with np.errstate(over="ignore"):  # infinite then, which whoever learns from it notices
            narrow = returns.astype(np.float32), errors.astype(np.float32)
        return Transitions(
            self._states[began],
            self._counts[began],
            self._actions[began],
            narrow[0],
            discounts.astype(np.float32),
            states[walkers].astype(self._states.dtype, copy=False),
            counts[walkers].astype(np.int64, copy=False),
            narrow[1],
        )

    def _returns(self, rows: NDArray[np.intp]) -> Floats:
        """(steps, W) discounted sums of rewards from each of `rows` to the newest; meaningless before a walker's first
        pending step."""
        returns = np.empty_like(self._rewards)
        rest = np.zeros(self.walkers)
        for place in range(self.steps - 1, -1, -1):
            rest = self._rewards[rows[place]] + self.gamma * rest
            returns[place] = rest
        return returns

    def state_dict(self) -> dict[str, NDArray[Any] | int]:
        """Copies of everything on which later transitions depend."""
        arrays = {name: array.copy() for name, array in self._arrays().items()}
        return {**arrays, "row": self._row, "observed": int(self._observed)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave, of a window made alike; InputError if the sizes are others."""
        arrays = self._arrays()
        for name, array in arrays.items():
            if state[name].shape != array.shape or state[name].dtype != array.dtype:
                raise InputError(
                    f"{name} of shape {state[name].shape} and type {state[name].dtype}: "
                    f"expected {array.shape} and {array.dtype}, as this window has"
                )
        for name, array in arrays.items():
            array[...] = state[name]
        self._row, self._observed = int(state["row"]), bool(state["observed"])

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "states": self._states,
            "counts": self._counts,
            "actions": self._actions,
            "rewards": self._rewards,
            "taken": self._taken,
            "pending": self._pending,
            "ended": self._ended,
            "terminated": self._terminated,
        }
