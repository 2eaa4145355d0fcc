"""Neighbourhoods in any graph of architectures that are numbered: every move is a look-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.envs.checks import loaded
from archloom.envs.incremental import NeighbourhoodEnv
from archloom.errors import InputError
from archloom.utils.jit import compiled, share, signed

_ALONE = 4_096
"""One thread serves up to this many slots: it does a thousand in the time that two threads take to start."""

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
    def padded(self) -> NDArray[np.uint8]:
        """(rows + 1, bits) the encodings, then zeros: what is shown after the last neighbour."""
        return np.concatenate([self.encoded, np.zeros((1, self.bits), dtype=np.uint8)])

    @cached_property
    def most_neighbours(self) -> int:
        """The largest number of neighbours that a row has."""
        return int(np.diff(self.offsets).max())


class Terrain(NeighbourhoodEnv):
    """Slots hold rows of a graph; `values` (rows,) are their accuracies in percent. A state is the row (1,) int32."""

    state_dtype = np.dtype(np.int32)
    state_width = 1

    def __init__(self, graph: Graph, values: NDArray[np.float64], slots: int, max_neighbours: int) -> None:
        if values.shape != (len(graph),):
            raise InputError(f"values of shape {values.shape}: expected one for each of the graph's {len(graph)} rows")
        self.space, self.encoding, self.bits, self.alpha = graph.space, graph.encoding, graph.bits, graph.alpha
        self._graph = graph
        self._none = len(graph)  # in place of a row: there is no neighbour
        self._values = np.append(values, np.nan)
        self._rows = np.zeros(slots, dtype=np.int32)
        self._choices = np.full((slots, max_neighbours), self._none, dtype=np.int32)  # the neighbours shown

    def place(self, slots: NDArray[np.intp], rng: np.random.Generator) -> None:
        starts = self._graph.starts
        self._rows[slots] = (
            rng.integers(len(self._graph), size=len(slots)) if starts is None else starts(rng, len(slots))
        )

    def move(self, slots: NDArray[np.intp], choices: NDArray[np.intp]) -> None:
        rows = self._choices[slots, choices - 1]
        if (rows == self._none).any():
            raise InputError("choices: expected numbers of neighbours that are shown, counted from 1")
        self._rows[slots] = rows

    def values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._values[self._rows[slots]]

    def shown_values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._values[self._choices[slots]]

    def states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        return self._rows[slots, None]

    def shown_states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        choices = self._choices[slots, :, None]
        return np.where(choices == self._none, np.int32(0), choices)

    def set_state(self, slots: NDArray[np.intp], states: NDArray[np.integer[Any]]) -> None:
        self._rows[slots] = self._checked(states)

    def genes(self, states: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        rows = self._checked(states)
        return super().genes(states) if self._graph.genes is None else self._graph.genes(rows)

    def encode(self, states: NDArray[np.integer[Any]], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        rows = self._checked(states)
        return self._graph.encoded.take(rows, axis=0, out=self._out(len(rows), out), mode="clip")

    def show(
        self, architectures: NDArray[np.uint8], rng: np.random.Generator, slots: NDArray[np.intp] | None = None
    ) -> NDArray[np.int64]:
        seed = int(rng.integers(1 << 63))
        rows = self._rows if slots is None else self._rows[slots]
        seen = np.empty((len(rows), 1 + self._choices.shape[1]), dtype=np.int32)
        shown = np.empty(len(rows), dtype=np.int64)
        graph, padded = self._graph, self._graph.padded

        def work(start: int, stop: int) -> None:
            _draw(start, stop, seed, rows, graph.offsets, graph.targets, graph.most_neighbours, seen, shown)
            padded.take(seen[start:stop], axis=0, out=architectures[start:stop], mode="clip")

        share(work, len(rows), least=_ALONE)
        self._choices[slice(None) if slots is None else slots] = seen[:, 1:]
        return shown

    def state_dict(self) -> dict[str, NDArray[Any]]:
        return {"rows": self._rows.copy(), "choices": self._choices.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        rows, choices = (loaded(state, name, own) for name, own in (("rows", self._rows), ("choices", self._choices)))
        for name, given, last in (("rows", rows, self._none - 1), ("choices", choices, self._none)):
            if given.size and not 0 <= given.min() <= given.max() <= last:
                raise InputError(f"state's {name}: expected rows from 0 to {last}")
        self._rows, self._choices = rows, choices

    def _checked(self, states: NDArray[np.integer[Any]]) -> Rows:
        """(m,) the rows that states (m, 1) are: compiled code does not check where it reads."""
        if states.ndim != 2 or states.shape[1] != 1 or states.dtype.kind not in "iu":
            raise InputError(f"states {states.dtype} {states.shape}: expected whole numbers (m, 1)")
        rows = states[:, 0]
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self._graph):
            wrong = rows.min() if rows.min() < 0 else rows.max()
            raise InputError(f"state {wrong}: expected a row from 0 to {len(self._graph) - 1}")
        return rows


@compiled
def _mixed(state: np.uint64) -> np.uint64:
    """A random number from a counter (SplitMix64, Steele et al. 2014)."""
    z = state * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(z ^ (z >> np.uint64(31)))


@compiled
def _draw(
    start: int,
    stop: int,
    seed: int,
    rows: NDArray[np.int32],
    offsets: NDArray[np.int32],
    targets: NDArray[np.int32],
    most_neighbours: int,
    seen: NDArray[np.int32],
    shown: NDArray[np.int64],
) -> None:
    """Draw what slots start..stop see: `seen` (n, N + 1) their own rows, then neighbours, then the number of all rows.

    Each slot has its own random numbers, by its index.
    """
    none = len(offsets) - 1
    pool = np.empty(most_neighbours, np.int32)
    for slot in range(start, stop):
        row = rows[slot]
        first = signed(offsets[row])
        count = signed(offsets[row + 1]) - first
        for k in range(count):
            pool[k] = targets[first + k]
        taken = min(count, seen.shape[1] - 1)
        counter = _mixed(np.uint64(seed) + np.uint64(slot) * np.uint64(0xD1342543DE82EF95))
        seen[slot, 0] = row
        for k in range(taken):  # Fisher and Yates, as far as needed
            counter += np.uint64(1)
            # The upper 32 bits times the range, shifted back: no division, and a bias below 1e-7 (Lemire 2019).
            other = k + signed(((_mixed(counter) >> np.uint64(32)) * np.uint64(count - k)) >> np.uint64(32))
            seen[slot, k + 1] = pool[other]
            pool[other] = pool[k]
        for k in range(taken + 1, seen.shape[1]):
            seen[slot, k] = none
        shown[slot] = taken
