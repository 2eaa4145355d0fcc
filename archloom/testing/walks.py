"""The contract of `HasWalks`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archloom.spaces.base import SearchSpace, is_valid
from archloom.spaces.walks import HasWalks
from archloom.types import Arch

_SHOWN = (1, 20)
"""How many neighbours are asked for."""


def check_walks(space: SearchSpace, again: SearchSpace, archs: Sequence[Arch], rng: np.random.Generator) -> None:
    """Encodings tell architectures apart; neighbours shown are valid, others than the architecture, and each once.

    `again` is the same space, made again.
    """
    assert isinstance(space, HasWalks)
    assert isinstance(again, HasWalks)
    bits, told = space.encoding_bits, (space.encoding, again.encoding)
    assert isinstance(told[0], str) and told[0], f"encoding is {told[0]!r}, expected a name"
    assert told[0] == told[1], f"encoding is {told[0]!r}, and in a copy of the space {told[1]!r}"
    genes = np.array([arch.genes for arch in archs])
    encoded = space.encode(genes)
    assert encoded.shape == (len(archs), bits), f"encode gives shape {encoded.shape}, expected {(len(archs), bits)}"
    assert encoded.dtype == np.uint8 and encoded.max() <= 1, "encode gives other numbers than uint8 zeros and ones"
    by_bits: dict[bytes, str] = {}
    for arch, row in zip(archs, encoded, strict=True):
        key = space.key(arch)
        assert by_bits.setdefault(row.tobytes(), key) == key, f"{arch} and another architecture have the same bits"
    for most in _SHOWN:
        _check_shown(space, genes, most, rng)


def _check_shown(space: SearchSpace, genes: np.ndarray[tuple[int, int]], most: int, rng: np.random.Generator) -> None:
    assert isinstance(space, HasWalks)
    before, state = genes.copy(), rng.bit_generator.state
    shown = space.show_neighbours(genes, most, rng)
    rng.bit_generator.state = state
    again = space.show_neighbours(genes, most, rng)
    assert (genes == before).all(), "show_neighbours changes the genes it is given"
    assert (shown.counts == again.counts).all(), "show_neighbours draws from another generator than it is given"
    assert shown.genes.shape[1] <= most, f"show_neighbours({most}) gives {shown.genes.shape[1]} places"
    for own, near, twice, count in zip(genes, shown.genes, again.genes, shown.counts.tolist(), strict=True):
        assert 0 <= count <= most, f"show_neighbours({most}) shows {count}"
        there = near[:count]
        assert (there == twice[:count]).all(), "show_neighbours draws from another generator than it is given"
        rows = [row.tobytes() for row in space.encode(np.concatenate([own[None], there]))]
        assert len(set(rows)) == len(rows), f"a neighbour of {own.tolist()} is shown twice, or is that itself"
        for row in there.tolist():
            assert is_valid(space, Arch(tuple(row))), f"{row} is shown, and breaks a rule of {space.name!r}"
