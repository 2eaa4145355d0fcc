"""Replay of whole episodes: uniform samples of n-step transitions, from files that are mapped and from memory.

An episode of T steps has T + 1 frames; n steps are summed into a transition, s frames stacked into an observation.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archloom.checkpoints.experience import Episodes
from archloom.errors import InputError

Whole = NDArray[np.int64]
Float32 = NDArray[np.float32]


class Batch(NamedTuple):
    """B transitions."""

    observations: Tensor
    """(B, s * c, h, w) uint8, or (B, s * d) float32 for vectors: the last s frames, the oldest first."""
    actions: Tensor
    """(B, a) float32"""
    rewards: Tensor
    """(B,) float32: sum over i < n of gamma^i r_i, up to the last step if the episode terminates before."""
    discounts: Tensor
    """(B,) float32, of the value of the next observation: gamma^n, or 0 if the episode terminates before."""
    next_observations: Tensor
    """Like `observations`, after n steps, or after the last step if the episode terminates before."""


class _Source(NamedTuple):
    """Steps as `Episodes` has them, and the rewards and discounts of the transitions that begin with each."""

    frames: NDArray[Any]
    actions: Float32
    rewards: Float32
    discounts: Float32


_EPISODE = np.dtype([(name, np.int64) for name in ("source", "frame", "step", "length", "starts")])
"""Where an episode is: the number of its source, and its first frame and first step there; how many steps it has, and
with how many of them, from the first on, a transition begins."""


class EpisodeReplay:
    """The latest episodes, with at most `capacity` steps together; the very latest in any case.

    A transition is drawn as in DrQ-v2: an episode, all with the same probability, then one of the steps that n - 1
    others follow. There, every episode ends by time. In one that terminates, transitions begin with all steps, the last
    ones with fewer rewards: else nothing would be learnt of the observations just before the end, although others are
    valued by them.
    """

    def __init__(self, sources: Iterable[Episodes], capacity: int, n_step: int, gamma: float, stack: int = 3) -> None:
        """`sources`, the oldest first, may be mapped from files: frames are read only when they are drawn.

        InputError for counts below 1, a gamma outside 0 to 1, and sources whose frames or actions differ in shape.
        """
        for name, count in (("capacity", capacity), ("n_step", n_step), ("stack", stack)):
            if count < 1:
                raise InputError(f"{name}={count}: expected at least 1")
        if not 0.0 <= gamma <= 1.0:
            raise InputError(f"gamma={gamma}: expected a number from 0 to 1")
        self.capacity, self.n_step, self.gamma, self.stack = capacity, n_step, gamma, stack
        self._sources: dict[int, _Source] = {}
        self._added = 0
        self._episodes = self._drawn = np.zeros(0, _EPISODE)
        for source in sources:
            self.add(source)

    def __len__(self) -> int:
        """How many steps there are."""
        return int(self._episodes["length"].sum())

    @property
    def starts(self) -> int:
        """How many transitions can be drawn."""
        return int(self._drawn["starts"].sum())

    def add(self, episodes: Episodes) -> None:
        """Append episodes, and drop the oldest until there is room. InputError for shapes other than theirs."""
        self._check(episodes)
        lengths = np.asarray(episodes.lengths)
        rewards, discounts = n_step_returns(
            np.asarray(episodes.rewards), np.asarray(episodes.discounts), lengths, self.n_step, self.gamma
        )
        # Plain arrays: a slice of a memmap is a memmap, which takes longer to make.
        source = _Source(np.asarray(episodes.frames), np.asarray(episodes.actions), rewards, discounts)
        self._sources[self._added] = source
        new = np.zeros(len(lengths), _EPISODE)
        new["source"], new["length"] = self._added, lengths
        new["step"] = np.cumsum(lengths) - lengths
        new["frame"] = new["step"] + np.arange(len(lengths))
        terminates = np.asarray(episodes.discounts)[new["step"] + lengths - 1] == 0.0
        new["starts"] = np.where(terminates, lengths, np.maximum(lengths - self.n_step + 1, 0))
        self._added += 1
        self._keep_latest(np.concatenate([self._episodes, new]))

    def sample(self, count: int, rng: np.random.Generator) -> Batch:
        """Draw `count` transitions, independently and with replacement; they are in the order in which they are held.

        InputError if no transition can be drawn, for there is no episode of n steps and none that terminates.
        """
        if not len(self._drawn):
            raise InputError(
                f"a sample from {len(self._episodes)} episodes without a transition: expected one of at least "
                f"{self.n_step} steps, or one that terminates"
            )
        episodes = rng.integers(len(self._drawn), size=count)
        starts = rng.integers(self._drawn["starts"][episodes])
        order = np.lexsort((starts, episodes))  # each file is read once, from the front to the back
        return self._batch(self._drawn[episodes[order]], starts[order])

    def _batch(self, drawn: NDArray[Any], starts: Whole) -> Batch:
        """The transitions that begin at `starts` (B,) of the episodes `drawn` (B,), which are ordered by source."""
        steps, ends = drawn["step"] + starts, np.minimum(starts + self.n_step, drawn["length"])
        places = (self._stacked(drawn, starts), steps, steps, steps, self._stacked(drawn, ends))
        read = attrgetter("frames", "actions", "rewards", "discounts", "frames")
        numbers, firsts = np.unique(drawn["source"], return_index=True)
        columns = read(self._sources[numbers[0]])
        filled = [
            np.empty(where.shape + column.shape[1:], column.dtype)
            for where, column in zip(places, columns, strict=True)
        ]
        for number, first, last in zip(numbers, firsts, [*firsts[1:], len(drawn)], strict=True):
            for column, where, out in zip(read(self._sources[number]), places, filled, strict=True):
                column.take(where[first:last], axis=0, out=out[first:last], mode="clip")  # "raise" would copy `out`
        seen, actions, rewards, discounts, following = map(torch.from_numpy, filled)
        return Batch(seen.flatten(1, 2), actions, rewards, discounts, following.flatten(1, 2))

    def _stacked(self, drawn: NDArray[Any], lasts: Whole) -> Whole:
        """(B, s) the frames that make the observations at `lasts` (B,); what would be before the first is the first."""
        back = np.arange(1 - self.stack, 1)
        places: Whole = drawn["frame"][:, None] + np.maximum(lasts[:, None] + back, 0)
        return places

    def _keep_latest(self, episodes: NDArray[Any]) -> None:
        after = np.cumsum(episodes["length"][::-1])[::-1]  # steps of an episode and all that came later
        fits = after <= self.capacity
        fits[-1:] = True
        self._episodes = episodes[fits]
        self._drawn = self._episodes[self._episodes["starts"] > 0]
        kept = {*self._episodes["source"].tolist()}
        self._sources = {number: source for number, source in self._sources.items() if number in kept}

    def _check(self, episodes: Episodes) -> None:
        for source in self._sources.values():
            expected, found = (
                (each.frames.shape[1:], each.frames.dtype, each.actions.shape[1:]) for each in (source, episodes)
            )
            if found != expected:
                raise InputError(
                    f"episodes with frames {found[0]} {found[1]} and actions {found[2]}: expected {expected[0]} "
                    f"{expected[1]} and {expected[2]}, as the others have"
                )
            return


def n_step_returns(
    rewards: Float32, discounts: Float32, lengths: Whole, n_step: int, gamma: float
) -> tuple[Float32, Float32]:
    """(n,) rewards and discounts of the transitions that begin with each of n steps of episodes of `lengths`.

    sum over i < n of R_i r_i, and R_n, where R_i is the product over j < i of gamma d_j. What begins with one of the
    last n - 1 steps of an episode is cut off there, which is right only if that terminates.
    """
    lasts = np.repeat(np.cumsum(lengths) - 1, lengths)
    total, factor = np.zeros(len(rewards)), np.ones(len(rewards))
    for ahead in range(min(n_step, lengths.max(initial=0))):
        steps = np.minimum(np.arange(len(rewards)) + ahead, lasts)
        inside = np.arange(len(rewards)) + ahead <= lasts
        total += np.where(inside, factor * rewards[steps], 0.0)
        factor *= np.where(inside, gamma * discounts[steps], 1.0)
    return total.astype(np.float32), factor.astype(np.float32)
