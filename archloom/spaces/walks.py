"""What an agent that walks sees of a space: encodings of architectures, and neighbours to move to, in batches.

Cassimon et al., section 3.2. Architectures are rows of genes (n, g) here, so that thousands can be shown and encoded
between two steps of an agent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from archloom.utils.json_text import dumps

Genes = NDArray[np.integer[Any]]
"""(n, g) a row for each architecture."""


class Shown(NamedTuple):
    """Neighbours of n architectures, at most N of each."""

    genes: Genes
    """(n, N, g); after an architecture's last neighbour anything."""
    counts: NDArray[np.int64]
    """(n,) how many are shown."""


@runtime_checkable
class HasWalks(Protocol):
    """Spaces that agents trained in the incremental search problem can walk on.

    `encoding` names what the bits mean: an agent can be used wherever it and `encoding_bits` are the same. Both
    methods take rows of valid architectures.
    """

    @property
    def encoding(self) -> str: ...

    @property
    def encoding_bits(self) -> int:
        """How many bits an encoding has."""
        ...

    def encode(self, genes: Genes) -> NDArray[np.uint8]:
        """(n, encoding_bits) zeros and ones, different for architectures of different keys."""
        ...

    def show_neighbours(self, genes: Genes, most: int, rng: np.random.Generator) -> Shown:
        """Up to `most` valid neighbours of each, drawn uniformly without replacement, in random order."""
        ...


class Drawn(NamedTuple):
    """Which of their neighbours n architectures are shown."""

    numbers: NDArray[np.intp]
    """(n, most) indices into the list of all, one architecture's neighbours after the other's; 0 after the last."""
    counts: NDArray[np.int64]
    """(n,)"""


def draw(counts: NDArray[np.int64], most: int, rng: np.random.Generator) -> Drawn:
    """Up to `most` of each architecture's `counts` (n,) neighbours, uniformly without replacement, in random order."""
    owner = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((rng.random(len(owner)), owner))
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = place < most
    numbers = np.zeros((len(counts), most), dtype=np.intp)
    numbers[owner[kept], place[kept]] = order[kept]
    return Drawn(numbers, np.minimum(counts, most))


def draw_listed(neighbours: Sequence[Genes], most: int, rng: np.random.Generator) -> Shown:
    """Up to `most` of the neighbours of each architecture, all of which are given, (m, g) each."""
    drawn = draw(np.array([len(near) for near in neighbours], dtype=np.int64), most, rng)
    everything = np.concatenate(neighbours)
    if not len(everything):
        return Shown(np.zeros((*drawn.numbers.shape, everything.shape[1]), everything.dtype), drawn.counts)
    return Shown(everything[drawn.numbers], drawn.counts)


class ChoiceWalks:
    """Walks among all combinations of choices with these many options each: a neighbour differs in one choice."""

    def __init__(self, sizes: NDArray[np.integer[Any]]) -> None:
        self._first = np.cumsum(sizes) - sizes
        self.bits = int(sizes.sum())
        self._gene = np.repeat(np.arange(len(sizes)), sizes - 1)  # of each neighbour: the choice that differs,
        self._other = np.arange(len(self._gene)) - self._first[self._gene] + self._gene  # and which other option

    def encode(self, genes: Genes) -> NDArray[np.uint8]:
        """(n, bits) one-hot vectors, one choice's after the other's."""
        bits = np.zeros((len(genes), self.bits), dtype=np.uint8)
        np.put_along_axis(bits, self._first + genes, 1, axis=1)
        return bits

    def show(self, genes: Genes, most: int, rng: np.random.Generator) -> Shown:
        """See `HasWalks.show_neighbours`."""
        everything = len(self._gene)
        count = min(most, everything)
        numbers = rng.random((len(genes), everything)).argsort(axis=1)[:, :count]
        gene, option = self._gene[numbers], self._other[numbers]
        option += option >= np.take_along_axis(genes, gene, axis=1)
        shown = np.repeat(genes[:, None], count, axis=1)
        np.put_along_axis(shown, gene[..., None], option[..., None], axis=2)
        return Shown(shown, np.full(len(genes), count))


def encoding_of(names: Sequence[str], options: Sequence[Sequence[str]]) -> str:
    """What the bits of `ChoiceWalks` mean: equal for choices of the same names with the same options in order."""
    named = dumps([list(names), list(map(list, options))], ascii_only=True)
    return f"one-hot-{hashlib.sha256(named.encode()).hexdigest()[:16]}"
