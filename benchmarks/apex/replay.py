"""What prioritised replay takes, with transitions of NAS-Bench-101: inserted, sampled, given other priorities."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.learners.replay import PrioritisedReplay
from benchmarks.apex.study import Study

_TOKENS = 51
_CELLS = 423_624
_COLUMNS: Mapping[str, tuple[Any, tuple[int, ...]]] = {
    "states": (np.int32, (_TOKENS, 1)),
    "counts": (np.int16, ()),
    "actions": (np.int16, ()),
    "returns": (np.float32, ()),
    "discounts": (np.float32, ()),
    "next_states": (np.int32, (_TOKENS, 1)),
    "next_counts": (np.int16, ()),
}
"""As the agent keeps transitions."""
_TO_REACH_MS = 1.0
"""Of one insertion and one sample together."""


def replay(capacity: int = 1_000_000, batch: int = 512, repetitions: int = 1_000, seed: int = 0) -> dict[str, Any]:
    """Median milliseconds of `repetitions` rounds in a full buffer: `batch` transitions are inserted, as many are drawn
    with their columns, and these get new priorities."""
    rng = np.random.default_rng(seed)
    buffer = _full(capacity, rng)
    new = _transitions(batch, rng)
    inserted, sampled, updated = [], [], []
    for _ in range(repetitions):
        errors = rng.exponential(size=batch)
        began = time.perf_counter()
        buffer.add(new, errors)
        between = time.perf_counter()
        sample = buffer.sample(batch, 0.4, rng)
        drawn = time.perf_counter()
        buffer.update(sample.rows, errors)
        inserted.append(between - began)
        sampled.append(drawn - between)
        updated.append(time.perf_counter() - drawn)
    both = 1_000 * median(map(sum, zip(inserted, sampled, strict=True)))
    return {
        "capacity": capacity,
        "batch": batch,
        "insert_ms": round(1_000 * median(inserted), 4),
        "sample_ms": round(1_000 * median(sampled), 4),
        "update_ms": round(1_000 * median(updated), 4),
        "insert_and_sample_ms": round(both, 4),
        "to_reach": _TO_REACH_MS,
        "reached": both < _TO_REACH_MS,
    }


def _full(capacity: int, rng: np.random.Generator, chunk: int = 10_000) -> PrioritisedReplay:
    buffer = PrioritisedReplay(capacity, _COLUMNS)
    while len(buffer) < capacity:
        rows = min(chunk, capacity - len(buffer))
        buffer.add(_transitions(rows, rng), rng.exponential(size=rows))
    return buffer


def _transitions(rows: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    return {
        name: rng.integers(0, _CELLS if shape else _TOKENS, (rows, *shape)).astype(dtype)
        for name, (dtype, shape) in _COLUMNS.items()
    }


def _run(arguments: argparse.Namespace) -> Sequence[dict[str, Any]]:
    return [replay(1_000, 32, 3) if arguments.smoke else replay()]


STUDIES: dict[str, Study] = {"replay": Study("milliseconds to insert and to sample 512 of 1,000,000 transitions", _run)}
