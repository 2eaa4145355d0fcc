"""What the record says of the sets that GA-NAS draws; apart from the strategy, so that reading it needs no PyTorch."""

from __future__ import annotations

from archloom.strategies.note import Note


class SetNote(Note, frozen=True):
    """A proposal's place in its set X_t; the first of a set also says how that was drawn.

    `iteration`: t. `draws`: how often it came up among the first |X_t| graphs that the refitted generator drew (0: it
    came from draws at a higher temperature). Of the first only: `rho`, the share of the truth set in all that had been
    evaluated; `js`, the estimated divergence of the generator from the truth set before it was refitted, in nats, if it
    was estimated; `size`, how many proposals the set has; `known`, the earlier trials that came up again -> how often.
    """

    iteration: int
    draws: int | None = None
    rho: float | None = None
    js: float | None = None
    size: int | None = None
    known: dict[int, int] | None = None
