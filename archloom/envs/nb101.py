"""Neighbourhoods in NAS-Bench-101: every move is a look-up in the index of all cells."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archloom.data.tables import Table
from archloom.data.tables.cell_index import CellIndex, open_index
from archloom.envs import NeighbourhoodRequest
from archloom.envs.incremental import NeighbourhoodEnv
from archloom.errors import InputError
from archloom.problems import ProblemSpec, select_metrics
from archloom.spaces.nb101.cells import by_size
from archloom.spaces.nb101.codes import UNCONNECTED, allowed_codes, pack_graphs, unpack
from archloom.spaces.nb101.encoding import BITS, encode
from archloom.utils.jit import compiled, share, signed

_WORDS = BITS // 8
_ALONE = 4_096
"""One thread serves up to this many slots: it does a thousand in the time that two threads take to start."""


class Nb101NeighbourhoodEnv(NeighbourhoodEnv):
    """Slots hold one of the 423,624 cells each; `values` (423624,) are accuracies in percent, in index order."""

    bits = BITS
    alpha = 6.0  # section 4.1.1

    def __init__(self, index: CellIndex, values: NDArray[np.float64], slots: int, max_neighbours: int) -> None:
        self._index = index
        self._values = values
        self._encoded = encode(unpack(index.codes)).view(np.uint64)  # (cells, 7): a cell is copied as seven words
        self._rows = np.zeros(slots, dtype=np.int64)
        self._choices = np.zeros((slots, max_neighbours), dtype=np.int32)  # the neighbours shown
        self._shown = np.zeros(slots, dtype=np.int64)

    def place(self, slots: NDArray[np.intp], rng: np.random.Generator) -> None:
        self._rows[slots] = self._index.rows(by_size(rng, len(slots)))

    def move(self, slots: NDArray[np.intp], choices: NDArray[np.intp]) -> None:
        self._rows[slots] = self.shown_rows(slots, choices)

    def shown_rows(self, slots: NDArray[np.intp], choices: NDArray[np.intp] | int) -> NDArray[np.int32]:
        """The rows of the neighbours last shown to these slots as number `choices`, counted from 1."""
        rows: NDArray[np.int32] = self._choices[slots, choices - 1]
        return rows

    def values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._values[self._rows[slots]]

    def shown_values(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        there = np.arange(self._choices.shape[1]) < self._shown[slots, None]
        return np.where(there, self._values[self._choices[slots]], np.nan)

    def states(self, slots: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        return self._rows[slots, None]

    def set_state(self, slots: NDArray[np.intp], states: NDArray[np.integer[Any]]) -> None:
        self._rows[slots] = states[:, 0]

    def show(
        self, architectures: NDArray[np.uint8], rng: np.random.Generator, slots: NDArray[np.intp] | None = None
    ) -> NDArray[np.int64]:
        seed = int(rng.integers(1 << 63))
        words = architectures.view(np.uint64)
        around = Around(self._index.offsets, self._index.targets, self._encoded)
        seen = Seen(self._rows, self._choices, words, self._shown)
        if slots is not None:
            seen = Seen(self._rows[slots], self._choices[slots], words, self._shown[slots])
        share(lambda start, stop: _show(start, stop, seed, around, seen), len(seen.rows), least=_ALONE)
        if slots is not None:
            self._choices[slots], self._shown[slots] = seen.choices, seen.shown
        return seen.shown.copy()


def open_neighbourhood(request: NeighbourhoodRequest) -> Nb101NeighbourhoodEnv:
    """The neighbourhood for a table's metric, over the cached index, which is built first if it is missing."""
    scenario = select_metrics(
        request.problem, ProblemSpec("nb101", objectives=(request.metric,) if request.metric else ())
    )
    index = open_index(request.environ, request.notify)
    table = scenario.problem.table
    assert table is not None  # noqa: S101 - nb101 has no other problems
    values = values_by_row(index, table, scenario.objectives[0])
    return Nb101NeighbourhoodEnv(index, values, request.slots, request.max_neighbours)


def values_by_row(index: CellIndex, table: Table, metric: str) -> NDArray[np.float64]:
    """(423624,) a table's metric in index order; InputError if it is not an accuracy of every cell.

    As in a search, the first of several rows for one cell counts, and rows that are not valid cells are ignored.
    """
    codes = allowed_codes(pack_graphs(table.genes))
    cells, first = np.unique(codes, return_index=True)
    first = first[cells != UNCONNECTED]
    values = np.full(len(index), np.nan)
    values[index.rows(codes[first])] = table.metric(metric)[first]
    if not np.isfinite(values).all():
        raise InputError(
            f"{metric} in {table.name} is measured for {int(np.isfinite(values).sum()):,} of {len(index):,} cells: "
            "an environment needs all of them"
        )
    if table.goals[metric] != "max" or values.min() < 0 or values.max() > 100:
        raise InputError(f"{metric} in {table.name}: expected an accuracy in percent, to be maximised")
    return values


class Around(NamedTuple):
    """The neighbours of each cell, `targets[offsets[row]:offsets[row + 1]]`, and the encoding of every cell."""

    offsets: NDArray[np.int32]
    targets: NDArray[np.int32]
    encoded: NDArray[np.uint64]
    """(cells, 7)"""


class Seen(NamedTuple):
    """The cells of all slots, and buffers for what they are shown."""

    rows: NDArray[np.int64]
    """(n,)"""
    choices: NDArray[np.int32]
    """(n, N) the rows of the neighbours shown."""
    words: NDArray[np.uint64]
    """(n, N + 1, 7) encodings: the slot's own cell, then the neighbours."""
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
    most = choices.shape[1]
    pool = np.empty(512, np.int32)
    for slot in range(start, stop):
        row = seen.rows[slot]
        first = signed(around.offsets[row])
        count = signed(around.offsets[row + 1]) - first
        pool[:count] = around.targets[first : first + count]
        taken = min(count, most)
        counter = _mixed(np.uint64(seed) + np.uint64(slot) * np.uint64(0xD1342543DE82EF95))
        for word in range(_WORDS):
            words[slot, 0, word] = encoded[row, word]
        for k in range(taken):  # Fisher and Yates, as far as needed
            counter += np.uint64(1)
            # The upper 32 bits times the range, shifted back: no division, and a bias below 1e-7 (Lemire 2019).
            other = k + signed(((_mixed(counter) >> np.uint64(32)) * np.uint64(count - k)) >> np.uint64(32))
            chosen = pool[other]
            pool[other] = pool[k]
            choices[slot, k] = chosen
            for word in range(_WORDS):
                words[slot, k + 1, word] = encoded[chosen, word]
        words[slot, taken + 1 :] = 0
        seen.shown[slot] = taken
