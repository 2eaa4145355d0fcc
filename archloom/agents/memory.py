"""Options that ask for more memory than there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from archloom.agents.options import ApexOptions
from archloom.errors import ArchloomError, InputError

_SIZES = ("walkers", "max_neighbours", "n_step", "buffer", "batch_size", "width", "feedforward", "head_width")


@contextmanager
def in_memory(options: ApexOptions, error: type[ArchloomError] = InputError) -> Iterator[None]:
    """Raise `error`, with the options that decide how much memory is needed, if that is more than there is."""
    try:
        yield
    except (MemoryError, RuntimeError) as failed:
        if isinstance(failed, RuntimeError) and "memory" not in str(failed):  # what PyTorch raises has no class
            raise
        given = ", ".join(f"{name}={getattr(options, name)}" for name in _SIZES)
        raise error(f"there is too little memory for {given}: make the largest of them smaller") from None
