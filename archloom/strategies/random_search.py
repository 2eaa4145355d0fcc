"""Random search: architectures drawn independently, nothing learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from archloom.constraints import Criteria
from archloom.spaces.base import SearchSpace
from archloom.strategies.base import BaseStrategy, pack_archs, unpack_archs
from archloom.strategies.starts import starts_of
from archloom.types import Proposal
from archloom.utils.options import Options


@dataclass(frozen=True)
class RandomSearchOptions(Options):
    """`start`: architectures to begin with, as `archloom best` writes them; several are separated by ";".

    With as many queries as there are of them, a search trains what it is given and draws nothing.
    """

    start: str = ""


class RandomSearch(BaseStrategy):
    """Draws from the space's own sampler. Repeats are answered from the record: queries are without replacement."""

    Options: ClassVar[type[Any]] = RandomSearchOptions
    options: RandomSearchOptions

    def __init__(
        self,
        space: SearchSpace,
        criteria: Criteria,
        rng: np.random.Generator,
        options: RandomSearchOptions | None = None,
    ) -> None:
        super().__init__(space, criteria, rng, options)
        self.given = starts_of("random", self.options.start, space)

    def propose(self) -> Proposal:
        return Proposal(self.given.pop(0) if self.given else self.sample_valid())

    def dump(self) -> dict[str, Any]:
        return {"given": pack_archs(self.given)} if self.given else {}

    def restore(self, own: dict[str, Any]) -> None:
        self.given = unpack_archs(own.get("given", []))
