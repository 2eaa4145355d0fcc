"""Neighbourhoods in any graph of architectures that are numbered: every move is a look-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archloom.envs.checks import loaded
from archloom.envs.incremental import NeighbourhoodEnv
from archloom.errors import InputError
from archloom.utils.jit import compiled, share, signed

_ALONE = 4_096
"""One thread serves up to this many slots: it does a thousand in the time that two threads take to start."""
_ALONE_ENCODING = 65_536
"""The same for rows to encode."""

Rows = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Graph:
    """Architectures as rows 0, 1, ...; the neighbours of row r are `targets[offsets[r]:offsets[r + 1]]`, each once.

    InputError if the arrays do not describe a graph.
    """

    space: str
    encoding: str
    """What the bits mean; equal for graphs whose encodings can be exchanged."""
    alpha: float
    """The exponent with which rewards are shaped unless the user says otherwise."""
    offsets: NDArray[np.int32]
    """(rows + 1,)"""
    targets: NDArray[np.int32]
    """(edges,)"""
    encoded: NDArray[np.uint8]
    """(rows, bits) the encoding of every architecture."""
    starts: Callable[[np.random.Generator, int], Rows] | None = None
    """Draws the rows (n,) of n random architectures; None: uniformly."""
    genes: Callable[[Rows], NDArray[np.integer[Any]]] | None = None
    """The genes (m, g) of rows (m,) in the space; None: there are none."""

    def __post_init__(self) -> None:
        rows, offsets, targets = len(self.encoded), self.offsets, self.targets
        whole = offsets.dtype == targets.dtype == np.int32 and self.encoded.dtype == np.uint8
        if not whole or self.encoded.ndim != 2 or offsets.shape != (rows + 1,) or targets.ndim != 1:
            raise InputError(
                f"graph with offsets {offsets.dtype} {offsets.shape}, targets {targets.dtype} {targets.shape} and "
                f"encodings {self.encoded.dtype} {self.encoded.shape}: expected int32 (rows + 1,), int32 (edges,) and "
                "uint8 (rows, bits)"
            )
        if not rows or offsets[0] != 0 or offsets[-1] != len(targets) or (np.diff(offsets) < 0).any():
            raise InputError("graph's offsets: expected at least one row, from 0 to the number of targets, ascending")
        if len(targets) and not 0 <= targets.min() <= targets.max() < rows:
            raise InputError(f"graph's targets: expected rows from 0 to {rows - 1}")

    def __len__(self) -> int:
        return len(self.encoded)

    @property
    def bits(self) -> int:
        """Length of an encoding."""
        return int(self.encoded.shape[1])

    @cached_property
    def words(self) -> NDArray[np.unsignedinteger[Any]]:
        """(rows, words) the encodings in the longest words that they consist of: copied a word at a time."""
        return as_words(np.ascontiguousarray(self.encoded))

    @cached_property
    def most_neighbours(self) -> int:
        """The largest number of neighbours that a row has."""
        return int(np.diff(self.offsets).max())


def as_words(encoded: NDArray[np.uint8]) -> NDArray[np.unsignedinteger[Any]]:
    """A view (..., words) of encodings (..., bits), in words of 8, 4, 2 or 1 bytes."""
    return encoded.view(f"u{np.gcd(encoded.shape[-1], 8)}")


class Terrain(NeighbourhoodEnv):
    """Slots hold rows of a graph; `values` (rows,) are their accuracies in percent. A state is the row (1,) int32."""

    state_dtype = np.dtype(np.int32)
    state_width = 1

    def __init__(self, graph: Graph, values: NDArray[np.float64], slots: int, max_neighbours: int) -> None:
        if values.shape != (len(graph),):
            raise InputError(f"values of shape {values.shape}: expected one for each of the graph's {len(graph)} rows")
        self.space, self.encoding, self.bits, self.alpha = graph.space, graph.encoding, graph.bits, graph.alpha
        self._graph = graph
        self._values = values
        self._rows = np.zeros(slots, dtype=np.int32)
        self._choices = np.zeros((slots, max_neighbours), dtype=np.int32)  # the neighbours shown, then zeros
        self._shown = np.zeros(slots, dtype=np.int64)

    def place(self, slots: NDArray[np.intp], rng: np.random.Generator) -> None:
        starts = self._graph.starts
        self._rows[slots] = (
            rng.integers(len(self._graph), size=len(slots)) if starts is None else starts(rng, len(slots))
        )

    def move(self, slots: NDArray[np.intp], choices: NDArray[np.intp]) -> None:
        self._rows[slots] = self._choices[slots, choices - 1]

    def values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._values[self._rows[slots]]

    def shown_values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        there = np.arange(self._choices.shape[1]) < self._shown[slots, None]
        return np.where(there, self._values[self._choices[slots]], np.nan)

    def states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        return self._rows[slots, None]

    def shown_states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        return self._choices[slots, :, None]

    def set_state(self, slots: NDArray[np.intp], states: NDArray[np.integer[Any]]) -> None:
        self._rows[slots] = self._checked(states)

    def genes(self, states: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        rows = self._checked(states)
        return super().genes(states) if self._graph.genes is None else self._graph.genes(rows)

    def encode(self, states: NDArray[np.integer[Any]], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        rows, encoded = self._checked(states), self._graph.words
        out = self._out(len(rows), out)
        words = as_words(out)
        share(lambda start, stop: _gather(start, stop, rows, encoded, words), len(rows), least=_ALONE_ENCODING)
        return out

    def show(
        self, architectures: NDArray[np.uint8], rng: np.random.Generator, slots: NDArray[np.intp] | None = None
    ) -> NDArray[np.int64]:
        seed = int(rng.integers(1 << 63))
        words = as_words(architectures)
        around = Around(self._graph.offsets, self._graph.targets, self._graph.words, self._graph.most_neighbours)
        seen = Seen(self._rows, self._choices, words, self._shown)
        if slots is not None:
            seen = Seen(self._rows[slots], self._choices[slots], words, self._shown[slots])
        share(lambda start, stop: _show(start, stop, seed, around, seen), len(seen.rows), least=_ALONE)
        if slots is not None:
            self._choices[slots], self._shown[slots] = seen.choices, seen.shown
        return seen.shown.copy()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        return {"rows": self._rows.copy(), "choices": self._choices.copy(), "shown": self._shown.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        rows, choices = (loaded(state, name, own) for name, own in (("rows", self._rows), ("choices", self._choices)))
        shown = loaded(state, "shown", self._shown)
        for each in (rows, choices):
            self._checked(each.reshape(-1, 1))
        if shown.size and not 0 <= shown.min() <= shown.max() <= choices.shape[1]:
            raise InputError(f"state's shown: expected numbers of neighbours from 0 to {choices.shape[1]}")
        self._rows, self._choices, self._shown = rows, choices, shown

    def _checked(self, states: NDArray[np.integer[Any]]) -> Rows:
        """(m,) the rows that states (m, 1) are: compiled code does not check where it reads."""
        if states.ndim != 2 or states.shape[1] != 1 or states.dtype.kind not in "iu":
            raise InputError(f"states {states.dtype} {states.shape}: expected whole numbers (m, 1)")
        rows = states[:, 0]
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self._graph):
            wrong = rows.min() if rows.min() < 0 else rows.max()
            raise InputError(f"state {wrong}: expected a row from 0 to {len(self._graph) - 1}")
        return rows


class Around(NamedTuple):
    """The neighbours of each row, `targets[offsets[row]:offsets[row + 1]]`, and the encoding of every row."""

    offsets: NDArray[np.int32]
    targets: NDArray[np.int32]
    encoded: NDArray[np.unsignedinteger[Any]]
    """(rows, words)"""
    most: int
    """The largest number of neighbours that a row has."""


class Seen(NamedTuple):
    """The rows of all slots, and buffers for what they are shown."""

    rows: NDArray[np.int32]
    """(n,)"""
    choices: NDArray[np.int32]
    """(n, N) the rows of the neighbours shown."""
    words: NDArray[np.unsignedinteger[Any]]
    """(n, N + 1, words) encodings: the slot's own, then the neighbours'."""
    shown: NDArray[np.int64]
    """(n,) how many neighbours are shown."""


@compiled
def _mixed(state: np.uint64) -> np.uint64:
    """A random number from a counter (SplitMix64, Steele et al. 2014)."""
    z = state * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(z ^ (z >> np.uint64(31)))


@compiled
def _show(start: int, stop: int, seed: int, around: Around, seen: Seen) -> None:
    """Draw and encode the neighbours of slots start..stop; each slot has its own random numbers, by its index."""
    choices, words, encoded = seen.choices, seen.words, around.encoded
    most, length = choices.shape[1], words.shape[2]
    pool = np.empty(around.most, np.int32)
    for slot in range(start, stop):
        row = seen.rows[slot]
        first = signed(around.offsets[row])
        count = signed(around.offsets[row + 1]) - first
        pool[:count] = around.targets[first : first + count]
        taken = min(count, most)
        counter = _mixed(np.uint64(seed) + np.uint64(slot) * np.uint64(0xD1342543DE82EF95))
        for word in range(length):
            words[slot, 0, word] = encoded[row, word]
        for k in range(taken):  # Fisher and Yates, as far as needed
            counter += np.uint64(1)
            # The upper 32 bits times the range, shifted back: no division, and a bias below 1e-7 (Lemire 2019).
            other = k + signed(((_mixed(counter) >> np.uint64(32)) * np.uint64(count - k)) >> np.uint64(32))
            chosen = pool[other]
            pool[other] = pool[k]
            choices[slot, k] = chosen
            for word in range(length):
                words[slot, k + 1, word] = encoded[chosen, word]
        choices[slot, taken:] = 0
        words[slot, taken + 1 :] = 0
        seen.shown[slot] = taken


@compiled
def _gather(
    start: int,
    stop: int,
    rows: Rows,
    encoded: NDArray[np.unsignedinteger[Any]],
    words: NDArray[np.unsignedinteger[Any]],
) -> None:
    """Copy the encodings of rows start..stop to `words` (n, words)."""
    for at in range(start, stop):
        for word in range(words.shape[1]):
            words[at, word] = encoded[rows[at], word]
