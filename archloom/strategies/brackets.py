"""The bookkeeping of a bracket of successive halving, which `hyperband` and `bohb` share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from archloom.strategies.base import pack_trials, unpack_trials
from archloom.types import Proposal, Trial


@dataclass
class Bracket:
    """Rungs at ascending `fidelities`, for each of which `sizes` says how many trials are planned.

    The first rung's architectures are drawn. When all trials of a rung are told, the rung is `complete`: whoever has
    the bracket then promotes the best of them (`most_promoted`), or it is over if the rung was the last.

    Attributes:
        rung: the present one, from 0.
        to_draw: how many architectures are still to be drawn for it.
        expected: how many trials it has, those included.
        told: its trials that were told.
        queue: those promoted to it that were not asked for yet.
    """

    fidelities: Sequence[int]
    sizes: Sequence[int]
    rung: int = 0
    to_draw: int = field(init=False)
    expected: int = field(init=False)
    told: list[Trial] = field(default_factory=list)
    queue: deque[Proposal] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.to_draw = self.expected = self.sizes[0]

    @property
    def fidelity(self) -> int:
        """That of the present rung."""
        return self.fidelities[self.rung]

    def ask(self, draw: Callable[[int], Proposal | None]) -> Proposal | None:
        """The next proposal; None while the rung waits for results.

        `draw` makes a new one at a fidelity. When it has none (None) the bracket goes on with those it has.
        """
        if self.queue:
            return self.queue.popleft()
        proposal = draw(self.fidelity) if self.to_draw else None
        if proposal is not None:
            self.to_draw -= 1
        else:
            self.expected -= self.to_draw
            self.to_draw = 0
        return proposal

    def tell(self, trial: Trial) -> None:
        self.told.append(trial)

    @property
    def complete(self) -> bool:
        """Whether all trials of the rung are told."""
        return len(self.told) == self.expected

    @property
    def most_promoted(self) -> int:
        """How many of the rung's trials are promoted at most: none of the last rung's."""
        return self.sizes[self.rung + 1] if self.rung + 1 < len(self.sizes) else 0

    def advance(self, promoted: Sequence[Proposal], to_draw: int = 0) -> None:
        """Begin the next rung with those that are promoted to it, and so many that are drawn for it."""
        self.rung += 1
        self.to_draw, self.expected = to_draw, len(promoted) + to_draw
        self.told, self.queue = [], deque(promoted)

    def dump(self) -> dict[str, Any]:
        """How far it has got, as plain data."""
        return {
            "rung": self.rung,
            "to_draw": self.to_draw,
            "expected": self.expected,
            "told": pack_trials(self.told),
            "queue": msgspec.to_builtins(list(self.queue)),
        }

    def restored(self, own: Mapping[str, Any]) -> Self:
        """Itself, as far as `dump` said."""
        self.rung, self.to_draw, self.expected = own["rung"], own["to_draw"], own["expected"]
        self.told = unpack_trials(own["told"])
        self.queue = deque(msgspec.convert(own["queue"], list[Proposal], strict=False))
        return self
