"""Batches of rows shared among plain threads, for work that releases the interpreter's lock, as kernels do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def threads() -> int:
    """The number of threads that share a batch: OMP_NUM_THREADS if that is set, else every core we may use."""
    setting = os.environ.get("OMP_NUM_THREADS", "")
    if setting.isdecimal() and int(setting) > 0:
        return int(setting)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share(work: Callable[[int, int], object], rows: int, least: int = 256) -> None:
    """Call `work(start, stop)` for slices that make up `range(rows)`, on several threads if there is enough to do.

    `work` must treat each row independently: how rows are split must not affect the result. Slices have at least
    `least` rows, because a thread costs some 50 microseconds.
    """
    parts = max(1, min(threads(), rows // least))
    if parts == 1:
        work(0, rows)
        return
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(lambda part: work(*part), _cut(rows, parts)))


def spread(work: Callable[[Item], Done], items: Sequence[Item], count: int) -> list[Done]:
    """What `work` returns for each item, in their order, worked out on at most `count` threads."""
    if count == 1 or len(items) < 2:
        return [work(item) for item in items]
    return list(_pool(os.getpid(), count).map(work, items))


@lru_cache(maxsize=2)
def _pool(_process: int, count: int) -> ThreadPoolExecutor:
    """Threads that stay: the memory that a new one works in is mapped page by page, which takes longer than a batch.

    A process that was forked has none of its parent's threads.
    """
    return ThreadPoolExecutor(count)


def _cut(rows: int, parts: int) -> Iterator[tuple[int, int]]:
    for part in range(parts):
        yield rows * part // parts, rows * (part + 1) // parts
