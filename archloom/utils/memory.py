"""How much memory this machine has."""

from __future__ import annotations

import os

SHARE = 0.8
"""Of the machine's memory, for what one request needs: whoever asks for more is not helped by trying."""


def too_large(size: int, of: str = "") -> str | None:
    """Why `size` bytes `of` something are not tried, in words; None if this machine holds them, or does not say."""
    memory = memory_bytes()
    if memory is None or size <= SHARE * memory:
        return None
    return f"{_in_words(size)}{of}; this machine has {_in_words(memory)} of memory"


def memory_bytes() -> int | None:
    """The machine's memory in bytes; None if it does not say."""
    try:
        pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return None
    return pages * page if pages > 0 and page > 0 else None


def _in_words(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
