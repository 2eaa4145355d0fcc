"""Whether arrays fit into this machine's memory: asked before they are made, because afterwards is too late."""

from __future__ import annotations

from archloom.errors import InputError
from archloom.utils.memory import too_large


def check_fits(what: str, size: int) -> None:
    """InputError if `size` bytes for `what` are more than this machine can hold."""
    if (why := too_large(size, " of pixels")) is not None:
        raise InputError(f"{what}: {why}; expected fewer or smaller images (task.size resizes them)")
