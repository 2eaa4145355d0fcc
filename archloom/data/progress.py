"""How long work on a file tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with what is done and, if it is known, how much there is: bytes, or what the function says."""
