"""Whether arrays fit into this machine's memory: asked before they are made, because afterwards is too late."""

from __future__ import annotations

import os

from archloom.errors import InputError

_SHARE = 0.8
"""Of the machine's memory, for one array: whoever asks for more is not helped by trying."""


def check_fits(what: str, size: int) -> None:
    """InputError if `size` bytes for `what` are more than this machine can hold."""
    memory = memory_bytes()
    if memory is not None and size > _SHARE * memory:
        raise InputError(
            f"{what}: {_in_words(size)} of pixels; this machine has {_in_words(memory)} of memory; expected fewer or "
            "smaller images (task.size resizes them)"
        )


def memory_bytes() -> int | None:
    """The machine's memory in bytes; None if it does not say."""
    try:
        pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return None
    return pages * page if pages > 0 and page > 0 else None


def _in_words(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
