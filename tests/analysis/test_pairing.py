from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archloom.analysis.pairing import begin_alike


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ([[1, 2], [3, 4]], [[1, 5], [3, 6]], True),  # the same first architecture, by seed
        ([[1, 2], [3, 4]], [[1, 5], [6, 4]], False),  # not with every seed
        ([[1, 2], [1, 3]], [[1, 2], [1, 3]], True),  # after a given start
        ([[1, 2], [1, 3]], [[1, 4], [1, 5]], False),  # a start that is given to all pairs nothing
        ([[1], [1]], [[1], [1]], False),  # nor does what is the same with every seed
        ([[1, 2]], [[1, 3]], False),  # a single seed
        ([[1, 2], [1]], [[1, 2], [1]], False),  # a run that ended with what was given
    ],
)
def test_runs_of_a_seed_that_begin_alike(
    make_report: Any, one: list[list[int]], other: list[list[int]], alike: bool
) -> None:
    runs = [[make_report(rows, seed=seed) for seed, rows in enumerate(each)] for each in (one, other)]
    assert begin_alike(*runs) is begin_alike(*reversed(runs)) is alike


def test_other_seeds_are_not_compared(make_report: Any) -> None:
    assert not begin_alike([make_report([1], seed=0)], [make_report([1], seed=1)])
    assert begin_alike([make_report([r], seed=r) for r in range(3)], [make_report([r], seed=r) for r in (2, 1)])


def test_strategies_that_draw_in_the_same_way_begin_alike(planted: Path) -> None:
    """CADAM's first architectures are those of random actions."""
    import archloom

    random, evolution, cadam = (
        [archloom.run(name, on=str(planted), queries=3, seed=seed) for seed in range(3)]
        for name in ("random", "evolution", "cadam")
    )
    assert begin_alike(random, evolution)
    assert not begin_alike(random, cadam)
