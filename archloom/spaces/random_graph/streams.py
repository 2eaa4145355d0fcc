"""Random numbers that are the same on every machine and with every version of every library."""

from __future__ import annotations

import hashlib
import struct

_WORDS = 64
"""How many numbers a block has."""


class Stream:
    """Random numbers that follow from a label alone: the bits of SHAKE-256 (FIPS 202) of the label and a counter."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._block = 0
        self._words: list[int] = []

    def _word(self) -> int:
        """64 random bits."""
        if not self._words:
            digest = hashlib.shake_256(f"{self._label}#{self._block}".encode()).digest(8 * _WORDS)
            self._words = list(struct.unpack(f"<{_WORDS}Q", digest))[::-1]
            self._block += 1
        return self._words.pop()

    def random(self) -> float:
        """A number from 0 to 1, without 1, of 53 random bits."""
        return (self._word() >> 11) * 2.0**-53

    def below(self, bound: int) -> int:
        """A whole number from 0 to `bound` - 1."""
        return self._word() * bound >> 64

    def choice(self, weights: list[float]) -> int:
        """An index, drawn in proportion to weights of which at least one is above 0."""
        left = self.random() * sum(weights)
        chosen = 0
        for index, weight in enumerate(weights):
            if weight > 0:
                chosen = index
                if left < weight:
                    break
                left -= weight
        return chosen
