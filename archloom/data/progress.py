"""How slow work on a file reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with the amount done and, if known, the total: in bytes, or in the unit that the function documents."""
