"""Random search: architectures drawn independently, nothing learned."""

from __future__ import annotations

from archloom.strategies.base import BaseStrategy
from archloom.types import Proposal


class RandomSearch(BaseStrategy):
    """Draws from the space's own sampler. Repeats are answered from the record: queries are without replacement."""

    def propose(self) -> Proposal:
        return Proposal(self.sample_valid())
