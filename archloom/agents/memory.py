"""Options that ask for more memory than there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from archloom.agents.options import ApexOptions
from archloom.errors import ArchloomError, InputError
from archloom.utils.memory import too_large

_COPIES = 7
"""Of each weight, with 4 bytes: online, target and acting network, gradient, Adam's two, and a checkpoint's."""


def check_memory(options: ApexOptions, state_bytes: int = 1, bits: int = 1) -> None:
    """InputError if a training needs more memory than this machine has.

    `state_bytes` and `bits`: of an architecture, as a state and as it is encoded; what is not known yet counts little.
    """
    o, tokens = options, options.max_neighbours + 1
    seen = tokens * state_bytes
    weights = (
        bits * o.width
        + (o.encoder_layers - 1) * o.width * (o.encoder_width or o.width)
        + o.layers * o.width * (4 * o.width + 2 * o.feedforward)
        + 2 * o.head_width * o.width
    )
    needed = {
        f"buffer={o.buffer}, max_neighbours={o.max_neighbours}": 2 * min(o.buffer, o.steps) * seen,
        f"walkers={o.walkers}, n_step={o.n_step}, max_neighbours={o.max_neighbours}": o.walkers
        * (o.n_step * seen + tokens * bits),
        f"batch_size={o.batch_size}, max_neighbours={o.max_neighbours}": 2 * o.batch_size * (seen + tokens * bits),
        f"a network of about {weights:,} weights": 4 * _COPIES * weights,
    }
    if (why := too_large(sum(needed.values()))) is not None:
        largest = max(needed, key=lambda name: needed[name])
        raise InputError(f"this training needs about {why}; most of it is for {largest}; expected less")


@contextmanager
def in_memory(options: ApexOptions, error: type[ArchloomError] = InputError) -> Iterator[None]:
    """Raise `error`, with the options that decide how much memory is needed, if there is less while it is used."""
    try:
        yield
    except (MemoryError, RuntimeError) as failed:
        if isinstance(failed, RuntimeError) and "memory" not in str(failed):  # what PyTorch raises has no class
            raise
        sizes = ("walkers", "max_neighbours", "n_step", "buffer", "batch_size", "width", "feedforward", "head_width")
        given = ", ".join(f"{name}={getattr(options, name)}" for name in sizes)
        raise error(f"there is too little memory for {given}: make the largest of them smaller") from None
