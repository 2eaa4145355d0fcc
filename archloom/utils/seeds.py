"""Every random stream of a run derives from (run seed, purpose, index), so that no stream depends on another's use."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from archloom.errors import InputError


def check_seed(seed: int | np.integer[Any]) -> int:
    """`seed` if it can seed a run: an integer in [0, 2**63), also one of numpy's."""
    if isinstance(seed, np.integer):
        seed = int(seed)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed {seed!r}: expected a whole number from 0 to 2**63 - 1")
    return seed


def stream(seed: int, purpose: str, index: int | None = None) -> np.random.Generator:
    """The generator for one purpose of a run, e.g. `stream(0, "strategy")` or `stream(0, "evaluate", trial_id)`.

    Streams with different arguments are statistically independent (numpy's SeedSequence), and the same arguments give
    the same stream in every process and on every platform.
    """
    digest = hashlib.sha256(purpose.encode()).digest()
    words = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    key = words if index is None else (*words, index)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=check_seed(seed), spawn_key=key)))
